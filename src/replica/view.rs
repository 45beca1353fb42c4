//! Views of the schema: what an app shows, in one local read.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::de::value::MapDeserializer;

use super::looked_up::{JoinedRow, LookedUp};
use super::run_query::Run;
use super::shape::fields_of;
use super::sight::{Field, Sight};
use super::{Found, QueryError, Replica, Row, RowQuery};
use crate::model::{RecordId, Secured, TableName, Timestamp, Value, View, ViewName};
use crate::query::ViewError as Misfit;
use crate::query::{Bookmark, BoundQuery, CheckedView, Direction, Plan};
use crate::sync::StoreError;

/// Why a view gave no rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The schema of this device has no such view.
    #[error(
        "there is no view `{view}` in the schema of this device{}; a newer one comes with the next \
         sync", list(.known)
    )]
    NoSuchView {
        /// The view.
        view: String,
        /// Those there are.
        known: Vec<ViewName>,
    },
    /// The view does not fit its schema, or what it was narrowed by.
    #[error("view `{view}`: {misfit}")]
    Misfit {
        /// The view.
        view: ViewName,
        /// What is wrong.
        misfit: Box<Misfit>,
    },
    /// A row does not read as the type.
    #[error("row {row} of view `{view}` does not read as the type: {error}")]
    Row {
        /// The view.
        view: ViewName,
        /// The row.
        row: RecordId,
        /// What is wrong, with the column.
        error: String,
    },
}

fn list(known: &[ViewName]) -> String {
    let known: Vec<_> = known.iter().map(ViewName::as_str).collect();
    if known.is_empty() {
        ", which has none".into()
    } else {
        format!(", which has: {}", known.join(", "))
    }
}

/// A row of a view.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewRow {
    /// The record's id.
    pub id: RecordId,
    /// Whether something on the record is not ruled on yet.
    pub pending: bool,
    columns: Arc<[String]>,
    values: Vec<Secured<Value>>,
}

impl ViewRow {
    /// What a view shows of a row.
    pub(super) fn of(
        view: &CheckedView,
        mut row: Row,
        looked_up: &mut LookedUp<'_>,
    ) -> Result<Self, StoreError> {
        let values = view.take(&mut JoinedRow { row: &mut row, looked_up })?;
        let columns = Arc::clone(view.columns());
        Ok(Self { id: row.id, pending: row.pending, columns, values })
    }

    /// What the view shows under this name, unless it is hidden from the user; null where it shows
    /// nothing of the name.
    #[must_use]
    pub fn read(&self, column: &str) -> Secured<&Value> {
        let found = self.columns().find(|(name, _)| *name == column);
        found.map_or(Secured::Known(&Value::Null), |(_, value)| value)
    }

    /// All that the view shows of the row, by name, in the order of the view.
    pub fn columns(&self) -> impl Iterator<Item = (&str, Secured<&Value>)> {
        let values = self.values.iter().map(|value| match value {
            Secured::Known(value) => Secured::Known(value),
            Secured::Hidden => Secured::Hidden,
        });
        self.columns.iter().map(String::as_str).zip(values)
    }

    /// The row as a type whose fields are named like the columns of the view: `Option`s where a column
    /// can be null, and [`Secured`] or `Option`s where it can be hidden. What a map is read of lacks
    /// what is hidden.
    ///
    /// # Errors
    /// What is wrong, with the column.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, String> {
        let has_fields = fields_of::<T>().is_some();
        let fields = self.columns().filter_map(|(name, value)| match value {
            Secured::Known(value) => Some((name.to_owned(), Field::Known(value.to_json()))),
            Secured::Hidden => has_fields.then(|| (name.to_owned(), Field::Hidden)),
        });
        let fields: MapDeserializer<'_, _, serde_json::Error> = MapDeserializer::new(fields);
        serde_path_to_error::deserialize(fields).map_err(|error| error.to_string())
    }
}

/// A query of the rows that a view shows. Nothing is read before its last method. As [`RowQuery`].
#[derive(Debug, Clone)]
#[must_use = "nothing is read before `rows`, `read` or `count`"]
pub struct ViewQuery {
    view: ViewName,
    query: RowQuery,
}

impl Replica {
    /// What a view of the schema shows.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// let schema = tidegate::read_schema(r#"
    /// [[table]]
    /// id = "customer"
    /// ownership = "user_owned"
    /// columns = [{ id = "name", type = "text" }]
    ///
    /// [[table]]
    /// id = "work_order"
    /// ownership = "user_owned"
    /// columns = [
    ///   { id = "title", type = "text", required = true },
    ///   { id = "done", type = "boolean" },
    ///   { id = "customer", type = "lookup", table = "customer" },
    /// ]
    ///
    /// [[view]]
    /// id = "open_orders"
    /// table = "work_order"
    /// columns = ["title", "customer.name as customer"]
    /// filter = "not done or done is null"
    /// order = "customer.name, title"
    /// "#, "schema.toml")?;
    /// #[derive(serde::Deserialize)]
    /// struct Line {
    ///     title: String,
    ///     customer: Option<String>,
    /// }
    ///
    /// let app = tidegate::Replica::builder(dir.path().join("field.redb")).schema(schema).open()?;
    /// for (id, line) in app.view("open_orders")?.limit(50).rows_as::<Line>()? {
    ///     println!("{id} {} for {}", line.title, line.customer.unwrap_or_default());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The schema of this device has no such view.
    pub fn view(&self, name: &str) -> Result<ViewQuery, QueryError> {
        let sight = self.shared.sight();
        let View { id, table, .. } = declared(&sight, name)?;
        Ok(ViewQuery { view: id.clone(), query: self.query(table) })
    }
}

