//! A server's keys are replaced under the organization's key.

use std::fs;
use std::path::Path;

use tidegate::replica::{Replica, SyncError};
use tidegate::server::{Home, HomeError, ServerError};
use tidegate::sync::replica::SessionError;

use crate::world::{World, add, titles};

/// Copies what is in a folder, as a thief or a backup does.
fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

async fn refused_for_its_age(replica: &Replica) -> (u64, u64) {
    match replica.sync().await.unwrap_err() {
        SyncError::Session(SessionError::OldCertificate { shown, seen }) => (shown, seen),
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_keys_are_taken_and_the_old_ones_refused_from_then_on() {
    let mut world = World::start();
    let alice = world.enroll("alice.redb", "alice").await;
    add(&alice, "before").await;
    alice.sync().await.unwrap();
    let running = world.home.rotate_keys(None, 0).unwrap_err();
    assert!(running.to_string().contains("another process has"), "{running}");
    let old_code = world.code("bob");
    world.stop_server().await;
    copy_folder(&world.dir_of_server(), &world.path("old"));

    let done = world.home.rotate_keys(None, 0).unwrap();
    assert!(done.serial > 1);
    for name in ["server.key", "tls.key", "server.certificate"] {
        let retired = world.dir_of_server().join(format!("{name}.retired-1"));
        assert!(done.retired.contains(&retired));
        assert_eq!(fs::read(retired).unwrap(), fs::read(world.path("old").join(name)).unwrap());
    }
    assert_eq!(Home::open(&world.dir_of_server()).unwrap().serial(), done.serial);
    // One that was cut off shows, and says what to do.
    let (key, new) = (world.dir_of_server().join("tls.key"), world.path("new.key"));
    fs::rename(&key, &new).unwrap();
    fs::copy(&done.retired[1], &key).unwrap();
    let half = Home::open(&world.dir_of_server()).unwrap_err().to_string();
    assert!(half.contains("NAME.retired-SERIAL"), "{half}");
    fs::rename(&new, &key).unwrap();
    world.start_server();
    add(&alice, "after").await;
    alice.sync().await.unwrap();
    // Who has the old key could make codes: none of its codes counts any more.
    let bob = world.open("bob.redb");
    let refused = bob.enroll(&old_code, "bob").await.unwrap_err().to_string();
    assert!(refused.contains("before its keys were replaced; ask for a new one"), "{refused}");
    bob.enroll(&world.code("bob"), "bob").await.unwrap();
    assert_eq!(titles(&bob), ["after", "before"]);
    world.stop_server().await;

    // The old keys, on the same address.
    let stolen = Home::open(&world.path("old")).unwrap();
    let rotated = std::mem::replace(&mut world.home, stolen);
    world.start_server();
    assert_eq!(refused_for_its_age(&alice).await, (1, done.serial));
    assert_eq!(refused_for_its_age(&bob).await, (1, done.serial));
    // Not only as long as the app runs.
    drop(alice);
    let alice = world.open("alice.redb");
    let (_, seen) = refused_for_its_age(&alice).await;
    world.stop_server().await;

    // The way out for who had to restore them.
    let again = world.home.rotate_keys(None, seen).unwrap();
    assert!(again.serial > seen);
    world.start_server();
    alice.sync().await.unwrap();
    world.stop_server().await;
    world.home = rotated;
    world.start_server();
    assert_eq!(refused_for_its_age(&alice).await, (done.serial, again.serial));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_organization_key_may_be_kept_elsewhere() {
    let (mut world, other) = (World::start(), World::start());
    let alice = world.enroll("alice.redb", "alice").await;
    world.stop_server().await;
    let dir = world.dir_of_server();
    let (kept, theirs) = (world.path("organization.key"), other.dir_of_server());
    fs::rename(dir.join("organization.key"), &kept).unwrap();
    let before = fs::read(dir.join("server.certificate")).unwrap();
    world.home = Home::open(&dir).unwrap();
    let home_error = |error: ServerError| match error {
        ServerError::Home(error) => *error,
        other => panic!("{other}"),
    };
    let missing = home_error(world.home.rotate_keys(None, 0).unwrap_err());
    assert!(matches!(missing, HomeError::NoKeyFile(_)), "{missing}");
    let foreign = theirs.join("organization.key");
    let foreign = home_error(world.home.rotate_keys(Some(&foreign), 0).unwrap_err());
    assert!(matches!(foreign, HomeError::OtherOrganization { .. }), "{foreign}");
    assert_eq!(fs::read(dir.join("server.certificate")).unwrap(), before);

    world.home.rotate_keys(Some(&kept), 0).unwrap();
    world.start_server();
    alice.sync().await.unwrap();
    // A backup without it makes a server, too.
    let made = world.server().backup_into(&world.home, &world.path("b"), 1).await.unwrap();
    assert!(!made.folder.join("organization.key").exists());
    world.stop_server().await;
    fs::remove_dir_all(&dir).unwrap();
    tidegate::server::restore(&made.folder, &dir).unwrap();
    world.home = Home::open(&dir).unwrap();
    world.start_server();
    alice.sync().await.unwrap();
}
