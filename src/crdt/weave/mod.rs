//! What several wrote side by side, merged without a document.
//!
//! What was written on top of one state of a section needs that state only as plain values: all that
//! came before it is older than anything that it is merged with, and was seen by everybody who wrote
//! since. So a weave begins with plain values and holds what was written since, replaced or not.

mod slots;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::slots::Slots;
use self::text::Text;
use super::container::Container;
use crate::model::{ActorId, Change, ChangeRef, ColumnName, Columns, Op, Value};

/// Where a weave begins: so many changes, and the values that they made.
#[derive(Debug)]
pub(super) struct Base<'a> {
    pub(super) changes: &'a [Arc<Change>],
    pub(super) columns: &'a Columns,
}

impl Base<'_> {
    /// Whether nothing was written side by side before: then each place has one value.
    fn is_line(&self) -> bool {
        is_line(self.changes)
    }

    /// The number of the last operation before, as far as that makes a difference: everybody who writes
    /// since counts on from the same one.
    fn last_op(&self) -> u64 {
        u64::from(self.changes.iter().any(|change| !change.ops.is_empty()))
    }
}

/// Whether each of these changes builds on the one before, and the first on nothing.
pub(super) fn is_line(changes: &[Arc<Change>]) -> bool {
    let lines = changes.iter().zip(changes.iter().skip(1));
    changes.first().is_none_or(|first| first.deps.is_empty())
        && lines.into_iter().all(|(before, after)| after.deps == [before.id])
}

/// Whether an operation is one for a weave, wherever it is carried out.
pub(super) fn is_woven(op: &Op) -> bool {
    matches!(op, Op::Splice { .. }) || slots::is_for(op)
}

/// Values of one section, with what was written since.
#[derive(Debug)]
pub(super) struct Weave<'a> {
    base: Base<'a>,
    columns: BTreeMap<ColumnName, Column>,
    changes: BTreeMap<ChangeRef, Written>,
}

/// What a change saw: the last change of each actor.
type Seen = BTreeMap<ActorId, u64>;

fn knows(seen: &Seen, change: ChangeRef) -> bool {
    seen.get(&change.actor).is_some_and(|at| *at >= change.seq)
}

/// An operation: its number, and who wrote it.
type Id = (u64, ChangeRef);

#[derive(Debug)]
struct Written {
    seen: Seen,
    /// The number of the last operation that it made or saw.
    last_op: u64,
}

#[derive(Debug)]
enum Column {
    Text(Text),
    Slots(Slots),
}

impl Column {
    fn new(value: Option<&Value>, op: &Op) -> Option<Self> {
        match op {
            Op::Splice { .. } => Text::new(value).map(Self::Text),
            _ => Slots::new(value, op).map(Self::Slots),
        }
    }
}

impl<'a> Weave<'a> {
    pub(super) fn new(base: Base<'a>) -> Self {
        Self { base, columns: BTreeMap::new(), changes: BTreeMap::new() }
    }

    /// Writes a change. `held` says whether a change is known: where it is not in the weave, it led to
    /// its base. `None`: it does not fit, or is not for a weave.
    pub(super) fn write(
        &mut self,
        change: &Change,
        held: impl Fn(ChangeRef) -> bool,
    ) -> Option<()> {
        let is_before = |dep| held(dep) && !self.changes.contains_key(&dep);
        let mut seen = Seen::new();
        let mut last_op = self.base.last_op();
        for dep in &change.deps {
            match self.changes.get(dep) {
                Some(written) => {
                    last_op = last_op.max(written.last_op);
                    for (actor, seq) in &written.seen {
                        let at = seen.entry(*actor).or_default();
                        *at = (*at).max(*seq);
                    }
                }
                None if is_before(*dep) => {}
                None => return None,
            }
        }
        let ChangeRef { actor, seq } = change.id;
        let own = ChangeRef { actor, seq: seq.checked_sub(1)? };
        // An actor is one line of history.
        if own.seq > 0 && seen.get(&actor) != Some(&own.seq) && !is_before(own) {
            return None;
        }
        seen.insert(actor, seq);
        // What parts lie in is there before any of them.
        if change.ops.iter().any(|op| Container::of(op).is_some()) {
            last_op = last_op.max(1);
        }
        for op in &change.ops {
            let column = op.column()?;
            if !self.columns.contains_key(column) {
                let new = Column::new(self.base.columns.get(column), op)?;
                self.columns.insert(column.clone(), new);
            }
            let by = (change.id, &seen, last_op);
            last_op = match self.columns.get_mut(column)? {
                Column::Text(text) => text.write(column, op, by)?,
                Column::Slots(slots) => slots.write(column, op, by, &self.base)?,
            };
        }
        self.changes.insert(change.id, Written { seen, last_op });
        Some(())
    }

