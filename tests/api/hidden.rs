//! A secured column that the user may not read is hidden, which is not null.

use serde::{Deserialize, Serialize};
use tidegate::Secured;
use tidegate::model::{ColumnPermissions, Principal, RecordId, Right, Rights, Value};
use tidegate::replica::{Replica, Settled, TableError};

use tidegate::limits::{PAGE_LOOKS_MAX, PAGE_ROUNDS_MAX};
use tidegate::sync::replica::{Draft, Intent};

use super::office::{Office, columns, table, text};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Job {
    title: String,
    cost: Secured<Option<i64>>,
}

fn job(title: &str, cost: Secured<Option<i64>>) -> Job {
    Job { title: title.into(), cost }
}

/// A job of ann's, who may read what it cost, that ben may read and change.
async fn shared_job(office: &Office, cost: Option<i64>) -> (Replica, Replica, RecordId) {
    let (ann, ben) = (office.device("ann", "ann").await, office.device("ben", "ben").await);
    let jobs = ann.table::<Job>("job").unwrap();
    let id = jobs.insert(&job("roof", Secured::Known(cost))).await.unwrap().id();
    let rights: Rights = [Right::Read, Right::Write].into_iter().collect();
    jobs.share(id, to_ben(), rights).await.unwrap();
    ann.sync().await.unwrap();
    ben.sync().await.unwrap();
    (ann, ben, id)
}

fn to_ben() -> Principal {
    "user:ben".parse().unwrap()
}

#[tokio::test]
async fn a_hidden_column_is_told_from_one_without_a_value() {
    let office = Office::open();
    let (ann, ben, id) = shared_job(&office, None).await;
    let read = |replica: &Replica| replica.get(&table("job"), id).unwrap().unwrap();
    assert_eq!(read(&ben).read("cost"), Secured::Hidden);
    assert_eq!(read(&ann).read("cost"), Secured::Known(&Value::Null));
    // Others are never hidden, and nothing is told by the value itself.
    assert_eq!(read(&ben).read("title"), Secured::Known(&text("roof")));
    assert_eq!((read(&ben).get("cost"), read(&ann).get("cost")), (&Value::Null, &Value::Null));

    let typed = |replica: &Replica| replica.table::<Job>("job").unwrap().get(id).unwrap().unwrap();
    assert_eq!(typed(&ben), job("roof", Secured::Hidden));
    assert_eq!(typed(&ann), job("roof", Secured::Known(None)));
    ann.update(&table("job"), id, columns([("cost", Value::Integer(7))])).await.unwrap();
    assert_eq!(typed(&ann), job("roof", Secured::Known(Some(7))));

    // Nobody finds by it what they cannot read.
    let find = |replica: &Replica, value| {
        let equal = [("cost".parse().unwrap(), value)];
        replica.find(&table("job"), &equal, None, 10).unwrap().len()
    };
    assert_eq!((find(&ann, Value::Integer(7)), find(&ben, Value::Null)), (1, 0));
}

#[tokio::test]
async fn a_column_share_shows_the_column_and_its_end_hides_it() {
    let office = Office::open();
    let (ann, ben, id) = shared_job(&office, Some(100)).await;
    let typed = || ben.table::<Job>("job").unwrap().get(id).unwrap().unwrap();
    for (permissions, shown) in [
        (ColumnPermissions::READ, Secured::Known(Some(100))),
        (ColumnPermissions::NONE, Secured::Hidden),
    ] {
        ann.share_column(&table("job"), id, "cost".parse().unwrap(), to_ben(), permissions)
            .await
            .unwrap();
        ann.sync().await.unwrap();
        ben.sync().await.unwrap();
        assert_eq!(typed(), job("roof", shown));
    }
}

