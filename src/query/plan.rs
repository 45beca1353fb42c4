//! How the rows of a query are found.

use std::fmt;

use super::evaluate::Bound;
use super::order::OrderColumn;
use super::tree::Comparison;
use super::{BoundQuery, Direction, Field};
use crate::model::{RecordId, Value};

/// Which rows are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// All of the table, in the order of their ids.
    Table,
    /// Those with these ids, in their order, each once.
    Ids(Vec<RecordId>),
}

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
    /// Which rows must be looked at: all others do not match.
    #[must_use]
    pub fn access(&self) -> Access {
        let parts = match &self.filter {
            Some(Bound::All(parts)) => parts.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        parts.iter().find_map(ids).map_or(Access::Table, Access::Ids)
    }

    /// How the query is carried out when at most `limit` rows are wanted of a table with `rows`.
    #[must_use]
    pub fn plan(&self, rows: u64, limit: Option<usize>) -> Plan {
        let mut lines = vec![match self.access() {
            Access::Table => format!("go through the {rows} rows of `{}`", self.table),
            Access::Ids(ids) => format!("get {} rows of `{}` by id", ids.len(), self.table),
        }];
        let looked_up = self.sources.iter().filter(|source| source.from.is_some());
        lines.extend(looked_up.map(|source| format!("look up {source}, where it is asked for")));
        if self.filter.is_some() {
            lines.push("keep those that the filter says are meant".to_owned());
        }
        let most = |limit: usize| format!("stop after {limit} rows");
        if self.is_by_id() {
            lines.push("in the order of their ids".to_owned());
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
}

/// The ids that a record must have one of.
fn ids(part: &Bound) -> Option<Vec<RecordId>> {
    let id = |value: &Value| match value {
        Value::Lookup(id) => Some(*id),
        _ => None,
    };
    let mut ids: Vec<_> = match part {
        Bound::Compare { column, comparison: Comparison::Equal, with }
            if column.source == 0 && column.field == Field::Id =>
        {
            id(with).into_iter().collect()
        }
        Bound::In { column, list, .. } if column.source == 0 && column.field == Field::Id => {
            list.iter().filter_map(id).collect()
        }
        _ => return None,
    };
    ids.sort_unstable();
    ids.dedup();
    Some(ids)
}
