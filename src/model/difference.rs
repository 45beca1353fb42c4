//! From one value of a column to another, as operations that merge.

use std::collections::BTreeMap;

use super::{ColumnName, Json, Op, Value};
use crate::limits::COUNTER_STEP_MAX;

impl Op {
    /// The operations after which a column that holds `old` holds `new`; none where it does
    /// already. Null is the same as empty where parts are edited, and 0 for a counter.
    ///
    /// What stays the same is not touched, so that the edits which others make there survive: of a
    /// text or list one run is replaced, from the first difference to the last.
    #[must_use]
    pub fn difference(column: &ColumnName, old: &Value, new: &Value) -> Vec<Op> {
        if old == new {
            return Vec::new();
        }
        match (old, new) {
            (Value::RichText(old), Value::RichText(new)) => text(column, old, new),
            (Value::Null, Value::RichText(new)) if new.is_empty() => {
                vec![Op::Splice { column: column.clone(), at: 0, delete: 0, insert: String::new() }]
            }
            (Value::Null, Value::RichText(new)) => text(column, "", new),
            (Value::RichText(old), Value::Null) => text(column, old, ""),
            (Value::List(old), Value::List(new)) => list(column, old, new),
            (Value::Null, Value::List(new)) if new.is_empty() => {
                vec![Op::ListInsert { column: column.clone(), at: 0, values: Vec::new() }]
            }
            (Value::Null, Value::List(new)) => list(column, &[], new),
            (Value::List(old), Value::Null) => list(column, old, &[]),
            (Value::Map(old), Value::Map(new)) => map(column, old, new),
            (Value::Null, Value::Map(new)) if new.is_empty() => {
                vec![Op::MapRemove { column: column.clone(), key: String::new() }]
            }
            (Value::Null, Value::Map(new)) => map(column, &BTreeMap::new(), new),
            (Value::Map(old), Value::Null) => map(column, old, &BTreeMap::new()),
            (Value::Json(old), Value::Json(new)) => json(column, old, new),
            (Value::Null, Value::Json(new)) if new.leaves().is_empty() => {
                vec![Op::JsonRemove { column: column.clone(), path: String::new() }]
            }
            (Value::Null, Value::Json(new)) => json(column, &Json::default(), new),
            (Value::Json(old), Value::Null) => json(column, old, &Json::default()),
            (Value::Counter(0), Value::Null) => Vec::new(),
            (Value::Counter(_), Value::Null) => {
                vec![Op::Put { column: column.clone(), value: Value::Counter(0) }]
            }
            _ => vec![Op::Put { column: column.clone(), value: new.clone() }],
        }
    }

    /// The operations that make this value where nothing was ever written.
    #[must_use]
    pub fn from_nothing(column: &ColumnName, value: &Value) -> Vec<Op> {
        match value {
            // To put it would undo what others add to a column in which they saw nothing yet.
            Value::Counter(by) if by.unsigned_abs() <= COUNTER_STEP_MAX => {
                vec![Op::Increment { column: column.clone(), by: *by }]
            }
            Value::Null => vec![Op::Put { column: column.clone(), value: Value::Null }],
            value => Op::difference(column, &Value::Null, value),
        }
    }
}

fn place(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// How many are the same in front, and behind.
fn same<T: PartialEq>(old: &[T], new: &[T]) -> (usize, usize) {
    let front = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old, new) = (old.iter().skip(front), new.iter().skip(front));
    let behind = old.rev().zip(new.rev()).take_while(|(old, new)| old == new).count();
    (front, behind)
}

fn text(column: &ColumnName, old: &str, new: &str) -> Vec<Op> {
    let (old, new): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
    let (front, behind) = same(&old, &new);
    let insert: String = new.iter().skip(front).take(new.len() - front - behind).collect();
    let delete = place(old.len() - front - behind);
    if delete == 0 && insert.is_empty() {
        return Vec::new();
    }
    vec![Op::Splice { column: column.clone(), at: place(front), delete, insert }]
}

fn list(column: &ColumnName, old: &[Value], new: &[Value]) -> Vec<Op> {
    let (front, behind) = same(old, new);
    let values: Vec<_> = new.iter().skip(front).take(new.len() - front - behind).cloned().collect();
    let (at, count) = (place(front), place(old.len() - front - behind));
    let mut ops = Vec::new();
    if count > 0 {
        ops.push(Op::ListRemove { column: column.clone(), at, count });
    }
    if !values.is_empty() {
        ops.push(Op::ListInsert { column: column.clone(), at, values });
    }
    ops
}

fn map(
    column: &ColumnName,
    old: &BTreeMap<String, Value>,
    new: &BTreeMap<String, Value>,
) -> Vec<Op> {
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    let removes = gone.map(|key| Op::MapRemove { column: column.clone(), key: key.clone() });
    let changed = new.iter().filter(|(key, value)| old.get(*key) != Some(value));
    let puts = changed.map(|(key, value)| {
        let (column, key, value) = (column.clone(), key.clone(), value.clone());
        Op::MapPut { column, key, value }
    });
    removes.chain(puts).collect()
}

fn json(column: &ColumnName, old: &Json, new: &Json) -> Vec<Op> {
    let (old, new) = (old.leaves(), new.leaves());
    let gone = old.keys().filter(|path| !new.contains_key(*path));
    let removes = gone.map(|path| Op::JsonRemove { column: column.clone(), path: path.clone() });
    let changed = new.iter().filter(|(path, leaf)| old.get(*path) != Some(leaf));
    let puts = changed.map(|(path, leaf)| {
        let (column, path, leaf) = (column.clone(), path.clone(), leaf.clone());
        Op::JsonPut { column, path, leaf }
    });
    removes.chain(puts).collect()
}
