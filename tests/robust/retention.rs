//! Refused edits are not kept for good. The time is the test's.

use tidegate::limits::FORGOTTEN_AT_ONCE_MAX;
use tidegate::model::Right;

use crate::world::{World, add};

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
