//! What is done with a replica's file as a whole.

use std::path::Path;

use super::Replica;
use crate::store::RedbReplica;
use crate::sync::StoreError;

pub use crate::store::{
    BackupError, FileKind, Finding, OpenError, Repair, RepairError, Verification, repair, verify,
};

/// Copies the file of a replica that nobody has open, as [`Replica::backup`] does of one that is.
///
/// # Errors
/// As there; or the file is in use.
pub fn backup(file: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<(), BackupError> {
    RedbReplica::open(file)?.reader().backup(to)
}

impl Replica {
    /// Goes over the whole file while the app goes on: the checksum of each value, and whether what
    /// the tables say fits together. To check the pages between the values too, close the replica
    /// and use [`verify`].
    ///
    /// Takes a while and blocks: call it where that does no harm.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn verify(&self) -> Result<Verification, StoreError> {
        self.shared.reader.verify(&mut |_, _| {})
    }

    /// Copies everything as it is at this moment into a new file, while the app goes on. The key is
    /// not in it: keep a copy of the key file beside it.
    ///
    /// A copy is restored by putting it (and the key) in its place while no app has it open, and
    /// opening it. It is the same device, it syncs from where it was, and gives its edits numbers
    /// that the original has not given.
    ///
    /// Takes a while and blocks: call it where that does no harm.
    ///
    /// # Errors
    /// The file cannot be read; or the copy is there already, or cannot be written.
    pub fn backup(&self, to: impl AsRef<Path>) -> Result<(), BackupError> {
        self.shared.reader.backup(to)
    }
}
