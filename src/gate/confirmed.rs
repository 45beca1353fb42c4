//! Confirmed state, and the one way to change it.
//!
//! [`apply`] is the only mutator. It takes an [`Admitted`], which only the gate makes: after it
//! ruled on an edit, or on the word of the server, whose rulings are final. A store writes what
//! [`apply`] returned and nothing else. So nothing merges that was not admitted, and the compiler
//! says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::crdt::{CrdtError, Record};
use crate::model::{
    Change, ColumnName, Edit, RecordId, Section, Sequence, Size, TableName, sent_bytes,
};

/// The places in the log of the last edits of a record: of what everybody reads who reads the
/// record, and of each secured column. Who may not read a column must not hear that it was edited.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Versions {
    open: Sequence,
    secured: BTreeMap<ColumnName, Sequence>,
}

impl From<Sequence> for Versions {
    fn from(open: Sequence) -> Self {
        Self { open, secured: BTreeMap::new() }
    }
}

impl Versions {
    fn note(&mut self, edit: &Edit, sequence: Sequence) {
        for change in &edit.changes {
            match &change.section {
                Section::Secured(column) => drop(self.secured.insert(column.clone(), sequence)),
                Section::Header | Section::Main | Section::Group(_) => self.open = sequence,
            }
        }
    }

    /// The last edit of all that someone reads who reads these secured columns.
    #[must_use]
    pub fn for_reader(&self, reads: impl Fn(&ColumnName) -> bool) -> Sequence {
        let secured = self.secured.iter().filter(|(column, _)| reads(column));
        secured.map(|(_, version)| *version).fold(self.open, Sequence::max)
    }
}

/// A record as the server has ordered it. Clones share it.
#[derive(Debug, Clone, PartialEq)]
pub struct Confirmed {
    record: Arc<Record>,
    versions: Versions,
}

impl Confirmed {
    /// The record.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The place in the log of the last edit of the record.
    #[must_use]
    pub fn version(&self) -> Sequence {
        self.versions.for_reader(|_| true)
    }

    /// The places in the log of the last edits of its parts. A device knows one for all.
    #[must_use]
    pub fn versions(&self) -> &Versions {
        &self.versions
    }

    /// How much it is to who reads no secured column: how long the values of these are is not for
    /// everyone.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size_of(|section| !matches!(section, Section::Secured(_)))
    }

    /// How much it is to who gets these sections of it.
    #[must_use]
    pub fn size_of(&self, takes: impl Fn(&Section) -> bool) -> Size {
        Size { records: 1, bytes: sent_bytes(self.changes(takes)) }
    }

    /// The changes of these sections.
    pub fn changes(&self, takes: impl Fn(&Section) -> bool) -> impl Iterator<Item = &Change> {
        let sections = self.record.sections().filter(move |(section, _)| takes(section));
        sections.flat_map(|(_, history)| history.changes()).map(AsRef::as_ref)
    }

    /// All changes of the record as if one edit had made them: the form in which a record is kept
    /// and sent whole.
    #[must_use]
    pub fn to_edit(&self) -> Edit {
        self.record.to_edit()
    }

    /// Reads back what a store wrote of an [`Applied`].
    ///
    /// # Errors
    /// The changes are not ones that were admitted once: the file is damaged.
    pub fn from_stored(versions: impl Into<Versions>, changes: &Edit) -> Result<Self, CrdtError> {
        Ok(Self { record: Arc::new(Record::from_edit(changes)?), versions: versions.into() })
    }
}

/// An edit that counts.
#[derive(Debug, Clone)]
pub struct Admitted {
    edit: Edit,
    sequence: Sequence,
}

impl Admitted {
    pub(super) fn new(edit: Edit, sequence: Sequence) -> Self {
        Self { edit, sequence }
    }

    /// The edit.
    #[must_use]
    pub fn edit(&self) -> &Edit {
        &self.edit
    }

