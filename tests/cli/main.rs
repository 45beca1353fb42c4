//! The program as a user runs it: real processes, files and sockets of this machine.
//!
//! What a command prints is checked as JSON; what it complains of, by exit code and by the words
//! that a newcomer needs.
#![cfg(feature = "cli")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod admin;
mod admin_profile;
mod adventure_profiles;
mod adventure_works;
mod bench;
mod compare;
mod data_mistakes;
mod demo;
mod estimate;
mod file_mistakes;
mod kill;
mod ledger;
mod live;
#[path = "../common/naive.rs"]
mod naive;
#[path = "../common/naive_structure.rs"]
mod naive_structure;
mod network_mistakes;
mod on_demand;
mod operate;
#[path = "../common/ports.rs"]
mod ports;
mod process;
mod profile;
mod replay;
mod schema;
mod server_mistakes;
mod sharing;
mod table;
mod walk;
mod world;
