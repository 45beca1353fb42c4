//! What a device keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use tidegate::codec::ScanPlace;
use tidegate::gate::Confirmed;
use tidegate::model::{
    Change, Columns, DeviceNumber, Edit, EditId, RecordId, Section, Seen, Sequence, TableName,
};
use tidegate::sync::replica::seen;
use tidegate::sync::{
    Kept, KeptPlace, Pending, Quarantined, ReplicaBatch, ReplicaMeta, ReplicaStore, StoreError,
    StoredRow, Turn,
};

use super::{DiskFaults, Key, damaged};
use crate::planted::Planted;

/// What a device keeps.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReplicaDisk {
    pub(crate) file: ReplicaFile,
    pub(crate) faults: DiskFaults,
    /// Every change ever made here by (record, section, actor and number): it outlives the file,
    /// which may be rolled back.
    pub(crate) written: BTreeMap<(RecordId, Section, String), Change>,
    /// What came into quarantine since the last message, and may have left it.
    pub(crate) refused: Vec<Quarantined>,
    /// The records of the last commit.
    pub(crate) touched: BTreeSet<Key>,
    pub(crate) violation: Option<String>,
    pub(crate) planted: Option<Planted>,
    /// Planted: the file before the last commit.
    pub(crate) before_last: Option<Box<ReplicaFile>>,
}

/// The part that a copy of the file holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReplicaFile {
    pub(crate) meta: ReplicaMeta,
    pub(crate) rows: BTreeMap<Key, StoredRow>,
    /// As changes: what is read back went through `from_stored`, as with a real file.
    pub(crate) confirmed: BTreeMap<Key, (Sequence, Edit)>,
    pub(crate) pending: BTreeMap<Turn, Edit>,
    pub(crate) quarantine: Vec<Quarantined>,
    pub(crate) kept: BTreeMap<KeptPlace, Pending>,
    /// The sections of which bytes may be in the file: what is deleted leaves its own behind.
    pub(crate) bytes: BTreeSet<(Key, Section)>,
}

impl ReplicaFile {
    /// As a backup of it is: it says that it is a copy.
    pub(crate) fn copy(&self) -> Self {
        let mut copy = self.clone();
        copy.meta.copied = true;
        copy
    }

    /// A row that is shown, and what was seen by that.
    pub(crate) fn see(&self, key: &Key) -> (Seen, Columns) {
        let (table, record) = key;
        let confirmed = self.confirmed.get(key);
        let confirmed =
            confirmed.map(|(sequence, edit)| Confirmed::from_stored(*sequence, edit).unwrap());
        let own = self.pending.iter().filter(|(_, edit)| edit.record == *record);
        let pending = own.map(|(turn, edit)| Pending { turn: *turn, edit: edit.clone() }).collect();
        let columns = self.rows.get(key).map(|row| row.columns.clone()).unwrap_or_default();
        (seen(table, *record, confirmed, pending), columns)
    }

    /// Whether it is enrolled, and all that was made before is the user's.
    pub(crate) fn is_at_home(&self) -> bool {
        self.meta.grant.is_some()
            && self.pending.values().all(|edit| edit.id.device != DeviceNumber(0))
    }

    /// Whether an edit, or a part of it, is not settled.
    pub(crate) fn holds(&self, id: EditId) -> bool {
        self.pending.values().any(|edit| edit.id == id)
            || self.quarantine.iter().any(|entry| entry.edit == id)
    }

    /// Only what is confirmed is left. (What the user wrote is the user's own.)
    fn rewrite(&mut self) {
        let sections = |(key, (_, edit)): (&Key, &(Sequence, Edit))| {
            let sections = edit.changes.iter().map(|change| change.section.clone());
            sections.map(|section| (key.clone(), section)).collect::<Vec<_>>()
        };
        self.bytes = self.confirmed.iter().flat_map(sections).collect();
        self.meta.purge = self.meta.purge.rewritten();
    }
}

impl ReplicaDisk {
    /// The machine is gone, with what was never written, and the power is back.
    pub(crate) fn crash(&mut self) {
        self.faults.restart();
        if let Some(file) = self.before_last.take() {
            self.file = *file;
        }
    }

    fn note(&mut self, edit: &Edit) {
        for change in &edit.changes {
            let name = format!("{:?}", change.id);
            let key = (edit.record, change.section.clone(), name);
            let known = self.written.entry(key.clone()).or_insert_with(|| change.as_ref().clone());
            if *known != **change {
                self.violation = Some(format!("two changes have one actor and number: {key:?}"));
            }
        }
    }

