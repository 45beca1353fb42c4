//! A profile for one user at one time, and what it says of single rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::candidate::Seen;
use super::checked::CheckedTable;
use super::{Candidate, CheckedProfile, Link, Records};
use crate::gate::{Reach, Standing};
use crate::model::{ColumnName, Header, Owner, RecordId, RowRule, TableName, Timestamp};
use crate::query::{BindError, BoundQuery, Environment, Field, Parameters};

/// How exactly `now()` is known: what depends on it changes no more often.
const MINUTE_MILLIS: i64 = 60_000;

/// What queries and filters can ask beside rows, for a user with this standing.
#[must_use]
pub fn environment(standing: &Standing, now: Timestamp) -> Environment {
    let owner_teams = standing.owner_teams().map(|(team, _)| team);
    Environment {
        now,
        user: Some(standing.user().clone()),
        teams: owner_teams.chain(standing.access_teams()).cloned().collect(),
        business_unit: standing.business_unit().cloned(),
        business_units: standing.business_units().iter().cloned().collect(),
        reports: standing.reports().cloned().collect(),
    }
}

/// The minute in which a time is: what profiles take for `now()`.
#[must_use]
pub fn minute_of(now: Timestamp) -> Timestamp {
    now.plus_millis(-now.as_millis().rem_euclid(MINUTE_MILLIS))
}

/// A profile for one user, in one minute.
#[derive(Debug, Clone)]
pub struct BoundProfile {
    checked: Arc<CheckedProfile>,
    standing: Arc<Standing>,
    environment: Environment,
    filters: BTreeMap<TableName, BoundQuery>,
    secured: BTreeSet<(TableName, ColumnName)>,
}

/// What a relationship leads to, or from: one record, or all that look one up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Related {
    /// This one.
    Record(TableName, RecordId),
    /// The records of `table` that look up `record` by `by`.
    LookingUp {
        /// Their table.
        table: TableName,
        /// Their lookup.
        by: Field,
        /// What is looked up.
        record: RecordId,
    },
}

impl CheckedProfile {
    /// The profile for the user with this standing, in the minute of `now`.
    ///
    /// # Errors
    /// A filter cannot be bound. Of a checked profile all can.
    pub fn bind(
        self: &Arc<Self>,
        standing: &Arc<Standing>,
        now: Timestamp,
    ) -> Result<BoundProfile, BindError> {
        let environment = environment(standing, minute_of(now));
        let filters =
            self.tables().iter().filter_map(|(id, table)| Some((id, table.filter.as_ref()?)));
        let bound = filters
            .map(|(id, filter)| Ok((id.clone(), filter.bind(&Parameters::new(), &environment)?)));
        let filters = bound.collect::<Result<_, BindError>>()?;
        let columns = self
            .schema()
            .tables
            .values()
            .flat_map(|table| table.columns.iter().map(move |column| (&table.id, column)));
        let secured = columns.filter(|(_, column)| column.secured);
        let secured = secured.map(|(table, column)| (table.clone(), column.id.clone())).collect();
        let (checked, standing) = (Arc::clone(self), Arc::clone(standing));
        Ok(BoundProfile { checked, standing, environment, filters, secured })
    }
}

impl BoundProfile {
    /// The profile.
    #[must_use]
    pub fn checked(&self) -> &Arc<CheckedProfile> {
        &self.checked
    }

    /// Whose it is.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The filter of a table, for what it reads: [`BoundQuery::tables`] and [`BoundQuery::fields`] say
    /// which rows decide about others.
    #[must_use]
    pub fn filter(&self, table: &TableName) -> Option<&BoundQuery> {
        self.filters.get(table)
    }

    /// Whether what it takes changes by time alone, from one minute to the next.
    #[must_use]
    pub fn asks_time(&self) -> bool {
        self.filters.values().any(BoundQuery::asks_time)
    }

    /// The minute in which it is evaluated.
    #[must_use]
    pub fn minute(&self) -> Timestamp {
        self.environment.now
    }

