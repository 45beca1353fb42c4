//! What an index is used for, and that answers are the same with and without it.

use tidegate::model::{Columns, RecordId, Value};
use tidegate::query::Bookmark;
use tidegate::replica::{Draft, Intent, Replica, RowQuery};
use tidegate::{Direction, Row};

const ROWS: u32 = 3_000;

const TABLES: &str = r#"
columns = [
  { id = "number", type = "integer" },
  { id = "status", type = "choice", choices = ["open", "done", "late"] },
  { id = "title", type = "text" },
  { id = "weight", type = "float" },
  { id = "pay", type = "integer", secured = true },
  { id = "customer", type = "lookup", table = "customer" },
]
[[table]]
id = "customer"
ownership = "organization_owned"
columns = [{ id = "name", type = "text" }, { id = "territory", type = "integer" }]
"#;

const INDEXES: &str = r#"
indexes = [
  ["number"],
  ["status", "number"],
  ["title"],
  ["weight"],
  ["pay"],
  ["customer.territory", "status"],
]
"#;

fn record(kind: u8, number: u32) -> RecordId {
    let mut bytes = [kind; 16];
    bytes[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b1).to_be_bytes());
    RecordId::from_bytes(bytes)
}

/// The same rows, with indexes and without.
struct Two {
    _dir: tempfile::TempDir,
    with: Replica,
    without: Replica,
}

impl Two {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let open = |name: &str, indexes: &str| {
            let head = "[[table]]\nid = \"order\"\nownership = \"organization_owned\"\n";
            let text = format!("{head}{indexes}{TABLES}");
            let schema = tidegate::read_schema(&text, "schema.toml").unwrap();
            Replica::builder(dir.path().join(name)).schema(schema).open().unwrap()
        };
        let (with, without) = (open("with.redb", INDEXES), open("without.redb", ""));
        for replica in [&with, &without] {
            let customers = (0..9).map(|n| {
                let columns = [
                    ("name", Value::Text(format!("customer {n}").into())),
                    (
                        "territory",
                        if n == 8 { Value::Null } else { Value::Integer(i64::from(n % 3)) },
                    ),
                ];
                draft("customer", record(9, n), columns)
            });
            let orders = (0..ROWS).map(|n| {
                let number = i64::from(n * 7 % 1_000);
                let status = ["open", "done", "late"][n as usize % 3];
                // One customer is not on this device.
                let customer = Value::Lookup(record(9, n % 10));
                let columns = [
                    ("number", if n % 50 == 0 { Value::Null } else { Value::Integer(number) }),
                    ("status", Value::Choice(status.into())),
                    ("title", Value::Text(format!("title {}", n % 40).into())),
                    ("weight", Value::Float(f64::from(n % 16) - 7.5)),
                    ("pay", Value::Integer(i64::from(n % 5))),
                    ("customer", if n % 11 == 0 { Value::Null } else { customer }),
                ];
                draft("order", record(7, n), columns)
            });
            replica.commit(customers.chain(orders).collect()).await.unwrap();
            replica.indexed().await.unwrap();
        }
        Self { _dir: dir, with, without }
    }
}

fn draft<const N: usize>(table: &str, record: RecordId, columns: [(&str, Value); N]) -> Draft {
    let columns: Columns =
        columns.into_iter().map(|(name, value)| (name.parse().unwrap(), value)).collect();
    let intent = Intent::Create { owner: None, columns };
    Draft { table: table.parse().unwrap(), record, intent }
}

fn query(replica: &Replica, filter: &str, order: &str) -> RowQuery {
    let mut query = replica.query(&"order".parse().unwrap()).filter(filter);
    for by in order.split(", ").filter(|by| !by.is_empty()) {
        let (column, direction) = match by.strip_suffix(" desc") {
            Some(column) => (column, Direction::Desc),
            None => (by, Direction::Asc),
        };
        query = query.order_by(column, direction);
    }
    query
}

fn ids(rows: &[Row]) -> Vec<RecordId> {
    rows.iter().map(|row| row.id).collect()
}

fn in_pages(query: &RowQuery, limit: usize) -> Vec<RecordId> {
    let (mut all, mut page) = (Vec::new(), query.clone().limit(limit));
    loop {
        let found = page.read().unwrap();
        all.extend(ids(&found.rows));
        let Some(next) = found.next else { return all };
        page = page.after(&next.to_string().parse::<Bookmark>().unwrap());
    }
}

