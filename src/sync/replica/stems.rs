//! What a page tells in short, because the device knows the rest: records by the first bits of their ids, and
//! own edits by their ids alone.

use std::collections::BTreeSet;

use super::ReplicaMachine;
use super::session::SessionError;
use crate::codec::{Entry, IdsDigest, Page, ScanPlace, Stem, telling_bits};
use crate::limits::{STEM_BITS_SENT, STEM_BITS_SENT_V7};
use crate::model::{Edit, RecordId, TableName};
use crate::sync::{ReplicaStore, StoreError};

/// So many records are looked at that begin alike. One is what the server knows of; others were made here.
const LOOKS_MAX: usize = 8;
/// Where records that are held here begin alike, so many bits are told behind those that tell them apart.
const MORE_BITS: u8 = 24;

impl ReplicaMachine {
    /// A page with all that it tells in short.
    ///
    /// # Errors
    /// The store cannot be read; or the device has not what the server takes it to have: then it asks for
    /// whole ids in the next session.
    pub(super) fn named_whole<S: ReplicaStore>(
        &mut self,
        store: &S,
        mut page: Page,
    ) -> Result<Page, SessionError> {
        self.complete_own(&mut page)?;
        // They need not be confirmed here before the page.
        let mut known: BTreeSet<_> = page.entries.iter().filter_map(own_place).collect();
        known.extend(self.meta.wanted.iter().cloned());
        let mut has_stems = false;
        for entry in &mut page.entries {
            let Entry::Edit { edit, bits, .. } = entry else { continue };
            if *bits < Stem::WHOLE {
                has_stems = true;
                let stem = Stem::of(edit.record, *bits);
                let Some(found) = meant(store, &known, &edit.table, stem)? else {
                    return Err(self.ask_for_whole_ids());
                };
                (edit.record, *bits) = (found, Stem::WHOLE);
            }
        }
        if has_stems && IdsDigest::of(page.entries.iter().filter_map(Entry::edited)) != page.ids {
            return Err(self.ask_for_whole_ids());
        }
        Ok(page)
    }

    /// Says of own edits that were admitted as they were sent what that was.
    fn complete_own(&self, page: &mut Page) -> Result<(), SessionError> {
        let session = self.session.as_ref();
        for entry in &mut page.entries {
            if let Entry::Own { id, admitted: admitted @ None, .. } = entry {
                *admitted = session.and_then(|session| session.pushed.unanswered.get(id)).cloned();
                if admitted.is_none() {
                    let what = format!("edit {id} counts as it was sent, and was not sent");
                    return Err(SessionError::Protocol(what));
                }
            }
        }
        Ok(())
    }

    fn ask_for_whole_ids(&mut self) -> SessionError {
        self.whole_ids = true;
        let what = "it names a record by a part of its id that is not of one record here; the next \
                    session asks for whole ids";
        SessionError::Protocol(what.into())
    }
}

fn own_place(entry: &Entry) -> Option<(TableName, RecordId)> {
    if matches!(entry, Entry::Own { .. }) { entry.place() } else { None }
}

/// The record of a table that is meant; `None`: there is none, or several. A digest tells whether it is the
/// right one.
fn meant<S: ReplicaStore>(
    store: &S,
    known: &BTreeSet<(TableName, RecordId)>,
    table: &TableName,
    stem: Stem,
) -> Result<Option<RecordId>, StoreError> {
    let mut places = held(store, table, stem)?;
    places.extend(known.range((table.clone(), stem.first())..).take(LOOKS_MAX).cloned());
    places.retain(|place| place.0 == *table && stem.is_of(place.1));
    places.sort_unstable();
    places.dedup();
    if places.len() > 1 {
        let mut confirmed = Vec::new();
        for place in places {
            if known.contains(&place) || store.confirmed(&place.0, place.1)?.is_some() {
                confirmed.push(place);
            }
        }
        places = confirmed;
    }
    Ok(match places.as_slice() {
        [(_, record)] => Some(*record),
        _ => None,
    })
}

/// Places from the first on that begins so, some of them behind the last.
fn held<S: ReplicaStore>(
    store: &S,
    table: &TableName,
    stem: Stem,
) -> Result<Vec<(TableName, RecordId)>, StoreError> {
    let place = |record| ScanPlace { table: table.clone(), record };
    let first = stem.first();
    let number = u128::from_be_bytes(*first.as_bytes());
    if let Some(before) = number.checked_sub(1) {
        let before = RecordId::from_bytes(before.to_be_bytes());
        return store.places_after(Some(&place(before)), LOOKS_MAX);
    }
    // Nothing comes before it in its table.
    let mut held = store.places_after(Some(&place(first)), LOOKS_MAX)?;
    if store.confirmed(table, first)?.is_some() {
        held.insert(0, (table.clone(), first));
    }
    Ok(held)
}

/// How many bits of the id of an edit's record the server is told, which has it: more than tell it from all
/// that is held here, as the server has others.
pub(super) fn sent_bits<S: ReplicaStore>(store: &S, edit: &Edit) -> Result<u8, StoreError> {
    let id = edit.record;
    let is_v7 = id.0.get_version_num() == 7;
    let least = if is_v7 { STEM_BITS_SENT_V7 } else { STEM_BITS_SENT };
    let stem = Stem::of(id, least);
    let mut alike = held(store, &edit.table, stem)?;
    alike.retain(|place| place.0 == edit.table && stem.is_of(place.1));
    if alike.len() >= LOOKS_MAX {
        return Ok(Stem::WHOLE);
    }
    let others: Vec<_> = alike.into_iter().map(|(_, other)| other).filter(|it| *it != id).collect();
    if others.is_empty() {
        return Ok(least);
    }
    Ok(telling_bits(id, others).saturating_add(MORE_BITS).min(Stem::WHOLE))
}
