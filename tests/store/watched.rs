//! A store on a disk whose power may go, beside a plain list of what the store acknowledged.

use std::collections::BTreeSet;

use tidegate::codec::{Digest, PublicKey, ScanPlace};
use tidegate::gate::{Confirmed, Reach};
use tidegate::model::{
    Bucket, DeviceNumber, EditId, Organization, Owner, Policy, PublishedProfiles, RecordId, Schema,
    Sequence, SizeByState, TableName,
};
use tidegate::store::{OpenError, RedbReplica, RedbServer};
use tidegate::sync::{
    Commit, DeviceRow, Erased, Kept, KeptPlace, LogEntry, PastStanding, Pending, Quarantined,
    RefusedEdit, ReplicaBatch, ReplicaMeta, ReplicaStore, ServerMeta, ServerStore, StoreError,
    StoredRow, Strand, Turn,
};

use crate::data::Rng;
use crate::disk::Disk;
use crate::memory::{MemoryReplica, MemoryServer, compare_replica, compare_server};

/// How many ways of losing what was not synced are looked at for each cut.
const LOSSES: u64 = 3;

/// What a watched store is, and what it should hold.
pub(crate) trait Kind {
    type Store;
    type Model: Clone + Default;
    fn open(disk: Disk) -> Result<Self::Store, OpenError>;
    /// Whether the store holds what the list does, and is sound.
    fn holds(store: &Self::Store, model: &Self::Model) -> bool;
}

pub(crate) struct Replica;
pub(crate) struct Server;

impl Kind for Replica {
    type Store = RedbReplica;
    type Model = MemoryReplica;

    fn open(disk: Disk) -> Result<RedbReplica, OpenError> {
        RedbReplica::on_backend(move || Ok(disk.clone()))
    }

    fn holds(store: &RedbReplica, model: &MemoryReplica) -> bool {
        compare_replica(store, model, &crate::session::places()).unwrap()
    }
}

impl Kind for Server {
    type Store = RedbServer;
    type Model = MemoryServer;

    fn open(disk: Disk) -> Result<RedbServer, OpenError> {
        RedbServer::on_backend(move || Ok(disk.clone()))
    }

    fn holds(store: &RedbServer, model: &MemoryServer) -> bool {
        compare_server(store, model).unwrap()
    }
}

pub(crate) type WatchedReplica = Watched<Replica>;
pub(crate) type WatchedServer = Watched<Server>;

/// A store, open or not, and what it acknowledged.
pub(crate) struct Watched<K: Kind> {
    pub(crate) disk: Disk,
    store: Option<K::Store>,
    model: K::Model,
    /// With the commit during which the power went, too.
    torn: Option<K::Model>,
    /// How many files were opened after a cut, and held what they should.
    pub(crate) looked_at: usize,
}

impl<K: Kind> Watched<K> {
    pub(crate) fn holding(bytes: Vec<u8>) -> Self {
        let (model, torn, disk) = (K::Model::default(), None, Disk::holding(bytes));
        Self { disk, store: None, model, torn, looked_at: 0 }
    }

    /// Another with the same file, closed.
    pub(crate) fn copy(&self) -> Self {
        Self { model: self.model.clone(), ..Self::holding(self.disk.bytes()) }
    }

    pub(crate) fn open(&mut self) -> bool {
        self.store = K::open(self.disk.clone()).ok();
        self.store.is_some()
    }

    pub(crate) fn close(&mut self) {
        self.store = None;
    }

    pub(crate) fn is_dark(&self) -> bool {
        self.disk.is_dark()
    }

