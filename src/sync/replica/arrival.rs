//! How far the rows are that a scan brings.

use super::{Event, ReplicaMachine};
use crate::model::Size;
use crate::sync::{ReplicaStore, StoreError};

/// How much is here of what the server said that there is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// What is here: at most [`Self::total`].
    pub here: Size,
    /// About what there will be: rows that are readable by shares or by the hierarchy come on top.
    pub total: Size,
}

impl ReplicaMachine {
    /// The server says how much a scan is about. Some of it may be here already, from a session
    /// before.
    pub(super) fn note_coming<S: ReplicaStore>(
        &mut self,
        store: &S,
        total: Size,
    ) -> Result<(), StoreError> {
        let records = store.confirmed_count()?.min(total.records);
        // How long those were is not known any more: as long as all on average.
        let bytes = u128::from(total.bytes) * u128::from(records);
        let bytes = bytes.checked_div(total.records.into()).unwrap_or_default();
        let here = Size { records, bytes: u64::try_from(bytes).unwrap_or(total.bytes) };
        self.tell_arrival(Arrival { here, total });
        Ok(())
    }

    /// A page was written, with entries of so many bytes.
    pub(super) fn note_arrived<S: ReplicaStore>(
        &mut self,
        store: &S,
        bytes: u64,
    ) -> Result<(), StoreError> {
        let arrival = self.session.as_ref().and_then(|session| session.arrival);
        let Some(Arrival { here, total }) = arrival else { return Ok(()) };
        if self.meta.scope.target.is_none() {
            self.tell_arrival(Arrival { here: total, total });
            if let Some(session) = &mut self.session {
                session.arrival = None;
            }
            return Ok(());
        }
        let here = Size {
            records: store.confirmed_count()?.min(total.records),
            bytes: here.bytes.saturating_add(bytes).min(total.bytes),
        };
        self.tell_arrival(Arrival { here, total });
        Ok(())
    }

    fn tell_arrival(&mut self, arrival: Arrival) {
        if let Some(session) = &mut self.session {
            session.arrival = Some(arrival);
        }
        self.tell(Event::Arriving(arrival));
    }
}
