use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use litemap::LiteMap;

use super::{ChangeHash, CrdtError, Document, History};
use crate::model::{
    ActorId, Change, ChangeRef, ColumnName, Columns, DeviceNumber, Edit, EditId, Header, Op,
    RecordId, RecordState, Section, Table, TableName, Timestamp, Value,
};

/// One of several values that a column holds at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// The value.
    pub value: Value,
    /// The change that wrote it; its actor names the author's device.
    pub change: ChangeRef,
    /// When, by the author's clock.
    pub time: Timestamp,
}

/// A record: the history of each section, and beside it what these say as plain values.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    table: TableName,
    id: RecordId,
    header: Header,
    pub(super) columns: Columns,
    /// They are few.
    pub(super) sections: LiteMap<Section, History>,
}

impl Record {
    /// A record that nothing was ever done to.
    #[must_use]
    pub fn new(table: TableName, id: RecordId) -> Self {
        let (header, columns, sections) = Default::default();
        Self { table, id, header, columns, sections }
    }

    /// The record that these changes make: the inverse of [`Self::to_edit`].
    ///
    /// # Errors
    /// They do not fit each other.
    pub fn from_edit(changes: &Edit) -> Result<Self, CrdtError> {
        Self::new(changes.table.clone(), changes.record).merged(changes)
    }

    /// All its changes as if one edit had made them, section by section.
    #[must_use]
    pub fn to_edit(&self) -> Edit {
        let id = EditId { device: DeviceNumber(0), counter: 0, part: 0 };
        let changes = self.sections.values().flat_map(|it| it.changes().iter().cloned()).collect();
        Edit { id, table: self.table.clone(), record: self.id, atomic: 0, changes }
    }

    /// Its table.
    #[must_use]
    pub fn table(&self) -> &TableName {
        &self.table
    }

    /// Its identity.
    #[must_use]
    pub fn id(&self) -> RecordId {
        self.id
    }

    /// Owner, state and shares.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The values of its columns.
    #[must_use]
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Its header and the values of its columns.
    #[must_use]
    pub fn into_values(self) -> (Header, Columns) {
        (self.header, self.columns)
    }

    /// Its sections' histories.
    pub fn sections(&self) -> impl Iterator<Item = (&Section, &History)> {
        self.sections.iter()
    }

    /// A section's history, where it was ever written.
    #[must_use]
    pub fn section(&self, section: &Section) -> Option<&History> {
        self.sections.get(section)
    }

