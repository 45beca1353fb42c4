//! A record that an administrator erased: nothing of it stays.

use super::ReplicaMachine;
use super::desk::Desk;
use super::quarantine::quarantined;
use crate::crdt::Documents;
use crate::model::{Denial, EditId, RecordId, TableName, Timestamp};
use crate::sync::{KeptPlace, ReplicaStore, StoreError};

impl ReplicaMachine {
    /// As [`Self::erase`], of the record of a refused edit.
    pub(super) fn erase_refused<S: ReplicaStore>(
        &mut self,
        store: &S,
        desk: &mut Desk<'_, S>,
        now: Timestamp,
        id: EditId,
    ) -> Result<(), StoreError> {
        let refused = store.quarantine()?.into_iter().find(|entry| entry.edit == id);
        let known = refused.filter(|entry| !desk.batch.erased.contains(&entry.record));
        known.map_or(Ok(()), |it| self.erase(store, desk, now, &it.table, it.record))
    }

    /// Forgets the record with what is pending, refused and kept of it. What is pending may be in
    /// the log already, for all that this device knows; it is empty there. Other parts of a commit
    /// stay: the server says what becomes of them.
    pub(super) fn erase<S: ReplicaStore>(
        &mut self,
        store: &S,
        desk: &mut Desk<'_, S>,
        now: Timestamp,
        table: &TableName,
        record: RecordId,
    ) -> Result<(), StoreError> {
        self.meta.wanted.retain(|wanted| *wanted != (table.clone(), record));
        self.meta.pins.remove(&(table.clone(), record));
        self.documents = Documents::default();
        let folder = desk.folder(table, record)?;
        folder.forget();
        for id in folder.pending.iter().map(|pending| pending.edit.id).collect::<Vec<_>>() {
            let Some(edit) = desk.folder(table, record)?.withdraw(id) else { continue };
            desk.batch.settled.push(id);
            desk.erased.push(quarantined(&edit, Vec::new(), Denial::erased(), self.epoch, now));
        }
        desk.batch.quarantine.retain(|entry| entry.record != record);
        let is_known = desk.batch.erased.contains(&record);
        let held = if is_known || self.meta.kept.edits == 0 {
            Vec::new()
        } else {
            store.kept_after(KeptPlace::default(), usize::MAX)?
        };
        let kept = held.iter().chain(&desk.batch.kept);
        for kept in kept.filter(|kept| kept.pending.edit.record == record) {
            self.meta.kept = self.meta.kept.without(kept);
        }
        desk.batch.kept.retain(|kept| kept.pending.edit.record != record);
        if !is_known {
            desk.batch.erased.push(record);
        }
        Ok(())
    }
}
