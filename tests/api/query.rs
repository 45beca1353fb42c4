//! Queries on a device: the language itself is tested in `tests/query`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tidegate::model::{
    ColumnPermissions, Hierarchy, HierarchyModel, Principal, RecordId, Right, Rights, Value,
};
use tidegate::query::FilterFault;
use tidegate::replica::{QueryError, Replica};
use tidegate::{Direction, Secured};

use super::office::{Office, columns, table, text};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Account {
    name: String,
    balance: Option<i64>,
}

async fn accounts(replica: &Replica, rows: &[(&str, Option<i64>)]) -> Vec<RecordId> {
    let accounts = replica.table::<Account>("account").unwrap();
    let mut ids = Vec::new();
    for (name, balance) in rows {
        let account = Account { name: (*name).to_owned(), balance: *balance };
        ids.push(accounts.insert(&account).await.unwrap().id());
    }
    ids
}

fn names(rows: Vec<(RecordId, Account)>) -> Vec<String> {
    rows.into_iter().map(|(_, account)| account.name).collect()
}

#[tokio::test]
async fn rows_are_filtered_ordered_and_counted() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let rows = [("cash", Some(5)), ("bank", Some(-3)), ("safe", None), ("till", Some(5))];
    accounts(&ann, &rows).await;
    let accounts = ann.table::<Account>("account").unwrap();
    let positive = accounts.filter("balance > $least").bind("least", 0);
    assert_eq!(names(positive.rows().unwrap()), ["cash", "till"]);
    assert_eq!(positive.count().unwrap(), 2);
    let by_balance = accounts.query().order_by("balance", Direction::Desc);
    let all = by_balance.clone().order_by("name", Direction::Desc).rows().unwrap();
    assert_eq!(names(all), ["till", "cash", "bank", "safe"]);
    assert_eq!(names(by_balance.clone().limit(1).rows().unwrap()), ["cash"]);
    assert_eq!(by_balance.clone().limit(0).rows().unwrap(), []);
    // The limit is of rows, not of what is counted.
    assert_eq!(by_balance.limit(1).count().unwrap(), 4);
}

/// A bookmark says where, not how many: what comes and goes before it shifts nothing.
#[tokio::test]
async fn a_query_goes_on_where_it_ended_whatever_happened_before() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let rows = [("a", Some(1)), ("b", Some(2)), ("c", Some(3)), ("d", Some(4)), ("e", Some(5))];
    let ids = accounts(&ann, &rows).await;
    let typed = ann.table::<Account>("account").unwrap();
    for query in [typed.query().order_by("balance", Direction::Asc), typed.query()] {
        // Ids of one millisecond are in no order of their own.
        let all = names(query.clone().rows().unwrap());
        let first = query.clone().limit(2).read().unwrap();
        assert_eq!(names(first.rows), all[..2]);
        let next = first.next.unwrap();
        let rest = query.clone().limit(3).after(&next).read().unwrap();
        assert_eq!((names(rest.rows), rest.next), (all[2..].to_vec(), None));
    }
    let query = typed.query().order_by("balance", Direction::Asc);
    let next = query.clone().limit(2).read().unwrap().next.unwrap();
    typed.delete(ids[0]).await.unwrap();
    accounts(&ann, &[("before", Some(0)), ("between", Some(3))]).await;
    let rest = names(query.clone().after(&next).rows().unwrap());
    assert_eq!(rest, ["c", "between", "d", "e"]);
    // Of another order it says nothing.
    let other = typed.query().order_by("name", Direction::Asc).after(&next).rows();
    assert!(matches!(other, Err(QueryError::Bookmark(_))));
}

#[tokio::test]
async fn filters_know_who_asks() {
    let office = Office::open();
    let (ann, ben) = (office.device("ann", "ann").await, office.device("ben", "ben").await);
    accounts(&ann, &[("anns", None)]).await;
    accounts(&ben, &[("bens", None)]).await;
    for replica in [&ann, &ben, &ann] {
        replica.sync().await.unwrap();
    }
    let boss = office.device("boss", "boss").await;
    let ask = |replica: &Replica, filter: &str| {
        let accounts = replica.table::<Account>("account").unwrap();
        names(accounts.filter(filter).order_by("name", Direction::Asc).rows().unwrap())
    };
    assert_eq!(ask(&ann, "owner = me()"), ["anns"]);
    assert_eq!(ask(&ben, "owner = me()"), ["bens"]);
    assert_eq!(ask(&ben, "owner <> me()"), ["anns"]);
    assert_eq!(ask(&ann, "business_unit = my_business_unit()"), ["anns", "bens"]);
    // An administrator's privileges do not depend on it; filters do.
    assert_eq!(ask(&boss, "business_unit in my_business_units()"), ["anns", "bens"]);
    assert_eq!(ask(&boss, "owner = me()"), [""; 0]);
    assert_eq!(ask(&boss, "owner in my_teams()"), [""; 0]);
}

