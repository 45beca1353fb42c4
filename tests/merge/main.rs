//! What edits of every column type become when they merge: on every replica the same.

mod replicas;
mod types;
