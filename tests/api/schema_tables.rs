//! Tables that come and go, what a device is sent of a schema, and when.

use tidegate::SyncOptions;
use tidegate::model::{Column, ColumnType, Ownership, Policy, Schema, Table, Value};
use tidegate::replica::{EditError, Event, Replica};

use super::office::{Office, Publisher, columns, table, text};

fn remove_account(schema: &mut Schema, policy: &mut Policy) {
    schema.tables.remove("account").unwrap();
    schema.tables.remove("transfer").unwrap();
    for role in policy.roles.values_mut() {
        role.rights.remove("account");
        role.rights.remove("transfer");
    }
}

fn tables(replica: &Replica) -> Vec<String> {
    replica.schema().tables.keys().map(ToString::to_string).collect()
}

fn schemas(events: &mut tokio::sync::broadcast::Receiver<Event>) -> usize {
    let mut all = Vec::new();
    while let Ok(event) = events.try_recv() {
        all.push(event);
    }
    all.iter().filter(|event| **event == Event::SchemaChanged).count()
}

#[tokio::test]
async fn a_table_that_was_removed_comes_back_with_its_rows() {
    let office = Office::open();
    let (ann, boss) = (office.device("ann", "ann").await, office.device("boss", "boss").await);
    let name = columns([("name", text("cash of 4c1f9be2"))]);
    let (id, _) = ann.insert(&table("account"), name).await.unwrap();
    ann.sync().await.unwrap();
    boss.sync().await.unwrap();
    // Not sent when the table goes: neither the change nor the new record is lost.
    ann.update(&table("account"), id, columns([("balance", Value::Integer(7))])).await.unwrap();
    let late = columns([("name", text("late"))]);
    let (late, _) = ann.insert(&table("account"), late).await.unwrap();
    let mut publisher = Publisher::new(&office);
    let before = (publisher.schema.clone(), publisher.policy.clone());
    publisher.publish(remove_account).await.unwrap();
    let holds = |file: &str| {
        let bytes = std::fs::read(office.dir.path().join(file)).unwrap();
        let needle = "cash of 4c1f9be2".as_bytes();
        bytes.windows(needle.len()).any(|it| it == needle)
    };
    assert!(holds("boss.redb"));
    for replica in [&ann, &boss] {
        replica.sync().await.unwrap();
        assert_eq!(replica.count(&table("account")).unwrap(), 0);
        assert!(!tables(replica).contains(&"account".to_owned()));
        // An app that knows the table finds it empty, and it takes no edits.
        assert_eq!(replica.query(&table("account")).filter("balance = 1").rows().unwrap(), []);
        let refused = replica.insert(&table("account"), columns([("name", text("no"))])).await;
        assert!(matches!(refused, Err(EditError::Denied(_))), "{refused:?}");
    }
    // Not a byte is left of what is not one's own.
    assert!(!holds("boss.redb"));
    assert_eq!((ann.quarantine().unwrap().len(), ann.status().unwrap().pending), (2, 0));
    assert_eq!(boss.count(&table("visit")).unwrap(), 0);

    let (schema, policy) = before;
    publisher.publish(|now, rights| (*now, *rights) = (schema, policy)).await.unwrap();
    ann.sync().await.unwrap();
    boss.sync().await.unwrap();
    assert_eq!(ann.quarantine().unwrap(), []);
    for replica in [&ann, &boss] {
        let row = replica.get(&table("account"), id).unwrap().unwrap();
        assert_eq!(row.get("name"), &text("cash of 4c1f9be2"));
        assert_eq!(row.get("balance"), &Value::Integer(7));
        assert!(replica.get(&table("account"), late).unwrap().is_some());
    }
}

#[tokio::test]
async fn a_table_is_added_to_a_running_app() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let _live = ann.start_sync(SyncOptions::live());
    let mut events = ann.events();
    while events.recv().await.unwrap() != Event::UpToDate {}
    let mut publisher = Publisher::new(&office);
    let added = |schema: &mut Schema, policy: &mut Policy| {
        let body = Column::new("body".parse().unwrap(), ColumnType::Text);
        let memo = Table::new(table("memo"), Ownership::UserOwned, vec![body]);
        schema.tables.insert(memo.id.clone(), memo);
        let clerk = policy.roles.get_mut("clerk").unwrap();
        let rights = clerk.rights["visit"].clone();
        clerk.rights.insert(table("memo"), rights);
    };
    publisher.publish(added).await.unwrap();
    while events.recv().await.unwrap() != Event::GrantChanged {}
    let (id, receipt) = ann.insert(&table("memo"), columns([("body", text("hi"))])).await.unwrap();
    receipt.settled().await.unwrap();
    assert_eq!(ann.get_confirmed(&table("memo"), id).unwrap().unwrap().get("body"), &text("hi"));
    assert!(ann.quarantine().unwrap().is_empty());
}

