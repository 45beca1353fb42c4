//! All that a profile takes, found by looking at each record once.

use std::collections::{BTreeMap, BTreeSet};

use super::checked::CheckedTable;
use super::{BoundProfile, Candidate, Link, Records};
use crate::gate::Reach;
use crate::model::{Bucket, Owner, RecordId, RowRule, TableName};
use crate::query::Environment;

/// By what a record is taken first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reached {
    /// In which round.
    pub round: u32,
    /// By which relationship of its table, from 0; `None`: by `rows` and `filter`.
    pub by: Option<usize>,
}

/// The records that a profile takes, of each table, with how each is reached.
pub type AllReached = BTreeMap<TableName, BTreeMap<RecordId, Reached>>;

/// The records of a table that look others up: (place of the relationship, what is looked up) -> who does.
type LookingUp = BTreeMap<(usize, TableName, RecordId), Vec<RecordId>>;

/// What a round takes, with the first relationship that leads there.
type News = BTreeMap<TableName, BTreeMap<RecordId, Option<usize>>>;

impl BoundProfile {
    /// What [`Self::taken`] says, and by what each record is taken. Each record of a table is looked at
    /// once, and those that are taken once or twice more; who looks up what is kept in memory meanwhile.
    /// The tables of `without` count as if they had no records.
    ///
    /// # Errors
    /// A record cannot be read.
    pub fn reached<R: Records>(
        &self,
        records: &R,
        without: &BTreeSet<TableName>,
    ) -> Result<AllReached, R::Error> {
        let (mut news, mut looking_up) = (News::new(), BTreeMap::new());
        let tables = || self.checked().tables().iter().filter(|(id, _)| !without.contains(*id));
        for (table, entry) in tables() {
            let (mut first, mut lookups) = (BTreeMap::new(), LookingUp::new());
            records.each(table, &mut |candidate| {
                if self.starts(table, candidate, records)? {
                    first.insert(candidate.id, None);
                } else {
                    note_lookups(entry, candidate, &mut lookups);
                }
                Ok(())
            })?;
            news.insert(table.clone(), first);
            looking_up.insert(table.clone(), lookups);
        }
        let mut reached = AllReached::new();
        for round in 0.. {
            for (table, found) in &news {
                let of_table = reached.entry(table.clone()).or_default();
                of_table.extend(found.iter().map(|(id, by)| (*id, Reached { round, by: *by })));
            }
            if round == self.checked().profile().depth || news.values().all(BTreeMap::is_empty) {
                break;
            }
            let mut next = News::new();
            for (table, id, by) in self.led_to(&news, &looking_up, records)? {
                let is_known = reached.get(&table).is_some_and(|known| known.contains_key(&id));
                if is_known || without.contains(&table) {
                    continue;
                }
                let Some(candidate) = records.find(&table, id)? else { continue };
                if self.follows(&table, &candidate, records)? {
                    next.entry(table).or_default().entry(id).or_insert(Some(by));
                }
            }
            news = next;
        }
        reached.retain(|_, of_table| !of_table.is_empty());
        Ok(reached)
    }

    /// Which records what a round took leads to, and by which relationships of theirs, the first first.
    fn led_to<R: Records>(
        &self,
        news: &News,
        looking_up: &BTreeMap<TableName, LookingUp>,
        records: &R,
    ) -> Result<BTreeSet<(TableName, RecordId, usize)>, R::Error> {
        let mut led = BTreeSet::new();
        let tables = self.checked().tables();
        for (from, ids) in news {
            // Only some ways need the record itself.
            let needs = tables.values().flat_map(|entry| &entry.related);
            let needs =
                needs.filter(|link| matches!(link, Link::Parents { of, .. } if of == from)).count()
                    > 0;
            for id in ids.keys() {
                let candidate = if needs { records.find(from, *id)? } else { None };
                for (table, entry) in tables {
                    for (at, link) in entry.related.iter().enumerate() {
                        match link {
                            Link::Children { .. } => {
                                let lookups = looking_up.get(table);
                                let key = (at, from.clone(), *id);
                                let found = lookups.and_then(|it| it.get(&key));
                                let found = found.into_iter().flatten();
                                led.extend(found.map(|id| (table.clone(), *id, at)));
                            }
                            Link::Parents { of, by } if of == from => {
                                let looked_up =
                                    candidate.as_ref().and_then(|it| it.lookup(by, table));
                                let looked_up = looked_up.filter(|(to, _)| to == table);
                                led.extend(looked_up.map(|(table, id)| (table, id, at)));
                            }
                            Link::Parents { .. } => {}
                        }
                    }
                }
            }
        }
        Ok(led)
    }

    /// Where the records of a table are that have to be looked at: those that can be taken for
    /// themselves, or with others that they look up.
    #[must_use]
    pub fn reach(&self, table: &TableName) -> Reach {
        let Some(entry) = self.entry(table) else { return Reach::Nothing };
        let all = self.standing().reach(table);
        let looks_up = entry.related.iter().any(|link| matches!(link, Link::Children { .. }));
        if looks_up || entry.rows.contains(&RowRule::All) || all == Reach::Nothing {
            return all;
        }
        if entry.needs_both || entry.rows.is_empty() {
            return Reach::Nothing;
        }
        Reach::Buckets(self.buckets(entry))
    }

    /// Where the rows are that are taken for their owner.
    pub(super) fn buckets(&self, entry: &CheckedTable) -> BTreeSet<Bucket> {
        let Environment { user, teams, business_unit, business_units, .. } = self.environment();
        let of = |rule: &RowRule| -> Vec<Bucket> {
            match rule {
                RowRule::All => Vec::new(),
                RowRule::Mine => user.iter().cloned().map(Owner::User).map(Bucket::Owner).collect(),
                RowRule::MyTeams => {
                    teams.iter().cloned().map(Owner::Team).map(Bucket::Owner).collect()
                }
                RowRule::MyBusinessUnit => {
                    business_unit.iter().cloned().map(Bucket::Unit).collect()
                }
                RowRule::MyBusinessUnits => {
                    business_units.iter().cloned().map(Bucket::Unit).collect()
                }
            }
        };
        entry.rows.iter().flat_map(of).collect()
    }

    /// Whether a table is taken as a whole, as far as the user may read it, and leads to no other: then
    /// it is enough to know how much it holds.
    #[must_use]
    pub fn takes_whole(&self, table: &TableName) -> bool {
        let leads = |entry: &CheckedTable| {
            entry.related.iter().any(|link| match link {
                Link::Children { to, .. } => to.contains(table),
                Link::Parents { of, .. } => of == table,
            })
        };
        let is_whole = |entry: &CheckedTable| {
            entry.rows.contains(&RowRule::All) && entry.filter.is_none() && !entry.needs_both
        };
        self.entry(table).is_some_and(is_whole) && !self.checked().tables().values().any(leads)
    }
}

fn note_lookups(entry: &CheckedTable, candidate: &Candidate, lookups: &mut LookingUp) {
    for (at, link) in entry.related.iter().enumerate() {
        let Link::Children { by, to } = link else { continue };
        let Some(target) = to.first() else { continue };
        if let Some((table, id)) = candidate.lookup(by, target)
            && to.contains(&table)
        {
            lookups.entry((at, table, id)).or_default().push(candidate.id);
        }
    }
}
