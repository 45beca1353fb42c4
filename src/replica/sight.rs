//! Which columns of a row are hidden from the user, and how a type with fields reads such a row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use serde::de::value::MapDeserializer;
use serde::de::{Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value as Json};

use super::Row;
use crate::codec::Digest;
use crate::gate::{RecordFacts, Standing, can_read_column};
use crate::model::secured::SECURED;
use crate::model::{ColumnName, Header, Lens, Schema, TableName, Timestamp, View, ViewName};
use crate::query::{self, CheckedView, Environment, IndexShape, ViewError};
use crate::scope;
use crate::sync::replica::ReplicaMachine;

/// What the newest grant says of reading, apart from the machine: who reads does not wait for it.
#[derive(Debug, Default)]
pub(super) struct Sight {
    /// Of which schema and grant it is, and whether the device is enrolled.
    of: (Option<Digest>, Option<Digest>, bool),
    standing: Option<Standing>,
    schema: Arc<Schema>,
    /// The secured columns of the tables that have some.
    secured: BTreeMap<TableName, Vec<ColumnName>>,
    /// What values of each table read as.
    lenses: BTreeMap<TableName, Lens>,
    /// Of a table that is not there (any more) nothing is shown.
    nothing: Lens,
    /// Views as they are, each checked when it is first asked for.
    views: BTreeMap<ViewName, OnceLock<CheckedView>>,
}

fn source(machine: &ReplicaMachine) -> (Option<Digest>, Option<Digest>, bool) {
    let meta = machine.meta();
    (meta.schema_digest, meta.grant_digest, meta.enrolment.is_some())
}

/// The tables, as the server sent them last; and those that are not there for the user any more, as they
/// were when they were.
fn known_schema(machine: &ReplicaMachine) -> Schema {
    let (meta, standing) = (machine.meta(), machine.standing());
    let mut schema = meta.schema.clone();
    if meta.enrolment.is_none() {
        return schema;
    }
    for (id, table) in &meta.former.tables {
        let holds = standing.is_some_and(|standing| standing.holds_any(id));
        if !holds || !schema.tables.contains_key(id) {
            schema.tables.insert(id.clone(), table.clone());
        }
    }
    for (id, view) in &meta.former.views {
        schema.views.entry(id.clone()).or_insert_with(|| view.clone());
    }
    schema
}

impl Sight {
    pub(super) fn of(machine: &ReplicaMachine) -> Self {
        let mut secured: BTreeMap<TableName, Vec<ColumnName>> = BTreeMap::new();
        let schema = Arc::new(known_schema(machine));
        for table in schema.tables.values() {
            for column in table.columns.iter().filter(|column| column.secured) {
                secured.entry(table.id.clone()).or_default().push(column.id.clone());
            }
        }
        let lenses = schema.tables.iter().map(|(id, table)| (id.clone(), table.into())).collect();
        let views = schema.views.keys().map(|id| (id.clone(), OnceLock::new())).collect();
        let (of, standing) = (source(machine), machine.standing().cloned());
        Self { of, standing, schema, secured, lenses, nothing: Lens::default(), views }
    }

    /// Whether the machine says the same still.
    pub(super) fn is_of(&self, machine: &ReplicaMachine) -> bool {
        self.of == source(machine)
    }

    /// The tables, as reads know them.
    pub(super) fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// A view of the schema, checked.
    pub(super) fn view(&self, view: &View) -> Result<CheckedView, ViewError> {
        let known = self.views.get(&view.id);
        if let Some(checked) = known.and_then(OnceLock::get) {
            return Ok(checked.clone());
        }
        let checked = CheckedView::new(&self.schema, view)?;
        Ok(known.map_or(&checked, |known| known.get_or_init(|| checked.clone())).clone())
    }

    /// What values of a table read as.
    pub(super) fn lens(&self, table: &TableName) -> &Lens {
        self.lenses.get(table).unwrap_or(&self.nothing)
    }

    /// What queries can ask beside rows. Before enrolment nobody is known.
    pub(super) fn environment(&self, now: Timestamp) -> Environment {
        let Some(standing) = &self.standing else {
            return Environment { now, ..Environment::default() };
        };
        scope::environment(standing, now)
    }

    /// The secured columns of a table.
    pub(super) fn secured(&self, table: &TableName) -> &[ColumnName] {
        self.secured.get(table).map_or(&[], Vec::as_slice)
    }

    /// Whether something that an index holds may be hidden from the user.
    pub(super) fn may_hide(&self, index: &IndexShape) -> bool {
        index.sources().iter().enumerate().any(|(source, it)| {
            let secured = self.secured(&it.table);
            let is_secured = |field: &query::Field| match field {
                query::Field::Column(column) => secured.contains(column),
                _ => false,
            };
            !secured.is_empty() && index.fields(source).iter().any(is_secured)
        })
    }

    /// Those of them that the user may not read in a record with this header. Before enrolment
    /// nobody keeps anything from anyone.
    pub(super) fn hidden(&self, table: &TableName, header: &Header) -> BTreeSet<ColumnName> {
        let (.., is_enrolled) = self.of;
        let columns = self.secured(table);
        if columns.is_empty() || !is_enrolled {
            return BTreeSet::new();
        }
        let facts = RecordFacts::of_header(header);
        let is_hidden = |column: &&ColumnName| {
            let standing = self.standing.as_ref();
            !standing.is_some_and(|standing| can_read_column(standing, table, column, &facts))
        };
        columns.iter().filter(is_hidden).cloned().collect()
    }
}

/// A row for a type with these fields: what is hidden, and what of a secured column is null, is told
/// to a field that can tell them apart.
pub(super) fn of_fields(
    row: &Row,
    mut values: Map<String, Json>,
    secured: &[ColumnName],
    fields: &[&str],
) -> MapDeserializer<'static, impl Iterator<Item = (String, Field)>, serde_json::Error> {
    let mut hidden = Vec::new();
    for column in secured.iter().filter(|column| fields.contains(&column.as_str())) {
        if row.hidden.contains(column) {
            hidden.push((column.to_string(), Field::Hidden));
        } else {
            values.entry(column.as_str()).or_insert(Json::Null);
        }
    }
    let known = values.into_iter().map(|(name, value)| (name, Field::Known(value)));
    MapDeserializer::new(known.chain(hidden))
}

/// What a field of a row is read from.
pub(super) enum Field {
    Hidden,
    Known(Json),
}

impl IntoDeserializer<'_, serde_json::Error> for Field {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Field {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self {
            Self::Known(value) => value.deserialize_any(visitor),
            Self::Hidden => Err(Self::Error::custom(
                "the column is hidden from this user: the field's type must be `Secured<_>` or an \
                 `Option`",
            )),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self {
            Self::Known(value) => value.deserialize_option(visitor),
            Self::Hidden => visitor.visit_none(),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        match self {
            Self::Known(value) => value.deserialize_newtype_struct(name, visitor),
            Self::Hidden if name == SECURED => visitor.visit_none(),
            Self::Hidden => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        match self {
            Self::Known(value) => value.deserialize_enum(name, variants, visitor),
            Self::Hidden => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
