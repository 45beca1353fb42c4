//! Since when owners have had the records that they have.

use std::collections::BTreeMap;

use crate::model::{Owner, Sequence};
use crate::sync::{EntryKind, Operation};

/// Up to where in the log records changed their owners: devices that are told of all behind that know of each
/// owner's records that they are his.
#[derive(Debug, Clone, Default)]
pub(super) struct Owners {
    /// Of what was before this nobody knows any more.
    since: Sequence,
    /// The last place at which a record came to an owner, or left him.
    changed: BTreeMap<Owner, Sequence>,
}

impl Owners {
    pub(super) fn since(head: Sequence) -> Self {
        Self { since: head, changed: BTreeMap::new() }
    }

    /// Whether no record came to an owner, or left him, behind this place of the log, but for new ones.
    pub(super) fn is_settled(&self, owner: &Owner, behind: Sequence) -> bool {
        let changed = self.changed.get(owner).copied().unwrap_or_default();
        behind >= self.since && behind >= changed
    }

    /// What these operations change.
    pub(super) fn of(operations: &[Operation]) -> Self {
        let mut owners = Self::default();
        for operation in operations {
            match operation {
                Operation::Append { entry, .. } => owners.note(entry.sequence, &entry.kind),
                Operation::Erase(entry) => owners.since = entry.sequence,
                _ => {}
            }
        }
        owners
    }

    /// Adds what was written later.
    pub(super) fn add(&mut self, later: Self) {
        self.since = self.since.max(later.since);
        self.changed.extend(later.changed);
    }

    fn note(&mut self, sequence: Sequence, kind: &EntryKind) {
        // A move takes records to other units; they stay their owner's.
        let EntryKind::Edit { before: Some(Some(before)), after, .. } = kind else { return };
        let owners = [before, after].map(|header| header.owner.as_ref().map(|(owner, _)| owner));
        if owners[0] != owners[1] {
            self.changed.extend(owners.into_iter().flatten().cloned().map(|it| (it, sequence)));
        }
    }
}
