//! Views: what an app shows, in one read.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use tidegate::model::{RecordId, Right, Rights, Value};
use tidegate::replica::{QueryError, Replica, ViewError};
use tidegate::{Direction, Secured};

use super::office::{Office, columns, table, text};

#[derive(Debug, PartialEq, Deserialize)]
struct Line {
    amount: i64,
    account: Option<String>,
}

/// Two accounts of ann's, and three transfers.
async fn transfers(ann: &Replica) -> [RecordId; 2] {
    let mut ids = [RecordId::from_bytes([0; 16]); 2];
    for (id, name) in ids.iter_mut().zip(["cash", "bank"]) {
        *id = ann.insert(&table("account"), columns([("name", text(name))])).await.unwrap().0;
    }
    for (amount, from) in
        [(10, Value::Lookup(ids[0])), (20, Value::Lookup(ids[1])), (30, Value::Null)]
    {
        let row = columns([("amount", Value::Integer(amount)), ("from", from)]);
        ann.insert(&table("transfer"), row).await.unwrap();
    }
    ids
}

fn line(amount: i64, account: Option<&str>) -> Line {
    Line { amount, account: account.map(str::to_owned) }
}

#[tokio::test]
async fn a_view_shows_columns_of_its_rows_and_of_what_they_look_up() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let ids = transfers(&ann).await;
    let view = ann.view("transfers").unwrap().bind("least", 0);
    let lines =
        |rows: Vec<(RecordId, Line)>| rows.into_iter().map(|(_, it)| it).collect::<Vec<_>>();
    let all = [line(30, None), line(20, Some("bank")), line(10, Some("cash"))];
    assert_eq!(lines(view.rows_as().unwrap()), all);
    assert_eq!(view.table(), &table("transfer"));
    assert_eq!(view.clone().bind("least", 15).count().unwrap(), 2);
    let more = view.clone().filter("account = 'x'").rows();
    assert!(more.is_err(), "a filter is about columns of the table, not of the view");
    let narrowed = view.clone().filter("from.name is not null").order_by("amount", Direction::Asc);
    assert_eq!(
        lines(narrowed.rows_as().unwrap()),
        [line(10, Some("cash")), line(20, Some("bank"))]
    );
    let first = view.clone().limit(2).read_as::<Line>().unwrap();
    let rest = view.clone().after(&first.next.unwrap()).rows_as::<Line>().unwrap();
    assert_eq!(
        (lines(first.rows), lines(rest)),
        (vec![line(30, None), line(20, Some("bank"))], vec![line(10, Some("cash"))],)
    );
    // What is gone is hidden, and what is not looked up is null.
    ann.delete(&table("account"), ids[0]).await.unwrap();
    let rows = view.rows().unwrap();
    let accounts: Vec<_> = rows.iter().map(|row| row.read("account")).collect();
    let bank = text("bank");
    assert_eq!(accounts, [Secured::Known(&Value::Null), Secured::Known(&bank), Secured::Hidden]);
    assert_eq!(rows[1].columns().next(), Some(("amount", Secured::Known(&Value::Integer(20)))));
    assert!(rows.iter().all(|row| row.pending));
    let plan = view.plan().unwrap().to_string();
    assert!(plan.contains("look up `account` by `from`"), "{plan}");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Job {
    title: String,
    cost: Secured<Option<i64>>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "it is never read")]
struct Careless {
    cost: i64,
}

#[tokio::test]
async fn a_view_hides_what_the_row_hides() {
    let office = Office::open();
    let (ann, ben) = (office.device("ann", "ann").await, office.device("ben", "ben").await);
    let job = Job { title: "roof".into(), cost: Secured::Known(Some(30)) };
    let id = ann.table::<Job>("job").unwrap().insert(&job).await.unwrap().id();
    let rights = Rights::from_iter([Right::Read]);
    ann.share(&table("job"), id, "user:ben".parse().unwrap(), rights).await.unwrap();
    ann.sync().await.unwrap();
    ben.sync().await.unwrap();
    let jobs = |replica: &Replica| replica.view("jobs").unwrap();
    assert_eq!(jobs(&ann).rows_as::<Job>().unwrap(), [(id, job)]);
    let hidden = Job { title: "roof".into(), cost: Secured::Hidden };
    assert_eq!(jobs(&ben).rows_as::<Job>().unwrap(), [(id, hidden)]);
    // A map has no field that could say so.
    let maps = |replica| {
        let rows = jobs(replica).rows_as::<Map<String, Json>>().unwrap();
        Json::from(rows.into_iter().map(|(_, row)| row.into()).collect::<Vec<Json>>())
    };
    assert_eq!(maps(&ann), json!([{ "title": "roof", "cost": 30 }]));
    assert_eq!(maps(&ben), json!([{ "title": "roof" }]));
    let plain = jobs(&ben).rows_as::<std::collections::BTreeMap<String, String>>();
    assert!(plain.is_ok());
    let error = jobs(&ben).rows_as::<Careless>().unwrap_err().to_string();
    assert!(
        error.contains("`jobs`") && error.contains("cost") && error.contains("hidden"),
        "{error}"
    );
}

#[tokio::test]
async fn a_view_that_the_schema_of_the_device_lacks_is_named() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let error = ann.view("transfer").unwrap_err();
    assert!(matches!(&error, QueryError::View(ViewError::NoSuchView { .. })));
    let said = error.to_string();
    assert!(said.contains("no view `transfer`") && said.contains("jobs, transfers"), "{said}");
    assert!(matches!(ann.view("transfers").unwrap().rows(), Err(QueryError::Bind(_))));
}

#[tokio::test]
async fn a_column_may_be_shown_twice_and_look_something_up_as_well() {
    let schema = tidegate::read_schema(
        r#"
        table = [
          { id = "account", ownership = "organization_owned", columns = [
            { id = "name", type = "text" },
          ] },
          { id = "transfer", ownership = "organization_owned", columns = [
            { id = "amount", type = "integer" },
            { id = "from", type = "lookup", table = "account" },
          ] },
        ]
        view = [{ id = "all", table = "transfer", order = "from.name", columns = [
          "amount", "from", "from.name as account", "amount as again", "from as account_id", "id",
        ] }]
        "#,
        "schema.toml",
    );
    let folder = tempfile::tempdir().unwrap();
    let open = Replica::builder(folder.path().join("it.redb")).schema(schema.unwrap()).open();
    let replica = open.unwrap();
    let [cash, _] = transfers(&replica).await;
    let rows = replica.view("all").unwrap().filter("amount = 10").rows().unwrap();
    let shown: Vec<_> = rows[0].columns().map(|(_, value)| value.known().unwrap()).collect();
    let (amount, account) = (Value::Integer(10), Value::Lookup(cash));
    let id = Value::Lookup(rows[0].id);
    assert_eq!(shown, [&amount, &account, &text("cash"), &amount, &account, &id]);
}