    /// Looks at what is left in several ways of losing what was not synced: it is what was
    /// acknowledged, with the last commit whole or without. One of them goes on.
    pub(crate) fn power_on(&mut self) {
        assert!(self.store.is_none());
        let dark = std::mem::take(&mut self.disk);
        let acknowledged = self.model.clone();
        let torn = self.torn.take();
        // Another goes on each time.
        let operations = u64::try_from(dark.operations()).unwrap();
        for seed in 0..LOSSES {
            let left = dark.after_cut(&mut Rng(seed));
            let store = K::open(Disk::holding(left.clone()));
            let store = store.unwrap_or_else(|error| panic!("loss {seed}: {error}"));
            let with_last = torn.as_ref().filter(|torn| K::holds(&store, torn));
            assert!(with_last.is_some() || K::holds(&store, &acknowledged), "loss {seed}");
            self.looked_at += 1;
            if seed == operations % LOSSES {
                self.model = with_last.unwrap_or(&acknowledged).clone();
                self.disk = Disk::holding(left);
            }
        }
    }

    fn store(&self) -> Result<&K::Store, StoreError> {
        self.store.as_ref().ok_or_else(|| StoreError::Io("it is closed".into()))
    }

    /// Notes what came of a commit.
    fn note(
        &mut self,
        result: &Result<(), StoreError>,
        commit: impl FnOnce(&mut K::Model) -> Result<(), StoreError>,
    ) {
        if result.is_ok() {
            commit(&mut self.model).unwrap();
        } else if self.torn.is_none() {
            let mut torn = self.model.clone();
            // What the list refuses was not made.
            if commit(&mut torn).is_ok() {
                self.torn = Some(torn);
            }
        }
    }
}

impl ReplicaStore for WatchedReplica {
    fn meta(&self) -> Result<ReplicaMeta, StoreError> {
        self.store()?.meta()
    }

    fn row(&self, table: &TableName, record: RecordId) -> Result<Option<StoredRow>, StoreError> {
        self.store()?.row(table, record)
    }

    fn confirmed(
        &self,
        table: &TableName,
        record: RecordId,
    ) -> Result<Option<Confirmed>, StoreError> {
        self.store()?.confirmed(table, record)
    }

    fn pending_on(&self, record: RecordId) -> Result<Vec<Pending>, StoreError> {
        self.store()?.pending_on(record)
    }

    fn pending_after(&self, after: Turn, limit: usize) -> Result<Vec<Pending>, StoreError> {
        self.store()?.pending_after(after, limit)
    }

    fn pending(&self, edit: EditId) -> Result<Option<Pending>, StoreError> {
        self.store()?.pending(edit)
    }

    fn confirmed_ids(&self) -> Result<Vec<(TableName, RecordId)>, StoreError> {
        self.store()?.confirmed_ids()
    }

    fn places_after(
        &self,
        after: Option<&ScanPlace>,
        limit: usize,
    ) -> Result<Vec<(TableName, RecordId)>, StoreError> {
        self.store()?.places_after(after, limit)
    }

    fn confirmed_count(&self) -> Result<u64, StoreError> {
        self.store()?.confirmed_count()
    }

    fn quarantine(&self) -> Result<Vec<Quarantined>, StoreError> {
        self.store()?.quarantine()
    }

    fn kept_after(&self, after: KeptPlace, limit: usize) -> Result<Vec<Kept>, StoreError> {
        self.store()?.kept_after(after, limit)
    }

    fn commit(&mut self, batch: ReplicaBatch) -> Result<(), StoreError> {
        let store = self.store.as_mut().ok_or_else(|| StoreError::Io("it is closed".into()))?;
        let result = store.commit(batch.clone());
        self.note(&result, |model| model.commit(batch));
        result
    }

    fn rewrite(&mut self) -> Result<(), StoreError> {
        let store = self.store.as_mut().ok_or_else(|| StoreError::Io("it is closed".into()))?;
        let result = store.rewrite();
        self.note(&result, MemoryReplica::rewrite);
        result
    }
}

impl ServerStore for WatchedServer {
    fn meta(&self) -> Result<ServerMeta, StoreError> {
        self.store()?.meta()
    }

