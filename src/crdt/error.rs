use crate::model::{ChangeRef, MisfitOpError, NameError, Section};

/// Why a change cannot be rebuilt on a section, or a document not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CrdtError {
    /// A change builds on one that the section does not hold.
    #[error("the change {change:?} builds on {dep:?}, which the section does not hold")]
    MissingDependency {
        /// The change.
        change: ChangeRef,
        /// What it needs.
        dep: ChangeRef,
    },
    /// The section holds another change of this name already, or lacks the one before.
    #[error("the change {change:?} should be number {expected} of its actor in the section")]
    WrongSeq {
        /// The change.
        change: ChangeRef,
        /// The number it should have.
        expected: u64,
    },
    /// An operation is not one for this kind of section.
    #[error("the operation {op} does not belong into the section {section:?}")]
    ForeignOp {
        /// The section.
        section: Section,
        /// The operation.
        op: &'static str,
    },
    /// An operation does not fit the value that it was written on.
    #[error(transparent)]
    Misfit(#[from] MisfitOpError),
    /// Automerge refused.
    #[error("automerge: {0}")]
    Automerge(String),
    /// The document holds a value that Tidegate never writes.
    #[error("key `{key}` of the document holds a value that is not ours")]
    ForeignValue {
        /// The key.
        key: String,
    },
    /// The document holds a key that is no name.
    #[error("the document has a key that is no name: {0}")]
    Key(#[from] NameError),
}

impl From<automerge::AutomergeError> for CrdtError {
    fn from(error: automerge::AutomergeError) -> Self {
        Self::Automerge(error.to_string())
    }
}