/// Filter, order, and what the plan begins with.
const ASKED: [(&str, &str, &str); 22] = [
    ("number = 7", "", "look into 1 range of the index (number) of `order`"),
    ("number is null", "", "look into 1 range of the index (number)"),
    ("number > 980", "", "look into 1 range of the index (number)"),
    ("number > 980 and number <= 990", "", "look into 1 range of the index (number)"),
    ("number between 3 and 40 and title = 'title 4'", "", "look into 1 range"),
    ("number in (1, 2, 2, 900)", "", "look into 3 ranges of the index (number)"),
    ("number < 2.5", "", "look into 1 range of the index (number)"),
    ("number < 5 and number > 90", "", "look into 0 ranges of the index (number)"),
    ("status = 'open' and number < 30", "", "look into 1 range of the index (status, number)"),
    ("status = 'open'", "number", "look into 1 range of the index (status, number)"),
    ("status = 'open'", "number desc", "look into 1 range of the index (status, number)"),
    ("status in ('done', 'open')", "status, number", "look into 2 ranges of the index (status"),
    ("status in ('done', 'open')", "status desc, number desc", "look into 2 ranges of the index"),
    ("status in ('done', 'open')", "number", "look into 2 ranges of the index (status, number)"),
    ("begins_with(title, 'title 3')", "", "look into 1 range of the index (title)"),
    ("title = 'title 39'", "title desc", "look into 1 range of the index (title)"),
    ("weight >= 6", "weight desc", "look into 1 range of the index (weight)"),
    ("customer.territory = 1", "", "look into 1 range of the index (customer.territory, status)"),
    ("customer.territory is null and status = 'late'", "", "look into 1 range of the index (cust"),
    ("customer.territory is not null", "customer.territory, status", "look into 1 range"),
    ("pay = 3", "pay", "look into 1 range of the index (pay) of `order`"),
    ("title like '%9'", "", "go through the 3000 rows of `order`"),
];

#[tokio::test]
async fn answers_are_the_same_with_and_without_an_index() {
    let two = Two::new().await;
    for (filter, order, plan) in ASKED {
        let (with, without) = (query(&two.with, filter, order), query(&two.without, filter, order));
        let planned = with.plan().unwrap().to_string();
        assert!(planned.starts_with(plan), "{filter}: {planned}");
        assert!(without.plan().unwrap().to_string().starts_with("go through"));
        let expected = ids(&without.rows().unwrap());
        assert_eq!(ids(&with.rows().unwrap()).len(), expected.len(), "{filter}");
        assert!(ids(&with.rows().unwrap()) == expected, "{filter}, {order}");
        assert_eq!(with.count().unwrap(), expected.len() as u64, "{filter}");
        for limit in [1, 37, 700] {
            if expected.len() / limit < 300 {
                assert!(in_pages(&with, limit) == expected, "{filter}, {order}, {limit}");
            }
        }
    }
}

#[tokio::test]
async fn the_first_rows_come_by_an_index_that_has_the_order() {
    let two = Two::new().await;
    for order in ["number", "number desc", "weight desc", "customer.territory, status"] {
        let first = |replica| query(replica, "title <> 'title 5'", order).limit(20);
        let plan = first(&two.with).plan().unwrap().to_string();
        assert!(plan.contains("it has the order") && plan.contains("stop after 20"), "{plan}");
        let expected = ids(&query(&two.without, "title <> 'title 5'", order).rows().unwrap());
        assert!(ids(&first(&two.with).rows().unwrap()) == expected[..20], "{order}");
        assert!(
            in_pages(&query(&two.with, "title <> 'title 5'", order), 300) == expected,
            "{order}"
        );
        // All of them are sorted as they are read.
        let all = query(&two.with, "title <> 'title 5'", order).plan().unwrap().to_string();
        assert!(all.starts_with("go through"), "{all}");
    }
}

/// What is secured may be hidden: an index of it narrows down, and neither orders nor counts.
#[tokio::test]
async fn an_index_of_a_secured_column_decides_nothing() {
    let two = Two::new().await;
    let plan = query(&two.with, "pay = 3", "").plan().unwrap().to_string();
    assert!(plan.contains("keep those that the filter says are meant"), "{plan}");
    let plan = query(&two.with, "title <> 'a'", "pay").limit(5).plan().unwrap().to_string();
    assert!(plan.starts_with("go through") && plan.contains("sort by pay, id"), "{plan}");
    let twin = query(&two.with, "status = 'open' and number = 14", "").plan().unwrap().to_string();
    assert!(twin.contains("the index says all that the filter says"), "{twin}");
}

#[tokio::test]
async fn a_change_of_a_looked_up_record_moves_the_rows_that_look_it_up() {
    let two = Two::new().await;
    let moved = [("territory".parse().unwrap(), Value::Integer(77))];
    for replica in [&two.with, &two.without] {
        let customer = &"customer".parse().unwrap();
        replica.update(customer, record(9, 4), moved.clone()).await.unwrap();
        replica.delete(customer, record(9, 5)).await.unwrap();
    }
    for filter in ["customer.territory = 77", "customer.territory = 1", "customer.territory = 2"] {
        let found = |replica| ids(&query(replica, filter, "").rows().unwrap());
        assert!(
            !found(&two.with).is_empty() && found(&two.with) == found(&two.without),
            "{filter}"
        );
    }
    assert!(two.with.verify().unwrap().is_sound());
}