    fn write(&mut self, batch: ReplicaBatch) {
        let ReplicaBatch {
            meta,
            confirmed,
            rows,
            gone,
            pending,
            settled,
            quarantine,
            released,
            kept,
            erased,
            forgotten,
        } = batch;
        for Pending { edit, .. } in &pending {
            self.note(edit);
        }
        self.touched = rows.iter().map(|(table, id, _)| (table.clone(), *id)).collect();
        self.touched.extend(gone.iter().cloned());
        self.touched.extend(pending.iter().map(|it| (it.edit.table.clone(), it.edit.record)));
        let file = &mut self.file;
        if let Some(meta) = meta {
            file.meta = meta;
        }
        // The order that `store` keeps to: gone before confirmed, pending before settled.
        for key in gone {
            file.confirmed.remove(&key);
        }
        for applied in confirmed {
            let key = (applied.table().clone(), applied.id());
            self.touched.insert(key.clone());
            let confirmed = applied.into_confirmed();
            let sections = confirmed.record().sections().map(|(section, _)| section);
            file.bytes.extend(sections.map(|section| (key.clone(), section.clone())));
            file.confirmed.insert(key, (confirmed.version(), confirmed.to_edit()));
        }
        for (table, id, row) in rows {
            match row {
                Some(row) => file.rows.insert((table, id), row),
                None => file.rows.remove(&(table, id)),
            };
        }
        for Pending { turn, edit } in pending {
            file.pending.retain(|at, old| old.id != edit.id || *at == turn);
            file.pending.insert(turn, edit);
        }
        file.pending.retain(|_, edit| !settled.contains(&edit.id));
        file.quarantine.retain(|entry| !released.contains(&entry.edit));
        file.quarantine.retain(|entry| !erased.contains(&entry.record));
        self.refused.extend(quarantine.iter().cloned());
        file.quarantine.extend(quarantine);
        file.kept.retain(|_, kept| !erased.contains(&kept.edit.record));
        file.kept.retain(|at, _| forgotten.is_none_or(|up_to| *at > up_to));
        file.kept.extend(kept.into_iter().map(|kept| (kept.place(), kept.pending)));
    }
}

impl ReplicaStore for ReplicaDisk {
    fn meta(&self) -> Result<ReplicaMeta, StoreError> {
        self.faults.read()?;
        Ok(self.file.meta.clone())
    }

    fn row(&self, table: &TableName, record: RecordId) -> Result<Option<StoredRow>, StoreError> {
        self.faults.read()?;
        Ok(self.file.rows.get(&(table.clone(), record)).cloned())
    }

    fn confirmed(
        &self,
        table: &TableName,
        record: RecordId,
    ) -> Result<Option<Confirmed>, StoreError> {
        self.faults.read()?;
        let found = self.file.confirmed.get(&(table.clone(), record));
        found
            .map(|(version, edit)| Confirmed::from_stored(*version, edit))
            .transpose()
            .map_err(damaged)
    }

    fn pending_on(&self, record: RecordId) -> Result<Vec<Pending>, StoreError> {
        self.faults.read()?;
        let own = self.file.pending.iter().filter(|(_, edit)| edit.record == record);
        Ok(own.map(|(turn, edit)| Pending { turn: *turn, edit: edit.clone() }).collect())
    }

    fn pending_after(&self, after: Turn, limit: usize) -> Result<Vec<Pending>, StoreError> {
        self.faults.read()?;
        let later = self.file.pending.range((Bound::Excluded(after), Bound::Unbounded));
        let later = later.map(|(turn, edit)| Pending { turn: *turn, edit: edit.clone() });
        Ok(later.take(limit).collect())
    }

    fn pending(&self, edit: EditId) -> Result<Option<Pending>, StoreError> {
        self.faults.read()?;
        let found = self.file.pending.iter().find(|(_, pending)| pending.id == edit);
        Ok(found.map(|(turn, edit)| Pending { turn: *turn, edit: edit.clone() }))
    }

    fn confirmed_ids(&self) -> Result<Vec<(TableName, RecordId)>, StoreError> {
        self.faults.read()?;
        Ok(self.file.confirmed.keys().cloned().collect())
    }

    fn places_after(
        &self,
        after: Option<&ScanPlace>,
        limit: usize,
    ) -> Result<Vec<(TableName, RecordId)>, StoreError> {
        self.faults.read()?;
        let places: BTreeSet<_> = self.file.confirmed.keys().chain(self.file.rows.keys()).collect();
        let after = after.map(|after| (after.table.clone(), after.record));
        let behind = places.into_iter().filter(|place| Some(*place) > after.as_ref());
        Ok(behind.take(limit).cloned().collect())
    }

    fn confirmed_count(&self) -> Result<u64, StoreError> {
        self.faults.read()?;
        Ok(self.file.confirmed.len() as u64)
    }

    fn quarantine(&self) -> Result<Vec<Quarantined>, StoreError> {
        self.faults.read()?;
        Ok(self.file.quarantine.clone())
    }

    fn kept_after(&self, after: KeptPlace, limit: usize) -> Result<Vec<Kept>, StoreError> {
        self.faults.read()?;
        let behind = self.file.kept.range((Bound::Excluded(after), Bound::Unbounded));
        let kept = |(at, pending): (&KeptPlace, &Pending)| Kept {
            sequence: at.sequence,
            pending: pending.clone(),
        };
        Ok(behind.take(limit).map(kept).collect())
    }

    fn commit(&mut self, batch: ReplicaBatch) -> Result<(), StoreError> {
        let (is_written, result) = self.faults.commit();
        if is_written {
            if self.planted == Some(Planted::LosesLastCommit) {
                self.before_last = Some(Box::new(self.file.clone()));
            }
            let batch = match self.planted {
                Some(planted) => planted.spoil_batch(&self.file, batch),
                None => batch,
            };
            self.write(batch);
        }
        result
    }

    fn rewrite(&mut self) -> Result<(), StoreError> {
        let (is_written, result) = self.faults.commit();
        if is_written {
            let before = self.file.bytes.clone();
            self.file.rewrite();
            if self.planted == Some(Planted::KeepsDeletedBytes) {
                self.file.bytes = before;
            }
        }
        result
    }
}
