//! How much there is of something.

use serde::{Deserialize, Serialize};

use super::RecordState;

/// Records, and about how many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Size {
    /// How many records.
    pub records: u64,
    /// What they are as rows in pages of a scan, before these become columns, to who reads no secured
    /// column.
    pub bytes: u64,
}

impl Size {
    /// No records.
    pub const NOTHING: Self = Self { records: 0, bytes: 0 };

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_add(other.records),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    /// Without the other, which is a part of it.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_sub(other.records),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

/// How much there is of something, by the state of the records: deleted ones are sent to who goes by no offline
/// profile, and no profile takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SizeByState {
    /// Records that are there.
    pub active: Size,
    /// Deleted ones.
    pub deleted: Size,
}

impl SizeByState {
    /// A record in a state.
    #[must_use]
    pub fn of(state: RecordState, size: Size) -> Self {
        match state {
            RecordState::Active => Self { active: size, ..Self::default() },
            RecordState::Deleted => Self { deleted: size, ..Self::default() },
        }
    }

    /// All of them.
    #[must_use]
    pub fn all(self) -> Size {
        self.active.plus(self.deleted)
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let (active, deleted) = (self.active.plus(other.active), self.deleted.plus(other.deleted));
        Self { active, deleted }
    }

    /// Without the other, which is a part of it.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        let (active, deleted) =
            (self.active.minus(other.active), self.deleted.minus(other.deleted));
        Self { active, deleted }
    }
}
