//! A device that was away for ten versions of the schema syncs both ways and loses nothing.

use tidegate::model::{Column, ColumnType, Op, Ownership, RecordId, Table, Value};
use tidegate::replica::{Draft, Intent, Replica};

use super::office::{Office, Publisher, columns, table, text};

fn column(id: &str, column_type: ColumnType) -> Column {
    Column::new(id.parse().unwrap(), column_type)
}

fn of<'a>(table: &'a mut Table, id: &str) -> &'a mut Column {
    table.columns.iter_mut().find(|column| column.id.as_str() == id).unwrap()
}

/// What the device had, and did while it was away.
struct Away {
    account: RecordId,
    visit: RecordId,
    job: RecordId,
    thing: RecordId,
    new_account: RecordId,
    new_thing: RecordId,
}

fn draft(name: &str, record: RecordId, intent: Intent) -> Draft {
    Draft { table: table(name), record, intent }
}

async fn begin(ann: &Replica) -> Away {
    let cash = columns([("name", text("cash")), ("balance", Value::Integer(10))]);
    let (account, _) = ann.insert(&table("account"), cash).await.unwrap();
    let place = columns([("place", text("12")), ("photos", Value::Counter(1))]);
    let (visit, _) = ann.insert(&table("visit"), place).await.unwrap();
    let roof = columns([("title", text("roof")), ("cost", Value::Integer(900))]);
    let (job, _) = ann.insert(&table("job"), roof).await.unwrap();
    let pump = columns([("name", text("pump"))]);
    let (thing, _) = ann.insert(&table("thing"), pump).await.unwrap();
    ann.sync().await.unwrap();
    let (new_account, new_thing) = (RecordId::from_bytes([8; 16]), RecordId::from_bytes([9; 16]));
    Away { account, visit, job, thing, new_account, new_thing }
}

/// Edits of all kinds, under the schema that the device has.
async fn work(ann: &Replica, away: &Away) {
    let set = |pairs| Intent::Set(pairs);
    let rich = "notes".parse().unwrap();
    let ops = vec![
        Op::Increment { column: "photos".parse().unwrap(), by: 2 },
        Op::Splice { column: rich, at: 0, delete: 0, insert: "dry".into() },
    ];
    let new = columns([("name", text("new")), ("balance", Value::Integer(1))]);
    let new_thing = columns([("name", text("hose"))]);
    let create = |columns| Intent::Create { owner: None, columns };
    for draft in [
        draft("account", away.account, set(columns([("balance", Value::Integer(30))]))),
        draft("account", away.new_account, create(new)),
        draft("visit", away.visit, set(columns([("place", text("13"))]))),
        draft("visit", away.visit, Intent::Ops(ops)),
        draft(
            "job",
            away.job,
            set(columns([("title", text("wall")), ("cost", Value::Integer(950))])),
        ),
        draft("thing", away.thing, set(columns([("name", text("big pump"))]))),
        draft("thing", away.new_thing, create(new_thing)),
    ] {
        ann.commit(vec![draft]).await.unwrap();
    }
}

async fn ten_versions(publisher: &mut Publisher<'_>) {
    let mut versions = 0;
    let mut count = |result: Result<(), String>| {
        result.unwrap();
        versions += 1;
    };
    // A column comes, and a required one with a default.
    let limit = column("limit", ColumnType::Integer);
    count(publisher.alter("account", |it| it.columns.push(limit)).await);
    let region = Column {
        required: true,
        default: Some(text("north")),
        ..column("region", ColumnType::Text)
    };
    count(publisher.alter("account", |it| it.columns.push(region)).await);
    // One is called otherwise, and one required.
    count(
        publisher
            .alter("account", |it| of(it, "balance").name = Some("Saldo".parse().unwrap()))
            .await,
    );
    count(publisher.alter("account", |it| of(it, "balance").required = true).await);
    // Values are of other types, twice over.
    count(
        publisher.alter("account", |it| of(it, "balance").column_type = ColumnType::Decimal).await,
    );
    count(publisher.alter("visit", |it| of(it, "place").column_type = ColumnType::Integer).await);
    count(publisher.alter("visit", |it| of(it, "place").column_type = ColumnType::Float).await);
    // A secured column is removed, with what let people read it.
    let removed = publisher.publish(|schema, policy| {
        schema.tables.get_mut("job").unwrap().columns.retain(|it| it.id.as_str() != "cost");
        policy.column_security.clear();
    });
    count(removed.await);
    // A table comes.
    let added = publisher.publish(|schema, policy| {
        let body = column("body", ColumnType::Text);
        let memo = Table::new(table("memo"), Ownership::UserOwned, vec![body]);
        schema.tables.insert(memo.id.clone(), memo);
        let clerk = policy.roles.get_mut("clerk").unwrap();
        let rights = clerk.rights["visit"].clone();
        clerk.rights.insert(table("memo"), rights);
    });
    count(added.await);
    // And one goes.
    let gone = publisher.publish(|schema, policy| {
        schema.tables.remove("thing").unwrap();
        policy.roles.get_mut("clerk").unwrap().rights.remove("thing").unwrap();
    });
    count(gone.await);
    assert_eq!(versions, 10);
}

