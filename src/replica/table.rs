//! Typed tables: rows as any serde type, checked against the schema.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use super::shape::fields_of;
use super::sight::of_fields;
use super::{Draft, EditBuilder, EditError, Intent, Receipt, Replica, Row};
use crate::model::{
    self, Column, ColumnName, ColumnPermissions, Columns, Denial, JsonError, OPEN_COLUMN, Owner,
    Principal, RecordId, Rights, Schema, Table, TableName, Value, json_path,
};
use crate::sync::StoreError;

/// Why a type does not fit a table, or a row not a type.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The schema has no such table.
    #[error("there is no table `{table}`; the schema has: {known}")]
    NoSuchTable {
        /// The table.
        table: String,
        /// Those there are.
        known: String,
    },
    /// The type has a field that is no column.
    #[error("`{field}` of the type is no column of table `{table}`, which has: {known}")]
    UnknownField {
        /// The field.
        field: String,
        /// The table.
        table: TableName,
        /// The columns.
        known: String,
    },
    /// The type lacks a required column.
    #[error("column `{column}` of table `{table}` is required, and the type has no field for it")]
    MissingField {
        /// The column.
        column: ColumnName,
        /// The table.
        table: TableName,
    },
    /// A row does not read as the type.
    #[error("row {row} of table `{table}` does not read as the type: {error}")]
    Row {
        /// The table.
        table: TableName,
        /// The row.
        row: RecordId,
        /// What is wrong, with the column.
        error: String,
    },
    /// The file cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A table whose rows are read and written as `T`. Cheap to clone.
pub struct TypedTable<T> {
    pub(super) replica: Replica,
    name: TableName,
    /// Where the type has a fixed set of them.
    fields: Option<&'static [&'static str]>,
    row: PhantomData<fn() -> T>,
}

impl<T> std::fmt::Debug for TypedTable<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TypedTable").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<T> Clone for TypedTable<T> {
    fn clone(&self) -> Self {
        let Self { replica, name, fields, .. } = self;
        Self { replica: replica.clone(), name: name.clone(), fields: *fields, row: PhantomData }
    }
}

fn known<T: ToString>(names: impl IntoIterator<Item = T>) -> String {
    names.into_iter().map(|name| name.to_string()).collect::<Vec<_>>().join(", ")
}

/// The table of this name.
pub(super) fn declared<'a>(schema: &'a Schema, name: &str) -> Result<&'a Table, TableError> {
    schema.table(name).ok_or_else(|| {
        let (table, known) = (name.to_owned(), known(schema.tables.keys()));
        TableError::NoSuchTable { table, known }
    })
}

impl Replica {
    /// A table whose rows are read and written as `T`: a struct whose fields are named like the
    /// table's columns. Fields for optional columns are `Option`s or have a serde default; those for
    /// secured columns are [`Secured`](crate::model::Secured), or `Option`s, for which hidden is
    /// `None`.
    ///
    /// # Errors
    /// The schema has no such table, or the type does not fit it.
    pub fn table<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<TypedTable<T>, TableError> {
        let schema = self.known_schema();
        let table = declared(&schema, name)?;
        // A type without fixed fields, such as a map, is checked value by value.
        let fields = fields_of::<T>();
        if let Some(fields) = fields {
            check_fields(table, fields)?;
        }
        let (replica, name) = (self.clone(), table.id.clone());
        Ok(TypedTable { replica, name, fields, row: PhantomData })
    }
}

fn check_fields(table: &Table, fields: &[&str]) -> Result<(), TableError> {
    let is_column = |field: &&&str| table.open || table.column(field).is_some();
    if let Some(field) = fields.iter().find(|field| !is_column(field)) {
        return Err(TableError::UnknownField {
            field: (*field).to_owned(),
            table: table.id.clone(),
            known: known(table.columns.iter().map(|column| &column.id)),
        });
    }
    let required =
        table.columns.iter().filter(|column| column.required && column.default.is_none());
    match required.into_iter().find(|column| !fields.contains(&column.id.as_str())) {
        Some(column) => {
            let (column, table) = (column.id.clone(), table.id.clone());
            Err(TableError::MissingField { column, table })
        }
        None => Ok(()),
    }
}

