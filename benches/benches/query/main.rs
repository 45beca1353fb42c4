//! What an app asks its device, beside SQLite with the same indexes: both read all columns of the rows
//! that they give, and SQLite's statements are prepared.
//!
//! Times are noisy on a shared machine: the rivals take turns, each has the median of its turns, and
//! what is bounded is the ratio.

mod watch;

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use rusqlite::{Connection, params};
use tidegate::replica::{Draft, Intent};
use tidegate::{Columns, Direction, RecordId, Replica, TableName, Value, read_schema};
use tidegate_benches::{Line, Order, ROWS, median, order, print};
use tokio::runtime::Runtime;

const SCHEMA: &str = r#"
[[table]]
id = "work_order"
ownership = "organization_owned"
indexes = [["number"], ["status"], ["city", "number"], ["customer"]]
columns = [
  { id = "number", type = "integer", required = true },
  { id = "title", type = "text", required = true },
  { id = "status", type = "text" },
  { id = "city", type = "text" },
  { id = "note", type = "text" },
  { id = "customer", type = "lookup", table = "customer" },
]

[[table]]
id = "customer"
ownership = "organization_owned"
columns = [
  { id = "name", type = "text", required = true },
  { id = "territory", type = "integer" },
]

[[view]]
id = "orders_of_range"
table = "work_order"
columns = [
  "number", "title", "status", "city", "note", "customer.name as customer", "customer.territory",
]
filter = "number >= $from and number < $to"
order = "number"
"#;

/// The bound of each ratio.
const BOUND: f64 = 1.5;
const CUSTOMERS: u32 = 1_000;
const BULK: u32 = 10_000;
const RANGE: u32 = 1_000;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// What is done in a turn, the number of which it is told.
type Work<'a> = Box<dyn FnMut(u32) -> Outcome<()> + 'a>;

/// Lets both take turns, and gives each the median of its times. Each turn goes the other way round:
/// who comes after whom matters to caches.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn race(
    what: &str,
    bound: Option<f64>,
    turns: u32,
    ours: Work<'_>,
    theirs: Work<'_>,
) -> Outcome<Line> {
    let mut rivals = [("tidegate", ours, Vec::new()), ("sqlite", theirs, Vec::new())];
    for turn in 0..turns {
        for _ in 0..2 {
            let [(_, work, times), _] = &mut rivals;
            let start = Instant::now();
            work(turn)?;
            times.push(start.elapsed().as_secs_f64() * 1e6);
            rivals.reverse();
        }
        if turn % 2 == 0 {
            rivals.reverse();
        }
    }
    rivals.sort_by(|(a, ..), (b, ..)| b.cmp(a));
    let times_us = rivals.into_iter().map(|(who, _, times)| (who, median(times))).collect();
    Ok(Line { what: what.to_owned(), times_us, bound })
}

/// Ids as devices make them: they begin with the time.
fn id(kind: u8, n: u32) -> RecordId {
    let mut bytes = [kind; 16];
    let (time, _) = bytes.split_at_mut(4);
    time.copy_from_slice(&n.to_be_bytes());
    RecordId::from_bytes(bytes)
}

fn order_id(n: u32) -> RecordId {
    id(7, n)
}

fn customer_id(n: u32) -> RecordId {
    id(9, n)
}

fn customer_of(n: u32) -> u32 {
    n.wrapping_mul(2_654_435) % CUSTOMERS
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into().into())
}

fn columns<const N: usize>(values: [(&str, Value); N]) -> Outcome<Columns> {
    values.into_iter().map(|(name, value)| Ok((name.parse()?, value))).collect()
}

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

/// Makes all customers and orders.
fn fill(replica: &Replica, runtime: &Runtime) -> Outcome<()> {
    let (orders, customers): (TableName, TableName) = ("work_order".parse()?, "customer".parse()?);
    let commit = |drafts| runtime.block_on(replica.commit(drafts)).map(drop);
    let customer = |n: u32| {
        let columns = columns([
            ("name", text(format!("customer {n}"))),
            ("territory", Value::Integer(i64::from(n % 50))),
        ])?;
        let intent = Intent::Create { owner: None, columns };
        Ok(Draft { table: customers.clone(), record: customer_id(n), intent })
    };
    commit((0..CUSTOMERS).map(customer).collect::<Outcome<_>>()?)?;
    let draft = |n| {
        let Order { number, title, status, city, note } = order(n);
        let columns = columns([
            ("number", Value::Integer(number)),
            ("title", text(title)),
            ("status", text(status)),
            ("city", text(city)),
            ("note", text(note)),
            ("customer", Value::Lookup(customer_id(customer_of(n)))),
        ])?;
        let intent = Intent::Create { owner: None, columns };
        Ok(Draft { table: orders.clone(), record: order_id(n), intent })
    };
    for from in (0..ROWS).step_by(BULK as usize) {
        commit((from..from + BULK).map(draft).collect::<Outcome<_>>()?)?;
    }
    Ok(())
}

