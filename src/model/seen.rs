use std::collections::BTreeMap;

use super::{Change, ChangeRef, Edit, RecordId, Section, TableName};

/// What was seen of a record: its state at some moment, named by the newest changes of each section
/// of columns. An edit made as of it means what its user saw, whatever came since.
///
/// It names changes, and holds no values. The header (owner, state, shares) is no part of it: what
/// is done to that always builds on the newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    table: TableName,
    record: RecordId,
    /// Without sections of which nothing was seen.
    heads: BTreeMap<Section, Vec<ChangeRef>>,
}

impl Seen {
    /// Nothing: as who did not know that there is such a record.
    #[must_use]
    pub fn nothing(table: TableName, record: RecordId) -> Self {
        Self { table, record, heads: BTreeMap::new() }
    }

    /// A state, by the newest changes of its sections.
    pub(crate) fn of_heads<'a>(
        table: TableName,
        record: RecordId,
        heads: impl IntoIterator<Item = (&'a Section, &'a [ChangeRef])>,
    ) -> Self {
        let columns = heads.into_iter().filter(|it| *it.0 != Section::Header && !it.1.is_empty());
        let heads = columns.map(|(section, heads)| (section.clone(), heads.to_vec())).collect();
        Self { table, record, heads }
    }

    /// The record's table.
    #[must_use]
    pub fn table(&self) -> &TableName {
        &self.table
    }

    /// The record.
    #[must_use]
    pub fn record(&self) -> RecordId {
        self.record
    }

    /// The newest changes that were seen of a section.
    #[must_use]
    pub fn heads(&self, section: &Section) -> &[ChangeRef] {
        self.heads.get(section).map_or(&[], Vec::as_slice)
    }

    /// The sections of which something was seen, with the newest changes of each.
    pub fn sections(&self) -> impl Iterator<Item = (&Section, &[ChangeRef])> {
        self.heads.iter().map(|(section, heads)| (section, heads.as_slice()))
    }

    /// What was seen by this one or the other: as who merged what both had. Of another record
    /// nothing is taken over.
    #[must_use]
    pub fn together(mut self, other: &Self) -> Self {
        if (&self.table, self.record) == (&other.table, other.record) {
            for (section, heads) in &other.heads {
                let own = self.heads.entry(section.clone()).or_default();
                own.extend(heads);
                own.sort_unstable();
                own.dedup();
            }
        }
        self
    }

    /// The same, and an edit that was made on it. Of another record's edit nothing is taken over.
    #[must_use]
    pub fn with(mut self, edit: &Edit) -> Self {
        if (&self.table, self.record) == (&edit.table, edit.record) {
            let changes = edit.changes.iter().map(AsRef::as_ref);
            changes.filter(|it| it.section != Section::Header).for_each(|it| self.add(it));
        }
        self
    }

    fn add(&mut self, change: &Change) {
        let heads = self.heads.entry(change.section.clone()).or_default();
        heads.retain(|head| !change.deps.contains(head));
        heads.push(change.id);
        heads.sort_unstable();
        heads.dedup();
    }
}
