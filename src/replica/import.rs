//! Rows from CSV or JSON lines. Importing again updates, where ids are given or derived from keys.

use std::collections::BTreeMap;
use std::io::BufRead;

use serde_json::Value as Json;

use super::table::add_entries;
use super::{Draft, EditError, Intent, Replica};
use crate::limits::{IMPORT_BAD_LINES_MAX, IMPORT_LINE_BYTES_MAX};
use crate::model::{ColumnType, Columns, Owner, RecordId, Schema, Table, TableName};
use crate::sync::StoreError;

/// Rows of one durable step.
const BATCH_ROWS: usize = 1_000;

/// What is imported, and how it is read.
#[derive(Debug, Clone)]
pub struct Import {
    /// The table.
    pub table: TableName,
    /// Names in the source that stand for other columns here: `("id", "number")` puts what the
    /// source calls `id` into the column `number`.
    pub rename: BTreeMap<String, String>,
    /// Columns of the source that are left out.
    pub ignore: Vec<String>,
}

/// Where rows come from.
#[derive(Debug)]
pub enum ImportSource<R> {
    /// CSV with a header row.
    Csv(R),
    /// One JSON object a line.
    JsonLines(R),
}

/// A line that was not imported.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BadLine {
    /// Its number in the file, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub error: String,
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct ImportReport {
    /// Rows that were created or changed.
    pub changed: u64,
    /// Rows that were there just so.
    pub unchanged: u64,
    /// Lines that were not imported.
    pub bad: u64,
    /// The first of these.
    pub bad_lines: Vec<BadLine>,
}

/// Why an import ended. Rows before are in; importing again goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The schema has no such table.
    #[error("there is no table `{table}`; the schema has: {known}")]
    NoSuchTable {
        /// The table.
        table: TableName,
        /// Those there are.
        known: String,
    },
    /// The source has a column that the table has not.
    #[error(
        "line {line}: table `{table}` has no column `{column}`; it has: {known}. Rename it (--rename {named}=NAME) or leave it out (--ignore {named})"
    )]
    UnknownColumn {
        /// Where it was met.
        line: u64,
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// What the source calls it.
        named: String,
        /// Those there are.
        known: String,
    },
    /// A column of the source is renamed that the source has not.
    #[error("--rename {named}: the file has no column `{named}`; it has: {known}")]
    NothingToRename {
        /// What the source should call it.
        named: String,
        /// Its columns.
        known: String,
    },
    /// The source cannot be read.
    #[error("line {line}: {error}")]
    Read {
        /// Where.
        line: u64,
        /// What is wrong.
        error: String,
    },
    /// The replica cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The device is not enrolled.
    #[error(transparent)]
    Edit(EditError),
}

/// What a column of the source is here.
#[derive(Debug, Clone)]
enum Field {
    Id,
    Owner,
    Column(usize),
    /// What no column of an open table declares.
    Open(String),
    Ignored,
}

struct Reader<'a> {
    schema: &'a Schema,
    table: &'a Table,
    import: &'a Import,
}

