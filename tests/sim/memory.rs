//! Stores in memory, with the faults of real ones: a commit happens as a whole or not at all, may
//! fail, and may leave open whether it happened.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use tidegate::codec::{Digest, PublicKey, ScanPlace};
use tidegate::gate::{Applied, Confirmed, Versions};
use tidegate::model::{
    Change, DeviceNumber, Edit, EditId, Header, Organization, Policy, PolicyEpoch, RecordId,
    Section, Sequence, TableName,
};
use tidegate::sync::{
    Commit, DeviceRow, EntryKind, Erased, Kept, LogEntry, Operation, Pending, Quarantined,
    RefusedEdit, ReplicaBatch, ReplicaMeta, ReplicaStore, ServerMeta, ServerStore, StoreError,
    StoredRow, Turn,
};

use crate::planted::Planted;

pub(crate) type Key = (TableName, RecordId);

/// What a commit may meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing is written.
    Io,
    /// It is written, and nobody can say so.
    AmbiguousMade,
    /// It is not written, and nobody can say so.
    AmbiguousLost,
    /// Another writer was faster, or so it seems.
    Conflict,
}

impl Fault {
    fn error(self) -> StoreError {
        match self {
            Self::Io => StoreError::Io("injected".into()),
            Self::AmbiguousMade | Self::AmbiguousLost => StoreError::Ambiguous("injected".into()),
            Self::Conflict => StoreError::Conflict,
        }
    }
}

/// What is to go wrong next.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    /// The next commit.
    pub(crate) commit: Option<Fault>,
    /// This many reads from now; 0: none.
    pub(crate) read: Cell<u32>,
}

impl Faults {
    fn read(&self) -> Result<(), StoreError> {
        let left = self.read.get();
        self.read.set(left.saturating_sub(1));
        if left == 1 { Err(Fault::Io.error()) } else { Ok(()) }
    }
}

/// What a device keeps.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReplicaDisk {
    pub(crate) file: ReplicaFile,
    pub(crate) faults: Faults,
    /// Every change ever made here by (record, section, actor and number): it outlives the file,
    /// which may be rolled back.
    pub(crate) written: BTreeMap<(RecordId, Section, String), Change>,
    /// The records of the last commit.
    pub(crate) touched: BTreeSet<Key>,
    pub(crate) violation: Option<String>,
    pub(crate) planted: Option<Planted>,
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
    pub(crate) kept: BTreeMap<Sequence, Pending>,
    /// The sections of which bytes may be in the file: what is deleted leaves its own behind.
    pub(crate) bytes: BTreeSet<(Key, Section)>,
}

impl ReplicaFile {
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
        file.quarantine.extend(quarantine);
        file.kept.retain(|_, kept| !erased.contains(&kept.edit.record));
        file.kept.retain(|at, _| forgotten.is_none_or(|up_to| *at > up_to));
        file.kept.extend(kept.into_iter().map(|kept| (kept.sequence, kept.pending)));
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where `map_err` passes by value")]
fn damaged(error: impl ToString) -> StoreError {
    StoreError::Damaged(error.to_string())
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

    fn quarantine(&self) -> Result<Vec<Quarantined>, StoreError> {
        self.faults.read()?;
        Ok(self.file.quarantine.clone())
    }

    fn kept_after(&self, after: Sequence, limit: usize) -> Result<Vec<Kept>, StoreError> {
        self.faults.read()?;
        let behind = self.file.kept.range((Bound::Excluded(after), Bound::Unbounded));
        let kept =
            |(at, pending): (&Sequence, &Pending)| Kept { sequence: *at, pending: pending.clone() };
        Ok(behind.take(limit).map(kept).collect())
    }

    fn commit(&mut self, batch: ReplicaBatch) -> Result<(), StoreError> {
        let fault = self.faults.commit.take();
        if fault.is_none_or(|fault| fault == Fault::AmbiguousMade) {
            let batch = match self.planted {
                Some(planted) => planted.spoil_batch(&self.file, batch),
                None => batch,
            };
            self.write(batch);
        }
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }

    fn rewrite(&mut self) -> Result<(), StoreError> {
        let fault = self.faults.commit.take();
        if fault.is_none_or(|fault| fault == Fault::AmbiguousMade) {
            let before = self.file.bytes.clone();
            self.file.rewrite();
            if self.planted == Some(Planted::KeepsDeletedBytes) {
                self.file.bytes = before;
            }
        }
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }
}

/// What a server keeps.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerDisk {
    pub(crate) file: ServerFile,
    pub(crate) faults: Faults,
    pub(crate) planted: Option<Planted>,
    before_last: Option<Box<ServerFile>>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct ServerFile {
    pub(crate) meta: ServerMeta,
    pub(crate) records: BTreeMap<ScanPlace, (Versions, Edit)>,
    pub(crate) tables: BTreeMap<RecordId, TableName>,
    pub(crate) log: Vec<LogEntry>,
    dropped: BTreeMap<EditId, RecordId>,
    /// The log as it would be if nothing were ever erased or dropped, for the oracles alone.
    pub(crate) history: Vec<LogEntry>,
    /// What that did to each record, a move taken apart, for the oracles alone.
    pub(crate) deeds: Vec<Deed>,
    pub(crate) devices: BTreeMap<DeviceNumber, DeviceRow>,
    codes: BTreeMap<[u8; 8], PublicKey>,
    standings: BTreeMap<(DeviceNumber, Digest), Vec<u8>>,
    pub(crate) refused: Vec<RefusedEdit>,
    pub(crate) erased: BTreeMap<RecordId, Erased>,
    pub(crate) rules: Option<(Policy, Organization)>,
}

/// What an entry of the log did to one record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Deed {
    pub(crate) sequence: Sequence,
    pub(crate) edit: Edit,
    pub(crate) after: Header,
    pub(crate) epoch: PolicyEpoch,
}

