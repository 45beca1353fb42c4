//! Who and what a story is about.

use std::path::PathBuf;

use crate::cli::CliError;
use crate::model::{ColumnName, Organization, Policy, RecordId, Schema, TableName, UserId, Value};

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
    pub(super) schema: Schema,
    pub(super) policy: Policy,
    pub(super) organization: Organization,
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
    /// The right that is taken away, as people say it, and the policy without it.
    pub(super) lost: &'static str,
    pub(super) policy_after: Policy,
}

impl Change {
    pub(super) fn new(column: &str, value: Value) -> Result<Self, CliError> {
        Ok(Self { column: column.parse().map_err(CliError::run)?, value })
    }

    pub(super) fn text(&self) -> String {
        format!("{} = {}", self.column, self.value)
    }
}
