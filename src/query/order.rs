//! The order of rows, and what of a row it goes by.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::compare::compare;
use super::row::{Cell, Row};
use super::{BoundQuery, Reference};
use crate::model::{RecordId, Value};

/// Which rows come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Direction {
    /// Those with the least value: hidden ones, then null, then values.
    #[default]
    Asc,
    /// Those with the greatest value.
    Desc,
}

/// A column to order by.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OrderColumn {
    pub(super) column: Reference,
    pub(super) direction: Direction,
}

/// What a row is ordered by. The last thing is its id, so that no two rows are equal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SortKey {
    pub(super) parts: Vec<SortPart>,
    pub(super) id: RecordId,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum SortPart {
    Hidden,
    Known(Value),
}

impl SortPart {
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Hidden, Self::Hidden) => Ordering::Equal,
            (Self::Hidden, Self::Known(_)) => Ordering::Less,
            (Self::Known(_), Self::Hidden) => Ordering::Greater,
            (Self::Known(a), Self::Known(b)) => match (a.is_null(), b.is_null()) {
                (false, false) => compare(a, b).unwrap_or(Ordering::Equal),
                (a, b) => b.cmp(&a),
            },
        }
    }
}

impl SortKey {
    /// The record's id.
    #[must_use]
    pub fn id(&self) -> RecordId {
        self.id
    }
}

impl BoundQuery {
    /// What a row is ordered by.
    ///
    /// # Errors
    /// A looked-up row cannot be read.
    pub fn sort_key<R: Row>(&self, id: RecordId, row: &mut R) -> Result<SortKey, R::Error> {
        let mut parts = Vec::with_capacity(self.order.len());
        for OrderColumn { column, .. } in &self.order {
            parts.push(match row.cell(column)? {
                Cell::Hidden => SortPart::Hidden,
                Cell::Known(value) => SortPart::Known(value.into_owned()),
            });
        }
        Ok(SortKey { parts, id })
    }

    /// Which of two rows comes first.
    #[must_use]
    pub fn compare(&self, a: &SortKey, b: &SortKey) -> Ordering {
        let parts = a.parts.iter().zip(&b.parts).zip(&self.order);
        let mut ordered = parts.map(|((a, b), by)| match by.direction {
            Direction::Asc => a.compare(b),
            Direction::Desc => b.compare(a),
        });
        ordered.find(|it| it.is_ne()).unwrap_or_else(|| a.id.cmp(&b.id))
    }

    /// Whether rows come in the order of their ids.
    #[must_use]
    pub fn is_by_id(&self) -> bool {
        self.order.is_empty()
    }
}