impl Deed {
    fn all_of(entry: &LogEntry, records: &[Applied]) -> Vec<Self> {
        let LogEntry { sequence, epoch, .. } = *entry;
        match &entry.kind {
            EntryKind::Edit { edit, after, .. } => {
                let (edit, after) = (edit.clone(), after.clone());
                vec![Self { sequence, edit, after, epoch }]
            }
            EntryKind::Move(_) => {
                // No device makes so many in one commit, enrolled or not.
                let deed = |(part, applied): (u32, &Applied)| {
                    let record = applied.confirmed().record();
                    let changes = record.section(&Section::Header).unwrap().changes();
                    let edit = Edit {
                        id: EditId { device: DeviceNumber(0), counter: sequence.0, part },
                        table: record.table().clone(),
                        record: record.id(),
                        atomic: 0,
                        changes: changes.last().cloned().into_iter().collect(),
                    };
                    Self { sequence, edit, after: record.header().clone(), epoch }
                };
                (u32::MAX / 2..).zip(records).map(deed).collect()
            }
        }
    }
}

impl ServerFile {
    pub(crate) fn confirmed(&self) -> impl Iterator<Item = Confirmed> {
        let records = self.records.values();
        records.map(|(versions, edit)| Confirmed::from_stored(versions.clone(), edit).unwrap())
    }

    fn write(&mut self, commit: Commit) {
        self.meta = commit.meta;
        for operation in commit.operations {
            match operation {
                Operation::Append { entry, records } => {
                    self.deeds.extend(Deed::all_of(&entry, &records));
                    for record in records {
                        let (table, id) = (record.table().clone(), record.id());
                        self.tables.insert(id, table.clone());
                        let confirmed = record.into_confirmed();
                        let versions = confirmed.versions().clone();
                        let place = ScanPlace { table, record: id };
                        self.records.insert(place, (versions, confirmed.to_edit()));
                    }
                    self.history.push((*entry).clone());
                    self.log.push(*entry);
                }
                Operation::Erase(entry) => {
                    self.deeds.extend(Deed::all_of(&entry, &[]));
                    let edit = entry.edit().unwrap();
                    let (table, record) = (edit.table.clone(), edit.record);
                    let of_log = self.log.iter_mut().filter_map(LogEntry::edit_mut);
                    let all = of_log.chain(self.refused.iter_mut().map(|it| &mut it.edit));
                    let mut authors = BTreeSet::new();
                    for edit in all.filter(|edit| edit.record == record) {
                        edit.changes.clear();
                        authors.insert(edit.id.device);
                    }
                    let dropped = self.dropped.iter().filter(|(_, it)| **it == record);
                    authors.extend(dropped.map(|(edit, _)| edit.device));
                    authors.remove(&DeviceNumber(0));
                    self.refused.retain(|refused| refused.edit.record != record);
                    self.tables.remove(&record);
                    self.records.remove(&ScanPlace { table: table.clone(), record });
                    let (sequence, authors) = (entry.sequence, authors.into_iter().collect());
                    self.erased.insert(record, Erased { table, record, sequence, authors });
                    self.history.push((*entry).clone());
                    self.log.push(*entry);
                }
                Operation::Refuse(refused) => self.refused.push(*refused),
                Operation::Trim { up_to } => {
                    let old = self.log.iter().take_while(|entry| entry.sequence <= up_to).count();
                    let old = self.log.drain(..old);
                    let edits = old.filter_map(|entry| entry.edit().map(|it| (it.id, it.record)));
                    self.dropped.extend(edits);
                }
                Operation::ForgetRefused { before, limit } => {
                    let old = self.refused.iter().take(limit).take_while(|it| it.at < before);
                    let count = old.count();
                    self.refused.drain(..count);
                }
                Operation::PutDevice(device) => {
                    self.devices.insert(device.number, device);
                }
                Operation::UseCode { nonce, key } => {
                    self.codes.insert(nonce, key);
                }
                Operation::SetPolicy(policy) => {
                    self.rules.get_or_insert_default().0 = *policy;
                }
                Operation::SetOrganization(rows) => {
                    let (_, organization) = self.rules.get_or_insert_default();
                    for row in rows {
                        organization.set(row);
                    }
                }
                Operation::PutStanding { device, digest, standing } => {
                    self.standings.insert((device, digest), standing);
                }
            }
        }
    }
}

