//! Keys, certificates, enrolment codes, and QUIC over real sockets on 127.0.0.1.
#![cfg(all(feature = "client", feature = "server"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod certificates;
mod codes;
mod common;
mod connections;
mod early;
mod frames;
mod handshakes;
mod isolation;
mod key_files;
mod keys;
mod raw_peer;
