//! Tidegate keeps an app's records on the device, lets people edit them with no connection, merges
//! with everyone else's edits later, and lets a permission gate decide which merged edits count.

#![forbid(unsafe_code)]

#[cfg(feature = "cli")]
pub mod cli;
pub mod gate;
pub mod limits;
pub mod model;
pub mod policy;