#[track_caller]
fn check(replica: &Replica, away: &Away) {
    let get = |name: &str, id| replica.get(&table(name), id).unwrap().unwrap();
    let decimal = |number: i64| Value::Decimal(number.into());
    let account = get("account", away.account);
    assert_eq!((account.get("balance"), account.get("region")), (&decimal(30), &text("north")));
    assert_eq!(account.get("limit"), &Value::Integer(500));
    let new = get("account", away.new_account);
    assert_eq!(
        (new.get("name"), new.get("balance"), new.get("region")),
        (&text("new"), &decimal(1), &text("north"))
    );
    let visit = get("visit", away.visit);
    assert_eq!(
        (visit.get("place"), visit.get("photos")),
        (&Value::Float(13.0), &Value::Counter(3))
    );
    assert_eq!(visit.get("notes"), &Value::RichText("dry".into()));
    assert_eq!(get("job", away.job).get("title"), &text("wall"));
    assert!(!get("job", away.job).columns.contains_key("cost"));
    assert_eq!(replica.count(&table("memo")).unwrap(), 1);
    assert_eq!(replica.count(&table("thing")).unwrap(), 0);
}

#[tokio::test]
async fn a_device_ten_versions_behind_syncs_both_ways_and_loses_nothing() {
    let office = Office::open();
    let (ann, boss) = (office.device("ann", "ann").await, office.device("boss", "boss").await);
    let away = begin(&ann).await;
    boss.sync().await.unwrap();
    let mut publisher = Publisher::new(&office);
    work(&ann, &away).await;
    let first = (publisher.schema.clone(), publisher.policy.clone());
    ten_versions(&mut publisher).await;
    // Others go on meanwhile, with what is new.
    boss.sync().await.unwrap();
    let limit = columns([("limit", Value::Integer(500))]);
    boss.update(&table("account"), away.account, limit).await.unwrap();
    boss.insert(&table("memo"), columns([("body", text("hello"))])).await.unwrap();
    boss.sync().await.unwrap();

    let report = ann.sync().await.unwrap();
    assert_eq!((report.totals.admitted, report.totals.denied), (5, 3));
    boss.sync().await.unwrap();
    check(&ann, &away);
    check(&boss, &away);
    // What has no place any more is kept, and says why.
    let kept = ann.quarantine().unwrap();
    let told: Vec<_> = kept.iter().map(|it| (it.table.as_str(), it.denial.to_string())).collect();
    assert_eq!(kept.len(), 3, "{told:?}");
    assert!(told.iter().any(|(table, why)| *table == "job" && why.contains("`cost`")), "{told:?}");
    assert_eq!(told.iter().filter(|(table, _)| *table == "thing").count(), 2, "{told:?}");
    assert_eq!(ann.status().unwrap().pending, 0);

    // As it was ten versions before, nothing is missing: neither of the server nor of the device.
    let (schema, policy) = first;
    publisher.publish(|now, rights| (*now, *rights) = (schema, policy)).await.unwrap();
    ann.sync().await.unwrap();
    boss.sync().await.unwrap();
    assert_eq!(ann.quarantine().unwrap(), []);
    for replica in [&ann, &boss] {
        let get = |name: &str, id| replica.get(&table(name), id).unwrap().unwrap();
        assert_eq!(get("job", away.job).get("cost"), &Value::Integer(950));
        assert_eq!(get("thing", away.thing).get("name"), &text("big pump"));
        assert_eq!(get("thing", away.new_thing).get("name"), &text("hose"));
        assert_eq!(get("visit", away.visit).get("place"), &text("13"));
        assert_eq!(get("account", away.account).get("balance"), &Value::Integer(30));
    }
}
