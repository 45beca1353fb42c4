//! `import`, `export`, `show`, `edit`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::device::ReplicaArg;
use super::output::{counted, print_row, row_json};
use super::sharing::SharingArgs;
use super::{CliError, wait};
use crate::model::{ColumnName, Columns, Owner, RecordId, Schema, Table, TableName, Value};
use crate::replica::{Draft, EditError, ExportFormat, Import, ImportSource, Intent, Replica};

pub(super) fn declared<'a>(schema: &'a Schema, table: &TableName) -> Result<&'a Table, CliError> {
    schema.table(table.as_str()).ok_or_else(|| {
        let known: Vec<_> = schema.tables.keys().map(ToString::to_string).collect();
        CliError::Input(format!("there is no table `{table}`; there are: {}", known.join(", ")))
    })
}

/// Reads `column=value` arguments.
pub(super) fn columns(
    schema: &Schema,
    table: &Table,
    pairs: &[String],
) -> Result<Columns, CliError> {
    let read = |pair: &String| -> Result<(ColumnName, Value), CliError> {
        let Some((name, text)) = pair.split_once('=') else {
            return Err(CliError::Input(format!("`{pair}`: expected COLUMN=VALUE")));
        };
        let found = table.find_column(name).and_then(|at| table.columns.get(at));
        let Some(column) = found else {
            let known: Vec<_> = table.columns.iter().map(|it| it.id.to_string()).collect();
            return Err(CliError::Input(format!(
                "table `{}` has no column `{name}`; it has: {}",
                table.id,
                known.join(", ")
            )));
        };
        Ok((column.id.clone(), column.parse(schema, text).map_err(CliError::input)?))
    };
    pairs.iter().map(read).collect()
}

pub(super) fn record_id(text: &str) -> Result<RecordId, String> {
    text.parse().map_err(|_| "no record id; expected a UUID, as `query` shows them".into())
}

fn edit_error(error: EditError) -> CliError {
    match error {
        EditError::Store(error) => CliError::run(error),
        EditError::Denied(denial) => CliError::Refused(format!("denied: {denial}")),
        other => CliError::input(other),
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Csv,
    Jsonl,
}

#[derive(Debug, Args)]
pub(super) struct ImportCommand {
    /// The table.
    table: TableName,
    /// A CSV file with a header row, or a file of JSON objects, one a line.
    file: PathBuf,
    /// How the file is read; by default told by its name (.jsonl, .ndjson: JSON lines).
    #[arg(long)]
    format: Option<Format>,
    /// A name of the file that stands for another column, as FILE_NAME=COLUMN.
    #[arg(long, value_name = "NAME=COLUMN")]
    rename: Vec<String>,
    /// A column of the file that is left out.
    #[arg(long, value_name = "NAME")]
    ignore: Vec<String>,
    #[command(flatten)]
    replica: ReplicaArg,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl ImportCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let path = self.file.display();
        let file =
            File::open(&self.file).map_err(|error| CliError::Input(format!("{path}: {error}")))?;
        let length =
            file.metadata().map_err(|error| CliError::Input(format!("{path}: {error}")))?;
        if length.is_dir() {
            return Err(CliError::Input(format!("{path} is a folder, not a file")));
        }
        let replica = self.replica.open_enrolled()?;
        let import = Import {
            table: self.table.clone(),
            rename: self.renames()?,
            ignore: self.ignore.clone(),
        };
        let bar = if self.json { ProgressBar::hidden() } else { ProgressBar::new(length.len()) };
        let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {msg} {eta}");
        bar.set_style(style.map_err(CliError::run)?);
        let source = BufReader::new(bar.wrap_read(file));
        let source = if is_json_lines(self.format, Some(&self.file)) {
            ImportSource::JsonLines(source)
        } else {
            ImportSource::Csv(source)
        };
        let progress = |line: u64| {
            if line.is_multiple_of(1_000) {
                bar.set_message(format!("line {line}"));
            }
        };
        let report = wait(async {
            let done = replica.import(&import, source, progress).await;
            done.map_err(|error| CliError::Input(format!("{path}: {error}")))
        });
        bar.finish_and_clear();
        let report = report?;
        if self.json {
            println!("{}", serde_json::to_string(&report).map_err(CliError::run)?);
        } else {
            for bad in &report.bad_lines {
                eprintln!("{path}: line {}: {}", bad.line, bad.error);
            }
            let next = match report.changed {
                0 => "Nothing is new.",
                _ => "They are pending until the next sync.",
            };
            println!(
                "{}: {} imported, {} unchanged, {}. {next}",
                self.table,
                counted(report.changed, "row"),
                report.unchanged,
                counted(report.bad, "bad line")
            );
        }
        match report.bad {
            0 => Ok(()),
            bad => {
                let bad = counted(bad, "line");
                Err(CliError::Refused(format!("{path}: {bad} could not be imported")))
            }
        }
    }

    fn renames(&self) -> Result<BTreeMap<String, String>, CliError> {
        let read = |pair: &String| {
            let parts = pair.split_once('=');
            let parts = parts.map(|(from, to)| (from.to_owned(), to.to_owned()));
            parts.ok_or_else(|| CliError::Input(format!("--rename {pair}: expected NAME=COLUMN")))
        };
        self.rename.iter().map(read).collect()
    }
}

