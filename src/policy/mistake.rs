//! What can be wrong between declared things, wherever they were declared: in a document, in a
//! CSV file or as rows.

use std::fmt;

/// A kind of declared thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Noun {
    /// A business unit.
    BusinessUnit,
    /// A position.
    Position,
    /// A user.
    User,
    /// A team.
    Team,
    /// A role.
    Role,
    /// A column security.
    ColumnSecurity,
    /// A table.
    Table,
    /// A column; where it could be any table's, as `table.column`.
    Column,
    /// The hierarchy.
    Hierarchy,
    /// A view.
    View,
    /// An offline profile.
    Profile,
}

impl Noun {
    /// The word used in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BusinessUnit => "business unit",
            Self::Position => "position",
            Self::User => "user",
            Self::Team => "team",
            Self::Role => "role",
            Self::ColumnSecurity => "column security",
            Self::Table => "table",
            Self::Column => "column",
            Self::Hierarchy => "hierarchy",
            Self::View => "view",
            Self::Profile => "profile",
        }
    }
}

impl fmt::Display for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something declared that does not fit with the rest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: `{key}`: {fault}", self.subject())]
pub struct Mistake {
    /// The kind of thing that is wrong.
    pub what: Noun,
    /// Its name.
    pub id: String,
    /// The key of it that is wrong, such as `parent` or `rights.customer`.
    pub key: String,
    /// What is wrong.
    pub fault: Fault,
}

impl Mistake {
    /// The thing that is wrong, for people; there is only one hierarchy, and no name for it.
    fn subject(&self) -> String {
        if self.id.is_empty() {
            self.what.to_string()
        } else {
            format!("{} `{}`", self.what, self.id)
        }
    }
}

/// What is wrong with a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It names something that is not declared.
    #[error("there is no {what} `{id}`: declare it or correct the name")]
    Unknown {
        /// The kind of thing named.
        what: Noun,
        /// The name.
        id: String,
    },
    /// Following it leads back.
    #[error("a cycle: {0}: remove one of these links")]
    Cycle(String),
    /// A second business unit without a parent.
    #[error("a second root beside `{0}`: exactly one business unit has no parent")]
    SecondRoot(String),
    /// No business unit at all.
    #[error("there is no business unit: declare one root, without a parent")]
    NoRoot,
    /// The predeclared role is declared.
    #[error("this role is predeclared and cannot be redefined: choose another name")]
    Predeclared,
    /// A column that can never be secured.
    #[error("`{0}` cannot be secured: id, owner, business unit, state and lookups never are")]
    NotSecurable(String),
    /// A column permission for a column that needs none.
    #[error("column `{0}` is not secured, so a permission for it means nothing")]
    NotSecured(String),
    /// What an access team cannot have.
    #[error("an access team has none: remove it, or make the team an `owner` team")]
    AccessTeam,
    /// The hierarchy reaches nowhere.
    #[error("must be at least 1 where the hierarchy is on")]
    NoDepth,
    /// Anything that only one kind of document can get wrong.
    #[error("{0}")]
    Other(String),
}
