use crate::model::{PrincipalError, TimeRangeError};

/// Why bytes are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes do not follow the form.
    #[error("not in the expected form: {0}")]
    Form(#[from] postcard::Error),
    /// Something was left over.
    #[error("{0} bytes too many at the end")]
    TrailingBytes(usize),
    /// A number refers to an entry that is not there.
    #[error("{what} {number} is referred to but not there")]
    Reference {
        /// Which kind of entry.
        what: &'static str,
        /// The number.
        number: u32,
    },
    /// A bound of [`crate::limits`] is broken.
    #[error("{found} {what}, at most {max} are allowed")]
    Bound {
        /// What there are too many of.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        max: usize,
    },
    /// A value that cannot be.
    #[error("{0}")]
    Value(String),
    /// The bytes are of a version that this build does not know.
    #[error(
        "version {found} of {what} is not known here (this build knows {known}); update Tidegate"
    )]
    Version {
        /// What the bytes are.
        what: &'static str,
        /// The version found.
        found: u8,
        /// The version known.
        known: u8,
    },
}

impl DecodeError {
    /// Checks a count against its bound.
    ///
    /// # Errors
    /// The count is greater than `max`.
    pub fn bound(what: &'static str, found: usize, max: usize) -> Result<(), Self> {
        if found > max { Err(Self::Bound { what, found, max }) } else { Ok(()) }
    }
}

impl From<TimeRangeError> for DecodeError {
    fn from(error: TimeRangeError) -> Self {
        Self::Value(error.to_string())
    }
}

impl From<PrincipalError> for DecodeError {
    fn from(error: PrincipalError) -> Self {
        Self::Value(error.to_string())
    }
}
