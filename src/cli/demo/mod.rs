//! `demo`.

use std::path::PathBuf;

use clap::Args;

use super::CliError;

#[derive(Debug, Args)]
pub(super) struct DemoCommand {
    /// A folder with the CSV files and the policy of AdventureWorks; default: generated records.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl DemoCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        Err(CliError::Run(format!("{:?}", self.data)))
    }
}
