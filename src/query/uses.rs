//! Which columns a query leans on, of which tables, and which values it waits for.

use std::collections::BTreeSet;

use super::tree::{Condition, Operand};
use super::{CheckedView, Field, Query, Reference, Source};
use crate::model::{SystemTable, TableName};

/// A column that a query or view asks for, shows or looks something up by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Used {
    /// The column with the lookups before it, as filters name it.
    pub path: String,
    /// The table that has it. Behind an owner it is used of users and of teams.
    pub table: TableName,
    /// Which column it is.
    pub field: Field,
    /// Whether it is of a looked-up row.
    pub is_looked_up: bool,
}

impl Query {
    /// The columns that it uses, lookups among them; each once, sorted by their paths.
    #[must_use]
    pub fn uses(&self) -> Vec<Used> {
        let mut uses = Vec::new();
        let mut add = |source: usize, field: &Field| {
            let Some(it) = self.sources.get(source) else { return };
            let path = super::resolve::path(&self.sources, source, field);
            let (field, is_looked_up) = (field.clone(), source > 0);
            let column = Used { path, table: it.table.clone(), field, is_looked_up };
            if matches!(it.from, Some((_, Field::Owner))) && self.teams_have(&column.field) {
                uses.push(Used { table: SystemTable::Team.name(), ..column.clone() });
            }
            uses.push(column);
        };
        if let Some(filter) = &self.filter {
            filter.each_column(&mut |column| add(column.source, &column.field));
        }
        let others = self.order.iter().map(|by| &by.column).chain(&self.shown);
        others.for_each(|column| add(column.source, &column.field));
        let lookups = self.sources.iter().filter_map(|source: &Source| source.from.as_ref());
        lookups.for_each(|(source, field)| add(*source, field));
        uses.sort();
        uses.dedup();
        uses
    }

    /// The names of its parameters, for which [`Self::bind`] takes values.
    #[must_use]
    pub fn parameters(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        if let Some(filter) = &self.filter {
            filter.each_parameter(&mut |name| {
                names.insert(name);
            });
        }
        names
    }

    /// Whether there are rows of teams with such a column.
    fn teams_have(&self, field: &Field) -> bool {
        let teams = self.schema.table(SystemTable::Team.as_str());
        teams.is_some_and(|teams| match field {
            Field::Column(column) => teams.column(column.as_str()).is_some(),
            Field::Id | Field::Owner | Field::BusinessUnit => true,
        })
    }
}

impl CheckedView {
    /// The columns that it shows, and that its filter and its order use; see [`Query::uses`].
    #[must_use]
    pub fn uses(&self) -> Vec<Used> {
        self.query().uses()
    }
}

impl Condition {
    fn each_column(&self, visit: &mut impl FnMut(&Reference)) {
        match self {
            Self::Always(_) => {}
            Self::All(parts) | Self::Any(parts) => {
                for part in parts {
                    part.each_column(visit);
                }
            }
            Self::Not(part) => part.each_column(visit),
            Self::CompareColumns { left, right, .. } => {
                visit(left);
                visit(right);
            }
            Self::IsNull(column)
            | Self::Compare { column, .. }
            | Self::In { column, .. }
            | Self::Like { column, .. }
            | Self::BeginsWith { column, .. } => visit(column),
        }
    }

    fn each_parameter<'a>(&'a self, visit: &mut impl FnMut(&'a str)) {
        let operands = match self {
            Self::All(parts) | Self::Any(parts) => {
                for part in parts {
                    part.each_parameter(visit);
                }
                return;
            }
            Self::Not(part) => return part.each_parameter(visit),
            Self::Always(_) | Self::IsNull(_) | Self::CompareColumns { .. } => return,
            Self::In { list, .. } => list.as_slice(),
            Self::Compare { with: operand, .. }
            | Self::Like { pattern: operand, .. }
            | Self::BeginsWith { start: operand, .. } => std::slice::from_ref(operand),
        };
        for operand in operands {
            if let Operand::Parameter(name) = operand {
                visit(name);
            }
        }
    }
}
