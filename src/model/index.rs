//! Indexes: by which columns rows of a table are found without going through all of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ColumnName;

/// A column of a record, or of one that it looks up: the lookups on the way, and then the column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ColumnPath(Vec<ColumnName>);

impl ColumnPath {
    /// The column of the record itself, or the one behind these lookups; `None`: no column is named.
    #[must_use]
    pub fn new(names: Vec<ColumnName>) -> Option<Self> {
        (!names.is_empty()).then_some(Self(names))
    }

    /// The lookups in their order, and then the column.
    #[must_use]
    pub fn names(&self) -> &[ColumnName] {
        &self.0
    }
}

/// As a filter names it.
impl fmt::Display for ColumnPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(".")?;
            }
            name.fmt(f)?;
        }
        Ok(())
    }
}

/// An index of a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Index {
    /// Its columns, those that decide first before the others.
    pub columns: Vec<ColumnPath>,
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, column) in self.columns.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            column.fmt(f)?;
        }
        Ok(())
    }
}