/// Also those below an administrator, to whom the hierarchy gives nothing more.
#[tokio::test]
async fn filters_know_who_is_below() {
    let office = Office::open();
    let (ann, ben) = (office.device("ann", "ann").await, office.device("ben", "ben").await);
    let boss = office.device("boss", "boss").await;
    accounts(&ann, &[("anns", None)]).await;
    accounts(&ben, &[("bens", None)]).await;
    let below = |replica: &Replica| {
        let accounts = replica.table::<Account>("account").unwrap();
        let below = accounts.filter("owner in my_reports()").order_by("name", Direction::Asc);
        names(below.rows().unwrap())
    };
    for replica in [&ann, &ben, &ann, &boss] {
        replica.sync().await.unwrap();
    }
    assert_eq!((below(&ann), below(&boss)), (vec![], vec![]));
    office
        .change_policy(|policy, organization| {
            policy.hierarchy =
                Hierarchy { model: HierarchyModel::Manager, depth: 2, exclude: BTreeSet::new() };
            for (user, manager) in [("ben", "ann"), ("ann", "boss")] {
                let user = organization.users.get_mut(user).unwrap();
                user.manager = Some(manager.parse().unwrap());
            }
        })
        .await;
    for replica in [&ann, &ben, &boss] {
        replica.sync().await.unwrap();
    }
    assert_eq!((below(&ann), below(&ben)), (vec!["bens".into()], vec![]));
    assert_eq!(below(&boss), ["anns", "bens"]);
}

/// Before enrolment there is nobody, and everything else works.
#[tokio::test]
async fn queries_need_no_server() {
    let dir = tempfile::tempdir().unwrap();
    let schema = tidegate::read_schema(super::office::SCHEMA, "schema.toml").unwrap();
    let replica = Replica::builder(dir.path().join("own.redb")).schema(schema).open().unwrap();
    accounts(&replica, &[("cash", Some(1))]).await;
    let count = |filter| replica.query(&table("account")).filter(filter).count().unwrap();
    assert_eq!(count("balance = 1"), 1);
    assert_eq!((count("owner = me()"), count("not (owner = me())")), (0, 0));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Job {
    title: String,
    cost: Secured<Option<i64>>,
}

/// Ben may not read what the jobs cost that ann shares with him, whatever he asks; of one of them
/// he then may.
#[tokio::test]
async fn a_hidden_column_selects_and_orders_nothing() {
    let office = Office::open();
    let (ann, ben) = (office.device("ann", "ann").await, office.device("ben", "ben").await);
    let jobs = ann.table::<Job>("job").unwrap();
    let mut ids = Vec::new();
    for (title, cost) in [("roof", Some(30)), ("wall", None), ("door", Some(10))] {
        let job = Job { title: title.into(), cost: Secured::Known(cost) };
        let id = jobs.insert(&job).await.unwrap().id();
        let rights: Rights = [Right::Read, Right::Write].into_iter().collect();
        jobs.share(id, to_ben(), rights).await.unwrap();
        ids.push(id);
    }
    ann.sync().await.unwrap();
    ben.sync().await.unwrap();
    let titles = |replica: &Replica, filter: &str| -> Vec<String> {
        let jobs = replica.table::<Job>("job").unwrap();
        let rows = jobs.filter(filter).order_by("cost", Direction::Desc).rows().unwrap();
        rows.into_iter().map(|(_, job)| job.title).collect()
    };
    assert_eq!(titles(&ann, "true"), ["roof", "door", "wall"]);
    // To ben they are all alike: in the order of their ids.
    assert_eq!(titles(&ben, "true"), ["roof", "wall", "door"]);
    let filters =
        ["cost > 5", "not (cost > 5)", "cost is null", "cost is not null", "cost in (30)"];
    let seen = filters.map(|filter| titles(&ann, filter).len());
    assert_eq!(seen, [2, 0, 1, 2, 1]);
    assert_eq!(filters.map(|filter| titles(&ben, filter).len()), [0; 5]);
    // What he sets himself he does not see either.
    let update = ColumnPermissions { update: true, ..ColumnPermissions::NONE };
    let cost: tidegate::model::ColumnName = "cost".parse().unwrap();
    ann.share_column(&table("job"), ids[0], cost.clone(), to_ben(), update).await.unwrap();
    ann.sync().await.unwrap();
    ben.sync().await.unwrap();
    ben.update(&table("job"), ids[0], columns([("cost", Value::Integer(7))])).await.unwrap();
    assert_eq!(titles(&ben, "cost = 7").len(), 0);
    let read = ColumnPermissions::READ;
    ann.share_column(&table("job"), ids[2], cost, to_ben(), read).await.unwrap();
    ann.sync().await.unwrap();
    ben.sync().await.unwrap();
    assert_eq!(titles(&ben, "cost > 5"), ["door"]);
    assert_eq!(titles(&ben, "true"), ["door", "roof", "wall"]);
}

fn to_ben() -> Principal {
    "user:ben".parse().unwrap()
}

#[tokio::test]
async fn what_is_looked_up_is_read_with_the_row_and_its_absence_is_unknown() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let ids = accounts(&ann, &[("cash", Some(1)), ("bank", Some(2))]).await;
    let transfers = table("transfer");
    for (amount, from) in
        [(10, Value::Lookup(ids[0])), (20, Value::Lookup(ids[1])), (30, Value::Null)]
    {
        let row = columns([("amount", Value::Integer(amount)), ("from", from)]);
        ann.insert(&transfers, row).await.unwrap();
    }
    let amounts = |filter: &str| -> Vec<i64> {
        let query = ann.query(&transfers).filter(filter).order_by("from.name", Direction::Asc);
        let rows = query.rows().unwrap();
        let amount = |row: &tidegate::Row| match row.get("amount") {
            Value::Integer(amount) => *amount,
            other => panic!("{other}"),
        };
        rows.iter().map(amount).collect()
    };
    assert_eq!(amounts("true"), [30, 20, 10]);
    assert_eq!(amounts("from.name = 'cash'"), [10]);
    assert_eq!(amounts("from.balance >= 1 and amount < 20"), [10]);
    assert_eq!(amounts("from.name is null"), [30]);
    // The account goes, and nobody can say what its name is.
    ann.delete(&table("account"), ids[0]).await.unwrap();
    assert_eq!(amounts("from.name is null"), [30]);
    assert_eq!(amounts("from.name is not null"), [20]);
    assert_eq!(amounts("true"), [10, 30, 20]);
}

