//! Power cuts at every operation of the disk.
//!
//! The story behind: redb survives a cut at any write, but for one while it creates a file. So a
//! file is created under a temporary name, and is given its own only when it is whole.

use std::fs::OpenOptions;
use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

use tidegate::store::{OpenError, RedbReplica, RedbServer};
use tidegate::sync::{Commit, ReplicaBatch, ReplicaStore, ServerStore, StoreError};

use crate::data::{Rng, batch, commit, empty_commit, places};
use crate::disk::Disk;
use crate::memory::{MemoryReplica, MemoryServer, compare_replica, compare_server};

const BATCHES: usize = 8;

fn replica_on(disk: &Disk) -> Result<RedbReplica, OpenError> {
    let disk = disk.clone();
    RedbReplica::on_backend(move || Ok(disk.clone()))
}

fn server_on(disk: &Disk) -> Result<RedbServer, OpenError> {
    let disk = disk.clone();
    RedbServer::on_backend(move || Ok(disk.clone()))
}

/// The file of an empty store, closed in order.
fn empty_file(make: impl FnOnce(&Disk)) -> Vec<u8> {
    let disk = Disk::default();
    make(&disk);
    disk.bytes()
}

fn replica_batches() -> Vec<ReplicaBatch> {
    let (mut rng, mut model) = (Rng(7), MemoryReplica::default());
    let batches = (0..BATCHES).map(|_| {
        let batch = batch(&mut rng, &model);
        model.commit(batch.clone()).unwrap();
        batch
    });
    batches.filter(|batch| !batch.is_empty()).collect()
}

fn server_commits() -> Vec<Commit> {
    let (mut rng, mut model) = (Rng(8), MemoryServer::default());
    let commits = (0..BATCHES).map(|_| {
        let commit = commit(&mut rng, &model);
        model.commit(commit.clone()).unwrap();
        commit
    });
    commits.collect()
}

/// Runs the story on a disk that fails at operation `cut`, and looks what is left.
fn replica_story(file: &[u8], batches: &[ReplicaBatch], cut: usize) {
    let disk = Disk::holding(file.to_vec());
    disk.cut_at(cut);
    let mut model = MemoryReplica::default();
    let mut interrupted = None;
    if let Ok(mut store) = replica_on(&disk) {
        for batch in batches {
            if store.commit(batch.clone()).is_err() {
                interrupted = Some(batch.clone());
                break;
            }
            model.commit(batch.clone()).unwrap();
        }
    }
    let mut next = model.clone();
    if let Some(batch) = interrupted {
        next.commit(batch).unwrap();
    }
    for seed in 0..4 {
        let left = Disk::holding(disk.after_cut(&mut Rng(seed)));
        let store = replica_on(&left).unwrap_or_else(|error| panic!("cut {cut}, {seed}: {error}"));
        let is = |model| compare_replica(&store, model, &places()).unwrap();
        assert!(is(&model) || is(&next), "cut {cut}, seed {seed}");
        store.check().unwrap();
    }
}

#[test]
fn a_replica_loses_no_acknowledged_batch_and_no_part_of_one() {
    let file = empty_file(|disk| drop(replica_on(disk).unwrap()));
    let batches = replica_batches();
    let disk = Disk::holding(file.clone());
    let mut store = replica_on(&disk).unwrap();
    for batch in &batches {
        store.commit(batch.clone()).unwrap();
    }
    drop(store);
    assert!(disk.operations() > 40, "{} operations", disk.operations());
    (0..disk.operations()).for_each(|cut| replica_story(&file, &batches, cut));
}

fn server_story(file: &[u8], commits: &[Commit], cut: usize) {
    let disk = Disk::holding(file.to_vec());
    disk.cut_at(cut);
    let mut model = MemoryServer::default();
    let mut interrupted = None;
    if let Ok(mut store) = server_on(&disk) {
        for commit in commits {
            if store.commit(commit.clone()).is_err() {
                interrupted = Some(commit.clone());
                break;
            }
            model.commit(commit.clone()).unwrap();
        }
    }
    let mut next = model.clone();
    if let Some(commit) = interrupted {
        next.commit(commit).unwrap();
    }
    for seed in 0..4 {
        let left = Disk::holding(disk.after_cut(&mut Rng(seed)));
        let store = server_on(&left).unwrap_or_else(|error| panic!("cut {cut}, {seed}: {error}"));
        let is = |model| compare_server(&store, model).unwrap();
        assert!(is(&model) || is(&next), "cut {cut}, seed {seed}");
        store.check().unwrap();
    }
}

#[test]
fn a_server_loses_no_acknowledged_commit_and_no_part_of_one() {
    let file = empty_file(|disk| drop(server_on(disk).unwrap()));
    let commits = server_commits();
    let disk = Disk::holding(file.clone());
    let mut store = server_on(&disk).unwrap();
    for commit in &commits {
        store.commit(commit.clone()).unwrap();
    }
    drop(store);
    (0..disk.operations()).for_each(|cut| server_story(&file, &commits, cut));
}

