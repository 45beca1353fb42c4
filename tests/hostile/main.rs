//! Bytes from someone who means harm: an error, never a panic, and never much memory or work.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

mod bombs;
mod files;
mod heavy;
#[path = "../store/memory.rs"]
#[allow(dead_code, reason = "the stores' own tests use the rest")]
mod memory;
#[path = "../common/mutant.rs"]
mod mutant;
mod mutants;
#[path = "../merge/replicas.rs"]
#[allow(dead_code, reason = "the tests of merging use the rest")]
mod replicas;
mod server;
