//! The schema document: the tables that an app works with, and its views.

use std::collections::{BTreeMap, BTreeSet};

use crate::limits::{CHOICES_MAX, COLUMNS_MAX, TABLES_MAX};
use crate::model::{
    Column, ColumnName, ColumnType, OPEN_COLUMN, Schema, SystemTable, Table, TableName, Value,
};

use super::check::RESERVED_COLUMNS;
use super::document::{Format, Tree, parse};
use super::policy_document::read_ownership;
use super::reader::{Declared, Field, Object, Read, mistake};
use super::schema_indexes::read_indexes;
use super::view_document::read_views;
use super::{DocumentError, Fault, Noun};

const COLUMN_KEYS: [&str; 9] =
    ["id", "name", "type", "required", "default", "secured", "group", "choices", "table"];

const TABLE_KEYS: [&str; 7] = ["id", "name", "ownership", "open", "key", "indexes", "columns"];

const TYPES: [(&str, ColumnType); 15] = [
    ("text", ColumnType::Text),
    ("integer", ColumnType::Integer),
    ("decimal", ColumnType::Decimal),
    ("float", ColumnType::Float),
    ("boolean", ColumnType::Boolean),
    ("timestamp", ColumnType::Timestamp),
    ("date", ColumnType::Date),
    ("choice", ColumnType::Choice),
    ("lookup", ColumnType::Lookup),
    ("bytes", ColumnType::Bytes),
    ("rich_text", ColumnType::RichText),
    ("counter", ColumnType::Counter),
    ("list", ColumnType::List),
    ("map", ColumnType::Map),
    ("json", ColumnType::Json),
];

/// Reads and checks a schema document; whether it is JSON is told by the file's name.
///
/// # Errors
/// The first thing wrong, with its place.
pub fn read_schema(text: &str, file: &str) -> Result<Schema, DocumentError> {
    read_schema_as(Format::of_file(file), text, file)
}

/// [`read_schema`] of a given format; `file` is only named in errors.
///
/// # Errors
/// The first thing wrong, with its place.
pub fn read_schema_as(format: Format, text: &str, file: &str) -> Result<Schema, DocumentError> {
    let tree = parse(text, format, file)?;
    let document = Object::document(&tree, &["table", "system_table", "view"])?;
    let mut declared = Declared::new(file);
    let mut tables = BTreeMap::new();
    for object in document.objects("table", &TABLE_KEYS)? {
        let id: TableName = object.name("id")?;
        declared.add(Noun::Table, id.as_str(), object)?;
        if SystemTable::of(&id).is_some() {
            let why = "the server keeps a table of this name: say `[[system_table]]` for it, or choose \
                       another name";
            return Err(other(object.require("id")?, Noun::Table, id.as_str(), why));
        }
        let ownership = read_ownership(object.require("ownership")?)?;
        let mut columns = read_columns(&id, object)?;
        let open = object.flag("open")?;
        if open {
            columns.push(open_column(object)?);
        }
        let key = read_key(&id, object, &columns)?;
        let name = object.optional_name("name")?;
        let table = Table { name, open, key, ..Table::new(id.clone(), ownership, columns) };
        tables.insert(id, table);
    }
    for object in document.objects("system_table", &["id", "secured"])? {
        let table = read_system_table(object, &mut declared)?;
        tables.insert(table.id.clone(), table);
    }
    if let Some(field) = document.get("table")
        && tables.len() > TABLES_MAX
    {
        return Err(other(field, Noun::Table, "", over(tables.len(), "tables", TABLES_MAX)));
    }
    check_lookups(document, &tables)?;
    for object in document.objects("table", &TABLE_KEYS)? {
        let id: TableName = object.name("id")?;
        let Some(table) = tables.get(&id) else { continue };
        let indexes = read_indexes(table, object, &tables)?;
        if let Some(table) = tables.get_mut(&id) {
            table.indexes = indexes;
        }
    }
    let views = BTreeMap::new();
    let schema = Schema { tables, views };
    read_views(document, &mut declared, schema)
}

fn read_system_table(object: Object<'_>, declared: &mut Declared) -> Read<Table> {
    let system = object.require("id")?.word(&SystemTable::ALL.map(|it| (it.as_str(), it)))?;
    declared.add(Noun::Table, system.as_str(), object)?;
    let table = system.table(&object.names("secured")?);
    for field in object.texts("secured")? {
        let id: ColumnName = field.name()?;
        let wrong = |fault| Err(mistake(field, Noun::Table, system.as_str(), fault));
        match table.column(id.as_str()) {
            None => return wrong(Fault::Unknown { what: Noun::Column, id: id.to_string() }),
            Some(column) if column.lookup.is_some() || table.key.contains(&id) => {
                return wrong(Fault::NotSecurable(id.to_string()));
            }
            Some(_) => {}
        }
    }
    Ok(table)
}

