//! Files that are damaged, repaired, backed up and restored, with real servers on loopback.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod backup;
mod catch_up;
mod copied;
mod first_sync;
mod limits;
#[path = "../common/ports.rs"]
mod ports;
mod purge;
mod repair;
mod retention;
mod rotate;
mod verify;
mod world;
