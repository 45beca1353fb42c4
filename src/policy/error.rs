//! What can be wrong with a document.

use crate::limits::DOCUMENT_BYTES_MAX;
use crate::model::NameError;

use super::{Mistake, Place};

/// Why a policy or schema document was refused. The first thing wrong is named, with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Over [`DOCUMENT_BYTES_MAX`].
    #[error("{place}: the document has {bytes} bytes, at most {DOCUMENT_BYTES_MAX} are allowed")]
    TooLarge {
        /// The document.
        place: Place,
        /// Its length.
        bytes: usize,
    },
    /// It is no TOML, or no JSON.
    #[error("{place}: {message}")]
    Syntax {
        /// Where reading stopped.
        place: Place,
        /// What the parser says.
        message: String,
    },
    /// A key that means nothing here.
    #[error("{place}: unknown key `{key}`; known here: {known}")]
    UnknownKey {
        /// Where the key stands.
        place: Place,
        /// The key.
        key: String,
        /// The keys that are known there, for people.
        known: String,
    },
    /// A key that must be there is not.
    #[error("{place}: `{key}` is missing")]
    MissingKey {
        /// The object that lacks it.
        place: Place,
        /// The key.
        key: String,
    },
    /// A value of another type.
    #[error("{place}: `{key}` must be {expected}, this is {found}")]
    WrongType {
        /// Where the value stands.
        place: Place,
        /// Its key.
        key: String,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A text that cannot be a name.
    #[error("{place}: `{key}`: {error}")]
    Name {
        /// Where the value stands.
        place: Place,
        /// Its key.
        key: String,
        /// What is wrong with it.
        error: NameError,
    },
    /// A text or number that is none of those that can stand here.
    #[error("{place}: `{key}` cannot be `{found}`; it can be: {known}")]
    NotAChoice {
        /// Where the value stands.
        place: Place,
        /// Its key.
        key: String,
        /// The value.
        found: String,
        /// What it can be, for people.
        known: String,
    },
    /// Two of one name.
    #[error(
        "{place}: {what} `{id}` is declared a second time; the first is at {first}: remove one"
    )]
    Duplicate {
        /// Where the second stands.
        place: Place,
        /// What kind of thing it is.
        what: &'static str,
        /// Its name.
        id: String,
        /// Where the first stands.
        first: Place,
    },
    /// Something declared that does not fit with the rest.
    #[error("{place}: {mistake}")]
    Mistake {
        /// Where it stands.
        place: Place,
        /// What is wrong.
        mistake: Box<Mistake>,
    },
}

impl DocumentError {
    /// Where in the document it is.
    #[must_use]
    pub fn place(&self) -> &Place {
        match self {
            Self::TooLarge { place, .. }
            | Self::Syntax { place, .. }
            | Self::UnknownKey { place, .. }
            | Self::MissingKey { place, .. }
            | Self::WrongType { place, .. }
            | Self::Name { place, .. }
            | Self::NotAChoice { place, .. }
            | Self::Duplicate { place, .. }
            | Self::Mistake { place, .. } => place,
        }
    }
}
