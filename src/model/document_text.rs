//! Documents as somebody wrote them.

use serde::{Deserialize, Serialize};

/// A document, as whoever takes it reads it: nothing is in force that was not read and checked there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentText {
    /// What its author calls it: mistakes name it, and `.json` at its end says that it is JSON.
    pub file: String,
    /// The document.
    pub text: String,
}
