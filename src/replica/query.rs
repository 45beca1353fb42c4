//! Queries of the rows on this device: filter, order, limit, going on where the last one ended, count.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::run_query::{Run, Show};
use super::sight::Sight;
use super::{Replica, Row, TableError, TypedTable, ViewError};
use crate::model::{RecordId, TableName, Timestamp};
use crate::query::{
    BindError, Bookmark, BookmarkError, BoundQuery, Direction, FilterError, Parameters, Plan, Query,
};
use crate::sync::StoreError;

/// Why a query gave no rows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The filter or the order is wrong.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// A parameter is missing, or does not fit.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A parameter's value is none that JSON could say.
    #[error("`${name}`: {error}")]
    Parameter {
        /// The parameter.
        name: String,
        /// What is wrong with it.
        error: String,
    },
    /// The bookmark is of another query.
    #[error(transparent)]
    Bookmark(#[from] BookmarkError),
    /// There is no such table, or a row does not read as the type.
    #[error(transparent)]
    Table(#[from] TableError),
    /// There is no such view, or it does not fit, or a row of it does not read as the type.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The file cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Rows that a query gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<R> {
    /// The rows, in the order asked for.
    pub rows: Vec<R>,
    /// Where to go on for more; `None`: these were all.
    pub next: Option<Bookmark>,
}

/// A query of a table's rows. Nothing is checked or read before its last method.
#[derive(Debug, Clone)]
#[must_use = "nothing is read before `rows`, `read` or `count`"]
pub struct RowQuery {
    pub(super) replica: Replica,
    table: TableName,
    pub(super) filter: Option<String>,
    parameters: BTreeMap<String, Result<Json, String>>,
    order: Vec<(String, Direction)>,
    limit: Option<usize>,
    after: Option<Bookmark>,
    now: Option<Timestamp>,
}

impl Replica {
    /// A query of a table's rows, with what is pending on them: all of them, in the order of their ids,
    /// before it is told otherwise.
    pub fn query(&self, table: &TableName) -> RowQuery {
        RowQuery {
            replica: self.clone(),
            table: table.clone(),
            filter: None,
            parameters: BTreeMap::new(),
            order: Vec::new(),
            limit: None,
            after: None,
            now: None,
        }
    }
}

impl RowQuery {
    /// Only rows for which this is true, such as `status = 'open' and due < $when`. It replaces the
    /// filter before. `docs/queries.md` has the language.
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        self.filter = Some(filter.into());
        self
    }

    /// Gives `$name` a value: what serde makes a text, number, boolean or null of, or a list of these
    /// for `in`. A date or time is its text, as of `Timestamp::to_string`.
    pub fn bind(mut self, name: &str, value: impl Serialize) -> Self {
        let json = serde_json::to_value(value).map_err(|error| error.to_string());
        self.parameters.insert(name.to_owned(), json);
        self
    }

    /// Orders by a column, or one of a looked-up record, behind those given before. What is equal in
    /// all of them is in the order of the ids.
    pub fn order_by(mut self, column: impl Into<String>, direction: Direction) -> Self {
        self.order.push((column.into(), direction));
        self
    }

    /// At most so many rows.
    pub fn limit(mut self, rows: usize) -> Self {
        self.limit = Some(rows);
        self
    }

    /// Only rows behind those that gave this bookmark, whatever came or went meanwhile.
    pub fn after(mut self, bookmark: &Bookmark) -> Self {
        self.after = Some(bookmark.clone());
        self
    }

    /// The time of `now()`; by default the device's.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// The rows.
    ///
    /// # Errors
    /// The query does not fit the table, or the file cannot be read.
    pub fn rows(&self) -> Result<Vec<Row>, QueryError> {
        Ok(self.read()?.rows)
    }

    /// The rows, and where to go on.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub fn read(&self) -> Result<Found<Row>, QueryError> {
        let sight = self.replica.shared.sight();
        let bound = self.bound(&sight)?;
        let snapshot = self.replica.shared.reader.snapshot()?;
        self.found(&mut Run::new(&bound, &snapshot, &sight)?, &mut |row, _| Ok(row))
    }

    /// What a run finds, within limit and bookmark, as it is shown.
    pub(super) fn found<T>(
        &self,
        run: &mut Run<'_>,
        show: &mut Show<'_, T>,
    ) -> Result<Found<T>, QueryError> {
        let bound = run.query;
        if let Some(after) = &self.after {
            bound.accept(after)?;
        }
        let limit = self.limit.unwrap_or(usize::MAX);
        if limit == 0 {
            return Ok(Found { rows: Vec::new(), next: None });
        }
        let after = self.after.as_ref().map(Bookmark::key);
        let (rows, last) = run.read(after, limit, show)?;
        Ok(Found { rows, next: last.map(|key| bound.bookmark(key)) })
    }

    /// How many rows the filter is true for, whatever limit and bookmark say.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub fn count(&self) -> Result<u64, QueryError> {
        let sight = self.replica.shared.sight();
        let bound = self.bound(&sight)?;
        let snapshot = self.replica.shared.reader.snapshot()?;
        Ok(Run::new(&bound, &snapshot, &sight)?.count()?)
    }

    /// How the rows would be found.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub fn plan(&self) -> Result<Plan, QueryError> {
        let sight = self.replica.shared.sight();
        let bound = self.bound(&sight)?;
        self.planned(&bound, &sight)
    }

    pub(super) fn planned(&self, bound: &BoundQuery, sight: &Sight) -> Result<Plan, QueryError> {
        let snapshot = self.replica.shared.reader.snapshot()?;
        Ok(Run::new(bound, &snapshot, sight)?.plan(self.limit)?)
    }

    pub(super) fn bound(&self, sight: &Sight) -> Result<BoundQuery, QueryError> {
        // Not the machine's, which waits for whoever writes.
        let schema = sight.schema();
        let table = super::table::declared(schema, self.table.as_str())?;
        let query = Query::new(schema, table, self.filter.as_deref(), &self.order())?;
        self.bind_all(&query, sight)
    }

    pub(super) fn limit_of(&self) -> Option<usize> {
        self.limit
    }

    pub(super) fn after_of(&self) -> Option<&Bookmark> {
        self.after.as_ref()
    }

    /// Whether `now()` is another time whenever it is asked.
    pub(super) fn follows_clock(&self) -> bool {
        self.now.is_none()
    }

    pub(super) fn table(&self) -> &TableName {
        &self.table
    }

    pub(super) fn order(&self) -> Vec<(&str, Direction)> {
        self.order.iter().map(|(by, way)| (by.as_str(), *way)).collect()
    }

    /// Gives a query what was open in it.
    pub(super) fn bind_all(&self, query: &Query, sight: &Sight) -> Result<BoundQuery, QueryError> {
        let mut parameters = Parameters::new();
        for (name, value) in &self.parameters {
            let wrong = |error: &String| {
                let (name, error) = (name.clone(), error.clone());
                QueryError::Parameter { name, error }
            };
            parameters.insert(name.clone(), value.as_ref().map_err(wrong)?.clone());
        }
        let now = self.now.unwrap_or_else(|| self.replica.shared.outside.now());
        Ok(query.bind(&parameters, &sight.environment(now))?)
    }
}