fn sqlite(path: &Path) -> Outcome<Connection> {
    let mut db = Connection::open(path)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.execute_batch(
        "create table customer (id blob primary key, name text not null, territory integer) without rowid;
         create table work_order
         (id blob primary key, number integer not null, title text not null, status text, city text,
          note text, customer blob) without rowid;
         create index by_number on work_order (number);
         create index by_status on work_order (status);
         create index by_city on work_order (city, number);
         create index by_customer on work_order (customer);",
    )?;
    let tx = db.transaction()?;
    for n in 0..CUSTOMERS {
        let insert = "insert into customer values (?1, ?2, ?3)";
        tx.execute(insert, params![customer_id(n).as_bytes(), format!("customer {n}"), n % 50])?;
    }
    {
        let mut insert =
            tx.prepare_cached("insert into work_order values (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
        for n in 0..ROWS {
            let it = order(n);
            let customer = customer_id(customer_of(n));
            insert.execute(params![
                order_id(n).as_bytes(),
                it.number,
                it.title,
                it.status,
                it.city,
                it.note,
                customer.as_bytes()
            ])?;
        }
    }
    tx.commit()?;
    Ok(db)
}

type TheirRow = ([u8; 16], i64, String, Option<String>, Option<String>, Option<String>, [u8; 16]);

fn their_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<TheirRow> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
}

type TheirLine = (
    [u8; 16],
    i64,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<i64>,
);

fn their_line(row: &rusqlite::Row<'_>) -> rusqlite::Result<TheirLine> {
    let (id, number, title, status) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    Ok((id, number, title, status, row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?))
}

/// Both, with the same rows.
struct Pair {
    replica: Replica,
    orders: TableName,
    db: Connection,
}

/// Checks that as many rows came as there should be.
fn expect(found: usize, expected: usize) -> Outcome<()> {
    if found == expected { Ok(()) } else { Err(format!("{found} rows, not {expected}").into()) }
}

impl Pair {
    fn new(dir: &Path) -> Outcome<Self> {
        let schema = read_schema(SCHEMA, "schema.toml")?;
        let replica = Replica::builder(dir.join("it.redb")).schema(schema).open()?;
        fill(&replica, &runtime()?)?;
        let db = sqlite(&dir.join("it.sqlite"))?;
        Ok(Self { replica, orders: "work_order".parse()?, db })
    }

    fn point(&self) -> Outcome<Line> {
        let mut select = self.db.prepare("select * from work_order where id = ?1")?;
        let place = |turn: u32, n: u32| (turn * 1_000 + n * 97) % ROWS;
        let ours = |turn| {
            for n in 0..1_000 {
                let row = self.replica.get(&self.orders, order_id(place(turn, n)))?;
                black_box(row.ok_or("no row")?);
            }
            Ok(())
        };
        let theirs = |turn| {
            for n in 0..1_000 {
                black_box(select.query_row([order_id(place(turn, n)).as_bytes()], their_row)?);
            }
            Ok(())
        };
        race("1,000 points by id", Some(BOUND), 41, Box::new(ours), Box::new(theirs))
    }

    /// Rows of a range of numbers.
    fn range(&self) -> Outcome<Line> {
        let mut select = self
            .db
            .prepare("select * from work_order where number >= ?1 and number < ?2 order by id")?;
        let from = |turn: u32| (turn * 2_347) % (ROWS - RANGE);
        let ours = |turn| {
            let query = self.replica.query(&self.orders).filter("number >= $from and number < $to");
            let found = query.bind("from", from(turn)).bind("to", from(turn) + RANGE).rows()?;
            expect(black_box(found).len(), RANGE as usize)
        };
        let theirs = |turn| {
            let found = select.query_map([from(turn), from(turn) + RANGE], their_row)?;
            expect(black_box(found.collect::<Result<Vec<_>, _>>()?).len(), RANGE as usize)
        };
        race("range of 1,000 in 100,000", Some(BOUND), 101, Box::new(ours), Box::new(theirs))
    }

    /// Rows of a range of which a filter asks about the customers.
    fn join(&self) -> Outcome<Line> {
        let mut select = self.db.prepare(
            "select o.* from work_order o join customer c on c.id = o.customer
             where o.number >= ?1 and o.number < ?2 and c.territory < 25 order by o.id",
        )?;
        let from = |turn: u32| (turn * 2_347) % (ROWS - RANGE);
        let count = |from: u32| (from..from + RANGE).filter(|n| customer_of(*n) % 50 < 25).count();
        let ours = |turn| {
            let filter = "number >= $from and number < $to and customer.territory < 25";
            let query = self.replica.query(&self.orders).filter(filter);
            let found = query.bind("from", from(turn)).bind("to", from(turn) + RANGE).rows()?;
            expect(black_box(found).len(), count(from(turn)))
        };
        let theirs = |turn| {
            let found = select.query_map([from(turn), from(turn) + RANGE], their_row)?;
            expect(black_box(found.collect::<Result<Vec<_>, _>>()?).len(), count(from(turn)))
        };
        race("join of 1,000", Some(BOUND), 101, Box::new(ours), Box::new(theirs))
    }

