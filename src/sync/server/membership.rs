//! What an entry of the log makes of what a device's profile takes.

use std::collections::{BTreeMap, BTreeSet};

use super::connection::Device;
use super::filling::Telling;
use super::reading::Reading;
use super::state::State;
use crate::codec::Entry;
use crate::gate::{RecordFacts, can_read};
use crate::model::{RecordId, Sequence, TableName};
use crate::scope::{BoundProfile, Candidate, Membership, Records};
use crate::sync::{EntryKind, ServerStore, StoreError, Strand};

type Place = (TableName, RecordId);

/// What an entry of the log concerns.
#[derive(Clone, Copy)]
pub(super) struct Concerned<'a> {
    pub(super) sequence: Sequence,
    pub(super) table: &'a TableName,
    pub(super) record: RecordId,
    /// Whether it changed what profiles ask of the record.
    pub(super) is_asked: bool,
}

/// How it is with the record of an entry, and with others for its sake.
pub(super) struct Taken {
    pub(super) own: Membership,
    others: BTreeMap<Place, Membership>,
}

const TAKEN: Membership = Membership { before: true, after: true };

impl Device {
    /// How it is with the records that an entry concerns. Where the device may read them is not asked.
    pub(super) fn taken<S: ServerStore>(
        &self,
        reading: &Reading<'_, S>,
        entry: Concerned<'_>,
    ) -> Result<Taken, StoreError> {
        let mut taken = match self.reader.profile() {
            _ if self.is_turning() => self.taken_while_turning(reading, entry)?,
            Some(profile) => taken_by(profile, reading, entry)?,
            None => Taken { own: TAKEN, others: BTreeMap::new() },
        };
        // What is pinned neither enters nor leaves.
        if self.has_pinned(entry.table, entry.record) {
            taken.own = TAKEN;
        }
        taken.others.retain(|(table, record), _| !self.has_pinned(table, *record));
        Ok(taken)
    }

    /// While a scan is under way it is not known what the device holds: all that may be other for any of
    /// what it answers to is told as it is now.
    fn taken_while_turning<S: ServerStore>(
        &self,
        reading: &Reading<'_, S>,
        entry: Concerned<'_>,
    ) -> Result<Taken, StoreError> {
        // What was not asked yet when the entry was made is looked at by the scan, which is later.
        let is_known = entry.sequence > reading.asked_since;
        let present = self.reader.profile().filter(|_| is_known);
        let mut others = BTreeMap::new();
        for profile in self.held.iter().filter_map(|held| held.profile()).chain(present) {
            others.extend(taken_by(profile, reading, entry)?.others);
        }
        let now = State::now(reading);
        let take = |table: &TableName, record| {
            Ok(Membership { before: true, after: self.reader.takes(table, record, &now)? })
        };
        let own = match reading.record(entry.record)? {
            Some(_) => take(entry.table, entry.record)?,
            None => TAKEN,
        };
        let others = others.into_keys().map(|(table, record)| {
            let membership = take(&table, record)?;
            Ok(((table, record), membership))
        });
        Ok(Taken { own, others: others.collect::<Result<_, StoreError>>()? })
    }

    /// Tells of the records that came or went for the sake of another one.
    pub(super) fn tell_others<S: ServerStore>(
        &self,
        reading: &Reading<'_, S>,
        taken: Taken,
        page: &mut Telling,
    ) -> Result<(), StoreError> {
        for ((table, record), Membership { before, after }) in taken.others {
            let Some(current) = reading.record(record)? else { continue };
            let header = current.record().header();
            if *current.record().table() != table {
                continue;
            }
            if after && self.reader.reads(&table, header) {
                self.tell_whole(reading, &current, None, page)?;
            // What came and may not be read any more is nothing that the device ever heard of.
            } else if before && (!self.is_turning() || self.may_hold(&table, header)) {
                page.push(Entry::Gone { sequence: reading.head, table, record });
            }
        }
        Ok(())
    }
}

/// How it is with them by one profile; of the others those with which it is other than before.
fn taken_by<S: ServerStore>(
    profile: &BoundProfile,
    reading: &Reading<'_, S>,
    entry: Concerned<'_>,
) -> Result<Taken, StoreError> {
    let Concerned { sequence, table, record, is_asked } = entry;
    let others = BTreeMap::new();
    if reading.record(record)?.is_none() {
        // It was erased, here or later: of itself its headers tell, as far as they do.
        let erased = reading.store.erased(record)?.filter(|it| it.sequence == sequence);
        let others = match erased {
            Some(_) => {
                let (ever, then) = (ever(reading, record)?, State::at(reading, sequence));
                let mut others = profile.bereft(table, record, &ever, &then)?;
                others.retain(|_, it| !it.after);
                // Whether they were taken nobody can tell: of what could not be read nothing was.
                let mut read = BTreeMap::new();
                for ((table, id), membership) in others {
                    let Some(it) = then.find(&table, id)? else { continue };
                    let facts = RecordFacts::of_header(&it.header);
                    if can_read(profile.standing(), &table, &facts) {
                        read.insert((table, id), membership);
                    }
                }
                read
            }
            None => others,
        };
        return Ok(Taken { own: TAKEN, others });
    }
    let after = State::at(reading, sequence);
    if !is_asked {
        let is = profile.round(table, record, &after)?.is_some();
        return Ok(Taken { own: Membership { before: is, after: is }, others });
    }
    let before = State::at(reading, Sequence(sequence.0.saturating_sub(1)));
    let place = (table.clone(), record);
    let mut known = profile.difference(&before, &after, std::slice::from_ref(&place))?;
    let own = known.remove(&place).unwrap_or(TAKEN);
    known.retain(|_, it| it.before != it.after);
    Ok(Taken { own, others: known })
}

/// All that an erased record was, as far as the log still says.
fn ever<S: ServerStore>(
    reading: &Reading<'_, S>,
    record: RecordId,
) -> Result<Vec<Candidate>, StoreError> {
    let strand = BTreeSet::from([Strand::Record(record)]);
    let entries = reading.store.log_along(&strand, reading.floor, usize::MAX)?;
    let mut ever = Vec::new();
    for entry in entries {
        let EntryKind::Edit { before, after, asked, .. } = entry.kind else { continue };
        for header in before.flatten().into_iter().chain([after]) {
            let columns = asked.clone().unwrap_or_default();
            ever.push(Candidate { id: record, header, columns });
        }
    }
    Ok(ever)
}
