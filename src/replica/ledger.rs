//! What sessions took, since the replica was opened and in its file.

use std::sync::{Arc, PoisonError};

use super::{Replica, Shared};
use crate::model::Ledger;
use crate::sync::StoreError;

impl Replica {
    /// What the sessions since the replica was opened took, by purpose: those that are over, also where they were
    /// cut. Of all since the device was enrolled [`Self::status`] tells it.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        *self.shared.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Counts a session. It is written with what is written next.
    pub(super) fn count_bytes(&self, ledger: Ledger) {
        *self.ledger.lock().unwrap_or_else(PoisonError::into_inner) += ledger;
        self.core().machine.count_bytes(ledger);
    }

    /// Writes what was counted. That it cannot be written is no reason to say that a session failed.
    pub(super) async fn keep_ledger(self: &Arc<Self>) {
        let kept = self.with_core(|core| core.machine.keep_ledger(&mut core.store));
        note(kept.await);
    }

    /// Writes what was counted of a session whose future was dropped, if nothing else was written since.
    pub(super) fn keep_ledger_of_cut_session(&self) {
        let mut core = self.core();
        let core = &mut *core;
        note(core.machine.keep_ledger(&mut core.store));
    }
}

fn note(kept: Result<(), StoreError>) {
    if let Err(error) = kept {
        tracing::debug!(%error, "what sessions took is not written");
    }
}
