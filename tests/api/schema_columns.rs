//! Columns that come, go, are called otherwise, required or of another type: each change with the one
//! like it that is refused.

use serde::{Deserialize, Serialize};
use tidegate::model::{Column, ColumnType, RecordId, Table, Value};
use tidegate::replica::{Amendment, EditError, Replica, Settled, TableError};

use super::office::{Office, Publisher, columns, table, text};

fn column(id: &str, column_type: ColumnType) -> Column {
    Column::new(id.parse().unwrap(), column_type)
}

fn of<'a>(table: &'a mut Table, id: &str) -> &'a mut Column {
    table.columns.iter_mut().find(|column| column.id.as_str() == id).unwrap()
}

fn drop_column(table: &mut Table, id: &str) {
    table.columns.retain(|column| column.id.as_str() != id);
}

async fn account(replica: &Replica, name: &str, balance: i64) -> RecordId {
    let columns = columns([("name", text(name)), ("balance", Value::Integer(balance))]);
    replica.insert(&table("account"), columns).await.unwrap().0
}

#[track_caller]
fn value(replica: &Replica, id: RecordId, column: &str) -> Value {
    replica.get(&table("account"), id).unwrap().unwrap().get(column).clone()
}

/// The reasons of what is in quarantine, with the columns that they are about.
fn refused(replica: &Replica) -> Vec<(Option<String>, String)> {
    let entries = replica.quarantine().unwrap();
    let each = entries.iter().map(|entry| {
        (entry.denial.column.as_ref().map(ToString::to_string), entry.denial.to_string())
    });
    each.collect()
}

/// As a program has it that was made before the schema changed.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Account {
    name: String,
    balance: Option<i64>,
}

#[tokio::test]
async fn an_older_program_keeps_values_of_columns_that_it_does_not_know() {
    let office = Office::open();
    let (ann, ben) = (office.device("ann", "ann").await, office.device("ben", "ben").await);
    let id = account(&ann, "cash", 10).await;
    ann.sync().await.unwrap();
    let mut publisher = Publisher::new(&office);
    let added = |it: &mut Table| it.columns.push(column("limit", ColumnType::Integer));
    publisher.alter("account", added).await.unwrap();
    ben.sync().await.unwrap();
    ben.update(&table("account"), id, columns([("limit", Value::Integer(500))])).await.unwrap();
    ben.sync().await.unwrap();

    let accounts = ann.table::<Account>("account").unwrap();
    accounts.edit(id).set("name", "petty cash").commit().await.unwrap();
    let new = accounts.insert(&Account { name: "safe".into(), balance: None }).await.unwrap().id();
    ann.sync().await.unwrap();
    ben.sync().await.unwrap();
    assert_eq!(
        (value(&ben, id, "name"), value(&ben, id, "limit")),
        (text("petty cash"), Value::Integer(500))
    );
    assert_eq!(value(&ann, id, "limit"), Value::Integer(500));
    assert_eq!(value(&ben, new, "limit"), Value::Null);
    assert_eq!(refused(&ann), []);
}

#[tokio::test]
async fn a_column_that_is_called_otherwise_is_the_same_column() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let id = account(&ann, "cash", 10).await;
    let mut publisher = Publisher::new(&office);
    let renamed = |it: &mut Table| of(it, "balance").name = Some("Saldo".parse().unwrap());
    publisher.alter("account", renamed).await.unwrap();
    ann.sync().await.unwrap();
    assert_eq!(ann.schema().table("account").unwrap().column("balance").unwrap().label(), "Saldo");
    assert_eq!(
        ann.table::<Account>("account").unwrap().get(id).unwrap().unwrap().balance,
        Some(10)
    );
    let found = ann.query(&table("account")).filter("balance = 10").rows().unwrap();
    assert_eq!(found.len(), 1);
    // A filter says ids alone, whatever people call them.
    assert!(ann.query(&table("account")).filter("Saldo = 10").rows().is_err());
}

