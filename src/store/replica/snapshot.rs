use std::collections::{BTreeMap, BTreeSet};

use redb::ReadTransaction;

use super::index::{self, IndexProgress, IndexReader};
use super::pending;
use super::rows::{RowCursor, Rows};
use super::tables::{
    HISTORY, History, KEPT, KeptEdit, META, MOVED, PENDING, Place, QUARANTINE, QUARANTINE_RECORD,
    ROW, ROW_COUNT,
};
use crate::codec::ScanPlace;
use crate::gate::Confirmed;
use crate::model::{EditId, RecordId, TableName};
use crate::query::IndexShape;
use crate::store::fence::fenced;
use crate::store::file::File;
use crate::store::reading::Snapshot;
use crate::store::table::Reading;
use crate::sync::{
    Held, Kept, KeptPlace, Pending, Quarantined, ReplicaMeta, StoreError, StoredRow, Turn,
};

/// The state of a replica at one moment, whatever is written meanwhile. Keep it only while it is
/// read: what it shows takes room in the file.
pub struct ReplicaSnapshot {
    tx: Snapshot,
}

impl std::fmt::Debug for ReplicaSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplicaSnapshot").finish_non_exhaustive()
    }
}

/// What every method of a snapshot may fail with is the same.
impl ReplicaSnapshot {
    pub(super) fn new(file: &File) -> Result<Self, StoreError> {
        Ok(Self { tx: file.begin_read()? })
    }

    pub(super) fn tx(&self) -> &ReadTransaction {
        &self.tx
    }

