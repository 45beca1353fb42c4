use std::sync::Arc;

use super::seen::SeenAfter;
use super::{Replica, Shared};
use crate::model::{EditId, RecordId, Seen};
use crate::sync::{Quarantined, ReplicaStore as _, StoreError};

/// What the server's verdict on an edit was.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// All of it counts.
    Admitted,
    /// It, or these parts of it, do not; they are in quarantine. None are named where they have left
    /// it meanwhile, or their record was erased.
    Denied(Vec<Quarantined>),
}

/// Stands for edits that were made here: durable, and pending until the server rules.
#[derive(Debug, Clone)]
pub struct Receipt {
    replica: Replica,
    records: Vec<RecordId>,
    edits: Vec<EditId>,
    seen: Arc<SeenAfter>,
}

impl Receipt {
    pub(super) fn new(replica: Replica, records: Vec<RecordId>, edits: Vec<EditId>) -> Self {
        Self { replica, records, edits, seen: Arc::default() }
    }

    pub(super) fn with_seen(self, seen: SeenAfter) -> Self {
        Self { seen: Arc::new(seen), ..self }
    }

    /// The record that the step was about; the first, where it was about several.
    #[must_use]
    pub fn id(&self) -> RecordId {
        self.records.first().copied().unwrap_or(RecordId::from_bytes([0; 16]))
    }

    /// The records that the step was about, in order.
    #[must_use]
    pub fn records(&self) -> &[RecordId] {
        &self.records
    }

    /// The edits; none where nothing changed.
    #[must_use]
    pub fn edits(&self) -> &[EditId] {
        &self.edits
    }

    /// What was seen of a record that the step edited [as of that](super::EditBuilder::as_seen), with
    /// what the step did to it: a form that stays open goes on from there. `None` for other records.
    #[must_use]
    pub fn seen(&self, record: RecordId) -> Option<&Seen> {
        self.seen.get(record)
    }

    /// Waits until the server has ruled on all of them; needs a sync to run some time. Cancel-safe.
    ///
    /// # Errors
    /// The replica's file cannot be read.
    pub async fn settled(&self) -> Result<Vec<(EditId, Settled)>, StoreError> {
        let shared = &self.replica.shared;
        shared.until(|shared| !self.is_pending(shared)).await;
        let core = shared.core();
        let quarantine = core.store.quarantine()?;
        let verdict = |id: &EditId| {
            let parts: Vec<_> = quarantine.iter().filter(|it| it.edit == *id).cloned().collect();
            let refused = !parts.is_empty() || core.machine.was_refused(*id);
            (*id, if refused { Settled::Denied(parts) } else { Settled::Admitted })
        };
        Ok(self.edits.iter().map(verdict).collect())
    }

    fn is_pending(&self, shared: &Shared) -> bool {
        let core = shared.core();
        // What cannot be read is no reason to wait for ever: the caller reads it again.
        self.edits.iter().any(|edit| matches!(core.store.pending(*edit), Ok(Some(_))))
    }
}
