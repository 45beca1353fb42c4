//! How a record is erased: its places in the log stay, and what it held goes. (Of a record that a move
//! took along the log holds nothing that would have to go.)

use std::collections::BTreeSet;

use redb::WriteTransaction;

use super::tables::{
    ADMITTED, AUTHOR, BUCKET, COUNT, ERASED, LOG, Logged, PLACE, Place, RECORD, REFUSED,
    REFUSED_EDIT, STRAND, Sizes, set_purge_due,
};
use crate::model::{DeviceNumber, Edit};
use crate::sync::{Erased, LogEntry, RefusedEdit, StoreError};

/// Goes over the whole log: records are erased so rarely that no index is worth its place.
pub(super) fn erase(tx: &WriteTransaction, entry: LogEntry) -> Result<(), StoreError> {
    let Some(Edit { id: edit, record, table, .. }) = entry.edit().cloned() else {
        return Err(StoreError::Io("an entry that erases names no record".into()));
    };
    let mut authors = BTreeSet::new();
    let mut log = LOG.write(tx)?;
    let mut emptied = Vec::new();
    for logged in log.all()? {
        let (sequence, logged) = logged?;
        let mut earlier = logged.at(sequence);
        if let Some(edit) = earlier.edit().filter(|edit| edit.record == record) {
            authors.insert(edit.id.device);
            earlier.empty();
            emptied.push(earlier);
        }
    }
    for earlier in emptied {
        let (sequence, logged) = Logged::of(earlier);
        log.set(&sequence, &logged)?;
    }
    let mut refused = REFUSED.write(tx)?;
    let mut gone = Vec::new();
    for entry in refused.all()? {
        let (number, entry) = entry?;
        let entry = RefusedEdit::from(entry);
        if entry.edit.record == record {
            authors.insert(entry.edit.id.device);
            gone.push((entry.edit.id, number));
        }
    }
    let mut by_edit = REFUSED_EDIT.write(tx)?;
    for (edit, number) in gone {
        by_edit.delete(&(edit, number))?;
        refused.delete(&number)?;
    }
    authors.remove(&DeviceNumber::SERVER);
    let mut earlier = AUTHOR.write(tx)?;
    let dropped = earlier.starting_with(&record)?.map(|entry| Ok(entry?.0));
    for author in dropped.collect::<Result<Vec<_>, StoreError>>()? {
        earlier.delete(&author)?;
        authors.insert(author.1);
    }
    let sequence = entry.sequence;
    let erased = Erased { table, record, sequence, authors: authors.into_iter().collect() };
    let mut strands = STRAND.write(tx)?;
    for strand in entry.strands().into_iter().chain(erased.strands()) {
        strands.set(&(strand, sequence), &())?;
    }
    let (sequence, logged) = Logged::of(entry);
    log.set(&sequence, &logged)?;
    ADMITTED.write(tx)?.set(&edit, &sequence)?;
    RECORD.write(tx)?.delete(&record)?;
    let place = (erased.table.clone(), record);
    let mut places = PLACE.write(tx)?;
    let before = places.get(&place)?.unwrap_or_default();
    places.delete(&place)?;
    let mut buckets = BUCKET.write(tx)?;
    let mut sizes = Sizes::default();
    sizes.note(&erased.table, &before, &Place::default());
    sizes.write(tx)?;
    for bucket in before.buckets {
        buckets.delete(&(bucket, place.clone()))?;
    }
    if before.is_active {
        let mut counts = COUNT.write(tx)?;
        let count = counts.get(&erased.table)?.unwrap_or(0).saturating_sub(1);
        counts.set(&erased.table, &count)?;
    }
    ERASED.write(tx)?.set(&record, &erased)?;
    set_purge_due(tx, true)
}
