//! What views and forms show of all that a user may read, beside what they show of what a profile takes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;

use super::candidate::Seen;
use super::{AllReached, BoundProfile, Candidate, Records};
use crate::model::{
    Column, ColumnName, Columns, GroupName, RecordId, Section, Secured, TableName, Value, View,
    ViewName,
};
use crate::query::{BindError, BoundQuery, CheckedView, Field, Parameters, Used};

/// What differs of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// In which view; `None`: when it is opened in a form, with what its table needs.
    pub view: Option<ViewName>,
    /// The row's table.
    pub table: TableName,
    /// The row.
    pub record: RecordId,
    /// How the two differ.
    pub how: Differs,
    /// What of it the profile leaves out.
    pub why: BTreeSet<Cause>,
}

/// How what a device shows differs from what the server has.
#[derive(Debug, Clone, PartialEq)]
pub enum Differs {
    /// The device does not show the row.
    Missing,
    /// The device alone shows it: its filter holds where something is not known.
    Extra,
    /// The device shows other values in these columns: on the server, and on the device.
    Values(Vec<(String, Secured<Value>, Secured<Value>)>),
    /// A row that the form needs is not there.
    Needed,
}

/// What a profile leaves out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The row itself.
    Row,
    /// A row that it looks up.
    LookedUp(TableName, RecordId),
    /// A column group of it or of what it looks up.
    Group(TableName, GroupName),
}

/// All that differs for a user.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparison {
    /// How many rows views show on the server, and forms open on the device.
    pub rows: u64,
    /// How many of these differ.
    pub differing: u64,
    /// The first of these.
    pub differences: Vec<Difference>,
    /// Views that cannot be compared, and why.
    pub skipped: BTreeMap<ViewName, String>,
}

impl Comparison {
    /// Notes a difference, of which only the first `most` are kept.
    fn note(&mut self, difference: Difference, most: usize) {
        self.differing += 1;
        if self.differences.len() < most {
            self.differences.push(difference);
        }
    }
}

/// The records that a profile takes, with what it takes of them.
struct OnDevice<'a, R> {
    profile: &'a BoundProfile,
    records: &'a R,
    taken: &'a AllReached,
}

impl<R> OnDevice<'_, R> {
    fn has(&self, table: &TableName, id: RecordId) -> bool {
        self.taken.get(table).is_some_and(|of_table| of_table.contains_key(&id))
    }

    /// The columns of groups that are left out read as null there.
    fn part(&self, table: &TableName, candidate: &Candidate) -> Candidate {
        let checked = self.profile.checked();
        let is_there = |column: &&ColumnName| {
            let declared = checked.schema().table(table.as_str());
            let declared = declared.and_then(|table| table.column(column.as_str()));
            declared.is_none_or(|column| checked.takes_section(table, &column.section()))
        };
        let columns = candidate.columns.iter().filter(|(column, _)| is_there(column));
        let columns: Columns = columns.map(|(id, value)| (id.clone(), value.clone())).collect();
        Candidate { id: candidate.id, header: candidate.header.clone(), columns }
    }
}

impl<R: Records> Records for OnDevice<'_, R> {
    type Error = R::Error;

    fn find(&self, table: &TableName, id: RecordId) -> Result<Option<Rc<Candidate>>, R::Error> {
        if !self.has(table, id) {
            return Ok(None);
        }
        let found = self.records.find(table, id)?;
        Ok(found.map(|candidate| Rc::new(self.part(table, &candidate))))
    }

    fn ids(&self, table: &TableName) -> Result<Vec<RecordId>, R::Error> {
        Ok(self.taken.get(table).into_iter().flat_map(BTreeMap::keys).copied().collect())
    }
}

/// A view that is asked of both.
struct Asked<'a> {
    view: &'a View,
    checked: CheckedView,
    bound: BoundQuery,
    uses: Vec<Used>,
}

impl BoundProfile {
    /// Compares what the views that the profile shows, or all views where it names none, show of all
    /// `records` that the user may read with what they show of those that were `taken`; and which records
    /// the taken ones look up in tables that their forms need and that are not taken. At most so many
    /// differences are kept. A view gets those of the `parameters` that it has; where one has no value, or one
    /// that does not fit, the view is not compared.
    ///
    /// # Errors
    /// A record cannot be read.
    pub fn compare<R: Records>(
        &self,
        records: &R,
        taken: &AllReached,
        parameters: &Parameters,
        most: usize,
    ) -> Result<Comparison, R::Error> {
        let device = OnDevice { profile: self, records, taken };
        let mut comparison = Comparison::default();
        let shown = &self.checked().profile().views;
        for view in self.checked().schema().views.values() {
            if shown.as_ref().is_some_and(|shown| !shown.contains(&view.id)) {
                continue;
            }
            match self.asked(view, parameters) {
                Ok(asked) => self.compare_view(&asked, &device, most, &mut comparison)?,
                Err(error) => drop(comparison.skipped.insert(view.id.clone(), error)),
            }
        }
        self.compare_forms(&device, most, &mut comparison)?;
        Ok(comparison)
    }