pub(super) fn over(count: usize, what: &str, max: usize) -> String {
    format!("{count} {what}, at most {max} are allowed")
}

pub(super) fn other(
    field: Field<'_>,
    what: Noun,
    id: &str,
    why: impl Into<String>,
) -> DocumentError {
    mistake(field, what, id, Fault::Other(why.into()))
}

fn read_columns(table: &TableName, object: Object<'_>) -> Read<Vec<Column>> {
    let objects = object.objects("columns", &COLUMN_KEYS)?;
    if let Some(field) = object.get("columns")
        && objects.len() > COLUMNS_MAX
    {
        let why = over(objects.len(), "columns", COLUMNS_MAX);
        return Err(other(field, Noun::Table, table.as_str(), why));
    }
    let mut declared = Declared::new("");
    let mut columns = Vec::with_capacity(objects.len());
    for object in &objects {
        let object = *object;
        let id: ColumnName = object.name("id")?;
        declared.add(Noun::Column, id.as_str(), object)?;
        if RESERVED_COLUMNS.contains(&id.as_str()) {
            let why = "every record has this column: choose another name";
            return Err(other(object.require("id")?, Noun::Column, id.as_str(), why));
        }
        if id.as_str() == OPEN_COLUMN {
            let why = "open tables have this column: say `open = true`, or choose another name";
            return Err(other(object.require("id")?, Noun::Column, id.as_str(), why));
        }
        columns.push(read_column(id, object)?);
    }
    for (object, column) in objects.iter().zip(&columns) {
        check_display_name(*object, column, &columns)?;
    }
    Ok(columns)
}

/// Where people may give either, an id or what they call a column, it is clear which is meant.
fn check_display_name(object: Object<'_>, column: &Column, columns: &[Column]) -> Read<()> {
    let Some(field) = object.get("name") else { return Ok(()) };
    let label = column.label();
    let same = |other: &&Column| {
        other.id != column.id && [other.id.as_str(), other.label()].contains(&label)
    };
    if RESERVED_COLUMNS.contains(&label) {
        return Err(other(
            field,
            Noun::Column,
            column.id.as_str(),
            "every record has a column of this id",
        ));
    }
    match columns.iter().find(same) {
        Some(same) => {
            let why = format!("column `{}` is called so already", same.id);
            Err(other(field, Noun::Column, column.id.as_str(), why))
        }
        None => Ok(()),
    }
}

/// The column that makes a table an open one.
fn open_column(table: Object<'_>) -> Read<Column> {
    let field = table.require("open")?;
    let id: ColumnName = OPEN_COLUMN.parse().map_err(|error| DocumentError::Name {
        place: field.place.clone(),
        key: field.key.to_owned(),
        error,
    })?;
    Ok(Column::new(id, ColumnType::Json))
}

fn read_column(id: ColumnName, object: Object<'_>) -> Read<Column> {
    let column_type = object.require("type")?.word(&TYPES)?;
    let is_choice = column_type == ColumnType::Choice;
    let is_lookup = column_type == ColumnType::Lookup;
    let wrong = |field, why: &str| Err(other(field, Noun::Column, id.as_str(), why));
    if !is_choice && let Some(field) = object.get("choices") {
        return wrong(field, "only a column of type `choice` has choices");
    }
    if !is_lookup && let Some(field) = object.get("table") {
        return wrong(field, "only a column of type `lookup` points at a table");
    }
    let choices = if is_choice { read_choices(&id, object)? } else { Vec::new() };
    let lookup = if is_lookup { Some(object.name("table")?) } else { None };
    let secured = object.flag("secured")?;
    if is_lookup
        && secured
        && let Some(field) = object.get("secured")
    {
        return Err(mistake(field, Noun::Column, id.as_str(), Fault::NotSecurable(id.to_string())));
    }
    let required = object.flag("required")?;
    if required
        && column_type.merges()
        && let Some(field) = object.get("required")
    {
        let why = format!("a {column_type} begins empty and cannot be required");
        return wrong(field, &why);
    }
    let group = object.optional_name("group")?;
    if secured
        && group.is_some()
        && let Some(field) = object.get("group")
    {
        return wrong(field, "a secured column is kept by itself, and not in a group");
    }
    let name = object.optional_name("name")?;
    let mut column =
        Column { name, required, secured, group, choices, lookup, ..Column::new(id, column_type) };
    if let Some(field) = object.get("default") {
        column.default = Some(read_default(&column, field)?);
    }
    Ok(column)
}