#[derive(Debug, Args)]
pub(super) struct ExportCommand {
    /// The table.
    table: TableName,
    /// The file to write; default: standard output. An existing file is replaced.
    file: Option<PathBuf>,
    /// How rows are written; by default told by the file's name, else CSV.
    #[arg(long)]
    format: Option<Format>,
    /// Head the columns of CSV with what people call them, not with their ids. Importing takes either.
    #[arg(long)]
    names: bool,
    #[command(flatten)]
    replica: ReplicaArg,
    /// Print JSON about the export, where rows go to a file.
    #[arg(long)]
    pub(super) json: bool,
}

impl ExportCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let replica = self.replica.open_enrolled()?;
        declared(&replica.known_schema(), &self.table)?;
        let format = if is_json_lines(self.format, self.file.as_deref()) {
            ExportFormat::JsonLines
        } else if self.names {
            ExportFormat::CsvOfNames
        } else {
            ExportFormat::Csv
        };
        let Some(path) = &self.file else {
            let out = std::io::stdout().lock();
            replica.export(&self.table, format, out).map_err(CliError::run)?;
            return Ok(());
        };
        // The file is there with all its rows, or as it was.
        let failed =
            |error: std::io::Error| CliError::Input(format!("{}: {error}", path.display()));
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let file = tempfile::NamedTempFile::new_in(dir.unwrap_or(Path::new(".")));
        let mut file = file.map_err(failed)?;
        let out = std::io::BufWriter::new(&mut file);
        let rows = replica.export(&self.table, format, out).map_err(CliError::run)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        if self.json {
            println!("{}", json!({ "rows": rows }));
        } else {
            println!("{rows} rows of `{}` are in {}.", self.table, path.display());
        }
        Ok(())
    }
}

/// Whether rows are JSON lines: as asked, or as the file's name says.
fn is_json_lines(format: Option<Format>, file: Option<&Path>) -> bool {
    match format {
        Some(format) => matches!(format, Format::Jsonl),
        None => file.and_then(Path::extension).is_some_and(|it| it == "jsonl" || it == "ndjson"),
    }
}

