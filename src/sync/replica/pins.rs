//! Records that the user asked for, and that are kept whatever the profile takes, until they are released.
//!
//! What is pinned is named in each greeting. A record that is pinned or released is *pinning* until the
//! server has answered all up to there: it is noted before the server hears of it, and asked for again in
//! each session, so that both sides agree on what is held wherever one ends. The answer to a release says
//! whether the record is taken without it.

use super::session::Session;
use super::{Output, ReplicaMachine};
use crate::codec::ToServer;
use crate::limits::PINS_MAX;
use crate::model::{RecordId, TableName};
use crate::sync::{ReplicaStore, StoreError};

/// Why a record is not pinned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PinError {
    /// There are as many as there can be.
    #[error("{PINS_MAX} records are kept on this device, which is the most: release one first")]
    TooMany,
    /// The file cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ReplicaMachine {
    /// Keeps a record from now on, whatever the profile takes, and asks for it as it is now. It is here when
    /// that [is answered](Self::is_answered), if it is there and may be read.
    ///
    /// # Errors
    /// Too many are kept, or the store fails.
    pub fn pin<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        table: &TableName,
        record: RecordId,
    ) -> Result<(), PinError> {
        self.recover(store)?;
        let place = (table.clone(), record);
        if self.meta.pins.len() >= PINS_MAX && !self.meta.pins.contains(&place) {
            return Err(PinError::TooMany);
        }
        self.meta.pins.insert(place.clone());
        Ok(self.begin_pinning(store, &place)?)
    }

    /// Keeps a record no longer than the profile takes it. Returns whether it was kept.
    ///
    /// # Errors
    /// The store fails.
    pub fn release<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        table: &TableName,
        record: RecordId,
    ) -> Result<bool, StoreError> {
        self.recover(store)?;
        let place = (table.clone(), record);
        let was_pinned = self.meta.pins.remove(&place);
        if was_pinned {
            self.begin_pinning(store, &place)?;
        }
        Ok(was_pinned)
    }

    /// Whether the server has said what a record is that was pinned or released.
    #[must_use]
    pub fn is_answered(&self, table: &TableName, record: RecordId) -> bool {
        let place = (table.clone(), record);
        let has_told = |session: &Session| session.told.contains(&place);
        !self.meta.pinning.contains(&place) || self.session.as_ref().is_some_and(has_told)
    }

    fn begin_pinning<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        place: &(TableName, RecordId),
    ) -> Result<(), StoreError> {
        self.meta.pinning.insert(place.clone());
        self.save(store)?;
        if let Some(session) = &mut self.session {
            session.told.remove(place);
            session.pinned_before.remove(place);
        }
        if self.is_open() && self.meta.grant.is_some() {
            self.ask_for_pinned();
        }
        Ok(())
    }

    /// Asks for what was pinned or released and was not asked for in this session.
    pub(super) fn ask_for_pinned(&mut self) {
        let Some(session) = &mut self.session else { return };
        // The question on its way may have been asked before.
        let next = session.flush.0 + 1;
        for place in &self.meta.pinning {
            if session.pinned_before.contains_key(place) {
                continue;
            }
            session.pinned_before.insert(place.clone(), next);
            let (pinned, (table, record)) = (self.meta.pins.contains(place), place.clone());
            self.outputs.push_back(Output::Send(ToServer::Fetch { table, record, pinned }));
        }
    }

    /// Whether a record is still to come or to go, because it was pinned or released: nothing is wrong with
    /// it then.
    pub(super) fn is_pinning(&self, table: &TableName, record: RecordId) -> bool {
        self.meta.pinning.contains(&(table.clone(), record))
    }

    /// The server says what a record is, or that it is not.
    pub(super) fn note_told(&mut self, table: &TableName, record: RecordId) {
        let place = (table.clone(), record);
        if self.meta.pinning.contains(&place)
            && let Some(session) = &mut self.session
        {
            session.told.insert(place);
        }
    }

    /// The server has answered all before the [`ToServer::Flush`] of this number.
    pub(super) fn end_pinning<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        number: u32,
    ) -> Result<(), StoreError> {
        let Some(session) = &self.session else { return Ok(()) };
        let pinned_before = &session.pinned_before;
        let before = self.meta.pinning.len();
        self.meta.pinning.retain(|it| pinned_before.get(it).is_none_or(|next| *next > number));
        if self.meta.pinning.len() == before { Ok(()) } else { self.save(store) }
    }
}