#[tokio::test]
async fn a_device_is_sent_its_part_of_the_schema_and_only_when_that_changed() {
    let office = Office::open();
    let (ann, boss) = (office.device("ann", "ann").await, office.device("boss", "boss").await);
    let mut publisher = Publisher::new(&office);
    let clerk = |change: fn(&mut Policy)| move |_: &mut Schema, policy: &mut Policy| change(policy);
    // A view that shows an account's name would bring the table along.
    publisher.publish(|schema: &mut Schema, _: &mut Policy| schema.views.clear()).await.unwrap();
    // Of `account` only what it takes to name one that a transfer looks up.
    let less = clerk(|policy| {
        for gone in ["account", "job"] {
            policy.roles.get_mut("clerk").unwrap().rights.remove(gone);
        }
    });
    publisher.publish(less).await.unwrap();
    ann.sync().await.unwrap();
    assert_eq!(tables(&ann), ["account", "thing", "transfer", "visit"]);
    assert_eq!(ann.schema().table("account").unwrap().columns, []);
    assert_eq!(tables(&boss), ["account", "job", "thing", "transfer", "visit"]);

    let (mut to_ann, mut to_boss) = (ann.events(), boss.events());
    let more = |it: &mut Table| {
        it.columns.push(Column::new("grade".parse().unwrap(), ColumnType::Text));
    };
    publisher.alter("job", more).await.unwrap();
    ann.sync().await.unwrap();
    boss.sync().await.unwrap();
    assert_eq!((schemas(&mut to_ann), schemas(&mut to_boss)), (0, 1));
    publisher.alter("visit", more).await.unwrap();
    for _ in 0..2 {
        ann.sync().await.unwrap();
        boss.sync().await.unwrap();
    }
    assert_eq!((schemas(&mut to_ann), schemas(&mut to_boss)), (1, 1));
    // Other privileges on the same tables are no other schema.
    let other = clerk(|policy| {
        let rights = &mut policy.roles.get_mut("clerk").unwrap().rights;
        rights.get_mut("visit").unwrap().remove(&tidegate::model::Right::Delete);
    });
    publisher.publish(other).await.unwrap();
    ann.sync().await.unwrap();
    assert_eq!(schemas(&mut to_ann), 0);
}

#[tokio::test]
async fn what_the_ids_and_owners_of_records_hang_on_stays_while_there_are_some() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let mut publisher = Publisher::new(&office);
    let keyed = |it: &mut Table| it.key = vec!["name".parse().unwrap()];
    let unowned = |it: &mut Table| it.ownership = Ownership::OrganizationOwned;
    let name = columns([("name", text("7"))]);
    let (id, _) = ann.insert(&table("account"), name.clone()).await.unwrap();
    ann.sync().await.unwrap();
    let error = publisher.alter("account", keyed).await.unwrap_err();
    assert!(error.contains(&id.to_string()) && error.contains("key columns"), "{error}");
    let error = publisher.alter("account", unowned).await.unwrap_err();
    assert!(error.contains(&id.to_string()) && error.contains("ownership"), "{error}");
    // Without records both may change; and what is written the same makes the same ids.
    publisher.alter("transfer", unowned).await.unwrap();
    publisher.alter("thing", keyed).await.unwrap();
    ann.sync().await.unwrap();
    let (seven, _) = ann.insert(&table("thing"), name).await.unwrap();
    ann.sync().await.unwrap();
    let integer = |it: &mut Table| it.columns[0].column_type = ColumnType::Integer;
    publisher.alter("thing", integer).await.unwrap();
    ann.sync().await.unwrap();
    let again = columns([("name", Value::Integer(7))]);
    assert_eq!(ann.new_id(&table("thing"), &again).unwrap(), seven);
}
