//! How a batch is written.
//!
//! The order within a batch: rows, and what leans on what they held, before what may lean on what
//! they hold now; what is gone before what is confirmed (a record may go and come back
//! in one page), pending edits before those settled (one may be written anew and then settled),
//! what the user dealt with, or was erased, before what is newly refused. A batch that is written twice leaves
//! what it left the first time.

use std::collections::BTreeMap;

use redb::WriteTransaction;

use super::changes::RowChanges;
use super::flat::{self, NewRows};
use super::tables::{
    HISTORY, KEPT, KeptEdit, META, Part, Place, QUARANTINE, QUARANTINE_EDIT, QUARANTINE_RECORD,
    ROW, ROW_COUNT,
};
use super::{index, pending};
use crate::gate::Applied;
use crate::model::{EditId, RecordId, TableName};
use crate::store::lately::Lately;
use crate::sync::{
    Kept, KeptPlace, Pending, Quarantined, ReplicaBatch, ReplicaMeta, StoreError, StoredRow,
};

pub(super) fn write(
    tx: &WriteTransaction,
    batch: ReplicaBatch,
    lately: &Lately,
) -> Result<(), StoreError> {
    let ReplicaBatch {
        meta,
        confirmed,
        rows,
        gone,
        pending: edits,
        settled,
        quarantine,
        released,
        kept,
        erased,
        forgotten,
    } = batch;
    if let Some(meta) = meta {
        write_meta(tx, meta)?;
    }
    let rows: Vec<(Place, _)> =
        rows.into_iter().map(|(table, record, row)| ((table, record), row)).collect();
    let replaced = write_rows(tx, &rows)?.into_replaced();
    if !replaced.is_empty() {
        let place = |applied: &Applied| (applied.table().clone(), applied.id());
        let rewritten = gone.iter().cloned().chain(confirmed.iter().map(place)).collect();
        flat::unflatten(tx, replaced, &rewritten, &settled)?;
    }
    let rows = NewRows::new(&rows);
    write_history(tx, gone, confirmed, (&rows, lately))?;
    pending::write(tx, edits, settled, &rows)?;
    for record in erased {
        erase(tx, record, &quarantine)?;
    }
    write_quarantine(tx, released, quarantine)?;
    write_kept(tx, forgotten, kept)
}

fn write_meta(tx: &WriteTransaction, meta: ReplicaMeta) -> Result<(), StoreError> {
    let mut table = META.write(tx)?;
    for (name, part) in Part::of(meta) {
        let changed = table.set_changed(&name.to_owned(), &part)?;
        if let Part::Schema(schema, ..) = &part
            && changed
        {
            index::declare(tx, schema)?;
        }
    }
    Ok(())
}

fn write_history(
    tx: &WriteTransaction,
    gone: Vec<Place>,
    confirmed: Vec<Applied>,
    (rows, lately): (&NewRows<'_>, &Lately),
) -> Result<(), StoreError> {
    let mut history = HISTORY.write(tx)?;
    for key in gone {
        history.delete(&key)?;
    }
    for applied in confirmed {
        let (key, confirmed, value) = flat::flatten(applied, rows);
        if value.is_whole() {
            history.set_as(&key, &value, lately, confirmed)?;
        } else {
            history.set(&key, &value)?;
        }
    }
    Ok(())
}

/// Writes rows, and what is derived of them: all changes of what an app reads are made here.
fn write_rows<'b>(
    tx: &WriteTransaction,
    rows: &'b [(Place, Option<StoredRow>)],
) -> Result<RowChanges<'b>, StoreError> {
    let mut table = ROW.write(tx)?;
    let mut growth: BTreeMap<&TableName, i64> = BTreeMap::new();
    let mut changes = RowChanges::with_room(rows.len());
    for (place, row) in rows {
        let was = match row {
            Some(row) => table.put(place, row)?,
            None => table.take(place)?,
        };
        let (is, was_there) = (row.is_some(), was.is_some());
        *growth.entry(&place.0).or_default() += i64::from(is) - i64::from(was_there);
        changes.add(place, was, row.as_ref());
    }
    let changes = index::keep(tx, changes, &table)?;
    let mut counts = ROW_COUNT.write(tx)?;
    for (name, growth) in growth.into_iter().filter(|(_, growth)| *growth != 0) {
        let count = counts.get(name)?.unwrap_or(0).saturating_add_signed(growth);
        if count == 0 {
            counts.delete(name)?;
        } else {
            counts.set(name, &count)?;
        }
    }
    Ok(changes)
}

fn write_kept(
    tx: &WriteTransaction,
    forgotten: Option<KeptPlace>,
    kept: Vec<Kept>,
) -> Result<(), StoreError> {
    if kept.is_empty() && forgotten.is_none() {
        return Ok(());
    }
    let mut table = KEPT.write(tx)?;
    if let Some(KeptPlace { sequence, turn }) = forgotten {
        table.delete_up_to(&(sequence, turn))?;
    }
    for Kept { sequence, pending: Pending { turn, edit } } in kept {
        table.set(&(sequence, turn), &KeptEdit(edit))?;
    }
    Ok(())
}

/// Removes what is refused and kept of a record, but for what is refused in this step.
fn erase(
    tx: &WriteTransaction,
    record: RecordId,
    refused: &[Quarantined],
) -> Result<(), StoreError> {
    let mut by_record = QUARANTINE_RECORD.write(tx)?;
    let numbers: Result<Vec<_>, _> =
        by_record.starting_with(&record)?.map(|entry| Ok(entry?.0.1)).collect();
    let (mut entries, mut by_edit) = (QUARANTINE.write(tx)?, QUARANTINE_EDIT.write(tx)?);
    for number in numbers? {
        let entry = entries.expect(&number)?;
        if !refused.contains(&entry) {
            by_record.delete(&(record, number))?;
            entries.delete(&number)?;
            by_edit.delete(&(entry.edit, number))?;
        }
    }
    let mut kept = KEPT.write(tx)?;
    let mut gone = Vec::new();
    for entry in kept.all()? {
        let (place, KeptEdit(edit)) = entry?;
        if edit.record == record {
            gone.push(place);
        }
    }
    for place in gone {
        kept.delete(&place)?;
    }
    Ok(())
}

fn write_quarantine(
    tx: &WriteTransaction,
    released: Vec<EditId>,
    quarantine: Vec<Quarantined>,
) -> Result<(), StoreError> {
    if quarantine.is_empty() && released.is_empty() {
        return Ok(());
    }
    let mut entries = QUARANTINE.write(tx)?;
    let mut by_edit = QUARANTINE_EDIT.write(tx)?;
    let mut by_record = QUARANTINE_RECORD.write(tx)?;
    for id in released {
        let numbers: Result<Vec<_>, _> =
            by_edit.starting_with(&id)?.map(|entry| Ok(entry?.0.1)).collect();
        for number in numbers? {
            // Refused again the same way in this step, or this step is written again.
            let entry = entries.expect(&number)?;
            if quarantine.contains(&entry) {
                continue;
            }
            by_record.delete(&(entry.record, number))?;
            entries.delete(&number)?;
            by_edit.delete(&(id, number))?;
        }
    }
    for entry in quarantine {
        let id = entry.edit;
        let mut is_there = false;
        for held in by_edit.starting_with(&id)? {
            let ((_, number), ()) = held?;
            is_there |= entries.expect(&number)? == entry;
        }
        if !is_there {
            let number = entries.last_key()?.map_or(1, |last| last + 1);
            entries.set(&number, &entry)?;
            by_edit.set(&(id, number), &())?;
            by_record.set(&(entry.record, number), &())?;
        }
    }
    Ok(())
}
