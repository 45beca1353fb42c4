//! What edits do, by meaning: the form in which they are judged, signed, sent and kept.
//!
//! A [`Change`] stands for exactly one Automerge change: whoever holds its dependencies can
//! rebuild that change bit for bit. No byte of Automerge's own formats ever comes from outside.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    ActorId, ColumnName, DeviceNumber, EditId, GroupName, Op, RecordId, TableName, Timestamp,
};

/// A part of a record that is one Automerge document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Section {
    /// Owner with business unit, state and shares.
    Header,
    /// The ordinary columns.
    Main,
    /// One secured column: who may not read it never receives the section.
    Secured(ColumnName),
    /// The columns of a group: a device may do without it.
    Group(GroupName),
}

/// Names a change within its section: no two changes have one (actor, seq).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChangeRef {
    /// Who wrote it.
    pub actor: ActorId,
    /// Counts the actor's changes of the section, from 1.
    pub seq: u64,
}

/// Whether a record is there.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum RecordState {
    /// It is there.
    #[default]
    Active,
    /// It was deleted, and can be undeleted.
    Deleted,
}

/// One Automerge change of one section, by meaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Which section it changes.
    pub section: Section,
    /// Who wrote it, and as which of their changes.
    pub id: ChangeRef,
    /// The author's clock: metadata.
    pub time: Timestamp,
    /// The changes it builds on: the section's heads as the author saw them, sorted.
    pub deps: Vec<ChangeRef>,
    /// What it does, in order.
    pub ops: Vec<Op>,
}

impl Change {
    /// Whether it begins a new generation of its section: written by the server, from nothing, it
    /// says all that the section holds, and what was there before is forgotten. One without
    /// operations leaves the section as if it was never written.
    #[must_use]
    pub fn begins_generation(&self) -> bool {
        self.deps.is_empty()
            && self.id.actor.device == DeviceNumber::SERVER
            && self.section != Section::Header
    }

    /// What it takes in memory and on the wire, roughly.
    #[must_use]
    pub fn size(&self) -> usize {
        16 + self.ops.iter().map(Op::size).sum::<usize>()
    }
}

/// What one commit of the app did to one record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Edit {
    /// Names the edit for good.
    pub id: EditId,
    /// The record's table.
    pub table: TableName,
    /// The record.
    pub record: RecordId,
    /// Of how many parts the commit consists that count together or not at all; 0: each counts for
    /// itself.
    pub atomic: u32,
    /// One change for each section that it touches, sorted by section. Shared with the records that
    /// hold them: a change never changes.
    pub changes: Vec<Arc<Change>>,
}

impl Edit {
    /// The change of `section`, where it touches it.
    #[must_use]
    pub fn change(&self, section: &Section) -> Option<&Change> {
        self.changes.iter().map(AsRef::as_ref).find(|change| change.section == *section)
    }

    /// Whether this edit and `other` count together or not at all.
    #[must_use]
    pub fn is_bound_to(&self, other: &Self) -> bool {
        let commit = |edit: &Self| (edit.id.device, edit.id.counter);
        self.atomic > 0 && other.atomic > 0 && commit(self) == commit(other)
    }

    /// Whether it makes its record: its header builds on nothing.
    #[must_use]
    pub fn is_create(&self) -> bool {
        self.change(&Section::Header).is_some_and(|change| change.deps.is_empty())
    }

    /// What it takes in memory and on the wire, roughly.
    #[must_use]
    pub fn size(&self) -> usize {
        32 + self.changes.iter().map(|change| change.size()).sum::<usize>()
    }

    /// All operations, in the order of the sections.
    pub fn ops(&self) -> impl Iterator<Item = &Op> {
        self.changes.iter().flat_map(|change| &change.ops)
    }
}
