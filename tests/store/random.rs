//! Random batches against the plain lists, with the file closed and opened in between.

use tidegate::store::{RedbReplica, RedbServer};
use tidegate::sync::{ReplicaStore, ServerStore};

use crate::data::{Rng, batch, commit, places, tables};
use crate::memory::{MemoryReplica, MemoryServer, compare_replica, compare_server};

fn replica_story(seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replica.redb");
    let mut rng = Rng(seed);
    let mut store = RedbReplica::create(&path).unwrap();
    let mut model = MemoryReplica::default();
    let places = places();
    for step in 0..40 {
        let batch = batch(&mut rng, &model);
        store.commit(batch.clone()).unwrap();
        if rng.one_in(5) {
            // Not known whether it was made: the machine makes it again.
            store.commit(batch.clone()).unwrap();
        }
        model.commit(batch).unwrap();
        if rng.one_in(6) {
            drop(store);
            store = RedbReplica::open(&path).unwrap();
        }
        let same = compare_replica(&store, &model, &places).unwrap();
        assert!(same, "seed {seed}, step {step}");
        let snapshot = store.snapshot().unwrap();
        for table in tables() {
            let rows = snapshot.rows(&table, None).unwrap().map(|row| row.unwrap());
            let expected = model.rows.iter().filter(|((name, _), _)| *name == table);
            assert!(rows.eq(expected.map(|((_, id), row)| (*id, row.clone()))), "seed {seed}");
        }
        assert_eq!(
            usize::try_from(snapshot.pending_count().unwrap()).unwrap(),
            model.pending.len()
        );
    }
    store.check().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
}

fn server_story(seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.redb");
    let mut rng = Rng(seed);
    let mut store = RedbServer::create(&path).unwrap();
    let mut model = MemoryServer::default();
    for step in 0..40 {
        let commit = commit(&mut rng, &model);
        store.commit(commit.clone()).unwrap();
        model.commit(commit).unwrap();
        if rng.one_in(6) {
            drop(store);
            store = RedbServer::open(&path).unwrap();
        }
        assert!(compare_server(&store, &model).unwrap(), "seed {seed}, step {step}");
    }
    store.check().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
}

#[test]
fn a_replica_keeps_what_a_list_keeps() {
    (0..20).for_each(replica_story);
}

#[test]
fn a_server_keeps_what_a_list_keeps() {
    (100..120).for_each(server_story);
}
