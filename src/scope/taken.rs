//! All that a profile takes, found by going over everything: what any faster way must agree with.

use std::collections::{BTreeMap, BTreeSet};

use super::checked::CheckedTable;
use super::{BoundProfile, Link, Records};
use crate::model::{RecordId, TableName};

/// The records that a profile takes, of each table, with the round in which each was taken.
pub type Taken = BTreeMap<TableName, BTreeMap<RecordId, u32>>;

/// What one round takes.
type Round = BTreeMap<TableName, BTreeSet<RecordId>>;

impl BoundProfile {
    /// All that it takes of these records. Round 0 takes what `rows` and `filter` say, each further one,
    /// up to the profile's depth, what is related to what the round before took.
    ///
    /// # Errors
    /// A record cannot be read.
    pub fn taken<R: Records>(&self, records: &R) -> Result<Taken, R::Error> {
        let mut taken = Taken::new();
        let mut news = self.first(records)?;
        for round in 0.. {
            for (table, ids) in &news {
                let of_table = taken.entry(table.clone()).or_default();
                of_table.extend(ids.iter().map(|id| (*id, round)));
            }
            if news.is_empty() || round == self.checked().profile().depth {
                break;
            }
            news = self.next(&taken, &news, records)?;
        }
        Ok(taken)
    }

    fn first<R: Records>(&self, records: &R) -> Result<Round, R::Error> {
        let mut round = Round::new();
        for table in self.checked().tables().keys() {
            for id in records.ids(table)? {
                let Some(candidate) = records.find(table, id)? else { continue };
                if self.starts(table, &candidate, records)? {
                    round.entry(table.clone()).or_default().insert(id);
                }
            }
        }
        Ok(round)
    }

    fn next<R: Records>(
        &self,
        taken: &Taken,
        before: &Round,
        records: &R,
    ) -> Result<Round, R::Error> {
        let mut round = Round::new();
        for (table, entry) in self.checked().tables() {
            for id in reached(table, entry, before, records)? {
                if taken.get(table).is_some_and(|taken| taken.contains_key(&id)) {
                    continue;
                }
                let Some(candidate) = records.find(table, id)? else { continue };
                if self.follows(table, &candidate, records)? {
                    round.entry(table.clone()).or_default().insert(id);
                }
            }
        }
        Ok(round)
    }
}

/// The records of a table that relationships lead to from what a round took.
fn reached<R: Records>(
    table: &TableName,
    entry: &CheckedTable,
    before: &Round,
    records: &R,
) -> Result<BTreeSet<RecordId>, R::Error> {
    let mut reached = BTreeSet::new();
    let is_new = |(table, id): (TableName, RecordId)| {
        before.get(&table).is_some_and(|ids| ids.contains(&id))
    };
    for link in &entry.related {
        match link {
            Link::Children { by, to } => {
                let Some(target) = to.first() else { continue };
                for id in records.ids(table)? {
                    let Some(candidate) = records.find(table, id)? else { continue };
                    if candidate.lookup(by, target).is_some_and(is_new) {
                        reached.insert(id);
                    }
                }
            }
            Link::Parents { of, by } => {
                for id in before.get(of).into_iter().flatten() {
                    let Some(candidate) = records.find(of, *id)? else { continue };
                    let looked_up = candidate.lookup(by, table);
                    reached.extend(looked_up.filter(|(it, _)| it == table).map(|(_, id)| id));
                }
            }
        }
    }
    Ok(reached)
}
