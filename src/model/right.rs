//! Rights and how far they reach: the vocabulary of `docs/privileges.md`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What can be done to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Make a new record.
    Create,
    /// See the record.
    Read,
    /// Change its columns.
    Write,
    /// Delete it.
    Delete,
    /// Point one of its lookups at another record.
    Append,
    /// Be pointed at by another record's lookup.
    AppendTo,
    /// Change its owner.
    Assign,
    /// Give others rights on it.
    Share,
}

impl Right {
    /// All rights, in the order of the table in the specification.
    pub const ALL: [Self; 8] = [
        Self::Create,
        Self::Read,
        Self::Write,
        Self::Delete,
        Self::Append,
        Self::AppendTo,
        Self::Assign,
        Self::Share,
    ];

    /// The name used in policies and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Append => "append",
            Self::AppendTo => "append_to",
            Self::Assign => "assign",
            Self::Share => "share",
        }
    }

    /// The right of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.as_str() == name)
    }

    fn bit(self) -> u8 {
        1 << (self as u8)
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of rights.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rights(u8);

impl Rights {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// One bit a right, the first of [`Right::ALL`] lowest: the form in which sets are stored.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The set that these bits stand for.
    #[must_use]
    pub fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Whether the set holds `right`.
    #[must_use]
    pub fn contains(self, right: Right) -> bool {
        self.0 & right.bit() != 0
    }

    /// The set and `right`.
    #[must_use]
    pub fn with(self, right: Right) -> Self {
        Self(self.0 | right.bit())
    }

    /// Everything in either set.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The rights in the set, in the order of [`Right::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.contains(*right))
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        rights.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Right::as_str)).finish()
    }
}

/// How far a right of a role reaches, from the holder's business unit.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Depth {
    /// Not at all.
    #[default]
    None,
    /// Records that the holder owns.
    User,
    /// Records of the holder's business unit.
    BusinessUnit,
    /// Records of the holder's business unit and those below it.
    ParentChild,
    /// Every record.
    Organization,
}

impl Depth {
    /// The name used in policies and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::User => "user",
            Self::BusinessUnit => "business_unit",
            Self::ParentChild => "parent_child",
            Self::Organization => "organization",
        }
    }
}

impl fmt::Display for Depth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
