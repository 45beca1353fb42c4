//! Where a query goes on: behind the last row of those that it gave.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use super::compare::Kind;
use super::order::{SortKey, SortPart};
use super::{BoundQuery, Direction};
use crate::limits::BOOKMARK_BYTES_MAX;
use crate::model::TableName;

/// The form of the bytes.
const VERSION: u8 = 1;

/// A place between two rows of a query's result. It says what the last row was ordered by, and not how
/// many rows there were: rows that come or go before it do not shift it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bookmark {
    version: u8,
    table: TableName,
    /// By which columns, as they were named, and in which direction each.
    order: Vec<(String, Direction)>,
    key: SortKey,
}

/// Why a bookmark cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BookmarkError {
    /// Over [`BOOKMARK_BYTES_MAX`].
    #[error("the bookmark has {0} bytes, at most {BOOKMARK_BYTES_MAX} are allowed")]
    TooLong(usize),
    /// It is no bookmark, or one of another version.
    #[error("this is no bookmark; expected what a query gave as its `next`")]
    Form,
    /// It was made by a query of another table or with another order.
    #[error("the bookmark is of another query: table and order must be the same")]
    OtherQuery,
}

impl Bookmark {
    /// What the last row was ordered by.
    #[must_use]
    pub fn key(&self) -> &SortKey {
        &self.key
    }
}

impl BoundQuery {
    /// The place behind the row with this key.
    #[must_use]
    pub fn bookmark(&self, key: SortKey) -> Bookmark {
        let order = self.order_names();
        Bookmark { version: VERSION, table: self.table.clone(), order, key }
    }

    /// Checks that a bookmark is one of this query.
    ///
    /// # Errors
    /// [`BookmarkError::OtherQuery`].
    pub fn accept(&self, bookmark: &Bookmark) -> Result<(), BookmarkError> {
        let same = bookmark.table == self.table && bookmark.order == self.order_names();
        // Types may have changed since, and a bookmark may have been made by hand.
        let fits = |(part, column): (&SortPart, Kind)| match part {
            SortPart::Hidden => true,
            SortPart::Known(value) => {
                value.column_type().is_none_or(|it| Kind::of(it) == Some(column))
            }
        };
        let kinds = self.order.iter().filter_map(|by| Kind::of(by.column.column_type()));
        let parts = &bookmark.key.parts;
        let all_fit = parts.len() == self.order.len() && parts.iter().zip(kinds).all(fits);
        if same && all_fit { Ok(()) } else { Err(BookmarkError::OtherQuery) }
    }

    fn order_names(&self) -> Vec<(String, Direction)> {
        let named = |by: &super::order::OrderColumn| (self.path(&by.column), by.direction);
        self.order.iter().map(named).collect()
    }
}

impl fmt::Display for Bookmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = postcard::to_stdvec(self).map_err(|_| fmt::Error)?;
        f.write_str(&BASE64URL_NOPAD.encode(&bytes))
    }
}

impl FromStr for Bookmark {
    type Err = BookmarkError;

    fn from_str(text: &str) -> Result<Self, BookmarkError> {
        if text.len() > BOOKMARK_BYTES_MAX {
            return Err(BookmarkError::TooLong(text.len()));
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| BookmarkError::Form)?;
        match postcard::take_from_bytes::<Self>(&bytes) {
            Ok((bookmark, [])) if bookmark.version == VERSION => Ok(bookmark),
            _ => Err(BookmarkError::Form),
        }
    }
}
