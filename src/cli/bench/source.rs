//! The user's CSV file, and the table that it would be.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use csv::StringRecord;
use serde_json::{Value as Json, json};

use crate::cli::CliError;
use crate::cli::output::zstd_bytes;
use crate::limits::{BENCH_FILE_BYTES_MAX, COLUMNS_MAX};
use crate::model::{ColumnName, ColumnType, Schema};
use crate::policy::read_schema;

/// The one table.
pub(super) const TABLE: &str = "row";

/// Types that a column may have if all of its values are written as that type is; else it is text.
const TYPES: [ColumnType; 5] = [
    ColumnType::Integer,
    ColumnType::Decimal,
    ColumnType::Boolean,
    ColumnType::Date,
    ColumnType::Timestamp,
];

pub(super) struct Column {
    pub(super) id: ColumnName,
    pub(super) kind: &'static str,
}

/// What a file holds.
pub(super) struct Source {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<StringRecord>,
    /// Bytes of the file, and of it as `zstd -19` has it.
    pub(super) bytes: u64,
    pub(super) packed_bytes: u64,
    /// The schema, as JSON.
    pub(super) schema_text: String,
    pub(super) schema: Schema,
}

impl Source {
    pub(super) fn read(path: &Path) -> Result<Self, CliError> {
        let wrong = |problem: String| CliError::Input(format!("{}: {problem}", path.display()));
        let bytes = bytes(path).map_err(wrong)?;
        let (names, rows) = parse(&bytes).map_err(wrong)?;
        let ids = ids(&names).map_err(wrong)?;
        let kinds = kinds(&ids, &rows)?;
        let kinds: Vec<_> = kinds.into_iter().map(ColumnType::as_str).collect();
        let schema_text = schema_text(&ids, &kinds);
        let schema = parsed(&schema_text)?;
        let packed_bytes = zstd_bytes(&bytes)?;
        let columns = ids.into_iter().zip(kinds).map(|(id, kind)| Column { id, kind });
        Ok(Self {
            columns: columns.collect(),
            rows,
            bytes: bytes.len() as u64,
            packed_bytes,
            schema_text,
            schema,
        })
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error| format!("{error}: give the path of a CSV file");
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(BENCH_FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > BENCH_FILE_BYTES_MAX {
        return Err(format!(
            "the file has more than {BENCH_FILE_BYTES_MAX} bytes: give a part of its lines"
        ));
    }
    Ok(bytes)
}

/// The header, and the rows.
fn parse(bytes: &[u8]) -> Result<(StringRecord, Vec<StringRecord>), String> {
    let mut reader = csv::Reader::from_reader(bytes);
    let names = reader.headers().map_err(|error| mistake(&error))?.clone();
    if names.is_empty() {
        return Err(
            "the file is empty: its first line names the columns, each further one is a row".into(),
        );
    }
    if names.len() > COLUMNS_MAX {
        return Err(format!(
            "the header has {} columns: a table has at most {COLUMNS_MAX}",
            names.len()
        ));
    }
    let rows: Result<Vec<_>, _> = reader.records().collect();
    let rows = rows.map_err(|error| mistake(&error))?;
    if rows.is_empty() {
        return Err("there are no rows: each line after the header is one".into());
    }
    Ok((names, rows))
}

fn mistake(error: &csv::Error) -> String {
    let line = error.position().map_or(1, csv::Position::line);
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => {
            format!("line {line}: this is not UTF-8: save the file in that encoding")
        }
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => format!(
            "line {line}: {len} fields, and the header has {expected_len}: values with commas, quotes or line \
             breaks stand in quotes"
        ),
        _ => error.to_string(),
    }
}

/// The file's names as those of columns; what cannot be one is counted.
fn ids(names: &StringRecord) -> Result<Vec<ColumnName>, String> {
    let mut ids: Vec<ColumnName> = Vec::new();
    for (at, name) in names.iter().enumerate() {
        // These two mean something else in an import.
        let taken = ["id", "owner"].contains(&name);
        let id = ColumnName::new(name).ok().filter(|_| !taken);
        let id = match id {
            Some(id) => id,
            None => ColumnName::new(format!("column_{}", at + 1)).map_err(|it| it.to_string())?,
        };
        if ids.contains(&id) {
            return Err(format!(
                "line 1: there are two columns `{id}`: give one of them another name"
            ));
        }
        ids.push(id);
    }
    Ok(ids)
}

fn schema_text(ids: &[ColumnName], kinds: &[&str]) -> String {
    let column = |(id, kind): (&ColumnName, &&str)| json!({ "id": id.as_str(), "type": kind });
    let columns: Vec<Json> = ids.iter().zip(kinds).map(column).collect();
    let table = json!({ "id": TABLE, "ownership": "organization_owned", "columns": columns });
    json!({ "table": [table] }).to_string()
}

fn parsed(text: &str) -> Result<Schema, CliError> {
    read_schema(text, "schema.json").map_err(CliError::run)
}

/// The first type of which all values of a column are, written as the type is; some value must be there.
fn kinds(ids: &[ColumnName], rows: &[StringRecord]) -> Result<Vec<ColumnType>, CliError> {
    let mut kinds = vec![ColumnType::Text; ids.len()];
    for kind in TYPES {
        let schema = parsed(&schema_text(ids, &vec![kind.as_str(); ids.len()]))?;
        let columns = schema.table(TABLE).map_or(&[][..], |table| table.columns.as_slice());
        for (at, (column, found)) in columns.iter().zip(&mut kinds).enumerate() {
            let cells =
                || rows.iter().filter_map(|row| row.get(at)).filter(|cell| !cell.is_empty());
            let is_of = |cell: &str| {
                column.parse(&schema, cell).is_ok_and(|value| value.to_string() == cell)
            };
            if *found == ColumnType::Text && cells().next().is_some() && cells().all(is_of) {
                *found = kind;
            }
        }
    }
    Ok(kinds)
}
