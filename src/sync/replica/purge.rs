//! What a device may not hold any more leaves its tables with the page that says so, in the same
//! commit in which it is noted that bytes of it may be left. When the server has nothing more to
//! tell, the store is written anew, once for all that left; then the server gets a receipt.

use std::time::Duration;

use super::{Event, Output, ReplicaMachine};
use crate::codec::{PurgeReceipt, ToServer};
use crate::limits::PURGE_PAUSE;
use crate::model::Timestamp;
use crate::sync::{Purge, ReplicaBatch, ReplicaStore, StoreError};

/// How far a purge is in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum PurgeStage {
    /// More may be about to leave.
    #[default]
    Gathering,
    /// The server has told all since something left.
    Gathered,
    /// The store could not be written anew: the next session, or opening it, tries again.
    Failed,
    /// The receipt is sent.
    Reported,
}

impl ReplicaMachine {
    /// Notes that something leaves with the next commit.
    pub(super) fn note_left(&mut self) {
        self.meta.purge = Purge::Due;
        if let Some(session) = &mut self.session {
            session.purge = PurgeStage::Gathering;
        }
    }

    /// The server has told all that there is.
    pub(super) fn all_is_told<S: ReplicaStore>(&mut self, store: &mut S) -> Result<(), StoreError> {
        let Some(session) = &mut self.session else { return Ok(()) };
        match (self.meta.purge, session.purge) {
            (Purge::Due, PurgeStage::Gathering) => session.purge = PurgeStage::Gathered,
            (Purge::Done, PurgeStage::Reported) => {
                self.meta.purge = Purge::Nothing;
                let meta = Some(self.meta.clone());
                self.keep(store, ReplicaBatch { meta, ..ReplicaBatch::default() })?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes the store anew where that is due and nothing more is about to leave. Where it cannot
    /// be done the session goes on.
    pub(super) fn purge<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let waits = self.purges_in(now) != Some(Duration::ZERO);
        let Some(session) = self.session.as_mut().filter(|_| !waits) else { return Ok(()) };
        match store.rewrite() {
            Ok(()) => {
                session.purged = Some(now);
                self.meta.purge = self.meta.purge.rewritten();
                self.tell(Event::Purged);
                Ok(())
            }
            Err(error @ StoreError::Damaged(_)) => Err(error),
            Err(error) => {
                tracing::warn!(%error, "deleted bytes are left in the file: it cannot be rewritten");
                session.purge = PurgeStage::Failed;
                Ok(())
            }
        }
    }

    /// How long until the store is to be written anew; `None`: that is not due, or the server has
    /// not told all. In a session in which something leaves again and again, some time passes
    /// between one purge and the next. Then call [`Self::wake`].
    #[must_use]
    pub fn purges_in(&self, now: Timestamp) -> Option<Duration> {
        let session = self.session.as_ref()?;
        if (self.meta.purge, session.purge) != (Purge::Due, PurgeStage::Gathered) {
            return None;
        }
        let last = session.purged.map(|at| now.as_millis().saturating_sub(at.as_millis()));
        // A clock that was put back says nothing.
        let passed = last.and_then(|passed| u64::try_from(passed).ok()).map(Duration::from_millis);
        Some(passed.map_or(Duration::ZERO, |passed| PURGE_PAUSE.saturating_sub(passed)))
    }

    /// Time has passed: does what was put off.
    pub fn wake<S: ReplicaStore>(&mut self, store: &mut S, now: Timestamp) {
        self.push_or_end(store, now);
    }

    /// The receipt of a purge that the server has not heard of.
    pub(super) fn receipt(&mut self, now: Timestamp) -> Result<Option<Output>, StoreError> {
        let (Some(session), Some(enrolment)) = (&mut self.session, &self.meta.enrolment) else {
            return Ok(None);
        };
        if self.meta.purge != Purge::Done || session.purge == PurgeStage::Reported {
            return Ok(None);
        }
        let receipt = PurgeReceipt {
            organization: enrolment.organization,
            device: enrolment.device,
            epoch: self.meta.epoch,
            sequence: self.meta.watermark,
            standing: self
                .meta
                .scope
                .held
                .first()
                .map(|terms| terms.standing)
                .filter(|_| self.meta.scope.complete),
            at: now,
        };
        let signed = receipt.sign(&self.key);
        let signed = signed.map_err(|error| StoreError::Damaged(error.to_string()))?;
        session.purge = PurgeStage::Reported;
        Ok(Some(Output::Send(ToServer::Purged(signed))))
    }

    /// Whether the server is to be asked if it has told all, so that a purge can go on.
    pub(super) fn waits_to_purge(&self) -> bool {
        let stage = self.session.as_ref().map(|session| session.purge);
        self.meta.purge == Purge::Due && stage == Some(PurgeStage::Gathering)
    }
}
