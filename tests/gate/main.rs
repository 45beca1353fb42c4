//! The gate and the documents it judges by.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that is wrong should stop"
)]

mod bulk;
mod command;
mod compare;
mod device;
mod documents;
mod edits;
mod explain;
mod hostile;
mod malformed;
#[path = "../store/memory.rs"]
#[expect(dead_code, reason = "the store's tests compare more")]
mod memory;
#[path = "../common/naive.rs"]
mod naive;
#[path = "../common/naive_structure.rs"]
mod naive_structure;
#[path = "../secured/net.rs"]
#[expect(dead_code, reason = "the tests of secured columns do more")]
mod net;
mod organization;
mod random;
mod reach;
mod sharing;
mod situations;
mod system;
mod twins;
