//! Sections as Automerge documents. The only room that names `automerge`.
//!
//! Documents live in memory alone. What is stored and sent is a section's [`History`]: its changes
//! by meaning, from which the document is rebuilt, bit for bit, when something must be merged.

mod container;
mod document;
mod documents;
mod error;
mod forks;
mod history;
mod rebase;
mod record;
mod scalar;
mod view;
mod weave;
mod write;

pub use document::{ChangeHash, Document};
pub use documents::Documents;
pub use error::CrdtError;
pub use history::History;
pub use rebase::{Fate, Rebase, Translated};
pub use record::{Conflict, Record};
