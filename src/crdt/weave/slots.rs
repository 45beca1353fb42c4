//! Values that several put side by side: whole ones, and the entries of maps and JSON values.
//!
//! Who puts a value, or takes it away, replaces all that they saw in its place. Of those that nobody
//! replaced the latest counts, as Automerge has it. All that is put in a weave was put by somebody who saw
//! what was there at first: that is needed only as a plain value.

use std::collections::BTreeMap;

use super::{Base, Id, Seen, knows};
use crate::crdt::scalar;
use crate::model::{ActorId, ChangeRef, ColumnName, ColumnType, ENTRIES, Json, Op, Value};

/// What was put into a column since, by keys; into a whole one by none.
#[derive(Debug)]
pub(super) struct Slots {
    kind: Kind,
    slots: BTreeMap<String, Vec<Put>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Whole,
    Map,
    Json,
}

#[derive(Debug)]
struct Put {
    value: Value,
    /// Its number, and who put it; `None`: it was there at first.
    id: Option<Id>,
    /// Changes that replaced it.
    replaced: Vec<ChangeRef>,
}

impl Put {
    fn is_visible(&self, seen: &Seen) -> bool {
        self.id.is_none_or(|(_, change)| knows(seen, change))
            && !self.replaced.iter().any(|change| knows(seen, *change))
    }
}

/// By what Automerge orders what was put in one place: the latest counts.
fn rank(put: &Put) -> Option<(u64, ActorId)> {
    put.id.map(|(number, change)| (number, change.actor))
}

impl Slots {
    /// For a column that holds `value`, and operations like `op`. `None`: these are not for slots, or it
    /// holds something else.
    pub(super) fn new(value: Option<&Value>, op: &Op) -> Option<Self> {
        let kind = kind(op)?;
        let fits = match value {
            None => true,
            Some(Value::Json(_)) => kind == Kind::Json,
            Some(Value::Map(_)) => kind == Kind::Map,
            Some(value) => {
                kind == Kind::Whole
                    && scalar::from_value(value).is_some()
                    && !matches!(value, Value::Counter(_))
            }
        };
        fits.then(|| Self { kind, slots: BTreeMap::new() })
    }

    /// Carries out one operation as the author of `change` saw the column. Returns the number of the last
    /// of Automerge's operations that it takes. `None`: it is not for slots, or plain values do not tell.
    pub(super) fn write(
        &mut self,
        column: &ColumnName,
        op: &Op,
        (change, seen, last_op): (ChangeRef, &Seen, u64),
        base: &Base<'_>,
    ) -> Option<u64> {
        if kind(op) != Some(self.kind) || op.check().is_err() {
            return None;
        }
        let (key, value) = placed(op)?;
        let held = base.columns.get(column);
        // The author saw no more entries than these.
        if self.slots.len() + entries(held) >= ENTRIES.1 {
            return None;
        }
        if !self.slots.contains_key(key) {
            let first = entry(held, key).map(|value| Put { value, id: None, replaced: Vec::new() });
            self.slots.insert(key.to_owned(), first.into_iter().collect());
        }
        let slot = self.slots.get_mut(key)?;
        let mut shown: Vec<_> = slot.iter_mut().filter(|put| put.is_visible(seen)).collect();
        shown.sort_unstable_by_key(|put| rank(put));
        if let (Some(value), Some(last)) = (&value, shown.last())
            && scalar::from_value(value) == scalar::from_value(&last.value)
        {
            // It stays, and replaces the others. Of old values others may lie beside the one that counts.
            if last.id.is_none() && !base.is_line() {
                return None;
            }
            shown.pop();
            let others = u64::from(!shown.is_empty());
            for put in shown {
                put.replaced.push(change);
            }
            return Some(last_op + others);
        }
        let does_something = value.is_some() || !shown.is_empty();
        for put in shown {
            put.replaced.push(change);
        }
        if let Some(value) = value {
            slot.push(Put { value, id: Some((last_op + 1, change)), replaced: Vec::new() });
        }
        Some(last_op + u64::from(does_something))
    }

    /// What the column holds with all that was written, where it held this at first.
    pub(super) fn shown(self, held: Option<&Value>) -> Value {
        let last = |slot: Vec<Put>| {
            let shown = slot.into_iter().filter(|put| put.replaced.is_empty());
            shown.max_by_key(rank).map(|put| put.value)
        };
        let mut slots = self.slots.into_iter().map(|(key, slot)| (key, last(slot)));
        match self.kind {
            Kind::Whole => slots.find_map(|(_, value)| value).unwrap_or_default(),
            Kind::Map => {
                let held =
                    if let Some(Value::Map(held)) = held { held.clone() } else { BTreeMap::new() };
                Value::Map(overlaid(held, slots))
            }
            Kind::Json => {
                let held = if let Some(Value::Json(held)) = held {
                    held.leaves().clone()
                } else {
                    BTreeMap::new()
                };
                let leaves = slots.map(|(path, leaf)| (path, leaf.map(|leaf| leaf.to_string())));
                Value::Json(Json::of_leaves(overlaid(held, leaves)))
            }
        }
    }
}

fn overlaid<T>(
    mut held: BTreeMap<String, T>,
    slots: impl Iterator<Item = (String, Option<T>)>,
) -> BTreeMap<String, T> {
    for (key, value) in slots {
        match value {
            Some(value) => drop(held.insert(key, value)),
            None => drop(held.remove(&key)),
        }
    }
    held
}

fn kind(op: &Op) -> Option<Kind> {
    match (op, op.merging_type()) {
        (Op::Put { .. }, None) => Some(Kind::Whole),
        (_, Some(ColumnType::Map)) => Some(Kind::Map),
        (_, Some(ColumnType::Json)) => Some(Kind::Json),
        _ => None,
    }
}

/// Whether an operation is one for slots.
pub(super) fn is_for(op: &Op) -> bool {
    kind(op).is_some()
}

/// The key at which an operation puts a value, or takes it away.
fn placed(op: &Op) -> Option<(&str, Option<Value>)> {
    Some(match op {
        Op::Put { value, .. } => ("", Some(value.clone())),
        Op::MapPut { key, value, .. } => (key, Some(value.clone())),
        Op::JsonPut { path, leaf, .. } => (path, Some(Value::Text(leaf.as_str().into()))),
        Op::MapRemove { key, .. } | Op::JsonRemove { path: key, .. } => (key, None),
        _ => return None,
    })
}

fn entries(held: Option<&Value>) -> usize {
    match held {
        Some(Value::Map(entries)) => entries.len(),
        Some(Value::Json(json)) => json.leaves().len(),
        _ => 0,
    }
}

fn entry(held: Option<&Value>, key: &str) -> Option<Value> {
    match held? {
        Value::Map(entries) => entries.get(key).cloned(),
        Value::Json(json) => json.leaves().get(key).map(|leaf| Value::Text(leaf.as_str().into())),
        whole => Some(whole.clone()),
    }
}
