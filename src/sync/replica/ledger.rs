//! What sessions took on the wire, kept with what the device knows of itself.

use super::ReplicaMachine;
use crate::model::Ledger;
use crate::sync::{ReplicaStore, StoreError};

impl ReplicaMachine {
    /// Counts what a session took. It is in the file with the next batch, or after [`Self::keep_ledger`].
    pub fn count_bytes(&mut self, ledger: Ledger) {
        self.meta.ledger += ledger;
    }

    /// Writes what was counted, where it was not written since.
    ///
    /// # Errors
    /// The store failed.
    pub fn keep_ledger<S: ReplicaStore>(&mut self, store: &mut S) -> Result<(), StoreError> {
        if self.meta.ledger == self.ledger_kept {
            return Ok(());
        }
        self.save(store)?;
        self.ledger_kept = self.meta.ledger;
        Ok(())
    }
}