impl Reader<'_> {
    fn field(&self, name: &str, line: u64) -> Result<Field, ImportError> {
        if self.import.ignore.iter().any(|ignored| ignored == name) {
            return Ok(Field::Ignored);
        }
        let here = self.import.rename.get(name).map_or(name, String::as_str);
        if let Some(at) = self.table.find_column(here) {
            return Ok(Field::Column(at));
        }
        match here {
            "id" => Ok(Field::Id),
            "owner" if self.table.is_user_owned() => Ok(Field::Owner),
            other if self.table.open => Ok(Field::Open(other.to_owned())),
            _ => Err(ImportError::UnknownColumn {
                line,
                table: self.table.id.clone(),
                column: here.to_owned(),
                named: name.to_owned(),
                known: names(self.table.columns.iter().map(|column| &column.id)),
            }),
        }
    }

    fn draft(
        &self,
        replica: &Replica,
        cells: impl IntoIterator<Item = (Field, Json)>,
    ) -> Result<Draft, String> {
        let (mut id, mut owner, mut columns) = (None, None, Columns::new());
        let mut others = serde_json::Map::new();
        for (field, cell) in cells {
            match (field, cell) {
                (Field::Ignored, _) | (Field::Id | Field::Owner | Field::Open(_), Json::Null) => {}
                (Field::Id, Json::String(text)) => {
                    let read = text.parse::<RecordId>();
                    id = Some(read.map_err(|_| format!("column `id`: `{text}` is no UUID"))?);
                }
                (Field::Id, other) => return Err(format!("column `id`: `{other}` is no UUID")),
                (Field::Owner, Json::String(text)) if text.is_empty() => {}
                (Field::Owner, Json::String(text)) => owner = Some(read_owner(&text)?),
                (Field::Owner, other) => {
                    return Err(format!("column `owner`: `{other}` is no user or team"));
                }
                (Field::Open(name), cell) => others.extend([(name, cell)]),
                (Field::Column(at), cell) => {
                    let Some(column) = self.table.columns.get(at) else { continue };
                    let has_parts = matches!(
                        column.column_type,
                        ColumnType::List | ColumnType::Map | ColumnType::Json
                    );
                    if !has_parts && (cell.is_array() || cell.is_object()) {
                        let id = &column.id;
                        return Err(format!("column `{id}`: a list or an object is no value"));
                    }
                    let value = column.parse_json(self.schema, &cell);
                    columns.insert(column.id.clone(), value.map_err(|error| error.to_string())?);
                }
            }
        }
        if let Some(open) = self.table.open_column().filter(|_| !others.is_empty()) {
            add_entries(&mut columns, open, others).map_err(|error| error.to_string())?;
        }
        let record = match id {
            Some(id) => id,
            None => replica.new_id(&self.table.id, &columns).map_err(|error| error.to_string())?,
        };
        let table = self.table.id.clone();
        Ok(Draft { table, record, intent: Intent::Put { owner, columns } })
    }
}

/// A plain name is a user; `user:` and `team:` say it in full.
fn read_owner(text: &str) -> Result<Owner, String> {
    if text.starts_with("user:") || text.starts_with("team:") {
        text.parse().map_err(|error| format!("column `owner`: {error}"))
    } else {
        text.parse().map(Owner::User).map_err(|error| format!("column `owner`: {error}"))
    }
}

fn names<T: ToString>(all: impl IntoIterator<Item = T>) -> String {
    all.into_iter().map(|it| it.to_string()).collect::<Vec<_>>().join(", ")
}

impl Replica {
    /// Imports rows, a thousand in a durable step. `progress` is told the number of lines done.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("field.redb");
    /// # let schema = tidegate::read_schema(
    /// #     r#"
    /// #     [[table]]
    /// #     id = "part"
    /// #     ownership = "user_owned"
    /// #     key = ["number"]
    /// #     columns = [
    /// #       { id = "number", type = "integer", required = true },
    /// #       { id = "name", type = "text" },
    /// #     ]
    /// #     "#,
    /// #     "schema.toml",
    /// # )?;
    /// # let app = tidegate::Replica::builder(path).schema(schema).open()?;
    /// use tidegate::replica::{ExportFormat, Import, ImportSource};
    ///
    /// let file = "number,name\n1,pump\n2,seal\nthree,hose\n";
    /// let import = Import { table: "part".parse()?, rename: [].into(), ignore: vec![] };
    /// let report = app.import(&import, ImportSource::Csv(file.as_bytes()), |_| {}).await?;
    /// assert_eq!((report.changed, report.bad), (2, 1));
    /// assert_eq!(report.bad_lines[0].line, 4);
    ///
    /// let mut lines = Vec::new();
    /// assert_eq!(app.export(&import.table, ExportFormat::JsonLines, &mut lines)?, 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A bad line is reported and left out; the others go in. A row that the user may not write is
    /// a bad line.
    ///
    /// # Errors
    /// The table or a column is unknown, or the source or the replica fails: what was imported
    /// before stays.
    pub async fn import<R: BufRead + Send>(
        &self,
        import: &Import,
        source: ImportSource<R>,
        mut progress: impl FnMut(u64) + Send,
    ) -> Result<ImportReport, ImportError> {
        let schema = self.known_schema();
        let Some(table) = schema.table(import.table.as_str()) else {
            let (table, known) = (import.table.clone(), names(schema.tables.keys()));
            return Err(ImportError::NoSuchTable { table, known });
        };
        let reader = Reader { schema: &schema, table, import };
        let mut batch = Batch { replica: self, rows: Vec::new(), report: ImportReport::default() };
        match source {
            ImportSource::Csv(source) => {
                self.import_csv(&reader, source, &mut batch, &mut progress).await?;
            }
            ImportSource::JsonLines(source) => {
                self.import_json(&reader, source, &mut batch, &mut progress).await?;
            }
        }
        batch.write().await?;
        Ok(batch.report)
    }

