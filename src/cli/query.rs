//! `query`.

use clap::Args;
use serde_json::Value as Json;

use super::CliError;
use super::asked::Asked;
use super::data::declared;
use super::output::{print_row, row_json};
use crate::model::TableName;
use crate::replica::{QueryError, Row};

#[derive(Debug, Args)]
pub(super) struct QueryCommand {
    /// The table.
    table: TableName,
    #[command(flatten)]
    pub(super) asked: Asked,
}

/// What was asked for is input; the rest went wrong while running.
pub(super) fn query_error(error: QueryError) -> CliError {
    match error {
        QueryError::Store(error) => CliError::run(error),
        other => CliError::input(other),
    }
}

/// The values of parameters, each of the form NAME=VALUE.
pub(super) fn bindings(pairs: &[String]) -> Result<Vec<(&str, Json)>, CliError> {
    let mut all = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let expected = || CliError::Input(format!("--bind {pair}: expected NAME=VALUE"));
        let (name, value) = pair.split_once('=').ok_or_else(expected)?;
        let json = serde_json::from_str(value).unwrap_or_else(|_| Json::from(value));
        all.push((name.trim_start_matches('$'), json));
    }
    Ok(all)
}

impl QueryCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let replica = self.asked.replica.open_enrolled()?;
        let schema = replica.known_schema();
        let table = declared(&schema, &self.table)?;
        let show = |rows: &[Row]| rows.iter().for_each(|row| print_row(table, row));
        self.asked.run(replica.query(&self.table), show, |row| row_json(&self.table, row))
    }
}
