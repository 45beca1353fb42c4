//! What of what a profile takes is other than before, told from the records that changed: it costs what
//! changed, and not what is taken.

use std::collections::{BTreeMap, BTreeSet};

use super::round::Place;
use super::{BoundProfile, Candidate, Linked, Related};
use crate::model::{RecordId, SystemTable, TableName};
use crate::query::{Field, Source};

/// How it was with a record, and how it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// Whether it was taken.
    pub before: bool,
    /// Whether it is.
    pub after: bool,
}

impl BoundProfile {
    /// The records that `changed` may have concerned, with how it was with them and how it is: these
    /// themselves, those whose filters look at them, and those that they lead to, as far as any of it
    /// makes a difference. All others are taken where they were before, and not where they were not.
    ///
    /// # Errors
    /// A record cannot be read.
    pub fn difference<B, A>(
        &self,
        before: &B,
        after: &A,
        changed: &[(TableName, RecordId)],
    ) -> Result<BTreeMap<(TableName, RecordId), Membership>, A::Error>
    where
        A: Linked,
        B: Linked<Error = A::Error>,
    {
        let mut work: Vec<Place> = changed.to_vec();
        for (table, id) in changed {
            self.asking(table, *id, before, &mut work)?;
            self.asking(table, *id, after, &mut work)?;
        }
        let mut known = BTreeMap::new();
        while let Some(place) = work.pop() {
            if known.contains_key(&place) {
                continue;
            }
            let (table, id) = (&place.0, place.1);
            let (was, is) = (self.round(table, id, before)?, self.round(table, id, after)?);
            known.insert(place.clone(), Membership { before: was.is_some(), after: is.is_some() });
            let (led, leads) = (self.led(&place, before)?, self.led(&place, after)?);
            let concerned: BTreeSet<&Related> = match (was, is) {
                (None, None) => continue,
                _ if was == is => led.symmetric_difference(&leads).collect(),
                _ => led.union(&leads).collect(),
            };
            for related in concerned {
                work.extend(related.places(before)?);
                work.extend(related.places(after)?);
            }
        }
        Ok(known)
    }

    /// The records that may have been taken for the sake of one that is erased, with how it is with them
    /// now; how it was, nobody can tell any more. `ever` is what the record was at one time or another.
    ///
    /// # Errors
    /// A record cannot be read.
    pub fn bereft<R: Linked>(
        &self,
        table: &TableName,
        id: RecordId,
        ever: &[Candidate],
        records: &R,
    ) -> Result<BTreeMap<(TableName, RecordId), Membership>, R::Error> {
        let mut work = Vec::new();
        self.asking(table, id, records, &mut work)?;
        for candidate in ever {
            for related in self.leads_to(table, candidate) {
                work.extend(related.places(records)?);
            }
        }
        let mut known = BTreeMap::new();
        for _ in 0..=self.checked().profile().depth {
            let mut next = Vec::new();
            for place in work {
                if known.contains_key(&place) {
                    continue;
                }
                let after = self.round(&place.0, place.1, records)?.is_some();
                for related in self.led(&place, records)? {
                    next.extend(related.places(records)?);
                }
                known.insert(place, Membership { before: true, after });
            }
            work = next;
        }
        Ok(known)
    }

    /// What a record leads to, if there is one.
    fn led<R: Linked>(
        &self,
        (table, id): &Place,
        records: &R,
    ) -> Result<BTreeSet<Related>, R::Error> {
        let candidate = records.find(table, *id)?;
        Ok(candidate.map(|candidate| self.leads_to(table, &candidate)).unwrap_or_default())
    }

    /// Adds the records whose filters look at a record through their lookups.
    fn asking<R: Linked>(
        &self,
        table: &TableName,
        id: RecordId,
        records: &R,
        into: &mut Vec<Place>,
    ) -> Result<(), R::Error> {
        for filtered in self.checked().tables().keys() {
            let Some(filter) = self.filter(filtered) else { continue };
            let sources = filter.sources();
            for (at, source) in sources.iter().enumerate() {
                if source.from.is_some() && source.may_be(table) {
                    let found = looking_through(sources, at, id, records)?;
                    into.extend(found.into_iter().map(|id| (filtered.clone(), id)));
                }
            }
        }
        Ok(())
    }
}

impl Source {
    /// Whether its row can be one of this table: an owner is a user or a team.
    fn may_be(&self, table: &TableName) -> bool {
        let is_owner = matches!(self.from, Some((_, Field::Owner)));
        let owners = [Some(SystemTable::User), Some(SystemTable::Team)];
        self.table == *table || (is_owner && owners.contains(&SystemTable::of(table)))
    }
}

/// The rows of a filter's own table whose source of this place is a record.
fn looking_through<R: Linked>(
    sources: &[Source],
    at: usize,
    id: RecordId,
    records: &R,
) -> Result<BTreeSet<RecordId>, R::Error> {
    let mut found = BTreeSet::from([id]);
    let mut at = at;
    while let Some((from, by)) = sources.get(at).and_then(|source| source.from.as_ref()) {
        let Some(Source { table, .. }) = sources.get(*from) else { break };
        let mut through = BTreeSet::new();
        for id in found {
            through.extend(records.looking_up(table, by, id)?);
        }
        (found, at) = (through, *from);
    }
    Ok(found)
}
