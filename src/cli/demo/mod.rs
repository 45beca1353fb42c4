//! `demo`: what Tidegate does, as a story that checks itself.

mod adventureworks;
mod cast;
mod generated;
mod story;
mod world;

use std::path::PathBuf;

use clap::Args;

use super::{CliError, wait};

/// See it all happen.
///
/// A server and four devices of three users, in a temporary folder, over real QUIC on loopback.
/// Every number printed is measured in this run. Exit code 1 if the replicas do not end equal.
#[derive(Debug, Args)]
pub(super) struct DemoCommand {
    /// A folder with the CSV files and the policy of AdventureWorks; default: generated records.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Print only the figures, as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl DemoCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let cast = match &self.data {
            Some(dir) => adventureworks::cast(dir)?,
            None => generated::cast()?,
        };
        wait(story::tell(cast, self.json))
    }
}
