//! Views of a schema: a query, and what is shown of its rows.

use std::sync::Arc;

use super::check::{Checker, order_columns};
use super::row::Row;
use super::{Direction, FilterError, Query, Reference};
use crate::limits::VIEW_COLUMNS_MAX;
use crate::model::{Schema, Secured, TableName, Value, View};

/// Why a view does not fit its schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The schema has no such table.
    #[error("there is no table `{0}`")]
    NoSuchTable(TableName),
    /// It shows nothing.
    #[error("a view shows at least one column")]
    NoColumn,
    /// Over [`VIEW_COLUMNS_MAX`].
    #[error("{0} columns, at most {VIEW_COLUMNS_MAX} are allowed")]
    TooManyColumns(usize),
    /// What it shows is no column.
    #[error("{error}")]
    Column {
        /// Which of its columns, from 0.
        at: usize,
        /// What is wrong with it, and where in its text.
        error: FilterError,
    },
    /// Two columns have one name.
    #[error("`{name}` is shown twice: name one of the two with `as`")]
    Twice {
        /// The second of its columns that has the name, from 0.
        at: usize,
        /// The name.
        name: String,
    },
    /// Its filter is wrong.
    #[error("{0}")]
    Filter(FilterError),
    /// Its order is wrong.
    #[error("{0}")]
    Order(FilterError),
}

impl ViewError {
    /// Which part of the view is wrong, as documents call it.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::NoSuchTable(_) => "table",
            Self::NoColumn | Self::TooManyColumns(_) | Self::Column { .. } | Self::Twice { .. } => {
                "columns"
            }
            Self::Filter(_) => "filter",
            Self::Order(_) => "order",
        }
    }

    /// Which of its columns is wrong, from 0, where one is.
    #[must_use]
    pub fn column(&self) -> Option<usize> {
        match self {
            Self::Column { at, .. } | Self::Twice { at, .. } => Some(*at),
            _ => None,
        }
    }
}

/// A view that fits a schema: its query, and what it shows. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CheckedView {
    query: Arc<Query>,
    columns: Arc<[String]>,
    /// Of each column, whether it is the row's own and not shown again behind.
    taken: Arc<[bool]>,
}

impl CheckedView {
    /// Checks a view against the schema that has it.
    ///
    /// # Errors
    /// The first thing wrong in it.
    pub fn new(schema: &Arc<Schema>, view: &View) -> Result<Self, ViewError> {
        Self::narrowed(schema, view, None, &[])
    }

    /// As [`Self::new`], of those of its rows for which `filter` is true, too; in this order, where one
    /// is given, in place of the view's.
    ///
    /// # Errors
    /// As [`Self::new`], or the filter or the order is wrong.
    pub fn narrowed(
        schema: &Arc<Schema>,
        view: &View,
        filter: Option<&str>,
        order: &[(&str, Direction)],
    ) -> Result<Self, ViewError> {
        let Some(table) = schema.table(view.table.as_str()) else {
            return Err(ViewError::NoSuchTable(view.table.clone()));
        };
        match view.columns.len() {
            0 => return Err(ViewError::NoColumn),
            columns if columns > VIEW_COLUMNS_MAX => {
                return Err(ViewError::TooManyColumns(columns));
            }
            _ => {}
        }
        let mut checker = Checker::new(schema, table);
        let (mut columns, mut shown) = (Vec::new(), Vec::new());
        for (at, text) in view.columns.iter().enumerate() {
            let (name, reference) =
                checker.shown(text).map_err(|error| ViewError::Column { at, error })?;
            if columns.contains(&name) {
                return Err(ViewError::Twice { at, name });
            }
            columns.push(name);
            shown.push(reference);
        }
        let filters = [view.filter.as_deref(), filter].into_iter().flatten();
        let filter = checker.all(filters).map_err(ViewError::Filter)?;
        let own = view.order.as_deref().filter(|_| order.is_empty()).map(order_columns);
        let own = own.transpose().map_err(ViewError::Order)?.unwrap_or_default();
        let own = own.iter().map(|(column, direction)| (column.as_str(), *direction));
        let order: Vec<_> = order.iter().copied().chain(own).collect();
        let order = checker.order(&order).map_err(ViewError::Order)?;
        let is_last = |(at, column): (usize, &Reference)| {
            column.source == 0 && !shown.iter().skip(at + 1).any(|other| other == column)
        };
        let taken = shown.iter().enumerate().map(is_last).collect();
        let query = Query {
            schema: Arc::clone(schema),
            table: table.id.clone(),
            sources: checker.into_sources(),
            filter,
            order,
            shown,
        };
        Ok(Self { query: Arc::new(query), columns: columns.into(), taken })
    }

    /// Which rows it shows, and in which order.
    #[must_use]
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The tables that it reads: its own first, and those that it looks up. Without one of them it does
    /// not fit a schema, whether or not the user may read a row there.
    pub fn tables(&self) -> impl Iterator<Item = &TableName> {
        self.query.sources().iter().map(|source| &source.table)
    }

    /// The names of what it shows.
    #[must_use]
    pub fn columns(&self) -> &Arc<[String]> {
        &self.columns
    }

    /// What it shows of a row, as [`Self::columns`] name it. The row loses what is taken out of it.
    ///
    /// # Errors
    /// A looked-up row cannot be read.
    pub fn take<R: Row>(&self, row: &mut R) -> Result<Vec<Secured<Value>>, R::Error> {
        let shown = self.query.shown.iter().zip(self.taken.iter());
        let mut values = Vec::with_capacity(self.columns.len());
        for (reference, taken) in shown.clone() {
            values.push(if *taken { Secured::Hidden } else { row.cell(reference)?.into() });
        }
        // Then nobody asks the row any more.
        for ((reference, _), value) in shown.zip(&mut values).filter(|((_, taken), _)| **taken) {
            *value = row.take(reference)?.into();
        }
        Ok(values)
    }
}
