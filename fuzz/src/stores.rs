//! The files of replica and server against plain lists, on a disk that fails.

use std::io::ErrorKind;

use tidegate::store::{RedbReplica, RedbServer};
use tidegate::sync::{ReplicaStore as _, ServerStore as _, StoreError};

use crate::data::{Rng, batch, commit, places};
use crate::disk::Disk;
use crate::memory::{MemoryReplica, MemoryServer, compare_replica, compare_server};
use crate::steps;

/// The first byte chooses the role.
pub fn store(bytes: &[u8]) {
    match bytes.split_first() {
        Some((0..128, steps)) => replica(steps),
        Some((_, steps)) => server(steps),
        None => {}
    }
}

fn may_fail(disk: &Disk, rng: &mut Rng) {
    if rng.one_in(5) {
        let kinds = [ErrorKind::Other, ErrorKind::StorageFull];
        disk.fail_once(rng.below(20), rng.pick(&kinds));
    }
}

fn replica(bytes: &[u8]) {
    let disk = Disk::default();
    let open = |disk: &Disk| {
        let disk = disk.clone();
        RedbReplica::on_backend(move || Ok(disk.clone()))
    };
    let (mut store, mut model) = (open(&disk).unwrap(), MemoryReplica::default());
    let places = places();
    for seed in steps(bytes) {
        let mut rng = Rng(seed);
        may_fail(&disk, &mut rng);
        let batch = batch(&mut rng, &model);
        let mut next = model.clone();
        next.commit(batch.clone()).unwrap();
        if store.commit(batch.clone()).is_err() {
            // Made or not: it is made again.
            disk.heal();
            store.commit(batch).unwrap();
        }
        disk.heal();
        assert!(compare_replica(&store, &next, &places).unwrap());
        model = next;
        if rng.one_in(6) {
            drop(store);
            store = open(&disk).unwrap();
        }
    }
    store.check().unwrap();
}

fn server(bytes: &[u8]) {
    let disk = Disk::default();
    let open = |disk: &Disk| {
        let disk = disk.clone();
        RedbServer::on_backend(move || Ok(disk.clone()))
    };
    let (mut store, mut model) = (open(&disk).unwrap(), MemoryServer::default());
    for seed in steps(bytes) {
        let mut rng = Rng(seed);
        may_fail(&disk, &mut rng);
        let commit = commit(&mut rng, &model);
        let mut next = model.clone();
        next.commit(commit.clone()).unwrap();
        if store.commit(commit.clone()).is_err() {
            disk.heal();
            // Where it was made, the head is not the one that it goes on from.
            let again = store.commit(commit);
            assert!(matches!(again, Ok(()) | Err(StoreError::Conflict)), "{again:?}");
        }
        disk.heal();
        assert!(compare_server(&store, &next).unwrap());
        model = next;
        if rng.one_in(6) {
            drop(store);
            store = open(&disk).unwrap();
        }
    }
    store.check().unwrap();
}
