//! What an edit is, beside what it sets.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Edit, Op, RecordState};

/// Which of the edits of section 3 of `docs/privileges.md` an edit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EditKind {
    /// It makes the record.
    Create,
    /// It changes columns of a record that is there.
    Change,
    /// It deletes the record.
    Delete,
    /// It brings the record back.
    Undelete,
    /// It gives the record another owner.
    Assign,
    /// It says what a principal may do with the record.
    Share,
    /// It says what a principal may do with a secured column of the record.
    ShareColumn,
}

impl EditKind {
    /// What these operations of `edit` do: all of them, or those that were taken out of it.
    #[must_use]
    pub fn of(edit: &Edit, ops: &[Op]) -> Self {
        // A column that was taken out of a create is set on the record that the rest makes.
        let Some(header) = ops.iter().find(|op| op.column().is_none()) else {
            return Self::Change;
        };
        match header {
            _ if edit.is_create() => Self::Create,
            Op::State(RecordState::Deleted) => Self::Delete,
            Op::State(RecordState::Active) => Self::Undelete,
            Op::Share { .. } => Self::Share,
            Op::ShareColumn { .. } => Self::ShareColumn,
            _ => Self::Assign,
        }
    }

    /// The name used in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::Delete => "delete",
            Self::Undelete => "undelete",
            Self::Assign => "assign",
            Self::Share => "share",
            Self::ShareColumn => "share_column",
        }
    }
}

impl fmt::Display for EditKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