#[tokio::test]
async fn a_column_is_made_required_when_all_records_have_a_value() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let (full, empty) = (account(&ann, "cash", 10).await, account(&ann, "safe", 0).await);
    ann.update(&table("account"), empty, columns([("balance", Value::Null)])).await.unwrap();
    ann.sync().await.unwrap();
    let mut publisher = Publisher::new(&office);
    let required = |it: &mut Table| of(it, "balance").required = true;
    let error = publisher.alter("account", required).await.unwrap_err();
    assert!(error.contains(&format!("1 record of `account` ({empty})")), "{error}");
    assert!(error.contains("column `balance` has no value there, and is required"), "{error}");
    ann.sync().await.unwrap();
    assert!(!ann.schema().table("account").unwrap().column("balance").unwrap().required);

    // A record that is deleted is nobody's concern.
    ann.delete(&table("account"), empty).await.unwrap();
    ann.sync().await.unwrap();
    // Both are made offline, under the schema of before.
    let lacking = ann.insert(&table("account"), columns([("name", text("late"))])).await.unwrap();
    let cleared = columns([("balance", Value::Null), ("name", text("till"))]);
    ann.update(&table("account"), full, cleared).await.unwrap();
    publisher.alter("account", required).await.unwrap();
    ann.sync().await.unwrap();
    let why = "column `balance` is required";
    let refused = refused(&ann);
    assert_eq!(refused.len(), 2, "{refused:?}");
    for (column, reason) in &refused {
        assert_eq!(column.as_deref(), Some("balance"));
        assert!(reason.contains(why), "{reason}");
    }
    // The rest of the change counts, and nothing is lost of the record: it is sent again with a value.
    assert_eq!(
        (value(&ann, full, "name"), value(&ann, full, "balance")),
        (text("till"), Value::Integer(10))
    );
    let amendment =
        Amendment { set: columns([("balance", Value::Integer(1))]), ..Amendment::default() };
    let again = ann.resubmit(lacking.1.edits()[0], amendment).await.unwrap();
    ann.sync().await.unwrap();
    assert_eq!(again.settled().await.unwrap()[0].1, Settled::Admitted);
    assert_eq!(value(&ann, lacking.0, "name"), text("late"));
    assert!(matches!(
        ann.insert(&table("account"), columns([("name", text("no"))])).await,
        Err(EditError::Denied(_))
    ));
}

#[tokio::test]
async fn a_default_stands_where_a_record_has_no_value() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let before = account(&ann, "cash", 10).await;
    ann.sync().await.unwrap();
    let offline = account(&ann, "made offline", 10).await;
    let mut publisher = Publisher::new(&office);
    let region = |default: Option<&str>| Column {
        required: true,
        default: default.map(text),
        ..column("region", ColumnType::Text)
    };
    let added = |it: &mut Table| it.columns.push(region(Some("north")));
    publisher.alter("account", added).await.unwrap();
    ann.sync().await.unwrap();
    assert_eq!(refused(&ann), []);
    for id in [before, offline] {
        assert_eq!(value(&ann, id, "region"), text("north"));
    }
    let found = |filter: &str| ann.query(&table("account")).filter(filter).count().unwrap();
    assert_eq!((found("region = 'north'"), found("region is null")), (2, 0));
    // A program that does not know the column goes on making records.
    let old = ann.table::<Account>("account").unwrap();
    old.insert(&Account { name: "safe".into(), balance: None }).await.unwrap();
    ann.sync().await.unwrap();
    assert_eq!((refused(&ann), found("region = 'north'")), (vec![], 3));

    // Without the default nothing is there that could be required.
    let bare = |it: &mut Table| *of(it, "region") = region(None);
    let error = publisher.alter("account", bare).await.unwrap_err();
    assert!(error.contains("3 records of `account`") && error.contains("`region`"), "{error}");
    let table_of = ann.table::<Account>("account");
    assert!(table_of.is_ok());
}

