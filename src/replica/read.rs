//! Reads: local, synchronous, of one state each, whatever is written meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::sight::Sight;
use super::{EditError, Replica};
use crate::crdt::ChangeHash;
use crate::gate::Standing;
use crate::model::{
    ColumnName, Columns, DeviceNumber, Header, Intake, Ledger, RecordId, Schema, Section, Secured,
    Sequence, Size, TableName, Timestamp, UserId, Value,
};
use crate::sync::{Enrolment, Quarantined, StoreError, StoredRow};

/// So many rows have room from the start.
const ROOM_MAX: usize = 1 << 16;

/// A row as the app reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The record's id.
    pub id: RecordId,
    /// Owner, state and shares.
    pub header: Header,
    /// The values; a column that was never set is absent.
    pub columns: Columns,
    /// Whether something on it is not ruled on yet.
    pub pending: bool,
    /// The place in the server's log up to which it is as it was confirmed: that of the last edit of what the
    /// user may read of it, or a later one, where it came as a whole; 0: nothing of it is confirmed yet.
    pub version: Sequence,
    /// The secured columns that the user may not read of it.
    pub hidden: BTreeSet<ColumnName>,
}

impl Row {
    pub(super) fn new(id: RecordId, row: StoredRow, table: &TableName, sight: &Sight) -> Self {
        let StoredRow { header, columns, pending, version } = row;
        let hidden = sight.hidden(table, &header);
        let mut columns = sight.lens(table).show(columns);
        for column in &hidden {
            // What the user set without being able to read it.
            columns.remove(column);
        }
        Self { id, header, columns, pending, version, hidden }
    }

    /// The column's value; null where it was never set, and where it is hidden: see [`Self::read`].
    #[must_use]
    pub fn get(&self, column: &str) -> &Value {
        self.columns.get(column).unwrap_or(&Value::Null)
    }

    /// The column's value, unless it is hidden: what it holds, or whether it holds anything, is not
    /// for this user to know.
    #[must_use]
    pub fn read(&self, column: &str) -> Secured<&Value> {
        if self.hidden.contains(column) {
            Secured::Hidden
        } else {
            Secured::Known(self.get(column))
        }
    }
}

/// How the server has taken what this device did to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowState {
    /// All that is shown counts.
    Confirmed,
    /// Something that is shown is not ruled on yet.
    Pending,
    /// Something was refused and is not shown: it is in [quarantine](Replica::quarantined), until
    /// it is retried or discarded. More may be pending.
    Denied,
}

/// How a replica is doing.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Where it belongs, once it is enrolled.
    pub enrolment: Option<Enrolment>,
    /// Rows of each table.
    pub rows: BTreeMap<TableName, u64>,
    /// How much of each table is confirmed here.
    pub sizes: BTreeMap<TableName, Size>,
    /// When all was here that there was of each table, by the device's clock, to the minute: after a sync, or
    /// one of this table alone. While a session is up to date, that is now.
    pub synced: BTreeMap<TableName, Timestamp>,
    /// What it goes by of its user's offline profile; `None`: all is taken that may be read.
    pub intake: Option<Intake>,
    /// Whether the profile's budget is spent, so that no scan brings more.
    pub is_spent: bool,
    /// Records that are kept until they are released.
    pub fetched: u64,
    /// Edits that are not ruled on yet.
    pub pending: u64,
    /// Refused edits, or parts of edits.
    pub quarantined: u64,
    /// Admitted edits that are kept until a backup of the server holds them.
    pub kept: u64,
    /// How far in the server's log it is.
    pub watermark: Sequence,
    /// What all sessions since enrolment took on the wire, by purpose; of those that were cut, as far as it was
    /// written.
    pub ledger: Ledger,
    /// Whether a session is open and all is settled.
    pub up_to_date: bool,
    /// Whether rows are still arriving or leaving because privileges changed, or for the first
    /// time.
    pub turning: bool,
}

