//! What an app does on its device, beside SQLite (WAL, synchronous=FULL) and a bare Automerge
//! document for each row. Times are noisy on a shared machine: read the ratios.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use automerge::ReadDoc as _;
use automerge::transaction::Transactable as _;
use rusqlite::{Connection, params};
use tidegate::replica::{Draft, Intent};
use tidegate::{Columns, RecordId, Replica, TableName, Value, read_schema};
use tidegate_benches::{Line, Order, ROWS, order, print};

const SCHEMA: &str = r#"
[[table]]
id = "work_order"
ownership = "organization_owned"
columns = [
  { id = "number", type = "integer", required = true },
  { id = "title", type = "text", required = true },
  { id = "status", type = "text" },
  { id = "city", type = "text" },
  { id = "note", type = "text" },
]
"#;

const BULK: u32 = 10_000;
const READS: u32 = 20_000;
const EDITS: u32 = 300;
const OPENINGS: u32 = 20;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn timed<T>(mut work: impl FnMut() -> Outcome<T>) -> Outcome<(f64, T)> {
    let start = Instant::now();
    let done = work()?;
    Ok((start.elapsed().as_secs_f64() * 1e6, done))
}

fn id(n: u32) -> RecordId {
    let mut bytes = [7; 16];
    let (low, _) = bytes.split_at_mut(4);
    low.copy_from_slice(&n.to_be_bytes());
    RecordId::from_bytes(bytes)
}

fn columns(order: &Order) -> Outcome<Columns> {
    Ok([
        ("number".parse()?, Value::Integer(order.number)),
        ("title".parse()?, Value::Text(order.title.clone())),
        ("status".parse()?, Value::Text(order.status.to_owned())),
        ("city".parse()?, Value::Text(order.city.clone())),
        ("note".parse()?, Value::Text(order.note.clone())),
    ]
    .into())
}

struct Tidegate {
    runtime: tokio::runtime::Runtime,
    table: TableName,
}

fn open(path: &Path) -> Outcome<Replica> {
    let schema = read_schema(SCHEMA, "schema.toml")?;
    Ok(Replica::builder(path).schema(schema).open()?)
}

impl Tidegate {
    fn insert(&self, replica: &Replica, orders: std::ops::Range<u32>) -> Outcome<()> {
        let draft = |n| -> Outcome<Draft> {
            let intent = Intent::Create { owner: None, columns: columns(&order(n))? };
            Ok(Draft { table: self.table.clone(), record: id(n), intent })
        };
        let drafts = orders.map(draft).collect::<Outcome<_>>()?;
        self.runtime.block_on(replica.commit(drafts))?;
        Ok(())
    }
}

fn sqlite(path: &Path) -> Outcome<Connection> {
    let db = Connection::open(path)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.execute_batch(
        "create table if not exists work_order
         (id blob primary key, number integer not null, title text not null, status text,
          city text, note text) without rowid",
    )?;
    Ok(db)
}

fn sqlite_insert(db: &mut Connection, orders: std::ops::Range<u32>) -> Outcome<()> {
    let tx = db.transaction()?;
    {
        let mut insert =
            tx.prepare_cached("insert into work_order values (?1, ?2, ?3, ?4, ?5, ?6)")?;
        for n in orders {
            let it = order(n);
            insert.execute(params![
                id(n).as_bytes(),
                it.number,
                it.title,
                it.status,
                it.city,
                it.note
            ])?;
        }
    }
    tx.commit()?;
    Ok(())
}