    pub(super) fn is_secured(&self, table: &TableName, column: &ColumnName) -> bool {
        // There are few, and mostly none.
        self.secured.iter().any(|(of, it)| of == table && it == column)
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    pub(super) fn entry(&self, table: &TableName) -> Option<&CheckedTable> {
        self.checked.tables().get(table)
    }

    /// Whether `rows` and `filter` of its table hold of a record that the user may read.
    ///
    /// # Errors
    /// A looked-up record cannot be read.
    pub fn fits<R: Records>(
        &self,
        table: &TableName,
        candidate: &Candidate,
        records: &R,
    ) -> Result<bool, R::Error> {
        let Some(entry) = self.entry(table) else { return Ok(false) };
        let by_rows = entry.rows.iter().any(|rule| self.holds(*rule, &candidate.header));
        if !by_rows || !self.reads(table, candidate) {
            return Ok(false);
        }
        let Some(filter) = self.filters.get(table) else { return Ok(true) };
        let sources = filter.sources();
        let mut seen = Seen { profile: self, records, table, candidate, sources };
        Ok(filter.test(&mut seen)? == Some(true))
    }

    /// Whether a record is taken for itself, in round 0.
    ///
    /// # Errors
    /// A looked-up record cannot be read.
    pub fn starts<R: Records>(
        &self,
        table: &TableName,
        candidate: &Candidate,
        records: &R,
    ) -> Result<bool, R::Error> {
        let by_itself = self.entry(table).is_some_and(|entry| !entry.needs_both);
        Ok(by_itself && self.fits(table, candidate, records)?)
    }

    /// Whether a record is taken if one is that leads to it: the user may read it and, where its table
    /// asks for both, `rows` and `filter` hold of it.
    ///
    /// # Errors
    /// A looked-up record cannot be read.
    pub fn follows<R: Records>(
        &self,
        table: &TableName,
        candidate: &Candidate,
        records: &R,
    ) -> Result<bool, R::Error> {
        match self.entry(table) {
            None => Ok(false),
            Some(entry) if entry.related.is_empty() => Ok(false),
            Some(entry) if entry.needs_both => self.fits(table, candidate, records),
            Some(_) => Ok(self.reads(table, candidate)),
        }
    }

    /// Which records a record leads to: those of them that follow are taken in the round after it.
    #[must_use]
    pub fn leads_to(&self, table: &TableName, candidate: &Candidate) -> BTreeSet<Related> {
        let mut related = BTreeSet::new();
        for (id, entry) in self.checked.tables() {
            for link in &entry.related {
                match link {
                    Link::Children { by, to } if to.contains(table) => {
                        let (by, record) = (by.clone(), candidate.id);
                        related.insert(Related::LookingUp { table: id.clone(), by, record });
                    }
                    Link::Parents { of, by } if of == table => {
                        let found = candidate.lookup(by, id).filter(|(target, _)| target == id);
                        related.extend(found.map(|(table, id)| Related::Record(table, id)));
                    }
                    Link::Children { .. } | Link::Parents { .. } => {}
                }
            }
        }
        related
    }

    /// Which records lead to a record, the other way round.
    #[must_use]
    pub fn comes_from(&self, table: &TableName, candidate: &Candidate) -> BTreeSet<Related> {
        let links = self.checked.links(table).iter();
        let from = links.filter_map(|link| match link {
            Link::Children { by, to } => {
                let (target, id) = candidate.lookup(by, to.first()?)?;
                to.contains(&target).then_some(Related::Record(target, id))
            }
            Link::Parents { of, by } => {
                let (table, by, record) = (of.clone(), by.clone(), candidate.id);
                Some(Related::LookingUp { table, by, record })
            }
        });
        from.collect()
    }

    /// Where of a reach the records of a table can be that it takes: it takes all of them, and can take
    /// more.
    #[must_use]
    pub fn narrow(&self, table: &TableName, reach: Reach) -> Reach {
        let Some(entry) = self.entry(table) else { return Reach::Nothing };
        let alone = entry.related.is_empty() || entry.needs_both;
        if !alone || reach == Reach::Nothing || entry.rows.contains(&RowRule::All) {
            return reach;
        }
        let buckets = self.buckets(entry);
        match reach {
            Reach::Buckets(reach) if reach.len() < buckets.len() => Reach::Buckets(reach),
            _ if buckets.is_empty() => Reach::Nothing,
            _ => Reach::Buckets(buckets),
        }
    }

    fn holds(&self, rule: RowRule, header: &Header) -> bool {
        if rule == RowRule::All {
            return true;
        }
        let Some((owner, unit)) = &header.owner else { return false };
        let Environment { user, teams, business_unit, business_units, .. } = &self.environment;
        match rule {
            RowRule::All => true,
            RowRule::Mine => matches!(owner, Owner::User(it) if Some(it) == user.as_ref()),
            RowRule::MyTeams => matches!(owner, Owner::Team(it) if teams.contains(it)),
            RowRule::MyBusinessUnit => Some(unit) == business_unit.as_ref(),
            RowRule::MyBusinessUnits => business_units.contains(unit),
        }
    }
}
