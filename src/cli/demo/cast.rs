//! Who and what a story is about.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::cli::CliError;
use crate::model::{ColumnName, RecordId, TableName, UserId, Value};
use crate::server::InitOptions;

/// Rows that the importer brings in.
pub(super) struct Source {
    pub(super) table: TableName,
    pub(super) rows: Rows,
    pub(super) rename: Vec<(String, String)>,
}

pub(super) enum Rows {
    File(PathBuf),
    JsonLines(Vec<u8>),
}

/// A change of one column.
pub(super) struct Change {
    pub(super) column: ColumnName,
    pub(super) value: Value,
}

pub(super) struct Cast {
    pub(super) title: String,
    /// The server's documents, in the folder that `documents` keeps.
    pub(super) init: InitOptions,
    pub(super) documents: TempDir,
    pub(super) sources: Vec<Source>,
    /// May do everything; brings the records in.
    pub(super) importer: UserId,
    /// Has two devices.
    pub(super) worker: UserId,
    /// Loses a right.
    pub(super) other: UserId,
    /// The table that they work on.
    pub(super) table: TableName,
    /// A record of the worker, which all change at once.
    pub(super) shared: RecordId,
    /// What the worker does to it on the first device, on the second, and what the importer does.
    pub(super) concurrent: [Change; 3],
    /// A record of the other user.
    pub(super) own: RecordId,
    /// Two edits of it, one after the other: the first needs the right that is lost.
    pub(super) lookup: Change,
    pub(super) after: Change,
    /// The right that is taken away (`append` on the table), as people say it.
    pub(super) lost: &'static str,
}

/// A folder with the documents of a server that starts from these texts.
pub(super) fn documents(schema: &str, policy: &str) -> Result<(TempDir, InitOptions), CliError> {
    let dir = tempfile::tempdir().map_err(CliError::run)?;
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).map(|()| path).map_err(CliError::run)
    };
    let options = InitOptions {
        listen: Some(std::net::SocketAddr::from(([127, 0, 0, 1], 0))),
        schema: Some(write("schema.toml", schema)?),
        policy: Some(write("policy.toml", policy)?),
        ..InitOptions::default()
    };
    Ok((dir, options))
}

impl Change {
    pub(super) fn new(column: &str, value: Value) -> Result<Self, CliError> {
        Ok(Self { column: column.parse().map_err(CliError::run)?, value })
    }

    pub(super) fn text(&self) -> String {
        format!("{} = {}", self.column, self.value)
    }
}
