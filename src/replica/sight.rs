//! Which columns of a row are hidden from the user, and how a type with fields reads such a row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::de::value::MapDeserializer;
use serde::de::{Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value as Json};

use super::Row;
use crate::codec::Digest;
use crate::gate::{RecordFacts, Standing, can_read_column};
use crate::model::secured::SECURED;
use crate::model::{ColumnName, Header, Lens, Schema, TableName, Timestamp};
use crate::query::Environment;
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
}

fn source(machine: &ReplicaMachine) -> (Option<Digest>, Option<Digest>, bool) {
    let meta = machine.meta();
    (meta.schema_digest, meta.grant_digest, meta.enrolment.is_some())
}

impl Sight {
    pub(super) fn of(machine: &ReplicaMachine) -> Self {
        let mut secured: BTreeMap<TableName, Vec<ColumnName>> = BTreeMap::new();
        for table in machine.meta().schema.tables.values() {
            for column in table.columns.iter().filter(|column| column.secured) {
                secured.entry(table.id.clone()).or_default().push(column.id.clone());
            }
        }
        let schema = Arc::new(machine.meta().schema.clone());
        let lenses = schema.tables.iter().map(|(id, table)| (id.clone(), table.into())).collect();
        let (of, standing) = (source(machine), machine.standing().cloned());
        Self { of, standing, schema, secured, lenses, nothing: Lens::default() }
    }

    /// Whether the machine says the same still.
    pub(super) fn is_of(&self, machine: &ReplicaMachine) -> bool {
        self.of == source(machine)
    }

    /// The tables, as the server sent them last.
    pub(super) fn schema(&self) -> &Arc<Schema> {
        &self.schema
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
        let owner_teams = standing.owner_teams().map(|(team, _)| team);
        Environment {
            now,
            user: Some(standing.user().clone()),
            teams: owner_teams.chain(standing.access_teams()).cloned().collect(),
            business_unit: standing.business_unit().cloned(),
            business_units: standing.business_units().iter().cloned().collect(),
            reports: standing.reports().cloned().collect(),
        }
    }

    /// The secured columns of a table.
    pub(super) fn secured(&self, table: &TableName) -> &[ColumnName] {
        self.secured.get(table).map_or(&[], Vec::as_slice)
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
