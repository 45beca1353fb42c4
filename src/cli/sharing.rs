//! What `edit` shares, as its arguments say it.

use clap::Args;

use super::CliError;
use crate::model::{ColumnName, ColumnPermissions, Principal, Right, Rights, Table};
use crate::replica::Intent;

#[derive(Debug, Args)]
pub(super) struct SharingArgs {
    /// Share the record with user:ID, team:ID or organization: all that it may do from now on.
    #[arg(long, value_name = "PRINCIPAL=RIGHT,...")]
    share: Vec<String>,
    /// End the share of the record with a principal.
    #[arg(long, value_name = "PRINCIPAL")]
    unshare: Vec<String>,
    /// Share a secured column of the record: `read`, `update` or both; nothing behind `=` ends it.
    #[arg(long, value_name = "COLUMN:PRINCIPAL=read,update")]
    share_column: Vec<String>,
}

impl SharingArgs {
    /// What is asked for, in the order of the flags above.
    pub(super) fn intents(&self, table: &Table) -> Result<Vec<Intent>, CliError> {
        let share = self.share.iter().map(|text| share(text));
        let unshare = self.unshare.iter().map(|text| {
            let to = text.parse().map_err(|error| CliError::Input(format!("--unshare {error}")))?;
            Ok(Intent::Share { to, rights: Rights::NONE })
        });
        let columns = self.share_column.iter().map(|text| share_column(table, text));
        share.chain(unshare).chain(columns).collect()
    }
}

/// Reads `PRINCIPAL=RIGHT,...`; a name may hold `=`, a right does not.
fn share(text: &str) -> Result<Intent, CliError> {
    let wrong = |why: String| CliError::Input(format!("--share {text}: {why}"));
    let (to, rights) = text
        .rsplit_once('=')
        .ok_or_else(|| wrong("expected PRINCIPAL=RIGHT,..., such as user:ben=read,write".into()))?;
    let to: Principal = to.parse().map_err(|error| wrong(format!("{error}")))?;
    let right = |name: &str| {
        let known = Right::from_name(name).filter(|right| *right != Right::Create);
        known.ok_or_else(|| {
            let known = Right::ALL.map(Right::as_str).into_iter().filter(|it| *it != "create");
            let known = known.collect::<Vec<_>>().join(", ");
            wrong(format!("`{name}` is no right to share; there are: {known}"))
        })
    };
    let rights = rights.split(',').map(right).collect::<Result<_, _>>()?;
    Ok(Intent::Share { to, rights })
}

/// Reads `COLUMN:PRINCIPAL=read,update`.
fn share_column(table: &Table, text: &str) -> Result<Intent, CliError> {
    let wrong = |why: String| CliError::Input(format!("--share-column {text}: {why}"));
    let form = || wrong("expected COLUMN:PRINCIPAL=read,update".into());
    let (place, given) = text.rsplit_once('=').ok_or_else(form)?;
    let (column, to) = place.split_once(':').ok_or_else(form)?;
    let secured: Vec<&ColumnName> =
        table.columns.iter().filter(|column| column.secured).map(|column| &column.id).collect();
    let Some(column) = secured.iter().find(|known| known.as_str() == column) else {
        let known = secured.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "none".into() } else { known };
        let table = &table.id;
        return Err(wrong(format!("`{table}` has no secured column `{column}`; it has: {known}")));
    };
    let to: Principal = to.parse().map_err(|error| wrong(format!("{error}")))?;
    let mut permissions = ColumnPermissions::NONE;
    for name in given.split(',').filter(|name| !name.is_empty()) {
        match name {
            "read" => permissions.read = true,
            "update" => permissions.update = true,
            _ => return Err(wrong(format!("`{name}` is neither read nor update"))),
        }
    }
    Ok(Intent::ShareColumn { column: (*column).clone(), to, permissions })
}
