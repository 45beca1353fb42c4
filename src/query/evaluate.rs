//! What a filter says of a row: true, false or unknown, as SQL has it.
//!
//! Whatever is asked of a hidden column is unknown, also whether it is null. Negation leaves unknown
//! as it is, and nothing asks whether a condition is unknown: so no filter, however it is built, says
//! of two rows that differ in hidden columns alone different things.

use std::cmp::Ordering;

use super::compare::{compare, text};
use super::order::OrderColumn;
use super::pattern::Pattern;
use super::resolve::path;
use super::row::{Cell, Row};
use super::tree::Comparison;
use super::{Reference, Source};
use crate::model::{TableName, Value};

/// A filter whose values are all known. None of them is null.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bound {
    /// `None`: unknown.
    Always(Option<bool>),
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    IsNull(Reference),
    Compare {
        column: Reference,
        comparison: Comparison,
        with: Value,
    },
    CompareColumns {
        left: Reference,
        comparison: Comparison,
        right: Reference,
    },
    In {
        column: Reference,
        /// Sorted.
        list: Vec<Value>,
        /// Whether null was listed, too.
        has_null: bool,
    },
    Like {
        column: Reference,
        pattern: Pattern,
    },
    BeginsWith {
        column: Reference,
        start: String,
    },
}

/// Parts of a filter that must all be true of a row: what is left to ask of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts(pub(super) Vec<usize>);

impl Parts {
    /// Nothing is asked.
    #[must_use]
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Whether nothing is left to ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A query that can be asked about rows.
#[derive(Debug, Clone)]
pub struct BoundQuery {
    pub(super) table: TableName,
    pub(super) sources: Vec<Source>,
    /// All of these must be true of a row.
    pub(super) filter: Vec<Bound>,
    pub(super) order: Vec<OrderColumn>,
    /// What is shown of the rows, beside the rows themselves.
    pub(super) shown: Vec<Reference>,
    pub(super) asks_time: bool,
}

impl BoundQuery {
    /// Whether the filter says that the row is meant; `None`: that is unknown, and then it is not.
    ///
    /// # Errors
    /// A looked-up row cannot be read.
    pub fn test<R: Row>(&self, row: &mut R) -> Result<Option<bool>, R::Error> {
        joined(&self.filter, row, false)
    }

    /// Whether these parts of the filter are true of the row.
    ///
    /// # Errors
    /// A looked-up row cannot be read.
    pub fn test_parts<R: Row>(&self, parts: &Parts, row: &mut R) -> Result<bool, R::Error> {
        for part in parts.0.iter().filter_map(|at| self.filter.get(*at)) {
            if part.test(row)? != Some(true) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// All of its filter.
    #[must_use]
    pub fn parts(&self) -> Parts {
        Parts((0..self.filter.len()).collect())
    }

    /// Whether it means some rows only.
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        !self.filter.is_empty()
    }

    /// Whether the filter asks for `now()`.
    #[must_use]
    pub fn asks_time(&self) -> bool {
        self.asks_time
    }

    /// The table whose rows are asked for.
    #[must_use]
    pub fn table(&self) -> &TableName {
        &self.table
    }

    /// The rows that it reads; see [`super::Query::sources`].
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// A column with the lookups before it.
    pub(super) fn path(&self, column: &Reference) -> String {
        path(&self.sources, column.source, &column.field)
    }
}

impl Bound {
    /// What must be true of a row for this to be, one by one.
    pub(super) fn into_parts(self) -> Vec<Self> {
        match self {
            Self::All(parts) => parts.into_iter().flat_map(Self::into_parts).collect(),
            one => vec![one],
        }
    }

    fn test<R: Row>(&self, row: &mut R) -> Result<Option<bool>, R::Error> {
        match self {
            Self::Always(truth) => Ok(*truth),
            Self::All(parts) => joined(parts, row, false),
            Self::Any(parts) => joined(parts, row, true),
            Self::Not(part) => Ok(part.test(row)?.map(|truth| !truth)),
            Self::IsNull(column) => Ok(match row.cell(column)? {
                Cell::Known(value) => Some(value.is_null()),
                Cell::Hidden => None,
            }),
            Self::Compare { column, comparison, with } => ask(row, column, |value| {
                compare(value, with).map(|ordering| comparison.holds(ordering))
            }),
            Self::CompareColumns { left, comparison, right } => {
                let Cell::Known(left) = row.cell(left)?.into_owned() else { return Ok(None) };
                ask(row, right, |right| {
                    compare(&left, right).map(|ordering| comparison.holds(ordering))
                })
            }
            Self::In { column, list, has_null } => Ok(match row.cell(column)? {
                Cell::Hidden => None,
                // Nothing is in an empty list, null neither.
                Cell::Known(_) if list.is_empty() && !has_null => Some(false),
                Cell::Known(value) if value.is_null() => None,
                Cell::Known(value) => {
                    let order = |other: &Value| compare(other, &value).unwrap_or(Ordering::Less);
                    let is_in = list.binary_search_by(order).is_ok();
                    if !is_in && *has_null { None } else { Some(is_in) }
                }
            }),
            Self::Like { column, pattern } => {
                ask(row, column, |value| text(value).map(|text| pattern.matches(text)))
            }
            Self::BeginsWith { column, start } => {
                ask(row, column, |value| text(value).map(|text| text.starts_with(start.as_str())))
            }
        }
    }
}

/// Asks something of a column that is known and not null; else the answer is unknown.
fn ask<R: Row>(
    row: &mut R,
    column: &Reference,
    question: impl FnOnce(&Value) -> Option<bool>,
) -> Result<Option<bool>, R::Error> {
    Ok(match row.cell(column)? {
        Cell::Known(value) if !value.is_null() => question(&value),
        Cell::Known(_) | Cell::Hidden => None,
    })
}

/// `decides` is what one part suffices for.
fn joined<R: Row>(parts: &[Bound], row: &mut R, decides: bool) -> Result<Option<bool>, R::Error> {
    let mut all = Some(!decides);
    for part in parts {
        match part.test(row)? {
            Some(truth) if truth == decides => return Ok(Some(decides)),
            Some(_) => {}
            None => all = None,
        }
    }
    Ok(all)
}
