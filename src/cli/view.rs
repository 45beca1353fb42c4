//! `view`.

use clap::Args;
use serde_json::{Map, Value as Json, json};

use super::CliError;
use super::asked::Asked;
use super::output::print_table;
use super::query::query_error;
use crate::model::Secured;
use crate::replica::ViewRow;

#[derive(Debug, Args)]
pub(super) struct ViewCommand {
    /// The view, as the schema names it.
    view: String,
    #[command(flatten)]
    pub(super) asked: Asked,
}

impl ViewCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let replica = self.asked.replica.open_enrolled()?;
        let view = replica.view(&self.view).map_err(query_error)?;
        self.asked.run(view, print_rows, row_json)
    }
}

fn print_rows(rows: &[ViewRow]) {
    if let Some(first) = rows.first() {
        let names = first.columns().map(|(name, _)| name.to_owned()).collect();
        print_table(names, rows.iter().map(row_texts));
    }
}

/// Hidden columns are named beside the values: to be hidden is not to be null.
fn row_json(row: &ViewRow) -> Json {
    let mut columns = Map::new();
    let mut hidden = Vec::new();
    for (name, value) in row.columns() {
        match value {
            Secured::Known(value) => drop(columns.insert(name.to_owned(), value.to_json())),
            Secured::Hidden => hidden.push(name),
        }
    }
    let (id, pending) = (row.id.to_string(), row.pending);
    json!({ "id": id, "pending": pending, "columns": columns, "hidden": hidden })
}

fn row_texts(row: &ViewRow) -> Vec<String> {
    let text = |(_, value): (&str, Secured<&crate::model::Value>)| match value {
        Secured::Known(value) => value.to_string(),
        Secured::Hidden => "(hidden)".to_owned(),
    };
    row.columns().map(text).collect()
}
