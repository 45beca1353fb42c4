//! Names: the short texts that people give to tables, columns, users, teams and so on.
//!
//! Each kind has its own type, so that a team cannot be passed where a user is meant. A name is
//! cheap to clone and is checked when it is made: see [`check`] for the rule.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

use crate::limits::NAME_BYTES_MAX;

/// Why a text cannot be a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The text is empty.
    #[error("a name cannot be empty")]
    Empty,
    /// The text is longer than [`NAME_BYTES_MAX`].
    #[error("a name has at most {NAME_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// The text holds a control character.
    #[error("a name cannot hold control characters: {0:?}")]
    Control(String),
}

/// Checks that `text` can be a name: 1 to [`NAME_BYTES_MAX`] bytes and no control character.
///
/// # Errors
/// Says which of these rules the text breaks.
pub fn check(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong(text.len()));
    }
    // Most names are plain ASCII: that is told without decoding characters.
    let is_plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !is_plain && text.chars().any(char::is_control) {
        return Err(NameError::Control(text.to_owned()));
    }
    Ok(())
}

/// Reads a name from borrowed text: every row that is read holds some, and none of them should cost
/// a copy that is thrown away.
struct NameVisitor<T>(PhantomData<T>);

impl<T: std::str::FromStr<Err = NameError>> Visitor<'_> for NameVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(SmolStr);

        impl $type {
            /// Checks and wraps a text.
            ///
            /// # Errors
            /// The text is empty, too long or holds a control character.
            pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
                let text = text.as_ref();
                check(text)?;
                Ok(Self(SmolStr::from(text)))
            }

            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $type {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.as_str().to_owned()
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_str(NameVisitor(PhantomData))
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }

        impl PartialEq<str> for $type {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }
    };
}

/// Names that the program itself gives.
macro_rules! known {
    ($($type:ident)*) => {
        $(impl $type {
            /// A name that is known to be one.
            pub(crate) const fn known(text: &'static str) -> Self {
                Self(SmolStr::new_static(text))
            }
        })*
    };
}

known! { TableName ColumnName TeamId ProfileName }

name! {
    /// The id of a table.
    TableName
}
name! {
    /// The id of a column of a table.
    ColumnName
}
name! {
    /// A column group: columns of a table that a device takes along or leaves out together.
    GroupName
}
name! {
    /// The name of a view.
    ViewName
}
name! {
    /// The name of an offline profile.
    ProfileName
}
name! {
    /// An app, by the name under which profiles know it.
    AppName
}
name! {
    /// A user, by the name that the organization gave them.
    UserId
}
name! {
    /// A team of users.
    TeamId
}
name! {
    /// A business unit: a node of the organization's tree.
    BusinessUnitId
}
name! {
    /// A position: a node of the position hierarchy.
    PositionId
}
name! {
    /// A security role.
    RoleId
}
name! {
    /// What people call a user, a team, a business unit, a table or a column.
    DisplayName
}
name! {
    /// A column security profile.
    ColumnSecurityId
}