    fn record(&self, record: RecordId) -> Result<Option<Confirmed>, StoreError> {
        self.store()?.record(record)
    }

    fn beside(&self, record: RecordId) -> Result<[Option<RecordId>; 2], StoreError> {
        self.store()?.beside(record)
    }

    fn beside_of(
        &self,
        owner: &Owner,
        place: &ScanPlace,
    ) -> Result<[Option<RecordId>; 2], StoreError> {
        self.store()?.beside_of(owner, place)
    }

    fn admitted(&self, edit: EditId) -> Result<Option<Sequence>, StoreError> {
        self.store()?.admitted(edit)
    }

    fn log_after(&self, after: Sequence, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.store()?.log_after(after, limit)
    }

    fn log_along(
        &self,
        strands: &BTreeSet<Strand>,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<LogEntry>, StoreError> {
        self.store()?.log_along(strands, after, limit)
    }

    fn record_count(&self) -> Result<u64, StoreError> {
        self.store()?.record_count()
    }

    fn size(&self, table: &TableName, bucket: Option<&Bucket>) -> Result<SizeByState, StoreError> {
        self.store()?.size(table, bucket)
    }

    fn scan(&self, after: Option<&ScanPlace>, limit: usize) -> Result<Vec<Confirmed>, StoreError> {
        self.store()?.scan(after, limit)
    }

    fn scan_bucket(
        &self,
        bucket: &Bucket,
        after: Option<&ScanPlace>,
        limit: usize,
    ) -> Result<Vec<Confirmed>, StoreError> {
        self.store()?.scan_bucket(bucket, after, limit)
    }

    fn scan_within(
        &self,
        table: &TableName,
        reach: &Reach,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<Confirmed>, StoreError> {
        self.store()?.scan_within(table, reach, after, limit)
    }

    fn device(&self, number: DeviceNumber) -> Result<Option<DeviceRow>, StoreError> {
        self.store()?.device(number)
    }

    fn device_by_key(&self, key: &PublicKey) -> Result<Option<DeviceRow>, StoreError> {
        self.store()?.device_by_key(key)
    }

    fn code_used_by(&self, nonce: [u8; 8]) -> Result<Option<PublicKey>, StoreError> {
        self.store()?.code_used_by(nonce)
    }

    fn standing(
        &self,
        device: DeviceNumber,
        digest: Digest,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.store()?.standing(device, digest)
    }

    fn past_standings(
        &self,
        device: DeviceNumber,
        after: Sequence,
    ) -> Result<Vec<PastStanding>, StoreError> {
        self.store()?.past_standings(device, after)
    }

    fn erased(&self, record: RecordId) -> Result<Option<Erased>, StoreError> {
        self.store()?.erased(record)
    }

    fn all_erased(&self) -> Result<Vec<Erased>, StoreError> {
        self.store()?.all_erased()
    }

    fn refused(&self, limit: usize) -> Result<Vec<RefusedEdit>, StoreError> {
        self.store()?.refused(limit)
    }

    fn refusals(&self, edit: EditId) -> Result<Vec<RefusedEdit>, StoreError> {
        self.store()?.refusals(edit)
    }

    fn profiles(&self) -> Result<PublishedProfiles, StoreError> {
        self.store()?.profiles()
    }

    fn schema(&self) -> Result<Option<Schema>, StoreError> {
        self.store()?.schema()
    }

    fn rules(&self) -> Result<Option<(Policy, Organization)>, StoreError> {
        self.store()?.rules()
    }

    fn devices(&self) -> Result<Vec<DeviceRow>, StoreError> {
        self.store()?.devices()
    }

    fn commit(&mut self, commit: Commit) -> Result<(), StoreError> {
        let store = self.store.as_mut().ok_or_else(|| StoreError::Io("it is closed".into()))?;
        let result = store.commit(commit.clone());
        self.note(&result, |model| model.commit(commit));
        result
    }
}
