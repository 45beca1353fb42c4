//! `schema`: what documents of tables say, before one is put in force.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value as Json, json};

use super::CliError;
use super::gate::read_text;
use crate::model::{Schema, SchemaChange, SchemaChangeKind};
use crate::policy::read_schema;

#[derive(Debug, Subcommand)]
pub(super) enum SchemaCommand {
    /// Check a document: what is in it, or its first mistake.
    Check {
        /// The document (TOML or JSON).
        file: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say how one document differs from another, and what that means to records and devices.
    Diff {
        /// The document before.
        old: PathBuf,
        /// The document after.
        new: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

impl SchemaCommand {
    pub(super) fn as_json(&self) -> bool {
        match self {
            Self::Check { json, .. } | Self::Diff { json, .. } => *json,
        }
    }

    pub(super) fn run(&self) -> Result<(), CliError> {
        match self {
            Self::Check { file, json } => {
                let schema = read_schema_file(file)?;
                let columns: usize = schema.tables.values().map(|table| table.columns.len()).sum();
                let tables = schema.tables.len();
                if *json {
                    println!("{}", json!({ "tables": tables, "columns": columns }));
                } else {
                    println!("{}: {tables} tables with {columns} columns", file.display());
                }
            }
            Self::Diff { old, new, json } => {
                let (old, new) = (read_schema_file(old)?, read_schema_file(new)?);
                if *json {
                    println!("{}", Json::Array(schema_json(&old, &new)));
                } else {
                    let lines = schema_lines(&old, &new);
                    for line in &lines {
                        println!("{line}");
                    }
                    if lines.is_empty() {
                        println!("nothing changes");
                    }
                }
            }
        }
        Ok(())
    }
}

pub(super) fn read_schema_file(path: &Path) -> Result<Schema, CliError> {
    read_schema(&read_text(path)?, &path.display().to_string()).map_err(CliError::input)
}

/// A line for each thing that is otherwise, and what it means: `+` comes, `-` goes, `~` is another.
pub(super) fn schema_lines(old: &Schema, new: &Schema) -> Vec<String> {
    let line = |change: &SchemaChange| {
        let sign = match change.what {
            SchemaChangeKind::Added => "+",
            SchemaChangeKind::Removed => "-",
            _ => "~",
        };
        format!("{sign} {change}: {}", change.what.means())
    };
    old.changes_to(new).iter().map(line).collect()
}

/// The same for programs.
pub(super) fn schema_json(old: &Schema, new: &Schema) -> Vec<Json> {
    let each = |change: &SchemaChange| {
        let mut json = serde_json::to_value(change).unwrap_or_default();
        if let Json::Object(entries) = &mut json {
            entries.insert("text".into(), Json::from(change.to_string()));
            entries.insert("means".into(), Json::from(change.what.means()));
        }
        json
    };
    old.changes_to(new).iter().map(each).collect()
}
