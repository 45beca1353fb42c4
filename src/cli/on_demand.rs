//! `fetch`, `release`.

use clap::Args;
use serde_json::json;

use super::data::{declared, record_id};
use super::device::ReplicaArg;
use super::output::{print_row, row_json};
use super::{CliError, wait};
use crate::model::{RecordId, TableName};
use crate::replica::FetchError;

/// One record.
#[derive(Debug, Args)]
pub(super) struct RecordArgs {
    /// The table.
    table: TableName,
    /// The record's id.
    #[arg(value_parser = record_id)]
    id: RecordId,
    #[command(flatten)]
    replica: ReplicaArg,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl RecordArgs {
    pub(super) fn fetch(&self) -> Result<(), CliError> {
        let replica = self.replica.open_enrolled()?;
        let schema = replica.known_schema();
        let table = declared(&schema, &self.table)?;
        let fetched = wait(async { Ok(replica.fetch(&self.table, self.id).await) })?;
        let row = fetched.map_err(|error| match error {
            FetchError::NotThere { .. } | FetchError::Pin(_) => CliError::input(error),
            error => CliError::run(error),
        })?;
        if self.json {
            println!("{}", row_json(&self.table, &row));
        } else {
            print_row(table, &row);
        }
        Ok(())
    }

    pub(super) fn release(&self) -> Result<(), CliError> {
        let replica = self.replica.open_enrolled()?;
        let (table, id) = (&self.table, self.id);
        let released = wait(async { replica.release(table, id).await.map_err(CliError::run) })?;
        if !released {
            return Err(CliError::Input(format!(
                "record {id} of table `{table}` was not fetched: nothing is to be released"
            )));
        }
        if self.json {
            println!("{}", json!({ "released": id.to_string() }));
        } else {
            println!("Released. It leaves with the next sync, unless the profile takes it.");
        }
        Ok(())
    }
}
