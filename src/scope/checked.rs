//! Profiles that fit a schema.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{ProfileError, ProfileFault};
use crate::limits::{
    PRIORITY_MAX, PROFILE_AUDIENCES_MAX, PROFILE_DEPTH_MAX, PROFILE_RELATED_MAX, SYNC_MINUTES_MAX,
    TABLES_MAX, VIEWS_MAX,
};
use crate::model::{
    Asked, Match, Profile, ProfileName, ProfileTable, RowRule, Schema, Section, SystemTable, Table,
    TableName,
};
use crate::query::{Environment, Field, Parameters, Query};

/// A profile that fits a schema: its relationships resolved, its filters read.
#[derive(Debug, Clone)]
pub struct CheckedProfile {
    schema: Arc<Schema>,
    profile: Profile,
    tables: BTreeMap<TableName, CheckedTable>,
}

/// What a profile takes of a table, resolved.
#[derive(Debug, Clone)]
pub(super) struct CheckedTable {
    pub(super) rows: BTreeSet<RowRule>,
    pub(super) filter: Option<Query>,
    pub(super) related: Vec<Link>,
    /// Whether `rows` and `related` must both be so.
    pub(super) needs_both: bool,
}

/// A relationship by which rows of a table are taken with others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    /// 1:N, or N:1 seen from its many: rows whose looked-up row is taken.
    Children {
        /// The table's own lookup.
        by: Field,
        /// Where it leads: of an owner to users and teams, as far as the schema has them.
        to: Vec<TableName>,
    },
    /// N:1: rows that a taken row looks up.
    Parents {
        /// The table of the taken row.
        of: TableName,
        /// Its lookup.
        by: Field,
    },
}

impl CheckedProfile {
    /// Checks a profile against a schema.
    ///
    /// # Errors
    /// The first thing wrong in it.
    pub fn new(schema: &Arc<Schema>, profile: &Profile) -> Result<Self, ProfileError> {
        check_self(schema, profile)?;
        let mut tables = BTreeMap::new();
        for (at, entry) in profile.tables.iter().enumerate() {
            let wrong = |(key, item, fault): Wrong| {
                Err(ProfileError { table: Some((at, entry.table.clone())), key, item, fault })
            };
            let Some(table) = schema.table(entry.table.as_str()) else {
                let fault = ProfileFault::NoSuchTable(entry.table.clone());
                return wrong(("id", None, fault.into()));
            };
            if tables.contains_key(&entry.table) {
                return wrong(("id", None, ProfileFault::Twice.into()));
            }
            let checked = match check_table(schema, profile, table, entry) {
                Ok(checked) => checked,
                Err(found) => return wrong(found),
            };
            tables.insert(entry.table.clone(), checked);
        }
        Ok(Self { schema: Arc::clone(schema), profile: profile.clone(), tables })
    }

    /// A profile that takes nothing: of whoever has none, where others have one.
    #[must_use]
    pub fn nothing(schema: &Arc<Schema>) -> Self {
        let profile = Profile {
            id: ProfileName::known("nothing"),
            app: None,
            audiences: Vec::new(),
            budget: None,
            depth: 0,
            views: None,
            tables: Vec::new(),
        };
        Self { schema: Arc::clone(schema), profile, tables: BTreeMap::new() }
    }

    /// The profile as it was given.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The schema that it fits.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Whether a section of the records of a table is taken: of those tables that are, all but the
    /// column groups that are left out.
    #[must_use]
    pub fn takes_section(&self, table: &TableName, section: &Section) -> bool {
        self.profile.table(table).is_none_or(|entry| match section {
            Section::Group(group) => entry.takes_group(group),
            _ => true,
        })
    }

    /// By which relationships rows of a table are taken.
    #[must_use]
    pub fn links(&self, table: &TableName) -> &[Link] {
        self.tables.get(table).map_or(&[], |table| &table.related)
    }

