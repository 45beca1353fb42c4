//! What changed since somebody looked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::limits::WATCHED_CHANGES_MAX;
use crate::model::{RecordId, TableName};
use crate::replica::Event;

/// Noted by the replica, and taken by who watches.
#[derive(Debug, Default)]
pub(super) struct Stirred {
    noted: Mutex<Noted>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Noted {
    /// More than these: the schema, the user's privileges, or too many records.
    all: bool,
    records: BTreeMap<RecordId, TableName>,
    /// Only these tables matter; `None`: it is not known yet which do.
    tables: Option<BTreeSet<TableName>>,
}

impl Stirred {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, event: &Event) {
        let mut noted = self.noted();
        match event {
            Event::SchemaChanged | Event::GrantChanged => noted.all = true,
            Event::Changed { table, record } if !noted.all => {
                if noted.tables.as_ref().is_some_and(|tables| !tables.contains(table)) {
                    return;
                }
                noted.records.insert(*record, table.clone());
                noted.all = noted.records.len() > WATCHED_CHANGES_MAX;
            }
            _ => return,
        }
        if noted.all {
            noted.records.clear();
        }
        drop(noted);
        self.wake.notify_one();
    }

    /// What was noted, which is forgotten; `None`: all may have changed.
    pub(super) fn take(&self) -> Option<BTreeMap<RecordId, TableName>> {
        let mut noted = self.noted();
        let records = std::mem::take(&mut noted.records);
        (!std::mem::take(&mut noted.all)).then_some(records)
    }

    /// Forgets all: who calls it looks at everything.
    pub(super) fn begin(&self) {
        *self.noted() = Noted::default();
    }

    /// From now on only these tables matter.
    pub(super) fn follow(&self, tables: BTreeSet<TableName>) {
        let mut noted = self.noted();
        noted.records.retain(|_, table| tables.contains(table));
        noted.tables = Some(tables);
    }

    /// Waits until something is noted.
    pub(super) async fn wait(&self) {
        self.wake.notified().await;
    }
}