#[tokio::test]
async fn values_of_another_type_are_read_as_the_type_of_now() {
    let office = Office::open();
    let (ann, ben) = (office.device("ann", "ann").await, office.device("ben", "ben").await);
    let id = account(&ann, "cash", 10).await;
    ann.sync().await.unwrap();
    ben.sync().await.unwrap();
    // Made offline, as an integer.
    ben.update(&table("account"), id, columns([("balance", Value::Integer(20))])).await.unwrap();
    let mut publisher = Publisher::new(&office);
    let to = |column_type| move |it: &mut Table| of(it, "balance").column_type = column_type;
    publisher.alter("account", to(ColumnType::Decimal)).await.unwrap();
    ann.sync().await.unwrap();
    let decimal = |text: &str| Value::Decimal(text.parse().unwrap());
    assert_eq!(value(&ann, id, "balance"), decimal("10"));
    ben.sync().await.unwrap();
    assert_eq!((value(&ben, id, "balance"), refused(&ben)), (decimal("20"), vec![]));
    // What an app sets is of the type of now, and is compared as such.
    let wrong = columns([("balance", Value::Integer(5))]);
    let error = ben.update(&table("account"), id, wrong).await.unwrap_err();
    assert!(error.to_string().contains("`balance` holds decimal, not integer"), "{error}");
    let same =
        ben.update(&table("account"), id, columns([("balance", decimal("20"))])).await.unwrap();
    assert_eq!(same.edits().len(), 0);
    ben.update(&table("account"), id, columns([("balance", decimal("20.50"))])).await.unwrap();
    ben.sync().await.unwrap();
    ann.sync().await.unwrap();
    assert_eq!(ann.query(&table("account")).filter("balance > 20.4").count().unwrap(), 1);

    // It cannot go back while a record holds what is no integer.
    let error = publisher.alter("account", to(ColumnType::Integer)).await.unwrap_err();
    assert!(error.contains(&format!("1 record of `account` ({id})")), "{error}");
    assert!(error.contains("the decimal `20.50` is none without loss"), "{error}");
    publisher.alter("account", to(ColumnType::Text)).await.unwrap();
    ann.sync().await.unwrap();
    assert_eq!(value(&ann, id, "balance"), text("20.50"));
}

#[tokio::test]
async fn an_edit_that_is_none_of_the_type_of_now_is_refused_and_kept() {
    let office = Office::open();
    let (ann, ben) = (office.device("ann", "ann").await, office.device("ben", "ben").await);
    let id = account(&ann, "cash", 10).await;
    ann.update(&table("account"), id, columns([("name", text("12"))])).await.unwrap();
    ann.sync().await.unwrap();
    ben.sync().await.unwrap();
    let both = columns([("name", text("petty cash")), ("balance", Value::Integer(7))]);
    ben.update(&table("account"), id, both).await.unwrap();
    let mut publisher = Publisher::new(&office);
    let to = |column_type| move |it: &mut Table| of(it, "name").column_type = column_type;
    publisher.alter("account", to(ColumnType::Integer)).await.unwrap();
    ben.sync().await.unwrap();
    let kept = refused(&ben);
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].0.as_deref(), Some("name"));
    assert!(kept[0].1.contains("the text `petty cash` is none without loss"), "{}", kept[0].1);
    // The rest counts.
    assert_eq!(
        (value(&ben, id, "name"), value(&ben, id, "balance")),
        (Value::Integer(12), Value::Integer(7))
    );
    // When the type is what it was, it is tried again by itself.
    publisher.alter("account", to(ColumnType::Text)).await.unwrap();
    ben.sync().await.unwrap();
    assert_eq!((value(&ben, id, "name"), refused(&ben)), (text("petty cash"), vec![]));
}

#[tokio::test]
async fn what_merges_part_by_part_does_not_become_something_else() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let ops = columns([("photos", Value::Counter(3)), ("notes", Value::RichText("dry".into()))]);
    let (id, _) = ann.insert(&table("visit"), ops).await.unwrap();
    ann.sync().await.unwrap();
    let mut publisher = Publisher::new(&office);
    for (name, column_type) in [
        ("photos", ColumnType::Integer),
        ("notes", ColumnType::Text),
        ("place", ColumnType::RichText),
    ] {
        let to = |it: &mut Table| of(it, name).column_type = column_type;
        let changed = publisher.alter("visit", to).await;
        // Where no record has a value there is nothing that could be lost.
        assert_eq!(changed.is_ok(), name == "place", "{changed:?}");
        if let Err(error) = changed {
            assert!(error.contains(&id.to_string()) && error.contains(name), "{error}");
        }
    }
}

