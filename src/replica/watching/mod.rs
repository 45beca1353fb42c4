//! Live results: what a query gave, kept right while rows change, and what became of it since.

mod kept;
mod live;
mod stirred;

use serde::Serialize;
use serde::de::DeserializeOwned;

use self::live::Live;
use super::{QueryError, Row, RowQuery, TableError, TypedQuery, TypedTable, ViewQuery, ViewRow};
use crate::model::RecordId;

/// What became of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Differences<R> {
    /// Rows that are in it now, in its order.
    pub added: Vec<R>,
    /// Rows that were in it, and say something else or stand elsewhere, in its order.
    pub changed: Vec<R>,
    /// Rows that are in it no more.
    pub removed: Vec<RecordId>,
}

impl<R> Differences<R> {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }

    fn try_map<T, E>(self, map: impl Fn(&R) -> Result<T, E>) -> Result<Differences<T>, E> {
        Ok(Differences {
            added: self.added.iter().map(&map).collect::<Result<_, E>>()?,
            changed: self.changed.iter().map(&map).collect::<Result<_, E>>()?,
            removed: self.removed,
        })
    }
}

/// A live result of a [`RowQuery`].
#[derive(Debug)]
pub struct RowWatch(Live<RowQuery>);

/// A live result of a [`ViewQuery`]. As [`RowWatch`].
#[derive(Debug)]
pub struct ViewWatch(Live<ViewQuery>);

/// A live result of a [`TypedQuery`]. As [`RowWatch`].
pub struct TypedWatch<T> {
    live: Live<RowQuery>,
    table: TypedTable<T>,
}

impl<T> std::fmt::Debug for TypedWatch<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TypedWatch").field("live", &self.live).finish_non_exhaustive()
    }
}

impl RowQuery {
    /// Answers the query, and goes on with its result while rows change: by edits here, by what a
    /// session brings, by what is refused or may not be read any more. What it costs goes by what
    /// changed, and not by how many rows there are; see `docs/queries.md`.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let schema = tidegate::read_schema(r#"
    /// # [[table]]
    /// # id = "work_order"
    /// # ownership = "user_owned"
    /// # columns = [{ id = "title", type = "text", required = true }, { id = "done", type = "boolean" }]
    /// # "#, "schema.toml")?;
    /// # #[derive(serde::Serialize, serde::Deserialize, Debug)]
    /// # struct WorkOrder { title: String, done: bool }
    /// # let app = tidegate::Replica::builder(folder.path().join("field.redb")).schema(schema).open()?;
    /// let orders = app.table::<WorkOrder>("work_order")?;
    /// let mut open = orders.filter("not done").watch()?;
    /// assert!(open.rows()?.is_empty());
    ///
    /// orders.insert(&WorkOrder { title: "Fix the tap".into(), done: false }).await?;
    /// let news = open.next().await?;
    /// assert_eq!(news.added[0].1.title, "Fix the tap");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The query does not fit the table, or the file cannot be read.
    pub fn watch(&self) -> Result<RowWatch, QueryError> {
        Live::new(self.clone()).map(RowWatch)
    }
}

impl RowWatch {
    /// The result as it was looked at last, in its order.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.0.rows()
    }

    /// Waits until the result is another one, and says what became of it. Reads as
    /// [`RowQuery::read`] does, where it is awaited. Cancel-safe: what was not told comes the next time.
    ///
    /// # Errors
    /// The query does not fit the schema any more, or the file cannot be read. The next call tries
    /// again.
    pub async fn next(&mut self) -> Result<Differences<Row>, QueryError> {
        self.0.next().await
    }

    /// What became of the result since it was looked at last, without waiting.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub fn poll(&mut self) -> Result<Differences<Row>, QueryError> {
        self.0.look()
    }
}

impl ViewQuery {
    /// As [`RowQuery::watch`]: also what its rows look up is followed.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub fn watch(&self) -> Result<ViewWatch, QueryError> {
        Live::new(self.clone()).map(ViewWatch)
    }
}

impl ViewWatch {
    /// See [`RowWatch::rows`].
    pub fn rows(&self) -> impl Iterator<Item = &ViewRow> {
        self.0.rows()
    }

    /// See [`RowWatch::next`].
    ///
    /// # Errors
    /// As [`RowWatch::next`].
    pub async fn next(&mut self) -> Result<Differences<ViewRow>, QueryError> {
        self.0.next().await
    }

    /// See [`RowWatch::poll`].
    ///
    /// # Errors
    /// As [`RowWatch::next`].
    pub fn poll(&mut self) -> Result<Differences<ViewRow>, QueryError> {
        self.0.look()
    }
}

impl<T: Serialize + DeserializeOwned> TypedQuery<T> {
    /// See [`RowQuery::watch`].
    ///
    /// # Errors
    /// As [`RowQuery::watch`].
    pub fn watch(&self) -> Result<TypedWatch<T>, QueryError> {
        let (table, query) = self.parts();
        Ok(TypedWatch { live: Live::new(query.clone())?, table: table.clone() })
    }
}

impl<T: Serialize + DeserializeOwned> TypedWatch<T> {
    fn read(&self, row: &Row) -> Result<(RecordId, T), TableError> {
        Ok((row.id, self.table.read(row)?))
    }

    /// See [`RowWatch::rows`]; with the ids.
    ///
    /// # Errors
    /// A row does not read as the type.
    pub fn rows(&self) -> Result<Vec<(RecordId, T)>, QueryError> {
        Ok(self.live.rows().map(|row| self.read(row)).collect::<Result<_, _>>()?)
    }

    /// See [`RowWatch::next`].
    ///
    /// # Errors
    /// As [`RowWatch::next`], and where a row does not read as the type.
    pub async fn next(&mut self) -> Result<Differences<(RecordId, T)>, QueryError> {
        let differences = self.live.next().await?;
        Ok(differences.try_map(|row| self.read(row))?)
    }

    /// See [`RowWatch::poll`].
    ///
    /// # Errors
    /// As [`Self::next`].
    pub fn poll(&mut self) -> Result<Differences<(RecordId, T)>, QueryError> {
        let differences = self.live.look()?;
        Ok(differences.try_map(|row| self.read(row))?)
    }
}
