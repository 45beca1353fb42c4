//! Records and secured columns that are shared arrive, and leave when the share ends.

use tidegate::model::{
    ColumnPermissions, Principal, RecordId, Right, Rights, Rule, TableName, Value,
};
use tidegate::replica::{EditError, Replica, Settled};

use super::office::{Office, columns, table, text};

fn ben() -> Principal {
    "user:ben".parse().unwrap()
}

fn rights<const N: usize>(rights: [Right; N]) -> Rights {
    rights.into_iter().collect()
}

fn job() -> TableName {
    table("job")
}

/// A job of ann's that cost 100, which ben may not read.
async fn a_job(ann: &Replica) -> RecordId {
    let values = columns([("title", text("roof")), ("cost", Value::Integer(100))]);
    let (id, receipt) = ann.insert(&job(), values).await.unwrap();
    ann.sync().await.unwrap();
    assert_eq!(receipt.settled().await.unwrap()[0].1, Settled::Admitted);
    id
}

#[track_caller]
fn assert_denied<T: std::fmt::Debug>(result: Result<T, EditError>, rule: Rule) {
    match result {
        Err(EditError::Denied(denial)) => assert_eq!(denial.rule, rule, "{denial}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_shared_record_arrives_and_an_unshared_one_goes() {
    let office = Office::open();
    let (ann, other) = (office.device("ann", "ann").await, office.device("ben", "ben").await);
    let id = a_job(&ann).await;
    other.sync().await.unwrap();
    assert_eq!(other.get(&job(), id).unwrap(), None);

    ann.share(&job(), id, ben(), rights([Right::Read])).await.unwrap();
    let shown = ann.get(&job(), id).unwrap().unwrap();
    assert_eq!(shown.header.shares[&ben()], rights([Right::Read]));
    ann.sync().await.unwrap();
    other.sync().await.unwrap();
    let row = other.get(&job(), id).unwrap().unwrap();
    assert_eq!(row.columns, columns([("title", text("roof"))]));

    // Reading is not writing, and what one has not cannot be given on.
    let set = async || other.update(&job(), id, columns([("title", text("door"))])).await;
    assert_denied(set().await, Rule::OutOfDepth);
    assert_denied(other.unshare(&job(), id, ben()).await, Rule::OutOfDepth);
    ann.share(&job(), id, ben(), rights([Right::Read, Right::Share])).await.unwrap();
    ann.sync().await.unwrap();
    other.sync().await.unwrap();
    let all = rights([Right::Read, Right::Write]);
    let give = other.share(&job(), id, Principal::Organization, all).await;
    assert_denied(give, Rule::CannotGiveRight);
    ann.share(&job(), id, ben(), all).await.unwrap();
    ann.sync().await.unwrap();
    other.sync().await.unwrap();
    set().await.unwrap();
    other.sync().await.unwrap();
    ann.sync().await.unwrap();
    assert_eq!(ann.get(&job(), id).unwrap().unwrap().get("title"), &text("door"));

    // The same again is no edit.
    assert!(ann.share(&job(), id, ben(), all).await.unwrap().edits().is_empty());
    ann.unshare(&job(), id, ben()).await.unwrap();
    ann.sync().await.unwrap();
    other.sync().await.unwrap();
    assert_eq!(other.get(&job(), id).unwrap(), None);
    assert_eq!(other.count(&job()).unwrap(), 0);
    assert!(ann.get(&job(), id).unwrap().unwrap().header.shares.is_empty());
}

#[tokio::test]
async fn a_shared_column_arrives_and_goes_when_the_share_ends() {
    let office = Office::open();
    let (ann, other) = (office.device("ann", "ann").await, office.device("ben", "ben").await);
    let id = a_job(&ann).await;
    let (jobs, theirs) = (
        ann.table::<serde_json::Value>("job").unwrap(),
        other.table::<serde_json::Value>("job").unwrap(),
    );
    jobs.share(id, ben(), rights([Right::Read, Right::Write, Right::Share])).await.unwrap();
    ann.sync().await.unwrap();
    other.sync().await.unwrap();
    assert_eq!(other.get(&job(), id).unwrap().unwrap().get("cost"), &Value::Null);

    // Someone without the permission cannot give it.
    let read = ColumnPermissions::READ;
    let give = theirs.share_column(id, "cost", Principal::Organization, read).await;
    assert_denied(give, Rule::CannotGiveRight);
    jobs.share_column(id, "cost", ben(), read).await.unwrap();
    ann.sync().await.unwrap();
    other.sync().await.unwrap();
    let row = other.get(&job(), id).unwrap().unwrap();
    assert_eq!(row.get("cost"), &Value::Integer(100));
    assert_eq!(row.header.column_shares[&("cost".parse().unwrap(), ben())], read);

    // What changes arrives as it does at ann's.
    ann.update(&job(), id, columns([("cost", Value::Integer(120))])).await.unwrap();
    ann.sync().await.unwrap();
    other.sync().await.unwrap();
    assert_eq!(other.get(&job(), id).unwrap().unwrap().get("cost"), &Value::Integer(120));

    // To read is not to change.
    let set =
        async |cost| other.update(&job(), id, columns([("cost", Value::Integer(cost))])).await;
    assert_denied(set(1).await, Rule::NoColumnPermission);
    let both = ColumnPermissions { update: true, ..read };
    jobs.share_column(id, "cost", ben(), both).await.unwrap();
    ann.sync().await.unwrap();
    other.sync().await.unwrap();
    set(150).await.unwrap();
    other.sync().await.unwrap();
    ann.sync().await.unwrap();
    assert_eq!(ann.get(&job(), id).unwrap().unwrap().get("cost"), &Value::Integer(150));

    // The share ends while ben has an edit that was not sent.
    let late = set(200).await.unwrap();
    jobs.share_column(id, "cost", ben(), ColumnPermissions::NONE).await.unwrap();
    ann.sync().await.unwrap();
    other.sync().await.unwrap();
    let verdicts = late.settled().await.unwrap();
    assert!(matches!(verdicts[0].1, Settled::Denied(_)), "{verdicts:?}");
    assert_eq!(other.quarantine().unwrap()[0].denial.rule, Rule::NoColumnPermission);
    let row = other.get(&job(), id).unwrap().unwrap();
    assert_eq!(row.columns, columns([("title", text("roof"))]));
    assert_eq!(ann.get(&job(), id).unwrap().unwrap().get("cost"), &Value::Integer(150));
}

/// Who takes away the share by which they read a column themselves loses it, too.
#[tokio::test]
async fn an_own_edit_that_ends_a_column_share_takes_the_column_away() {
    let office = Office::open();
    let (ann, other) = (office.device("ann", "ann").await, office.device("ben", "ben").await);
    let id = a_job(&ann).await;
    let cost = || "cost".parse().unwrap();
    let step = ann.transaction(|tx| {
        let jobs = ann.table::<serde_json::Value>("job").unwrap();
        tx.share(&jobs, id, ben(), rights([Right::Read, Right::Share]))?;
        tx.share_column(&jobs, id, "cost", Principal::Organization, ColumnPermissions::READ)?;
        Ok(())
    });
    step.await.unwrap();
    ann.sync().await.unwrap();
    other.sync().await.unwrap();
    assert_eq!(other.get(&job(), id).unwrap().unwrap().get("cost"), &Value::Integer(100));
    let none = ColumnPermissions::NONE;
    other.share_column(&job(), id, cost(), Principal::Organization, none).await.unwrap();
    other.sync().await.unwrap();
    assert_eq!(other.get(&job(), id).unwrap().unwrap().get("cost"), &Value::Null);
    assert_eq!(other.get_confirmed(&job(), id).unwrap().unwrap().get("cost"), &Value::Null);
    ann.sync().await.unwrap();
    assert_eq!(ann.get(&job(), id).unwrap().unwrap().get("cost"), &Value::Integer(100));
}

/// A device does not know who is there: the server does.
#[tokio::test]
async fn a_share_with_someone_who_is_not_there_is_refused_by_the_server() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let id = a_job(&ann).await;
    let nobody = || "user:zoe".parse().unwrap();
    let made = ann.share(&job(), id, nobody(), rights([Right::Read])).await.unwrap();
    let fine = ann.share(&job(), id, ben(), rights([Right::Read])).await.unwrap();
    ann.sync().await.unwrap();
    assert!(matches!(made.settled().await.unwrap()[0].1, Settled::Denied(_)));
    assert_eq!(fine.settled().await.unwrap()[0].1, Settled::Admitted);
    let denial = &ann.quarantine().unwrap()[0].denial;
    assert_eq!(denial.rule, Rule::Malformed);
    assert!(denial.to_string().contains("there is no `user:zoe`"), "{denial}");
    let held = ann.get(&job(), id).unwrap().unwrap().header.shares;
    assert_eq!(held.into_keys().collect::<Vec<_>>(), [ben()]);
}
