//! What a server's file says, thing by thing.

use std::sync::Arc;

use tidegate::codec::PublicKey;
use tidegate::crdt::Record;
use tidegate::model::{DeviceNumber, EditId, Op, PolicyEpoch, RecordState, Section, Sequence};
use tidegate::store::{RedbServer, ServerReader, ServerSnapshot};
use tidegate::sync::{Commit, EntryKind, LogEntry, Operation, ServerStore, StoreError};

use crate::data::{
    Rng, admit, commit, device, digest, edit, edit_id, empty_commit, id, table, time,
};
use crate::memory::{MemoryServer, compare_server};

struct Fixture {
    _folder: tempfile::TempDir,
    store: RedbServer,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbServer::create(folder.path().join("a.redb")).unwrap();
    Fixture { _folder: folder, store }
}

fn write(store: &mut RedbServer, operations: Vec<Operation>) {
    let commit = Commit { operations, ..empty_commit(store.meta().unwrap()) };
    store.commit(commit).unwrap();
}

#[test]
fn a_new_file_holds_nothing() {
    let Fixture { store, _folder } = fixture();
    assert!(compare_server(&store, &MemoryServer::default()).unwrap());
    assert_eq!(store.record(id(1)).unwrap(), None);
    assert_eq!(store.admitted(edit_id(1, 1, 0)).unwrap(), None);
    assert_eq!(store.device(DeviceNumber(1)).unwrap(), None);
    assert_eq!(store.device_by_key(&PublicKey([1; 32])).unwrap(), None);
    assert_eq!(store.code_used_by([1; 8]).unwrap(), None);
    assert_eq!(store.standing(DeviceNumber(1), digest(1)).unwrap(), None);
    store.check().unwrap();
}

#[test]
fn a_commit_on_what_is_no_more_is_a_conflict_and_writes_nothing() {
    let Fixture { mut store, _folder } = fixture();
    let (mut rng, mut model) = (Rng(5), MemoryServer::default());
    let stale = loop {
        let stale = commit(&mut rng, &model);
        let commit = commit(&mut rng, &model);
        store.commit(commit.clone()).unwrap();
        model.commit(commit).unwrap();
        if stale.operations.len() > 3 {
            break stale;
        }
    };
    assert_eq!(store.commit(stale.clone()), Err(StoreError::Conflict));
    assert!(compare_server(&store, &model).unwrap());
    // The same on what is there now is none.
    let fresh = commit(&mut rng, &model);
    store.commit(fresh.clone()).unwrap();
    model.commit(fresh).unwrap();
    assert!(compare_server(&store, &model).unwrap());
    store.check().unwrap();
}

#[test]
fn a_device_is_found_by_its_newest_key_only() {
    let Fixture { mut store, _folder } = fixture();
    let mut rng = Rng(1);
    let old = device(1, &mut rng);
    let mut new = old.clone();
    new.key = PublicKey([200; 32]);
    write(&mut store, vec![Operation::PutDevice(device(2, &mut rng))]);
    write(&mut store, vec![Operation::PutDevice(old.clone())]);
    assert_eq!(store.device_by_key(&old.key).unwrap(), Some(old.clone()));
    write(&mut store, vec![Operation::PutDevice(new.clone())]);
    assert_eq!(store.device_by_key(&old.key).unwrap(), None);
    assert_eq!(store.device_by_key(&new.key).unwrap(), Some(new.clone()));
    let devices = store.snapshot().unwrap().devices().unwrap();
    assert_eq!(devices.iter().map(|device| device.number.0).collect::<Vec<_>>(), [1, 2]);
    store.check().unwrap();
}

#[test]
fn standings_are_kept_by_device_and_digest() {
    let Fixture { mut store, _folder } = fixture();
    let put = |device, byte: u8| Operation::PutStanding {
        device: DeviceNumber(device),
        digest: digest(byte),
        standing: vec![byte; 3],
    };
    write(&mut store, vec![put(1, 1), put(1, 2), put(2, 1)]);
    let standing = |device, byte| store.standing(DeviceNumber(device), digest(byte)).unwrap();
    assert_eq!(standing(1, 2), Some(vec![2; 3]));
    assert_eq!(standing(2, 1), Some(vec![1; 3]));
    assert_eq!(standing(2, 2), None);
}