fn read_default(column: &Column, field: Field<'_>) -> Read<Value> {
    let wrong = |why: String| Err(other(field, Noun::Column, column.id.as_str(), why));
    if !column.required {
        return wrong(
            "only a required column has one: it stands where a record has no value".into(),
        );
    }
    if column.column_type == ColumnType::Lookup {
        return wrong("a lookup has none: which record would be there on every device?".into());
    }
    let text = match &field.value.tree {
        Tree::Text(text) => text.clone(),
        Tree::Integer(number) => number.to_string(),
        Tree::Boolean(truth) => truth.to_string(),
        _ => return Err(field.wrong_type("a text, an integer or a boolean")),
    };
    match column.parse(&Schema::default(), &text) {
        Ok(Value::Null) => wrong("it says nothing".into()),
        Ok(value) => Ok(value),
        Err(error) => wrong(error.to_string()),
    }
}

fn read_choices(id: &ColumnName, object: Object<'_>) -> Read<Vec<String>> {
    let field = object.require("choices")?;
    let Tree::List(items) = &field.value.tree else {
        return Err(field.wrong_type("a list of texts"));
    };
    let wrong = |why: String| Err(other(field, Noun::Column, id.as_str(), why));
    if items.is_empty() {
        return wrong("a choice needs at least one value".into());
    }
    if items.len() > CHOICES_MAX {
        return wrong(over(items.len(), "choices", CHOICES_MAX));
    }
    let mut seen = BTreeSet::new();
    let mut choices = Vec::with_capacity(items.len());
    for value in items {
        let choice = Field { value, place: &value.place, ..field }.text()?;
        crate::model::name::check(choice).map_err(|error| DocumentError::Name {
            place: value.place.clone(),
            key: field.key.to_owned(),
            error,
        })?;
        if !seen.insert(choice) {
            return wrong(format!("`{choice}` comes twice"));
        }
        choices.push(choice.to_owned());
    }
    Ok(choices)
}

fn read_key(table: &TableName, object: Object<'_>, columns: &[Column]) -> Read<Vec<ColumnName>> {
    let Some(field) = object.get("key") else { return Ok(Vec::new()) };
    let Tree::List(items) = &field.value.tree else {
        return Err(field.wrong_type("a list of texts"));
    };
    let mut key: Vec<ColumnName> = Vec::with_capacity(items.len());
    for value in items {
        let id: ColumnName = Field { value, place: &value.place, ..field }.name()?;
        let wrong = |fault| Err(mistake(field, Noun::Table, table.as_str(), fault));
        let Some(column) = columns.iter().find(|column| column.id == id) else {
            return wrong(Fault::Unknown { what: Noun::Column, id: id.to_string() });
        };
        let why = if !column.required {
            "is not required, and a key always has a value"
        } else if column.secured {
            "is secured, and a record's id would give it away"
        } else if column.group.is_some() {
            "is in a group, which a device may leave out"
        } else if matches!(
            column.column_type,
            ColumnType::Lookup | ColumnType::Float | ColumnType::Bytes
        ) {
            "is a lookup, a float or bytes, which cannot be in a key"
        } else if column.default.is_some() {
            "has a default, and a key is a record's own"
        } else if key.contains(&id) {
            "comes twice"
        } else {
            key.push(id);
            continue;
        };
        return wrong(Fault::Other(format!("`{id}` {why}")));
    }
    Ok(key)
}

/// Once all tables are known: each lookup points at one.
fn check_lookups(document: Object<'_>, tables: &BTreeMap<TableName, Table>) -> Read<()> {
    for table in document.objects("table", &TABLE_KEYS)? {
        for column in table.objects("columns", &COLUMN_KEYS)? {
            let Some(field) = column.get("table") else { continue };
            let target: TableName = field.name()?;
            if !tables.contains_key(&target) {
                let id: ColumnName = column.name("id")?;
                let fault = Fault::Unknown { what: Noun::Table, id: target.to_string() };
                return Err(mistake(field, Noun::Column, id.as_str(), fault));
            }
        }
    }
    Ok(())
}