    /// The device itself.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn meta(&self) -> Result<ReplicaMeta, StoreError> {
        fenced(|| {
            let mut meta = ReplicaMeta::default();
            for part in META.read(&self.tx)?.all()? {
                part?.1.fill(&mut meta);
            }
            Ok(meta)
        })
    }

    /// A row: confirmed state and what is pending on it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn row(
        &self,
        table: &TableName,
        record: RecordId,
    ) -> Result<Option<StoredRow>, StoreError> {
        fenced(|| ROW.read(&self.tx)?.get(&(table.clone(), record)))
    }

    /// A row without what is pending on it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn confirmed_row(
        &self,
        table: &TableName,
        record: RecordId,
    ) -> Result<Option<StoredRow>, StoreError> {
        match self.row(table, record)? {
            Some(row) if !row.pending => return Ok(Some(row)),
            // A row that is pending deletion is still confirmed.
            _ => {}
        }
        let Some(confirmed) = self.confirmed(table, record)? else { return Ok(None) };
        let record = confirmed.record();
        Ok(record.is_active().then(|| StoredRow {
            header: record.header().clone(),
            columns: record.columns().clone(),
            pending: false,
            version: confirmed.version(),
        }))
    }

    /// A table's rows in the order of their ids, from behind `after` or from the first. They are
    /// read as the iterator goes.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn rows(&self, table: &TableName, after: Option<RecordId>) -> Result<Rows, StoreError> {
        Rows::new(self.row_cursor(table)?, after)
    }

    /// Goes through a table's rows, or finds single ones.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn row_cursor(&self, table: &TableName) -> Result<RowCursor, StoreError> {
        fenced(|| Ok(RowCursor::new(ROW.read(&self.tx)?, table, self.tx.readers())))
    }

    /// The indexes of a table that all rows are in, by their numbers.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn indexes(&self, table: &TableName) -> Result<Vec<(u32, IndexShape)>, StoreError> {
        let all = fenced(|| index::indexes(&self.tx))?;
        let of = all.into_iter().filter(|(_, it)| it.is_ready() && it.shape.table() == Some(table));
        Ok(of.map(|(number, index)| (number, index.shape)).collect())
    }

    /// Whether all rows are in all indexes, and nothing else is.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn has_all_indexes(&self) -> Result<bool, StoreError> {
        fenced(|| index::is_all_ready(&self.tx))
    }

    /// The indexes that not all rows are in yet.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn index_progress(&self) -> Result<Vec<IndexProgress>, StoreError> {
        fenced(|| index::progress(&self.tx))
    }

    /// An index.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn index(&self, number: u32) -> Result<IndexReader, StoreError> {
        fenced(|| Ok(IndexReader::new(index::BLOCK.read(&self.tx)?, number, self.tx.readers())))
    }

    /// How many rows a table has.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn row_count(&self, table: &TableName) -> Result<u64, StoreError> {
        fenced(|| Ok(ROW_COUNT.read(&self.tx)?.get(table)?.unwrap_or(0)))
    }

    /// How many rows each table has that has any.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn row_counts(&self) -> Result<BTreeMap<TableName, u64>, StoreError> {
        fenced(|| ROW_COUNT.read(&self.tx)?.all()?.collect())
    }

    /// The confirmed state of a record.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn confirmed(
        &self,
        table: &TableName,
        record: RecordId,
    ) -> Result<Option<Confirmed>, StoreError> {
        fenced(|| {
            let (history, rows) = (HISTORY.read(&self.tx)?, ROW.read(&self.tx)?);
            self.confirmed_in(&history, &rows, &(table.clone(), record))
        })
    }

    fn confirmed_in(
        &self,
        history: &Reading<Place, History>,
        rows: &Reading<Place, StoredRow>,
        place: &Place,
    ) -> Result<Option<Confirmed>, StoreError> {
        let read = |history: History| history.confirmed(place, rows);
        history.get_as(place, self.tx.lately(), History::is_whole, read)
    }

    /// All tables and ids of confirmed records.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn confirmed_ids(&self) -> Result<Vec<(TableName, RecordId)>, StoreError> {
        fenced(|| HISTORY.read(&self.tx)?.all_keys()?.collect())
    }

    /// Up to `limit` places behind `after`, in their order, of which there is a confirmed record or a row.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn places_after(
        &self,
        after: Option<&ScanPlace>,
        limit: usize,
    ) -> Result<Vec<(TableName, RecordId)>, StoreError> {
        fenced(|| {
            let after = after.map(|after| (after.table.clone(), after.record));
            let (history, rows) = (HISTORY.read(&self.tx)?, ROW.read(&self.tx)?);
            let of_records = history.keys_after(after.as_ref())?.take(limit);
            let of_rows = rows.keys_after(after.as_ref())?.take(limit);
            // Mostly the same twice.
            let places: Result<BTreeSet<_>, _> = of_records.chain(of_rows).collect();
            Ok(places?.into_iter().take(limit).collect())
        })
    }

    /// How many confirmed records there are.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn confirmed_count(&self) -> Result<u64, StoreError> {
        fenced(|| HISTORY.read(&self.tx)?.len())
    }

    /// The edits pending on a record, in their order.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn pending_on(&self, record: RecordId) -> Result<Vec<Pending>, StoreError> {
        fenced(|| pending::Reader::new(&self.tx)?.on(record))
    }

    /// What is held of each of these records.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn held(&self, places: &[(TableName, RecordId)]) -> Result<Vec<Held>, StoreError> {
        fenced(|| {
            let (history, rows) = (HISTORY.read(&self.tx)?, ROW.read(&self.tx)?);
            let pending = pending::Reader::new(&self.tx)?;
            let held = |place: &Place| {
                let confirmed = self.confirmed_in(&history, &rows, place)?;
                Ok(Held { confirmed, pending: pending.on(place.1)? })
            };
            places.iter().map(held).collect()
        })
    }

    /// Up to `limit` pending edits after `after`, in their order.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn pending_after(&self, after: Turn, limit: usize) -> Result<Vec<Pending>, StoreError> {
        fenced(|| pending::Reader::new(&self.tx)?.after(after, limit))
    }

    /// A pending edit.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn pending(&self, edit: EditId) -> Result<Option<Pending>, StoreError> {
        fenced(|| pending::Reader::new(&self.tx)?.find(&MOVED.read(&self.tx)?, edit))
    }

    /// Up to `limit` kept edits after `after`, in the order of the log.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn kept_after(&self, after: KeptPlace, limit: usize) -> Result<Vec<Kept>, StoreError> {
        fenced(|| {
            let kept = KEPT.read(&self.tx)?;
            let entry = |((sequence, turn), KeptEdit(edit))| Kept {
                sequence,
                pending: Pending { turn, edit },
            };
            kept.after(&(after.sequence, after.turn))?
                .take(limit)
                .map(|kept| kept.map(entry))
                .collect()
        })
    }

    /// How many edits are pending.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn pending_count(&self) -> Result<u64, StoreError> {
        fenced(|| PENDING.read(&self.tx)?.len())
    }

    /// Whether an edit of a record, or a part of one, is refused and kept.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn is_refused(&self, record: RecordId) -> Result<bool, StoreError> {
        fenced(|| {
            let by_record = QUARANTINE_RECORD.read(&self.tx)?;
            let found = by_record.starting_with(&record)?.next().transpose()?;
            Ok(found.is_some())
        })
    }

    /// The refused edits of a record, oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn quarantine_of(&self, record: RecordId) -> Result<Vec<Quarantined>, StoreError> {
        fenced(|| {
            let entries = QUARANTINE.read(&self.tx)?;
            let by_record = QUARANTINE_RECORD.read(&self.tx)?;
            let numbers = by_record.starting_with(&record)?;
            numbers.map(|number| entries.expect(&number?.0.1)).collect()
        })
    }

    /// The refused edits, oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn quarantine(&self) -> Result<Vec<Quarantined>, StoreError> {
        fenced(|| QUARANTINE.read(&self.tx)?.all()?.map(|entry| Ok(entry?.1)).collect())
    }

    /// How many refused edits, or parts of edits, are kept.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn quarantine_count(&self) -> Result<u64, StoreError> {
        fenced(|| QUARANTINE.read(&self.tx)?.len())
    }
}
