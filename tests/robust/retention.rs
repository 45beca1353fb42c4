//! Neither refused edits nor the log are kept for good. The time is the test's.

use tidegate::limits::{DROPPED_AT_ONCE_MAX, FORGOTTEN_AT_ONCE_MAX};
use tidegate::model::{Right, Timestamp};
use tidegate::replica::verify;
use tidegate::server::Retention;
use tidegate::store::RedbServer;
use tidegate::sync::server::LogBounds;

use crate::world::{World, add, assert_equal, dump, set, titles};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_edits_go_when_their_time_has_come_and_stay_with_their_author() {
    let world = World::start();
    let alice = world.enroll("alice.redb", "alice").await;
    world.take_right(Right::Create).await;
    // More than one step removes.
    let count = FORGOTTEN_AT_ONCE_MAX + 44;
    for n in 0..count {
        add(&alice, &format!("order {n}")).await;
    }
    alice.sync().await.unwrap();
    let server = world.server();
    let refused = server.refused(10_000).await.unwrap();
    assert_eq!(refused.len(), count);
    let (first, last) = (refused[0].at, refused[count - 1].at);

    server.forget_refused(first).await.unwrap();
    assert_eq!(server.refused(10_000).await.unwrap().len(), count);
    server.forget_refused(last.plus_millis(1)).await.unwrap();
    assert_eq!(server.refused(10_000).await.unwrap(), []);
    assert_eq!(alice.quarantine().unwrap().len(), count);
    // Again is nothing.
    server.forget_refused(last.plus_millis(1)).await.unwrap();
    assert!(alice.verify().unwrap().is_sound());
}

/// Drops all that may be dropped.
const ALL: LogBounds = LogBounds { before: Timestamp::MAX, entries: 0 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_loses_its_beginning_and_the_file_stays_sound() {
    let mut world = World::start();
    let alice = world.enroll("alice.redb", "alice").await;
    let (bob, away) = (world.enroll("bob.redb", "bob").await, world.enroll("c.redb", "bob").await);
    let first = add(&alice, "order 0").await;
    alice.sync().await.unwrap();
    away.sync().await.unwrap();
    // More than one step drops.
    for n in 1..DROPPED_AT_ONCE_MAX + 44 {
        set(&alice, first, "title", &format!("order {n}")).await;
    }
    set(&away, first, "status", "open").await;
    add(&away, "made while away").await;
    alice.sync().await.unwrap();
    bob.sync().await.unwrap();
    world.server().trim_log(ALL).await.unwrap();
    let meta = world.server().status().await.unwrap().meta;
    assert_eq!(meta.floor, meta.head);

    set(&alice, first, "title", "the last").await;
    for replica in [&alice, &away, &bob, &alice] {
        replica.sync().await.unwrap();
    }
    assert_equal(&alice, &bob);
    assert_equal(&alice, &away);
    assert_eq!(titles(&away), ["made while away", "the last"]);
    drop((alice, bob, away));
    world.stop_server().await;
    let file = world.home.data_file();
    let found = verify(&file, &mut |_, _| {}).unwrap();
    assert_eq!(found.findings, []);
    // All that Alice made before is one run; she alone wrote. Behind it are three edits, and the record's
    // new generation for the device that started anew.
    let tables = dump(&file);
    assert_eq!((tables["log-3"].len(), tables["admitted-1"].len()), (4, 4));
    assert_eq!((tables["admitted-run-1"].len(), tables["author-1"].len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_server_trims_its_log_by_itself() {
    let mut world = World::start();
    let alice = world.enroll("alice.redb", "alice").await;
    let first = add(&alice, "order 0").await;
    for n in 1..10 {
        set(&alice, first, "title", &format!("order {n}")).await;
    }
    alice.sync().await.unwrap();
    let retention = Retention { refused_days: 0, log_days: 0, log_entries: 0 };
    world.server_mut().keep_for(retention);
    // Four entries for the one record; age does not matter.
    while world.server().status().await.unwrap().meta.floor.0 != 6 {}
    world.server_mut().keep_for(Retention { log_days: 365, log_entries: 1_000, ..retention });
    set(&alice, first, "title", "the last").await;
    alice.sync().await.unwrap();
    let meta = world.server().status().await.unwrap().meta;
    assert_eq!((meta.floor.0, meta.head.0), (6, 11));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_trimmed_log_is_restored_and_devices_go_on() {
    let mut world = World::start();
    let (alice, bob) =
        (world.enroll("alice.redb", "alice").await, world.enroll("bob.redb", "bob").await);
    let first = add(&alice, "first").await;
    alice.sync().await.unwrap();
    bob.sync().await.unwrap();
    world.server().trim_log(ALL).await.unwrap();
    let copy = world.path("copy.redb");
    world.server().backup(&copy).await.unwrap();
    // After the backup, and in no copy.
    set(&alice, first, "title", "second").await;
    alice.sync().await.unwrap();
    bob.sync().await.unwrap();
    set(&bob, first, "status", "open").await;
    world.server().trim_log(ALL).await.unwrap();
    world.stop_server().await;
    RedbServer::restore(&copy, world.home.data_file()).unwrap();
    world.start_server();
    for replica in [&bob, &alice, &bob, &alice] {
        replica.sync().await.unwrap();
    }
    assert_equal(&alice, &bob);
    assert_eq!(titles(&bob), ["second"]);
    assert!(bob.quarantine().unwrap().is_empty());
    world.stop_server().await;
    assert!(verify(world.home.data_file(), &mut |_, _| {}).unwrap().is_sound());
}
