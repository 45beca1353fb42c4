//! What a user may not read: not a byte of it in files, backups and messages, and no sign of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

mod budget;
mod cases;
mod due;
mod followers;
mod hints;
mod late;
mod moved;
mod needles;
mod net;
mod newcomers;
mod pages;
mod pinned;
mod purge;
mod rechecked;
mod refused;
mod stems;
mod taken;
mod unsent;