    /// A view of orders with what it shows of their customers.
    fn view(&self) -> Outcome<Line> {
        let mut select = self.db.prepare(
            "select o.id, o.number, o.title, o.status, o.city, o.note, c.name, c.territory
             from work_order o left join customer c on c.id = o.customer
             where o.number >= ?1 and o.number < ?2 order by o.number, o.id",
        )?;
        let from = |turn: u32| (turn * 2_347) % (ROWS - RANGE);
        let ours = |turn| {
            let view = self.replica.view("orders_of_range")?;
            let found = view.bind("from", from(turn)).bind("to", from(turn) + RANGE).rows()?;
            expect(black_box(found).len(), RANGE as usize)
        };
        let theirs = |turn| {
            let found = select.query_map([from(turn), from(turn) + RANGE], their_line)?;
            expect(black_box(found.collect::<Result<Vec<_>, _>>()?).len(), RANGE as usize)
        };
        race("join view of 1,000", Some(BOUND), 101, Box::new(ours), Box::new(theirs))
    }

    fn count(&self) -> Outcome<Line> {
        let mut select = self.db.prepare("select count(*) from work_order where status = ?1")?;
        let expected = ROWS.div_ceil(3) as usize;
        let ours = |_| {
            let query = self.replica.query(&self.orders).filter("status = 'open'");
            expect(usize::try_from(query.count()?)?, expected)
        };
        let theirs = |_| {
            let found: u32 = select.query_row(["open"], |row| row.get(0))?;
            expect(usize::try_from(found)?, expected)
        };
        race("count of 33,334", Some(BOUND), 101, Box::new(ours), Box::new(theirs))
    }

    /// A count of as many values as rows.
    fn count_range(&self) -> Outcome<Line> {
        let mut select = self
            .db
            .prepare("select count(*) from work_order where number >= ?1 and number < ?2")?;
        let (from, to) = (10_000_u32, 40_000_u32);
        let ours = |_| {
            let query = self.replica.query(&self.orders).filter("number >= $from and number < $to");
            expect(usize::try_from(query.bind("from", from).bind("to", to).count()?)?, 30_000)
        };
        let theirs = |_| {
            let found: u32 = select.query_row([from, to], |row| row.get(0))?;
            expect(usize::try_from(found)?, 30_000)
        };
        race("count of a range of 30,000", None, 41, Box::new(ours), Box::new(theirs))
    }

    fn top(&self) -> Outcome<Line> {
        let mut select =
            self.db.prepare("select * from work_order order by number desc, id limit 50")?;
        let ours = |_| {
            let query = self.replica.query(&self.orders).order_by("number", Direction::Desc);
            expect(black_box(query.limit(50).rows()?).len(), 50)
        };
        let theirs = |_| {
            let found = select.query_map([], their_row)?;
            expect(black_box(found.collect::<Result<Vec<_>, _>>()?).len(), 50)
        };
        race("top 50 by order", Some(BOUND), 201, Box::new(ours), Box::new(theirs))
    }

    /// What no index helps with.
    fn scan(&self) -> Outcome<Line> {
        let mut select =
            self.db.prepare("select * from work_order where title like '%kator%' order by id")?;
        let ours = |_| {
            black_box(self.replica.query(&self.orders).filter("title like '%kator%'").rows()?);
            Ok(())
        };
        let theirs = |_| {
            let found = select.query_map([], their_row)?;
            black_box(found.collect::<Result<Vec<_>, _>>()?);
            Ok(())
        };
        race("without an index", None, 11, Box::new(ours), Box::new(theirs))
    }
}

/// A measurement, by its name.
type Case = (&'static str, fn(&Pair) -> Outcome<Line>);

fn main() -> Outcome<()> {
    // Cargo passes `--bench`; names of measurements pick some of them.
    let asked: Vec<_> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|it| it == name);
    let cases: [Case; 8] = [
        ("point", Pair::point),
        ("range", Pair::range),
        ("join", Pair::join),
        ("view", Pair::view),
        ("count", Pair::count),
        ("top", Pair::top),
        ("many", Pair::count_range),
        ("scan", Pair::scan),
    ];
    let mut lines = Vec::new();
    if cases.iter().any(|(name, _)| is_asked(name)) {
        let dir = tempfile::tempdir()?;
        let pair = Pair::new(dir.path())?;
        for (_, case) in cases.iter().filter(|(name, _)| is_asked(name)) {
            lines.push(case(&pair)?);
        }
    }
    if is_asked("watch") {
        lines.extend(watch::lines()?);
    }
    if print(&lines) { Ok(()) } else { Err("a bound does not hold".into()) }
}
