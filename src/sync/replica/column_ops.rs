//! From what an app asks of columns to the operations that an edit carries.

use std::borrow::Cow;

use crate::crdt::{CrdtError, Record};
use crate::model::{ColumnEdit, ColumnName, ColumnType, Columns, Denial, Json, Op, Table, Value};

/// The operations after which columns that hold `now` hold `columns`.
pub(super) fn set(table: &Table, now: &Columns, columns: Columns) -> Vec<Op> {
    let mut ops = Vec::with_capacity(columns.len());
    for (column, value) in columns {
        let old = shown(table, &column, now.get(&column).unwrap_or(&Value::Null));
        set_column(&mut ops, table, column, &old, value);
    }
    ops
}

/// What a column holds, as it reads now; what was no value of its type is nothing.
fn shown<'v>(table: &'v Table, column: &ColumnName, held: &'v Value) -> Cow<'v, Value> {
    let declared = table.column(column.as_str()).filter(|_| !held.is_null());
    let read = declared.map(|declared| declared.read(held).unwrap_or_default());
    read.unwrap_or(Cow::Borrowed(held))
}

/// Whether each value set is of its column's type. The gate takes others too that say the same there,
/// because they may be from a time when the type was another; what an app sets is of now.
pub(super) fn check_types(table: &Table, ops: &[Op]) -> Result<(), Denial> {
    for op in ops {
        let Op::Put { column, value } = op else { continue };
        let Some(declared) = table.column(column.as_str()) else { continue };
        if !is_for(declared.column_type, value) {
            let misfit = declared.accepts(value).map_err(|misfit| Denial {
                column: Some(column.clone()),
                ..Denial::malformed(misfit.to_string())
            });
            misfit?;
        }
    }
    Ok(())
}

/// Adds the operations after which a column that holds `old` holds `value`.
fn set_column(ops: &mut Vec<Op>, table: &Table, column: ColumnName, old: &Value, value: Value) {
    match table.column(column.as_str()) {
        Some(declared)
            if is_for(declared.column_type, &value)
                && (declared.column_type.merges() || value.is_null()) =>
        {
            ops.extend(Op::difference(&column, old, &value));
        }
        _ if *old == value => {}
        _ => ops.push(Op::Put { column, value }),
    }
}

/// A value of another type is passed on as it is, for the gate to refuse.
fn is_for(column_type: ColumnType, value: &Value) -> bool {
    value.column_type().is_none_or(|found| found == column_type)
}

/// The operations that an app asks for one after another, without those that change nothing, and
/// with what was typed in one run as one operation. A put of what a column holds already changes
/// something where the column holds other values beside it: it settles that conflict.
pub(super) fn carry_out(
    table: &Table,
    record: &Record,
    asked: Vec<Op>,
) -> Result<Vec<Op>, CrdtError> {
    let mut edit = ColumnEdit::new(record.columns());
    let mut ops: Vec<Op> = Vec::new();
    for op in asked {
        let parts = match op {
            Op::Put { column, value } => {
                let replaces = table.column(column.as_str()).is_none_or(|declared| {
                    !declared.column_type.merges() || declared.column_type == ColumnType::Counter
                });
                if replaces {
                    // It undoes what was asked of the column before.
                    ops.retain(|earlier| earlier.column() != Some(&column));
                    edit.restore(&column);
                }
                let mut parts = Vec::new();
                let held = edit.value(&column);
                let old = shown(table, &column, &held);
                set_column(&mut parts, table, column.clone(), &old, value.clone());
                let settles = replaces && parts.is_empty();
                if settles && !record.conflicts(table, &column)?.is_empty() {
                    vec![Op::Put { column, value }]
                } else {
                    parts
                }
            }
            Op::JsonPut { .. } | Op::JsonRemove { .. } => json_ops(&edit, op),
            other if is_idle(&other) => Vec::new(),
            other => vec![other],
        };
        for op in parts {
            // What does not fit is passed on, for the gate to refuse.
            let _ = edit.apply(&op);
            if !ops.last_mut().is_some_and(|last| types_on(last, &op)) {
                ops.push(op);
            }
        }
    }
    Ok(ops)
}

/// A part of a JSON value, with all that is below it, as the leaves that change.
fn json_ops(edit: &ColumnEdit<'_>, op: Op) -> Vec<Op> {
    let (Op::JsonPut { column, path, .. } | Op::JsonRemove { column, path }) = &op else {
        return vec![op];
    };
    let old = match edit.value(column) {
        Value::Json(json) => json,
        _ => Json::default(),
    };
    let new = match &op {
        Op::JsonPut { leaf, .. } => {
            let value = serde_json::from_str(leaf).ok();
            value.and_then(|value| old.with(path, &value).ok())
        }
        _ => Some(old.without(path)),
    };
    match new {
        Some(new) => Op::difference(column, &Value::Json(old), &Value::Json(new)),
        // What does not fit is passed on, for the gate to refuse.
        None => vec![op],
    }
}

fn is_idle(op: &Op) -> bool {
    match op {
        Op::Increment { by, .. } => *by == 0,
        Op::ListRemove { count, .. } => *count == 0,
        _ => false,
    }
}

/// Takes `op` into `last` where it only goes on with the text that `last` put in.
fn types_on(last: &mut Op, op: &Op) -> bool {
    let Op::Splice { column, at, insert, .. } = last else { return false };
    match op {
        Op::Splice { column: same, at: from, delete: 0, insert: more }
            if same == column
                && !insert.is_empty()
                && u32::try_from(insert.chars().count())
                    .is_ok_and(|typed| at.checked_add(typed) == Some(*from)) =>
        {
            insert.push_str(more);
            true
        }
        _ => false,
    }
}
