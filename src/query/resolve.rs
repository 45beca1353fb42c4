//! Columns by their names, also those of looked-up records: which row they are of, and what they hold.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Cell, FilterFault};
use crate::limits::FILTER_LOOKUPS_MAX;
use crate::model::{
    Column, ColumnName, ColumnType, Columns, Header, RecordId, Schema, SystemTable, Table,
    TableName, Value,
};

/// What of a row is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Field {
    /// The record's id.
    Id,
    /// The owner, as `user:ID` or `team:ID`.
    Owner,
    /// The owner's business unit.
    BusinessUnit,
    /// A column of the schema.
    Column(ColumnName),
}

impl Field {
    /// What a record with this header and these values holds in it.
    #[must_use]
    pub fn of<'r>(&self, id: RecordId, header: &Header, columns: &'r Columns) -> Cell<'r> {
        let text = |text: String| Value::Text(text.into());
        let owner = header.owner.as_ref();
        Cell::Known(match self {
            Self::Id => Cow::Owned(Value::Lookup(id)),
            Self::Owner => Cow::Owned(owner.map_or(Value::Null, |(it, _)| text(it.to_string()))),
            Self::BusinessUnit => {
                Cow::Owned(owner.map_or(Value::Null, |(_, unit)| text(unit.to_string())))
            }
            Self::Column(column) => Cow::Borrowed(columns.get(column).unwrap_or(&Value::Null)),
        })
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id => f.write_str("id"),
            Self::Owner => f.write_str("owner"),
            Self::BusinessUnit => f.write_str("business_unit"),
            Self::Column(column) => column.fmt(f),
        }
    }
}

/// A column of a row, or of one that is looked up from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// Which of [`super::Query::sources`] the row is; 0: the row itself.
    pub source: usize,
    /// What of that row.
    pub field: Field,
    /// What it holds.
    pub(super) column: Arc<Column>,
}

impl Reference {
    pub(super) fn column_type(&self) -> ColumnType {
        self.column.column_type
    }

    /// Its name, for people.
    pub(super) fn name(&self) -> String {
        self.column.id.to_string()
    }
}

/// A row that a query reads: the table's own, or one that is looked up from another source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Source {
    /// Its table.
    pub table: TableName,
    /// The source and what of it looks it up; `None`: it is the table's own row. An owner is a user or a
    /// team: of a team it is the row of the table `team` instead.
    pub from: Option<(usize, Field)>,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.from {
            Some((_, field)) => write!(f, "`{}` by `{field}`", self.table),
            None => write!(f, "`{}`", self.table),
        }
    }
}

/// A column of a source with the lookups before it, as a filter names it.
pub(super) fn path(sources: &[Source], source: usize, field: &Field) -> String {
    let mut path = field.to_string();
    let mut source = source;
    while let Some(Source { from: Some((from, lookup)), .. }) = sources.get(source) {
        path = format!("{lookup}.{path}");
        source = *from;
    }
    path
}

/// Finds columns, and notes which rows they are of.
pub(super) struct Resolver<'a> {
    schema: &'a Schema,
    sources: Vec<(Source, &'a Table)>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(schema: &'a Schema, table: &'a Table) -> Self {
        Self { schema, sources: vec![(Source { table: table.id.clone(), from: None }, table)] }
    }

    pub(super) fn schema(&self) -> &'a Schema {
        self.schema
    }

    pub(super) fn into_sources(self) -> Vec<Source> {
        self.sources.into_iter().map(|(source, _)| source).collect()
    }

    /// The column that such a path names: lookups, and a column of what is looked up. With which part
    /// of the path is wrong.
    pub(super) fn find(&mut self, path: &[&str]) -> Result<Reference, (usize, FilterFault)> {
        let (mut source, mut rest) = (0, path);
        while let Some((name, behind)) = rest.split_first() {
            let at = path.len() - rest.len();
            let Some((_, table)) = self.sources.get(source) else { break };
            let table = *table;
            let (field, column) = field(table, name).map_err(|fault| (at, fault))?;
            if behind.is_empty() {
                return Ok(Reference { source, field, column });
            }
            source = self.follow(source, table, &field, &column).map_err(|fault| (at, fault))?;
            rest = behind;
        }
        Err((0, FilterFault::NoCondition))
    }

    /// The source that a lookup of another one leads to.
    fn follow(
        &mut self,
        source: usize,
        table: &Table,
        field: &Field,
        column: &Column,
    ) -> Result<usize, FilterFault> {
        let system = |tables: &[SystemTable]| {
            tables.iter().find_map(|system| self.schema.table(system.as_str()))
        };
        let target = match field {
            // An id looks up nothing but itself.
            Field::Id => None,
            Field::Owner => system(&[SystemTable::User, SystemTable::Team]),
            Field::BusinessUnit => system(&[SystemTable::BusinessUnit]),
            Field::Column(_) => {
                column.lookup.as_ref().and_then(|target| self.schema.table(target.as_str()))
            }
        };
        let Some(target) = target else {
            let (column, table) = (column.id.to_string(), table.id.clone());
            return Err(match field {
                Field::Owner => FilterFault::NoSystemTable { column, needed: "user" },
                Field::BusinessUnit => {
                    FilterFault::NoSystemTable { column, needed: "business_unit" }
                }
                Field::Id | Field::Column(_) => FilterFault::NoLookup { column, table },
            });
        };
        let from = Some((source, field.clone()));
        let known = self.sources.iter().position(|(known, _)| known.from == from);
        if let Some(known) = known {
            return Ok(known);
        }
        if self.sources.len() > FILTER_LOOKUPS_MAX {
            return Err(FilterFault::TooManyLookups);
        }
        self.sources.push((Source { table: target.id.clone(), from }, target));
        Ok(self.sources.len() - 1)
    }
}

/// What every record has, without being declared. No declared column has such a name.
fn system_field(table: &Table, name: &str) -> Option<(Field, ColumnType)> {
    match name {
        "id" => Some((Field::Id, ColumnType::Lookup)),
        "owner" if table.is_user_owned() => Some((Field::Owner, ColumnType::Text)),
        "business_unit" if table.is_user_owned() => Some((Field::BusinessUnit, ColumnType::Text)),
        _ => None,
    }
}

fn field(table: &Table, name: &str) -> Result<(Field, Arc<Column>), FilterFault> {
    if let Some(column) = table.column(name) {
        return Ok((Field::Column(column.id.clone()), Arc::new(column.clone())));
    }
    let found = system_field(table, name).zip(ColumnName::new(name).ok());
    let Some(((field, column_type), id)) = found else {
        let system = ["id", "owner", "business_unit"];
        let system = system.into_iter().filter(|it| system_field(table, it).is_some());
        let known = system.chain(table.columns.iter().map(|column| column.id.as_str()));
        return Err(FilterFault::NoSuchColumn {
            column: name.to_owned(),
            table: table.id.clone(),
            known: known.collect::<Vec<_>>().join(", "),
        });
    };
    let lookup = (field == Field::Id).then(|| table.id.clone());
    let column = Column { lookup, ..Column::new(id, column_type) };
    Ok((field, Arc::new(column)))
}
