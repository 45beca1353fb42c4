//! What the gate says.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ColumnName, Depth, PolicyEpoch, Right, Sequence, TableName};

/// The rule that an edit broke. Section 6 of `docs/privileges.md` names each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// The edit is no edit: it does not apply, or breaks the schema or the form.
    Malformed,
    /// Nobody knows this user.
    UnknownUser,
    /// The user is disabled.
    DisabledUser,
    /// No role gives the right on the table at all.
    NoPrivilege,
    /// The right is held, but does not reach this record.
    OutOfDepth,
    /// The column is secured and the user has no permission for it.
    NoColumnPermission,
    /// A new record's business unit is not its owner's.
    WrongBusinessUnit,
    /// The new owner could not read the record.
    OwnerCannotRead,
    /// A share gives what its giver does not have.
    CannotGiveRight,
    /// The table is a system table: the server alone writes its rows.
    SystemTable,
}

impl Rule {
    /// The name used in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownUser => "unknown_user",
            Self::DisabledUser => "disabled_user",
            Self::NoPrivilege => "no_privilege",
            Self::OutOfDepth => "out_of_depth",
            Self::NoColumnPermission => "no_column_permission",
            Self::WrongBusinessUnit => "wrong_business_unit",
            Self::OwnerCannotRead => "owner_cannot_read",
            Self::CannotGiveRight => "cannot_give_right",
            Self::SystemTable => "system_table",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an edit, or a column of it, was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// The rule it broke.
    pub rule: Rule,
    /// The right that was asked for, where the rule is about one.
    pub right: Option<Right>,
    /// The table that the right was asked for.
    pub table: Option<TableName>,
    /// The column, where one was refused.
    pub column: Option<ColumnName>,
    /// The nearest depth that would have sufficed, where a depth would.
    pub needed: Option<Depth>,
    /// What exactly is wrong, where the rule alone does not say it ([`Rule::Malformed`]).
    pub detail: Option<String>,
}

impl Denial {
    /// A denial by `rule`, with nothing more said yet.
    #[must_use]
    pub fn of(rule: Rule) -> Self {
        Self { rule, right: None, table: None, column: None, needed: None, detail: None }
    }

    /// A [`Rule::Malformed`] denial that says what is wrong.
    #[must_use]
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..Self::of(Rule::Malformed) }
    }

    /// What is said of every edit of a system table.
    pub(crate) fn system_table(table: &TableName) -> Self {
        let detail = format!("the server alone writes rows of `{table}`");
        Self { detail: Some(detail), table: Some(table.clone()), ..Self::of(Rule::SystemTable) }
    }

    /// What is said of a column of an edit that counts without it.
    pub(crate) fn counts_without(column: ColumnName) -> Self {
        let detail = "a copy of this device sent the edit without this column, and so it counts";
        Self { column: Some(column), ..Self::malformed(detail) }
    }

    /// What is said of an edit that comes too late, or of what counts together with it.
    pub(crate) fn erased() -> Self {
        Self::malformed("a record that it changes was erased")
    }
}

/// For people: "out_of_depth: no right to write this record of `customer` (business_unit would do)".
impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule.as_str())?;
        if let Some(right) = self.right {
            write!(f, ": no right to {right}")?;
            if let Some(table) = &self.table {
                let what = if self.rule == Rule::OutOfDepth { "this record of" } else { "in" };
                write!(f, " {what} `{table}`")?;
            }
        }
        if let Some(column) = &self.column {
            write!(f, ", column `{column}`")?;
        }
        if let Some(depth) = self.needed {
            write!(f, " (depth {depth} would do)")?;
        }
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        Ok(())
    }
}

/// The server's answer to one edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It counts, at this place in the log, or before it where its entry was dropped.
    Admitted(Sequence),
    /// It does not count. Final until it is sent again.
    Denied {
        /// Why.
        denial: Denial,
        /// The policy it was judged by.
        epoch: PolicyEpoch,
    },
    /// Some of its columns do not count: its author writes it anew without them.
    Split {
        /// Each refused column with the reason.
        columns: Vec<Denial>,
        /// The policy it was judged by.
        epoch: PolicyEpoch,
    },
    /// It counts at this place in the log without some of its columns: these were refused before, and
    /// its author wrote it anew without them. This is what a copy of its author's file is told.
    Partly {
        /// Where it is in the log, as of [`Self::Admitted`].
        sequence: Sequence,
        /// Each refused column with the reason.
        columns: Vec<Denial>,
        /// The policy by which they were judged.
        epoch: PolicyEpoch,
    },
    /// Its record was erased: it does not count, and nothing of it is to stay with its author.
    Erased,
    /// Not judged: what it builds on did not become confirmed (or its header moved meanwhile).
    /// Its author writes it anew on confirmed state and sends it again under the same edit id.
    Reauthor,
}
