//! A replica's file that was copied by hand, or put back by the backup of a phone.

use std::fs;

use tidegate::model::{EditId, Right};
use tidegate::replica::Replica;

use crate::world::{World, add, columns, orders, rows, set, titles};

/// Makes an order, and tells the edit id.
async fn made(replica: &Replica, title: &str) -> EditId {
    replica.insert(&orders(), columns([("title", title)])).await.unwrap().1.edits()[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_made_by_hand_gives_no_edit_id_again_and_nothing_is_lost() {
    let world = World::start();
    let alice = world.enroll("alice.redb", "alice").await;
    let bob = world.enroll("bob.redb", "bob").await;
    made(&alice, "before").await;
    alice.sync().await.unwrap();
    made(&alice, "pending").await;
    drop(alice);
    for name in ["alice.redb", "alice.redb.key"] {
        fs::copy(world.path(name), world.path(&name.replace("alice", "copy"))).unwrap();
    }
    let (alice, copy) = (world.open("alice.redb"), world.open("copy.redb"));
    let (one, other) = (made(&alice, "original").await, made(&copy, "copy").await);
    assert_eq!(one.device, other.device);
    assert_ne!(one, other);
    for replica in [&alice, &copy, &alice, &bob] {
        replica.sync().await.unwrap();
    }
    for replica in [&alice, &copy, &bob] {
        assert_eq!(titles(replica), ["before", "copy", "original", "pending"]);
    }
    // It is a copy once, and a file like any other then.
    drop(copy);
    let copy = world.open("copy.redb");
    let (next, after) = (made(&copy, "next").await, made(&copy, "after").await);
    assert_eq!((next.counter, after.counter), (other.counter + 1, other.counter + 2));
}

/// The twin: a file that stays where it is, is given another name or is written anew is no copy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_opened_again_moved_or_purged_goes_on() {
    let world = World::start();
    let alice = world.enroll("alice.redb", "alice").await;
    let id = add(&alice, "first").await;
    alice.sync().await.unwrap();
    drop(alice);
    let alice = world.open("alice.redb");
    let second = made(&alice, "second").await;
    assert_eq!(second.counter, 2);
    alice.sync().await.unwrap();
    drop(alice);
    for name in ["alice.redb", "alice.redb.key"] {
        fs::rename(world.path(name), world.path(&name.replace("alice", "moved"))).unwrap();
    }
    let alice = world.open("moved.redb");
    assert_eq!(made(&alice, "third").await.counter, 3);
    alice.sync().await.unwrap();
    // What may not be read any more goes, and the file is written anew for it.
    set(&alice, id, "title", "last").await;
    world.take_right(Right::Read).await;
    alice.sync().await.unwrap();
    assert!(rows(&alice).is_empty());
    drop(alice);
    let alice = world.open("moved.redb");
    assert_eq!(made(&alice, "fourth").await.counter, 5);
}
