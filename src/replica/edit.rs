//! An edit of one record, being put together.

use std::sync::Arc;

use std::ops::Range;

use serde::Serialize;

use super::table::{column_value, item_value};
use super::{Draft, EditError, Intent, Receipt, Replica};
use crate::model::{
    ColumnName, ColumnType, Denial, Op, RecordId, Schema, Seen, TableName, json_path,
};

/// A part of a list or of a map: a place, or a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A place in a list, from 0.
    Place(usize),
    /// A key of a map.
    Key(String),
}

impl From<usize> for Part {
    fn from(place: usize) -> Self {
        Self::Place(place)
    }
}

impl From<&str> for Part {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<String> for Part {
    fn from(key: String) -> Self {
        Self::Key(key)
    }
}

/// An edit of one record, being put together: its steps are carried out one after another, and
/// count together. See [`Replica::edit`].
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("field.redb");
/// let schema = tidegate::read_schema(
///     r#"
///     [[table]]
///     id = "visit"
///     ownership = "user_owned"
///     columns = [
///       { id = "status", type = "text" },
///       { id = "notes", type = "rich_text" },
///       { id = "photos", type = "counter" },
///       { id = "parts", type = "list" },
///       { id = "readings", type = "map" },
///     ]
///     "#,
///     "schema.toml",
/// )?;
/// let app = tidegate::Replica::builder(path).schema(schema).open()?;
/// let visits = app.table::<serde_json::Value>("visit")?;
/// let visit = visits.insert(&serde_json::json!({ "status": "open" })).await?.id();
///
/// visits
///     .edit(visit)
///     .set("status", "done")
///     .splice("notes", 0..0, "Hi")
///     .increment("photos", 2)
///     .insert("parts", 0, "seal")
///     .insert("readings", "pressure", 2.5)
///     .commit()
///     .await?;
/// visits.edit(visit).splice("notes", 2..2, "!").remove("parts", 0).commit().await?;
///
/// let row = visits.get(visit)?.ok_or("it is there")?;
/// assert_eq!(row["notes"], "Hi!");
/// assert_eq!(row["photos"], 2);
/// assert_eq!(row["parts"], serde_json::json!([]));
/// assert_eq!(row["readings"], serde_json::json!({ "pressure": 2.5 }));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing happens before `commit`"]
pub struct EditBuilder {
    replica: Replica,
    table: TableName,
    record: RecordId,
    schema: Arc<Schema>,
    ops: Vec<Op>,
    /// What it is made as of, if not of what is there then.
    pub(super) seen: Option<Seen>,
    /// The first thing that was wrong.
    error: Option<EditError>,
}

impl Replica {
    /// Begins an edit of one record; nothing happens before [`EditBuilder::commit`].
    pub fn edit(&self, table: &TableName, record: RecordId) -> EditBuilder {
        EditBuilder {
            replica: self.clone(),
            table: table.clone(),
            record,
            schema: self.known_schema(),
            ops: Vec::new(),
            seen: None,
            error: None,
        }
    }
}

impl EditBuilder {
    /// Sets a column. `value` is anything that serializes to the column's kind of value: a text, a
    /// number, a date as text, an `Option` of these. A rich text, list or map becomes the edits
    /// that lead there from what it is now; edits of others beside it merge with those.
    ///
    /// Putting one of several [conflicting](Replica::conflicts) values settles the conflict.
    ///
    /// In an open table, a name that is no column is an entry of its own; null takes it away.
    pub fn set(self, column: &str, value: impl Serialize) -> Self {
        let op = self.target(column).and_then(|target| {
            if let Some(path) = target.json {
                return json_op(target.column, path, &value);
            }
            let (column, value) = column_value(&self.schema, &self.table, column, &value)?;
            Ok(Op::Put { column, value })
        });
        self.step(op)
    }

    /// Rich text: takes the characters of `range` out and puts `insert` in their place. Places
    /// count Unicode scalar values (`char`s).
    pub fn splice(self, column: &str, range: Range<usize>, insert: &str) -> Self {
        let op = self.plain(column).and_then(|column| {
            let delete = range.end.checked_sub(range.start);
            let delete = delete.ok_or_else(|| malformed("the range ends before it begins"))?;
            let (at, delete) = (place(range.start)?, place(delete)?);
            Ok(Op::Splice { column, at, delete, insert: insert.to_owned() })
        });
        self.step(op)
    }

    /// Counter: adds to it, or takes from it. Concurrent increments add up.
    pub fn increment(self, column: &str, by: i64) -> Self {
        let op = self.plain(column).map(|column| Op::Increment { column, by });
        self.step(op)
    }

    /// List: puts an item in at a place. Map: gives a key a value. JSON: gives an entry a value;
    /// the key is its name, or a JSON pointer such as `/address/street`.
    pub fn insert(self, column: &str, part: impl Into<Part>, value: impl Serialize) -> Self {
        let plain = |column: ColumnName, part| {
            let value = item_value(&column, &value)?;
            Ok(match part {
                Part::Place(at) => Op::ListInsert { column, at: place(at)?, values: vec![value] },
                Part::Key(key) => Op::MapPut { column, key, value },
            })
        };
        let json = |column, path| json_op(column, path, &value);
        let op = self.part(column, part.into(), plain, json);
        self.step(op)
    }

