//! A replica heals from the server, and keeps what the server does not have.

use std::fs;
use std::path::Path;

use tidegate::model::Right;
use tidegate::replica::{RepairError, Replica, repair, verify};

use crate::world::{World, add, assert_equal, dump, rows, sealed, set, titles, write_raw};

/// A device with a pending and a refused edit, and another that has all that is confirmed.
async fn world() -> (World, Replica) {
    let world = World::start();
    let alice = world.enroll("alice.redb", "alice").await;
    let bob = world.enroll("bob.redb", "bob").await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(add(&alice, &format!("order {n}")).await);
    }
    alice.sync().await.unwrap();
    set(&alice, ids[0], "title", "refused").await;
    world.take_right(Right::Write).await;
    alice.sync().await.unwrap();
    assert_eq!(alice.quarantine().unwrap().len(), 1);
    add(&alice, "pending one").await;
    add(&alice, "pending two").await;
    (world, bob)
}

/// Damages the last entry of a table; of the rows, the first, which was sent.
fn damage(path: &Path, table: &str) {
    let last = dump(path)[table].len() - 1;
    damage_at(path, table, if table == "row-1" { 0 } else { last });
}

fn damage_at(path: &Path, table: &str, at: usize) {
    let (key, mut value) = dump(path)[table][at].clone();
    value[0] ^= 0x80;
    write_raw(path, table, &key, Some(&value));
}

/// Repairs, and sees that all is well after the next sync.
async fn heal(table: &str) {
    let (world, bob) = world().await;
    let path = world.path("alice.redb");
    damage(&path, table);
    let before = fs::read(&path).unwrap();
    let done = repair(&path, &mut |_, _| {}).unwrap();
    assert_eq!((done.pending, done.quarantined), (2, 1), "{table}");
    assert_eq!(done.damaged, world.path("alice.redb.damaged"));
    assert_eq!(fs::read(&done.damaged).unwrap(), before);
    assert!(done.verification.findings.iter().any(|it| it.table == table), "{table}");
    assert!(verify(&path, &mut |_, _| {}).unwrap().is_sound(), "{table}");

    let alice = world.open("alice.redb");
    // What is pending is there at once.
    assert_eq!(titles(&alice), ["pending one", "pending two"]);
    alice.sync().await.unwrap();
    bob.sync().await.unwrap();
    assert_equal(&alice, &bob);
    assert_eq!(rows(&alice).len(), 7, "{table}");
    assert_eq!(alice.status().unwrap().pending, 0);
    assert_eq!(alice.quarantine().unwrap().len(), 1);
    // The next edits take new numbers.
    add(&alice, "later").await;
    alice.sync().await.unwrap();
    bob.sync().await.unwrap();
    assert_eq!(rows(&bob).len(), 8, "{table}");
    assert_equal(&alice, &bob);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_replica_heals_and_keeps_what_was_not_sent() {
    for table in ["row-1", "history-3", "row-count-1", "pending-record-1", "tidegate"] {
        heal(table).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_counts_wrong_counts_right_after_repair_and_sync() {
    let (world, bob) = world().await;
    let path = world.path("alice.redb");
    let (key, mut value) = part(&path, "sizes");
    *value.last_mut().unwrap() ^= 0x40;
    write_raw(&path, "meta-4", &key, Some(&sealed("meta-4", &key, &value[4..])));
    let done = repair(&path, &mut |_, _| {}).unwrap();
    assert_eq!((done.pending, done.quarantined, done.verification.findings.len()), (2, 1, 1));
    let alice = world.open("alice.redb");
    assert_eq!(alice.status().unwrap().sizes.len(), 0);
    alice.sync().await.unwrap();
    bob.sync().await.unwrap();
    assert_equal(&alice, &bob);
    assert_eq!(alice.status().unwrap().sizes, bob.status().unwrap().sizes);
    assert!(alice.verify().unwrap().is_sound());
}

/// What an unsent edit says is in the file once: in the row that it made, or in the edit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_unsent_edits_only_the_damaged_one_is_lost_and_it_is_told() {
    for (table, at) in [("row-1", 6), ("pending-2", 1)] {
        let (world, bob) = world().await;
        let path = world.path("alice.redb");
        damage_at(&path, table, at);
        let done = repair(&path, &mut |_, _| {}).unwrap();
        assert_eq!((done.pending, done.quarantined), (1, 1), "{table}");
        let mut found = done.verification.findings.iter();
        assert!(found.any(|it| it.table == "pending-2"), "{table}: {:?}", done.verification);

        let alice = world.open("alice.redb");
        assert_eq!(titles(&alice), ["pending one"], "{table}");
        alice.sync().await.unwrap();
        bob.sync().await.unwrap();
        assert_eq!(rows(&bob).len(), 6, "{table}");
        assert_equal(&alice, &bob);
    }
}

fn part(path: &Path, name: &str) -> (Vec<u8>, Vec<u8>) {
    let parts = dump(path)["meta-4"].clone();
    parts.into_iter().find(|(key, _)| key == name.as_bytes()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_its_place_in_the_log_is_lost_it_counts_on_from_far_away() {
    let (world, bob) = world().await;
    let path = world.path("alice.redb");
    for name in ["place", "grant", "schema"] {
        let (key, mut value) = part(&path, name);
        value[0] ^= 1;
        write_raw(&path, "meta-4", &key, Some(&value));
    }
    repair(&path, &mut |_, _| {}).unwrap();
    let alice = world.open("alice.redb");
    alice.sync().await.unwrap();
    add(&alice, "later").await;
    alice.sync().await.unwrap();
    bob.sync().await.unwrap();
    assert_eq!(rows(&bob).len(), 8);
    assert_equal(&alice, &bob);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_forgot_who_it_is_gives_back_its_pending_edits() {
    let (world, _bob) = world().await;
    let path = world.path("alice.redb");
    let (key, mut value) = part(&path, "enrolment");
    value[5] ^= 1;
    write_raw(&path, "meta-4", &key, Some(&value));
    let before = fs::read(&path).unwrap();
    let error = repair(&path, &mut |_, _| {}).unwrap_err();
    let text = error.to_string();
    let RepairError::Identity { pending, .. } = error else { panic!("{text}") };
    assert_eq!(pending.len(), 2);
    assert!(text.contains("enrol into a new file; 2 pending edits could be read"), "{text}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_needs_no_repair_or_cannot_have_one_is_left_as_it_is() {
    let (mut world, bob) = world().await;
    drop(bob);
    let path = world.path("bob.redb");
    let before = fs::read(&path).unwrap();
    assert!(matches!(repair(&path, &mut |_, _| {}), Err(RepairError::Sound(_))));
    assert_eq!(fs::read(&path).unwrap(), before);

    world.stop_server().await;
    let path = world.home.data_file();
    damage(&path, "log-3");
    let error = repair(&path, &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, RepairError::Server(_)), "{error}");
    assert!(error.to_string().contains("restored from a backup"), "{error}");
}