/// Who may change a column and not read it sets it, whatever others did to it before, and does not
/// see what comes of it.
#[tokio::test]
async fn a_hidden_column_can_be_set() {
    let office = Office::open();
    let (ann, ben, id) = shared_job(&office, Some(100)).await;
    let cost = |value| columns([("cost", Value::Integer(value))]);
    for value in 101..110 {
        ann.update(&table("job"), id, cost(value)).await.unwrap();
    }
    let update = ColumnPermissions { update: true, ..ColumnPermissions::NONE };
    ann.share_column(&table("job"), id, "cost".parse().unwrap(), to_ben(), update).await.unwrap();
    ann.sync().await.unwrap();
    ben.sync().await.unwrap();
    for value in [500, 501] {
        let set = ben.update(&table("job"), id, cost(value)).await.unwrap();
        ben.sync().await.unwrap();
        assert_eq!(set.settled().await.unwrap()[0].1, Settled::Admitted);
        ann.sync().await.unwrap();
        let seen = ann.get(&table("job"), id).unwrap().unwrap();
        assert_eq!(seen.get("cost"), &Value::Integer(value));
        let own = ben.get(&table("job"), id).unwrap().unwrap();
        assert_eq!((own.read("cost"), own.get("cost")), (Secured::Hidden, &Value::Null));
    }
    // Two at once, and one behind the other's back.
    let first = ben.update(&table("job"), id, cost(502)).await.unwrap();
    let second = ben.update(&table("job"), id, cost(503)).await.unwrap();
    ann.update(&table("job"), id, cost(111)).await.unwrap();
    ann.sync().await.unwrap();
    ben.sync().await.unwrap();
    for receipt in [first, second] {
        assert_eq!(receipt.settled().await.unwrap()[0].1, Settled::Admitted);
    }
    ann.sync().await.unwrap();
    let seen = ann.get(&table("job"), id).unwrap().unwrap();
    assert_eq!(seen.get("cost"), &Value::Integer(503));
}

#[tokio::test]
async fn a_type_that_cannot_say_hidden_is_told_so() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Plain {
        title: String,
        #[serde(default)]
        cost: i64,
    }
    #[derive(Debug, Serialize, Deserialize)]
    struct Optional {
        title: String,
        cost: Option<i64>,
    }
    let office = Office::open();
    let (ann, ben, id) = shared_job(&office, Some(100)).await;
    let optional = ben.table::<Optional>("job").unwrap().get(id).unwrap().unwrap();
    assert_eq!((optional.title.as_str(), optional.cost), ("roof", None));
    let error = ben.table::<Plain>("job").unwrap().get(id).unwrap_err();
    assert!(matches!(error, TableError::Row { .. }), "{error}");
    assert!(error.to_string().contains("cost: the column is hidden from this user"), "{error}");
    assert_eq!(ann.table::<Plain>("job").unwrap().get(id).unwrap().unwrap().cost, 100);
    // A type without fixed fields has no such field.
    let row = ben.table::<serde_json::Value>("job").unwrap().get(id).unwrap().unwrap();
    assert_eq!(row, serde_json::json!({ "title": "roof" }));
}

/// More of the log is nothing to a device than a server looks at before others have their turn.
#[tokio::test]
async fn who_may_read_nothing_of_a_long_log_gets_to_its_end() {
    let office = Office::open();
    let (ann, ben) = (office.device("ann", "ann").await, office.device("ben", "ben").await);
    let jobs = (PAGE_LOOKS_MAX * PAGE_ROUNDS_MAX + 100) as u128;
    let create = |job: u128| Draft {
        table: table("job"),
        record: RecordId::from_bytes(job.to_be_bytes()),
        intent: Intent::Create { owner: None, columns: columns([("title", text("roof"))]) },
    };
    ann.commit((0..jobs).map(create).collect()).await.unwrap();
    ann.sync().await.unwrap();
    ben.sync().await.unwrap();
    assert_eq!(u128::from(ann.count(&table("job")).unwrap()), jobs);
    assert_eq!(ben.count(&table("job")).unwrap(), 0);
}

/// A new row that says nothing of a secured column leaves it unset, and needs no permission for it.
#[tokio::test]
async fn a_new_row_may_leave_a_secured_column_hidden() {
    let office = Office::open();
    let ben = office.device("ben", "ben").await;
    let jobs = ben.table::<Job>("job").unwrap();
    let made = jobs.insert(&job("door", Secured::Hidden)).await.unwrap();
    ben.sync().await.unwrap();
    assert_eq!(jobs.get(made.id()).unwrap(), Some(job("door", Secured::Hidden)));
    let known = jobs.insert(&job("door", Secured::Known(Some(1)))).await;
    assert!(known.is_err(), "{known:?}");
}
