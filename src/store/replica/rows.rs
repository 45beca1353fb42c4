//! Rows of a table as they lie in the file: gone through in the order of their ids, or found by these.

use std::sync::Arc;

use super::row_reader::RowReader;
use super::tables::Place;
use crate::model::{RecordId, TableName};
use crate::store::fence::fenced;
use crate::store::key::StoreKey as _;
use crate::store::reading::Readers;
use crate::store::table::{Entries, RawEntry, Reading};
use crate::sync::{StoreError, StoredRow};

/// Rows of a table, one after the other. After an error there are no more.
pub struct Rows {
    // Ends before the file is closed.
    entries: Option<Entries<'static, Place, StoredRow>>,
    /// Before the ids in the keys.
    table_bytes: usize,
    reader: RowReader,
    _file: Arc<Readers>,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").finish_non_exhaustive()
    }
}

impl Rows {
    pub(super) fn new(
        entries: Entries<'static, Place, StoredRow>,
        table: &TableName,
        file: Arc<Readers>,
    ) -> Self {
        let (entries, reader) = (Some(entries), RowReader::default());
        Self { entries, table_bytes: table.to_bytes().len(), reader, _file: file }
    }

    /// The next row, not read yet.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn next_raw(&mut self) -> Result<Option<RawRow>, StoreError> {
        let Some(entries) = self.entries.as_mut() else { return Ok(None) };
        let table_bytes = self.table_bytes;
        let next = fenced(|| {
            let Some(entry) = entries.next_raw().transpose()? else { return Ok(None) };
            let id = entry.key_bytes().get(table_bytes..).and_then(|id| id.try_into().ok());
            let id = match id {
                Some(id) => RecordId::from_bytes(id),
                // It is no key: this says so.
                None => entry.key()?.1,
            };
            Ok(Some(RawRow { id, entry }))
        });
        if !matches!(next, Ok(Some(_))) {
            self.entries = None;
        }
        next
    }
}

impl Iterator for Rows {
    type Item = Result<(RecordId, StoredRow), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = match self.next_raw() {
            Ok(row) => row?,
            Err(error) => return Some(Err(error)),
        };
        let read = row.read(&mut self.reader);
        if read.is_err() {
            self.entries = None;
        }
        Some(read.map(|read| (row.id, read)))
    }
}

/// A row as it lies in the file, its checksum checked. Keep it no longer than the [`Rows`] it is of.
pub struct RawRow {
    id: RecordId,
    entry: RawEntry<'static, Place, StoredRow>,
}

impl std::fmt::Debug for RawRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawRow").field("id", &self.id).finish_non_exhaustive()
    }
}

impl RawRow {
    /// The record's id.
    #[must_use]
    pub fn id(&self) -> RecordId {
        self.id
    }

    /// What the reader reads of the row.
    ///
    /// # Errors
    /// The row is damaged.
    pub fn read(&self, reader: &mut RowReader) -> Result<StoredRow, StoreError> {
        self.entry.read_by(|payload| reader.read(payload))
    }
}

/// Finds rows of a table by their ids.
pub struct RowFinder {
    // Ends before the file is closed.
    rows: Reading<Place, StoredRow>,
    table: TableName,
    _file: Arc<Readers>,
}

impl std::fmt::Debug for RowFinder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowFinder").field("table", &self.table).finish_non_exhaustive()
    }
}

impl RowFinder {
    pub(super) fn new(
        rows: Reading<Place, StoredRow>,
        table: &TableName,
        file: Arc<Readers>,
    ) -> Self {
        Self { rows, table: table.clone(), _file: file }
    }

    /// What the reader reads of a row; `None`: there is none.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn find(
        &self,
        record: RecordId,
        reader: &mut RowReader,
    ) -> Result<Option<StoredRow>, StoreError> {
        let place = (self.table.clone(), record);
        fenced(|| self.rows.get_by(&place, |payload| reader.read(payload)))
    }
}