    /// Its place in the log.
    #[must_use]
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }
}

/// The word of a server that proved to belong to the organization: what it says is confirmed.
///
/// Only the device's side of a session may make one, after it checked the server's certificate.
#[derive(Debug, Clone)]
pub struct Attestation(());

impl Attestation {
    /// The word of the server at the other end of a session whose certificate was checked.
    #[must_use]
    pub fn of_checked_server() -> Self {
        Self(())
    }

    /// An edit that the server admitted.
    #[must_use]
    pub fn admits(&self, edit: Edit, sequence: Sequence) -> Admitted {
        Admitted::new(edit, sequence)
    }

    /// A record that the server sent whole.
    ///
    /// # Errors
    /// The changes do not fit each other.
    pub fn whole(&self, changes: &Edit, version: Sequence) -> Result<Applied, CrdtError> {
        Ok(Applied(Confirmed::from_stored(version, changes)?))
    }
}

/// Confirmed state with an admitted edit in it: what a store may write.
#[derive(Debug, Clone)]
pub struct Applied(Confirmed);

impl Applied {
    /// The new state.
    #[must_use]
    pub fn confirmed(&self) -> &Confirmed {
        &self.0
    }

    /// The new state, to go on with.
    #[must_use]
    pub fn into_confirmed(self) -> Confirmed {
        self.0
    }

    /// Its record's id.
    #[must_use]
    pub fn id(&self) -> RecordId {
        self.0.record.id()
    }

    /// Its record's table.
    #[must_use]
    pub fn table(&self) -> &TableName {
        self.0.record.table()
    }
}

/// Merges an admitted edit into the confirmed state of its record (`None`: there is none yet).
///
/// # Errors
/// A change of the edit does not fit the record.
pub fn apply(confirmed: Option<Confirmed>, admitted: &Admitted) -> Result<Applied, CrdtError> {
    replay(confirmed, &admitted.edit, admitted.sequence).map(Applied)
}

/// Whether these edits, which were admitted once, can be the last ones of a record, where those up to
/// `floor` are not known any more. For checking what a store holds.
#[must_use]
pub fn can_end_with(confirmed: &Confirmed, floor: Sequence, edits: &[(Sequence, Edit)]) -> bool {
    let Confirmed { record, versions } = confirmed;
    let (mut known, mut last) = (Versions::default(), BTreeMap::new());
    for (sequence, edit) in edits {
        known.note(edit, *sequence);
        last.extend(edit.changes.iter().map(|change| (&change.section, change)));
    }
    let is_of = |version: Sequence, known: Option<&Sequence>| match known {
        Some(known) => version == *known,
        None => version <= floor,
    };
    let open = Some(&known.open).filter(|open| **open > Sequence(0));
    let mut secured = versions.secured.iter();
    is_of(versions.open, open)
        && secured.all(|(column, version)| is_of(*version, known.secured.get(column)))
        && known.secured.keys().all(|column| versions.secured.contains_key(column))
        // One without operations leaves a section as if it was never written.
        && last.values().all(|it| it.ops.is_empty() || record.holds(&it.section, it.id))
}

/// What an edit that was admitted once makes of a record (`None`: there is none yet). For checking
/// what a store holds: only [`apply`] makes what a store may write.
///
/// # Errors
/// A change of the edit does not fit the record.
pub fn replay(
    confirmed: Option<Confirmed>,
    edit: &Edit,
    sequence: Sequence,
) -> Result<Confirmed, CrdtError> {
    let new = || Confirmed {
        record: Arc::new(Record::new(edit.table.clone(), edit.record)),
        versions: Versions::default(),
    };
    let Confirmed { record, mut versions } = confirmed.unwrap_or_else(new);
    let record = Arc::unwrap_or_clone(record).merged(edit)?;
    versions.note(edit, sequence);
    Ok(Confirmed { record: Arc::new(record), versions })
}
