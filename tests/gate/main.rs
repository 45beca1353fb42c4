//! The gate and the documents it judges by.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that is wrong should stop"
)]

mod command;
mod compare;
mod device;
mod documents;
mod edits;
mod explain;
mod hostile;
mod malformed;
#[path = "../common/naive.rs"]
mod naive;
#[path = "../common/naive_structure.rs"]
mod naive_structure;
mod organization;
mod random;
mod sharing;
mod situations;
mod twins;
