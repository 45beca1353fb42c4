//! Rows and refusals as people and scripts read them.

use serde_json::{Value as Json, json};

use crate::model::{
    ColumnName, ColumnPermissions, EditKind, Op, Principal, Right, Rights, TableName, Value,
};
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
    let share = |(to, rights): (&Principal, &Rights)| {
        let rights: Vec<_> = rights.iter().map(Right::as_str).collect();
        json!({ "to": to.to_string(), "rights": rights })
    };
    let column_share = |((column, to), given): (&(ColumnName, Principal), &ColumnPermissions)| {
        let (column, to) = (column.to_string(), to.to_string());
        json!({ "to": to, "column": column, "read": given.read, "update": given.update })
    };
    json!({
        "table": table.as_str(),
        "id": row.id.to_string(),
        "owner": owner.map(|(owner, _)| owner.to_string()),
        "business_unit": owner.map(|(_, unit)| unit.to_string()),
        "shares": row.header.shares.iter().map(share).collect::<Vec<_>>(),
        "column_shares": row.header.column_shares.iter().map(column_share).collect::<Vec<_>>(),
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
    for (to, rights) in &row.header.shares {
        println!("  shared with {to}: {}", rights_text(*rights));
    }
    for ((column, to), given) in &row.header.column_shares {
        println!("  {column} shared with {to}: {}", permissions_text(*given));
    }
    for (id, value) in &row.columns {
        println!("  {id}: {value}");
    }
}

fn rights_text(rights: Rights) -> String {
    listed(rights.iter().map(Right::as_str))
}

fn permissions_text(given: ColumnPermissions) -> String {
    let named = [(given.read, "read"), (given.create, "create"), (given.update, "update")];
    listed(named.into_iter().filter_map(|(is_given, name)| is_given.then_some(name)))
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}

pub(super) fn op_text(op: &Op) -> String {
    match op {
        Op::Put { column, value } => format!("{column} = {value}"),
        Op::Own { owner, business_unit } => format!("owner = {owner} in {business_unit}"),
        Op::State(state) => format!("state = {state:?}").to_lowercase(),
        Op::Share { to, rights } => format!("shared with {to}: {}", rights_text(*rights)),
        Op::ShareColumn { column, to, permissions } => {
            format!("{column} shared with {to}: {}", permissions_text(*permissions))
        }
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

fn kind_text(kind: EditKind) -> String {
    kind.as_str().replace('_', " ")
}

pub(super) fn quarantined_json(entry: &Quarantined) -> Json {
    let denial = &entry.denial;
    json!({
        "edit": entry.edit.to_string(),
        "table": entry.table.as_str(),
        "record": entry.record.to_string(),
        "kind": entry.kind.as_str(),
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
    let (table, record) = (&entry.table, entry.record);
    println!("{}  {} of {table} {record}  at {}", entry.edit, kind_text(entry.kind), entry.at);
    for op in &entry.ops {
        println!("  {}", op_text(op));
    }
    println!("  refused: {}", entry.denial);
}
