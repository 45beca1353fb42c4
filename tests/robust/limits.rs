//! What an operator sets is kept to.

use tidegate::net::NetError;
use tidegate::replica::{Event, SyncError, SyncOptions};
use tidegate::server::Limits;

use crate::world::{World, add, titles};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_devices_are_taken_than_configured() {
    let mut world = World::start();
    let alice = world.enroll("alice.redb", "alice").await;
    let bob = world.enroll("bob.redb", "bob").await;
    world.stop_server().await;
    world.start_within(Limits { connections: 1, ..Limits::default() });
    let mut events = alice.events();
    let _live = alice.start_sync(SyncOptions::live());
    while !matches!(events.recv().await.unwrap(), Event::UpToDate) {}
    let error = bob.sync().await.unwrap_err();
    assert!(matches!(error, SyncError::Net(NetError::Busy(_))), "{error}");
    assert!(error.is_passing());
    // Who is in goes on.
    add(&alice, "order").await;
    while !matches!(events.recv().await.unwrap(), Event::Admitted { .. }) {}
}

/// The smallest pages, too, bring all rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_pages_bring_the_same_rows() {
    let mut world = World::start();
    let alice = world.enroll("alice.redb", "alice").await;
    for n in 0..50 {
        add(&alice, &format!("order {n:02} {}", "x".repeat(200))).await;
    }
    alice.sync().await.unwrap();
    world.stop_server().await;
    world.start_within(Limits { page_bytes: 1_024, ..Limits::default() });
    let bob = world.enroll("bob.redb", "bob").await;
    assert_eq!(titles(&bob), titles(&alice));
}
