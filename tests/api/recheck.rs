//! An app has a device compared with the server, and mended.

use tidegate::model::{RecordId, TableName, Value};
use tidegate::replica::{Event, Replica, SyncError, SyncOptions};
use tidegate::store::RedbReplica;
use tidegate::sync::replica::SessionError;
use tidegate::sync::{ReplicaBatch, ReplicaStore as _};

use super::office::{Office, columns, table, text};

/// Ann's device with so many accounts, synced.
async fn accounts(office: &Office, count: usize) -> (Replica, Vec<RecordId>) {
    let ann = office.device("ann", "ann").await;
    let mut made = Vec::new();
    for number in 0..count {
        let name = columns([("name", text(&format!("account {number}")))]);
        made.push(ann.insert(&table("account"), name).await.unwrap().0);
    }
    ann.sync().await.unwrap();
    (ann, made)
}

/// While the app is away its file loses a record.
fn lose(office: &Office, place: (TableName, RecordId)) -> Replica {
    let path = office.dir.path().join("ann.redb");
    let mut store = RedbReplica::open(&path).unwrap();
    let rows = vec![(place.0.clone(), place.1, None)];
    store.commit(ReplicaBatch { gone: vec![place], rows, ..ReplicaBatch::default() }).unwrap();
    drop(store);
    Replica::builder(&path).open().unwrap()
}

#[tokio::test]
async fn a_device_is_compared_and_mended_in_a_session_of_its_own() {
    let office = Office::open();
    let (ann, made) = accounts(&office, 20).await;
    let report = ann.recheck().await.unwrap();
    assert_eq!((report.records, report.mended, report.purged, report.rows), (20, 0, 0, 0));
    drop(ann);
    let ann = lose(&office, (table("account"), made[7]));
    assert!(ann.get(&table("account"), made[7]).unwrap().is_none());
    assert_eq!(ann.sync().await.unwrap().totals.changed_rows, 0, "catching up does not see it");
    let balance = columns([("balance", Value::Integer(5))]);
    ann.update(&table("account"), made[3], balance).await.unwrap();
    let report = ann.recheck().await.unwrap();
    assert_eq!((report.records, report.mended), (19, 1));
    let row = ann.get(&table("account"), made[7]).unwrap().unwrap();
    assert_eq!(row.get("name"), &text("account 7"));
    assert_eq!(ann.status().unwrap().pending, 0, "what was pending went after it");
}

#[tokio::test]
async fn a_device_that_syncs_for_good_is_compared_in_its_session() {
    let office = Office::open();
    let (ann, made) = accounts(&office, 5).await;
    drop(ann);
    let ann = lose(&office, (table("account"), made[0]));
    let mut events = ann.events();
    let guard = ann.start_sync(SyncOptions::live());
    while events.recv().await.unwrap() != Event::UpToDate {}
    let report = ann.recheck().await.unwrap();
    assert_eq!((report.records, report.mended), (4, 1));
    assert!(ann.get(&table("account"), made[0]).unwrap().is_some());
    assert_eq!(ann.recheck().await.unwrap().mended, 0);
    drop(guard);
}

#[tokio::test]
async fn a_recheck_needs_an_enrolled_device_and_its_server() {
    let office = Office::open();
    let (ann, made) = accounts(&office, 5).await;
    let alone = Replica::builder(office.dir.path().join("new.redb")).open().unwrap();
    assert!(matches!(alone.recheck().await, Err(SyncError::Session(SessionError::NotEnrolled))));
    office.server.stop().await;
    assert!(matches!(ann.recheck().await, Err(SyncError::Net(_))));
    let balance = columns([("balance", Value::Integer(5))]);
    ann.update(&table("account"), made[2], balance).await.unwrap();
    assert_eq!(ann.status().unwrap().pending, 1, "edits go on");
}
