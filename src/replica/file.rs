//! What is done with a replica's file as a whole.

use super::Replica;
use crate::sync::StoreError;

pub use crate::store::{
    FileKind, Finding, OpenError, Repair, RepairError, Verification, repair, verify,
};

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
}
