//! What edits of every column type become when they merge: on every replica the same.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails where it stands; the traces tell how long they took"
)]

mod conflicts;
mod flat;
mod floor;
mod generations;
#[path = "../store/memory.rs"]
#[expect(dead_code, reason = "the store's tests compare more")]
mod memory;
#[allow(dead_code, reason = "the fuzz targets do more")]
mod network;
mod rebase;
mod replicas;
mod seen;
mod traces;
mod typed;
mod types;