#[tokio::test]
async fn a_choice_goes_when_no_record_holds_it() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let mut publisher = Publisher::new(&office);
    let choices = |all: &[&str]| {
        let choices = all.iter().map(|it| (*it).to_owned()).collect();
        Column { choices, ..column("state", ColumnType::Choice) }
    };
    let all = choices(&["open", "shut", "lost"]);
    publisher.alter("account", |it| it.columns.push(all)).await.unwrap();
    ann.sync().await.unwrap();
    let (a, b) = (account(&ann, "a", 1).await, account(&ann, "b", 1).await);
    let choice = |choice: &str| columns([("state", Value::Choice(choice.into()))]);
    ann.update(&table("account"), a, choice("shut")).await.unwrap();
    ann.sync().await.unwrap();
    ann.update(&table("account"), b, choice("lost")).await.unwrap();
    let error =
        publisher.alter("account", |it| *of(it, "state") = choices(&["open", "lost"])).await;
    assert!(error.unwrap_err().contains("`shut` is not a choice of column `state`"));
    publisher.alter("account", |it| *of(it, "state") = choices(&["open", "shut"])).await.unwrap();
    ann.sync().await.unwrap();
    assert_eq!(
        (value(&ann, a, "state"), value(&ann, b, "state")),
        (Value::Choice("shut".into()), Value::Null)
    );
    let kept = refused(&ann);
    assert!(kept.len() == 1 && kept[0].1.contains("`lost` is not a choice"), "{kept:?}");
    // As text it says what it said, and any text may be said.
    publisher
        .alter("account", |it| *of(it, "state") = column("state", ColumnType::Text))
        .await
        .unwrap();
    ann.sync().await.unwrap();
    assert_eq!((value(&ann, a, "state"), value(&ann, b, "state")), (text("shut"), text("lost")));
}

#[tokio::test]
async fn a_column_that_was_removed_comes_back_with_its_values() {
    let office = Office::open();
    let (ann, ben) = (office.device("ann", "ann").await, office.device("ben", "ben").await);
    let id = account(&ann, "cash", 10).await;
    ann.sync().await.unwrap();
    ben.sync().await.unwrap();
    // Made offline: one column will not be there.
    let both = columns([("name", text("petty cash")), ("balance", Value::Integer(20))]);
    ben.update(&table("account"), id, both).await.unwrap();
    let new = account(&ben, "safe", 30).await;
    let mut publisher = Publisher::new(&office);
    publisher.alter("account", |it| drop_column(it, "balance")).await.unwrap();
    ben.sync().await.unwrap();
    ann.sync().await.unwrap();
    for replica in [&ann, &ben] {
        assert_eq!(value(replica, id, "name"), text("petty cash"));
        assert_eq!(value(replica, new, "name"), text("safe"));
        let row = replica.get(&table("account"), id).unwrap().unwrap();
        assert!(!row.columns.contains_key("balance"));
    }
    let kept = refused(&ben);
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().all(|(_, why)| why.contains("has no column `balance`")), "{kept:?}");
    assert!(matches!(ann.table::<Account>("account"), Err(TableError::UnknownField { .. })));

    // Back, it has what was there, and what devices kept of it is tried again by itself.
    let back = column("balance", ColumnType::Decimal);
    publisher.alter("account", |it| it.columns.push(back)).await.unwrap();
    ann.sync().await.unwrap();
    let decimal = |number: i64| Value::Decimal(number.into());
    assert_eq!(
        (value(&ann, id, "balance"), value(&ann, new, "balance")),
        (decimal(10), Value::Null)
    );
    ben.sync().await.unwrap();
    ann.sync().await.unwrap();
    assert_eq!(refused(&ben), []);
    assert_eq!(
        (value(&ann, id, "balance"), value(&ann, new, "balance")),
        (decimal(20), decimal(30))
    );

    // As something that its values are not, it does not.
    publisher.alter("account", |it| drop_column(it, "balance")).await.unwrap();
    let back = column("balance", ColumnType::Boolean);
    let error = publisher.alter("account", |it| it.columns.push(back)).await.unwrap_err();
    assert!(error.contains("2 records of `account`") && error.contains("`balance`"), "{error}");
}
