//! Rows of a table as they lie in the file: gone through in the order of their ids, or found by these.

use std::cmp::Ordering;
use std::sync::Arc;

use super::row_reader::RowReader;
use super::tables::Place;
use crate::model::{RecordId, TableName};
use crate::store::fence::fenced;
use crate::store::key::StoreKey as _;
use crate::store::reading::Readers;
use crate::store::table::{Entries, RawValue, Reading};
use crate::sync::{StoreError, StoredRow};

/// Stands on a row of a table, and goes from there to another one.
pub struct RowCursor {
    // What is read ends before the file is closed.
    /// The rows from one on that was gone to.
    ahead: Option<Entries<'static, Place, StoredRow>>,
    /// A row that does not lie there: the cursor stands on that one.
    apart: Option<RawValue<Place, StoredRow>>,
    rows: Reading<Place, StoredRow>,
    table: TableName,
    /// The table, with which keys begin, and the id of what was looked for apart.
    key: Vec<u8>,
    prefix: usize,
    patience: u8,
    _file: Arc<Readers>,
}

/// So many rows are passed over on the way to one that may be near.
const STEPS: usize = 3;
/// So often a row is not near before it is given up that others are; and how often it must be for that
/// to be forgotten.
const PATIENCE: u8 = 4;
const PATIENCE_MAX: u8 = 16;

impl std::fmt::Debug for RowCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowCursor").field("table", &self.table).finish_non_exhaustive()
    }
}

impl RowCursor {
    pub(super) fn new(
        rows: Reading<Place, StoredRow>,
        table: &TableName,
        file: Arc<Readers>,
    ) -> Self {
        let (table, key) = (table.clone(), table.to_bytes());
        let (prefix, patience) = (key.len(), PATIENCE);
        Self { ahead: None, apart: None, rows, table, key, prefix, patience, _file: file }
    }

    /// Goes to where the rows behind `after` begin, or all: [`Self::step`] leads to the first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn begin(&mut self, after: Option<RecordId>) -> Result<(), StoreError> {
        let after = after.map(|after| (self.table.clone(), after));
        self.apart = None;
        self.ahead = Some(fenced(|| self.rows.owned_starting_with(&self.table, after.as_ref()))?);
        Ok(())
    }

    /// Goes to the next row; `None`: there is none. After an error there are no more.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn step(&mut self) -> Result<Option<RecordId>, StoreError> {
        let next = fenced(|| self.go_ahead());
        if !matches!(next, Ok(Some(_))) {
            self.leave();
        }
        next
    }

    /// Goes to the row of this id; tells whether there is one. Those that are asked for in their order
    /// may lie close behind each other: that is tried.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn go_to(&mut self, record: RecordId) -> Result<bool, StoreError> {
        let found = fenced(|| {
            self.apart = None;
            if self.patience > 0 && self.go_near(record)? {
                return Ok(true);
            }
            self.key.truncate(self.prefix);
            self.key.extend_from_slice(record.as_bytes());
            self.apart = self.rows.owned_get(&self.key)?;
            Ok(self.apart.is_some())
        });
        if !matches!(found, Ok(true)) {
            self.leave();
        }
        found
    }

    /// What the reader reads of the row that it stands on; `None`: it stands on none.
    ///
    /// # Errors
    /// The row is damaged.
    pub fn read(&self, reader: &mut RowReader) -> Result<Option<StoredRow>, StoreError> {
        let entry = match &self.apart {
            Some(apart) => Some(apart.under(&self.key)),
            None => self.ahead.as_ref().and_then(Entries::raw),
        };
        entry.map(|entry| entry.read_by(|payload| reader.read(payload))).transpose()
    }

    fn leave(&mut self) {
        (self.ahead, self.apart) = (None, None);
    }

    /// Whether the row lies close behind the last one, or has others close behind it.
    fn go_near(&mut self, record: RecordId) -> Result<bool, StoreError> {
        if self.ahead.is_some() {
            for _ in 0..STEPS {
                let Some(next) = self.go_ahead()? else { break };
                match next.cmp(&record) {
                    Ordering::Less => {}
                    Ordering::Equal => {
                        self.patience = PATIENCE_MAX.min(self.patience + 1);
                        return Ok(true);
                    }
                    Ordering::Greater => break,
                }
            }
            self.patience -= 1;
        }
        let from = (self.table.clone(), record);
        self.ahead = Some(self.rows.owned_from(&self.table, &from)?);
        let is_there = self.go_ahead()? == Some(record);
        self.ahead = self.ahead.take().filter(|_| is_there);
        Ok(is_there)
    }

    fn go_ahead(&mut self) -> Result<Option<RecordId>, StoreError> {
        let Some(ahead) = &mut self.ahead else { return Ok(None) };
        let Some(entry) = ahead.next_raw()? else { return Ok(None) };
        let id = entry.key_bytes().get(self.prefix..).and_then(|id| id.try_into().ok());
        Ok(Some(match id {
            Some(id) => RecordId::from_bytes(id),
            // It is no key: this says so.
            None => entry.key()?.1,
        }))
    }
}

/// Rows of a table, one after the other. After an error there are no more.
#[derive(Debug)]
pub struct Rows {
    cursor: RowCursor,
    reader: RowReader,
}

impl Rows {
    pub(super) fn new(mut cursor: RowCursor, after: Option<RecordId>) -> Result<Self, StoreError> {
        cursor.begin(after)?;
        Ok(Self { cursor, reader: RowReader::default() })
    }
}

impl Iterator for Rows {
    type Item = Result<(RecordId, StoredRow), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let id = match self.cursor.step() {
            Ok(id) => id?,
            Err(error) => return Some(Err(error)),
        };
        let read = self.cursor.read(&mut self.reader).transpose()?;
        if read.is_err() {
            self.cursor.leave();
        }
        Some(read.map(|row| (id, row)))
    }
}