fn malformed(detail: impl std::fmt::Display) -> EditError {
    EditError::Denied(Denial::malformed(detail.to_string()))
}

/// Reads one value that an app gives for a column.
pub(super) fn column_value(
    schema: &Schema,
    table: &TableName,
    column: &str,
    value: &impl Serialize,
) -> Result<(ColumnName, Value), EditError> {
    let declared = schema.table(table.as_str());
    let declared = declared.ok_or_else(|| EditError::NoSuchTable(table.clone()))?;
    let found = declared.column(column);
    let found =
        found.ok_or_else(|| malformed(format!("table `{table}` has no column `{column}`")))?;
    let json = serde_json::to_value(value).map_err(malformed)?;
    let value = found.parse_json(schema, &json).map_err(malformed)?;
    Ok((found.id.clone(), value))
}

/// Reads one item of a list or map that an app gives.
pub(super) fn item_value(column: &ColumnName, value: &impl Serialize) -> Result<Value, EditError> {
    let json = serde_json::to_value(value).map_err(malformed)?;
    let no_item = || malformed(format!("column `{column}`: a list or map cannot hold {json}"));
    Value::item_of_json(&json).ok_or_else(no_item)
}

/// Reads a whole row that an app gives. What is no column of an open table is an entry of its own; of
/// a column that was removed meanwhile an older program may say that there is nothing.
pub(super) fn row_columns(
    schema: &Schema,
    table: &TableName,
    row: &impl Serialize,
) -> Result<Columns, EditError> {
    let declared = schema.table(table.as_str());
    let declared = declared.ok_or_else(|| EditError::NoSuchTable(table.clone()))?;
    let (mut columns, mut others) = (Columns::new(), Map::new());
    match serde_json::to_value(row).map_err(malformed)? {
        Json::Object(fields) => {
            for (name, json) in fields {
                if declared.open && declared.column(&name).is_none() {
                    others.extend((!json.is_null()).then_some((name, json)));
                } else if declared.column(&name).is_some() || !json.is_null() {
                    columns.extend([column_value(schema, table, &name, &json)?]);
                }
            }
        }
        other => {
            return Err(malformed(format!("a row is an object with named fields, not {other}")));
        }
    }
    if let Some(open) = declared.open_column().filter(|_| !others.is_empty()) {
        add_entries(&mut columns, open, others).map_err(malformed)?;
    }
    Ok(columns)
}

/// Puts entries into the column of an open table that holds what no other column declares.
pub(super) fn add_entries(
    columns: &mut Columns,
    open: &Column,
    entries: Map<String, Json>,
) -> Result<(), JsonError> {
    let mut json = match columns.remove(&open.id) {
        Some(Value::Json(json)) => json,
        _ => model::Json::default(),
    };
    for (name, value) in entries {
        json = json.with(&json_path("", &name), &value)?;
    }
    columns.insert(open.id.clone(), Value::Json(json));
    Ok(())
}

/// A row's values by name, those that no column of an open table declares among them.
pub(super) fn row_fields(row: &Row) -> Map<String, Json> {
    let (mut fields, mut declared) = (Map::new(), Map::new());
    for (column, value) in &row.columns {
        match value.to_json() {
            Json::Object(entries) if column.as_str() == OPEN_COLUMN => fields = entries,
            json => declared.extend([(column.to_string(), json)]),
        }
    }
    fields.extend(declared);
    fields
}

/// What is no name is no column either.
pub(super) fn column_name(column: &str) -> Result<ColumnName, EditError> {
    column.parse().map_err(|error| malformed(format!("`{column}`: {error}")))
}

impl<T: Serialize + DeserializeOwned> TypedTable<T> {
    /// The table's name.
    #[must_use]
    pub fn name(&self) -> &TableName {
        &self.name
    }

    pub(super) fn insert_draft(&self, row: &T, owner: Option<Owner>) -> Result<Draft, EditError> {
        let columns = row_columns(&self.replica.known_schema(), &self.name, row)?;
        let record = self.replica.new_id(&self.name, &columns)?;
        let intent = Intent::Create { owner, columns };
        Ok(Draft { table: self.name.clone(), record, intent })
    }

