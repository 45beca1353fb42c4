//! Rows and refusals as people and scripts read them.

use serde_json::{Value as Json, json};

use super::CliError;
use crate::model::{
    Column, ColumnName, ColumnPermissions, EditKind, Ledger, Principal, Right, Rights, Table,
    TableName,
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

/// A row for people, who see what they call its columns.
pub(super) fn print_row(table: &Table, row: &Row) {
    let state = if row.pending { "  (pending)" } else { "" };
    println!("{}{state}", row.id);
    if let Some((owner, unit)) = &row.header.owner {
        println!("  owner: {owner} in {unit}");
    }
    for (to, rights) in &row.header.shares {
        println!("  shared with {to}: {rights}");
    }
    for ((column, to), given) in &row.header.column_shares {
        println!("  {column} shared with {to}: {given}");
    }
    for (id, value) in &row.columns {
        let label = table.column(id.as_str()).map_or(id.as_str(), Column::label);
        println!("  {label}: {value}");
    }
}

/// Rows under the names of their columns. Values of more than one line are shown in one.
pub(super) fn print_table(names: Vec<String>, rows: impl Iterator<Item = Vec<String>>) {
    let one_line = |text: String| text.replace(char::is_control, " ");
    let rows: Vec<Vec<_>> = std::iter::once(names)
        .chain(rows)
        .map(|row| row.into_iter().map(one_line).collect())
        .collect();
    let columns = rows.first().map_or(0, Vec::len);
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// Bytes by purpose, for people.
pub(super) fn print_ledger(ledger: &Ledger, [sent, received]: [&str; 2]) {
    let rows = ledger.sent.by_purpose().into_iter().zip(ledger.received.by_purpose());
    for ((purpose, out), (_, back)) in rows {
        println!("  {purpose:<10} {out:>10} {sent}, {back:>10} {received}");
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
        "edits": entry.ops.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "rule": denial.rule.as_str(),
        "right": denial.right.map(crate::model::Right::as_str),
        "column": denial.column.as_ref().map(ToString::to_string),
        "reason": denial.to_string(),
        "parked": entry.parked,
        "policy_epoch": entry.epoch.0,
        "at": entry.at.to_string(),
    })
}

pub(super) fn print_quarantined(entry: &Quarantined) {
    let (table, record) = (&entry.table, entry.record);
    println!("{}  {} of {table} {record}  at {}", entry.edit, kind_text(entry.kind), entry.at);
    for op in &entry.ops {
        println!("  {op}");
    }
    println!("  refused: {}", entry.denial);
}

/// How hard zstd tries for the figure that stands beside what is measured.
const ZSTD_LEVEL: i32 = 19;

/// How many bytes `zstd -19` makes of these.
pub(super) fn zstd_bytes(bytes: &[u8]) -> Result<u64, CliError> {
    let packed = zstd::bulk::compress(bytes, ZSTD_LEVEL).map_err(CliError::run)?;
    Ok(packed.len() as u64)
}
