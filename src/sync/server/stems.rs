//! Records by the first bits of their ids: how devices are told of those that they have, and which one a
//! device means.

use crate::codec::{Entry, IdsDigest, Stem, telling_bits};
use crate::gate::{RecordFacts, Standing, can_read};
use crate::limits::STEMS_FROM_EDITS;
use crate::model::{RecordId, TableName};
use crate::sync::{ServerStore, StoreError};

/// So many records are looked at that begin alike.
const LOOKS_MAX: usize = 8;
/// However few records there are, so many bits are told.
const BITS_MIN: u8 = 8;

/// Names records by stems where the device has them: of all but those that an edit makes. Returns what the
/// device checks them by.
///
/// All that a device has is here, or erased. What else is here makes stems longer, also what the device must
/// know nothing of: by the length of one it learns how much of its id such a record shares with one that it
/// has (`docs/threat-model.md`).
pub(super) fn name_by_stems<S: ServerStore>(
    store: &S,
    entries: &mut [Entry],
) -> Result<Option<IdsDigest>, StoreError> {
    let is_known = |entry: &&Entry| matches!(entry, Entry::Edit { edit, .. } if !edit.is_create());
    if entries.iter().filter(is_known).count() < STEMS_FROM_EDITS {
        return Ok(None);
    }
    for entry in entries.iter_mut() {
        if let Entry::Edit { edit, bits, .. } = entry
            && !edit.is_create()
        {
            let beside = store.beside(edit.record)?.into_iter().flatten();
            *bits = telling_bits(edit.record, beside).max(BITS_MIN);
        }
    }
    Ok(IdsDigest::of(entries.iter().filter_map(Entry::edited)))
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
