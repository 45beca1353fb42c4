//! Before enrolment, and after a user has gone.

use tidegate::model::Value;
use tidegate::policy::read_schema;
use tidegate::replica::{Replica, Settled, SignOutError};

use super::office::{Office, SCHEMA, columns, table, text};

#[tokio::test]
async fn what_was_made_before_enrolment_becomes_the_users() {
    let office = Office::open();
    let schema = read_schema(SCHEMA, "schema.toml").unwrap();
    let path = office.dir.path().join("early.redb");
    let early = Replica::builder(&path).schema(schema.clone()).open().unwrap();
    let name = columns([("name", text("cash"))]);
    let (account, receipt) = early.insert(&table("account"), name).await.unwrap();
    early
        .update(&table("account"), account, columns([("balance", Value::Integer(3))]))
        .await
        .unwrap();
    let amount = columns([("amount", Value::Integer(3)), ("from", Value::Lookup(account))]);
    early.insert(&table("transfer"), amount).await.unwrap();
    assert_eq!(early.count(&table("account")).unwrap(), 1);

    // It survives a restart before it is anybody's.
    drop((receipt, early));
    let early = Replica::builder(&path).schema(schema).open().unwrap();
    assert_eq!(early.status().unwrap().pending, 3);
    early.enroll(&office.code("ann"), "early").await.unwrap();
    let status = early.status().unwrap();
    assert_eq!((status.pending, status.quarantined), (0, 0));
    let row = early.get(&table("account"), account).unwrap().unwrap();
    assert_eq!(row.header.owner.unwrap().0.to_string(), "user:ann");

    let boss = office.device("boss", "boss").await;
    let row = boss.get(&table("account"), account).unwrap().unwrap();
    assert_eq!(row.get("balance"), &Value::Integer(3));
    assert_eq!(boss.count(&table("transfer")).unwrap(), 1);
}

#[tokio::test]
async fn a_user_without_the_right_finds_it_in_quarantine_after_enrolment() {
    let office = Office::open();
    office
        .change_policy(|policy, _| policy.roles.values_mut().for_each(|it| it.rights.clear()))
        .await;
    let schema = read_schema(SCHEMA, "schema.toml").unwrap();
    let path = office.dir.path().join("early.redb");
    let early = Replica::builder(path).schema(schema).open().unwrap();
    let name = columns([("name", text("cash"))]);
    early.insert(&table("account"), name).await.unwrap();
    early.enroll(&office.code("ann"), "early").await.unwrap();
    assert_eq!(early.count(&table("account")).unwrap(), 0);
    let kept = early.quarantine().unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].denial.rule.as_str(), "no_privilege");
}

#[tokio::test]
async fn signing_out_takes_everything_along_but_nothing_unsent() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let name = "cash of 8f1d3c5b7a";
    let file = || std::fs::read(office.dir.path().join("ann.redb")).unwrap();
    let has_name = || file().windows(name.len()).any(|bytes| bytes == name.as_bytes());
    let (id, _) = ann.insert(&table("account"), columns([("name", text(name))])).await.unwrap();
    assert!(matches!(ann.sign_out(false).await, Err(SignOutError::Pending(1))));
    assert!(ann.get(&table("account"), id).unwrap().is_some());
    ann.sync().await.unwrap();
    assert!(has_name());
    ann.sign_out(false).await.unwrap();
    assert!(!has_name());
    assert_eq!((ann.user(), ann.count(&table("account")).unwrap()), (None, 0));
    assert!(ann.sync().await.is_err());

    // Another user takes the device over.
    ann.enroll(&office.code("ben"), "second life").await.unwrap();
    assert_eq!(ann.user().unwrap().as_str(), "ben");
    assert_eq!(ann.count(&table("account")).unwrap(), 1);
    let receipt =
        ann.update(&table("account"), id, columns([("name", text("petty cash"))])).await.unwrap();
    ann.sync().await.unwrap();
    assert_eq!(receipt.settled().await.unwrap()[0].1, Settled::Admitted);
}

#[tokio::test]
async fn wiping_discards_what_was_not_sent() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let (id, _) = ann.insert(&table("account"), columns([("name", text("cash"))])).await.unwrap();
    ann.sign_out(true).await.unwrap();
    assert_eq!(ann.get(&table("account"), id).unwrap(), None);
    assert_eq!(ann.status().unwrap().pending, 0);
}
