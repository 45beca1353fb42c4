//! What a row says need not be said again: the history of a record of which nothing was ever
//! written over, and the pending edit that made one, are kept without their values, beside its row.
//!
//! Before the values of a row change, what leans on them is made whole.

use std::collections::BTreeSet;
use std::fmt;

use redb::{ReadableTable, WriteTransaction};

use super::tables::{Changes, HISTORY, History, PENDING, PENDING_RECORD, PendingEdit, Place};
use crate::gate::{Applied, Confirmed};
use crate::model::{DeviceNumber, Edit, EditId, Flat, RecordId};
use crate::store::table::Opened;
use crate::sync::{StoreError, StoredRow, Turn};

type Bytes = &'static [u8];

/// The rows that a batch writes, to be found by their places.
pub(super) struct NewRows<'b>(Vec<&'b (Place, Option<StoredRow>)>);

impl<'b> NewRows<'b> {
    pub(super) fn new(rows: &'b [(Place, Option<StoredRow>)]) -> Self {
        let mut rows: Vec<_> = rows.iter().collect();
        rows.sort_by_key(|(place, _)| place);
        Self(rows)
    }

    /// The row that is there in the end: the last one written.
    fn find(&self, place: &Place) -> Option<&'b StoredRow> {
        let behind = self.0.partition_point(|(other, _)| other <= place);
        let (found, row) = self.0.get(behind.checked_sub(1)?)?;
        row.as_ref().filter(|_| found == place)
    }
}

/// A confirmed record, and as what it is to be kept.
pub(super) fn flatten(applied: Applied, rows: &NewRows<'_>) -> (Place, Confirmed, History) {
    let place = (applied.table().clone(), applied.id());
    let confirmed = applied.into_confirmed();
    let (versions, whole) = (confirmed.versions().clone(), confirmed.to_edit());
    let row = rows.find(&place);
    let flat = row.and_then(|row| Flat::of(&whole.changes, &row.header, &row.columns));
    let changes = flat.map_or(Changes::Whole(whole), Changes::Flat);
    (place, confirmed, History { versions, changes })
}

impl History {
    /// Whether it says all of its record, and so does not lean on a row.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.changes, Changes::Whole(_))
    }

    /// The record, with its row if it leans on it.
    pub(super) fn confirmed<T: ReadableTable<Bytes, Bytes>>(
        self,
        place: &Place,
        rows: &Opened<Place, StoredRow, T>,
    ) -> Result<Confirmed, StoreError> {
        let Self { versions, changes } = self;
        let whole = match changes {
            Changes::Whole(whole) => whole,
            Changes::Flat(flat) => whole(place, &flat, &rows.expect(place)?)?,
        };
        Confirmed::from_stored(versions, &whole).map_err(|error| damaged(place, error))
    }
}

fn damaged((table, record): &Place, problem: impl fmt::Display) -> StoreError {
    let name = HISTORY.name();
    StoreError::Damaged(format!("table `{name}`, key {table} {record}: {problem}"))
}

/// All changes of a record, as they are kept where they are kept whole.
fn whole(place: &Place, flat: &Flat, row: &StoredRow) -> Result<Edit, StoreError> {
    let changes = flat.changes(&row.header, &row.columns);
    let changes = changes.ok_or_else(|| damaged(place, UNKNOWN_LAYOUT))?;
    let id = EditId { device: DeviceNumber::SERVER, counter: 0, part: 0 };
    Ok(Edit { id, table: place.0.clone(), record: place.1, atomic: 0, changes })
}

const UNKNOWN_LAYOUT: &str = "it is flattened in a way that this version does not know";

impl PendingEdit {
    /// An edit as it is to be kept at this turn.
    pub(super) fn new(edit: Edit, turn: Turn, rows: &NewRows<'_>) -> Self {
        if !edit.is_create() || turn != Turn::first(edit.id) {
            return Self::Whole(edit);
        }
        let place = (edit.table, edit.record);
        let row = rows.find(&place);
        let flat = row.and_then(|row| Flat::of(&edit.changes, &row.header, &row.columns));
        let (table, record) = place;
        match flat {
            Some(changes) => {
                let (device, atomic) = (edit.id.device, edit.atomic);
                Self::Flat { device, table, record, atomic, changes }
            }
            None => Self::Whole(Edit { table, ..edit }),
        }
    }

    /// The edit's id.
    pub(super) fn id(&self, turn: Turn) -> EditId {
        match self {
            Self::Whole(edit) => edit.id,
            Self::Flat { device, .. } => {
                EditId { device: *device, counter: turn.counter, part: turn.part }
            }
        }
    }

    /// The record that it is pending on.
    pub(super) fn record(&self) -> RecordId {
        match self {
            Self::Whole(edit) => edit.record,
            Self::Flat { record, .. } => *record,
        }
    }

    /// The edit, with the record's row if it leans on it.
    pub(super) fn edit<T: ReadableTable<Bytes, Bytes>>(
        self,
        turn: Turn,
        rows: &Opened<Place, StoredRow, T>,
    ) -> Result<Edit, StoreError> {
        let id = self.id(turn);
        match self {
            Self::Whole(edit) => Ok(edit),
            Self::Flat { table, record, atomic, changes, .. } => {
                let place = (table, record);
                let row = rows.expect(&place)?;
                Self::made(id, place, atomic, &changes, &row)
            }
        }
    }

    fn made(
        id: EditId,
        (table, record): Place,
        atomic: u32,
        changes: &Flat,
        row: &StoredRow,
    ) -> Result<Edit, StoreError> {
        let changes = changes.changes(&row.header, &row.columns).ok_or_else(|| {
            StoreError::Damaged(format!("table `{}`, edit {id}: {UNKNOWN_LAYOUT}", PENDING.name()))
        })?;
        Ok(Edit { id, table, record, atomic, changes })
    }
}

/// Makes whole what leans on rows that held these values, and hold others now; but for the histories
/// that are written in this step anyway, and the edits that are settled in it.
pub(super) fn unflatten(
    tx: &WriteTransaction,
    replaced: Vec<(Place, StoredRow)>,
    rewritten: &BTreeSet<Place>,
    settled: &[EditId],
) -> Result<(), StoreError> {
    let settled: BTreeSet<_> = settled.iter().collect();
    let (mut history, mut pending) = (HISTORY.write(tx)?, PENDING.write(tx)?);
    let by_record = PENDING_RECORD.write(tx)?;
    for (place, row) in replaced {
        if !rewritten.contains(&place)
            && let Some(History { versions, changes: Changes::Flat(flat) }) = history.get(&place)?
        {
            let whole = whole(&place, &flat, &row)?;
            history.set(&place, &History { versions, changes: Changes::Whole(whole) })?;
        }
        if pending.is_empty()? {
            continue;
        }
        let turns: Result<Vec<_>, _> =
            by_record.starting_with(&place.1)?.map(|entry| Ok(entry?.0.1)).collect();
        for turn in turns? {
            let found = pending.expect(&turn)?;
            let id = found.id(turn);
            if let PendingEdit::Flat { table, record, atomic, changes, .. } = found
                && table == place.0
                && !settled.contains(&id)
            {
                let edit = PendingEdit::made(id, (table, record), atomic, &changes, &row)?;
                pending.set(&turn, &PendingEdit::Whole(edit))?;
            }
        }
    }
    Ok(())
}
