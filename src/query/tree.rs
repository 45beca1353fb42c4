//! A checked query: columns resolved, types fitting, and what is only known later still open.

use std::sync::Arc;

use super::check::{Checker, order_columns};
use super::order::OrderColumn;
use super::{Direction, FilterError, Reference, Source};
use crate::model::{Schema, SystemTable, Table, TableName, Value};

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// The same comparison, said from the other side.
    pub(super) fn turned(self) -> Self {
        match self {
            Self::Equal | Self::NotEqual => self,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }

    /// Whether it holds of two values that compare so.
    pub(super) fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// A value of a filter.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    /// A literal, as a value of what it is compared with.
    Value(Value),
    /// `$name`.
    Parameter(String),
    /// `now()`, and what is added to it.
    Now { plus_millis: i64 },
    /// Of the user: one value or several, in the form of what it is compared with.
    Person(Person),
}

/// What a filter can ask about the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Person {
    Me,
    Teams,
    BusinessUnit,
    BusinessUnits,
    Reports,
}

impl Person {
    pub(super) const ALL: [Self; 5] =
        [Self::Me, Self::Teams, Self::BusinessUnit, Self::BusinessUnits, Self::Reports];

    /// The function that asks it.
    pub(super) fn function(self) -> &'static str {
        match self {
            Self::Me => "me",
            Self::Teams => "my_teams",
            Self::BusinessUnit => "my_business_unit",
            Self::BusinessUnits => "my_business_units",
            Self::Reports => "my_reports",
        }
    }

    pub(super) fn is_several(self) -> bool {
        !matches!(self, Self::Me | Self::BusinessUnit)
    }

    /// The table that has a row of whom or what it names.
    pub(super) fn table(self) -> SystemTable {
        match self {
            Self::Me | Self::Reports => SystemTable::User,
            Self::Teams => SystemTable::Team,
            Self::BusinessUnit | Self::BusinessUnits => SystemTable::BusinessUnit,
        }
    }
}

/// A filter, or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    Always(bool),
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    IsNull(Reference),
    Compare { column: Reference, comparison: Comparison, with: Operand },
    CompareColumns { left: Reference, comparison: Comparison, right: Reference },
    In { column: Reference, list: Vec<Operand> },
    Like { column: Reference, pattern: Operand, escape: Option<char>, folds: bool },
    BeginsWith { column: Reference, start: Operand },
}

/// A query that fits a schema: a filter, and an order.
#[derive(Debug, Clone)]
pub struct Query {
    pub(super) schema: Arc<Schema>,
    pub(super) table: TableName,
    pub(super) sources: Vec<Source>,
    pub(super) filter: Option<Condition>,
    pub(super) order: Vec<OrderColumn>,
    /// What is shown of the rows, beside the rows themselves.
    pub(super) shown: Vec<Reference>,
}

impl Query {
    /// Checks a filter and an order: columns of `table`, or of records that it looks up, each in the form
    /// of `due` or `customer.name`. What is equal in all of them stands in the order of the ids.
    ///
    /// # Errors
    /// The first thing wrong in one of the texts, with its place in it.
    pub fn new(
        schema: &Arc<Schema>,
        table: &Table,
        filter: Option<&str>,
        order: &[(&str, Direction)],
    ) -> Result<Self, FilterError> {
        let mut checker = Checker::new(schema, table);
        let filter = filter.map(|text| checker.filter(text)).transpose()?;
        let order = checker.order(order)?;
        let sources = checker.into_sources();
        let (schema, table) = (Arc::clone(schema), table.id.clone());
        Ok(Self { schema, table, sources, filter, order, shown: Vec::new() })
    }

    /// Reads an order such as `due desc, customer.name` into the columns that [`Self::new`] takes.
    ///
    /// # Errors
    /// It does not read as one.
    pub fn order(text: &str) -> Result<Vec<(String, Direction)>, FilterError> {
        order_columns(text)
    }

    /// The table whose rows are asked for.
    #[must_use]
    pub fn table(&self) -> &TableName {
        &self.table
    }

    /// The rows that it reads: first the table's own, then those that are looked up, each behind the
    /// one from which it is.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }
}
