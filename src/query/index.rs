//! What an index holds of a row.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::index_key::{NULL, write_cell};
use super::resolve::Resolver;
use super::row::Cell;
use super::{Field, Reference, Source};
use crate::model::{Column, ColumnName, ColumnType, Index, Schema, Table, TableName, Value};

/// An index, resolved against a schema: two that are equal hold the same of the same rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IndexShape {
    sources: Vec<Source>,
    columns: Vec<IndexColumn>,
}

/// A column of an index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct IndexColumn {
    pub(super) source: usize,
    pub(super) field: Field,
    pub(super) column_type: ColumnType,
    /// What the key has of a row in which nothing is there.
    pub(super) nothing: Vec<u8>,
}

impl IndexShape {
    /// How a declared index reads rows; `None`: the schema does not have what it names.
    #[must_use]
    pub fn new(schema: &Schema, table: &Table, index: &Index) -> Option<Self> {
        let mut resolver = Resolver::new(schema, table);
        let columns = index.columns.iter().map(|path| {
            let names: Vec<_> = path.names().iter().map(ColumnName::as_str).collect();
            let found = resolver.find(&names).ok()?;
            let (column_type, nothing) = (found.column_type(), nothing(&found.column));
            // Whether nothing is there, or nothing is looked up, is not told apart.
            if found.source > 0 && found.column.default.is_some() {
                return None;
            }
            let Reference { source, field, .. } = found;
            Some(IndexColumn { source, field, column_type, nothing })
        });
        let columns = columns.collect::<Option<_>>()?;
        let sources = resolver.into_sources();
        // Whose row an owner is, is not followed.
        let is_followed = |it: &Source| {
            it.from.as_ref().is_none_or(|(_, field)| matches!(field, Field::Column(_)))
        };
        sources.iter().all(is_followed).then_some(Self { sources, columns })
    }

    /// The indexes that tell which rows look up a record: this one follows changes of looked-up
    /// records by them.
    pub fn followed_by(&self) -> impl Iterator<Item = Self> {
        let lookups = self.sources.iter().filter_map(|it| it.from.as_ref());
        lookups.filter_map(|(from, field)| {
            let (table, field) = (self.sources.get(*from)?.table.clone(), field.clone());
            let (column_type, nothing) = (ColumnType::Lookup, vec![NULL]);
            let column = IndexColumn { source: 0, field, column_type, nothing };
            Some(Self { sources: vec![Source { table, from: None }], columns: vec![column] })
        })
    }

    /// The table whose rows it holds.
    #[must_use]
    pub fn table(&self) -> Option<&TableName> {
        self.sources.first().map(|source| &source.table)
    }

    /// The rows that it reads: first that of the table, then those that are looked up from it.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    pub(super) fn columns(&self) -> &[IndexColumn] {
        &self.columns
    }

    /// What it reads of the rows of a source.
    #[must_use]
    pub fn fields(&self, source: usize) -> BTreeSet<Field> {
        let own = self.columns.iter().filter(|column| column.source == source);
        let lookups = self.sources.iter().filter_map(|it| it.from.as_ref());
        let lookups = lookups.filter(|(from, _)| *from == source);
        let lookups = lookups.map(|(_, field)| field.clone());
        own.map(|column| column.field.clone()).chain(lookups).collect()
    }

    /// The key of a row of which `cell` says what a column holds.
    ///
    /// # Errors
    /// Those of `cell`.
    pub fn key<'r, E>(
        &self,
        mut cell: impl FnMut(usize, &Field) -> Result<Cell<'r>, E>,
    ) -> Result<Vec<u8>, E> {
        // With room for what the store puts around it.
        let mut key = Vec::with_capacity(64);
        for IndexColumn { source, field, column_type, nothing } in &self.columns {
            let mut cell = cell(*source, field)?;
            if let Cell::Known(value) = &mut cell {
                match value.column_type() {
                    None => {
                        key.extend(nothing);
                        continue;
                    }
                    // From a time when the column had another type.
                    Some(held) if held != *column_type => {
                        *value = Cow::Owned(value.converted(*column_type).unwrap_or_default());
                    }
                    Some(_) => {}
                }
            }
            write_cell(&cell, *column_type, &mut key);
        }
        Ok(key)
    }
}

/// What a key has where a column holds nothing: it reads as its default.
fn nothing(column: &Column) -> Vec<u8> {
    let mut key = Vec::new();
    let default = column.default.as_ref().unwrap_or(&Value::Null);
    write_cell(&Cell::Known(Cow::Borrowed(default)), column.column_type, &mut key);
    key
}

/// Its columns, as a filter names them.
impl fmt::Display for IndexShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, column) in self.columns.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            f.write_str(&super::resolve::path(&self.sources, column.source, &column.field))?;
        }
        Ok(())
    }
}
