//! The library as an app uses it: replicas and a server in one process, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

mod admin;
mod arrival;
mod atomic;
mod can;
mod edits;
mod embed;
mod enrolment;
mod erase;
mod handles;
mod hidden;
mod ledger;
mod office;
mod on_demand;
mod open;
mod people;
mod quarantine;
mod query;
mod recheck;
mod rows;
mod schema_behind;
mod schema_columns;
mod schema_tables;
mod seen;
mod sharing;
mod speaks_first;
mod view;
