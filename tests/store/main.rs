//! The redb files of replica and server: what they keep, what they refuse, and what is left of
//! them after a power cut or a flipped bit.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod damage;
mod data;
#[allow(dead_code, reason = "the fuzz targets do more")]
mod disk;
mod indexes;
mod memory;
mod open;
mod power;
mod random;
mod replica;
#[path = "../merge/replicas.rs"]
#[allow(dead_code, reason = "the tests of merging use the rest")]
mod replicas;
mod server;
mod session;
mod session_cuts;
mod watched;
