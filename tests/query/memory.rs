//! Rows in memory.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, LazyLock};

use serde_json::{Value as Json, json};
use tidegate::model::{RecordId, Schema, Value};
use tidegate::query::{Cell, Environment, Field, Parameters, Query, Reference, Row, Source};

const TEXT: &str = r#"
[[table]]
id = "territory"
ownership = "organization_owned"
key = ["number"]
columns = [
  { id = "number", type = "integer", required = true },
  { id = "region", type = "lookup", table = "region" },
]
[[table]]
id = "region"
ownership = "organization_owned"
columns = [{ id = "name", type = "text" }]
[[table]]
id = "customer"
ownership = "user_owned"
columns = [
  { id = "name", type = "text" },
  { id = "territory", type = "lookup", table = "territory" },
]
[[table]]
id = "order"
ownership = "user_owned"
columns = [
  { id = "title", type = "text" },
  { id = "status", type = "choice", choices = ["open", "done"] },
  { id = "amount", type = "decimal" },
  { id = "pieces", type = "integer" },
  { id = "weight", type = "float" },
  { id = "visits", type = "counter" },
  { id = "urgent", type = "boolean" },
  { id = "due", type = "timestamp" },
  { id = "day", type = "date" },
  { id = "notes", type = "rich_text" },
  { id = "seal", type = "bytes" },
  { id = "parts", type = "list" },
  { id = "pay", type = "integer", secured = true },
  { id = "customer", type = "lookup", table = "customer" },
]
"#;

pub(crate) fn schema() -> &'static Arc<Schema> {
    static SCHEMA: LazyLock<Arc<Schema>> =
        LazyLock::new(|| tidegate::read_schema(TEXT, "schema.toml").unwrap().into());
    &SCHEMA
}

/// A row with those that it looks up, by the lookups' names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    pub(crate) cells: BTreeMap<String, Cell<'static>>,
    pub(crate) looked_up: BTreeMap<String, Record>,
}

pub(crate) fn known(value: Value) -> Cell<'static> {
    Cell::Known(Cow::Owned(value))
}

impl Record {
    /// An order with these values, in JSON.
    pub(crate) fn order(columns: &Json) -> Self {
        Self::of("order", columns)
    }

    pub(crate) fn of(table: &str, columns: &Json) -> Self {
        let schema = schema();
        let declared = schema.table(table).unwrap();
        let cell = |(name, json): (&String, &Json)| {
            let value = match declared.column(name) {
                Some(column) => column.parse_json(schema, json).unwrap(),
                None if name == "id" => Value::Lookup(json.as_str().unwrap().parse().unwrap()),
                None => Value::Text(json.as_str().unwrap().into()),
            };
            (name.clone(), known(value))
        };
        let cells = columns.as_object().unwrap().iter().map(cell).collect();
        Self { cells, looked_up: BTreeMap::new() }
    }

    pub(crate) fn hiding(mut self, column: &str) -> Self {
        self.cells.insert(column.to_owned(), Cell::Hidden);
        self
    }

    pub(crate) fn with(mut self, lookup: &str, record: Self) -> Self {
        let some = Value::Lookup(RecordId::from_bytes([7; 16]));
        self.cells.insert(lookup.to_owned(), known(some));
        self.looked_up.insert(lookup.to_owned(), record);
        self
    }

    fn cell(&self, name: &str) -> Cell<'static> {
        self.cells.get(name).cloned().unwrap_or_else(|| known(Value::Null))
    }
}

struct Joined<'a> {
    record: &'a Record,
    sources: &'a [Source],
}

impl Joined<'_> {
    /// The record of a source; else what all its columns say.
    fn reach(&self, source: usize) -> Result<&Record, Cell<'static>> {
        let Some((from, column)) = &self.sources[source].from else { return Ok(self.record) };
        let from = self.reach(*from)?;
        let column = column.to_string();
        match from.cell(&column) {
            Cell::Known(value) if !value.is_null() => {
                from.looked_up.get(&column).ok_or(Cell::Hidden)
            }
            nothing => Err(nothing),
        }
    }
}

impl Row for Joined<'_> {
    type Error = Infallible;

    fn cell(&mut self, reference: &Reference) -> Result<Cell<'_>, Infallible> {
        let name = match &reference.field {
            Field::Id => "id",
            Field::Owner => "owner",
            Field::BusinessUnit => "business_unit",
            Field::Column(column) => column.as_str(),
        };
        Ok(self.reach(reference.source).map_or_else(|nothing| nothing, |record| record.cell(name)))
    }
}

pub(crate) fn order_query(filter: &str) -> Result<Query, tidegate::query::FilterError> {
    let schema = schema();
    Query::new(schema, schema.table("order").unwrap(), Some(filter), &[])
}

pub(crate) fn ask_with(
    filter: &str,
    parameters: &Json,
    environment: &Environment,
    record: &Record,
) -> Option<bool> {
    let query = order_query(filter).unwrap_or_else(|error| panic!("{filter}\n{error}"));
    let parameters: Parameters = parameters.as_object().unwrap().clone().into_iter().collect();
    let bound = query.bind(&parameters, environment).unwrap_or_else(|it| panic!("{filter}: {it}"));
    let Ok(truth) = bound.test(&mut Joined { record, sources: bound.sources() });
    truth
}

/// What the filter says of the record.
pub(crate) fn ask(filter: &str, record: &Record) -> Option<bool> {
    ask_with(filter, &json!({}), &Environment::default(), record)
}