    /// What it asks of records beside their headers.
    #[must_use]
    pub fn asks(&self) -> Asked {
        let mut asks = Asked::default();
        for (id, table) in &self.tables {
            asks.table(id);
            for used in table.filter.iter().flat_map(Query::uses) {
                let columns = asks.table(&used.table);
                if let Field::Column(column) = used.field {
                    columns.insert(column);
                }
            }
            for link in &table.related {
                let (of, by) = match link {
                    Link::Children { by, .. } => (id, by),
                    Link::Parents { of, by } => (of, by),
                };
                if let Field::Column(column) = by {
                    asks.table(of).insert(column.clone());
                }
            }
        }
        asks
    }

    pub(super) fn tables(&self) -> &BTreeMap<TableName, CheckedTable> {
        &self.tables
    }
}

/// What is not about one of its tables.
fn check_self(schema: &Schema, profile: &Profile) -> Result<(), ProfileError> {
    let wrong = |key, fault: ProfileFault| {
        Err(ProfileError { table: None, key, item: None, fault: fault.into() })
    };
    let views = profile.views.iter().flatten();
    for (key, count, max) in [
        ("table", profile.tables.len(), TABLES_MAX),
        ("for", profile.audiences.len(), PROFILE_AUDIENCES_MAX),
        ("views", views.clone().count(), VIEWS_MAX),
    ] {
        if count > max {
            return wrong(key, ProfileFault::TooMany { count, max });
        }
    }
    if profile.tables.is_empty() {
        return wrong("table", ProfileFault::NoTable);
    }
    if profile.audiences.is_empty() {
        return wrong("for", ProfileFault::NoAudience);
    }
    if profile.depth > PROFILE_DEPTH_MAX {
        return wrong("depth", ProfileFault::Depth(profile.depth));
    }
    match views.clone().find(|view| !schema.views.contains_key(*view)) {
        Some(view) => wrong("views", ProfileFault::NoSuchView(view.clone())),
        None => Ok(()),
    }
}