    /// Whether it was ever created; a deleted record was.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.sections.get(&Section::Header).is_some_and(|header| !header.is_empty())
    }

    /// Whether it is there: created and not deleted.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.exists() && self.header.state == RecordState::Active
    }

    /// Whether the section holds the change.
    #[must_use]
    pub fn holds(&self, section: &Section, change: ChangeRef) -> bool {
        self.sections.get(section).is_some_and(|history| history.holds(change))
    }

    /// What a section's next change builds on.
    #[must_use]
    pub fn heads(&self, section: &Section) -> &[ChangeRef] {
        self.sections.get(section).map_or(&[], History::heads)
    }

    /// Merges an edit.
    ///
    /// # Errors
    /// A change of it does not fit; the record is then as it was.
    pub fn merge(&mut self, edit: &Edit) -> Result<(), CrdtError> {
        *self = self.clone().merged(edit)?;
        Ok(())
    }

    /// The record with an edit in it.
    ///
    /// # Errors
    /// A change of it does not fit.
    pub fn merged(self, edit: &Edit) -> Result<Self, CrdtError> {
        let mut next = self;
        let mut renewed = false;
        for changes in edit.changes.chunk_by(|a, b| a.section == b.section) {
            let Some(first) = changes.first() else { continue };
            let section = &first.section;
            if first.begins_generation() && first.ops.is_empty() {
                // All columns moved out of it.
                next.sections.remove(section);
                renewed = true;
                continue;
            }
            let history = next.sections.entry(section.clone()).or_default();
            let is_new = |change: &Change| change.begins_generation() && !history.holds(change.id);
            match section {
                Section::Header => history.merge_header(changes, &mut next.header)?,
                _ if !history.is_empty() && changes.iter().any(|it| is_new(it)) => {
                    *history = History::default();
                    history.merge_columns(section, changes, &mut Columns::new())?;
                    renewed = true;
                }
                Section::Main | Section::Group(_) | Section::Secured(_) => {
                    history.merge_columns(section, changes, &mut next.columns)?;
                }
            }
        }
        if renewed {
            next.columns = next.read_columns()?;
        }
        Ok(next)
    }

    /// Writes `ops` as an edit on the record as it is now: one change for each section touched,
    /// each building on that section's heads. The record itself is not changed; see
    /// [`Self::merge`].
    #[must_use]
    pub fn author(
        &self,
        table: &Table,
        id: EditId,
        actor: ActorId,
        time: Timestamp,
        ops: Vec<Op>,
    ) -> Edit {
        self.author_by(table, id, |_| actor, time, ops)
    }

    /// As [`Self::author`], where it depends on the section as whom the device writes.
    #[must_use]
    pub fn author_by(
        &self,
        table: &Table,
        id: EditId,
        actor: impl Fn(&Section) -> ActorId,
        time: Timestamp,
        ops: Vec<Op>,
    ) -> Edit {
        let ops = ops.into_iter().map(|op| (op.section(table), op));
        self.author_in(id, actor, time, ops)
    }

    /// As [`Self::author_by`], where it is said into which section each operation belongs.
    #[must_use]
    pub fn author_in(
        &self,
        id: EditId,
        actor: impl Fn(&Section) -> ActorId,
        time: Timestamp,
        ops: impl IntoIterator<Item = (Section, Op)>,
    ) -> Edit {
        let mut by_section: LiteMap<Section, Vec<Op>> = LiteMap::new();
        for (section, op) in ops {
            by_section.entry(section).or_default().push(op);
        }
        let change = |(section, ops): (Section, Vec<Op>)| {
            let history = self.sections.get(&section);
            let actor = actor(&section);
            let seq = 1 + history.map_or(0, |history| history.last_seq(actor));
            let deps = history.map_or_else(Vec::new, |history| history.heads().to_vec());
            Arc::new(Change { section, id: ChangeRef { actor, seq }, time, deps, ops })
        };
        let changes = by_section.into_iter().map(change).collect();
        Edit { id, table: self.table.clone(), record: self.id, atomic: 0, changes }
    }

    /// What the sections of columns say.
    fn read_columns(&self) -> Result<Columns, CrdtError> {
        let mut columns = Columns::new();
        for (section, history) in self.sections.iter().filter(|it| *it.0 != Section::Header) {
            columns.extend(history.document(section.clone())?.columns()?);
        }
        Ok(columns)
    }

    /// The values of a column that were written side by side and of which none has replaced the
    /// others, the one that counts first; none where there is nothing to choose. An edit that puts
    /// one of them (or another) settles it.
    ///
    /// # Errors
    /// A history is not one that Tidegate wrote.
    pub fn conflicts(
        &self,
        table: &Table,
        column: &ColumnName,
    ) -> Result<Vec<Conflict>, CrdtError> {
        let Some(declared) = table.column(column.as_str()) else { return Ok(Vec::new()) };
        let section = declared.section();
        let Some(history) = self.sections.get(&section).filter(|it| it.is_branched()) else {
            return Ok(Vec::new());
        };
        let is_put = |op: &Op| matches!(op, Op::Put { .. }) && op.column() == Some(column);
        if !history.changes().iter().any(|change| change.ops.iter().any(is_put)) {
            return Ok(Vec::new());
        }
        let values = history.document(section)?.values(column, declared.column_type)?;
        if values.len() < 2 {
            return Ok(Vec::new());
        }
        let time =
            |id| history.changes().iter().find(|change| change.id == id).map(|change| change.time);
        let conflict = |(value, change): (Value, ChangeRef)| Conflict {
            value: declared.read(&value).map(Cow::into_owned).unwrap_or_default(),
            change,
            time: time(change).unwrap_or_default(),
        };
        Ok(values.into_iter().map(conflict).collect())
    }

    /// Automerge's heads of each section, computed by rebuilding the documents: two records are
    /// equal to the bit where these are.
    ///
    /// # Errors
    /// A history is not one that Tidegate wrote.
    pub fn document_heads(&self) -> Result<BTreeMap<Section, Vec<ChangeHash>>, CrdtError> {
        let heads = |(section, history): (&Section, &History)| {
            Ok((section.clone(), history.document(section.clone())?.heads()))
        };
        self.sections.iter().map(heads).collect()
    }

    /// The documents of the sections, for rebuilding changes on.
    ///
    /// # Errors
    /// A history is not one that Tidegate wrote.
    pub fn document(&self, section: &Section) -> Result<Document, CrdtError> {
        match self.sections.get(section) {
            Some(history) => history.document(section.clone()),
            None => Ok(Document::new(section.clone())),
        }
    }
}
