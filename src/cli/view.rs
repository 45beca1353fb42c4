//! `view`.

use clap::Args;
use serde_json::{Map, Value as Json, json};

use super::CliError;
use super::device::ReplicaArg;
use super::output::{counted, print_table};
use super::query::{bindings, query_error};
use crate::model::Secured;
use crate::query::{Bookmark, Query};
use crate::replica::{ViewQuery, ViewRow};

#[derive(Debug, Args)]
pub(super) struct ViewCommand {
    /// The view, as the schema names it.
    view: String,
    /// Which of its rows, such as "status = 'open'"; default: all that it shows.
    filter: Option<String>,
    /// A value for $NAME in the view's filter: JSON, or else a text.
    #[arg(long, value_name = "NAME=VALUE")]
    bind: Vec<String>,
    /// Columns to order by instead of the view's, such as "due desc, customer.name".
    #[arg(long, value_name = "COLUMNS")]
    order: Option<String>,
    /// How many rows at the most.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// Go on behind the rows that gave this bookmark.
    #[arg(long, value_name = "BOOKMARK")]
    after: Option<Bookmark>,
    /// Only count the rows; the limit does not matter.
    #[arg(long, conflicts_with_all = ["order", "after", "explain"])]
    count: bool,
    /// Say how the rows would be found, and do not.
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    replica: ReplicaArg,
    /// Print JSON, an object a line; the last is {"next": BOOKMARK} where there are more.
    #[arg(long)]
    pub(super) json: bool,
}

impl ViewCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let replica = self.replica.open_enrolled()?;
        let view = self.narrowed(replica.view(&self.view).map_err(query_error)?)?;
        if self.explain {
            let plan = view.plan().map_err(query_error)?;
            if self.json {
                println!("{}", json!({ "plan": plan.lines() }));
            } else {
                println!("{plan}");
            }
        } else if self.count {
            let rows = view.count().map_err(query_error)?;
            if self.json {
                println!("{}", json!({ "rows": rows }));
            } else {
                println!("{}", counted(rows, "row"));
            }
        } else {
            self.print(&view)?;
        }
        Ok(())
    }

    fn narrowed(&self, mut view: ViewQuery) -> Result<ViewQuery, CliError> {
        if let Some(filter) = &self.filter {
            view = view.filter(filter);
        }
        for (name, value) in bindings(&self.bind)? {
            view = view.bind(name, value);
        }
        if let Some(order) = &self.order {
            for (column, direction) in Query::order(order).map_err(CliError::input)? {
                view = view.order_by(column, direction);
            }
        }
        if let Some(after) = &self.after {
            view = view.after(after);
        }
        Ok(view.limit(self.limit))
    }

    fn print(&self, view: &ViewQuery) -> Result<(), CliError> {
        let found = view.read().map_err(query_error)?;
        let next = found.next.map(|next| next.to_string());
        if self.json {
            found.rows.iter().for_each(|row| println!("{}", row_json(row)));
            if let Some(next) = next {
                println!("{}", json!({ "next": next }));
            }
            return Ok(());
        }
        if let Some(first) = found.rows.first() {
            let names = first.columns().map(|(name, _)| name.to_owned()).collect();
            print_table(names, found.rows.iter().map(row_texts));
        }
        let rows = counted(u64::try_from(found.rows.len()).unwrap_or(u64::MAX), "row");
        match next {
            Some(next) => println!("{rows}, and there are more: --after {next}"),
            None => println!("{rows}"),
        }
        Ok(())
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