#[derive(Debug, Args)]
pub(super) struct ShowCommand {
    /// The table.
    table: TableName,
    /// The record's id.
    #[arg(value_parser = record_id)]
    id: RecordId,
    /// Only what the server has confirmed.
    #[arg(long)]
    confirmed: bool,
    #[command(flatten)]
    replica: ReplicaArg,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl ShowCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let replica = self.replica.open_enrolled()?;
        let schema = replica.known_schema();
        let table = declared(&schema, &self.table)?;
        let row = if self.confirmed {
            replica.get_confirmed(&self.table, self.id)
        } else {
            replica.get(&self.table, self.id)
        };
        match row.map_err(CliError::run)? {
            Some(row) if self.json => println!("{}", row_json(&self.table, &row)),
            Some(row) => print_row(table, &row),
            None => {
                return Err(CliError::Input(format!(
                    "there is no record {} in table `{}` on this device",
                    self.id, self.table
                )));
            }
        }
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(super) struct EditCommand {
    /// The table.
    table: TableName,
    /// The record's id, or `new` to make a record.
    id: String,
    /// Values to set, as COLUMN=VALUE; an empty VALUE is null.
    set: Vec<String>,
    /// Delete the record.
    #[arg(long, conflicts_with_all = ["set", "undelete", "assign", "SharingArgs"])]
    delete: bool,
    /// Bring a deleted record back.
    #[arg(long, conflicts_with_all = ["set", "assign", "SharingArgs"])]
    undelete: bool,
    /// Give the record to another owner, as user:ID or team:ID; with `new`, make it theirs.
    #[arg(long, value_name = "OWNER")]
    assign: Option<String>,
    #[command(flatten)]
    sharing: SharingArgs,
    #[command(flatten)]
    replica: ReplicaArg,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl EditCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let replica = self.replica.open_enrolled()?;
        let schema = replica.known_schema();
        let table = declared(&schema, &self.table)?;
        let columns = columns(&schema, table, &self.set)?;
        let owner =
            self.assign.as_deref().map(|text| text.parse::<Owner>().map_err(CliError::input));
        let shares = self.sharing.intents(table)?;
        let drafts = self.drafts(&replica, columns, owner.transpose()?, shares)?;
        let record = drafts.first().map(|draft| draft.record);
        let receipt = wait(async { replica.commit(drafts).await.map_err(edit_error) })?;
        let edits: Vec<_> = receipt.edits().iter().map(ToString::to_string).collect();
        let record = record.map(|record| record.to_string());
        if self.json {
            println!("{}", json!({ "record": record, "edits": edits }));
        } else if edits.is_empty() {
            println!("Nothing changes.");
        } else {
            let record = record.unwrap_or_default();
            println!("{record}: edit {} is pending until the next sync.", edits.join(", "));
        }
        Ok(())
    }

    fn drafts(
        &self,
        replica: &Replica,
        columns: Columns,
        owner: Option<Owner>,
        shares: Vec<Intent>,
    ) -> Result<Vec<Draft>, CliError> {
        let draft = |record, intent| Draft { table: self.table.clone(), record, intent };
        if self.id == "new" {
            if self.delete || self.undelete {
                return Err(CliError::Input("a new record cannot be deleted or undeleted".into()));
            }
            let record = replica.new_id(&self.table, &columns).map_err(edit_error)?;
            let intents = std::iter::once(Intent::Create { owner, columns }).chain(shares);
            return Ok(intents.map(|intent| draft(record, intent)).collect());
        }
        let record: RecordId = self.id.parse().map_err(|_| {
            CliError::Input(format!("`{}` is no record id: expected a UUID, or `new`", self.id))
        })?;
        if self.delete {
            return Ok(vec![draft(record, Intent::Delete)]);
        }
        if self.undelete {
            return Ok(vec![draft(record, Intent::Undelete)]);
        }
        if columns.is_empty() && owner.is_none() && shares.is_empty() {
            return Err(CliError::Input(
                "nothing to do: give COLUMN=VALUE, --assign, --share, --unshare, --share-column, \
                 --delete or --undelete"
                    .into(),
            ));
        }
        let set = (!columns.is_empty()).then_some(Intent::Set(columns));
        // Who gives a record away may not be able to share it any more.
        let intents = set.into_iter().chain(shares).chain(owner.map(Intent::Assign));
        Ok(intents.map(|intent| draft(record, intent)).collect())
    }
}
