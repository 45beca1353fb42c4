//! What a page tells in short, because the device knows the rest: records by the first bits of their ids, and
//! own edits by their ids alone.

use std::collections::{BTreeMap, BTreeSet};

use super::ReplicaMachine;
use super::session::SessionError;
use crate::codec::{Entry, IdsDigest, Page, ScanPlace, Stem, telling_bits};
use crate::model::{Edit, Header, Owner, RecordId, TableName};
use crate::sync::{ReplicaStore, StemMore, StoreError};

/// So many records are looked at that begin alike. One is meant; others were made here, or belong to others.
const LOOKS_MAX: usize = 1_024;
/// So many at a time.
const LOOKS: usize = 16;
/// Where so many others begin alike, a longer stem is tried.
const ALIKE_MAX: usize = 8;

impl ReplicaMachine {
    /// A page with all that it tells in short.
    ///
    /// # Errors
    /// The store cannot be read; or the device has not what the server takes it to have: then the next session
    /// begins with a recheck, in which records are named whole.
    pub(super) fn named_whole<S: ReplicaStore>(
        &mut self,
        store: &S,
        mut page: Page,
    ) -> Result<Page, SessionError> {
        self.complete_own(&mut page)?;
        let mut naming = Naming::new(self.meta.wanted.iter().cloned());
        let mut has_stems = false;
        for entry in &mut page.entries {
            has_stems |= matches!(entry, Entry::Edit { bits, .. } if *bits < Stem::WHOLE);
            if !naming.name_whole(store, entry)? {
                self.suspect();
                return Err(SessionError::Unfound);
            }
        }
        if has_stems && IdsDigest::of(page.entries.iter().filter_map(Entry::edited)) != page.ids {
            self.suspect();
            return Err(SessionError::Unfound);
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
}

/// Goes through the entries of a page, and finds the records of those that name them by stems.
struct Naming {
    /// Records that are not confirmed here, and that the server takes to be.
    wanted: BTreeSet<(TableName, RecordId)>,
    /// Of which the page has told the id, or says that they were made here.
    told: BTreeSet<RecordId>,
    /// The record that was named by a stem last.
    last: Option<(TableName, RecordId)>,
    /// Whose the records are that were looked at: many stems begin alike.
    whose: BTreeMap<RecordId, Whose>,
}

impl Naming {
    fn new(wanted: impl Iterator<Item = (TableName, RecordId)>) -> Self {
        let (told, last, whose) = Default::default();
        Self { wanted: wanted.collect(), told, last, whose }
    }

    /// Whether the record is found, or nothing is to be.
    fn name_whole<S: ReplicaStore>(
        &mut self,
        store: &S,
        entry: &mut Entry,
    ) -> Result<bool, StoreError> {
        let Entry::Edit { edit, bits, of_owner, .. } = entry else {
            self.told.extend(entry.place().map(|(_, record)| record));
            return Ok(true);
        };
        if edit.is_create() {
            self.told.insert(edit.record);
            return Ok(true);
        }
        if *bits < Stem::WHOLE {
            let stem = Stem::of(edit.record, *bits);
            let last = self.last.clone().filter(|_| *of_owner);
            let Some(found) = self.meant(store, &edit.table, stem, last)? else { return Ok(false) };
            (edit.record, *bits, *of_owner) = (found, Stem::WHOLE, false);
        }
        if !self.told.contains(&edit.record) {
            self.last = Some((edit.table.clone(), edit.record));
        }
        Ok(true)
    }

    /// The record of a table that is meant, of those that belong to whom another belongs, if one is said;
    /// `None`: there is none, or several. A digest tells whether it is the right one.
    fn meant<S: ReplicaStore>(
        &mut self,
        store: &S,
        table: &TableName,
        stem: Stem,
        like: Option<(TableName, RecordId)>,
    ) -> Result<Option<RecordId>, StoreError> {
        let mut places = held(store, table, stem, LOOKS_MAX)?;
        let from = (table.clone(), stem.first());
        let wanted = self.wanted.range(from..);
        let wanted = wanted.take_while(|place| place.0 == *table && stem.is_of(place.1));
        places.extend(wanted.cloned());
        places.sort_unstable();
        places.dedup();
        if let [(_, record)] = places.as_slice() {
            return Ok(Some(*record));
        }
        let like = like.map(|like| self.whose(store, &like)).transpose()?;
        let (mut here, mut elsewhere) = (Vec::new(), Vec::new());
        for place in places {
            let whose = self.whose(store, &place)?;
            if whose == Whose::Unknown {
                elsewhere.extend(self.wanted.contains(&place).then_some(place.1));
            } else if like.as_ref().is_none_or(|like| *like == whose) {
                here.push(place.1);
            }
        }
        let found = if here.is_empty() { elsewhere } else { here };
        Ok(if let [record] = found.as_slice() { Some(*record) } else { None })
    }

    fn whose<S: ReplicaStore>(
        &mut self,
        store: &S,
        (table, record): &(TableName, RecordId),
    ) -> Result<Whose, StoreError> {
        if let Some(known) = self.whose.get(record) {
            return Ok(known.clone());
        }
        // What is pending may make it somebody else's; where nothing is, its row is quicker to read.
        let header = match store.row(table, *record)? {
            Some(row) if !row.pending => Some(row.header),
            _ => store.confirmed(table, *record)?.map(|held| held.record().header().clone()),
        };
        let owner = |header: Header| Whose::Of(header.owner.map(|(owner, _)| owner));
        let whose = header.map_or(Whose::Unknown, owner);
        self.whose.insert(*record, whose.clone());
        Ok(whose)
    }
}

/// Whose a record is.
#[derive(Clone, PartialEq, Eq)]
enum Whose {
    /// It is not confirmed here.
    Unknown,
    /// This owner's, or that of all.
    Of(Option<Owner>),
}

/// The places that begin so, at least one of which is held; no more than so many.
fn held<S: ReplicaStore>(
    store: &S,
    table: &TableName,
    stem: Stem,
    most: usize,
) -> Result<Vec<(TableName, RecordId)>, StoreError> {
    let place = |record| ScanPlace { table: table.clone(), record };
    let is_it = |place: &(TableName, RecordId)| place.0 == *table && stem.is_of(place.1);
    let mut held = Vec::new();
    let first = u128::from_be_bytes(*stem.first().as_bytes());
    let mut after = place(RecordId::from_bytes(first.saturating_sub(1).to_be_bytes()));
    // Nothing comes before it in its table.
    if first == 0 && store.confirmed(table, stem.first())?.is_some() {
        held.push((table.clone(), stem.first()));
    }
    while held.len() < most {
        let next = store.places_after(Some(&after), LOOKS)?;
        let found = next.iter().take_while(|place| is_it(place)).count();
        held.extend_from_slice(next.get(..found).unwrap_or_default());
        match next.last() {
            Some((_, last)) if found == LOOKS => after = place(*last),
            _ => break,
        }
    }
    held.truncate(most);
    Ok(held)
}

/// How many bits of the ids of these edits' records the server is told, of those that it `has`: so many `more`
/// than tell most of them from all that is held here, as the server has others.
pub(super) fn sent_bits<S: ReplicaStore>(
    store: &S,
    edits: &[Edit],
    has: impl Fn(RecordId) -> bool,
    StemMore(more): StemMore,
) -> Result<Vec<u8>, StoreError> {
    let known: BTreeMap<_, _> =
        edits.iter().filter(|it| has(it.record)).map(|it| (it.record, &it.table)).collect();
    let mut telling = Vec::new();
    for (record, table) in &known {
        let place = ScanPlace { table: (*table).clone(), record: *record };
        let next = store.places_after(Some(&place), 1)?.into_iter();
        telling.push(telling_bits(*record, next.filter(|it| it.0 == **table).map(|it| it.1)));
    }
    telling.sort_unstable();
    // From what is behind; what is before takes one more.
    let most = telling.get(telling.len() / 2).map_or(0, |bits| bits.saturating_add(1));
    let mut bits = BTreeMap::new();
    for (record, table) in known {
        bits.insert(record, telling_all(store, table, record, most.saturating_add(more), more)?);
    }
    Ok(edits.iter().map(|it| bits.get(&it.record).copied().unwrap_or(Stem::WHOLE)).collect())
}

/// At least so many bits of an id, and where another that is held begins so, more than tell it from that.
fn telling_all<S: ReplicaStore>(
    store: &S,
    table: &TableName,
    id: RecordId,
    least: u8,
    more: u8,
) -> Result<u8, StoreError> {
    let mut bits = least;
    while bits < Stem::WHOLE {
        let alike = held(store, table, Stem::of(id, bits), ALIKE_MAX)?;
        if alike.len() < ALIKE_MAX {
            let others = alike.into_iter().map(|(_, other)| other).filter(|it| *it != id);
            let telling = telling_bits(id, others).saturating_add(more / 2);
            return Ok(bits.max(telling).min(Stem::WHOLE));
        }
        bits = bits.saturating_add(more.max(1));
    }
    Ok(Stem::WHOLE)
}
