//! What a query asks of each row, so that nothing else needs to be read of it.

use std::collections::BTreeSet;

use super::evaluate::Bound;
use super::{BoundQuery, Field, Reference, Source};
use crate::model::{SystemTable, TableName};

impl BoundQuery {
    /// What filter, order and lookups ask of the rows of a source, and a view shows of looked-up ones;
    /// see [`super::Query::sources`].
    #[must_use]
    pub fn fields(&self, source: usize) -> BTreeSet<Field> {
        let mut fields = BTreeSet::new();
        let mut add = |column: &Reference| {
            if column.source == source {
                fields.insert(column.field.clone());
            }
        };
        for part in &self.filter {
            part.each_column(&mut add);
        }
        for by in &self.order {
            add(&by.column);
        }
        // Of the rows themselves only those are read for more that the filter is true for.
        for column in self.shown.iter().filter(|column| column.source > 0) {
            add(column);
        }
        let lookups = self.sources.iter().filter_map(|it| it.from.as_ref());
        let own = lookups.filter(|(from, _)| *from == source);
        fields.extend(own.map(|(_, field)| field.clone()));
        fields
    }

    /// What is asked of the rows themselves, and what a view shows of them; `None`: all that they hold.
    #[must_use]
    pub fn shown_fields(&self) -> Option<BTreeSet<Field>> {
        let own = self.shown.iter().filter(|column| column.source == 0);
        let fields = self.fields(0).into_iter().chain(own.map(|column| column.field.clone()));
        (!self.shown.is_empty()).then(|| fields.collect())
    }

    /// The tables whose rows it reads.
    #[must_use]
    pub fn tables(&self) -> BTreeSet<TableName> {
        let read = self.sources.iter().map(|source| source.table.clone());
        // An owner is a user or a team.
        let is_owner = |it: &Source| matches!(it.from, Some((_, Field::Owner)));
        read.chain(self.sources.iter().any(is_owner).then(|| SystemTable::Team.name())).collect()
    }

    /// Whether it reads rows of this table that other rows look up.
    #[must_use]
    pub fn looks_up(&self, table: &TableName) -> bool {
        let is_it = |source: &Source| source.table == *table;
        self.sources.iter().skip(1).any(is_it)
            || (!self.sources.first().is_some_and(is_it) && self.tables().contains(table))
    }

    /// Whether which rows are meant, or their order, goes by what they look up.
    #[must_use]
    pub fn is_decided_by_looked_up(&self) -> bool {
        let mut decided = self.order.iter().any(|by| by.column.source > 0);
        for part in &self.filter {
            part.each_column(&mut |column| decided |= column.source > 0);
        }
        decided
    }
}

impl Bound {
    pub(super) fn each_column(&self, visit: &mut impl FnMut(&Reference)) {
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
}
