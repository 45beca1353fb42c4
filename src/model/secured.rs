//! What a reader gets of a secured column.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

/// By this name a reader of rows finds out that a field can be hidden.
pub(crate) const SECURED: &str = "$tidegate::Secured";

/// The value of a secured column, or that this user may not read it. Hidden is not null: nobody
/// says whether there is a value.
///
/// The type of a field of a row, for a column that is secured:
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// use tidegate::Secured;
///
/// #[derive(Serialize, Deserialize)]
/// struct Employee {
///     name: String,
///     pay: Secured<Option<i64>>,
/// }
///
/// let shown = |employee: &Employee| match &employee.pay {
///     Secured::Hidden => "(hidden)".to_owned(),
///     Secured::Known(None) => "(none)".to_owned(),
///     Secured::Known(Some(pay)) => pay.to_string(),
/// };
/// assert_eq!(shown(&Employee { name: "Ann".into(), pay: Secured::Hidden }), "(hidden)");
/// ```
///
/// In a new row `Hidden` leaves the column unset. To change a hidden column, for which the permission
/// `update` suffices, set it in an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Secured<T> {
    /// The user may not read it.
    #[default]
    Hidden,
    /// What it holds.
    Known(T),
}

impl<T> Secured<T> {
    /// The value, unless it is hidden.
    #[must_use]
    pub fn known(self) -> Option<T> {
        match self {
            Self::Hidden => None,
            Self::Known(value) => Some(value),
        }
    }

    /// Whether the user may not read it.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        matches!(self, Self::Hidden)
    }

    /// The same of a reference.
    #[must_use]
    pub fn as_ref(&self) -> Secured<&T> {
        match self {
            Self::Hidden => Secured::Hidden,
            Self::Known(value) => Secured::Known(value),
        }
    }
}

impl<T> From<T> for Secured<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

impl<T: Serialize> Serialize for Secured<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Hidden => to.serialize_none(),
            Self::Known(value) => value.serialize(to),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Secured<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_newtype_struct(SECURED, OfSecured(PhantomData))
    }
}

struct OfSecured<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OfSecured<T> {
    type Value = Secured<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, or that it is hidden")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Secured::Hidden)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        T::deserialize(from).map(Secured::Known)
    }
}
