//! How much profiles take for users, of what a store holds.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use super::Rules;
use super::pages::Pages;
use crate::gate::{Confirmed, Reach, RecordFacts, Standing, can_read};
use crate::limits::{COMPARE_DIFFERENCES_MAX, PAGE_LOOKS_MAX};
use crate::model::{
    AppName, Column, Estimate, Lens, Profiles, RecordId, Size, TableEstimate, TableName, Timestamp,
    UserId,
};
use crate::query::{BindError, Parameters};
use crate::scope::{
    BoundProfile, Candidate, CheckedProfile, Comparison, ProfileError, Reached, Records, profile_of,
};
use crate::sync::{ServerStore, StoreError};

/// Why nothing can be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EstimateError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A profile does not fit the schema.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A filter of it cannot be bound.
    #[error(transparent)]
    Filter(#[from] BindError),
}

/// Tells how much profiles take for users, of what a store holds at one time.
#[derive(Debug)]
pub struct Estimator<'a, S> {
    store: &'a S,
    rules: &'a Rules,
    now: Timestamp,
    lenses: BTreeMap<&'a TableName, Lens>,
}

/// What a user would take.
#[derive(Debug, Clone)]
pub struct Taking {
    user: UserId,
    /// `None`: the user may read nothing.
    pub(super) standing: Option<Arc<Standing>>,
    /// `None`: all that the user may read.
    pub(super) bound: Option<BoundProfile>,
}

impl<'a, S: ServerStore> Estimator<'a, S> {
    /// For users of these rules.
    #[must_use]
    pub fn new(store: &'a S, rules: &'a Rules, now: Timestamp) -> Self {
        let tables = rules.schema().tables.iter();
        let lenses = tables.map(|(id, table)| (id, Lens::from(table))).collect();
        Self { store, rules, now, lenses }
    }

    /// By which of these profiles a user would take what in an app. `None`: without profiles.
    ///
    /// # Errors
    /// The user's profile does not fit the schema, or cannot be bound.
    pub fn taking(
        &self,
        profiles: Option<&Profiles>,
        user: &UserId,
        app: Option<&AppName>,
    ) -> Result<Taking, EstimateError> {
        let (schema, roster) = (self.rules.shared_schema(), self.rules.roster());
        let standing = Standing::resolve(roster, user).ok().map(|it| Arc::new(it.within(schema)));
        let profiles = profiles.filter(|profiles| !profiles.list.is_empty());
        let checked = profiles.map(|profiles| match profile_of(profiles, roster, user, app) {
            Some(profile) => CheckedProfile::new(schema, profile),
            None => Ok(CheckedProfile::nothing(schema)),
        });
        let checked = checked.transpose()?.map(Arc::new);
        let bound = checked.zip(standing.as_ref());
        let bound =
            bound.map(|(checked, standing)| checked.bind(standing, self.now)).transpose()?;
        Ok(Taking { user: user.clone(), standing, bound })
    }

