//! Those to whom rights can be given and records can belong.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{TeamId, UserId};

/// Who owns a record: a user or an owner team.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Owner {
    /// A user.
    User(UserId),
    /// A team (of kind `owner`).
    Team(TeamId),
}

/// Who can receive a share: a user, a team of either kind, or the whole organization.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Principal {
    /// A user.
    User(UserId),
    /// A team.
    Team(TeamId),
    /// Everyone in the organization.
    Organization,
}

/// Why a text names no owner or principal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrincipalError {
    /// No `user:` or `team:` in front (or `organization`, where that is allowed).
    #[error("`{0}`: expected {1}")]
    Form(String, &'static str),
    /// What follows the colon is no name.
    #[error("`{0}`: {1}")]
    Name(String, super::NameError),
}

impl From<Owner> for Principal {
    fn from(owner: Owner) -> Self {
        match owner {
            Owner::User(user) => Self::User(user),
            Owner::Team(team) => Self::Team(team),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "user:{user}"),
            Self::Team(team) => write!(f, "team:{team}"),
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "user:{user}"),
            Self::Team(team) => write!(f, "team:{team}"),
            Self::Organization => f.write_str("organization"),
        }
    }
}

impl FromStr for Owner {
    type Err = PrincipalError;
    fn from_str(text: &str) -> Result<Self, PrincipalError> {
        let named = |e| PrincipalError::Name(text.to_owned(), e);
        if let Some(user) = text.strip_prefix("user:") {
            UserId::new(user).map(Self::User).map_err(named)
        } else if let Some(team) = text.strip_prefix("team:") {
            TeamId::new(team).map(Self::Team).map_err(named)
        } else {
            Err(PrincipalError::Form(text.to_owned(), "user:ID or team:ID"))
        }
    }
}

impl FromStr for Principal {
    type Err = PrincipalError;
    fn from_str(text: &str) -> Result<Self, PrincipalError> {
        if text == "organization" {
            return Ok(Self::Organization);
        }
        text.parse::<Owner>().map(Self::from).map_err(|e| match e {
            PrincipalError::Form(text, _) => {
                PrincipalError::Form(text, "user:ID, team:ID or organization")
            }
            other => other,
        })
    }
}

macro_rules! by_text {
    ($type:ident) => {
        impl TryFrom<String> for $type {
            type Error = PrincipalError;
            fn try_from(text: String) -> Result<Self, PrincipalError> {
                text.parse()
            }
        }
        impl From<$type> for String {
            fn from(it: $type) -> String {
                it.to_string()
            }
        }
    };
}
by_text!(Owner);
by_text!(Principal);
