//! Whether the records that are there fit a schema that is to be put in force.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use crate::gate::Confirmed;
use crate::limits::SCHEMA_MISFITS_SHOWN_MAX;
use crate::model::{Column, ColumnName, MisfitError, RecordId, Schema, Table, TableName, Value};
use crate::sync::{ServerStore, StoreError};

/// What is in the way of a schema: the records of one table, and mostly one column, that do not fit it
/// in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaMisfit {
    /// The table.
    pub table: TableName,
    /// The column; `None`: it is the table as a whole.
    pub column: Option<ColumnName>,
    /// What is wrong, of the first of them.
    pub why: String,
    /// How many records do not fit so.
    pub records: u64,
    /// The first of them.
    pub examples: Vec<RecordId>,
}

impl fmt::Display for SchemaMisfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, why, records, examples, .. } = self;
        let examples: Vec<_> = examples.iter().map(ToString::to_string).collect();
        let more = if *records > examples.len() as u64 { ", ..." } else { "" };
        let s = if *records == 1 { "" } else { "s" };
        let examples = examples.join(", ");
        write!(f, "{records} record{s} of `{table}` ({examples}{more}): {why}")
    }
}

/// What is to be looked at in the records of a table.
struct Looks<'a> {
    table: &'a Table,
    columns: Vec<&'a Column>,
    /// How their ids must follow from the key, if at all.
    key: Option<Key>,
    /// Whether they must have an owner, or none.
    ownership: bool,
    /// Whether columns may lie in other sections than where the schema has them.
    sections: bool,
}

/// The key of a table, beside the one before.
#[derive(Clone, Copy, PartialEq)]
enum Key {
    /// It is of other columns.
    Other,
    /// Its values are written otherwise.
    Rewritten,
}

impl<'a> Looks<'a> {
    fn new(old: Option<&Table>, new: &'a Table) -> Self {
        let before = |column: &Column| old.and_then(|old| old.column(column.id.as_str()));
        let is_other = |column: &&'a Column| {
            before(column).is_none_or(|before| {
                before.column_type != column.column_type
                    || before.lookup != column.lookup
                    || before.choices.iter().any(|choice| !column.choices.contains(choice))
                    || needs_value(column) && !needs_value(before)
            })
        };
        let columns: Vec<_> = new.columns.iter().filter(is_other).collect();
        let moves = |column: &Column| {
            before(column).is_none_or(|before| before.section() != column.section())
        };
        let is_key = |column: &Column| new.key.contains(&column.id);
        let key = match old {
            // Of a table that comes back nobody knows what its key was.
            None => None,
            Some(_) if new.key.is_empty() => None,
            Some(old) if old.key != new.key => Some(Key::Other),
            Some(_) => columns.iter().any(|it| is_key(it)).then_some(Key::Rewritten),
        };
        Self {
            table: new,
            key,
            ownership: old.is_none_or(|old| old.ownership != new.ownership),
            sections: new.columns.iter().any(moves),
            columns,
        }
    }

    /// Whether a record's id follows from its key columns as they read now, or did not before either.
    fn follows_key(&self, confirmed: &Confirmed) -> bool {
        let record = confirmed.record();
        let held = |id: &ColumnName| record.columns().get(id).unwrap_or(&Value::Null);
        let read = |id: &ColumnName| {
            let declared = self.table.column(id.as_str());
            let read = declared.and_then(|declared| declared.read(held(id)).ok());
            read.map_or(Value::Null, Cow::into_owned)
        };
        let id_of = |key: Vec<Value>| RecordId::from_key(record.table(), &key);
        let key = &self.table.key;
        id_of(key.iter().map(read).collect()) == record.id()
            || self.key == Some(Key::Rewritten)
                && id_of(key.iter().map(held).cloned().collect()) != record.id()
    }

    fn is_empty(&self) -> bool {
        self.columns.is_empty() && self.key.is_none() && !self.ownership && !self.sections
    }
}

fn needs_value(column: &Column) -> bool {
    column.required && column.default.is_none()
}

