//! Edits as bytes: what is written is read, whatever it is; what anybody else wrote is read or refused,
//! and neither takes more memory than is stated.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

mod drawn;
mod foreign;
#[path = "../common/mutant.rs"]
mod mutant;
#[path = "../merge/replicas.rs"]
#[allow(dead_code, reason = "the tests of merging use the rest")]
mod replicas;
mod short;
mod sizes;
mod weighed;
mod written;

use std::sync::{Mutex, MutexGuard, PoisonError};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static MEMORY: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

/// One test at a time: memory is counted for all of them together.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
