//! `profile compare`: what views and forms show on the server, and on a device.

use clap::Args;
use serde_json::{Value as Json, json};

use super::CliError;
use super::estimate::ToldOf;
use super::output::counted;
use super::query::bindings;
use crate::model::{Secured, UserId, Value};
use crate::scope::{Cause, Comparison, Difference, Differs};
use crate::server::compare;

#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    #[command(flatten)]
    pub(super) of: ToldOf,
    /// A value for $NAME in the filters of views that have it: JSON, or else a text.
    #[arg(long, value_name = "NAME=VALUE")]
    bind: Vec<String>,
}

impl CompareArgs {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let ToldOf { file, data, user, json } = &self.of;
        let bound = bindings(&self.bind)?.into_iter();
        let bound = bound.map(|(name, value)| (name.to_owned(), value)).collect();
        let compared = compare(data, file, user, &bound).map_err(CliError::server)?;
        if *json {
            println!(
                "{}",
                compared.iter().map(|(user, it)| as_json(user, it.as_ref())).collect::<Json>()
            );
        } else {
            for (user, comparison) in &compared {
                tell(user, comparison.as_ref());
            }
        }
        let differing: u64 =
            compared.iter().filter_map(|(_, it)| Some(it.as_ref()?.differing)).sum();
        if differing == 0 {
            return Ok(());
        }
        let file = file.display();
        Err(CliError::Input(format!("{file}: {}", counted(differing, "difference"))))
    }
}

fn tell(user: &UserId, comparison: Option<&Comparison>) {
    let Some(comparison) = comparison else {
        println!("{user}: no profile is for this user");
        return;
    };
    for (view, why) in &comparison.skipped {
        println!("{user}: view `{view}` is not compared: {why}");
    }
    for difference in &comparison.differences {
        println!("{user}: {}", in_words(difference));
    }
    let (rows, differing) = (counted(comparison.rows, "row"), comparison.differing);
    println!("{user}: of {rows} that views show and forms open, {differing} differ");
}

fn in_words(difference: &Difference) -> String {
    let Difference { view, table, record, how, why } = difference;
    let place = view.as_ref().map_or("form".to_owned(), |view| format!("view `{view}`"));
    let how = match how {
        Differs::Missing => "is not there on the device".to_owned(),
        Differs::Extra => "is there on the device alone".to_owned(),
        Differs::Needed => "lacks what its form needs".to_owned(),
        Differs::Values(values) => {
            let value = |(name, there, here): &(String, _, _)| {
                format!("`{name}` is {} in place of {}", text(here), text(there))
            };
            values.iter().map(value).collect::<Vec<_>>().join(", ")
        }
    };
    let why: Vec<_> = why.iter().map(ToString::to_string).collect();
    let why = if why.is_empty() { String::new() } else { format!(": {}", why.join("; ")) };
    format!("{place}: `{table}` {record} {how}{why}")
}

fn text(value: &Secured<Value>) -> String {
    match value {
        Secured::Hidden => "unknown".to_owned(),
        Secured::Known(value) => value.to_json().to_string(),
    }
}

fn value_json(value: &Secured<Value>) -> Json {
    match value {
        Secured::Hidden => json!({ "hidden": true }),
        Secured::Known(value) => json!({ "value": value.to_json() }),
    }
}

fn cause_json(cause: &Cause) -> Json {
    match cause {
        Cause::Row => json!({ "leaves_out": "row" }),
        Cause::LookedUp(table, record) => {
            json!({ "leaves_out": "looked_up", "table": table.as_str(), "record": record.to_string() })
        }
        Cause::Group(table, group) => {
            json!({ "leaves_out": "group", "table": table.as_str(), "group": group.as_str() })
        }
    }
}

fn difference_json(difference: &Difference) -> Json {
    let Difference { view, table, record, how, why } = difference;
    let mut json = json!({
        "view": view.as_ref().map(ToString::to_string),
        "table": table.as_str(),
        "record": record.to_string(),
        "how": match how {
            Differs::Missing => "missing",
            Differs::Extra => "extra",
            Differs::Needed => "needed",
            Differs::Values(_) => "values",
        },
        "why": why.iter().map(cause_json).collect::<Vec<_>>(),
        "text": in_words(difference),
    });
    if let (Differs::Values(values), Json::Object(entries)) = (how, &mut json) {
        let value = |(name, there, here): &(String, _, _)| json!({ "column": name, "server": value_json(there), "device": value_json(here) });
        entries.insert("values".into(), values.iter().map(value).collect());
    }
    json
}

fn as_json(user: &UserId, comparison: Option<&Comparison>) -> Json {
    let Some(comparison) = comparison else {
        return json!({ "user": user.as_str(), "profile": false });
    };
    let skipped =
        comparison.skipped.iter().map(|(view, why)| json!({ "view": view.as_str(), "text": why }));
    json!({
        "user": user.as_str(),
        "rows": comparison.rows,
        "differing": comparison.differing,
        "differences": comparison.differences.iter().map(difference_json).collect::<Vec<_>>(),
        "not_compared": skipped.collect::<Vec<_>>(),
    })
}
