//! Why a profile does not fit a schema, and where in it.

use std::fmt;

use crate::limits::{PRIORITY_MAX, PROFILE_DEPTH_MAX, SYNC_MINUTES_MAX};
use crate::model::{GroupName, TableName, ViewName};
use crate::query::{BindError, FilterError};

/// The first thing wrong in a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileError {
    /// Which of its tables it is about, with its place among them; `None`: the profile itself.
    pub table: Option<(usize, TableName)>,
    /// The key, as documents call it.
    pub key: &'static str,
    /// Which of the key's values, from 0, where it has several.
    pub item: Option<usize>,
    /// What is wrong.
    pub fault: Box<ProfileFault>,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.table {
            Some((_, table)) => write!(f, "table `{table}`: `{}`: {}", self.key, self.fault),
            None => write!(f, "`{}`: {}", self.key, self.fault),
        }
    }
}

impl std::error::Error for ProfileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.fault)
    }
}

/// What is wrong in a profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileFault {
    /// It takes nothing.
    #[error("it takes no table: name one")]
    NoTable,
    /// It is for nobody.
    #[error("it is for nobody: name a role, team or user, or `organization`")]
    NoAudience,
    /// More than there may be.
    #[error("{count}, at most {max} are allowed")]
    TooMany {
        /// How many.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// More rounds than [`PROFILE_DEPTH_MAX`].
    #[error("{0} rounds, it can be 0 to {PROFILE_DEPTH_MAX}")]
    Depth(u32),
    /// Not within 1 to [`SYNC_MINUTES_MAX`].
    #[error("{0} minutes, it can be 1 to {SYNC_MINUTES_MAX}")]
    Interval(u32),
    /// Over [`PRIORITY_MAX`].
    #[error("{0}, it can be 0 to {PRIORITY_MAX}")]
    Priority(u32),
    /// The schema has no such table.
    #[error("there is no table `{0}`: declare it or correct the name")]
    NoSuchTable(TableName),
    /// The schema has no such view.
    #[error("there is no view `{0}`: declare it or correct the name")]
    NoSuchView(ViewName),
    /// No column of the table is in such a group.
    #[error("there is no column group `{0}` here; there are: {1}")]
    NoSuchGroup(GroupName, String),
    /// A table is there twice.
    #[error("the profile has this table already: put both into one")]
    Twice,
    /// Rows by their owner, of a table whose rows have none.
    #[error("its rows belong to nobody: they can be `all`")]
    NoOwner,
    /// A filter, and no rows that it chooses from.
    #[error("it says which of `rows` are meant: give these too, such as `rows = [\"all\"]`")]
    FilterWithoutRows,
    /// Both `rows` and `related`, and not how they go together.
    #[error("is missing: `any` takes what `rows` or `related` say, `all` what both say")]
    NoMatch,
    /// How two things go together of which one is not there.
    #[error("it says how `rows` and `related` go together, and one of them is not there")]
    MatchWithout,
    /// No lookup of that name.
    #[error("`{0}` is no lookup: it is `COLUMN` of this table, or `TABLE.COLUMN`")]
    NoLookup(String),
    /// A lookup that leads elsewhere.
    #[error("`{text}` looks up {targets}, and not this table{hint}")]
    Elsewhere {
        /// The relationship.
        text: String,
        /// Which tables it looks up, for people.
        targets: String,
        /// What was meant, perhaps.
        hint: String,
    },
    /// A relationship with a table that is not taken.
    #[error("`{text}` leads from {tables}, of which the profile takes nothing: add the table")]
    FromNowhere {
        /// The relationship.
        text: String,
        /// From where it leads here, for people.
        tables: String,
    },
    /// The filter does not fit the table.
    #[error("{0}")]
    Filter(FilterError),
    /// Something is left open in the filter.
    #[error("{0}; nobody binds parameters of a profile")]
    Open(BindError),
}
