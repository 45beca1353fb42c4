use std::collections::BTreeMap;

use redb::ReadTransaction;

use super::snapshot::{ServerSnapshot, rebuild};
use super::tables::{
    ADMITTED, AUTHOR, BUCKET, CODE, DEVICE, DEVICE_KEY, ERASED, LOG, PAST_STANDING, PLACE, PURGE,
    Place, RECORD, REFUSED, REFUSED_EDIT, RUN, SIZE, STANDING, STRAND,
};
use crate::model::{SizeByState, TableName};
use crate::store::fence::fenced;
use crate::sync::{LogEntry, StoreError};

/// Reads everything, and compares each index with what it leads to.
pub(super) fn check(snapshot: &ServerSnapshot) -> Result<(), StoreError> {
    fenced(|| {
        log(snapshot)?;
        records(snapshot)?;
        devices(snapshot)?;
        each(ERASED.read(snapshot.tx())?.all()?)?;
        each(PURGE.read(snapshot.tx())?.all()?)?;
        refused(snapshot)?;
        each(CODE.read(snapshot.tx())?.all()?)?;
        each(STANDING.read(snapshot.tx())?.all()?)?;
        each(PAST_STANDING.read(snapshot.tx())?.all()?)?;
        each(RUN.read(snapshot.tx())?.all()?)?;
        each(AUTHOR.read(snapshot.tx())?.all()?)?;
        snapshot.schema()?;
        snapshot.profiles()?;
        snapshot.rules().map(drop)
    })
}

fn log(snapshot: &ServerSnapshot) -> Result<(), StoreError> {
    let admitted = ADMITTED.read(snapshot.tx())?;
    let floor = snapshot.meta()?.floor;
    let mut last = floor;
    let (mut count, mut in_strands) = (0, 0);
    for entry in LOG.read(snapshot.tx())?.all()? {
        let (sequence, logged) = entry?;
        let entry = logged.at(sequence);
        agree(sequence > floor, "the log and its floor")?;
        last = sequence;
        in_strands += found_along(snapshot.tx(), &entry)?;
        let Some(edit) = entry.edit() else { continue };
        agree(admitted.get(&edit.id)? == Some(sequence), "the log and its edit ids")?;
        count += 1;
    }
    agree(admitted.all()?.count() == count, "the log and the number of its edit ids")?;
    let strands = STRAND.read(snapshot.tx())?.all()?.count();
    agree(strands == in_strands, "the log and the number of places in its strands")?;
    agree(last <= snapshot.meta()?.head, "the log and its head")
}

/// In how many strands an entry of the log is, and is found.
pub(super) fn found_along(tx: &ReadTransaction, entry: &LogEntry) -> Result<usize, StoreError> {
    let mut along = entry.strands();
    if let Some(edit) = entry.edit()
        && let Some(erased) = ERASED.read(tx)?.get(&edit.record)?
        && erased.sequence == entry.sequence
    {
        along.extend(erased.strands());
    }
    let strands = STRAND.read(tx)?;
    for strand in &along {
        let place = (strand.clone(), entry.sequence);
        agree(strands.get(&place)?.is_some(), "the log and its strands")?;
    }
    Ok(along.len())
}

fn refused(snapshot: &ServerSnapshot) -> Result<(), StoreError> {
    let by_edit = REFUSED_EDIT.read(snapshot.tx())?;
    let mut count = 0;
    for entry in REFUSED.read(snapshot.tx())?.all()? {
        let (number, refused) = entry?;
        let place = (refused.edit.id, number);
        agree(by_edit.get(&place)?.is_some(), "the refused edits and their ids")?;
        count += 1;
    }
    agree(by_edit.all()?.count() == count, "the refused edits and the number of their ids")
}

fn records(snapshot: &ServerSnapshot) -> Result<(), StoreError> {
    let (places, buckets) = (PLACE.read(snapshot.tx())?, BUCKET.read(snapshot.tx())?);
    let mut counts: BTreeMap<TableName, u64> = BTreeMap::new();
    let mut sizes: BTreeMap<(TableName, String), SizeByState> = BTreeMap::new();
    let (mut count, mut in_buckets) = (0, 0);
    for entry in RECORD.read(snapshot.tx())?.all()? {
        let (id, kept) = entry?;
        let confirmed = rebuild(id, &kept)?;
        let (at, place) = ((confirmed.record().table().clone(), id), Place::of(&confirmed));
        agree(places.get(&at)?.as_ref() == Some(&place), "the records and their order")?;
        for bucket in &place.buckets {
            let is_found = buckets.get(&(bucket.clone(), at.clone()))?.is_some();
            agree(is_found, "the records and their buckets")?;
        }
        for part in place.parts() {
            let size = sizes.entry((at.0.clone(), part)).or_default();
            *size = size.plus(place.size_by_state());
        }
        in_buckets += place.buckets.len();
        *counts.entry(at.0).or_default() += u64::from(place.is_active);
        count += 1;
    }
    agree(places.all()?.count() == count, "the records and the number of them")?;
    agree(buckets.all()?.count() == in_buckets, "the records and the number of them in buckets")?;
    counts.retain(|_, count| *count > 0);
    let mut stored = snapshot.record_counts()?;
    stored.retain(|_, count| *count > 0);
    agree(counts == stored, "the numbers of records")?;
    let stored: BTreeMap<_, _> = SIZE.read(snapshot.tx())?.all()?.collect::<Result<_, _>>()?;
    agree(sizes == stored, "the sizes of tables and buckets")
}

fn devices(snapshot: &ServerSnapshot) -> Result<(), StoreError> {
    let by_key = DEVICE_KEY.read(snapshot.tx())?;
    // Who signed out and enrolled again has the same key: the newest device is found by it.
    let mut keys = BTreeMap::new();
    for entry in DEVICE.read(snapshot.tx())?.all()? {
        let (number, device) = entry?;
        keys.insert(device.key, number);
    }
    for (key, number) in &keys {
        agree(by_key.get(key)? == Some(*number), "the devices and their keys")?;
    }
    agree(by_key.all()?.count() == keys.len(), "the devices and the number of their keys")
}

fn each<T>(mut entries: impl Iterator<Item = Result<T, StoreError>>) -> Result<(), StoreError> {
    entries.try_for_each(|entry| entry.map(drop))
}

fn agree(holds: bool, what: &str) -> Result<(), StoreError> {
    if holds { Ok(()) } else { Err(StoreError::Damaged(format!("{what} do not agree"))) }
}
