//! Stores in memory that keep records as they are: what a test measures is the machines.

use std::collections::BTreeMap;
use std::ops::Bound;

use tidegate::codec::{Digest, PublicKey, ScanPlace};
use tidegate::gate::Confirmed;
use tidegate::model::{DeviceNumber, Edit, EditId, RecordId, Sequence, TableName};
use tidegate::sync::{
    Commit, DeviceRow, Kept, LogEntry, Operation, Pending, Quarantined, RefusedEdit, ReplicaBatch,
    ReplicaMeta, ReplicaStore, ServerMeta, ServerStore, StoreError, StoredRow, Turn,
};

type Key = (TableName, RecordId);
type Found<T> = Result<T, StoreError>;

/// What a device keeps.
#[derive(Default)]
pub(crate) struct DeviceMemory {
    meta: ReplicaMeta,
    rows: BTreeMap<Key, StoredRow>,
    confirmed: BTreeMap<Key, Confirmed>,
    pending: BTreeMap<Turn, Edit>,
    pub(crate) quarantine: Vec<Quarantined>,
}

impl ReplicaStore for DeviceMemory {
    fn meta(&self) -> Found<ReplicaMeta> {
        Ok(self.meta.clone())
    }

    fn row(&self, table: &TableName, record: RecordId) -> Found<Option<StoredRow>> {
        Ok(self.rows.get(&(table.clone(), record)).cloned())
    }

    fn confirmed(&self, table: &TableName, record: RecordId) -> Found<Option<Confirmed>> {
        Ok(self.confirmed.get(&(table.clone(), record)).cloned())
    }

    fn pending_on(&self, record: RecordId) -> Found<Vec<Pending>> {
        let own = self.pending.iter().filter(|(_, edit)| edit.record == record);
        Ok(own.map(|(turn, edit)| Pending { turn: *turn, edit: edit.clone() }).collect())
    }

    fn pending_after(&self, after: Turn, limit: usize) -> Found<Vec<Pending>> {
        let later = self.pending.range((Bound::Excluded(after), Bound::Unbounded)).take(limit);
        Ok(later.map(|(turn, edit)| Pending { turn: *turn, edit: edit.clone() }).collect())
    }

    fn pending(&self, edit: EditId) -> Found<Option<Pending>> {
        let found = self.pending.iter().find(|(_, pending)| pending.id == edit);
        Ok(found.map(|(turn, edit)| Pending { turn: *turn, edit: edit.clone() }))
    }

    fn confirmed_ids(&self) -> Found<Vec<Key>> {
        Ok(self.confirmed.keys().cloned().collect())
    }

    fn quarantine(&self) -> Found<Vec<Quarantined>> {
        Ok(self.quarantine.clone())
    }

    fn kept_after(&self, _: Sequence, _: usize) -> Found<Vec<Kept>> {
        Ok(Vec::new())
    }

    fn commit(&mut self, batch: ReplicaBatch) -> Found<()> {
        self.meta = batch.meta.unwrap_or_else(|| self.meta.clone());
        self.confirmed.retain(|key, _| !batch.gone.contains(key));
        for applied in batch.confirmed {
            let key = (applied.table().clone(), applied.id());
            self.confirmed.insert(key, applied.into_confirmed());
        }
        for (table, id, row) in batch.rows {
            match row {
                Some(row) => self.rows.insert((table, id), row),
                None => self.rows.remove(&(table, id)),
            };
        }
        for Pending { turn, edit } in batch.pending {
            self.pending.retain(|at, old| old.id != edit.id || *at == turn);
            self.pending.insert(turn, edit);
        }
        self.pending.retain(|_, edit| !batch.settled.contains(&edit.id));
        self.quarantine.extend(batch.quarantine);
        Ok(())
    }
}

/// What a server keeps.
#[derive(Default)]
pub(crate) struct ServerMemory {
    meta: ServerMeta,
    records: BTreeMap<ScanPlace, Confirmed>,
    tables: BTreeMap<RecordId, TableName>,
    log: Vec<LogEntry>,
    admitted: BTreeMap<EditId, Sequence>,
    devices: BTreeMap<DeviceNumber, DeviceRow>,
    codes: BTreeMap<[u8; 8], PublicKey>,
    standings: BTreeMap<(DeviceNumber, Digest), Vec<u8>>,
    refused: Vec<RefusedEdit>,
}

impl ServerStore for ServerMemory {
    fn meta(&self) -> Found<ServerMeta> {
        Ok(self.meta.clone())
    }

    fn record(&self, record: RecordId) -> Found<Option<Confirmed>> {
        let Some(table) = self.tables.get(&record).cloned() else { return Ok(None) };
        Ok(self.records.get(&ScanPlace { table, record }).cloned())
    }

    fn admitted(&self, edit: EditId) -> Found<Option<Sequence>> {
        Ok(self.admitted.get(&edit).copied())
    }

    fn log_after(&self, after: Sequence, limit: usize) -> Found<Vec<LogEntry>> {
        let from = self.log.partition_point(|entry| entry.sequence <= after);
        Ok(self.log[from..].iter().take(limit).cloned().collect())
    }

    fn scan(&self, after: Option<&ScanPlace>, limit: usize) -> Found<Vec<Confirmed>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let found = self.records.range((from, Bound::Unbounded)).take(limit);
        Ok(found.map(|(_, confirmed)| confirmed.clone()).collect())
    }

    fn device(&self, number: DeviceNumber) -> Found<Option<DeviceRow>> {
        Ok(self.devices.get(&number).cloned())
    }

    fn device_by_key(&self, key: &PublicKey) -> Found<Option<DeviceRow>> {
        Ok(self.devices.values().find(|device| device.key == *key).cloned())
    }

    fn code_used_by(&self, nonce: [u8; 8]) -> Found<Option<PublicKey>> {
        Ok(self.codes.get(&nonce).copied())
    }

    fn standing(&self, device: DeviceNumber, digest: Digest) -> Found<Option<Vec<u8>>> {
        Ok(self.standings.get(&(device, digest)).cloned())
    }

    fn refused(&self, limit: usize) -> Found<Vec<RefusedEdit>> {
        Ok(self.refused.iter().take(limit).cloned().collect())
    }

    fn commit(&mut self, commit: Commit) -> Found<()> {
        self.meta = commit.meta;
        for operation in commit.operations {
            match operation {
                Operation::Append { entry, record } => {
                    let place = ScanPlace { table: record.table().clone(), record: record.id() };
                    self.tables.insert(place.record, place.table.clone());
                    self.records.insert(place, record.into_confirmed());
                    self.admitted.insert(entry.edit.id, entry.sequence);
                    self.log.push(*entry);
                }
                Operation::Refuse(refused) => self.refused.push(*refused),
                Operation::PutDevice(device) => {
                    self.devices.insert(device.number, device);
                }
                Operation::UseCode { nonce, key } => {
                    self.codes.insert(nonce, key);
                }
                Operation::PutStanding { device, digest, standing } => {
                    self.standings.insert((device, digest), standing);
                }
            }
        }
        Ok(())
    }
}