    fn asked<'v>(&self, view: &'v View, parameters: &Parameters) -> Result<Asked<'v>, String> {
        let checked = CheckedView::new(self.checked().schema(), view);
        let checked = checked.map_err(|error| error.to_string())?;
        let mut own = parameters.clone();
        let names = checked.query().parameters();
        own.retain(|name, _| names.contains(name.as_str()));
        let bound = checked.query().bind(&own, self.environment());
        let bound = bound.map_err(|error: BindError| error.to_string())?;
        let uses = checked.uses();
        Ok(Asked { view, checked, bound, uses })
    }

    fn compare_view<R: Records>(
        &self,
        asked: &Asked<'_>,
        device: &OnDevice<'_, R>,
        most: usize,
        comparison: &mut Comparison,
    ) -> Result<(), R::Error> {
        let (table, records) = (&asked.view.table, device.records);
        records.each(table, &mut |candidate| {
            if !self.reads(table, candidate) {
                return Ok(());
            }
            let there = self.shows(asked, candidate, records)?;
            comparison.rows += u64::from(there.is_some());
            let here = match device.find(table, candidate.id)? {
                Some(part) => self.shows(asked, &part, device)?,
                None => None,
            };
            let how = match (there, here) {
                (None, None) => return Ok(()),
                (Some(_), None) => Differs::Missing,
                (None, Some(_)) => Differs::Extra,
                (Some(there), Some(here)) => {
                    let names = asked.checked.columns().iter();
                    let values = names.zip(there.into_iter().zip(here));
                    let other = values.filter(|(_, (there, here))| there != here);
                    let other: Vec<_> =
                        other.map(|(name, (there, here))| (name.clone(), there, here)).collect();
                    if other.is_empty() {
                        return Ok(());
                    }
                    Differs::Values(other)
                }
            };
            let why = self.causes(asked, candidate, device)?;
            let (view, record) = (Some(asked.view.id.clone()), candidate.id);
            comparison.note(Difference { view, table: table.clone(), record, how, why }, most);
            Ok(())
        })
    }

    /// What a view shows of a row; `None`: the row is not in it.
    fn shows<R: Records>(
        &self,
        asked: &Asked<'_>,
        candidate: &Candidate,
        records: &R,
    ) -> Result<Option<Vec<Secured<Value>>>, R::Error> {
        let (table, sources) = (&asked.view.table, asked.bound.sources());
        let mut seen = Seen { profile: self, records, table, candidate, sources };
        if asked.bound.test(&mut seen)? != Some(true) {
            return Ok(None);
        }
        asked.checked.take(&mut seen).map(Some)
    }

    /// All that the profile leaves out of what a view uses of a row.
    fn causes<R: Records>(
        &self,
        asked: &Asked<'_>,
        candidate: &Candidate,
        device: &OnDevice<'_, R>,
    ) -> Result<BTreeSet<Cause>, R::Error> {
        let (table, sources) = (&asked.view.table, asked.bound.sources());
        let mut causes = BTreeSet::new();
        if !device.has(table, candidate.id) {
            return Ok(BTreeSet::from([Cause::Row]));
        }
        let seen = Seen { profile: self, records: device.records, table, candidate, sources };
        for source in 1..sources.len() {
            if let Some((table, id)) = seen.reached(source)?
                && !device.has(&table, id)
            {
                causes.insert(Cause::LookedUp(table, id));
            }
        }
        for used in &asked.uses {
            let Field::Column(column) = &used.field else { continue };
            let declared = self.checked().schema().table(used.table.as_str());
            let section = declared.and_then(|it| it.column(column.as_str())).map(Column::section);
            if let Some(Section::Group(group)) = section
                && self
                    .checked()
                    .profile()
                    .table(&used.table)
                    .is_some_and(|it| !it.takes_group(&group))
            {
                causes.insert(Cause::Group(used.table.clone(), group));
            }
        }
        Ok(causes)
    }

    /// Opens each record that is taken of a table whose forms need others.
    fn compare_forms<R: Records>(
        &self,
        device: &OnDevice<'_, R>,
        most: usize,
        comparison: &mut Comparison,
    ) -> Result<(), R::Error> {
        for entry in &self.checked().profile().tables {
            let declared = self.checked().schema().table(entry.table.as_str());
            let columns = declared.map(|it| it.columns.as_slice()).unwrap_or_default();
            let needed = columns.iter().filter_map(|it| Some((it, it.lookup.as_ref()?)));
            let needed: Vec<_> = needed.filter(|(_, to)| entry.needs.contains(*to)).collect();
            if needed.is_empty() {
                continue;
            }
            for id in device.ids(&entry.table)? {
                let Some(candidate) = device.records.find(&entry.table, id)? else { continue };
                comparison.rows += 1;
                let mut why = BTreeSet::new();
                for (column, to) in &needed {
                    let by = Field::Column(column.id.clone());
                    let Some((to, target)) = candidate.lookup(&by, to) else { continue };
                    let found = device.records.find(&to, target)?;
                    let reads = found.is_some_and(|found| self.reads(&to, &found));
                    if reads && !device.has(&to, target) {
                        why.insert(Cause::LookedUp(to, target));
                    }
                }
                if !why.is_empty() {
                    let (table, how) = (entry.table.clone(), Differs::Needed);
                    comparison.note(Difference { view: None, table, record: id, how, why }, most);
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row => f.write_str("the profile does not take it"),
            Self::LookedUp(table, id) => write!(f, "the profile does not take `{table}` {id}"),
            Self::Group(table, group) => {
                write!(f, "the profile leaves out the group `{group}` of `{table}`")
            }
        }
    }
}
