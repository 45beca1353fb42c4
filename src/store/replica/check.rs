use std::collections::BTreeMap;

use super::index;
use super::snapshot::ReplicaSnapshot;
use super::tables::{
    HISTORY, KEPT, MOVED, PENDING, PENDING_RECORD, QUARANTINE, QUARANTINE_EDIT, QUARANTINE_RECORD,
    ROW,
};
use crate::model::TableName;
use crate::store::fence::fenced;
use crate::sync::{StoreError, Turn};

/// Reads everything, and compares each index with what it leads to.
pub(super) fn check(snapshot: &ReplicaSnapshot) -> Result<(), StoreError> {
    snapshot.meta()?;
    fenced(|| {
        rows(snapshot)?;
        let rows = ROW.read(snapshot.tx())?;
        for entry in HISTORY.read(snapshot.tx())?.all()? {
            let (place, history) = entry?;
            history.confirmed(&place, &rows)?;
        }
        pending(snapshot)?;
        quarantine(snapshot)?;
        KEPT.read(snapshot.tx())?.all()?.try_for_each(|entry| entry.map(drop))?;
        index::check(snapshot.tx())
    })
}

fn rows(snapshot: &ReplicaSnapshot) -> Result<(), StoreError> {
    let mut counts: BTreeMap<TableName, u64> = BTreeMap::new();
    for entry in ROW.read(snapshot.tx())?.all()? {
        *counts.entry(entry?.0.0).or_default() += 1;
    }
    agree(counts == snapshot.row_counts()?, "the numbers of rows")
}

fn pending(snapshot: &ReplicaSnapshot) -> Result<(), StoreError> {
    let moved = MOVED.read(snapshot.tx())?;
    let by_record = PENDING_RECORD.read(snapshot.tx())?;
    let rows = ROW.read(snapshot.tx())?;
    let (mut count, mut away) = (0, 0);
    for entry in PENDING.read(snapshot.tx())?.all()? {
        let (turn, edit) = entry?;
        let edit = edit.edit(turn, &rows)?;
        let is_away = turn != Turn::first(edit.id);
        let noted = moved.get(&edit.id)?;
        agree(noted == is_away.then_some(turn), "the pending edits that were made again")?;
        agree(by_record.get(&(edit.record, turn))?.is_some(), "the pending edits by record")?;
        count += 1;
        away += usize::from(is_away);
    }
    agree(moved.all()?.count() == away, "the number of pending edits that were made again")?;
    agree(by_record.all()?.count() == count, "the number of pending edits by record")
}

fn quarantine(snapshot: &ReplicaSnapshot) -> Result<(), StoreError> {
    let by_edit = QUARANTINE_EDIT.read(snapshot.tx())?;
    let by_record = QUARANTINE_RECORD.read(snapshot.tx())?;
    let mut count = 0;
    for entry in QUARANTINE.read(snapshot.tx())?.all()? {
        let (number, entry) = entry?;
        agree(by_edit.get(&(entry.edit, number))?.is_some(), "the refused edits by id")?;
        let place = (entry.record, number);
        agree(by_record.get(&place)?.is_some(), "the refused edits by record")?;
        count += 1;
    }
    agree(by_edit.all()?.count() == count, "the number of refused edits by id")?;
    agree(by_record.all()?.count() == count, "the number of refused edits by record")
}

fn agree(holds: bool, what: &str) -> Result<(), StoreError> {
    if holds { Ok(()) } else { Err(StoreError::Damaged(format!("{what} do not agree"))) }
}
