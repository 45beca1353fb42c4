//! `quarantine`.

use clap::{Args, Subcommand};
use serde_json::Value as Json;

use super::data::{columns, declared};
use super::device::ReplicaArg;
use super::output::{print_quarantined, quarantined_json};
use super::{CliError, wait};
use crate::model::{ColumnName, EditId, Owner};
use crate::replica::{Amendment, EditError, Replica};

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
    /// Send a refused edit with other values.
    Resubmit {
        /// The edit, such as 3-17.
        edit: EditId,
        /// Values that it shall set, as COLUMN=VALUE; an empty VALUE is null.
        set: Vec<String>,
        /// A column that is left out.
        #[arg(long, value_name = "COLUMN")]
        without: Vec<ColumnName>,
        /// To whom a create or an assign shall give the record, as user:ID or team:ID.
        #[arg(long, value_name = "OWNER")]
        assign: Option<Owner>,
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
            let found = entries.into_iter().find(|entry| entry.edit == edit);
            found.ok_or_else(|| CliError::Input(format!("edit {edit} is not in quarantine")))
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
                try_again(&replica, *edit, Amendment::default())
            }
            Some(Action::Resubmit { edit, set, without, assign }) => {
                let entry = known(*edit)?;
                let schema = replica.known_schema();
                let set = columns(&schema, declared(&schema, &entry.table)?, set)?;
                let without = without.iter().cloned().collect();
                let amendment = Amendment { set, without, owner: assign.clone() };
                if amendment == Amendment::default() {
                    return Err(CliError::Input(
                        "nothing is to be otherwise: give COLUMN=VALUE, --without or --assign; \
                         `quarantine retry` sends it as it is"
                            .into(),
                    ));
                }
                try_again(&replica, *edit, amendment)
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

fn try_again(replica: &Replica, edit: EditId, amendment: Amendment) -> Result<(), CliError> {
    match wait(async { Ok(replica.resubmit(edit, amendment).await) })? {
        Ok(receipt) => {
            let again: Vec<_> = receipt.edits().iter().map(ToString::to_string).collect();
            let again = again.join(", ");
            println!("Edit {edit} is pending again as {again}; the next sync sends it.");
            Ok(())
        }
        Err(EditError::Denied(denial)) => Err(CliError::Refused(format!("still denied: {denial}"))),
        Err(EditError::Store(error)) => Err(CliError::run(error)),
        Err(error) => Err(CliError::Refused(error.to_string())),
    }
}
