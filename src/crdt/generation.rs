//! New generations: a section written anew as one change that says all that it holds, in place of
//! its history. What was overwritten or taken out is in it no more.

use std::collections::{BTreeMap, BTreeSet};

use super::{CrdtError, History, Record};
use crate::limits::{CHANGE_OPS_MAX, CHANGE_PLACES_MAX, EDIT_BYTES_MAX};
use crate::model::{
    ActorId, Change, ChangeRef, Column, ColumnName, Op, Section, Table, Timestamp, Value, extent,
};

/// Why a section cannot be written anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a section of it holds {found} {what}, {own} of these in column `{column}`; no more than {max} can \
     be written anew"
)]
pub struct OversizeError {
    /// What there is too much of.
    pub what: &'static str,
    /// So much is there.
    pub found: usize,
    /// So much may be.
    pub max: usize,
    /// The column that has most of it.
    pub column: ColumnName,
    /// So much.
    pub own: usize,
}

/// What is counted, how much of it there may be, and how much an operation has.
type Measure = (&'static str, usize, fn(&Op) -> usize);

impl OversizeError {
    fn check(ops: &[Op]) -> Result<(), Self> {
        let measures: [Measure; 3] = [
            ("bytes of values", EDIT_BYTES_MAX, Op::size),
            ("characters and items in texts and lists", CHANGE_PLACES_MAX, extent),
            ("operations", CHANGE_OPS_MAX, |_| 1),
        ];
        for (what, max, measure) in measures {
            let found: usize = ops.iter().map(measure).sum();
            let mut columns: BTreeMap<&ColumnName, usize> = BTreeMap::new();
            for op in ops.iter().filter(|_| found > max) {
                op.column()
                    .into_iter()
                    .for_each(|it| *columns.entry(it).or_default() += measure(op));
            }
            let largest = columns.into_iter().max_by_key(|(_, own)| *own);
            if let Some((column, own)) = largest {
                return Err(Self { what, found, max, column: column.clone(), own });
            }
        }
        Ok(())
    }
}

/// So many bytes of values are sent again at the most for each change that is forgotten.
const BYTES_PER_CHANGE: usize = 64;

impl Record {
    /// The sections of an earlier state of which not all is still in the histories.
    pub fn broken_off<'a>(&'a self, earlier: &'a Self) -> impl Iterator<Item = &'a Section> {
        let is_held = |section, history: &History| {
            history.heads().iter().all(|head| self.holds(section, *head))
        };
        let broken =
            earlier.sections().filter(move |(section, history)| !is_held(section, history));
        broken.map(|(section, _)| section)
    }

    /// The sections of columns whose histories have more changes than `max`, and enough of them to
    /// be worth saying again what the section holds.
    #[must_use]
    pub fn grown(&self, table: &Table, max: usize) -> BTreeSet<Section> {
        let is_grown = |section: &Section, changes: usize| {
            changes > max && {
                // Of this section alone: nothing that is told may depend on others.
                let bytes: usize = self.held(table, section).map(|(_, value)| value.size()).sum();
                changes * BYTES_PER_CHANGE >= bytes
            }
        };
        self.column_histories()
            .filter(|(section, history)| is_grown(section, history.changes().len()))
            .map(|(section, _)| section.clone())
            .collect()
    }

    /// The sections of columns with more heads than `max`.
    #[must_use]
    pub fn spread(&self, max: usize) -> BTreeSet<Section> {
        let sections = self.column_histories().filter(|(_, history)| history.heads().len() > max);
        sections.map(|(section, _)| section.clone()).collect()
    }

    /// The sections of columns that say more than what they hold: of which something was written
    /// over.
    #[must_use]
    pub fn with_past(&self) -> BTreeSet<Section> {
        let sections = self.column_histories().filter(|(_, history)| history.changes().len() > 1);
        sections.map(|(section, _)| section.clone()).collect()
    }

    /// Those of which something was written over, and that began before this time, by the clock of
    /// who wrote.
    #[must_use]
    pub fn with_past_before(&self, time: Timestamp) -> BTreeSet<Section> {
        let is_old = |section: &Section| {
            let first = self.section(section).and_then(|history| history.changes().first());
            first.is_some_and(|first| first.time < time)
        };
        self.with_past().into_iter().filter(is_old).collect()
    }

    /// Whether a column of the section holds several values side by side, of which a new generation
    /// would keep one.
    ///
    /// # Errors
    /// The history is not one that Tidegate wrote.
    pub fn holds_conflicts(&self, table: &Table, section: &Section) -> Result<bool, CrdtError> {
        let Some(history) = self.section(section).filter(|history| history.is_branched()) else {
            return Ok(false);
        };
        let document = history.document(section.clone())?;
        for (column, _) in self.held(table, section) {
            let column_type = table.column(column.as_str()).map(|declared| declared.column_type);
            if let Some(column_type) = column_type.filter(|column_type| !column_type.merges())
                && document.values(column, column_type)?.len() > 1
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The sections between which columns must move, so that each is where the schema has it.
    #[must_use]
    pub fn misplaced(&self, table: &Table) -> BTreeSet<Section> {
        let mut sections = BTreeSet::new();
        for (section, history) in self.column_histories() {
            let ops = history.changes().iter().flat_map(|change| &change.ops);
            for column in ops.filter_map(Op::column) {
                let place = self.place(table, column);
                if place != *section {
                    sections.extend([section.clone(), place]);
                }
            }
        }
        sections
    }

    /// The change with which `actor`, who writes nothing else, begins a new generation of a section:
    /// with the columns that the schema has in it; see [`Change::begins_generation`]. Of values side
    /// by side the one that counts stays.
    ///
    /// # Errors
    /// It would be more than one change may say.
    pub fn new_generation(
        &self,
        table: &Table,
        section: &Section,
        actor: ActorId,
        time: Timestamp,
    ) -> Result<Change, OversizeError> {
        let from_nothing = |(column, value)| Op::from_nothing(column, value);
        let ops: Vec<Op> = self.held(table, section).flat_map(from_nothing).collect();
        OversizeError::check(&ops)?;
        let id = ChangeRef { actor, seq: 1 };
        Ok(Change { section: section.clone(), id, time, deps: Vec::new(), ops })
    }

    /// The columns that belong to a section, with what they hold.
    fn held<'a>(
        &'a self,
        table: &'a Table,
        section: &'a Section,
    ) -> impl Iterator<Item = (&'a ColumnName, &'a Value)> {
        self.columns().iter().filter(move |(column, _)| self.place(table, column) == *section)
    }

    /// Where a column belongs. One that is not in the schema any more stays where it is.
    fn place(&self, table: &Table, column: &ColumnName) -> Section {
        let held = || {
            let is_in = |(section, history): &(&Section, &History)| match section {
                Section::Secured(own) => own == column,
                Section::Group(_) => {
                    let mut ops = history.changes().iter().flat_map(|change| &change.ops);
                    ops.any(|op| op.column() == Some(column))
                }
                Section::Header | Section::Main => false,
            };
            let held = self.column_histories().find(is_in);
            held.map_or(Section::Main, |(section, _)| section.clone())
        };
        table.column(column.as_str()).map_or_else(held, Column::section)
    }

    fn column_histories(&self) -> impl Iterator<Item = (&Section, &History)> {
        self.sections().filter(|(section, _)| **section != Section::Header)
    }
}