/// A query whose rows are read as `T`. As [`RowQuery`].
pub struct TypedQuery<T> {
    table: TypedTable<T>,
    query: RowQuery,
}

impl<T> std::fmt::Debug for TypedQuery<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TypedQuery").field("query", &self.query).finish_non_exhaustive()
    }
}

impl<T> Clone for TypedQuery<T> {
    fn clone(&self) -> Self {
        Self { table: self.table.clone(), query: self.query.clone() }
    }
}

impl<T: Serialize + DeserializeOwned> TypedTable<T> {
    /// A query of all rows; see [`Replica::query`].
    #[must_use = "nothing is read before `rows`, `read` or `count`"]
    pub fn query(&self) -> TypedQuery<T> {
        TypedQuery { table: self.clone(), query: self.replica.query(self.name()) }
    }

    /// A query of the rows for which this is true; see [`RowQuery::filter`].
    #[must_use = "nothing is read before `rows`, `read` or `count`"]
    pub fn filter(&self, filter: impl Into<String>) -> TypedQuery<T> {
        self.query().then(|query| query.filter(filter))
    }
}

impl<T: Serialize + DeserializeOwned> TypedQuery<T> {
    pub(super) fn parts(&self) -> (&TypedTable<T>, &RowQuery) {
        (&self.table, &self.query)
    }

    fn then(mut self, more: impl FnOnce(RowQuery) -> RowQuery) -> Self {
        self.query = more(self.query);
        self
    }

    /// See [`RowQuery::bind`].
    #[must_use = "nothing is read before `rows`, `read` or `count`"]
    pub fn bind(self, name: &str, value: impl Serialize) -> Self {
        self.then(|query| query.bind(name, value))
    }

    /// See [`RowQuery::order_by`].
    #[must_use = "nothing is read before `rows`, `read` or `count`"]
    pub fn order_by(self, column: impl Into<String>, direction: Direction) -> Self {
        self.then(|query| query.order_by(column, direction))
    }

    /// See [`RowQuery::limit`].
    #[must_use = "nothing is read before `rows`, `read` or `count`"]
    pub fn limit(self, rows: usize) -> Self {
        self.then(|query| query.limit(rows))
    }

    /// See [`RowQuery::after`].
    #[must_use = "nothing is read before `rows`, `read` or `count`"]
    pub fn after(self, bookmark: &Bookmark) -> Self {
        self.then(|query| query.after(bookmark))
    }

    /// See [`RowQuery::at`].
    #[must_use = "nothing is read before `rows`, `read` or `count`"]
    pub fn at(self, now: Timestamp) -> Self {
        self.then(|query| query.at(now))
    }

    /// The rows, with their ids.
    ///
    /// # Errors
    /// As [`RowQuery::rows`], and where a row does not read as the type.
    pub fn rows(&self) -> Result<Vec<(RecordId, T)>, QueryError> {
        Ok(self.read()?.rows)
    }

    /// The rows with their ids, and where to go on.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub fn read(&self) -> Result<Found<(RecordId, T)>, QueryError> {
        let Found { rows, next } = self.query.read()?;
        let rows = rows.iter().map(|row| Ok((row.id, self.table.read(row)?)));
        Ok(Found { rows: rows.collect::<Result<_, TableError>>()?, next })
    }

    /// See [`RowQuery::count`].
    ///
    /// # Errors
    /// As [`RowQuery::count`].
    pub fn count(&self) -> Result<u64, QueryError> {
        self.query.count()
    }

    /// See [`RowQuery::plan`].
    ///
    /// # Errors
    /// As [`RowQuery::plan`].
    pub fn plan(&self) -> Result<Plan, QueryError> {
        self.query.plan()
    }
}
