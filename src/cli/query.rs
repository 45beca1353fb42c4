//! `query`.

use clap::Args;
use serde_json::{Value as Json, json};

use super::CliError;
use super::data::declared;
use super::device::ReplicaArg;
use super::output::{counted, print_row, row_json};
use crate::model::{Table, TableName};
use crate::query::{Bookmark, Query};
use crate::replica::{QueryError, RowQuery};

#[derive(Debug, Args)]
pub(super) struct QueryCommand {
    /// The table.
    table: TableName,
    /// Which rows, such as "status = 'open' and due < now()"; default: all.
    filter: Option<String>,
    /// A value for $NAME in the filter: JSON, or else a text.
    #[arg(long, value_name = "NAME=VALUE")]
    bind: Vec<String>,
    /// Columns to order by, such as "due desc, customer.name"; default: the ids.
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

/// What was asked for is input; the rest went wrong while running.
pub(super) fn query_error(error: QueryError) -> CliError {
    match error {
        QueryError::Store(error) => CliError::run(error),
        other => CliError::input(other),
    }
}

/// The values of parameters, each of the form NAME=VALUE.
pub(super) fn bindings(pairs: &[String]) -> Result<Vec<(&str, Json)>, CliError> {
    let mut all = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let expected = || CliError::Input(format!("--bind {pair}: expected NAME=VALUE"));
        let (name, value) = pair.split_once('=').ok_or_else(expected)?;
        let json = serde_json::from_str(value).unwrap_or_else(|_| Json::from(value));
        all.push((name.trim_start_matches('$'), json));
    }
    Ok(all)
}

impl QueryCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let replica = self.replica.open_enrolled()?;
        let schema = replica.known_schema();
        let table = declared(&schema, &self.table)?;
        let query = self.query(replica.query(&self.table))?;
        if self.explain {
            let plan = query.plan().map_err(query_error)?;
            if self.json {
                println!("{}", json!({ "plan": plan.lines() }));
            } else {
                println!("{plan}");
            }
        } else if self.count {
            let rows = query.count().map_err(query_error)?;
            if self.json {
                println!("{}", json!({ "rows": rows }));
            } else {
                println!("{}", counted(rows, "row"));
            }
        } else {
            self.print(table, &query)?;
        }
        Ok(())
    }

    fn query(&self, mut query: RowQuery) -> Result<RowQuery, CliError> {
        if let Some(filter) = &self.filter {
            query = query.filter(filter);
        }
        for (name, value) in bindings(&self.bind)? {
            query = query.bind(name, value);
        }
        if let Some(order) = &self.order {
            for (column, direction) in Query::order(order).map_err(CliError::input)? {
                query = query.order_by(column, direction);
            }
        }
        if let Some(after) = &self.after {
            query = query.after(after);
        }
        Ok(query.limit(self.limit))
    }

    fn print(&self, table: &Table, query: &RowQuery) -> Result<(), CliError> {
        let found = query.read().map_err(query_error)?;
        for row in &found.rows {
            if self.json {
                println!("{}", row_json(&self.table, row));
            } else {
                print_row(table, row);
            }
        }
        let next = found.next.map(|next| next.to_string());
        if self.json {
            if let Some(next) = next {
                println!("{}", json!({ "next": next }));
            }
            return Ok(());
        }
        let rows = counted(u64::try_from(found.rows.len()).unwrap_or(u64::MAX), "row");
        match next {
            Some(next) => println!("{rows}, and there are more: --after {next}"),
            None => println!("{rows}"),
        }
        Ok(())
    }
}
