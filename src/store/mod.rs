//! Redb files: one for a replica, one for a server.
//!
//! [`RedbReplica`] and [`RedbServer`] implement the storage traits of [`crate::sync`]. Each
//! method of a trait is one transaction; a commit is durable when it returns. Every value carries
//! a checksum over its table, its key and itself, because redb checks none when it reads: a
//! flipped bit is an error that names the place, never other data.
//!
//! Readers do not wait for the writer: a [`ReplicaSnapshot`] is the state of one moment.

mod catalog;
mod edit_bytes;
mod fence;
mod file;
mod key;
mod lately;
mod memory;
mod open_error;
mod peek;
mod reading;
mod replica;
mod rewrite;
#[cfg(feature = "cli")]
mod scratch;
mod server;
mod survey;
mod table;
mod untouched;
mod verify;

pub use fence::is_fenced;
pub use file::FileKind;
#[cfg(feature = "server")]
pub use file::look;
pub use open_error::{BackupError, OpenError};
pub use replica::{
    IndexProgress, IndexReader, RedbReplica, Repair, RepairError, ReplicaReader, ReplicaSnapshot,
    RowCursor, RowReader, Rows, Wanted, repair,
};
pub use server::{RedbServer, ServerReader, ServerSnapshot};
pub use survey::{Finding, Verification};
pub use table::entries_read;
pub use verify::verify;