    /// List: puts an item in the place of another. Map and JSON: as [`Self::insert`].
    pub fn replace(self, column: &str, part: impl Into<Part>, value: impl Serialize) -> Self {
        let plain = |column: ColumnName, part| {
            let value = item_value(&column, &value)?;
            Ok(match part {
                Part::Place(at) => Op::ListSet { column, at: place(at)?, value },
                Part::Key(key) => Op::MapPut { column, key, value },
            })
        };
        let json = |column, path| json_op(column, path, &value);
        let op = self.part(column, part.into(), plain, json);
        self.step(op)
    }

    /// List: takes the item of a place out. Map: takes a key away. JSON: takes an entry away.
    pub fn remove(self, column: &str, part: impl Into<Part>) -> Self {
        let plain = |column, part| {
            Ok(match part {
                Part::Place(at) => Op::ListRemove { column, at: place(at)?, count: 1 },
                Part::Key(key) => Op::MapRemove { column, key },
            })
        };
        let json = |column, path| Ok(Op::JsonRemove { column, path });
        let op = self.part(column, part.into(), plain, json);
        self.step(op)
    }

    /// A step of the dynamic core.
    pub fn op(self, op: Op) -> Self {
        self.step(Ok(op))
    }

    /// Makes the edit: durable when the future is ready, pending until the server rules. Not
    /// cancelled by dropping the future.
    ///
    /// # Errors
    /// The gate refuses it, the record is not here, or a step does not fit its column: nothing is
    /// stored.
    pub async fn commit(self) -> Result<Receipt, EditError> {
        let replica = self.replica.clone();
        replica.commit(vec![self.draft()?]).await
    }

    pub(super) fn draft(self) -> Result<Draft, EditError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let intent = match self.seen {
            Some(seen) => Intent::OpsOn(seen, self.ops),
            None => Intent::Ops(self.ops),
        };
        Ok(Draft { table: self.table, record: self.record, intent })
    }

    fn target(&self, name: &str) -> Result<Target, EditError> {
        let table = self.schema.table(self.table.as_str());
        let table = table.ok_or_else(|| EditError::NoSuchTable(self.table.clone()))?;
        if let Some(column) = table.column(name) {
            let json = (column.column_type == ColumnType::Json).then(String::new);
            return Ok(Target { column: column.id.clone(), json });
        }
        let open = table
            .open_column()
            .ok_or_else(|| malformed(format!("table `{}` has no column `{name}`", self.table)))?;
        Ok(Target { column: open.id.clone(), json: Some(json_path("", name)) })
    }

    /// A column that is not JSON.
    fn plain(&self, name: &str) -> Result<ColumnName, EditError> {
        let target = self.target(name)?;
        match target.json {
            None => Ok(target.column),
            Some(_) => Err(malformed(format!("`{name}` is JSON: it can be set, and its entries"))),
        }
    }

    fn part(
        &self,
        name: &str,
        part: Part,
        plain: impl FnOnce(ColumnName, Part) -> Result<Op, EditError>,
        json: impl FnOnce(ColumnName, String) -> Result<Op, EditError>,
    ) -> Result<Op, EditError> {
        let Target { column, json: above } = self.target(name)?;
        match (above, part) {
            (None, part) => plain(column, part),
            (Some(above), Part::Key(pointer)) if pointer.starts_with('/') => {
                json(column, above + &pointer)
            }
            (Some(above), Part::Key(name)) => json(column, json_path(&above, &name)),
            (Some(_), Part::Place(_)) => {
                Err(malformed(format!("`{name}` is JSON: a list in it is set as a whole")))
            }
        }
    }

    fn step(mut self, op: Result<Op, EditError>) -> Self {
        match op {
            Ok(op) => self.ops.push(op),
            Err(error) => {
                self.error.get_or_insert(error);
            }
        }
        self
    }
}

/// What a step is about.
struct Target {
    column: ColumnName,
    /// The JSON pointer of what is meant in it, where the column is JSON.
    json: Option<String>,
}

/// An entry of JSON, with all that is in it; null takes it away.
fn json_op(column: ColumnName, path: String, value: &impl Serialize) -> Result<Op, EditError> {
    let value = serde_json::to_value(value).map_err(|error| malformed(error.to_string()))?;
    if value.is_null() {
        return Ok(Op::JsonRemove { column, path });
    }
    Ok(Op::JsonPut { column, path, leaf: value.to_string() })
}

fn place(index: usize) -> Result<u32, EditError> {
    u32::try_from(index).map_err(|_| malformed(format!("there is no place {index}")))
}

fn malformed(detail: impl Into<String>) -> EditError {
    EditError::Denied(Denial::malformed(detail.into()))
}