    async fn import_csv<R: BufRead + Send>(
        &self,
        reader: &Reader<'_>,
        source: R,
        batch: &mut Batch<'_>,
        progress: &mut (impl FnMut(u64) + Send),
    ) -> Result<(), ImportError> {
        let failed = |line, error: String| ImportError::Read { line, error };
        // What comes behind the end shows whether that was within quotes.
        let end = format!("\n{CSV_END}");
        let source = std::io::Read::chain(source, end.as_bytes());
        let mut rows = csv::ReaderBuilder::new().flexible(true).from_reader(source);
        let header = rows.headers().map_err(|error| failed(1, csv_problem(&error)))?.clone();
        if header.iter().eq([CSV_END]) {
            return Err(failed(1, "the file is empty; a header row is expected".into()));
        }
        if header.iter().any(|name| name.contains(CSV_END)) {
            return Err(failed(1, UNCLOSED.into()));
        }
        let absent = reader.import.rename.keys().find(|it| !header.iter().any(|name| name == *it));
        if let Some(named) = absent {
            let (named, known) = (named.clone(), names(&header));
            return Err(ImportError::NothingToRename { named, known });
        }
        let fields: Vec<_> =
            header.iter().map(|name| reader.field(name, 1)).collect::<Result<_, _>>()?;
        let mut row = csv::StringRecord::new();
        let mut last = 1;
        loop {
            match rows.read_record(&mut row) {
                Ok(false) => return Ok(()),
                Ok(true) if row.iter().eq([CSV_END]) => return Ok(()),
                Ok(true) => {
                    last = row.position().map_or(last, csv::Position::line);
                    let draft = csv_cells(reader.table, &fields, &row)
                        .and_then(|it| reader.draft(self, it));
                    batch.add(last, draft).await?;
                }
                Err(error) if !error.is_io_error() => {
                    last = error.position().map_or(last + 1, csv::Position::line);
                    batch.add(last, Err(csv_problem(&error))).await?;
                }
                Err(error) => return Err(failed(last, csv_problem(&error))),
            }
            progress(last);
        }
    }

    async fn import_json<R: BufRead + Send>(
        &self,
        reader: &Reader<'_>,
        mut source: R,
        batch: &mut Batch<'_>,
        progress: &mut (impl FnMut(u64) + Send),
    ) -> Result<(), ImportError> {
        let mut text = Vec::new();
        for line in 1.. {
            text.clear();
            let bound = IMPORT_LINE_BYTES_MAX as u64 + 1;
            let read = std::io::Read::take(&mut source, bound).read_until(b'\n', &mut text);
            let read =
                read.map_err(|error| ImportError::Read { line, error: error.to_string() })?;
            if read == 0 {
                break;
            }
            if text.len() > IMPORT_LINE_BYTES_MAX {
                let error = format!("longer than {IMPORT_LINE_BYTES_MAX} bytes");
                return Err(ImportError::Read { line, error });
            }
            if text.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice::<serde_json::Map<String, Json>>(&text) {
                Ok(object) => {
                    let mut cells = Vec::new();
                    for (name, cell) in object {
                        cells.push((reader.field(&name, line)?, cell));
                    }
                    batch.add(line, reader.draft(self, cells)).await?;
                }
                Err(error) => batch.add(line, Err(json_problem(&error))).await?,
            }
            progress(line);
        }
        Ok(())
    }
}

