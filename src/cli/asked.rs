//! What `query` and `view` have in common: which rows, in what order, how many, and how they are told.

use clap::Args;
use serde_json::{Value as Json, json};

use super::CliError;
use super::device::ReplicaArg;
use super::output::counted;
use super::query::{bindings, query_error};
use crate::query::{Bookmark, Direction, Plan, Query};
use crate::replica::{Found, QueryError, Row, RowQuery, ViewQuery, ViewRow};

#[derive(Debug, Args)]
pub(super) struct Asked {
    /// Which rows, such as "status = 'open' and due < now()"; default: all.
    filter: Option<String>,
    /// A value for $NAME in a filter: JSON, or else a text.
    #[arg(long, value_name = "NAME=VALUE")]
    bind: Vec<String>,
    /// Columns to order by, such as "due desc, customer.name"; default: a view's own, or the ids.
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
    pub(super) replica: ReplicaArg,
    /// Print JSON, an object a line; the last is {"next": BOOKMARK} where there are more.
    #[arg(long)]
    pub(super) json: bool,
}

/// A query of a table's rows, or of a view's.
pub(super) trait Question: Sized {
    type Row;
    fn filter(self, text: &str) -> Self;
    fn bind(self, name: &str, value: Json) -> Self;
    fn order_by(self, column: String, direction: Direction) -> Self;
    fn after(self, bookmark: &Bookmark) -> Self;
    fn limit(self, rows: usize) -> Self;
    fn plan(&self) -> Result<Plan, QueryError>;
    fn count(&self) -> Result<u64, QueryError>;
    fn read(&self) -> Result<Found<Self::Row>, QueryError>;
}

/// Both have these as their own.
macro_rules! question {
    ($asks:ty, $row:ty) => {
        impl Question for $asks {
            type Row = $row;
            fn filter(self, text: &str) -> Self {
                self.filter(text)
            }
            fn bind(self, name: &str, value: Json) -> Self {
                self.bind(name, value)
            }
            fn order_by(self, column: String, direction: Direction) -> Self {
                self.order_by(column, direction)
            }
            fn after(self, bookmark: &Bookmark) -> Self {
                self.after(bookmark)
            }
            fn limit(self, rows: usize) -> Self {
                self.limit(rows)
            }
            fn plan(&self) -> Result<Plan, QueryError> {
                self.plan()
            }
            fn count(&self) -> Result<u64, QueryError> {
                self.count()
            }
            fn read(&self) -> Result<Found<$row>, QueryError> {
                self.read()
            }
        }
    };
}
question!(RowQuery, Row);
question!(ViewQuery, ViewRow);

impl Asked {
    /// Asks, and tells what came of it; `show` prints rows for people, `row_json` makes one for scripts.
    pub(super) fn run<Q: Question>(
        &self,
        question: Q,
        show: impl Fn(&[Q::Row]),
        row_json: impl Fn(&Q::Row) -> Json,
    ) -> Result<(), CliError> {
        let question = self.narrowed(question)?;
        if self.explain {
            let plan = question.plan().map_err(query_error)?;
            self.say(&json!({ "plan": plan.lines() }), &plan.to_string());
        } else if self.count {
            let rows = question.count().map_err(query_error)?;
            self.say(&json!({ "rows": rows }), &counted(rows, "row"));
        } else {
            let found = question.read().map_err(query_error)?;
            if self.json {
                found.rows.iter().for_each(|row| println!("{}", row_json(row)));
            } else {
                show(&found.rows);
            }
            self.end(found.rows.len(), found.next.as_ref());
        }
        Ok(())
    }

    fn say(&self, json: &Json, text: &str) {
        if self.json { println!("{json}") } else { println!("{text}") }
    }

    /// How many rows there were, and where it goes on.
    fn end(&self, rows: usize, next: Option<&Bookmark>) {
        let rows = counted(u64::try_from(rows).unwrap_or(u64::MAX), "row");
        match next {
            Some(next) => {
                let more = format!("{rows}, and there are more: --after {next}");
                self.say(&json!({ "next": next.to_string() }), &more);
            }
            None if self.json => {}
            None => println!("{rows}"),
        }
    }

    fn narrowed<Q: Question>(&self, mut question: Q) -> Result<Q, CliError> {
        if let Some(filter) = &self.filter {
            question = question.filter(filter);
        }
        for (name, value) in bindings(&self.bind)? {
            question = question.bind(name, value);
        }
        if let Some(order) = &self.order {
            for (column, direction) in Query::order(order).map_err(CliError::input)? {
                question = question.order_by(column, direction);
            }
        }
        if let Some(after) = &self.after {
            question = question.after(after);
        }
        Ok(question.limit(self.limit))
    }
}