    /// What the columns hold with all that was written.
    pub(super) fn finish(self) -> Columns {
        let held = self.base.columns;
        let shown = |(column, woven): (ColumnName, Column)| {
            let value = match woven {
                Column::Text(text) => text.shown(),
                Column::Slots(slots) => slots.shown(held.get(&column)),
            };
            (column, value)
        };
        self.columns.into_iter().map(shown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DeviceNumber, Json, Section, Timestamp};

    fn change(device: u32, seq: u64, deps: &[&Arc<Change>], ops: Vec<Op>) -> Arc<Change> {
        let actor = ActorId { device: DeviceNumber(device), incarnation: 1 };
        let id = ChangeRef { actor, seq };
        let deps = deps.iter().map(|dep| dep.id).collect();
        Arc::new(Change { section: Section::Main, id, time: Timestamp::default(), deps, ops })
    }

    fn put(path: &str, leaf: &str) -> Op {
        let column = ColumnName::new("more").unwrap();
        Op::JsonPut { column, path: path.into(), leaf: leaf.into() }
    }

    fn json(leaves: &[(&str, &str)]) -> Columns {
        let leaves = leaves.iter().map(|(path, leaf)| ((*path).into(), (*leaf).into()));
        let value = Value::Json(Json::of_leaves(leaves.collect()));
        [(ColumnName::new("more").unwrap(), value)].into()
    }

    fn woven(before: &[Arc<Change>], base: &Columns, since: &[Arc<Change>]) -> Option<Columns> {
        let mut weave = Weave::new(Base { changes: before, columns: base });
        let known = |id| before.iter().chain(since).any(|change| change.id == id);
        since.iter().try_for_each(|change| weave.write(change, known))?;
        Some(weave.finish())
    }

    #[test]
    fn of_entries_that_were_put_side_by_side_the_later_one_counts_and_the_others_stay() {
        let first = change(1, 1, &[], vec![put("/a", "1"), put("/b", "1"), put("/c", "1")]);
        let base = json(&[("/a", "1"), ("/b", "1"), ("/c", "1")]);
        let one = change(1, 2, &[&first], vec![put("/a", "2"), put("/b", "2")]);
        let other = change(2, 1, &[&first], vec![put("/b", "3"), put("/a", "1")]);
        // Who put what was there put nothing, so the second of its operations is the first.
        let both = woven(&[first], &base, &[one, other]);
        assert_eq!(both, Some(json(&[("/a", "2"), ("/b", "2"), ("/c", "1")])));
    }

    #[test]
    fn only_a_document_tells_whether_other_values_lie_beside_one_that_is_put_again() {
        let first = change(1, 1, &[], vec![put("/a", "1")]);
        let one = change(1, 2, &[&first], vec![put("/a", "2")]);
        let other = change(2, 1, &[&first], vec![put("/a", "3")]);
        let joined = change(3, 1, &[&one, &other], vec![put("/b", "1")]);
        let before = [first, one, other, Arc::clone(&joined)];
        let base = json(&[("/a", "3"), ("/b", "1")]);
        let [again, new] = ["3", "4"].map(|leaf| change(4, 1, &[&joined], vec![put("/a", leaf)]));
        let beside = change(5, 1, &[&joined], vec![put("/b", "2")]);
        assert_eq!(woven(&before, &base, &[again, Arc::clone(&beside)]), None);
        let found = woven(&before, &base, &[new, beside]);
        assert_eq!(found, Some(json(&[("/a", "4"), ("/b", "2")])));
    }
}