/// Put behind the end of a CSV file: a row of its own, unless the file ends within quotes.
const CSV_END: &str = "\u{1f}end of file\u{1f}";
const UNCLOSED: &str = "a quote is not closed before the file ends: is it cut short?";

/// The cells of a row with what they are here.
fn csv_cells(
    table: &Table,
    fields: &[Field],
    row: &csv::StringRecord,
) -> Result<Vec<(Field, Json)>, String> {
    if row.iter().any(|cell| cell.contains(CSV_END)) {
        return Err(UNCLOSED.into());
    }
    if row.len() != fields.len() {
        let (found, wanted) = (row.len(), fields.len());
        return Err(format!(
            "{found} cells where the header has {wanted}: is the line cut short, or a comma not in quotes?"
        ));
    }
    // The empty cell is null, also where the empty text would be a value.
    let cell = |(field, text): (&Field, &str)| {
        let column = if let Field::Column(at) = field { table.columns.get(*at) } else { None };
        let cell = match column {
            _ if text.is_empty() => Json::Null,
            Some(column) if column.column_type == ColumnType::Json => serde_json::from_str(text)
                .map_err(|error| format!("column `{}`: it is not JSON: {error}", column.id))?,
            _ => Json::from(text),
        };
        Ok((field.clone(), cell))
    };
    fields.iter().zip(row).map(cell).collect()
}

fn csv_problem(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { err, .. } => format!("cell {} is not UTF-8 text", err.field() + 1),
        _ => error.to_string(),
    }
}

/// The parser counts lines within the line.
fn json_problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    match error.column() {
        0 => format!("not a JSON object: {text}"),
        column => format!("not a JSON object: {text}, at column {column}"),
    }
}

struct Batch<'a> {
    replica: &'a Replica,
    rows: Vec<(u64, Draft)>,
    report: ImportReport,
}

impl Batch<'_> {
    async fn add(&mut self, line: u64, draft: Result<Draft, String>) -> Result<(), ImportError> {
        match draft {
            Ok(draft) => self.rows.push((line, draft)),
            Err(error) => self.note_bad(line, error),
        }
        if self.rows.len() >= BATCH_ROWS { self.write().await } else { Ok(()) }
    }

    async fn write(&mut self) -> Result<(), ImportError> {
        let rows = std::mem::take(&mut self.rows);
        let all = rows.len() as u64;
        let drafts = rows.iter().map(|(_, draft)| draft.clone()).collect();
        match self.replica.commit(drafts).await {
            Ok(receipt) => self.note_done(all, receipt.edits().len() as u64),
            Err(EditError::Store(error)) => return Err(error.into()),
            Err(error @ EditError::NotEnrolled) => return Err(ImportError::Edit(error)),
            // One of them is refused: find out which, and let the others in.
            Err(_) => {
                for (line, draft) in rows {
                    match self.replica.commit(vec![draft]).await {
                        Ok(receipt) => self.note_done(1, receipt.edits().len() as u64),
                        Err(EditError::Store(error)) => return Err(error.into()),
                        Err(error) => self.note_bad(line, error.to_string()),
                    }
                }
            }
        }
        Ok(())
    }

    fn note_done(&mut self, all: u64, changed: u64) {
        self.report.changed += changed;
        self.report.unchanged += all - changed;
    }

    fn note_bad(&mut self, line: u64, error: String) {
        self.report.bad += 1;
        if self.report.bad_lines.len() < IMPORT_BAD_LINES_MAX {
            self.report.bad_lines.push(BadLine { line, error });
        }
    }
}
