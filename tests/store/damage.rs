//! Flipped bits.
//!
//! The story behind: redb does not verify its checksums when it reads; of 2,000 flipped bits 1,214
//! gave other data than was written, silently.

use std::fs;
use std::ops::Range;

use tidegate::crdt::Record;
use tidegate::model::{RecordId, TableName, Value};
use tidegate::store::{OpenError, RedbReplica, RedbServer};
use tidegate::sync::{ReplicaBatch, ReplicaStore, ServerStore, StoreError};

use crate::data::{self, Rng, column, commit, id, row, table};
use crate::disk::Disk;
use crate::memory::{MemoryReplica, MemoryServer, compare_replica, compare_server};

/// Flips in both kinds of file together, after which all is read.
const FLIPS: usize = 10_000;
/// Flips for each kind of file where more than reading is tried.
const FLIPS_FEW: usize = 600;
/// A page of a file.
const PAGE: usize = 4_096;
/// Enough that there are pages above pages.
const FILLERS: u64 = 80;

/// Flips in one kind of file, after which all is read.
fn flips_read() -> usize {
    std::env::var("TIDEGATE_FLIPS").map_or(FLIPS, |text| text.parse().unwrap()) / 2
}

/// What came of one flip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Nothing that is read was hit.
    Right,
    /// An error, when the file was opened or read.
    Told,
    /// Other data than was written.
    Wrong,
}

fn outcome(result: &Result<Result<bool, StoreError>, OpenError>) -> Outcome {
    match result {
        Ok(Ok(true)) => Outcome::Right,
        Ok(Ok(false)) => Outcome::Wrong,
        Ok(Err(_)) | Err(_) => Outcome::Told,
    }
}

fn replica_on(disk: Disk) -> Result<RedbReplica, OpenError> {
    RedbReplica::on_backend(move || Ok(disk.clone()))
}

fn server_on(disk: Disk) -> Result<RedbServer, OpenError> {
    RedbServer::on_backend(move || Ok(disk.clone()))
}

fn places() -> Vec<(TableName, RecordId)> {
    let fillers = (0..FILLERS).map(|n| (table("filler"), id(n)));
    data::places().into_iter().chain(fillers).collect()
}

fn fillers() -> ReplicaBatch {
    let filler = |n: u64| {
        let mut row = row(&Record::new(table("filler"), id(n)), false, n);
        row.columns.insert(column("n"), Value::Integer(n.cast_signed()));
        (table("filler"), id(n), Some(row))
    };
    ReplicaBatch { rows: (0..FILLERS).map(filler).collect(), ..ReplicaBatch::default() }
}

fn replica_file() -> (Vec<u8>, MemoryReplica) {
    let disk = Disk::default();
    let mut store = replica_on(disk.clone()).unwrap();
    let (mut rng, mut model) = (Rng(11), MemoryReplica::default());
    for step in 0..12 {
        let batch = if step == 5 { fillers() } else { data::batch(&mut rng, &model) };
        store.commit(batch.clone()).unwrap();
        model.commit(batch).unwrap();
    }
    drop(store);
    (disk.bytes(), model)
}

fn server_file() -> (Vec<u8>, MemoryServer) {
    let disk = Disk::default();
    let mut store = server_on(disk.clone()).unwrap();
    let (mut rng, mut model) = (Rng(12), MemoryServer::default());
    for _ in 0..25 {
        let commit = commit(&mut rng, &model);
        store.commit(commit.clone()).unwrap();
        model.commit(commit).unwrap();
    }
    drop(store);
    (disk.bytes(), model)
}

/// Flips single bits, and gives each file to `look`, which is to find no wrong data. Returns how
/// often it was told of an error.
fn flip(bytes: &[u8], seed: u64, flips: usize, look: impl Fn(Vec<u8>) -> Outcome) -> usize {
    // Most of a file is room for later.
    let used: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    let mut rng = Rng(seed);
    let mut told = 0;
    for _ in 0..flips {
        let (at, bit) = (rng.pick(&used), rng.below(8));
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1 << bit;
        let outcome = look(bytes);
        assert_ne!(outcome, Outcome::Wrong, "seed {seed}: byte {at}, bit {bit}");
        told += usize::from(outcome == Outcome::Told);
    }
    println!("seed {seed}: {flips} bits flipped, {told} told, no wrong data");
    told
}

/// Enough flips hit something.
#[track_caller]
fn assert_hit(told: usize, flips: usize) {
    assert!(told > flips / 50, "only {told} of {flips} hit anything");
}

#[test]
fn a_flipped_bit_never_makes_a_replica_tell_other_data() {
    let (bytes, model) = replica_file();
    let places = places();
    let told = flip(&bytes, 1, flips_read(), |bytes| {
        let store = replica_on(Disk::holding(bytes));
        outcome(&store.map(|store| compare_replica(&store, &model, &places)))
    });
    assert_hit(told, flips_read());
}

#[test]
fn a_flipped_bit_never_makes_a_server_tell_other_data() {
    let (bytes, model) = server_file();
    let told = flip(&bytes, 2, flips_read(), |bytes| {
        let store = server_on(Disk::holding(bytes));
        outcome(&store.map(|store| compare_server(&store, &model)))
    });
    assert_hit(told, flips_read());
}

