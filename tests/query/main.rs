//! Queries: what filters say of rows, what is wrong with a text and where, and the same answers as
//! SQLite gives.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

mod bookmarks;
mod bounds;
mod drawn;
mod errors;
mod hidden;
mod indexes;
mod live;
mod logic;
mod memory;
#[path = "../sim/rng.rs"]
#[allow(dead_code, reason = "the simulated world draws more kinds of chance")]
mod rng;
mod sqlite;