#[test]
fn a_file_is_whole_on_the_disk_before_it_gets_its_name() {
    let disk = Disk::default();
    drop(replica_on(&disk).unwrap());
    let operations = disk.operations();
    for cut in 0..=operations {
        let disk = Disk::default();
        disk.cut_at(cut);
        let created = replica_on(&disk).map(drop);
        // It is renamed only where it was made; a half-made one never is.
        if created.is_ok() {
            let left = Disk::holding(disk.after_cut(&mut Rng(1)));
            let store = replica_on(&left).unwrap_or_else(|error| panic!("cut {cut}: {error}"));
            assert!(compare_replica(&store, &MemoryReplica::default(), &places()).unwrap());
        } else {
            assert!(cut < operations);
        }
    }
}

#[test]
fn after_an_error_the_file_is_opened_again_and_says_what_happened() {
    let batches = replica_batches();
    let first = Disk::default();
    let mut store = replica_on(&first).unwrap();
    store.commit(batches[0].clone()).unwrap();
    let before = first.operations();
    store.commit(batches[1].clone()).unwrap();
    let operations = first.operations() - before;
    drop(store);

    let mut outcomes = Vec::new();
    for wait in 0..operations {
        let disk = Disk::default();
        let mut store = replica_on(&disk).unwrap();
        let mut model = MemoryReplica::default();
        store.commit(batches[0].clone()).unwrap();
        model.commit(batches[0].clone()).unwrap();
        disk.fail_once(wait, io::ErrorKind::StorageFull);
        let error = store.commit(batches[1].clone()).unwrap_err();
        assert!(error.to_string().contains("the disk is full: free some space"), "{error}");
        match &error {
            // Nothing was written.
            StoreError::Io(_) => assert!(compare_replica(&store, &model, &places()).unwrap()),
            StoreError::Ambiguous(_) => {}
            other => panic!("{other}"),
        }
        // The same batch again, by the same handle: there is space now.
        store.commit(batches[1].clone()).unwrap();
        model.commit(batches[1].clone()).unwrap();
        assert!(compare_replica(&store, &model, &places()).unwrap(), "failed at {wait}");
        store.check().unwrap();
        outcomes.push(error);
    }
    assert!(outcomes.iter().any(|error| matches!(error, StoreError::Io(_))), "{outcomes:?}");
    assert!(outcomes.iter().any(|error| matches!(error, StoreError::Ambiguous(_))), "{outcomes:?}");
}

#[test]
fn where_the_file_cannot_be_opened_again_it_says_so_until_it_can() {
    let disk = Disk::default();
    let mut store = server_on(&disk).unwrap();
    disk.cut_at(disk.operations());
    let commit = empty_commit(store.meta().unwrap());
    let error = store.commit(commit.clone()).unwrap_err();
    assert!(matches!(error, StoreError::Ambiguous(_)), "{error}");
    let error = store.commit(commit.clone()).unwrap_err();
    assert!(matches!(error, StoreError::Io(_)), "{error}");

    disk.cut_at(usize::MAX);
    match store.commit(commit.clone()) {
        // The first attempt may have reached the disk.
        Ok(()) | Err(StoreError::Conflict) => {}
        Err(error) => panic!("{error}"),
    }
    assert_eq!(store.meta().unwrap(), commit.meta);
}

#[test]
fn a_disk_that_is_full_while_a_file_is_created_is_named() {
    let disk = Disk::default();
    disk.fail_once(1, io::ErrorKind::StorageFull);
    let error = replica_on(&disk).unwrap_err();
    assert!(matches!(error, OpenError::Full(_)), "{error}");
    assert_eq!(error.to_string(), "the disk of (memory) is full: free some space and try again");
}

/// A real file that can be told to refuse writes.
#[derive(Debug)]
struct Stubborn {
    inner: FileBackend,
    refuses: Arc<AtomicBool>,
}

impl StorageBackend for Stubborn {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }
}

#[test]
fn a_file_is_opened_again_though_someone_still_reads_an_old_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.redb");
    let refuses = Arc::new(AtomicBool::new(false));
    let inner = (path.clone(), Arc::clone(&refuses));
    let mut store = RedbReplica::on_backend(move || {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&inner.0)?;
        let inner_file = FileBackend::new(file).map_err(io::Error::other)?;
        Ok(Stubborn { inner: inner_file, refuses: Arc::clone(&inner.1) })
    })
    .unwrap();
    let batches = replica_batches();
    let mut model = MemoryReplica::default();
    store.commit(batches[0].clone()).unwrap();
    model.commit(batches[0].clone()).unwrap();
    assert!(matches!(RedbReplica::open(&path), Err(OpenError::InUse(_))), "it is locked");

    let snapshot = store.snapshot().unwrap();
    refuses.store(true, Ordering::Relaxed);
    store.commit(batches[1].clone()).unwrap_err();
    refuses.store(false, Ordering::Relaxed);
    store.commit(batches[1].clone()).unwrap();
    model.commit(batches[1].clone()).unwrap();
    assert!(compare_replica(&store, &model, &places()).unwrap());
    // The old snapshot may be of no use any more, and says so.
    if let Err(error) = snapshot.quarantine() {
        assert!(error.to_string().contains("take a new snapshot"), "{error}");
    }
    drop(snapshot);
    store.check().unwrap();
    drop(store);
    assert!(compare_replica(&RedbReplica::open(&path).unwrap(), &model, &places()).unwrap());
}
