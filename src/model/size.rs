//! How much there is of something.

use serde::{Deserialize, Serialize};

/// Records, and about how many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Size {
    /// How many records, deleted ones too.
    pub records: u64,
    /// What they are in pages of a scan, before encryption, to who reads no secured column.
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