fn sqlite_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<(i64, String, String, String, String)> {
    Ok((row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
}

/// A row as an Automerge document, saved.
fn document(n: u32) -> Outcome<Vec<u8>> {
    let it = order(n);
    let mut doc = automerge::Automerge::new();
    let mut tx = doc.transaction();
    tx.put(automerge::ROOT, "number", it.number)?;
    for (key, value) in [
        ("title", it.title.as_str()),
        ("status", it.status),
        ("city", &it.city),
        ("note", &it.note),
    ] {
        tx.put(automerge::ROOT, key, value)?;
    }
    tx.commit();
    Ok(doc.save_nocompress())
}

fn main() -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build()?;
    let tidegate = Tidegate { runtime, table: "work_order".parse()? };
    let (replica_path, sqlite_path) = (dir.path().join("it.redb"), dir.path().join("it.sqlite"));
    println!("filling both with {ROWS} rows ...");
    let mut db = sqlite(&sqlite_path)?;
    sqlite_insert(&mut db, 0..ROWS)?;
    let replica = open(&replica_path)?;
    for from in (0..ROWS).step_by(BULK as usize) {
        tidegate.insert(&replica, from..from + BULK)?;
    }
    let documents: BTreeMap<_, _> =
        (0..BULK).map(|n| Ok((n, document(n)?))).collect::<Outcome<_>>()?;

    let lines = [
        read_by_id(&tidegate, &replica, &db, &documents)?,
        scan(&tidegate, &replica, &db, &documents)?,
        bulk_insert(&tidegate, dir.path())?,
        edit(&tidegate, &replica, &db)?,
        opening(&tidegate, replica, db, &replica_path, &sqlite_path)?,
    ];
    let all_hold = print(&lines);
    println!("{}", if all_hold { "all bounds hold" } else { "a bound does not hold" });
    Ok(())
}

fn read_by_id(
    tidegate: &Tidegate,
    replica: &Replica,
    db: &Connection,
    documents: &BTreeMap<u32, Vec<u8>>,
) -> Outcome<Line> {
    // Far apart, so that the page of the last read does not help.
    let ids = || (0..READS).map(|n| n.wrapping_mul(7_919) % ROWS);
    let (ours, ()) = timed(|| {
        for n in ids() {
            black_box(replica.get(&tidegate.table, id(n))?.ok_or("a row is missing")?);
        }
        Ok(())
    })?;
    let (theirs, ()) = timed(|| {
        let mut select = db.prepare_cached("select * from work_order where id = ?1")?;
        for n in ids() {
            black_box(select.query_row([id(n).as_bytes()], sqlite_row)?);
        }
        Ok(())
    })?;
    let (bare, ()) = timed(|| {
        for n in 0..1_000 {
            let bytes = documents.get(&n).ok_or("a document is missing")?;
            let doc = automerge::Automerge::load(bytes)?;
            black_box(doc.get(automerge::ROOT, "title")?);
        }
        Ok(())
    })?;
    let per = |time: f64, count: u32| time / f64::from(count);
    Ok(Line {
        what: "read by id".into(),
        times_us: vec![
            ("tidegate", per(ours, READS)),
            ("sqlite", per(theirs, READS)),
            ("automerge", per(bare, 1_000)),
        ],
        bound: Some(1.5),
    })
}

fn scan(
    tidegate: &Tidegate,
    replica: &Replica,
    db: &Connection,
    documents: &BTreeMap<u32, Vec<u8>>,
) -> Outcome<Line> {
    let (ours, rows) = timed(|| Ok(replica.list(&tidegate.table, None, BULK as usize)?))?;
    assert_eq!(rows.len(), BULK as usize);
    let (theirs, rows) = timed(|| {
        let mut select = db.prepare_cached("select * from work_order order by id limit ?1")?;
        let rows: Vec<_> = select.query_map([BULK], sqlite_row)?.collect::<Result<_, _>>()?;
        Ok(rows)
    })?;
    assert_eq!(rows.len(), BULK as usize);
    let (bare, ()) = timed(|| {
        for bytes in documents.values() {
            let doc = automerge::Automerge::load(bytes)?;
            black_box(doc.get(automerge::ROOT, "title")?);
        }
        Ok(())
    })?;
    Ok(Line {
        what: format!("scan {BULK} rows"),
        times_us: vec![("tidegate", ours), ("sqlite", theirs), ("automerge", bare)],
        bound: Some(1.5),
    })
}

fn bulk_insert(tidegate: &Tidegate, dir: &Path) -> Outcome<Line> {
    let replica = open(&dir.join("bulk.redb"))?;
    let (ours, ()) = timed(|| tidegate.insert(&replica, 0..BULK))?;
    let mut db = sqlite(&dir.join("bulk.sqlite"))?;
    let (theirs, ()) = timed(|| sqlite_insert(&mut db, 0..BULK))?;
    let (bare, _) = timed(|| (0..BULK).map(document).collect::<Outcome<Vec<_>>>())?;
    Ok(Line {
        what: format!("insert {BULK} rows in one step"),
        times_us: vec![("tidegate", ours), ("sqlite", theirs), ("automerge", bare)],
        bound: Some(5.0),
    })
}

fn edit(tidegate: &Tidegate, replica: &Replica, db: &Connection) -> Outcome<Line> {
    let (ours, ()) = timed(|| {
        for n in 0..EDITS {
            let set = Columns::from([("city".parse()?, Value::Text(format!("city {n}")))]);
            let draft = Draft {
                table: tidegate.table.clone(),
                record: id(n * 31),
                intent: Intent::Set(set),
            };
            tidegate.runtime.block_on(replica.commit(vec![draft]))?;
        }
        Ok(())
    })?;
    let (theirs, ()) = timed(|| {
        for n in 0..EDITS {
            db.execute(
                "update work_order set city = ?1 where id = ?2",
                params![format!("city {n}"), id(n * 31).as_bytes()],
            )?;
        }
        Ok(())
    })?;
    let per = |time: f64| time / f64::from(EDITS);
    Ok(Line {
        what: "edit one field, durably".into(),
        times_us: vec![("tidegate", per(ours)), ("sqlite", per(theirs))],
        bound: None,
    })
}

/// From nothing to the first row read.
fn opening(
    tidegate: &Tidegate,
    replica: Replica,
    db: Connection,
    replica_path: &Path,
    sqlite_path: &Path,
) -> Outcome<Line> {
    drop((replica, db));
    let (ours, ()) = timed(|| {
        for n in 0..OPENINGS {
            let replica = open(replica_path)?;
            black_box(replica.get(&tidegate.table, id(n))?.ok_or("a row is missing")?);
        }
        Ok(())
    })?;
    let (theirs, ()) = timed(|| {
        for n in 0..OPENINGS {
            let db = sqlite(sqlite_path)?;
            let mut select = db.prepare("select * from work_order where id = ?1")?;
            black_box(select.query_row([id(n).as_bytes()], sqlite_row)?);
        }
        Ok(())
    })?;
    let per = |time: f64| time / f64::from(OPENINGS);
    Ok(Line {
        what: format!("open a file of {ROWS} rows, read one"),
        times_us: vec![("tidegate", per(ours)), ("sqlite", per(theirs))],
        bound: Some(2.0),
    })
}