/// Key, item and fault.
type Wrong = (&'static str, Option<usize>, Box<ProfileFault>);

fn check_table(
    schema: &Arc<Schema>,
    profile: &Profile,
    table: &Table,
    entry: &ProfileTable,
) -> Result<CheckedTable, Wrong> {
    if !table.is_user_owned() && entry.rows.iter().any(|rule| *rule != RowRule::All) {
        return Err(("rows", None, Box::new(ProfileFault::NoOwner)));
    }
    match entry.interval {
        Some(minutes) if !(1..=SYNC_MINUTES_MAX).contains(&minutes) => {
            return Err(("interval", None, Box::new(ProfileFault::Interval(minutes))));
        }
        _ => {}
    }
    if entry.priority > PRIORITY_MAX {
        return Err(("priority", None, Box::new(ProfileFault::Priority(entry.priority))));
    }
    check_groups(table, entry)?;
    if let Some(absent) = entry.needs.iter().find(|needed| schema.table(needed.as_str()).is_none())
    {
        return Err(("needs", None, Box::new(ProfileFault::NoSuchTable(absent.clone()))));
    }
    let filter = entry.filter.as_ref().map(|text| check_filter(schema, table, text)).transpose();
    let filter = filter.map_err(|fault| ("filter", None, fault.into()))?;
    if filter.is_some() && entry.rows.is_empty() {
        return Err(("filter", None, Box::new(ProfileFault::FilterWithoutRows)));
    }
    let (has_rows, has_related) = (!entry.rows.is_empty(), !entry.related.is_empty());
    match entry.matching {
        None if has_rows && has_related => {
            return Err(("match", None, Box::new(ProfileFault::NoMatch)));
        }
        Some(_) if !has_rows || !has_related => {
            return Err(("match", None, Box::new(ProfileFault::MatchWithout)));
        }
        _ => {}
    }
    let count = entry.related.len();
    if count > PROFILE_RELATED_MAX {
        let max = PROFILE_RELATED_MAX;
        return Err(("related", None, Box::new(ProfileFault::TooMany { count, max })));
    }
    let related = entry.related.iter().enumerate().map(|(at, text)| {
        resolve(schema, profile, table, text).map_err(|fault| ("related", Some(at), fault.into()))
    });
    Ok(CheckedTable {
        rows: entry.rows.clone(),
        filter,
        related: related.collect::<Result<_, _>>()?,
        needs_both: entry.matching == Some(Match::All),
    })
}

fn check_groups(table: &Table, entry: &ProfileTable) -> Result<(), Wrong> {
    let known: BTreeSet<_> = table.columns.iter().filter_map(|it| it.group.as_ref()).collect();
    match entry.groups.iter().flatten().find(|group| !known.contains(group)) {
        Some(group) => {
            let names: Vec<_> = known.iter().map(|group| group.as_str()).collect();
            let fault = ProfileFault::NoSuchGroup(group.clone(), names.join(", "));
            Err(("groups", None, fault.into()))
        }
        None => Ok(()),
    }
}

fn check_filter(schema: &Arc<Schema>, table: &Table, text: &str) -> Result<Query, ProfileFault> {
    let query = Query::new(schema, table, Some(text), &[]).map_err(ProfileFault::Filter)?;
    // What it asks of time and user is always known; what else is open in it nobody says.
    let bound = query.bind(&Parameters::new(), &Environment::default());
    bound.map(|_| query).map_err(ProfileFault::Open)
}

/// The relationship that a text names, seen from `table`. A column by itself is the table's own: so of
/// a table that looks itself up it is said which way is meant.
fn resolve(
    schema: &Schema,
    profile: &Profile,
    table: &Table,
    text: &str,
) -> Result<Link, ProfileFault> {
    let or = |tables: &[TableName]| {
        tables.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(" or ")
    };
    let takes = |tables: &[TableName]| tables.iter().any(|it| profile.table(it).is_some());
    let from_nowhere = |tables: &[TableName]| ProfileFault::FromNowhere {
        text: text.to_owned(),
        tables: or(tables),
    };
    if let Some((by, to)) = lookup(schema, table, text) {
        return if takes(&to) { Ok(Link::Children { by, to }) } else { Err(from_nowhere(&to)) };
    }
    // Names may hold dots themselves: the first split that names a lookup counts.
    for (dot, _) in text.match_indices('.') {
        let (of, column) = text.split_at(dot);
        let Some(of) = schema.table(of) else { continue };
        let column = column.trim_start_matches('.');
        let Some((by, targets)) = lookup(schema, of, column) else { continue };
        if !targets.contains(&table.id) {
            let own = if of.id == table.id {
                format!(": say `{column}` for the rows whose looked-up row is taken")
            } else {
                String::new()
            };
            let text = text.to_owned();
            return Err(ProfileFault::Elsewhere { text, targets: or(&targets), hint: own });
        }
        let of = of.id.clone();
        if profile.table(&of).is_none() {
            return Err(from_nowhere(&[of]));
        }
        return Ok(Link::Parents { of, by });
    }
    Err(ProfileFault::NoLookup(text.to_owned()))
}

/// A lookup of a table by its name, and where it leads; also the owner, to users and teams, and the
/// owner's unit, as far as the schema has rows of these.
fn lookup(schema: &Schema, table: &Table, name: &str) -> Option<(Field, Vec<TableName>)> {
    let there = |systems: &[SystemTable]| {
        let tables = systems.iter().filter_map(|system| schema.table(system.as_str()));
        tables.map(|table| table.id.clone()).collect::<Vec<_>>()
    };
    let (by, to) = match name {
        "owner" if table.is_user_owned() => {
            (Field::Owner, there(&[SystemTable::User, SystemTable::Team]))
        }
        "business_unit" if table.is_user_owned() => {
            (Field::BusinessUnit, there(&[SystemTable::BusinessUnit]))
        }
        _ => {
            let column = table.column(name)?;
            (Field::Column(column.id.clone()), column.lookup.iter().cloned().collect())
        }
    };
    (!to.is_empty()).then_some((by, to))
}
