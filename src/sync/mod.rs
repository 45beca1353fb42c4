//! The two sides of a session as pure machines: no clock, no socket, no file.
//!
//! A machine is told what happened (`connected`, `received`, ...) with the time, reads and writes
//! through a storage trait, and is then asked for its outputs until there are none. Fed the same,
//! it does the same.

mod entropy;
mod grant;
mod log;
pub mod replica;
mod replica_meta;
pub mod server;
mod storage;

pub use entropy::Entropy;
pub use grant::{Grant, GrantError};
pub use log::{EntryKind, Follower, Leg, LogEntry, Move, Strand};
pub use replica_meta::{Enrolment, KeptSize, Purge, ReplicaMeta, StemMore};
pub use storage::{
    Commit, DeviceRow, Erased, Held, Kept, KeptPlace, Operation, PastStanding, Pending,
    Quarantined, RefusedEdit, ReplicaBatch, ReplicaStore, ServerMeta, ServerStore, StoreError,
    StoredRow, Turn,
};
