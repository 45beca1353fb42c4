//! How much a profile takes.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ProfileName, Size, TableName, UserId};

/// How much a user would take offline, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// The user.
    pub user: UserId,
    /// By which profile; `None`: by none, which takes all that the user may read.
    pub profile: Option<ProfileName>,
    /// How many bytes the profile allows on a device; `None`: any.
    pub budget: Option<u64>,
    /// What is taken of each table.
    pub tables: Vec<TableEstimate>,
}

/// How much of a table is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableEstimate {
    /// The table.
    pub table: TableName,
    /// What `rows` and `filter` take.
    pub by_itself: Size,
    /// What each relationship adds, in the order of the profile. A row that several lead to is of the
    /// first of them that leads to it in the earliest round.
    pub related: Vec<(String, Size)>,
}

impl TableEstimate {
    /// All that is taken of the table.
    #[must_use]
    pub fn total(&self) -> Size {
        self.related.iter().fold(self.by_itself, |all, (_, size)| all.plus(*size))
    }
}

impl Estimate {
    /// All that is taken.
    #[must_use]
    pub fn total(&self) -> Size {
        self.tables.iter().fold(Size::NOTHING, |all, table| all.plus(table.total()))
    }

    /// Whether that is more than the profile allows.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.budget.is_some_and(|budget| self.total().bytes > budget)
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, profile, budget, tables } = self;
        let Size { records, bytes } = self.total();
        match profile {
            Some(profile) => write!(f, "profile `{profile}` takes for {user} ")?,
            None => write!(f, "without a profile {user} takes ")?,
        }
        write!(f, "{records} rows with {bytes} bytes")?;
        if let Some(budget) = budget {
            let is = if self.is_over() { "over" } else { "within" };
            write!(f, ", {is} its budget of {budget}")?;
        }
        for (at, table) in tables.iter().enumerate() {
            let Size { records, bytes } = table.total();
            let before = if at == 0 { ": " } else { ", " };
            write!(f, "{before}`{}` {records} rows with {bytes} bytes", table.table)?;
        }
        Ok(())
    }
}
