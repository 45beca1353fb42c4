//! A suggested profile as a document, which says of each line why it is there.

use std::fmt::Write as _;

use crate::model::{Estimate, Match, ProfileTable, RowRule, TableName};
use crate::scope::Suggestion;

/// The document, in TOML, with what the profile takes for one user of the group where that is known. The
/// same for the same suggestion.
#[must_use]
pub fn write_suggestion(suggestion: &Suggestion, estimate: Option<&Estimate>) -> String {
    let mut text = String::from(
        "# A suggestion: look at each line, change it, and check and estimate it anew.\n",
    );
    let profile = &suggestion.profile;
    match estimate {
        Some(estimate) => {
            let (user, total) = (&estimate.user, estimate.total());
            line(
                &mut text,
                &format!(
                    "# For {user} it takes {} rows with {} bytes.",
                    total.records, total.bytes
                ),
            );
        }
        None => line(&mut text, "# How many rows there are was not known."),
    }
    for (table, why) in &suggestion.left_out {
        line(&mut text, &format!("# Not taken: `{table}`: {why}."));
    }
    line(&mut text, "\n[[profile]]");
    line(&mut text, &format!("id = {}", quoted(profile.id.as_str())));
    line(&mut text, &format!("for = {}", list(profile.audiences.iter().map(ToString::to_string))));
    line(&mut text, &format!("depth = {}", profile.depth));
    for why in suggestion.not_shown.values() {
        line(&mut text, &format!("# Not shown: {why}."));
    }
    if let Some(views) = &profile.views {
        line(&mut text, &format!("views = {}", list(views.iter().map(ToString::to_string))));
    }
    for entry in &profile.tables {
        write_table(&mut text, suggestion, entry, estimate);
    }
    text
}

fn write_table(
    text: &mut String,
    suggestion: &Suggestion,
    entry: &ProfileTable,
    estimate: Option<&Estimate>,
) {
    line(text, "\n[[profile.table]]");
    let name = quoted(entry.table.as_str());
    let size = estimate.and_then(|it| it.tables.iter().find(|it| it.table == entry.table));
    match size.map(crate::model::TableEstimate::total) {
        Some(size) => {
            let (rows, bytes) = (size.records, size.bytes);
            line(text, &format!("id = {name}  # {rows} rows, {bytes} bytes"));
        }
        None => line(text, &format!("id = {name}")),
    }
    let mut say = |key: &'static str, value: Option<String>| {
        if let Some(why) = suggestion.why.get(&(entry.table.clone(), key)) {
            line(text, &format!("# {why}"));
        }
        if let Some(value) = value {
            line(text, &format!("{key} = {value}"));
        }
    };
    let some = |items: Vec<String>| (!items.is_empty()).then(|| list(items.into_iter()));
    say("rows", some(entry.rows.iter().map(|rule| RowRule::as_str(*rule).to_owned()).collect()));
    say("related", some(entry.related.clone()));
    let matching = entry.matching.map(|it| match it {
        Match::Any => "any",
        Match::All => "all",
    });
    say("match", matching.map(quoted));
    let is_said = entry.priority != ProfileTable::PRIORITY;
    say("priority", is_said.then(|| entry.priority.to_string()));
    say("needs", some(entry.needs.iter().map(TableName::to_string).collect()));
}

fn line(text: &mut String, line: &str) {
    // A text takes all that is written to it.
    let _ = writeln!(text, "{line}");
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.map(|item| quoted(&item)).collect();
    format!("[{}]", items.join(", "))
}