    /// Makes a new record; its id is [`Receipt::id`]. Durable when the future is ready, pending
    /// until the server rules. Not cancelled by dropping the future.
    ///
    /// # Errors
    /// The gate refuses it, or the row does not fit the table: nothing is stored.
    pub async fn insert(&self, row: &T) -> Result<Receipt, EditError> {
        self.replica.commit(vec![self.insert_draft(row, None)?]).await
    }

    /// The row of this id; `None` where there is none on this device.
    ///
    /// # Errors
    /// The file cannot be read, or the row does not read as the type.
    pub fn get(&self, id: RecordId) -> Result<Option<T>, TableError> {
        self.replica.get(&self.name, id)?.map(|row| self.read(&row)).transpose()
    }

    /// All rows, with their ids, in the order of these. To go through a large table in parts, use
    /// [`Replica::list`].
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn rows(&self) -> Result<Vec<(RecordId, T)>, TableError> {
        self.find(&[])
    }

    /// The rows whose columns hold all these values.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn find(&self, equal: &[(ColumnName, Value)]) -> Result<Vec<(RecordId, T)>, TableError> {
        let rows = self.replica.find(&self.name, equal, None, usize::MAX)?;
        rows.iter().map(|row| Ok((row.id, self.read(row)?))).collect()
    }

    /// Begins an edit of one record; nothing happens before [`EditBuilder::commit`].
    pub fn edit(&self, id: RecordId) -> EditBuilder {
        self.replica.edit(&self.name, id)
    }

    /// Deletes a record. It can be undeleted.
    ///
    /// # Errors
    /// The gate refuses it, or the record is not here.
    pub async fn delete(&self, id: RecordId) -> Result<Receipt, EditError> {
        self.replica.delete(&self.name, id).await
    }

    /// Brings a deleted record back, with the values that it had.
    ///
    /// # Errors
    /// The gate refuses it, or the record was never here.
    pub async fn undelete(&self, id: RecordId) -> Result<Receipt, EditError> {
        self.replica.undelete(&self.name, id).await
    }

    /// Gives a record another owner.
    ///
    /// # Errors
    /// The gate refuses it, the record is not here, or the device does not know the owner.
    pub async fn assign(&self, id: RecordId, to: Owner) -> Result<Receipt, EditError> {
        self.replica.assign(&self.name, id, to).await
    }

    /// Shares a record: says what a principal may do with it, in place of what it could.
    ///
    /// # Errors
    /// The gate refuses it, or the record is not here.
    pub async fn share(
        &self,
        id: RecordId,
        to: Principal,
        rights: Rights,
    ) -> Result<Receipt, EditError> {
        self.replica.share(&self.name, id, to, rights).await
    }

    /// Ends the share of a record with a principal.
    ///
    /// # Errors
    /// The gate refuses it, or the record is not here.
    pub async fn unshare(&self, id: RecordId, to: Principal) -> Result<Receipt, EditError> {
        self.replica.unshare(&self.name, id, to).await
    }

    /// Shares a secured column of a record; no permissions end it.
    ///
    /// # Errors
    /// The gate refuses it, the record is not here, or there is no such column.
    pub async fn share_column(
        &self,
        id: RecordId,
        column: &str,
        to: Principal,
        permissions: ColumnPermissions,
    ) -> Result<Receipt, EditError> {
        let column = column_name(column)?;
        self.replica.share_column(&self.name, id, column, to, permissions).await
    }

    /// The row of this id as the server has confirmed it; `None` where it has confirmed none.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn get_confirmed(&self, id: RecordId) -> Result<Option<T>, TableError> {
        self.replica.get_confirmed(&self.name, id)?.map(|row| self.read(&row)).transpose()
    }

    pub(super) fn read(&self, row: &Row) -> Result<T, TableError> {
        let values = row_fields(row);
        let sight = self.replica.shared.sight();
        let secured = sight.secured(&self.name);
        let read = match self.fields {
            Some(fields) if !secured.is_empty() => {
                serde_path_to_error::deserialize(of_fields(row, values, secured, fields))
            }
            _ => serde_path_to_error::deserialize(Json::Object(values)),
        };
        read.map_err(|error| {
            let (table, row, error) = (self.name.clone(), row.id, error.to_string());
            TableError::Row { table, row, error }
        })
    }
}
