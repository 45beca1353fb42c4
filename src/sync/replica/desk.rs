use std::collections::BTreeMap;

use crate::crdt::{CrdtError, Record};
use crate::gate::{Applied, Confirmed};
use crate::model::{Denial, Edit, EditId, Header, Op, RecordId, Section, TableName};
use crate::sync::{Pending, ReplicaBatch, ReplicaStore, StoreError, StoredRow};

/// Where a step of a replica is prepared: the records that it touches, read once, and changed in
/// memory until all of it is written as one batch.
pub(super) struct Desk<'a, S> {
    store: &'a S,
    folders: BTreeMap<(TableName, RecordId), Folder>,
    pub(super) batch: ReplicaBatch,
}

/// One record: its confirmed state, and what is pending on it, in order.
pub(super) struct Folder {
    pub(super) confirmed: Option<Confirmed>,
    pub(super) pending: Vec<Pending>,
    /// What was pending in this step and is not any more, or not as it was: what later edits were
    /// written on.
    pub(super) past: Vec<Edit>,
    /// New confirmed state, to be written.
    applied: Option<Applied>,
    pub(super) visible: Option<Record>,
    had_row: bool,
    dirty: bool,
}

/// What a desk prepared: what is to be written, and the rows whose values may have changed.
pub(super) type Prepared = (ReplicaBatch, Vec<(TableName, RecordId)>);

pub(super) fn is_create(edit: &Edit) -> bool {
    edit.change(&Section::Header).is_some_and(|change| change.deps.is_empty())
}

impl Folder {
    /// The record with what is pending on it.
    pub(super) fn visible(
        &mut self,
        table: &TableName,
        id: RecordId,
    ) -> Result<&Record, CrdtError> {
        if self.visible.is_none() {
            let mut record = self.base(table, id);
            for pending in &self.pending {
                record.merge(&pending.edit)?;
            }
            self.visible = Some(record);
        }
        // Just filled.
        self.visible.as_ref().ok_or_else(|| CrdtError::Automerge("no record".into()))
    }

    pub(super) fn base(&self, table: &TableName, id: RecordId) -> Record {
        self.confirmed
            .as_ref()
            .map_or_else(|| Record::new(table.clone(), id), |it| it.record().clone())
    }

    /// Adds a new edit, written on what is visible.
    pub(super) fn add(&mut self, pending: Pending) -> Result<(), CrdtError> {
        if let Some(visible) = &mut self.visible {
            visible.merge(&pending.edit)?;
        }
        self.pending.push(pending);
        self.dirty = true;
        Ok(())
    }

    /// Takes over new confirmed state.
    pub(super) fn confirm(&mut self, applied: Applied) {
        self.confirmed = Some(applied.confirmed().clone());
        self.applied = Some(applied);
        self.touch();
    }

    /// The record is out of reach.
    pub(super) fn forget(&mut self) {
        self.confirmed = None;
        self.applied = None;
        self.touch();
    }

    /// Takes a pending edit away.
    pub(super) fn settle(&mut self, edit: EditId) -> Option<Edit> {
        let at = self.pending.iter().position(|pending| pending.edit.id == edit)?;
        self.touch();
        let edit = self.pending.remove(at).edit;
        self.past.push(edit.clone());
        Some(edit)
    }

    /// Takes a refused column out of a pending edit.
    pub(super) fn take_column(&mut self, id: EditId, denial: &Denial) -> Option<(Edit, Vec<Op>)> {
        let refused = denial.column.as_ref()?;
        let edit = &mut self.pending.iter_mut().find(|pending| pending.edit.id == id)?.edit;
        if !self.past.iter().any(|past| past.id == id) {
            self.past.push(edit.clone());
        }
        let is_refused = |op: &Op| op.column() == Some(refused);
        let mut taken = Vec::new();
        for change in &mut edit.changes {
            taken.extend(change.ops.iter().filter(|op| is_refused(op)).cloned());
            change.ops.retain(|op| !is_refused(op));
        }
        Some((edit.clone(), taken))
    }

    pub(super) fn touch(&mut self) {
        self.visible = None;
        self.dirty = true;
    }

    /// Whether pending edits no longer stand on what is confirmed: the header moved under them, or
    /// something that they build on is not there.
    pub(super) fn is_stale(&mut self, table: &TableName, id: RecordId) -> bool {
        if self.pending.is_empty() {
            return false;
        }
        let base = self.base(table, id);
        let header = self.pending.iter().find_map(|it| it.edit.change(&Section::Header));
        header.is_some_and(|change| change.deps != base.heads(&Section::Header))
            || self.visible(table, id).is_err()
    }

    fn row(&mut self, table: &TableName, id: RecordId) -> Option<StoredRow> {
        let version = self.confirmed.as_ref().map(Confirmed::version).unwrap_or_default();
        let pending = !self.pending.is_empty();
        // What does not fit (yet) is not shown; the confirmed state still is.
        let record = match self.visible(table, id) {
            Ok(record) => record.clone(),
            Err(_) => self.base(table, id),
        };
        record.is_active().then(|| StoredRow {
            header: record.header().clone(),
            columns: record.columns().clone(),
            pending,
            version,
        })
    }
}

impl<'a, S: ReplicaStore> Desk<'a, S> {
    pub(super) fn new(store: &'a S) -> Self {
        Self { store, folders: BTreeMap::new(), batch: ReplicaBatch::default() }
    }

    /// The record's folder, read on first use.
    pub(super) fn folder(
        &mut self,
        table: &TableName,
        id: RecordId,
    ) -> Result<&mut Folder, StoreError> {
        use std::collections::btree_map::Entry;
        Ok(match self.folders.entry((table.clone(), id)) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Folder {
                confirmed: self.store.confirmed(table, id)?,
                pending: self.store.pending_on(id)?,
                past: Vec::new(),
                applied: None,
                visible: None,
                had_row: self.store.row(table, id)?.is_some(),
                dirty: false,
            }),
        })
    }

    /// The header of a record as this step has changed it so far; `None` where it has not.
    pub(super) fn header(&self, table: &TableName, id: RecordId) -> Option<Header> {
        let folder = self.folders.get(&(table.clone(), id))?;
        let visible = folder.visible.as_ref().filter(|record| record.is_active())?;
        Some(visible.header().clone())
    }

    /// The records touched.
    pub(super) fn touched(&self) -> Vec<(TableName, RecordId)> {
        self.folders.iter().filter(|(_, it)| it.dirty).map(|(key, _)| key.clone()).collect()
    }

    /// The batch that writes it all, and the rows whose values may have changed.
    pub(super) fn finish(mut self) -> Prepared {
        let mut changed = Vec::new();
        for ((table, id), mut folder) in self.folders {
            if !folder.dirty {
                continue;
            }
            self.batch.confirmed.extend(folder.applied.take());
            let row = folder.row(&table, id);
            if row.is_some() || folder.had_row {
                self.batch.rows.push((table.clone(), id, row));
                changed.push((table, id));
            }
        }
        (self.batch, changed)
    }
}
