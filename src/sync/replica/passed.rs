//! Edits that turn out to be in the log already, when the watermark is not there yet.
//!
//! Mostly a notice comes at their place. But where this device started anew the server tells the log
//! from its end on, and the first page moves the watermark past what it never told.

use super::ReplicaMachine;
use crate::model::{EditId, Sequence, Timestamp, Verdict};
use crate::sync::{ReplicaStore, StoreError};

impl ReplicaMachine {
    pub(super) fn note_admitted(&mut self, id: EditId, sequence: Sequence) {
        if let Some(session) = &mut self.session {
            session.admitted.insert(id, sequence);
        }
    }

    /// Settles what is pending still, though the watermark has passed its place.
    pub(super) fn settle_passed<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let watermark = self.meta.watermark;
        let Some(session) = &mut self.session else { return Ok(()) };
        let mut passed = Vec::new();
        session.admitted.retain(|id, sequence| {
            let is_ahead = *sequence > watermark;
            if !is_ahead {
                passed.push((*id, Verdict::Admitted(*sequence)));
            }
            is_ahead
        });
        if passed.is_empty() { Ok(()) } else { self.verdicts(store, now, passed) }
    }
}
