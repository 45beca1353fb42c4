//! Records by the first bits of their ids: how devices are told of those that they have, and which one a
//! device means.

use std::collections::BTreeSet;

use super::connection::Device;
use super::reading::Reading;
use crate::codec::{Entry, IdsDigest, ScanPlace, Stem, telling_bits};
use crate::gate::{RecordFacts, Standing, can_read};
use crate::limits::STEMS_FROM_EDITS;
use crate::model::{RecordId, TableName};
use crate::sync::{ServerStore, StoreError};

/// So many records are looked at that begin alike: a device that may read few of them names these in short.
const LOOKS_MAX: usize = 64;
/// However few records there are, so many bits are told,
const BITS_MIN: u8 = 8;
/// and to tell a record from those of its owner at most so many less than to tell it from all: the device looks
/// at all that begin so.
const OWNER_BITS_MAX: u8 = 7;

impl Device {
    /// Names records by stems where the device has them: those of edits, but for the ones that it is told of
    /// as a whole in the same page, or has made itself. Returns what the device checks them by.
    ///
    /// All that a device has is here, or erased. What else is here makes stems longer, also what the device
    /// must know nothing of: by the length of one it learns how much of its id such a record shares with one
    /// that it has (`docs/threat-model.md`).
    pub(super) fn name_by_stems<S: ServerStore>(
        &self,
        reading: &Reading<'_, S>,
        entries: &mut [Entry],
    ) -> Result<Option<IdsDigest>, StoreError> {
        let is_edit =
            |entry: &&Entry| matches!(entry, Entry::Edit { edit, .. } if !edit.is_create());
        if self.whole_ids || entries.iter().filter(is_edit).count() < STEMS_FROM_EDITS {
            return Ok(None);
        }
        let mut told = BTreeSet::new();
        let mut owner = None;
        for entry in entries.iter_mut() {
            if let Entry::Edit { edit, bits, of_owner, .. } = entry
                && !edit.is_create()
                && !told.contains(&edit.record)
            {
                let record = edit.record;
                let current = reading.record(record)?;
                let current = current.as_ref().and_then(|it| it.record().header().owner.as_ref());
                let current = current.map(|(owner, _)| owner.clone());
                let beside = reading.store.beside(record)?;
                *bits = telling_bits(record, beside.into_iter().flatten()).max(BITS_MIN);
                if let Some(owner) = current.as_ref().filter(|it| owner.as_ref() == Some(*it))
                    && reading.owners.is_settled(owner, self.paged)
                {
                    let place = ScanPlace { table: edit.table.clone(), record };
                    let beside = reading.store.beside_of(owner, &place)?;
                    let least = bits.saturating_sub(OWNER_BITS_MAX);
                    *bits = telling_bits(record, beside.into_iter().flatten()).max(least);
                    *of_owner = true;
                }
                owner = current;
            }
            told.extend(self.told_whole(entry));
        }
        Ok(IdsDigest::of(entries.iter().filter_map(Entry::edited)))
    }

    /// The record of which an entry tells the id, or which the device has made.
    fn told_whole(&self, entry: &Entry) -> Option<RecordId> {
        match entry {
            Entry::Own { sequence, admitted: None, .. } => self.as_sent.get(sequence).copied(),
            Entry::Edit { edit, .. } if !edit.is_create() => None,
            entry => entry.place().map(|(_, record)| record),
        }
    }
}

/// The record of a table that the author of a change set means: of those that he may read; `None`: there is
/// none, or more than one.
///
/// He learns nothing by trying which ids there are: what he may not read is as what is not there.
pub(super) fn meant<S: ServerStore>(
    store: &S,
    standing: Option<&Standing>,
    table: &TableName,
    stem: Stem,
) -> Result<Option<RecordId>, StoreError> {
    let mut found = None;
    let mut next = Some(stem.first());
    for _ in 0..LOOKS_MAX {
        let Some(id) = next.filter(|id| stem.is_of(*id)) else { return Ok(found) };
        if reads(store, standing, table, id)? && found.replace(id).is_some() {
            return Ok(None);
        }
        let [_, behind] = store.beside(id)?;
        next = behind;
    }
    Ok(None)
}

fn reads<S: ServerStore>(
    store: &S,
    standing: Option<&Standing>,
    table: &TableName,
    id: RecordId,
) -> Result<bool, StoreError> {
    let Some((standing, held)) = standing.zip(store.record(id)?) else { return Ok(false) };
    let facts = RecordFacts::of_header(held.record().header());
    Ok(held.record().table() == table && can_read(standing, table, &facts))
}
