//! Rows of a table as they lie in the file: gone through in the order of their ids, or found by these.

use std::cmp::Ordering;
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
        let next = fenced(|| next_raw(entries, table_bytes));
        if !matches!(next, Ok(Some(_))) {
            self.entries = None;
        }
        next
    }
}

fn next_raw(
    entries: &mut Entries<'static, Place, StoredRow>,
    table_bytes: usize,
) -> Result<Option<RawRow>, StoreError> {
    let Some(entry) = entries.next_raw().transpose()? else { return Ok(None) };
    let id = entry.key_bytes().get(table_bytes..).and_then(|id| id.try_into().ok());
    let id = match id {
        Some(id) => RecordId::from_bytes(id),
        // It is no key: this says so.
        None => entry.key()?.1,
    };
    Ok(Some(RawRow { id, entry }))
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
    /// Behind the row that was found last.
    ahead: Option<Entries<'static, Place, StoredRow>>,
    rows: Reading<Place, StoredRow>,
    table: TableName,
    table_bytes: usize,
    patience: u8,
    _file: Arc<Readers>,
}

/// So many rows are passed over on the way to one that may be near.
const STEPS: usize = 3;
/// So often a row is not near before it is given up that others are; and how often it must be for that
/// to be forgotten.
const PATIENCE: u8 = 4;
const PATIENCE_MAX: u8 = 16;

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
        let table_bytes = table.to_bytes().len();
        let (table, patience) = (table.clone(), PATIENCE);
        Self { ahead: None, rows, table, table_bytes, patience, _file: file }
    }

    /// A row that may lie close behind the one asked for last, as one of many in the order of their ids
    /// does. `None`: it is not known whether there is one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn find_near(&mut self, record: RecordId) -> Result<Option<RawRow>, StoreError> {
        if self.patience == 0 {
            return Ok(None);
        }
        let found = fenced(|| {
            let Self { ahead, rows, table, table_bytes, patience, .. } = self;
            if let Some(ahead) = ahead {
                for _ in 0..STEPS {
                    let Some(row) = next_raw(ahead, *table_bytes)? else { break };
                    match row.id.cmp(&record) {
                        Ordering::Less => {}
                        Ordering::Equal => {
                            *patience = PATIENCE_MAX.min(*patience + 1);
                            return Ok(Some(row));
                        }
                        Ordering::Greater => break,
                    }
                }
                *patience -= 1;
            }
            let mut behind = rows.owned_from(table, &(table.clone(), record))?;
            let row = next_raw(&mut behind, *table_bytes)?.filter(|row| row.id == record);
            *ahead = row.is_some().then_some(behind);
            Ok(row)
        });
        if found.is_err() {
            self.ahead = None;
        }
        found
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