impl Replica {
    /// A row, with what is pending on it; `None` where there is none, or it is deleted.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn get(&self, table: &TableName, id: RecordId) -> Result<Option<Row>, StoreError> {
        let row = self.shared.reader.snapshot()?.row(table, id)?;
        Ok(row.map(|row| Row::new(id, row, table, &self.shared.sight())))
    }

    /// A row as the server has confirmed it.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn get_confirmed(
        &self,
        table: &TableName,
        id: RecordId,
    ) -> Result<Option<Row>, StoreError> {
        let row = self.shared.reader.snapshot()?.confirmed_row(table, id)?;
        Ok(row.map(|row| Row::new(id, row, table, &self.shared.sight())))
    }

    /// Up to `limit` rows of a table after `after`, in the order of their ids.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn list(
        &self,
        table: &TableName,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        self.find(table, &[], after, limit)
    }

    /// Up to `limit` rows of a table after `after` whose columns hold all these values, in the
    /// order of their ids. A hidden column holds no value, not even null.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn find(
        &self,
        table: &TableName,
        equal: &[(ColumnName, Value)],
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let sight = self.shared.sight();
        let snapshot = self.shared.reader.snapshot()?;
        let fits = |row: &Row| {
            equal.iter().all(|(column, value)| match row.read(column.as_str()) {
                Secured::Known(held) => held == value,
                Secured::Hidden => false,
            })
        };
        let all = if equal.is_empty() { snapshot.row_count(table)? } else { 0 };
        let room = limit.min(usize::try_from(all).unwrap_or(usize::MAX)).min(ROOM_MAX);
        let mut found = Vec::with_capacity(room);
        if limit == 0 {
            return Ok(found);
        }
        for row in snapshot.rows(table, after)? {
            let (id, row) = row?;
            let row = Row::new(id, row, table, &sight);
            if fits(&row) {
                found.push(row);
            }
            if found.len() == limit {
                break;
            }
        }
        Ok(found)
    }

    /// How many rows a table has.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn count(&self, table: &TableName) -> Result<u64, StoreError> {
        self.shared.reader.snapshot()?.row_count(table)
    }

    /// How the server has taken what this device did to a record: also of one that is no row, as
    /// where its creation was refused.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn row_state(&self, id: RecordId) -> Result<RowState, StoreError> {
        let snapshot = self.shared.reader.snapshot()?;
        if snapshot.is_refused(id)? {
            return Ok(RowState::Denied);
        }
        let pending = snapshot.pending_on(id)?;
        Ok(if pending.is_empty() { RowState::Confirmed } else { RowState::Pending })
    }

    /// The refused edits of a record, oldest first.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn quarantined(&self, id: RecordId) -> Result<Vec<Quarantined>, StoreError> {
        self.shared.reader.snapshot()?.quarantine_of(id)
    }

    /// The refused edits, oldest first.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn quarantine(&self) -> Result<Vec<Quarantined>, StoreError> {
        self.shared.reader.snapshot()?.quarantine()
    }

    /// How it is doing.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn status(&self) -> Result<Status, StoreError> {
        let snapshot = self.shared.reader.snapshot()?;
        let (rows, pending) = (snapshot.row_counts()?, snapshot.pending_count()?);
        let quarantined = snapshot.quarantine_count()?;
        let core = self.shared.core();
        let meta = core.machine.meta();
        Ok(Status {
            enrolment: meta.enrolment.clone(),
            rows,
            sizes: meta.sizes.clone(),
            synced: meta.synced.clone(),
            ledger: meta.ledger,
            intake: meta.intake.clone(),
            is_spent: meta.spent_budget().is_some(),
            fetched: meta.pins.len() as u64,
            pending,
            quarantined,
            kept: meta.kept.edits,
            watermark: meta.watermark,
            up_to_date: core.machine.is_up_to_date(),
            turning: meta.scope.target.is_some(),
        })
    }

    /// The tables, as the server sent them last: those on which the user holds a right, and of others
    /// that these look up their keys.
    #[must_use]
    pub fn schema(&self) -> Schema {
        self.shared.core().machine.meta().schema.clone()
    }

    /// The tables as reads and edits know them: also those that are not there for the user any more, as
    /// they were. These have no rows, and take no edits.
    #[must_use]
    pub fn known_schema(&self) -> Arc<Schema> {
        Arc::clone(self.shared.sight().schema())
    }

    /// The user, once the device is enrolled.
    #[must_use]
    pub fn user(&self) -> Option<UserId> {
        self.shared.core().machine.meta().enrolment.as_ref().map(|it| it.user.clone())
    }

    /// The device's number, once it is enrolled.
    #[must_use]
    pub fn device(&self) -> Option<DeviceNumber> {
        self.shared.core().machine.meta().enrolment.as_ref().map(|it| it.device)
    }

    /// What the user may do, by the newest grant.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.shared.core().machine.standing().cloned()
    }

    /// The ids of all confirmed records.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn confirmed_ids(&self) -> Result<Vec<(TableName, RecordId)>, StoreError> {
        self.shared.reader.snapshot()?.confirmed_ids()
    }

    /// Automerge's heads of a confirmed record's sections, computed by rebuilding the documents.
    /// Two replicas agree on a record to the bit where these are equal.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn heads(
        &self,
        table: &TableName,
        id: RecordId,
    ) -> Result<BTreeMap<Section, Vec<ChangeHash>>, EditError> {
        match self.shared.reader.snapshot()?.confirmed(table, id)? {
            Some(confirmed) => Ok(confirmed.record().document_heads()?),
            None => Ok(BTreeMap::new()),
        }
    }
}
