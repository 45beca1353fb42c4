//! Rows that come by a scan: how many there will be is told before the first of them, and the app reads
//! and edits while they come.

use std::sync::{Arc, Mutex};

use tidegate::limits::PAGE_LOOKS_MAX;
use tidegate::model::{RecordId, Value};
use tidegate::replica::{Arrival, Event, Replica};
use tidegate::sync::replica::{Draft, Intent};

use super::office::{Office, columns, table, text};

const ROWS: usize = 8 * PAGE_LOOKS_MAX;

fn id(n: usize) -> RecordId {
    RecordId::from_bytes((n as u128).to_be_bytes())
}

async fn fill(device: &Replica, name: &str, from: usize, rows: usize) {
    let create = |n: usize| Draft {
        table: table(name),
        record: id(n),
        intent: Intent::Create {
            owner: None,
            columns: match name {
                "job" => columns([("title", text("roof"))]),
                _ => columns([("name", text("a name"))]),
            },
        },
    };
    device.commit((from..from + rows).map(create).collect()).await.unwrap();
    device.sync().await.unwrap();
}

/// What a new device of a user is told of rows that come.
async fn told(office: &Office, name: &str, user: &str) -> Vec<Arrival> {
    let replica = Replica::builder(office.dir.path().join(name)).open().unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let subscription = replica.subscribe(Box::new(move |event| {
        if let Event::Arriving(arrival) = event {
            heard.lock().unwrap().push(*arrival);
        }
    }));
    replica.enroll(&office.code(user), name).await.unwrap();
    drop(subscription);
    assert_eq!(replica.progress(), None, "all is here");
    let told = told.lock().unwrap();
    told.clone()
}

#[tokio::test]
async fn totals_are_told_before_the_first_row_and_what_is_here_grows_to_them() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    fill(&ann, "account", 0, ROWS).await;
    let told = told(&office, "new.redb", "ben").await;
    let first = told.first().unwrap();
    assert_eq!((first.here.records, first.total.records), (0, ROWS as u64));
    assert!(first.total.bytes > 20 * first.total.records, "{}", first.total.bytes);
    assert!(told.iter().all(|it| it.total == first.total));
    assert!(told.is_sorted_by_key(|it| (it.here.records, it.here.bytes)), "{told:?}");
    assert!(told.len() > 3, "there are several pages");
    assert_eq!(told.last().unwrap().here, first.total);
}

/// What one may not read is not hinted at by a total, neither its number nor its length.
#[tokio::test]
async fn totals_say_nothing_of_rows_and_columns_that_the_user_may_not_read() {
    let office = Office::open();
    let (ann, ben) = (office.device("ann", "ann").await, office.device("ben", "ben").await);
    fill(&ben, "job", 0, 3).await;
    let before = told(&office, "before.redb", "ben").await;
    // Jobs are for their owners alone, and what they cost for ann.
    fill(&ann, "job", 100, 50).await;
    let cost = columns([("cost", Value::Integer(1_000_000))]);
    let _ = ann.update(&table("job"), id(100), cost).await.unwrap();
    ann.sync().await.unwrap();
    assert_eq!(told(&office, "after.redb", "ben").await, before);
    let theirs = before.last().unwrap();
    assert_eq!((theirs.here.records, theirs.total.records), (3, 3));
    // Who may is told.
    let all = told(&office, "boss.redb", "boss").await;
    assert_eq!(all.last().unwrap().total.records, 53);
    let own = told(&office, "own.redb", "ann").await;
    assert_eq!(own.last().unwrap().total.records, 50);
}

#[tokio::test]
async fn the_app_reads_and_edits_from_the_first_page_on() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    fill(&ann, "account", 0, ROWS).await;
    let replica = Replica::builder(office.dir.path().join("new.redb")).open().unwrap();
    let (page, mut pages) = tokio::sync::mpsc::unbounded_channel();
    let reader = replica.clone();
    let subscription = replica.subscribe(Box::new(move |event| {
        if let Event::Arriving(arrival) = event {
            // What is told to be here can be read, while the rest is on its way.
            let rows = reader.count(&table("account")).unwrap();
            assert!(rows >= arrival.here.records);
            if arrival.here.records > 0 && rows < ROWS as u64 {
                assert!(reader.get(&table("account"), id(0)).unwrap().is_some());
                let _ = page.send(rows);
            }
        }
    }));
    let code = office.code("ben");
    let editing = async {
        let rows = pages.recv().await.unwrap();
        let balance = columns([("balance", Value::Integer(7))]);
        let receipt = replica.update(&table("account"), id(0), balance).await.unwrap();
        (rows, receipt)
    };
    let (synced, (rows, _)) = tokio::join!(replica.enroll(&code, "new"), editing);
    synced.unwrap();
    drop(subscription);
    assert!(rows < ROWS as u64, "some of {ROWS} rows were not here yet, {rows} were");
    replica.sync().await.unwrap();
    assert_eq!(replica.count(&table("account")).unwrap(), ROWS as u64);
    ann.sync().await.unwrap();
    let row = ann.get(&table("account"), id(0)).unwrap().unwrap();
    assert_eq!(row.get("balance"), &Value::Integer(7), "it counts, and came back in no page");
}
