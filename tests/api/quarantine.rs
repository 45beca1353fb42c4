//! Refused edits: what they were, tried again, and dealt with.

use tidegate::model::{Depth, EditKind, RecordId, Right, Rule, Value};
use tidegate::replica::{Draft, EditError, Intent, Receipt, Replica, Settled};

use super::office::{Office, columns, table, text};

fn id(n: u8) -> RecordId {
    RecordId::from_bytes([n; 16])
}

fn draft(record: RecordId, intent: Intent) -> Draft {
    Draft { table: table("account"), record, intent }
}

/// An account, by a device that has no connection.
async fn create(replica: &Replica, record: RecordId, name: &str, balance: i64) -> Receipt {
    let columns = columns([("name", text(name)), ("balance", Value::Integer(balance))]);
    replica.commit(vec![draft(record, Intent::Create { owner: None, columns })]).await.unwrap()
}

async fn rename(replica: &Replica, record: RecordId, name: &str) -> Receipt {
    let columns = columns([("name", text(name))]);
    replica.commit(vec![draft(record, Intent::Set(columns))]).await.unwrap()
}

/// What clerks may do with accounts from now on.
async fn let_clerks(office: &Office, right: Right, depth: Depth) {
    office
        .change_policy(|policy, _| {
            let clerk = policy.roles.get_mut("clerk").unwrap();
            clerk.rights.get_mut("account").unwrap().insert(right, depth);
        })
        .await;
}

fn name(replica: &Replica, record: RecordId) -> Option<Value> {
    let row = replica.get(&table("account"), record).unwrap()?;
    Some(row.get("name").clone())
}

fn kinds(replica: &Replica) -> Vec<EditKind> {
    replica.quarantine().unwrap().iter().map(|entry| entry.kind).collect()
}

#[tokio::test]
async fn a_refused_change_never_makes_the_record_that_it_was_a_change_of() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    create(&ann, id(1), "cash", 10).await;
    let change = rename(&ann, id(1), "petty cash").await;
    let_clerks(&office, Right::Create, Depth::None).await;
    ann.sync().await.unwrap();
    assert_eq!(kinds(&ann), [EditKind::Create, EditKind::Change]);

    let refused = ann.retry(change.edits()[0]).await.unwrap_err();
    let EditError::Denied(denial) = refused else { panic!("{refused:?}") };
    assert_eq!(denial.rule, Rule::Malformed);
    assert!(denial.to_string().contains("not there"), "{denial}");
    assert_eq!((name(&ann, id(1)), kinds(&ann).len()), (None, 2));
}

#[tokio::test]
async fn a_create_of_a_record_that_someone_else_made_sets_its_values_there() {
    let office = Office::open();
    let (ann, boss) = (office.device("ann", "ann").await, office.device("boss", "boss").await);
    let refused = create(&ann, id(1), "cash", 10).await;
    let same = create(&ann, id(2), "bank", 20).await;
    let_clerks(&office, Right::Create, Depth::None).await;
    ann.sync().await.unwrap();
    create(&boss, id(1), "cash", 7).await;
    create(&boss, id(2), "bank", 20).await;
    boss.sync().await.unwrap();
    ann.sync().await.unwrap();

    let again = ann.retry(refused.edits()[0]).await.unwrap();
    ann.sync().await.unwrap();
    assert_eq!(again.settled().await.unwrap()[0].1, Settled::Admitted);
    let row = ann.get(&table("account"), id(1)).unwrap().unwrap();
    assert_eq!(row.get("balance"), &Value::Integer(10));
    // It belongs to whoever made it.
    assert_eq!(row.header.owner.unwrap().0.to_string(), "user:boss");
    // Where nothing would change there is nothing to try: it stays until it is discarded.
    let nothing = ann.retry(same.edits()[0]).await.unwrap_err();
    assert!(matches!(nothing, EditError::Exists(..)), "{nothing:?}");
    assert_eq!(kinds(&ann), [EditKind::Create]);
}
