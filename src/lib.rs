//! Tidegate keeps an app's records on the device, lets people edit them with no connection, merges
//! with everyone else's edits later, and lets a permission gate decide which merged edits count.

#![forbid(unsafe_code)]

pub mod codec;
pub mod crdt;
pub mod gate;
pub mod limits;
pub mod model;
#[cfg(feature = "_shell")]
pub mod net;
#[cfg(feature = "client")]
pub mod replica;
#[cfg(feature = "_shell")]
pub mod store;

pub mod sync;
