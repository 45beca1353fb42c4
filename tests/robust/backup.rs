//! Backups of devices and servers, made while these go on, and what a restore leaves.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tidegate::codec::PublicKey;
use tidegate::replica::{BackupError, OpenError, Replica, verify};
use tidegate::server::{Home, ServerError, restore};

use crate::world::{World, add, assert_equal, rows, set, titles};

fn sound(path: &Path) {
    let found = verify(path, &mut |_, _| {}).unwrap();
    assert_eq!(found.findings, [], "{}", path.display());
}

/// Replaces a replica's file by a copy, as a person would.
fn put_back(world: &World, copy: &str, name: &str) {
    fs::copy(world.path(copy), world.path(name)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_copied_while_edits_go_on() {
    let world = World::start();
    let alice = world.enroll("alice.redb", "alice").await;
    let _live = alice.start_sync(tidegate::replica::SyncOptions::live());
    let writer = tokio::spawn({
        let alice = alice.clone();
        async move {
            for n in 0..200 {
                let id = add(&alice, &format!("order {n:03}")).await;
                set(&alice, id, "status", "open").await;
            }
        }
    });
    let mut sizes = Vec::new();
    for n in 0..6 {
        let path = world.path(&format!("copy-{n}.redb"));
        let (copy, to) = (alice.clone(), path.clone());
        tokio::task::spawn_blocking(move || copy.backup(to)).await.unwrap().unwrap();
        sound(&path);
        let key = world.path("alice.redb.key");
        fs::copy(key, world.path(&format!("copy-{n}.redb.key"))).unwrap();
        let copied = titles(&world.open(&format!("copy-{n}.redb")));
        // What was made first is there, and nothing between.
        let expected: Vec<_> = (0..copied.len()).map(|n| format!("order {n:03}")).collect();
        assert_eq!(copied, expected);
        sizes.push(copied.len());
    }
    assert!(sizes.is_sorted(), "{sizes:?}");
    writer.await.unwrap();
    let error = alice.backup(world.path("copy-0.redb")).unwrap_err();
    assert!(matches!(error, BackupError::Copy(OpenError::Exists(_))), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_replica_loses_and_doubles_nothing() {
    let world = World::start();
    let alice = world.enroll("alice.redb", "alice").await;
    let bob = world.enroll("bob.redb", "bob").await;
    let first = add(&alice, "first").await;
    alice.sync().await.unwrap();
    add(&alice, "pending in the copy").await;
    alice.backup(world.path("copy.redb")).unwrap();
    // The original goes on: its next edits have the ids that the copy would give next.
    add(&alice, "after the copy").await;
    set(&alice, first, "status", "open").await;
    alice.sync().await.unwrap();
    drop(alice);

    for life in ["second", "third"] {
        put_back(&world, "copy.redb", "alice.redb");
        let alice = world.open("alice.redb");
        assert_eq!(titles(&alice), ["first", "pending in the copy"]);
        add(&alice, &format!("{life} life")).await;
        alice.sync().await.unwrap();
        add(&alice, &format!("{life} life, later")).await;
        alice.sync().await.unwrap();
        assert_eq!(alice.status().unwrap().pending, 0);
        assert!(alice.quarantine().unwrap().is_empty());
        assert!(alice.verify().unwrap().is_sound());
        bob.sync().await.unwrap();
        assert_equal(&alice, &bob);
    }
    assert_eq!(
        titles(&bob),
        [
            "after the copy",
            "first",
            "pending in the copy",
            "second life",
            "second life, later",
            "third life",
            "third life, later",
        ]
    );
    assert_eq!(rows(&bob)[&first].get("status").to_string(), "open");
}

/// Puts a backup in the place of the server's file, and starts it.
async fn restore_server(world: &mut World, from: &Path) {
    world.stop_server().await;
    let report = restore(from, &world.dir_of_server()).unwrap();
    assert!(report.replaced.is_some_and(|path| path.exists()));
    sound(&world.home.data_file());
    world.start_server();
}

/// Devices ahead of a restored server send again what it lacks, and nothing comes twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_restored_from_an_old_backup_gets_back_what_was_acknowledged() {
    let mut world = World::start();
    let alice = world.enroll("alice.redb", "alice").await;
    let bob = world.enroll("bob.redb", "bob").await;
    let old = add(&alice, "before the backup").await;
    alice.sync().await.unwrap();
    bob.sync().await.unwrap();
    let head = world.server().backup(&world.path("backup.redb")).await.unwrap();
    assert_eq!(head.0, 1);
    alice.sync().await.unwrap();
    assert_eq!(alice.status().unwrap().kept, 0);

    // Acknowledged after the backup: new records, changes of old ones and of each other's.
    let new = add(&alice, "after the backup").await;
    set(&alice, old, "status", "open").await;
    alice.sync().await.unwrap();
    bob.sync().await.unwrap();
    set(&bob, new, "status", "in_progress").await;
    set(&bob, old, "title", "changed by bob").await;
    let bobs = add(&bob, "of bob").await;
    bob.sync().await.unwrap();
    alice.sync().await.unwrap();
    set(&alice, bobs, "status", "done").await;
    alice.sync().await.unwrap();
    bob.sync().await.unwrap();
    assert_equal(&alice, &bob);
    let before: BTreeMap<_, _> =
        rows(&alice).into_iter().map(|(id, row)| (id, row.columns)).collect();
    assert_eq!((alice.status().unwrap().kept, bob.status().unwrap().kept), (3, 3));
    add(&alice, "made while the server was down").await;

    let backup = world.path("backup.redb");
    restore_server(&mut world, &backup).await;
    // Bob comes first: what he changed of alice's record has to wait for it.
    bob.sync().await.unwrap();
    alice.sync().await.unwrap();
    bob.sync().await.unwrap();
    alice.sync().await.unwrap();
    bob.sync().await.unwrap();
    assert_equal(&alice, &bob);
    assert_eq!(bob.quarantine().unwrap(), []);
    assert_eq!(alice.quarantine().unwrap(), []);
    let after: BTreeMap<_, _> = rows(&bob).into_iter().map(|(id, row)| (id, row.columns)).collect();
    for (id, columns) in &before {
        assert_eq!(after.get(id), Some(columns), "{id}");
    }
    assert_eq!(after.len(), before.len() + 1);
    // Seven acknowledged edits, and the one made meanwhile: each once. And a record with a past began
    // anew before a device that started anew got it.
    assert_eq!(world.server().status().await.unwrap().meta.head.0, 9);
    assert_eq!((alice.status().unwrap().pending, bob.status().unwrap().pending), (0, 0));
    world.stop_server().await;
    sound(&world.home.data_file());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_restored_twice_from_the_same_backup() {
    let mut world = World::start();
    let alice = world.enroll("alice.redb", "alice").await;
    let bob = world.enroll("bob.redb", "bob").await;
    add(&alice, "one").await;
    alice.sync().await.unwrap();
    world.server().backup(&world.path("backup.redb")).await.unwrap();
    for n in ["two", "three"] {
        add(&alice, n).await;
        alice.sync().await.unwrap();
        let backup = world.path("backup.redb");
        restore_server(&mut world, &backup).await;
        bob.sync().await.unwrap();
        assert_eq!(titles(&bob), ["one"]);
    }
    alice.sync().await.unwrap();
    bob.sync().await.unwrap();
    assert_eq!(titles(&bob), ["one", "three", "two"]);
    assert_equal(&alice, &bob);
}

/// Devices that enrol after a restore do not get the numbers of those that enrolled after the
/// backup was made, however often it is put back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn device_numbers_are_not_given_again() {
    let mut world = World::start();
    let alice = world.enroll("alice.redb", "alice").await;
    let backup = world.path("backup.redb");
    world.server().backup(&backup).await.unwrap();
    let mut last = world.enroll("bob.redb", "bob").await;
    for name in ["late.redb", "later.redb"] {
        restore_server(&mut world, &backup).await;
        assert!(last.sync().await.is_err());
        let late = world.enroll(name, "bob").await;
        assert!(late.device().unwrap() > last.device().unwrap());
        last = late;
    }
    alice.sync().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_keep_their_edits_until_a_backup_holds_them() {
    let world = World::start();
    let alice = world.enroll("alice.redb", "alice").await;
    let kept = |replica: &Replica| replica.status().unwrap().kept;
    for n in 0..5 {
        add(&alice, &format!("order {n}")).await;
    }
    alice.sync().await.unwrap();
    assert_eq!(kept(&alice), 5);
    world.server().backup(&world.path("one.redb")).await.unwrap();
    add(&alice, "later").await;
    alice.sync().await.unwrap();
    assert_eq!(kept(&alice), 1);
    // A server that makes none need not be helped.
    world.server().set_makes_backups(false).await.unwrap();
    add(&alice, "last").await;
    alice.sync().await.unwrap();
    assert_eq!(kept(&alice), 0);
    assert!(alice.verify().unwrap().is_sound());

    // A live session is told at once.
    world.server().set_makes_backups(true).await.unwrap();
    let mut events = alice.events();
    let _live = alice.start_sync(tidegate::replica::SyncOptions::live());
    add(&alice, "live").await;
    while !matches!(events.recv().await.unwrap(), tidegate::replica::Event::Admitted { .. }) {}
    assert_eq!(kept(&alice), 1);
    world.server().backup(&world.path("two.redb")).await.unwrap();
    while kept(&alice) > 0 {
        tokio::task::yield_now().await;
    }
}

fn organization(dir: &Path) -> PublicKey {
    Home::open(dir).unwrap().organization()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_backup_makes_a_server_on_a_new_machine() {
    let mut world = World::start();
    let alice = world.enroll("alice.redb", "alice").await;
    let into = world.path("backups");
    let mut folders = Vec::new();
    for n in 0..4 {
        add(&alice, &format!("order {n}")).await;
        alice.sync().await.unwrap();
        let report = world.server().backup_into(&world.home, &into, 2).await.unwrap();
        assert_eq!(report.head.0, n + 1);
        folders.push(report.folder);
    }
    // The two newest are there, and nothing unfinished.
    let mut left: Vec<_> = fs::read_dir(&into).unwrap().map(|it| it.unwrap().path()).collect();
    left.sort();
    assert_eq!(left, folders[2..]);

    add(&alice, "after the backup").await;
    alice.sync().await.unwrap();
    world.stop_server().await;
    let report = world.home.backup_into(&world.path("offline"), 1).unwrap();
    assert_eq!(report.head.0, 5);

    let dir = world.dir_of_server();
    let key = organization(&dir);
    fs::remove_dir_all(&dir).unwrap();
    let report = restore(&folders[3], &dir).unwrap();
    assert_eq!((report.head.0, report.replaced), (4, None));
    assert_eq!(organization(&dir), key);
    world.start_server();
    alice.sync().await.unwrap();
    let bob = world.enroll("bob.redb", "bob").await;
    assert_eq!(titles(&bob).len(), 5);
    assert_equal(&alice, &bob);
    // What is kept apart from the server's file is not put over what is there.
    world.stop_server().await;
    let report = restore(&folders[3], &dir).unwrap();
    assert_eq!(report.added, Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_good_backup_is_not_put_back() {
    let (mut world, other) = (World::start(), World::start());
    let alice = world.enroll("alice.redb", "alice").await;
    add(&alice, "order").await;
    alice.sync().await.unwrap();
    let theirs = other.server().backup_into(&other.home, &other.path("b"), 1).await.unwrap();
    let ours = world.server().backup_into(&world.home, &world.path("b"), 1).await.unwrap();
    let dir = world.dir_of_server();
    let running = restore(&ours.folder, &dir).unwrap_err();
    assert!(running.to_string().contains("another process has"), "{running}");
    world.stop_server().await;
    let before = fs::read(world.home.data_file()).unwrap();
    let foreign = restore(&theirs.folder, &dir).unwrap_err();
    assert!(matches!(foreign, ServerError::OtherOrganization(..)), "{foreign}");
    alice.backup(world.path("copy.redb")).unwrap();
    let replica = restore(&world.path("copy.redb"), &dir).unwrap_err();
    assert!(replica.to_string().contains("is the file of a replica, not of a server"), "{replica}");
    let file = ours.folder.join("server.redb");
    let key = crate::world::dump(&file)["log-3"][0].0.clone();
    crate::world::write_raw(&file, "log-3", &key, Some(b"damage"));
    let damaged = restore(&ours.folder, &dir).unwrap_err();
    assert!(damaged.to_string().contains("the checksum does not fit"), "{damaged}");
    assert_eq!(fs::read(world.home.data_file()).unwrap(), before);
}