    /// How many records have to be looked at for an estimate, at least.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn work(&self, taking: &Taking) -> Result<u64, StoreError> {
        let Some(standing) = &taking.standing else { return Ok(0) };
        let mut records = 0_u64;
        for table in self.rules.schema().tables.keys() {
            if self.whole(taking, table)?.is_some() {
                continue;
            }
            let reach = match &taking.bound {
                Some(bound) => bound.reach(table),
                None => standing.reach(table),
            };
            let parts = match &reach {
                Reach::Nothing => Vec::new(),
                Reach::All => vec![None],
                Reach::Buckets(buckets) => buckets.iter().map(Some).collect(),
            };
            for part in parts {
                records = records.saturating_add(self.store.size(table, part)?.all().records);
            }
        }
        Ok(records)
    }

    /// How much that is, of each table.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn estimate(&self, taking: &Taking) -> Result<Estimate, StoreError> {
        let Taking { user, bound, .. } = taking;
        let profile = bound.as_ref().map(|bound| bound.checked().profile());
        let tables = match bound {
            Some(bound) => self.by_profile(taking, bound)?,
            None => self.all(taking)?,
        };
        Ok(Estimate {
            user: user.clone(),
            profile: profile.map(|profile| profile.id.clone()),
            budget: profile.and_then(|profile| profile.budget),
            tables,
        })
    }

    /// All that the user may read.
    fn all(&self, taking: &Taking) -> Result<Vec<TableEstimate>, StoreError> {
        let Some(standing) = &taking.standing else { return Ok(Vec::new()) };
        let mut tables = Vec::new();
        for table in self.rules.schema().tables.keys() {
            let mut size = Size::NOTHING;
            let mut pages = Pages::new(taking);
            if let Some(whole) = self.whole(taking, table)? {
                size = self.in_pages(taking, table, whole)?;
            } else {
                self.scan(table, &standing.reach(table), &mut |confirmed| {
                    let facts = RecordFacts::of_header(confirmed.record().header());
                    if can_read(standing, table, &facts) {
                        size = size.plus(pages.add(&confirmed));
                    }
                    Ok(())
                })?;
            }
            if size != Size::NOTHING {
                let (table, related) = (table.clone(), Vec::new());
                tables.push(TableEstimate { table, by_itself: size, related });
            }
        }
        Ok(tables)
    }

    /// What the profile's views and forms show the user of all that may be read, beside what they show of
    /// what the profile takes, by these parameters of views. `None`: there is no profile, or the user may read
    /// nothing.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn compare(
        &self,
        taking: &Taking,
        parameters: &Parameters,
    ) -> Result<Option<Comparison>, StoreError> {
        let Some(bound) = &taking.bound else { return Ok(None) };
        let taken = bound.reached(&self.stored(|table| bound.reach(table)), &BTreeSet::new())?;
        let readable = self.stored(|table| bound.standing().reach(table));
        bound.compare(&readable, &taken, parameters, COMPARE_DIFFERENCES_MAX).map(Some)
    }

    fn stored<F: Fn(&TableName) -> Reach>(&self, reach: F) -> Stored<'_, S, F> {
        Stored { estimator: self, reach }
    }

    fn by_profile(
        &self,
        taking: &Taking,
        bound: &BoundProfile,
    ) -> Result<Vec<TableEstimate>, StoreError> {
        let profile = bound.checked().profile();
        let mut wholes = BTreeMap::new();
        for entry in &profile.tables {
            if let Some(size) = self.whole(taking, &entry.table)? {
                wholes.insert(&entry.table, self.in_pages(taking, &entry.table, size)?);
            }
        }
        let without: BTreeSet<_> = wholes.keys().map(|table| (*table).clone()).collect();
        let reached = bound.reached(&self.stored(|table| bound.reach(table)), &without)?;
        let mut tables = Vec::with_capacity(profile.tables.len());
        for entry in &profile.tables {
            let mut by_itself = wholes.get(&entry.table).copied().unwrap_or_default();
            let mut related: Vec<_> =
                entry.related.iter().map(|text| (text.clone(), Size::NOTHING)).collect();
            let mut pages = Pages::new(taking);
            for (id, Reached { by, .. }) in reached.get(&entry.table).into_iter().flatten() {
                let Some(confirmed) = self.store.record(*id)? else { continue };
                let size = pages.add(&confirmed);
                match by.and_then(|at| related.get_mut(at)) {
                    Some((_, all)) => *all = all.plus(size),
                    None => by_itself = by_itself.plus(size),
                }
            }
            tables.push(TableEstimate { table: entry.table.clone(), by_itself, related });
        }
        Ok(tables)
    }

    /// How much a table holds, where all of it is taken and that is known without looking.
    fn whole(&self, taking: &Taking, table: &TableName) -> Result<Option<Size>, StoreError> {
        let (schema, Taking { standing, bound, .. }) = (self.rules.schema(), taking);
        let (Some(standing), Some(declared)) = (standing, schema.table(table.as_str())) else {
            return Ok(None);
        };
        let takes_all = bound.as_ref().is_none_or(|bound| {
            let groups = declared.columns.iter().filter(|column| column.group.is_some());
            let mut sections = groups.map(Column::section);
            bound.takes_whole(table)
                && sections.all(|section| bound.checked().takes_section(table, &section))
        });
        // What is known is without secured columns.
        let is_open = declared.columns.iter().all(|column| !column.secured);
        if !takes_all || !is_open || standing.reach(table) != Reach::All {
            return Ok(None);
        }
        let size = self.store.size(table, None)?;
        // Without a profile deleted records are sent, too.
        Ok(Some(if bound.is_some() { size.active } else { size.all() }))
    }

    /// How much that is in pages, where names, actors and times come on top: as it is in the first page.
    fn in_pages(
        &self,
        taking: &Taking,
        table: &TableName,
        whole: Size,
    ) -> Result<Size, StoreError> {
        let mut pages = Pages::new(taking);
        let (mut alone, mut in_page) = (0_u128, 0_u128);
        for confirmed in self.store.scan_within(table, &Reach::All, None, PAGE_LOOKS_MAX)? {
            alone += u128::from(confirmed.size().bytes);
            in_page += u128::from(pages.add(&confirmed).bytes);
        }
        let bytes = (u128::from(whole.bytes) * in_page).checked_div(alone).unwrap_or_default();
        Ok(Size { bytes: u64::try_from(bytes).unwrap_or(u64::MAX), ..whole })
    }

    fn scan(
        &self,
        table: &TableName,
        reach: &Reach,
        see: &mut dyn FnMut(Confirmed) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let records = self.store.scan_within(table, reach, after, PAGE_LOOKS_MAX)?;
            let Some(last) = records.last() else { return Ok(()) };
            after = Some(last.record().id());
            for confirmed in records {
                see(confirmed)?;
            }
        }
    }

    fn candidate(&self, confirmed: &Confirmed) -> Candidate {
        let record = confirmed.record();
        let (header, columns) = (record.header().clone(), record.columns().clone());
        let lens = self.lenses.get(record.table());
        let columns = lens.map(|lens| lens.show(columns)).unwrap_or_default();
        Candidate { id: record.id(), header, columns }
    }
}

/// The records of a store within reach, as a profile looks at them.
struct Stored<'a, S, F> {
    estimator: &'a Estimator<'a, S>,
    reach: F,
}

impl<S: ServerStore, F: Fn(&TableName) -> Reach> Records for Stored<'_, S, F> {
    type Error = StoreError;

    fn find(&self, table: &TableName, id: RecordId) -> Result<Option<Rc<Candidate>>, StoreError> {
        let found = self.estimator.store.record(id)?;
        let found = found.filter(|confirmed| confirmed.record().table() == table);
        Ok(found.map(|confirmed| Rc::new(self.estimator.candidate(&confirmed))))
    }

    fn ids(&self, table: &TableName) -> Result<Vec<RecordId>, StoreError> {
        let mut ids = Vec::new();
        self.estimator.scan(table, &(self.reach)(table), &mut |confirmed| {
            ids.push(confirmed.record().id());
            Ok(())
        })?;
        Ok(ids)
    }

    fn each(
        &self,
        table: &TableName,
        see: &mut dyn FnMut(&Candidate) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let reach = (self.reach)(table);
        self.estimator
            .scan(table, &reach, &mut |confirmed| see(&self.estimator.candidate(&confirmed)))
    }
}
