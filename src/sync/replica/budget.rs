//! How much of each table is here, which an offline profile may bound.

use std::collections::BTreeMap;

use super::desk::size_of;
use super::{Event, ReplicaMachine};
use crate::limits::PAGE_LOOKS_MAX;
use crate::model::{Size, TableName};
use crate::sync::{ReplicaBatch, ReplicaStore, StoreError};

impl ReplicaMachine {
    /// Notes how much was confirmed of records, and is.
    pub(super) fn note_sizes(&mut self, sizes: Vec<(TableName, Size, Size)>) {
        for (table, before, after) in sizes {
            let size = self.meta.sizes.get(&table).copied().unwrap_or_default();
            match size.plus(after).minus(before) {
                Size::NOTHING => drop(self.meta.sizes.remove(&table)),
                size => drop(self.meta.sizes.insert(table, size)),
            }
        }
    }

    /// Counts anew how much is here, where records may have been lost or altered that nobody counted.
    pub(super) fn recount<S: ReplicaStore>(&mut self, store: &mut S) -> Result<(), StoreError> {
        let mut sizes: BTreeMap<TableName, Size> = BTreeMap::new();
        for places in store.confirmed_ids()?.chunks(PAGE_LOOKS_MAX) {
            for ((table, _), held) in places.iter().zip(store.held(places)?) {
                let size = sizes.entry(table.clone()).or_default();
                *size = size.plus(size_of(held.confirmed.as_ref()));
            }
        }
        self.meta.sizes = sizes;
        let meta = Some(self.meta.clone());
        self.keep(store, ReplicaBatch { meta, ..ReplicaBatch::default() })
    }

    /// Tells the app, once in a session, that there is no room for more.
    pub(super) fn tell_if_spent(&mut self) {
        let spent = self.meta.spent_budget();
        let bytes = self.meta.size().bytes;
        let Some(session) = &mut self.session else { return };
        let was_spent = std::mem::replace(&mut session.is_spent, spent.is_some());
        if let Some(budget) = spent.filter(|_| !was_spent) {
            self.tell(Event::BudgetSpent { bytes, budget });
        }
    }
}
