//! Refused edits: what they were, tried again, and dealt with.

use tidegate::SyncOptions;
use tidegate::codec::{AdminAnswer, AdminRequest};
use tidegate::model::{Depth, EditKind, Policy, RecordId, Right, Rule, Value};
use tidegate::replica::{Amendment, Draft, EditError, Event, Intent, Receipt, Replica, Settled};

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

/// What an administrator is told of refused edits.
async fn denials(boss: &Replica) -> usize {
    match boss.administer(AdminRequest::Denials { limit: 100 }).await.unwrap() {
        AdminAnswer::Denials(denials) => denials.len(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn refused_edits_are_sent_by_themselves_when_the_grant_widens() {
    let office = Office::open();
    let (ann, boss) = (office.device("ann", "ann").await, office.device("boss", "boss").await);
    let created = create(&ann, id(1), "cash", 10).await;
    let renamed = rename(&ann, id(1), "petty cash").await;
    let_clerks(&office, Right::Create, Depth::None).await;
    ann.sync().await.unwrap();
    assert_eq!(kinds(&ann), [EditKind::Create, EditKind::Change]);

    let mut events = ann.events();
    let_clerks(&office, Right::Create, Depth::User).await;
    let report = ann.sync().await.unwrap();
    assert_eq!((report.totals.admitted, report.totals.denied), (2, 0));
    assert_eq!((name(&ann, id(1)), kinds(&ann).len()), (Some(text("petty cash")), 0));
    boss.sync().await.unwrap();
    assert_eq!(name(&boss, id(1)), Some(text("petty cash")));

    let mut again = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let Event::Reconsidered { edit, .. } = event {
            again.push(edit);
        }
    }
    assert_eq!(again, [created.edits(), renamed.edits()].concat());
    // As the edits that they were, they were refused.
    assert_eq!(created.settled().await.unwrap()[0].1, Settled::Denied(Vec::new()));
}

#[tokio::test]
async fn refused_edits_that_would_be_refused_again_are_not_sent() {
    let office = Office::open();
    let (ann, boss) = (office.device("ann", "ann").await, office.device("boss", "boss").await);
    create(&ann, id(1), "cash", 10).await;
    let_clerks(&office, Right::Create, Depth::None).await;
    ann.sync().await.unwrap();
    let before = ann.quarantine().unwrap();
    assert_eq!(denials(&boss).await, 1);

    // Other rules, by which it is refused all the same.
    office
        .change_policy(|policy, _| {
            let clerk = policy.roles.get_mut("clerk").unwrap();
            let rights = clerk.rights.get_mut("account").unwrap();
            rights.insert(Right::Create, Depth::None);
            rights.insert(Right::Delete, Depth::None);
        })
        .await;
    ann.sync().await.unwrap();
    assert_eq!((ann.quarantine().unwrap(), denials(&boss).await), (before, 1));
}

#[tokio::test]
async fn an_edit_is_sent_by_itself_when_the_record_that_it_looks_up_arrives() {
    let office = Office::open();
    let (ann, boss) = (office.device("ann", "ann").await, office.device("boss", "boss").await);
    office
        .change_policy(|policy, _| {
            let clerk = policy.roles.get_mut("clerk").unwrap();
            clerk.rights.get_mut("transfer").unwrap().insert(Right::Write, Depth::User);
        })
        .await;
    let transfer = |from| columns([("amount", Value::Integer(3)), ("from", Value::Lookup(from))]);
    let (first, _) = ann.insert(&table("transfer"), transfer(id(7))).await.unwrap();
    let (other, _) = ann.insert(&table("transfer"), transfer(id(8))).await.unwrap();
    ann.sync().await.unwrap();
    let from = |replica: &Replica, transfer| {
        let row = replica.get(&table("transfer"), transfer).unwrap().unwrap();
        row.get("from").clone()
    };
    assert_eq!((from(&ann, first), from(&ann, other)), (Value::Null, Value::Null));
    assert_eq!(kinds(&ann), [EditKind::Change; 2]);

    // In a session that is open, as soon as it is there.
    let _live = ann.start_sync(SyncOptions::live());
    let mut events = ann.events();
    while events.recv().await.unwrap() != Event::UpToDate {}
    create(&boss, id(7), "cash", 10).await;
    boss.sync().await.unwrap();
    while !matches!(events.recv().await.unwrap(), Event::Admitted { .. }) {}
    assert_eq!(kinds(&ann), [EditKind::Change]);
    boss.sync().await.unwrap();
    assert_eq!((from(&boss, first), from(&boss, other)), (Value::Lookup(id(7)), Value::Null));
}

#[tokio::test]
async fn what_is_sent_again_counts_once() {
    let office = Office::open();
    let (ann, boss) = (office.device("ann", "ann").await, office.device("boss", "boss").await);
    let visits = ann.table::<serde_json::Value>("visit").unwrap();
    let place = serde_json::json!({ "place": "harbour", "notes": "abc" });
    let visit = visits.insert(&place).await.unwrap().id();
    ann.sync().await.unwrap();
    visits.edit(visit).increment("photos", 2).commit().await.unwrap();
    visits.edit(visit).increment("photos", 3).set("place", "quay").commit().await.unwrap();
    let typed = visits.edit(visit).splice("notes", 3..3, "d").commit().await.unwrap();
    let may_write = async |depth| {
        let change = |policy: &mut Policy, _: &mut _| {
            let clerk = policy.roles.get_mut("clerk").unwrap();
            clerk.rights.get_mut("visit").unwrap().insert(Right::Write, depth);
        };
        office.change_policy(change).await;
        ann.sync().await.unwrap();
    };
    may_write(Depth::None).await;
    assert_eq!(kinds(&ann), [EditKind::Change; 3]);
    for depth in [Depth::User, Depth::None, Depth::Organization, Depth::User] {
        may_write(depth).await;
    }
    boss.sync().await.unwrap();
    let row = boss.get(&table("visit"), visit).unwrap().unwrap();
    assert_eq!((row.get("photos"), row.get("place")), (&Value::Counter(5), &text("quay")));
    // Where in the text it belongs only the user can say.
    let kept = ann.quarantine().unwrap();
    assert_eq!(kept.iter().map(|entry| entry.edit).collect::<Vec<_>>(), typed.edits());
}

#[tokio::test]
async fn an_edit_of_a_record_that_was_out_of_reach_is_sent_when_it_comes_back() {
    let office = Office::open();
    let (ann, boss) = (office.device("ann", "ann").await, office.device("boss", "boss").await);
    create(&boss, id(1), "cash", 10).await;
    boss.sync().await.unwrap();
    ann.sync().await.unwrap();
    rename(&ann, id(1), "petty cash").await;
    office
        .change_policy(|policy, _| {
            let clerk = policy.roles.get_mut("clerk").unwrap();
            let rights = clerk.rights.get_mut("account").unwrap();
            rights.insert(Right::Read, Depth::User);
            rights.insert(Right::Write, Depth::User);
        })
        .await;
    ann.sync().await.unwrap();
    assert_eq!((name(&ann, id(1)), kinds(&ann)), (None, vec![EditKind::Change]));
    // To write it is not enough, as long as it is not here; nor is to read it.
    let_clerks(&office, Right::Read, Depth::User).await;
    ann.sync().await.unwrap();
    let_clerks(&office, Right::Write, Depth::User).await;
    ann.sync().await.unwrap();
    assert_eq!(kinds(&ann), [EditKind::Change]);
    let_clerks(&office, Right::Write, Depth::Organization).await;
    ann.sync().await.unwrap();
    assert_eq!((name(&ann, id(1)), kinds(&ann).len()), (Some(text("petty cash")), 0));
    boss.sync().await.unwrap();
    assert_eq!(name(&boss, id(1)), Some(text("petty cash")));
}

#[tokio::test]
async fn a_refused_edit_is_sent_with_other_values() {
    let office = Office::open();
    office
        .change_policy(|policy, _| {
            let clerk = policy.roles.get_mut("clerk").unwrap();
            clerk.rights.get_mut("transfer").unwrap().insert(Right::Write, Depth::User);
        })
        .await;
    let ann = office.device("ann", "ann").await;
    create(&ann, id(1), "cash", 10).await;
    let transfer = table("transfer");
    let values = columns([("amount", Value::Integer(3)), ("from", Value::Lookup(id(7)))]);
    let (made, receipt) = ann.insert(&transfer, values).await.unwrap();
    ann.sync().await.unwrap();
    let (kept, edit) = (ann.quarantine().unwrap(), receipt.edits()[0]);
    assert_eq!(kinds(&ann), [EditKind::Change]);

    // What is refused here is not stored, and the entry stays as it was; so where nothing is left.
    let amended = |set| Amendment { set, ..Amendment::default() };
    let nothing = amended(columns([("from", Value::Null)]));
    for amendment in [amended(columns([("amount", text("three"))])), nothing] {
        let refused = ann.resubmit(edit, amendment).await.unwrap_err();
        assert!(matches!(refused, EditError::Denied(_)), "{refused:?}");
    }
    assert_eq!((ann.quarantine().unwrap(), ann.status().unwrap().pending), (kept, 0));

    let set = columns([("from", Value::Lookup(id(1))), ("amount", Value::Integer(4))]);
    let again = ann.resubmit(edit, amended(set)).await.unwrap();
    assert_eq!((kinds(&ann), ann.status().unwrap().pending), (vec![], 1));
    ann.sync().await.unwrap();
    assert_eq!(again.settled().await.unwrap()[0].1, Settled::Admitted);
    let row = ann.get(&transfer, made).unwrap().unwrap();
    assert_eq!((row.get("from"), row.get("amount")), (&Value::Lookup(id(1)), &Value::Integer(4)));
}

#[tokio::test]
async fn what_is_left_out_of_a_part_lets_the_whole_commit_count() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let job = columns([("title", text("roof")), ("cost", Value::Integer(3))]);
    let job = Draft {
        table: table("job"),
        record: id(3),
        intent: Intent::Create { owner: None, columns: job },
    };
    let account = Intent::Create { owner: None, columns: columns([("name", text("cash"))]) };
    let receipt = ann.commit_atomic(vec![job, draft(id(1), account)]).await.unwrap();
    office.change_policy(|policy, _| policy.column_security.clear()).await;
    ann.sync().await.unwrap();
    assert_eq!(kinds(&ann), [EditKind::Create; 2]);

    let without = ["cost".parse().unwrap()].into();
    let amendment = Amendment { without, ..Amendment::default() };
    let again = ann.resubmit(receipt.edits()[0], amendment).await.unwrap();
    assert_eq!((again.edits().len(), kinds(&ann)), (2, vec![]));
    assert_eq!(ann.sync().await.unwrap().totals.admitted, 2);
    assert_eq!(name(&ann, id(1)), Some(text("cash")));
}

#[tokio::test]
async fn a_refused_create_is_given_to_someone_else() {
    let office = Office::open();
    let boss = office.device("boss", "boss").await;
    let owner = Some("user:ben".parse().unwrap());
    let columns = columns([("name", text("cash"))]);
    let receipt = boss.commit(vec![draft(id(1), Intent::Create { owner, columns })]).await.unwrap();
    let dismiss = |_: &mut _, people: &mut tidegate::model::Organization| {
        people.users.get_mut("ben").unwrap().disabled = true;
    };
    office.change_policy(dismiss).await;
    boss.sync().await.unwrap();
    assert_eq!(kinds(&boss), [EditKind::Create]);

    let amendment = Amendment { owner: Some("user:ann".parse().unwrap()), ..Amendment::default() };
    boss.resubmit(receipt.edits()[0], amendment).await.unwrap();
    assert_eq!(boss.sync().await.unwrap().totals.admitted, 1);
    let row = boss.get(&table("account"), id(1)).unwrap().unwrap();
    assert_eq!(row.header.owner.unwrap().0.to_string(), "user:ann");
}
