//! What a query asks of a row.

use std::borrow::Cow;

use super::Reference;
use crate::model::{Secured, Value};

/// What a column says to one user.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// It holds this; null where it was never set, and where nothing is looked up.
    Known(Cow<'a, Value>),
    /// The user may not read it, or it is a column of a looked-up record that is not there for the
    /// user: whatever is asked of it is unknown.
    Hidden,
}

impl From<Cell<'_>> for Secured<Value> {
    fn from(cell: Cell<'_>) -> Self {
        match cell {
            Cell::Known(value) => Self::Known(value.into_owned()),
            Cell::Hidden => Self::Hidden,
        }
    }
}

impl Cell<'_> {
    /// The same, and nothing borrowed.
    #[must_use]
    pub fn into_owned(self) -> Cell<'static> {
        match self {
            Self::Known(value) => Cell::Known(Cow::Owned(value.into_owned())),
            Self::Hidden => Cell::Hidden,
        }
    }
}

/// A row with those that are looked up from it, as one user sees them.
pub trait Row {
    /// Why a looked-up row cannot be read.
    type Error;

    /// What a column says. The lookups of the query's sources say which record another source is:
    /// where a lookup is null, so are all columns behind it; where the record is not there for the
    /// user, they are [`Cell::Hidden`], whether it is elsewhere or nowhere.
    ///
    /// # Errors
    /// A looked-up row cannot be read.
    fn cell(&mut self, reference: &Reference) -> Result<Cell<'_>, Self::Error>;

    /// As [`Self::cell`], by who asks nothing else of the column: the row need not keep what it said.
    ///
    /// # Errors
    /// As [`Self::cell`].
    fn take(&mut self, reference: &Reference) -> Result<Cell<'static>, Self::Error> {
        Ok(self.cell(reference)?.into_owned())
    }
}
