//! How pending edits are kept.
//!
//! An edit lies at its turn, which mostly is the one of its own number: only of one that was made
//! again is it written down where it went.

use redb::{ReadTransaction, WriteTransaction};

use super::tables::{MOVED, PENDING, PENDING_RECORD, PendingEdit};
use crate::model::{EditId, RecordId};
use crate::store::table::{Reading, Writing};
use crate::sync::{Pending, StoreError, Turn};

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
        if let Some(PendingEdit(edit)) = self.by_turn.get(&turn)?
            && edit.id == id
        {
            self.by_turn.delete(&turn)?;
            self.by_record.delete(&(edit.record, turn))?;
        }
        Ok(())
    }

    /// An edit that is made again takes its new turn, and gives up the old one.
    fn put(&mut self, Pending { turn, edit }: Pending) -> Result<(), StoreError> {
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
        if let Some(PendingEdit(replaced)) = self.by_turn.put(&turn, &PendingEdit(edit))? {
            if replaced.id != id {
                self.moved.delete(&replaced.id)?;
            }
            if replaced.record != record {
                self.by_record.delete(&(replaced.record, turn))?;
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
) -> Result<(), StoreError> {
    if pending.is_empty() && settled.is_empty() {
        return Ok(());
    }
    let (by_turn, moved) = (PENDING.write(tx)?, MOVED.write(tx)?);
    let mut writer = Writer { by_turn, moved, by_record: PENDING_RECORD.write(tx)? };
    pending.into_iter().try_for_each(|pending| writer.put(pending))?;
    settled.into_iter().try_for_each(|id| writer.settle(id))
}

/// A pending edit, wherever it is.
pub(super) fn find(tx: &ReadTransaction, id: EditId) -> Result<Option<Pending>, StoreError> {
    let edits = PENDING.read(tx)?;
    if let Some(turn) = MOVED.read(tx)?.get(&id)? {
        return Ok(Some(Pending { turn, edit: edits.expect(&turn)?.0 }));
    }
    let turn = Turn::first(id);
    let edit = edits.get(&turn)?.map(|pending| pending.0).filter(|edit| edit.id == id);
    Ok(edit.map(|edit| Pending { turn, edit }))
}

/// What is pending on a record, in order.
pub(super) fn on(
    index: &Reading<(RecordId, Turn), ()>,
    edits: &Reading<Turn, PendingEdit>,
    record: RecordId,
) -> Result<Vec<Pending>, StoreError> {
    let turns = index.starting_with(&record)?;
    let pending = |entry: Result<((RecordId, Turn), ()), StoreError>| {
        let ((_, turn), ()) = entry?;
        Ok(Pending { turn, edit: edits.expect(&turn)?.0 })
    };
    turns.map(pending).collect()
}
