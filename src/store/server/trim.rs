//! How the beginning of the log is dropped. That its edits were admitted is kept in *runs*: one entry
//! for all commits in a row of a device, of one part of each. And who wrote a record is kept.

use std::collections::BTreeSet;

use redb::{ReadableTable, WriteTransaction};

use super::tables::{ADMITTED, AUTHOR, ERASED, LOG, RUN, RunKey, STRAND};
use crate::model::{DeviceNumber, EditId, Sequence};
use crate::store::table::{Bytes, Opened, Writing};
use crate::sync::StoreError;

pub(super) fn trim(tx: &WriteTransaction, up_to: Sequence) -> Result<(), StoreError> {
    let (mut log, mut admitted, mut runs) = (LOG.write(tx)?, ADMITTED.write(tx)?, RUN.write(tx)?);
    let (mut edits, mut wrote, mut along) = (Vec::new(), BTreeSet::new(), Vec::new());
    let erased = ERASED.write(tx)?;
    for entry in log.all()? {
        let (sequence, logged) = entry?;
        if sequence > up_to {
            break;
        }
        let entry = logged.at(sequence);
        along.extend(entry.strands().into_iter().map(|strand| (strand, sequence)));
        // A move has no edit id.
        let Some(edit) = entry.edit() else { continue };
        // Nobody sends what the server did by itself.
        let is_of_device = edit.id.device != DeviceNumber::SERVER;
        if is_of_device && !edit.changes.is_empty() {
            wrote.insert((edit.record, edit.id.device));
        }
        if let Some(erased) = erased.get(&edit.record)?.filter(|it| it.sequence == sequence) {
            along.extend(erased.strands().map(|strand| (strand, sequence)));
        }
        edits.push((edit.id, is_of_device));
    }
    for (edit, is_of_device) in edits {
        admitted.delete(&edit)?;
        if is_of_device {
            add(&mut runs, edit)?;
        }
    }
    let mut strands = STRAND.write(tx)?;
    for place in along {
        strands.delete(&place)?;
    }
    let mut authors = AUTHOR.write(tx)?;
    for author in wrote {
        authors.set_changed(&author, &())?;
    }
    log.delete_up_to(&up_to)
}

/// Whether the entry of an admitted edit was dropped.
pub(super) fn is_dropped<T: ReadableTable<Bytes, Bytes>>(
    runs: &Opened<RunKey, u64, T>,
    edit: EditId,
) -> Result<bool, StoreError> {
    Ok(run_before(runs, edit)?.is_some_and(|(_, last)| last >= edit.counter))
}

/// Where the run begins that an edit is in, or comes behind; and where that ends.
fn run_before<T: ReadableTable<Bytes, Bytes>>(
    runs: &Opened<RunKey, u64, T>,
    edit: EditId,
) -> Result<Option<(u64, u64)>, StoreError> {
    let row = (edit.device, edit.part);
    let found = runs.last_up_to(&(row, edit.counter))?;
    Ok(found.filter(|((of, _), _)| *of == row).map(|((_, first), last)| (first, last)))
}

/// Adds an edit to the run that it comes right behind or before, or begins one.
fn add(runs: &mut Writing<'_, RunKey, u64>, edit: EditId) -> Result<(), StoreError> {
    let (row, counter) = ((edit.device, edit.part), edit.counter);
    let before = run_before(runs, edit)?;
    if before.is_some_and(|(_, last)| last >= counter) {
        return Ok(());
    }
    let (mut first, mut last) = (counter, counter);
    if let Some((begins, ends)) = before
        && ends.checked_add(1) == Some(counter)
    {
        first = begins;
    }
    if let Some(next) = counter.checked_add(1)
        && let Some(ends) = runs.get(&(row, next))?
    {
        runs.delete(&(row, next))?;
        last = ends;
    }
    runs.set(&(row, first), &last)?;
    Ok(())
}
