//! Edits that count together: all or none, here, on the server and on every other replica.

use tidegate::model::{Right, Value};
use tidegate::replica::{Draft, Intent, Settled};

use super::office::{Office, columns, table, text};

fn create(name: &str, balance: i64, id: tidegate::RecordId) -> Draft {
    let columns = columns([("name", text(name)), ("balance", Value::Integer(balance))]);
    Draft { table: table("account"), record: id, intent: Intent::Create { owner: None, columns } }
}

fn id(n: u8) -> tidegate::RecordId {
    tidegate::RecordId::from_bytes([n; 16])
}

#[tokio::test]
async fn an_atomic_commit_of_which_a_part_is_denied_is_denied_as_a_whole() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    ann.commit(vec![create("cash", 10, id(1))]).await.unwrap();
    ann.sync().await.unwrap();

    // Offline: one part will be allowed, the other not, once the right to create is gone.
    let set = Intent::Set(columns([("balance", Value::Integer(5))]));
    let change = Draft { table: table("account"), record: id(1), intent: set };
    let receipt = ann.commit_atomic(vec![change, create("bank", 5, id(2))]).await.unwrap();
    // What is made after it on one of the records does count.
    let name = Intent::Set(columns([("name", text("petty cash"))]));
    let later = Draft { table: table("account"), record: id(1), intent: name };
    let later = ann.commit(vec![later]).await.unwrap();
    office
        .change_policy(|policy, _| {
            for role in policy.roles.values_mut() {
                role.rights.get_mut("account").unwrap().remove(&Right::Create);
            }
        })
        .await;
    ann.sync().await.unwrap();

    for (_, verdict) in receipt.settled().await.unwrap() {
        assert!(matches!(verdict, Settled::Denied(_)), "{verdict:?}");
    }
    assert_eq!(later.settled().await.unwrap()[0].1, Settled::Admitted);
    let row = ann.get(&table("account"), id(1)).unwrap().unwrap();
    assert_eq!(row.get("balance"), &Value::Integer(10));
    assert_eq!(row.get("name"), &text("petty cash"));
    assert_eq!(ann.get(&table("account"), id(2)).unwrap(), None);
    assert_eq!(ann.quarantine().unwrap().len(), 2);
    let boss = office.device("boss", "boss").await;
    assert_eq!(boss.count(&table("account")).unwrap(), 1);

    // The right comes back: the parts are tried together by themselves, and count together.
    office.change_policy(|_, _| {}).await;
    assert_eq!(ann.sync().await.unwrap().totals.admitted, 2);
    boss.sync().await.unwrap();
    let balance = |n| boss.get(&table("account"), id(n)).unwrap().unwrap().get("balance").clone();
    assert_eq!((balance(1), balance(2)), (Value::Integer(5), Value::Integer(5)));
    assert_eq!(ann.quarantine().unwrap(), []);
}

#[tokio::test]
async fn the_same_commit_not_atomic_counts_in_part() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    ann.commit(vec![create("cash", 10, id(1))]).await.unwrap();
    ann.sync().await.unwrap();
    let set = Intent::Set(columns([("balance", Value::Integer(5))]));
    let change = Draft { table: table("account"), record: id(1), intent: set };
    let receipt = ann.commit(vec![change, create("bank", 5, id(2))]).await.unwrap();
    office
        .change_policy(|policy, _| {
            for role in policy.roles.values_mut() {
                role.rights.get_mut("account").unwrap().remove(&Right::Create);
            }
        })
        .await;
    ann.sync().await.unwrap();
    let verdicts = receipt.settled().await.unwrap();
    assert_eq!(verdicts[0].1, Settled::Admitted);
    assert!(matches!(verdicts[1].1, Settled::Denied(_)));
}

#[tokio::test]
async fn a_transaction_refused_here_stores_nothing() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let wrong = Intent::Set(columns([("balance", Value::Integer(1))]));
    let missing = Draft { table: table("account"), record: id(9), intent: wrong };
    let refused = ann.commit(vec![create("cash", 1, id(1)), missing]).await;
    assert!(refused.is_err());
    assert_eq!(ann.count(&table("account")).unwrap(), 0);
    assert_eq!(ann.status().unwrap().pending, 0);
}

#[tokio::test]
async fn others_see_all_of_an_atomic_commit_or_nothing() {
    let office = Office::open();
    let (ann, ben) = (office.device("ann", "ann").await, office.device("ben", "ben").await);
    let all: Vec<_> = (1..=200).map(|n| create("pot", 0, id(n))).collect();
    ann.commit(all).await.unwrap();
    ann.sync().await.unwrap();
    ben.sync().await.unwrap();
    let _live = ben.start_sync(tidegate::SyncOptions::live());
    let mut seen = ben.events();
    let _sending = ann.start_sync(tidegate::SyncOptions::live());
    for round in 1..=20_i64 {
        let set = || Intent::Set(columns([("balance", Value::Integer(round))]));
        let drafts =
            (1..=200_u8).map(|n| Draft { table: table("account"), record: id(n), intent: set() });
        ann.commit_atomic(drafts.collect()).await.unwrap();
    }
    // Whenever something changes, all pots hold the same.
    loop {
        let rows = ben.list(&table("account"), None, usize::MAX).unwrap();
        let first = rows[0].get("balance").clone();
        assert!(rows.iter().all(|row| row.get("balance") == &first), "half of a commit is seen");
        if first == Value::Integer(20) {
            break;
        }
        // Missed events are no harm: the rows are looked at again.
        let _ = seen.recv().await;
    }
}
