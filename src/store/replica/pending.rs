//! How pending edits are kept.
//!
//! An edit lies at its turn, which mostly is the one of its own number: only of one that was made
//! again is it written down where it went.

use redb::{ReadTransaction, WriteTransaction};

use super::flat::NewRows;
use super::tables::{MOVED, PENDING, PENDING_RECORD, PendingEdit, Place, ROW};
use crate::model::{EditId, RecordId};
use crate::store::table::{Reading, Writing};
use crate::sync::{Pending, StoreError, StoredRow, Turn};

/// The tables while they are written.
struct Writer<'t> {
    by_turn: Writing<'t, Turn, PendingEdit>,
    moved: Writing<'t, EditId, Turn>,
    by_record: Writing<'t, (RecordId, Turn), ()>,
}

impl Writer<'_> {
    fn turn_of(&self, id: EditId) -> Result<Turn, StoreError> {
        let moved = if self.moved.is_empty()? { None } else { self.moved.get(&id)? };
        Ok(moved.unwrap_or(Turn::first(id)))
    }

    /// Takes away what lies at a turn, if it is the edit.
    fn remove(&mut self, turn: Turn, id: EditId) -> Result<(), StoreError> {
        if let Some(edit) = self.by_turn.get(&turn)?
            && edit.id(turn) == id
        {
            self.by_turn.delete(&turn)?;
            self.by_record.delete(&(edit.record(), turn))?;
        }
        Ok(())
    }

    /// An edit that is made again takes its new turn, and gives up the old one.
    fn put(&mut self, pending: Pending, rows: &NewRows<'_>) -> Result<(), StoreError> {
        let Pending { turn, edit } = pending;
        let (id, record) = (edit.id, edit.record);
        let old = self.turn_of(id)?;
        if old != turn {
            self.remove(old, id)?;
        }
        if turn != Turn::first(id) {
            self.moved.set(&id, &turn)?;
        } else if old != turn {
            self.moved.delete(&id)?;
        }
        if let Some(replaced) = self.by_turn.put(&turn, &PendingEdit::new(edit, turn, rows))? {
            if replaced.id(turn) != id {
                self.moved.delete(&replaced.id(turn))?;
            }
            if replaced.record() != record {
                self.by_record.delete(&(replaced.record(), turn))?;
            }
        }
        self.by_record.set(&(record, turn), &())?;
        Ok(())
    }

    fn settle(&mut self, id: EditId) -> Result<(), StoreError> {
        let turn = self.turn_of(id)?;
        if turn != Turn::first(id) {
            self.moved.delete(&id)?;
        }
        self.remove(turn, id)
    }
}

pub(super) fn write(
    tx: &WriteTransaction,
    pending: Vec<Pending>,
    settled: Vec<EditId>,
    rows: &NewRows<'_>,
) -> Result<(), StoreError> {
    if pending.is_empty() && settled.is_empty() {
        return Ok(());
    }
    let (by_turn, moved) = (PENDING.write(tx)?, MOVED.write(tx)?);
    let mut writer = Writer { by_turn, moved, by_record: PENDING_RECORD.write(tx)? };
    pending.into_iter().try_for_each(|pending| writer.put(pending, rows))?;
    settled.into_iter().try_for_each(|id| writer.settle(id))
}

/// The tables of a snapshot in which pending edits are.
pub(super) struct Reader {
    edits: Reading<Turn, PendingEdit>,
    by_record: Reading<(RecordId, Turn), ()>,
    rows: Reading<Place, StoredRow>,
}

impl Reader {
    pub(super) fn new(tx: &ReadTransaction) -> Result<Self, StoreError> {
        let (edits, by_record) = (PENDING.read(tx)?, PENDING_RECORD.read(tx)?);
        Ok(Self { edits, by_record, rows: ROW.read(tx)? })
    }

    fn whole(&self, turn: Turn, edit: PendingEdit) -> Result<Pending, StoreError> {
        Ok(Pending { turn, edit: edit.edit(turn, &self.rows)? })
    }

    /// A pending edit, wherever it is.
    pub(super) fn find(
        &self,
        moved: &Reading<EditId, Turn>,
        id: EditId,
    ) -> Result<Option<Pending>, StoreError> {
        if let Some(turn) = moved.get(&id)? {
            return self.whole(turn, self.edits.expect(&turn)?).map(Some);
        }
        let turn = Turn::first(id);
        let edit = self.edits.get(&turn)?.filter(|edit| edit.id(turn) == id);
        edit.map(|edit| self.whole(turn, edit)).transpose()
    }

    /// What is pending on a record, in order.
    pub(super) fn on(&self, record: RecordId) -> Result<Vec<Pending>, StoreError> {
        let pending = |entry: Result<((RecordId, Turn), ()), StoreError>| {
            let ((_, turn), ()) = entry?;
            self.whole(turn, self.edits.expect(&turn)?)
        };
        self.by_record.starting_with(&record)?.map(pending).collect()
    }

    /// Up to `limit` pending edits after `after`, in order.
    pub(super) fn after(&self, after: Turn, limit: usize) -> Result<Vec<Pending>, StoreError> {
        let edits = self.edits.after(&after)?.take(limit);
        edits.map(|entry| entry.and_then(|(turn, edit)| self.whole(turn, edit))).collect()
    }
}