/// Looks at records, each of which must fit.
pub(super) struct Fit<'a> {
    tables: BTreeMap<&'a TableName, Looks<'a>>,
    misfits: BTreeMap<(TableName, Option<ColumnName>), SchemaMisfit>,
}

impl<'a> Fit<'a> {
    /// What is to be looked at where `new` takes the place of `old`; all, where that is not known.
    pub(super) fn new(old: Option<&Schema>, new: &'a Schema) -> Self {
        let looks = |(id, table): (&'a TableName, &'a Table)| {
            (id, Looks::new(old.and_then(|old| old.tables.get(id)), table))
        };
        let tables = new.tables.iter().map(looks).filter(|(_, looks)| !looks.is_empty()).collect();
        Self { tables, misfits: BTreeMap::new() }
    }

    /// Whether no record need be looked at.
    pub(super) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Whether columns of a table may have to move to other sections.
    pub(super) fn moves(&self, table: &TableName) -> bool {
        self.tables.get(table).is_some_and(|looks| looks.sections)
    }

    /// Looks at a record.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) fn look<S: ServerStore>(
        &mut self,
        store: &S,
        confirmed: &Confirmed,
    ) -> Result<(), StoreError> {
        let record = confirmed.record();
        let Some(looks) = self.tables.get(record.table()) else { return Ok(()) };
        let mut found = Vec::new();
        for column in &looks.columns {
            let value = record.columns().get(&column.id).unwrap_or(&Value::Null);
            let is_needed = !value.is_null() || (needs_value(column) && record.is_active());
            let misfit = if is_needed { self::misfit(store, column, value)? } else { None };
            found.extend(misfit.map(|why| (Some(column.id.clone()), why)));
        }
        let is_owned = record.header().owner.is_some();
        if looks.ownership && is_owned != looks.table.is_user_owned() {
            let why = "the ownership of a table stays as it is while it has records";
            found.push((None, why.to_owned()));
        }
        if looks.key.is_some() && found.is_empty() && !looks.follows_key(confirmed) {
            let why = "their ids do not follow from the key columns: the key, and how its values are \
                       written, stay as they are while the table has records";
            found.push((None, why.to_owned()));
        }
        for (column, why) in found {
            self.note((record.table(), column), why, record.id());
        }
        Ok(())
    }

    fn note(&mut self, of: (&TableName, Option<ColumnName>), why: String, record: RecordId) {
        let (table, column) = (of.0.clone(), of.1);
        let new = SchemaMisfit {
            table: table.clone(),
            column: column.clone(),
            why,
            records: 0,
            examples: Vec::new(),
        };
        let misfit = self.misfits.entry((table, column)).or_insert(new);
        misfit.records += 1;
        if misfit.examples.len() < SCHEMA_MISFITS_SHOWN_MAX {
            misfit.examples.push(record);
        }
    }

    /// What does not fit.
    pub(super) fn finish(self) -> Vec<SchemaMisfit> {
        self.misfits.into_values().collect()
    }
}

/// Why a value is none for the column.
fn misfit<S: ServerStore>(
    store: &S,
    column: &Column,
    value: &Value,
) -> Result<Option<String>, StoreError> {
    match column.read(value) {
        Err(MisfitError::Required(column)) => {
            let why = format!("column `{column}` has no value there, and is required");
            return Ok(Some(format!("{why}: give it a `default`, or set the values first")));
        }
        // What is as it was was admitted once, whatever the bounds are now.
        Err(
            misfit @ (MisfitError::Type { .. }
            | MisfitError::Loss { .. }
            | MisfitError::Choice { .. }),
        ) => {
            return Ok(Some(misfit.to_string()));
        }
        Ok(_) | Err(_) => {}
    }
    let (Value::Lookup(id), Some(target)) = (value, &column.lookup) else { return Ok(None) };
    let found = store.record(*id)?;
    let elsewhere = found.filter(|found| found.record().table() != target);
    Ok(elsewhere.map(|found| {
        let table = found.record().table();
        format!("column `{}` looks up `{table}` there, and is to look up `{target}`", column.id)
    }))
}
