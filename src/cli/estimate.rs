//! How much profiles take, for people and for programs.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value as Json, json};

use super::CliError;
use super::output::print_table;
use crate::model::{Estimate, Size, TableEstimate, UserId};
use crate::server::estimate;

/// Profiles, and of what server they are told.
#[derive(Debug, Args)]
pub(super) struct ToldOf {
    /// The profiles (TOML or JSON).
    pub(super) file: PathBuf,
    /// A server that is not running: its folder, one of its backups, or its file.
    #[arg(long, value_name = "SERVER")]
    pub(super) data: PathBuf,
    /// For whom; may be given several times. Default: for the first user of each profile.
    #[arg(long)]
    pub(super) user: Vec<UserId>,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl ToldOf {
    pub(super) fn estimate(&self) -> Result<(), CliError> {
        let estimates = estimate(&self.data, &self.file, &self.user).map_err(CliError::server)?;
        tell(&estimates, self.json)
    }
}

/// Prints estimates. One that is over its budget is wrong.
pub(super) fn tell(estimates: &[Estimate], as_json: bool) -> Result<(), CliError> {
    if as_json {
        println!("{}", estimates.iter().map(estimate_json).collect::<Json>());
    } else {
        let names = ["user", "profile", "table", "by", "rows", "bytes"].map(str::to_owned);
        print_table(names.into(), estimates.iter().flat_map(lines));
    }
    match estimates.iter().find(|estimate| estimate.is_over()) {
        Some(over) => Err(CliError::Input(over.to_string())),
        None => Ok(()),
    }
}

fn lines(estimate: &Estimate) -> Vec<Vec<String>> {
    let Estimate { user, profile, tables, .. } = estimate;
    let profile = profile.as_ref().map_or("(none)".to_owned(), ToString::to_string);
    let line = |table: &str, by: &str, size: Size| {
        let (rows, bytes) = (size.records.to_string(), size.bytes.to_string());
        vec![user.to_string(), profile.clone(), table.to_owned(), by.to_owned(), rows, bytes]
    };
    let of_table = |table: &TableEstimate| {
        let name = table.table.as_str();
        let itself = std::iter::once(line(name, "rows", table.by_itself));
        itself.chain(table.related.iter().map(|(by, size)| line(name, by, *size))).collect()
    };
    let mut lines: Vec<_> = tables.iter().flat_map(|it| -> Vec<_> { of_table(it) }).collect();
    lines.push(line("all", "", estimate.total()));
    lines
}

fn estimate_json(estimate: &Estimate) -> Json {
    let size = |size: Size| json!({ "rows": size.records, "bytes": size.bytes });
    let related = |(by, added): &(String, Size)| json!({ "by": by, "rows": added.records, "bytes": added.bytes });
    let table = |table: &TableEstimate| {
        let total = table.total();
        json!({
            "table": table.table.as_str(), "rows": total.records, "bytes": total.bytes,
            "by_itself": size(table.by_itself),
            "related": table.related.iter().map(related).collect::<Vec<_>>(),
        })
    };
    let total = estimate.total();
    json!({
        "user": estimate.user.as_str(),
        "profile": estimate.profile.as_ref().map(ToString::to_string),
        "rows": total.records, "bytes": total.bytes,
        "budget": estimate.budget, "over_budget": estimate.is_over(),
        "tables": estimate.tables.iter().map(table).collect::<Vec<_>>(),
    })
}
