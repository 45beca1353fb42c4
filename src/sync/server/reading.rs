//! What devices are told is read from the store once for all of them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::owners::Owners;
use super::{HistoryBounds, Rules, ServerMachine};
use crate::gate::Confirmed;
use crate::limits::ATOMIC_PARTS_MAX;
use crate::model::{RecordId, Sequence};
use crate::sync::{LogEntry, ServerStore, StoreError, Strand};

/// What was read since the store was written to last: a hundred devices that are up to date all
/// want to know the same entries.
#[derive(Debug, Clone, Default)]
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
    pub(super) rules: Arc<Rules>,
    pub(super) history: HistoryBounds,
    /// The log goes from here
    pub(super) floor: Sequence,
    /// to here,
    pub(super) head: Sequence,
    /// and behind this it says all that profiles ask.
    pub(super) asked_since: Sequence,
    /// Since when owners have what they have.
    pub(super) owners: Owners,
    recent: RefCell<Recent>,
}

impl ServerMachine {
    /// Does something that reads, and remembers what was read.
    pub(super) fn reading<S: ServerStore, T>(
        &mut self,
        store: &S,
        tell: impl FnOnce(&mut Self, &Reading<'_, S>) -> T,
    ) -> T {
        let (rules, history) = (Arc::clone(&self.rules), self.history_bounds);
        let recent = RefCell::new(std::mem::take(&mut self.recent));
        let (floor, head, asked_since) = (self.meta.floor, self.meta.head, self.meta.asked_since);
        let owners = std::mem::take(&mut self.owners);
        let reading = Reading { store, rules, history, floor, head, asked_since, owners, recent };
        let result = tell(self, &reading);
        (self.recent, self.owners) = reading.into_recent();
        result
    }
}

impl<S: ServerStore> Reading<'_, S> {
    /// What was read, for the next time.
    fn into_recent(self) -> (Recent, Owners) {
        let recent = self.recent.into_inner();
        let is_small = recent.log.len() <= PAGES_MAX && recent.records.len() <= RECORDS_MAX;
        (if is_small { recent } else { Recent::default() }, self.owners)
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
        let entries = self.with_bound(self.store.log_after(after, looks)?)?;
        self.recent.borrow_mut().log.insert((after, looks), Arc::clone(&entries));
        Ok(entries)
    }

    fn with_bound(&self, mut entries: Vec<LogEntry>) -> Result<Arc<Vec<LogEntry>>, StoreError> {
        let bound = entries.last().filter(|last| last.edit().is_some_and(|edit| edit.atomic > 0));
        if let Some(last) = bound.cloned() {
            let next = self.store.log_after(last.sequence, ATOMIC_PARTS_MAX)?;
            entries.extend(next.into_iter().take_while(|it| it.is_bound_to(&last)));
        }
        Ok(Arc::new(entries))
    }

    /// What is next for one whose strands these are, and up to where that is all. Who is far behind
    /// goes along its strands; the others, of which there can be many, all read the same.
    pub(super) fn next_groups(
        &self,
        strands: impl FnOnce() -> BTreeSet<Strand>,
        after: Sequence,
        looks: usize,
        head: Sequence,
    ) -> Result<(Arc<Vec<LogEntry>>, Sequence), StoreError> {
        let is_near = head.0.saturating_sub(after.0) <= looks as u64;
        let entries = if is_near {
            self.log_groups(after, looks)?
        } else {
            self.with_bound(self.store.log_along(&strands(), after, looks)?)?
        };
        let is_all = entries.iter().map(LogEntry::breadth).sum::<usize>() < looks;
        let end = entries.last().filter(|_| !is_all).map_or(head, |last| last.sequence);
        Ok((entries, end))
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
