//! `quarantine`.

use clap::{Args, Subcommand};
use serde_json::Value as Json;

use super::device::ReplicaArg;
use super::output::{print_quarantined, quarantined_json};
use super::{CliError, wait};
use crate::model::EditId;
use crate::replica::EditError;

#[derive(Debug, Args)]
pub(super) struct QuarantineCommand {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    replica: ReplicaArg,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the refused edits (the default).
    List,
    /// Try a refused edit again.
    Retry {
        /// The edit, such as 3-17.
        edit: EditId,
    },
    /// Forget a refused edit for good.
    Discard {
        /// The edit, such as 3-17.
        edit: EditId,
    },
}

impl QuarantineCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let replica = self.replica.open_enrolled()?;
        let known = |edit: EditId| {
            let entries = replica.quarantine().map_err(CliError::run)?;
            if entries.iter().any(|entry| entry.edit == edit) {
                return Ok(());
            }
            Err(CliError::Input(format!("edit {edit} is not in quarantine")))
        };
        match &self.action {
            None | Some(Action::List) => {
                let entries = replica.quarantine().map_err(CliError::run)?;
                if self.json {
                    println!("{}", Json::Array(entries.iter().map(quarantined_json).collect()));
                } else if entries.is_empty() {
                    println!("Nothing is in quarantine.");
                } else {
                    entries.iter().for_each(print_quarantined);
                }
                Ok(())
            }
            Some(Action::Retry { edit }) => {
                known(*edit)?;
                match wait(async { Ok(replica.retry(*edit).await) })? {
                    Ok(receipt) => {
                        let again: Vec<_> =
                            receipt.edits().iter().map(ToString::to_string).collect();
                        let again = again.join(", ");
                        println!(
                            "Edit {edit} is pending again as {again}; the next sync sends it."
                        );
                        Ok(())
                    }
                    Err(EditError::Denied(denial)) => {
                        Err(CliError::Refused(format!("still denied: {denial}")))
                    }
                    Err(error) => Err(CliError::run(error)),
                }
            }
            Some(Action::Discard { edit }) => {
                known(*edit)?;
                wait(async { replica.discard(*edit).await.map_err(CliError::run) })?;
                println!("Edit {edit} is gone from quarantine.");
                Ok(())
            }
        }
    }
}
