//! How the rows of a query are found.

use std::fmt;

use super::access::{Access, UsableIndex};
use super::order::OrderColumn;
use super::{BoundQuery, Direction};

/// Where an index leads to more than one in so many rows, all are gone through instead.
pub const SCANNED_SHARE: u64 = 4;

/// How a query is carried out, for people to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    lines: Vec<String>,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, line) in self.lines.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            f.write_str(line)?;
        }
        Ok(())
    }
}

impl Plan {
    /// What is done, a step a line.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

impl BoundQuery {
    /// How the query is carried out when at most `limit` rows are wanted of a table with `rows`.
    #[must_use]
    pub fn plan(&self, rows: u64, indexes: &[UsableIndex<'_>], limit: Option<usize>) -> Plan {
        let access = self.access(indexes, limit);
        let mut lines = vec![self.first_line(&access, rows, indexes)];
        let (is_filter, is_ordered) = match &access {
            Access::Index(it) => (it.left.is_empty(), it.order.is_some()),
            Access::Table | Access::Ids(_) => (false, self.is_by_id()),
        };
        let looked_up = self.sources.iter().filter(|source| source.from.is_some());
        lines.extend(looked_up.map(|source| format!("look up {source}, where it is asked for")));
        if self.is_filtered() {
            let keep = "keep those that the filter says are meant";
            let all = "the index says all that the filter says";
            lines.push((if is_filter { all } else { keep }).to_owned());
        }
        let most = |limit: usize| format!("stop after {limit} rows");
        if is_ordered {
            let by = if self.is_by_id() {
                "in the order of their ids"
            } else {
                "in the order of the index"
            };
            lines.push(by.to_owned());
            lines.extend(limit.map(most));
        } else if self.is_by_id() {
            lines.push("sort by id".to_owned());
            lines.extend(limit.map(most));
        } else {
            let by = self.order.iter().map(|OrderColumn { column, direction }| {
                let direction = if *direction == Direction::Desc { " desc" } else { "" };
                format!("{}{direction}", self.path(column))
            });
            let by = by.chain(["id".to_owned()]).collect::<Vec<_>>().join(", ");
            let first = limit.map(|limit| format!(", and keep the first {limit}"));
            lines.push(format!("sort by {by}{}", first.unwrap_or_default()));
        }
        Plan { lines }
    }

    fn first_line(&self, access: &Access, rows: u64, indexes: &[UsableIndex<'_>]) -> String {
        let table = &self.table;
        let it = match access {
            Access::Table => return format!("go through the {rows} rows of `{table}`"),
            Access::Ids(ids) => return format!("get {} rows of `{table}` by id", ids.len()),
            Access::Index(it) => it,
        };
        let index = indexes.iter().find(|index| index.number == it.number);
        let index = index.map(|index| index.shape.to_string()).unwrap_or_default();
        let (ranges, narrowed) = (it.ranges.len(), it.narrowed);
        let why = match (narrowed, it.order) {
            (0, _) => "it has the order".to_owned(),
            (_, None) => format!(
                "the filter narrows it down by {narrowed} of its columns, unless to more than 1 in \
                 {SCANNED_SHARE} of the {rows} rows, which are gone through then"
            ),
            (_, Some(_)) => format!("the filter narrows it down by {narrowed} of its columns"),
        };
        let ranges = if ranges == 1 { "1 range".to_owned() } else { format!("{ranges} ranges") };
        format!("look into {ranges} of the index ({index}) of `{table}`: {why}")
    }
}
