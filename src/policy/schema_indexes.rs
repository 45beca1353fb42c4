//! The indexes that a schema document declares, once all its tables are known.

use std::collections::BTreeMap;

use crate::limits::{INDEX_COLUMNS_MAX, INDEX_LOOKUPS_MAX, INDEXES_MAX};
use crate::model::{ColumnName, ColumnPath, ColumnType, Index, Table, TableName};

use super::check::RESERVED_COLUMNS;
use super::document::Tree;
use super::reader::{Field, Object, Read, mistake};
use super::{Fault, Noun};

/// The tables of the schema, by name.
type Tables = BTreeMap<TableName, Table>;

/// Reads the indexes of a table.
pub(super) fn read_indexes(table: &Table, object: Object<'_>, tables: &Tables) -> Read<Vec<Index>> {
    let Some(field) = object.get("indexes") else { return Ok(Vec::new()) };
    let wrong = |why: String| mistake(field, Noun::Table, table.id.as_str(), Fault::Other(why));
    let mut indexes: Vec<Index> = Vec::new();
    for value in list(field)? {
        let index = read_index(table, Field { value, place: &value.place, ..field }, tables)?;
        if indexes.contains(&index) {
            return Err(wrong(format!("the index of {index} comes twice")));
        }
        indexes.push(index);
    }
    if indexes.len() > INDEXES_MAX {
        let why = format!("{} indexes, at most {INDEXES_MAX} are allowed", indexes.len());
        return Err(wrong(why));
    }
    Ok(indexes)
}

fn list(field: Field<'_>) -> Read<&[super::document::Node]> {
    match &field.value.tree {
        Tree::List(items) => Ok(items),
        _ => Err(field.wrong_type("a list of lists of columns")),
    }
}

fn read_index(table: &Table, field: Field<'_>, tables: &Tables) -> Read<Index> {
    let wrong = |fault| mistake(field, Noun::Table, table.id.as_str(), fault);
    let mut columns: Vec<ColumnPath> = Vec::new();
    for value in list(field)? {
        let text = Field { value, place: &value.place, ..field }.text()?;
        let column = path(text, table, tables).map_err(&wrong)?;
        if columns.contains(&column) {
            return Err(wrong(Fault::Other(format!("`{column}` comes twice in an index"))));
        }
        columns.push(column);
    }
    let why = if columns.is_empty() {
        "an index needs at least one column".to_owned()
    } else if columns.len() > INDEX_COLUMNS_MAX {
        format!("an index of {} columns, at most {INDEX_COLUMNS_MAX} are allowed", columns.len())
    } else {
        return Ok(Index { columns });
    };
    Err(wrong(Fault::Other(why)))
}

/// A column by its name, or behind lookups that dots follow.
fn path(text: &str, table: &Table, tables: &Tables) -> Result<ColumnPath, Fault> {
    let unknown = |id: &str| Fault::Unknown { what: Noun::Column, id: id.to_owned() };
    let (mut table, mut rest, mut names) = (table, text, Vec::new());
    loop {
        let (name, behind) = match rest.split_once('.') {
            Some((lookup, behind)) if table.column(rest).is_none() => (lookup, Some(behind)),
            _ => (rest, None),
        };
        names.push(name.parse::<ColumnName>().map_err(|_| unknown(text))?);
        let column = table.column(name);
        let Some(behind) = behind else {
            check_last(text, name, table)?;
            return ColumnPath::new(names).ok_or_else(|| unknown(text));
        };
        if names.len() > INDEX_LOOKUPS_MAX {
            let why = format!("`{text}` follows more than {INDEX_LOOKUPS_MAX} lookups");
            return Err(Fault::Other(why));
        }
        let target = column.ok_or_else(|| unknown(text))?.lookup.as_ref();
        let Some(target) = target.and_then(|target| tables.get(target)) else {
            return Err(Fault::Other(format!("`{text}`: `{name}` looks nothing up")));
        };
        (table, rest) = (target, behind);
    }
}

fn check_last(text: &str, name: &str, table: &Table) -> Result<(), Fault> {
    if let Some(column) = table.column(name) {
        return match column.column_type {
            ColumnType::List | ColumnType::Map | ColumnType::Json => {
                let why = format!("`{text}` is a {}, which has no order", column.column_type);
                Err(Fault::Other(why))
            }
            _ => Ok(()),
        };
    }
    let is_there = RESERVED_COLUMNS.contains(&name) && (name == "id" || table.is_user_owned());
    let fault = || Fault::Unknown { what: Noun::Column, id: text.to_owned() };
    if is_there { Ok(()) } else { Err(fault()) }
}
