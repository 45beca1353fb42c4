//! When a table was synced last, and when a device that does not stay connected is to sync again.

use std::time::Duration;

use super::ReplicaMachine;
use crate::model::{TableName, Timestamp};
use crate::sync::{ReplicaStore, StoreError};

const MINUTE_MILLIS: u64 = 60_000;

/// How long ago that was; `None`: the clock was set back since, and says nothing.
fn since(then: Timestamp, now: Timestamp) -> Option<u64> {
    let millis = now.as_millis().checked_sub(then.as_millis())?;
    u64::try_from(millis).ok()
}

impl ReplicaMachine {
    /// How long until some table is as old as its offline profile lets it get; `None`: of one of them, or
    /// without a profile of all, what is new is to be here at once, and the device stays connected.
    #[must_use]
    pub fn due_in(&self, now: Timestamp) -> Option<Duration> {
        let intake = self.meta.intake.as_ref()?;
        intake.interval()?;
        let due = |(table, minutes): (&TableName, &Option<u32>)| {
            let interval = u64::from((*minutes)?) * MINUTE_MILLIS;
            let synced = self.meta.synced.get(table);
            let age = synced.and_then(|synced| since(*synced, now)).unwrap_or(interval);
            Some(Duration::from_millis(interval.saturating_sub(age)))
        };
        intake.tables.iter().filter_map(due).min()
    }

    /// All of every table is here. It is written where what is written of it is a minute old.
    pub(super) fn note_synced<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let tables = self.meta.schema.tables.keys();
        self.meta.synced = tables.map(|table| (table.clone(), now)).collect();
        let age = self.synced_kept.and_then(|kept| since(kept, now));
        if age.is_some_and(|age| age < MINUTE_MILLIS) {
            return Ok(());
        }
        self.synced_kept = Some(now);
        self.save(store)
    }

    /// All of one table is here, if there is such a table.
    pub(super) fn note_table_synced<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        table: TableName,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if !self.meta.schema.tables.contains_key(&table) {
            return Ok(());
        }
        self.meta.synced.insert(table, now);
        self.save(store)
    }
}