impl ServerDisk {
    /// The machine is gone, with what was never written.
    pub(crate) fn crash(&mut self) {
        if let Some(file) = self.before_last.take() {
            self.file = *file;
        }
    }
}

impl ServerStore for ServerDisk {
    fn meta(&self) -> Result<ServerMeta, StoreError> {
        self.faults.read()?;
        Ok(self.file.meta.clone())
    }

    fn record(&self, record: RecordId) -> Result<Option<Confirmed>, StoreError> {
        self.faults.read()?;
        let Some(table) = self.file.tables.get(&record).cloned() else { return Ok(None) };
        let found = self.file.records.get(&ScanPlace { table, record });
        found
            .map(|(versions, edit)| Confirmed::from_stored(versions.clone(), edit))
            .transpose()
            .map_err(damaged)
    }

    fn admitted(&self, edit: EditId) -> Result<Option<Sequence>, StoreError> {
        self.faults.read()?;
        let found = self.file.log.iter().find(|entry| entry.edit().is_some_and(|it| it.id == edit));
        let dropped = self.file.dropped.contains_key(&edit).then_some(self.file.meta.floor);
        let found = found.map(|entry| entry.sequence).or(dropped);
        Ok(found.filter(|_| self.planted != Some(Planted::AdmitsTwice)))
    }

    fn erased(&self, record: RecordId) -> Result<Option<Erased>, StoreError> {
        self.faults.read()?;
        Ok(self.file.erased.get(&record).cloned())
    }

    fn all_erased(&self) -> Result<Vec<Erased>, StoreError> {
        self.faults.read()?;
        Ok(self.file.erased.values().cloned().collect())
    }

    fn log_after(&self, after: Sequence, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.faults.read()?;
        let later = self.file.log.iter().filter(|entry| entry.sequence > after);
        Ok(later.take(limit).cloned().collect())
    }

    fn record_count(&self) -> Result<u64, StoreError> {
        self.faults.read()?;
        Ok(self.file.records.len() as u64)
    }

    fn scan(&self, after: Option<&ScanPlace>, limit: usize) -> Result<Vec<Confirmed>, StoreError> {
        self.faults.read()?;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let found = self.file.records.range((from, Bound::Unbounded)).take(limit);
        found
            .map(|(_, (versions, edit))| Confirmed::from_stored(versions.clone(), edit))
            .collect::<Result<_, _>>()
            .map_err(damaged)
    }

    fn device(&self, number: DeviceNumber) -> Result<Option<DeviceRow>, StoreError> {
        self.faults.read()?;
        Ok(self.file.devices.get(&number).cloned())
    }

    fn rules(&self) -> Result<Option<(Policy, Organization)>, StoreError> {
        self.faults.read()?;
        Ok(self.file.rules.clone())
    }

    fn devices(&self) -> Result<Vec<DeviceRow>, StoreError> {
        self.faults.read()?;
        Ok(self.file.devices.values().cloned().collect())
    }

    fn device_by_key(&self, key: &PublicKey) -> Result<Option<DeviceRow>, StoreError> {
        self.faults.read()?;
        Ok(self.file.devices.values().find(|device| device.key == *key).cloned())
    }

    fn code_used_by(&self, nonce: [u8; 8]) -> Result<Option<PublicKey>, StoreError> {
        self.faults.read()?;
        Ok(self.file.codes.get(&nonce).copied())
    }

    fn standing(
        &self,
        device: DeviceNumber,
        digest: Digest,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.faults.read()?;
        Ok(self.file.standings.get(&(device, digest)).cloned())
    }

    fn refused(&self, limit: usize) -> Result<Vec<RefusedEdit>, StoreError> {
        self.faults.read()?;
        Ok(self.file.refused.iter().take(limit).cloned().collect())
    }

    fn commit(&mut self, commit: Commit) -> Result<(), StoreError> {
        let fault = self.faults.commit.take();
        if self.file.meta != commit.expected {
            return Err(StoreError::Conflict);
        }
        if fault.is_none_or(|fault| fault == Fault::AmbiguousMade) {
            if self.planted == Some(Planted::AcknowledgesBeforeCommit) {
                self.before_last = Some(Box::new(self.file.clone()));
            }
            let commit = match self.planted {
                Some(planted) => planted.spoil_commit(commit),
                None => commit,
            };
            self.file.write(commit);
            if self.planted == Some(Planted::KeepsErased) {
                let floor = self.file.meta.floor;
                let kept = self.file.history.iter().filter(|entry| entry.sequence > floor);
                self.file.log = kept.cloned().collect();
            }
        }
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }
}
