//! What devices are told is read from the store once for all of them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::gate::Confirmed;
use crate::limits::ATOMIC_PARTS_MAX;
use crate::model::{RecordId, Sequence};
use crate::sync::{LogEntry, ServerStore, StoreError};

/// What was read since the store was written to last: a hundred devices that are up to date all
/// want to know the same entries.
#[derive(Debug, Default)]
pub(super) struct Recent {
    log: BTreeMap<(Sequence, usize), Arc<Vec<LogEntry>>>,
    records: BTreeMap<RecordId, Option<Arc<Confirmed>>>,
}

/// Pages and records that are remembered, at most: devices that are behind want others.
const PAGES_MAX: usize = 16;
const RECORDS_MAX: usize = 4_096;

/// A store that is not written to meanwhile, and what was read from it.
pub(super) struct Reading<'a, S> {
    pub(super) store: &'a S,
    recent: RefCell<Recent>,
}

impl<'a, S: ServerStore> Reading<'a, S> {
    pub(super) fn new(store: &'a S, recent: Recent) -> Self {
        Self { store, recent: RefCell::new(recent) }
    }

    /// What was read, for the next time.
    pub(super) fn into_recent(self) -> Recent {
        let recent = self.recent.into_inner();
        let is_small = recent.log.len() <= PAGES_MAX && recent.records.len() <= RECORDS_MAX;
        if is_small { recent } else { Recent::default() }
    }

    /// The next entries of the log; what counts together is there as a whole, so that no device
    /// ever sees half of it.
    pub(super) fn log_groups(
        &self,
        after: Sequence,
        looks: usize,
    ) -> Result<Arc<Vec<LogEntry>>, StoreError> {
        if let Some(known) = self.recent.borrow().log.get(&(after, looks)) {
            return Ok(Arc::clone(known));
        }
        let mut entries = self.store.log_after(after, looks)?;
        let bound = entries.last().filter(|last| last.edit().is_some_and(|edit| edit.atomic > 0));
        if let Some(last) = bound.cloned() {
            let next = self.store.log_after(last.sequence, ATOMIC_PARTS_MAX)?;
            entries.extend(next.into_iter().take_while(|it| it.is_bound_to(&last)));
        }
        let entries = Arc::new(entries);
        self.recent.borrow_mut().log.insert((after, looks), Arc::clone(&entries));
        Ok(entries)
    }

    /// A record.
    pub(super) fn record(&self, id: RecordId) -> Result<Option<Arc<Confirmed>>, StoreError> {
        if let Some(known) = self.recent.borrow().records.get(&id) {
            return Ok(known.clone());
        }
        let record = self.store.record(id)?.map(Arc::new);
        self.recent.borrow_mut().records.insert(id, record.clone());
        Ok(record)
    }
}
