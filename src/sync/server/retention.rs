//! What is not kept for good.

use super::ServerMachine;
use crate::limits::FORGOTTEN_AT_ONCE_MAX;
use crate::model::Timestamp;
use crate::sync::{Operation, ServerStore, StoreError};

impl ServerMachine {
    /// Removes some of the oldest refused edits, if they were refused before this time. Whether
    /// there may be more such: call it again, when others were served.
    ///
    /// They go in the order in which they came: one that was refused later, by a clock that was
    /// wrong, keeps those behind it until its time has come.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn forget_refused<S: ServerStore>(
        &mut self,
        store: &mut S,
        before: Timestamp,
    ) -> Result<bool, StoreError> {
        if !is_any_before(store, before)? {
            return Ok(false);
        }
        self.until_certain(store, |machine, store| {
            let limit = FORGOTTEN_AT_ONCE_MAX;
            let forget = Operation::ForgetRefused { before, limit };
            machine.commit(store, machine.meta.clone(), vec![forget])
        })?;
        tracing::info!(%before, "old refused edits are removed");
        is_any_before(store, before)
    }
}

fn is_any_before<S: ServerStore>(store: &S, before: Timestamp) -> Result<bool, StoreError> {
    Ok(store.refused(1)?.first().is_some_and(|oldest| oldest.at < before))
}
