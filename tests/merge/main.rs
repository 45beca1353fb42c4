//! What edits of every column type become when they merge: on every replica the same.

mod conflicts;
mod rebase;
mod replicas;
mod traces;
mod types;
