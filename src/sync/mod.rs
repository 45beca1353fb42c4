//! The two sides of a session as pure machines: no clock, no socket, no file.
//!
//! A machine is told what happened (`connected`, `received`, ...) with the time, reads and writes
//! through a storage trait, and is then asked for its outputs until there are none. Fed the same,
//! it does the same.

mod entropy;
mod grant;
mod log;
pub mod replica;
pub mod server;
mod storage;

pub use entropy::Entropy;
pub use grant::{Grant, GrantError};
pub use log::{EntryKind, Follower, Leg, LogEntry, Move, Strand};
pub use storage::{
    Commit, DeviceRow, Enrolment, Erased, Held, Kept, KeptPlace, KeptSize, Operation, PastStanding,
    Pending, Purge, Quarantined, RefusedEdit, ReplicaBatch, ReplicaMeta, ReplicaStore, ServerMeta,
    ServerStore, StoreError, StoredRow, Turn,
};