/// Where redb's catalog of tables is, which has this table; earlier ones were left behind, and do
/// not count.
fn catalog(bytes: &[u8], table: &[u8], counts: impl Fn(usize) -> bool) -> Range<usize> {
    let names = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(table));
    let live: Vec<_> = names.filter(|at| counts(*at)).collect();
    let [name] = live[..] else { panic!("found at {live:?}") };
    let page = name / PAGE * PAGE;
    // How many tables it has, and where what it says of the last one ends.
    let tables = usize::from(bytes[page + 2]);
    let end =
        usize::from(u16::from_le_bytes([bytes[page + 8 * tables], bytes[page + 8 * tables + 1]]));
    assert!(end > 80 * tables && end <= PAGE);
    page..page + end
}

#[test]
fn each_byte_of_the_catalog_counts_when_a_file_is_opened() {
    fn look<T>(bytes: &[u8], table: &[u8], open: impl Fn(Disk) -> Result<T, OpenError>) {
        let is_told = |at: usize| {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= 1 << (at % 8);
            let Err(error) = open(Disk::holding(bytes)) else { return false };
            let text = error.to_string();
            assert!(text.contains(" is damaged: ") && text.contains("; restore it"), "{text}");
            true
        };
        for at in catalog(bytes, table, is_told) {
            assert!(is_told(at), "byte {at}");
        }
    }
    look(&replica_file().0, b"quarantine-record-1", replica_on);
    look(&server_file().0, b"past-standing-1", server_on);
}

/// The story behind: a table that seems empty was restored as one.
#[test]
fn a_backup_whose_catalog_is_damaged_is_not_restored() {
    let folder = tempfile::tempdir().unwrap();
    let (backup, restored) = (folder.path().join("backup.redb"), folder.path().join("server.redb"));
    let restore = |bytes: &[u8]| {
        fs::write(&backup, bytes).unwrap();
        RedbServer::restore(&backup, &restored)
    };
    let (mut bytes, model) = server_file();
    let counts = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        server_on(Disk::holding(bytes)).is_err()
    };
    let page = catalog(&bytes, b"past-standing-1", counts).start;
    // Behind the names comes what is said of the first table: its kind, its length, and whether it
    // begins anywhere.
    let names_end = page + 4 * usize::from(bytes[page + 2]);
    let first = page + usize::from(u16::from_le_bytes([bytes[names_end], bytes[names_end + 1]]));
    assert_eq!(bytes[first + 9], 1);
    bytes[first + 9] = 0;
    let error = restore(&bytes).unwrap_err().to_string();
    assert!(error.contains("its catalog of tables is not what was written"), "{error}");
    assert!(!restored.exists());

    bytes[first + 9] = 1;
    assert_eq!(restore(&bytes).unwrap().0, model.meta.head);
}

#[test]
fn a_file_that_is_checked_whole_tells_what_was_written() {
    let (bytes, model) = replica_file();
    let places = places();
    let told = flip(&bytes, 3, FLIPS_FEW, |bytes| {
        let store = replica_on(Disk::holding(bytes));
        outcome(&store.map(|store| {
            store.check()?;
            compare_replica(&store, &model, &places)
        }))
    });
    assert_hit(told, FLIPS_FEW);
    let (bytes, model) = server_file();
    let told = flip(&bytes, 4, FLIPS_FEW, |bytes| {
        let store = server_on(Disk::holding(bytes));
        outcome(&store.map(|store| {
            store.check()?;
            compare_server(&store, &model)
        }))
    });
    assert_hit(told, FLIPS_FEW);
}

#[test]
fn every_byte_of_a_value_counts_and_the_error_names_its_place() {
    let needle = "a text that is nowhere else in the file";
    let disk = Disk::default();
    let mut store = replica_on(disk.clone()).unwrap();
    let mut written = row(&Record::new(table("order"), id(1)), false, 1);
    written.columns.insert(column("name"), Value::Text(needle.into()));
    let rows = vec![(table("order"), id(1), Some(written))];
    store.commit(ReplicaBatch { rows, ..ReplicaBatch::default() }).unwrap();
    drop(store);
    let bytes = disk.bytes();
    let length = needle.len();
    let found = bytes.windows(length).position(|window| window == needle.as_bytes()).unwrap();
    for at in found..found + length {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        let store = replica_on(Disk::holding(bytes)).unwrap();
        let expected = StoreError::Damaged(
            "table `row-1`, key order 07070707-0707-0707-0000-000000000001: the checksum does not fit"
                .into(),
        );
        assert_eq!(store.row(&table("order"), id(1)), Err(expected.clone()));
        let mut rows = store.snapshot().unwrap().rows(&table("order"), None).unwrap();
        assert_eq!(rows.next(), Some(Err(expected)));
        assert_eq!(rows.next(), None);
        // Nothing that lies apart from it is touched.
        assert_eq!(store.pending_on(id(1)), Ok(Vec::new()));
    }
}

/// What is read afterwards may be anything here: a page that is in use can have been given out
/// as free. But the process lives, and is told of what is noticed.
#[test]
fn writing_into_a_damaged_file_does_not_end_the_process() {
    let (bytes, model) = replica_file();
    let batch = data::batch(&mut Rng(5), &model);
    let told = flip(&bytes, 6, FLIPS_FEW, |bytes| {
        let Ok(mut store) = replica_on(Disk::holding(bytes)) else { return Outcome::Told };
        let written = (0..2).try_for_each(|_| store.commit(batch.clone()));
        let read = compare_replica(&store, &model, &[]);
        if written.is_err() || read.is_err() { Outcome::Told } else { Outcome::Right }
    });
    assert!(told > 0);
}