#[test]
fn records_that_are_there_are_counted() {
    let Fixture { mut store, _folder } = fixture();
    let mut rng = Rng(9);
    let mut append = |store: &mut RedbServer, number, state| {
        let n = store.meta().unwrap().head.0 + 1;
        let held = store.record(id(number)).unwrap();
        let before = held.as_ref().map_or_else(
            || Record::new(table("order"), id(number)),
            |confirmed| confirmed.record().clone(),
        );
        let mut edit = edit(&mut rng, edit_id(1, n, 0), &before);
        while edit.changes[0].section != Section::Header {
            edit = crate::data::edit(&mut rng, edit.id, &before);
        }
        Arc::make_mut(&mut edit.changes[0]).ops.push(Op::State(state));
        let record = admit(held, edit.clone(), n);
        let after = record.confirmed().record().header().clone();
        let (sequence, at, epoch) = (Sequence(n), time(1), PolicyEpoch(1));
        let kind = EntryKind::Edit { edit, before: None, after, asked: None };
        let entry = LogEntry { sequence, kind, at, epoch };
        let mut commit = empty_commit(store.meta().unwrap());
        commit.meta.head = sequence;
        commit.operations =
            vec![Operation::Append { entry: Box::new(entry), records: vec![record] }];
        store.commit(commit).unwrap();
        store.snapshot().unwrap().record_counts().unwrap().get(&table("order")).copied()
    };
    assert_eq!(append(&mut store, 1, RecordState::Active), Some(1));
    assert_eq!(append(&mut store, 2, RecordState::Active), Some(2));
    assert_eq!(append(&mut store, 1, RecordState::Deleted), Some(1));
    assert_eq!(append(&mut store, 1, RecordState::Active), Some(2));
    assert_eq!(append(&mut store, 1, RecordState::Active), Some(2));
    store.check().unwrap();
}

#[test]
fn handles_go_between_threads() {
    fn is<T: Send + Sync>() {}
    is::<RedbServer>();
    is::<ServerReader>();
    is::<ServerSnapshot>();
}

/// Writes an entry of the log that makes a record.
fn append(store: &mut RedbServer, rng: &mut Rng, edit_id: EditId) {
    let n = store.meta().unwrap().head.0 + 1;
    let new = Record::new(table("order"), id(n));
    let edit = edit(rng, edit_id, &new);
    let record = admit(None, edit.clone(), n);
    let after = record.confirmed().record().header().clone();
    let (sequence, at, epoch) = (Sequence(n), time(1), PolicyEpoch(1));
    let kind = EntryKind::Edit { edit, before: Some(None), after, asked: None };
    let entry = LogEntry { sequence, kind, at, epoch };
    let mut commit = empty_commit(store.meta().unwrap());
    commit.meta.head = sequence;
    commit.operations = vec![Operation::Append { entry: Box::new(entry), records: vec![record] }];
    store.commit(commit).unwrap();
}

fn trim(store: &mut RedbServer, up_to: u64) {
    let mut commit = empty_commit(store.meta().unwrap());
    commit.meta.floor = Sequence(up_to);
    commit.operations = vec![Operation::Trim { up_to: Sequence(up_to) }];
    store.commit(commit).unwrap();
    store.check().unwrap();
}

#[test]
fn an_edit_in_a_gap_of_dropped_ones_is_not_taken_for_one_of_them() {
    let Fixture { mut store, _folder } = fixture();
    let mut rng = Rng(3);
    for (device, counter, part) in [(1, 1, 0), (1, 2, 0), (1, 4, 0), (1, 4, 1), (2, 1, 0)] {
        append(&mut store, &mut rng, edit_id(device, counter, part));
    }
    let place = |store: &RedbServer, device, counter, part| {
        store.admitted(edit_id(device, counter, part)).unwrap().map(|sequence| sequence.0)
    };
    trim(&mut store, 3);
    assert_eq!(store.log_after(Sequence(0), 9).unwrap().len(), 2);
    // Of what was dropped it is known that it was admitted, and of what is there also where.
    for counter in [1, 2, 4] {
        assert_eq!(place(&store, 1, counter, 0), Some(3));
    }
    assert_eq!((place(&store, 1, 4, 1), place(&store, 2, 1, 0)), (Some(4), Some(5)));
    for (device, counter, part) in [(1, 3, 0), (1, 5, 0), (1, 2, 1), (2, 2, 0), (1, 0, 0)] {
        assert_eq!(place(&store, device, counter, part), None, "{device}-{counter}.{part}");
    }
    // The one in the gap comes late.
    append(&mut store, &mut rng, edit_id(1, 3, 0));
    assert_eq!(place(&store, 1, 3, 0), Some(6));
    trim(&mut store, 6);
    for (device, counter, part) in [(1, 1, 0), (1, 3, 0), (1, 4, 0), (1, 4, 1), (2, 1, 0)] {
        assert_eq!(place(&store, device, counter, part), Some(6), "{device}-{counter}.{part}");
    }
    assert_eq!((place(&store, 1, 5, 0), place(&store, 1, 3, 1)), (None, None));
}
