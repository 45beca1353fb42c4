//! Rows and refusals as people and scripts read them.

use serde_json::{Value as Json, json};

use crate::model::{Op, TableName, Value};
use crate::replica::Row;
use crate::sync::Quarantined;

/// "1 row", "2 rows".
pub(super) fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

pub(super) fn row_json(table: &TableName, row: &Row) -> Json {
    let columns: serde_json::Map<_, _> =
        row.columns.iter().map(|(id, value)| (id.to_string(), value.to_json())).collect();
    let owner = row.header.owner.as_ref();
    json!({
        "table": table.as_str(),
        "id": row.id.to_string(),
        "owner": owner.map(|(owner, _)| owner.to_string()),
        "business_unit": owner.map(|(_, unit)| unit.to_string()),
        "pending": row.pending,
        "version": row.version.0,
        "columns": columns,
    })
}

pub(super) fn print_row(row: &Row) {
    let state = if row.pending { "  (pending)" } else { "" };
    println!("{}{state}", row.id);
    if let Some((owner, unit)) = &row.header.owner {
        println!("  owner: {owner} in {unit}");
    }
    for (id, value) in &row.columns {
        println!("  {id}: {value}");
    }
}

pub(super) fn op_text(op: &Op) -> String {
    match op {
        Op::Put { column, value } => format!("{column} = {value}"),
        Op::Own { owner, business_unit } => format!("owner = {owner} in {business_unit}"),
        Op::State(state) => format!("state = {state:?}").to_lowercase(),
        Op::Share { to, rights } => format!("share to {to}: {rights:?}"),
        Op::Splice { column, at, delete, insert } => {
            format!("{column}: {insert:?} in place of {delete} characters at {at}")
        }
        Op::Increment { column, by } => format!("{column}: {by:+}"),
        Op::ListInsert { column, at, values } => {
            format!("{column}: {} put in at {at}", Value::List(values.clone()))
        }
        Op::ListSet { column, at, value } => format!("{column}[{at}] = {value}"),
        Op::ListRemove { column, at, count } => format!("{column}: {count} taken out at {at}"),
        Op::MapPut { column, key, value } => format!("{column}[{key:?}] = {value}"),
        Op::MapRemove { column, key } => format!("{column}[{key:?}] taken out"),
        Op::JsonPut { column, path, leaf } => format!("{column}{path} = {leaf}"),
        Op::JsonRemove { column, path } => format!("{column}{path} taken out"),
    }
}

pub(super) fn quarantined_json(entry: &Quarantined) -> Json {
    let denial = &entry.denial;
    json!({
        "edit": entry.edit.to_string(),
        "table": entry.table.as_str(),
        "record": entry.record.to_string(),
        "edits": entry.ops.iter().map(op_text).collect::<Vec<_>>(),
        "rule": denial.rule.as_str(),
        "right": denial.right.map(crate::model::Right::as_str),
        "column": denial.column.as_ref().map(ToString::to_string),
        "reason": denial.to_string(),
        "policy_epoch": entry.epoch.0,
        "at": entry.at.to_string(),
    })
}

pub(super) fn print_quarantined(entry: &Quarantined) {
    println!("{}  {} {}  at {}", entry.edit, entry.table, entry.record, entry.at);
    for op in &entry.ops {
        println!("  {}", op_text(op));
    }
    println!("  refused: {}", entry.denial);
}