#[tokio::test]
async fn records_are_got_by_their_ids() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let ids = accounts(&ann, &[("a", Some(1)), ("b", Some(2)), ("c", Some(3))]).await;
    let absent = RecordId::from_bytes([9; 16]);
    let query = ann
        .query(&table("account"))
        .filter("id in $ids and balance > 1")
        .bind("ids", [ids[2], absent, ids[0], ids[1]].map(|id| id.to_string()))
        .order_by("name", Direction::Asc);
    let found: Vec<_> = query.rows().unwrap().iter().map(|row| row.get("name").clone()).collect();
    assert_eq!(found, [text("b"), text("c")]);
    let plan = query.plan().unwrap().to_string();
    assert!(plan.contains("get 4 rows of `account` by id"), "{plan}");
    let plan = ann.query(&table("account")).filter("id <> $id").bind("id", absent.to_string());
    let plan = plan.order_by("name", Direction::Desc).limit(5).plan().unwrap().to_string();
    assert!(plan.contains("go through the 3 rows"), "{plan}");
    assert!(plan.contains("sort by name desc, id, and keep the first 5"), "{plan}");
}

#[tokio::test]
async fn a_mistake_is_told_when_the_query_is_read() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let accounts = ann.query(&table("account"));
    let error = accounts.clone().filter("name = 5").rows().unwrap_err();
    assert!(matches!(&error, QueryError::Filter(it)
        if matches!(*it.fault, FilterFault::Incomparable { .. })));
    assert!(matches!(accounts.clone().filter("name = $x").count(), Err(QueryError::Bind(_))));
    let map: std::collections::BTreeMap<(u8, u8), u8> = [((1, 2), 3)].into();
    let wrong = accounts.clone().filter("name = $x").bind("x", map).rows();
    assert!(matches!(wrong, Err(QueryError::Parameter { .. })));
    assert!(matches!(ann.query(&table("acount")).rows(), Err(QueryError::Table(_))));
    assert_eq!(accounts.filter("name = '5'").rows().unwrap(), []);
}
