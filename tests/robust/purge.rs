//! A server that ended before the bytes of what was erased were gone.

use std::fs;

use redb::Database;
use tidegate::model::Right;
use tidegate::store::RedbServer;
use tidegate::sync::ServerStore as _;

use crate::world::{World, add, definition, dump, sealed, write_raw};

const NEEDLE: &str = "a title that was erased";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_were_left_are_gone_when_the_file_is_opened_next() {
    let mut world = World::start();
    let alice = world.enroll("alice.redb", "alice").await;
    add(&alice, "a title that stays").await;
    alice.sync().await.unwrap();
    world.take_right(Right::Create).await;
    // Enough that not each freed page is used again.
    for _ in 0..200 {
        add(&alice, NEEDLE).await;
    }
    alice.sync().await.unwrap();
    world.stop_server().await;
    let path = world.home.data_file();
    let holds = |text: &str| {
        let bytes = fs::read(&path).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };

    // As if it had been ended between the two: the entries are deleted, and bytes are there.
    let file = Database::open(&path).unwrap();
    let tx = file.begin_write().unwrap();
    for table in ["refused-2", "refused-edit-1"] {
        tx.open_table(definition(table)).unwrap().retain(|_, _| false).unwrap();
    }
    tx.commit().unwrap();
    drop(file);
    let (key, not_due) = dump(&path)["purge-1"][0].clone();
    drop(RedbServer::open(&path).unwrap());
    assert!(holds(NEEDLE));
    write_raw(&path, "purge-1", &key, Some(&sealed("purge-1", &key, &[1])));
    let server = RedbServer::open(&path).unwrap();
    assert!(!holds(NEEDLE));
    assert!(holds("a title that stays"));
    server.check().unwrap();
    assert_eq!(server.refused(10).unwrap(), []);
    drop(server);
    assert_eq!(dump(&path)["purge-1"], [(key, not_due)]);
}
