//! Sync by hand: of one record, of one table; and as seldom as an offline profile asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tidegate::model::{DocumentText, RecordId, Value};
use tidegate::policy::read_profiles;
use tidegate::replica::{Event, FetchError, Replica, Settled, SyncOptions};

use super::office::{Office, columns, table, text};

/// Ann's devices take her own accounts, as old as this says.
fn profile(interval: &str) -> String {
    format!(
        "[[profile]]\nid = \"own\"\nfor = [\"user:ann\"]\nbudget = 1_000_000\n\
         [[profile.table]]\nid = \"account\"\nrows = [\"mine\"]\n{interval}\n\
         [[profile]]\nid = \"all\"\nfor = [\"organization\"]\n\
         [[profile.table]]\nid = \"account\"\nrows = [\"all\"]\n\
         [[profile.table]]\nid = \"job\"\nrows = [\"all\"]\n"
    )
}

async fn publish(office: &Office, text: &str) {
    let schema = Arc::new(office.home.rules().unwrap().schema().clone());
    let read = read_profiles(text, "profiles.toml", &schema, None, None).unwrap();
    let mut published = tidegate::model::PublishedProfiles::default();
    let document = DocumentText { file: "profiles.toml".into(), text: text.into() };
    published.draft(document, read, None, tidegate::model::Timestamp::default());
    published.publish(None).unwrap();
    office.server.set_profiles(published).await.unwrap();
}

async fn insert(device: &Replica, name: &str, columns: tidegate::model::Columns) -> RecordId {
    let (id, _) = device.insert(&table(name), columns).await.unwrap();
    device.sync().await.unwrap();
    id
}

#[tokio::test]
async fn one_record_is_fetched_kept_up_to_date_and_released() {
    let office = Office::open();
    publish(&office, &profile("")).await;
    let (ann, ben) = (office.device("ann", "ann").await, office.device("ben", "ben").await);
    let theirs = insert(&ben, "account", columns([("name", text("of ben"))])).await;
    ann.sync().await.unwrap();
    let account = table("account");
    assert_eq!(ann.count(&account).unwrap(), 0, "her profile does not take it");
    let row = ann.fetch(&account, theirs).await.unwrap();
    assert_eq!(row.get("name"), &text("of ben"));
    assert_eq!(ann.fetched(), [(account.clone(), theirs)].into());
    let balance = columns([("balance", Value::Integer(7))]);
    let _ = ben.update(&account, theirs, balance).await.unwrap();
    ben.sync().await.unwrap();
    // Another process on the same file knows it.
    drop(ann);
    let ann = Replica::builder(office.dir.path().join("ann.redb")).open().unwrap();
    ann.sync().await.unwrap();
    let row = ann.get(&account, theirs).unwrap().unwrap();
    assert_eq!(row.get("balance"), &Value::Integer(7));
    let status = ann.status().unwrap();
    assert_eq!((status.fetched, status.sizes["account"].records), (1, 1));
    let intake = status.intake.unwrap();
    assert_eq!((intake.profile.as_str(), intake.budget), ("own", Some(1_000_000)));
    assert!(!status.is_spent);
    assert!(ann.release(&account, theirs).await.unwrap());
    ann.sync().await.unwrap();
    assert_eq!(ann.get(&account, theirs).unwrap(), None);
    assert!(!ann.release(&account, theirs).await.unwrap());
}

/// Jobs are for their owners alone. Whether there is one nobody else learns.
#[tokio::test]
async fn a_record_that_may_not_be_read_is_refused_as_one_that_is_not_there() {
    let office = Office::open();
    publish(&office, &profile("")).await;
    let (ann, ben) = (office.device("ann", "ann").await, office.device("ben", "ben").await);
    let job = table("job");
    let hidden = insert(&ben, "job", columns([("title", text("secret"))])).await;
    for live in [false, true] {
        let sync = live.then(|| ann.start_sync(SyncOptions::live()));
        for record in [hidden, RecordId::from_bytes([7; 16])] {
            let error = ann.fetch(&job, record).await.unwrap_err();
            assert!(matches!(error, FetchError::NotThere { .. }), "{error}");
            let text = error.to_string().replace(&record.to_string(), "X");
            assert_eq!(text, "there is no record X in table `job` that this user may read");
        }
        assert_eq!(ann.fetched(), [].into(), "nothing is kept");
        drop(sync);
    }
    // The twin: once it is shared with her, it comes.
    let read = tidegate::model::Rights::from_iter([tidegate::model::Right::Read]);
    let boss = office.device("boss", "boss").await;
    let _ = boss.share(&job, hidden, "user:ann".parse().unwrap(), read).await.unwrap();
    boss.sync().await.unwrap();
    let row = ann.fetch(&job, hidden).await.unwrap();
    assert_eq!(row.get("title"), &text("secret"));
}

#[tokio::test]
async fn nothing_is_kept_of_what_could_not_be_fetched() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let Office { dir: _dir, server, .. } = office;
    server.stop().await;
    let error = ann.fetch(&table("account"), RecordId::from_bytes([7; 16])).await.unwrap_err();
    assert!(matches!(error, FetchError::Sync(_)), "{error}");
    assert_eq!(ann.fetched(), [].into());
}

#[tokio::test]
async fn one_table_is_synced_with_what_is_pending() {
    let office = Office::open();
    let (ann, ben) = (office.device("ann", "ann").await, office.device("ben", "ben").await);
    let (_, pending) =
        ben.insert(&table("account"), columns([("name", text("one"))])).await.unwrap();
    ben.sync_table(&table("thing")).await.unwrap();
    let settled = pending.settled().await.unwrap();
    assert!(matches!(settled.as_slice(), [(_, Settled::Admitted)]), "{settled:?}");
    ann.sync_table(&table("account")).await.unwrap();
    assert_eq!(ann.count(&table("account")).unwrap(), 1);
    // A live session is asked.
    let _ = insert(&ben, "account", columns([("name", text("two"))])).await;
    let _live = ann.start_sync(SyncOptions::live());
    ann.sync_table(&table("account")).await.unwrap();
    assert_eq!(ann.count(&table("account")).unwrap(), 2);
}

/// What opens a session is an edit or time: how often the profile asks, and no more.
#[tokio::test]
async fn in_the_background_a_device_connects_as_often_as_its_profile_asks() {
    let office = Office::open();
    for (interval, rests) in [("interval = 1440", true), ("", false)] {
        publish(&office, &profile(interval)).await;
        let ann = office.device(&format!("ann-{rests}"), "ann").await;
        let opened = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&opened);
        let listening = ann.subscribe(Box::new(move |event| {
            count.fetch_add(u64::from(*event == Event::Open), Ordering::SeqCst);
        }));
        let sync = ann.start_sync(SyncOptions::background());
        for name in ["one", "two"] {
            let (_, receipt) =
                ann.insert(&table("account"), columns([("name", text(name))])).await.unwrap();
            receipt.settled().await.unwrap();
            ann.sync().await.unwrap();
        }
        // Where the device has let go of the connection, whoever syncs by hand has one of their own.
        while rests && opened.load(Ordering::SeqCst) < 5 {
            ann.sync().await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(opened.load(Ordering::SeqCst) == 1, !rests, "{interval}: {opened:?}");
        drop((sync, listening));
    }
}
