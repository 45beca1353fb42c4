//! Offline profiles: their documents, what they take, and what they lack.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

mod compared;
mod devices;
mod documents;
mod drawn;
mod estimate;
mod lacks;
mod machines;
mod memory;
mod naive;
mod planted;
mod published;
mod random;
#[path = "../sim/rng.rs"]
#[allow(dead_code, reason = "the simulated world draws more kinds of chance")]
mod rng;
mod rounds;
mod sent;
mod suggested;
mod users;