fn declared<'a>(sight: &'a Sight, name: &str) -> Result<&'a View, ViewError> {
    sight.schema().view(name).ok_or_else(|| {
        let known = sight.schema().views.keys().cloned().collect();
        ViewError::NoSuchView { view: name.to_owned(), known }
    })
}

impl ViewQuery {
    fn then(mut self, more: impl FnOnce(RowQuery) -> RowQuery) -> Self {
        self.query = more(self.query);
        self
    }

    /// Gives `$name` of the view's filter a value; see [`RowQuery::bind`].
    pub fn bind(self, name: &str, value: impl Serialize) -> Self {
        self.then(|query| query.bind(name, value))
    }

    /// Only those of its rows for which this is true, too; see [`RowQuery::filter`].
    pub fn filter(self, filter: impl Into<String>) -> Self {
        self.then(|query| query.filter(filter))
    }

    /// Orders by a column of the table, or of what it looks up, in place of the view's order; see
    /// [`RowQuery::order_by`].
    pub fn order_by(self, column: impl Into<String>, direction: Direction) -> Self {
        self.then(|query| query.order_by(column, direction))
    }

    /// At most so many rows.
    pub fn limit(self, rows: usize) -> Self {
        self.then(|query| query.limit(rows))
    }

    /// Only rows behind those that gave this bookmark; see [`RowQuery::after`].
    pub fn after(self, bookmark: &Bookmark) -> Self {
        self.then(|query| query.after(bookmark))
    }

    /// The time of `now()`; by default the device's.
    pub fn at(self, now: Timestamp) -> Self {
        self.then(|query| query.at(now))
    }

    /// The rows.
    ///
    /// # Errors
    /// A parameter has no value, the file cannot be read, or the schema changed meanwhile and has the
    /// view no more.
    pub fn rows(&self) -> Result<Vec<ViewRow>, QueryError> {
        Ok(self.read()?.rows)
    }

    /// The rows, and where to go on.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub fn read(&self) -> Result<Found<ViewRow>, QueryError> {
        let shared = &self.query.replica.shared;
        let sight = shared.sight();
        let (view, bound) = self.bound(&sight)?;
        let snapshot = shared.reader.snapshot()?;
        let mut run = Run::new(&bound, &snapshot, &sight)?;
        self.query.found(&mut run, &mut |row, looked_up| ViewRow::of(&view, row, looked_up))
    }

    /// The rows with their ids, each as [`ViewRow::to`] reads it.
    ///
    /// # Errors
    /// As [`Self::rows`], and where a row does not read as the type.
    pub fn rows_as<T: DeserializeOwned>(&self) -> Result<Vec<(RecordId, T)>, QueryError> {
        Ok(self.read_as()?.rows)
    }

    /// As [`Self::rows_as`], and where to go on.
    ///
    /// # Errors
    /// As [`Self::rows_as`].
    pub fn read_as<T: DeserializeOwned>(&self) -> Result<Found<(RecordId, T)>, QueryError> {
        let Found { rows, next } = self.read()?;
        let read = |row: ViewRow| {
            let wrong = |error| ViewError::Row { view: self.view.clone(), row: row.id, error };
            Ok((row.id, row.to().map_err(wrong)?))
        };
        Ok(Found { rows: rows.into_iter().map(read).collect::<Result<_, ViewError>>()?, next })
    }

    /// How many rows it shows, whatever limit and bookmark say.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub fn count(&self) -> Result<u64, QueryError> {
        let shared = &self.query.replica.shared;
        let sight = shared.sight();
        let (_, bound) = self.bound(&sight)?;
        let snapshot = shared.reader.snapshot()?;
        Ok(Run::new(&bound, &snapshot, &sight)?.count()?)
    }

    /// How the rows would be found.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub fn plan(&self) -> Result<Plan, QueryError> {
        let sight = self.query.replica.shared.sight();
        let (_, bound) = self.bound(&sight)?;
        self.query.planned(&bound, &sight)
    }

    /// The table whose rows it shows.
    #[must_use]
    pub fn table(&self) -> &TableName {
        self.query.table()
    }

    pub(super) fn row_query(&self) -> &RowQuery {
        &self.query
    }

    pub(super) fn bound(&self, sight: &Sight) -> Result<(CheckedView, BoundQuery), QueryError> {
        let view = declared(sight, self.view.as_str())?;
        let (filter, order) = (self.query.filter.as_deref(), self.query.order());
        let checked = if filter.is_none() && order.is_empty() {
            sight.view(view)
        } else {
            CheckedView::narrowed(sight.schema(), view, filter, &order)
        };
        let checked = checked.map_err(|misfit| ViewError::Misfit {
            view: self.view.clone(),
            misfit: Box::new(misfit),
        })?;
        let bound = self.query.bind_all(checked.query(), sight)?;
        Ok((checked, bound))
    }
}
