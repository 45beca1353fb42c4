//! What an app does on its device, beside SQLite (WAL, synchronous=FULL) and a bare Automerge
//! document for each row; and what a replica that does nothing holds in memory.
//!
//! Times are noisy on a shared machine: the rivals take turns, each has the median of its turns,
//! and what is bounded is the ratio.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use automerge::ReadDoc as _;
use automerge::transaction::Transactable as _;
use rusqlite::{Connection, params};
use tidegate::replica::{Draft, Intent};
use tidegate::store::RedbReplica;
use tidegate::sync::ReplicaStore as _;
use tidegate::{Columns, RecordId, Replica, TableName, Value, read_schema};
use tidegate_benches::{Line, Order, ROWS, median, order, print};

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
const READS: u32 = 1_000;
/// The other size at which memory is measured.
const FEW_ROWS: u32 = 1_000;
/// What a replica may hold for each row: its storage keeps two bits for each page of its file.
const HEAP_PER_ROW_MAX: f64 = 1.0;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// A rival: its name, and what it does in a turn, the number of which it is told.
type Rival<'a> = (&'static str, Box<dyn FnMut(u32) -> Outcome<()> + 'a>);

/// Measures one thing.
type Case = fn(&Filled) -> Outcome<Line>;

/// Lets rivals take turns, and gives each the median of its times. Each turn goes the other way
/// round: who comes after whom matters to caches.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn race(turns: u32, mut rivals: Vec<Rival<'_>>) -> Outcome<Vec<(&'static str, f64)>> {
    let mut times = vec![Vec::new(); rivals.len()];
    for turn in 0..turns {
        let mut order: Vec<_> = rivals.iter_mut().zip(&mut times).collect();
        if turn % 2 == 1 {
            order.reverse();
        }
        for ((_, work), times) in order {
            let start = Instant::now();
            work(turn)?;
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    Ok(rivals.iter().map(|(name, _)| *name).zip(times.into_iter().map(median)).collect())
}

fn id(n: u32) -> RecordId {
    let mut bytes = [7; 16];
    let (low, _) = bytes.split_at_mut(4);
    low.copy_from_slice(&n.to_be_bytes());
    RecordId::from_bytes(bytes)
}

struct Tidegate {
    runtime: tokio::runtime::Runtime,
    table: TableName,
    /// A row without values.
    names: Columns,
}

fn open(path: &Path) -> Outcome<Replica> {
    let schema = read_schema(SCHEMA, "schema.toml")?;
    Ok(Replica::builder(path).schema(schema).open()?)
}

impl Tidegate {
    /// A row's values. Its names are those of all rows, as a prepared statement's are.
    fn columns(&self, order: Order) -> Columns {
        let Order { number, title, status, city, note } = order;
        let text = |text: String| Value::Text(text.into());
        // In the order of the names.
        let values = vec![
            text(city),
            text(note),
            Value::Integer(number),
            Value::Text(status.into()),
            text(title),
        ];
        Columns::like(&self.names, values)
    }

    fn insert(&self, replica: &Replica, orders: std::ops::Range<u32>) -> Outcome<()> {
        let draft = |n| {
            let intent = Intent::Create { owner: None, columns: self.columns(order(n)) };
            Draft { table: self.table.clone(), record: id(n), intent }
        };
        let drafts = orders.map(draft).collect();
        self.runtime.block_on(replica.commit(drafts))?;
        Ok(())
    }
}

fn sqlite(path: &Path) -> Outcome<Connection> {
    let db = Connection::open(path)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    Ok(db)
}

fn sqlite_with_table(path: &Path) -> Outcome<Connection> {
    let db = sqlite(path)?;
    db.execute_batch(
        "create table work_order
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

/// Reads a column of a saved document: that takes loading it.
fn read_document(bytes: &[u8]) -> Outcome<()> {
    let doc = automerge::Automerge::load(bytes)?;
    black_box(doc.get(automerge::ROOT, "title")?);
    Ok(())
}

/// The rivals with their rows.
struct Filled {
    tidegate: Tidegate,
    replica: Replica,
    db: Connection,
    documents: BTreeMap<u32, Vec<u8>>,
    dir: tempfile::TempDir,
}

impl Filled {
    fn new() -> Outcome<Self> {
        let dir = tempfile::tempdir()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build()?;
        let names = ["city", "note", "number", "status", "title"];
        let names = names.map(|name| Ok((name.parse()?, Value::Null)));
        let names = names.into_iter().collect::<Outcome<Columns>>()?;
        let tidegate = Tidegate { runtime, table: "work_order".parse()?, names };
        let mut db = sqlite_with_table(&dir.path().join("it.sqlite"))?;
        sqlite_insert(&mut db, 0..ROWS)?;
        let replica = open(&dir.path().join("it.redb"))?;
        for from in (0..ROWS).step_by(BULK as usize) {
            tidegate.insert(&replica, from..from + BULK)?;
        }
        let documents =
            (0..BULK).map(|n| Ok((n, document(n)?))).collect::<Outcome<BTreeMap<_, _>>>()?;
        Ok(Self { tidegate, replica, db, documents, dir })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn main() -> Outcome<()> {
    // Names of cases may be given, as parts of what is printed: then only those run.
    let asked: Vec<_> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let wanted = |case: &str| asked.is_empty() || asked.iter().any(|it| case.contains(it.as_str()));
    println!("filling both with {ROWS} rows ...");
    let filled = Filled::new()?;
    let cases: [(&str, Case); 4] =
        [("read by id", read_by_id), ("scan", scan), ("insert", bulk_insert), ("edit", edit)];
    let mut lines = Vec::new();
    for (_, run) in cases.iter().filter(|(case, _)| wanted(case)) {
        lines.push(run(&filled)?);
    }
    let Filled { tidegate, replica, db, documents: _, dir } = filled;
    drop((replica, db));
    if wanted("open") {
        lines.push(opening(&tidegate, dir.path())?);
    }
    if wanted("rewrite") {
        lines.push(rewriting(dir.path())?);
    }
    let heap_holds = !wanted("heap") || heap(&tidegate, dir.path())?;
    let all_hold = print(&lines) && heap_holds;
    println!("{}", if all_hold { "all bounds hold" } else { "a bound does not hold" });
    Ok(())
}

fn read_by_id(filled: &Filled) -> Outcome<Line> {
    let Filled { tidegate, replica, db, documents, .. } = filled;
    // Far apart, so that the page of the last read does not help.
    let ids = |turn: u32| (0..READS).map(move |n| (turn * READS + n).wrapping_mul(7_919) % ROWS);
    let ours = |turn: u32| {
        for n in ids(turn) {
            black_box(replica.get(&tidegate.table, id(n))?.ok_or("a row is missing")?);
        }
        Ok(())
    };
    let theirs = |turn: u32| {
        let mut select = db.prepare_cached("select * from work_order where id = ?1")?;
        for n in ids(turn) {
            black_box(select.query_row([id(n).as_bytes()], sqlite_row)?);
        }
        Ok(())
    };
    let bare = |_| documents.values().take(READS as usize).try_for_each(|it| read_document(it));
    let rivals: Vec<Rival<'_>> = vec![
        ("tidegate", Box::new(ours)),
        ("sqlite", Box::new(theirs)),
        ("automerge", Box::new(bare)),
    ];
    let mut times_us = race(21, rivals)?;
    for (_, time) in &mut times_us {
        *time /= f64::from(READS);
    }
    Ok(Line { what: "read by id".into(), times_us, bound: Some(1.5) })
}

fn scan(filled: &Filled) -> Outcome<Line> {
    let Filled { tidegate, replica, db, documents, .. } = filled;
    let ours = |_| {
        let rows = replica.list(&tidegate.table, None, BULK as usize)?;
        assert_eq!(rows.len(), BULK as usize);
        Ok(())
    };
    let theirs = |_| {
        let mut select = db.prepare_cached("select * from work_order order by id limit ?1")?;
        let rows: Vec<_> = select.query_map([BULK], sqlite_row)?.collect::<Result<_, _>>()?;
        assert_eq!(rows.len(), BULK as usize);
        Ok(())
    };
    let bare = |_| documents.values().try_for_each(|it| read_document(it));
    let rivals: Vec<Rival<'_>> = vec![
        ("tidegate", Box::new(ours)),
        ("sqlite", Box::new(theirs)),
        ("automerge", Box::new(bare)),
    ];
    let times_us = race(11, rivals)?;
    Ok(Line { what: format!("scan {BULK} rows"), times_us, bound: Some(1.5) })
}

/// Each turn into a new file, which is there already.
fn bulk_insert(filled: &Filled) -> Outcome<Line> {
    const TURNS: u32 = 7;
    let (mut replicas, mut connections) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        replicas.push(open(&filled.path(&format!("bulk-{turn}.redb")))?);
        connections.push(sqlite_with_table(&filled.path(&format!("bulk-{turn}.sqlite")))?);
    }
    let (mut replicas, mut connections) = (replicas.iter(), connections.iter_mut());
    let ours = move |_| filled.tidegate.insert(replicas.next().ok_or("no file is left")?, 0..BULK);
    let theirs = move |_| sqlite_insert(connections.next().ok_or("no file is left")?, 0..BULK);
    let bare = |_| (0..BULK).try_for_each(|n| document(n).map(|bytes| drop(black_box(bytes))));
    let rivals: Vec<Rival<'_>> = vec![
        ("tidegate", Box::new(ours)),
        ("sqlite", Box::new(theirs)),
        ("automerge", Box::new(bare)),
    ];
    let times_us = race(TURNS, rivals)?;
    Ok(Line { what: format!("insert {BULK} rows in one step"), times_us, bound: Some(5.0) })
}

fn edit(filled: &Filled) -> Outcome<Line> {
    let Filled { tidegate, replica, db, .. } = filled;
    let ours = |turn: u32| {
        let set = Columns::from([("city".parse()?, Value::Text(format!("city {turn}").into()))]);
        let draft = Draft {
            table: tidegate.table.clone(),
            record: id(turn * 31),
            intent: Intent::Set(set),
        };
        tidegate.runtime.block_on(replica.commit(vec![draft]))?;
        Ok(())
    };
    let theirs = |turn: u32| {
        db.execute(
            "update work_order set city = ?1 where id = ?2",
            params![format!("city {turn}"), id(turn * 31).as_bytes()],
        )?;
        Ok(())
    };
    let rivals: Vec<Rival<'_>> = vec![("tidegate", Box::new(ours)), ("sqlite", Box::new(theirs))];
    let times_us = race(301, rivals)?;
    Ok(Line { what: "edit one field, durably".into(), times_us, bound: None })
}

/// From nothing to the first row read, and closed again.
fn opening(tidegate: &Tidegate, dir: &Path) -> Outcome<Line> {
    let ours = |turn: u32| {
        let replica = open(&dir.join("it.redb"))?;
        black_box(replica.get(&tidegate.table, id(turn))?.ok_or("a row is missing")?);
        Ok(())
    };
    let theirs = |turn: u32| {
        let db = sqlite(&dir.join("it.sqlite"))?;
        let mut select = db.prepare("select * from work_order where id = ?1")?;
        black_box(select.query_row([id(turn).as_bytes()], sqlite_row)?);
        Ok(())
    };
    let rivals: Vec<Rival<'_>> = vec![("tidegate", Box::new(ours)), ("sqlite", Box::new(theirs))];
    let times_us = race(51, rivals)?;
    Ok(Line { what: format!("open {ROWS} rows, read one"), times_us, bound: Some(2.0) })
}

/// All that lives into a new file, which takes the place of the old: what a purge does.
fn rewriting(dir: &Path) -> Outcome<Line> {
    let mut replica = RedbReplica::open(dir.join("it.redb"))?;
    let ours = |_| Ok(replica.rewrite()?);
    let db = sqlite(&dir.join("it.sqlite"))?;
    let theirs = |_| Ok(db.execute_batch("vacuum")?);
    let rivals: Vec<Rival<'_>> = vec![("tidegate", Box::new(ours)), ("sqlite", Box::new(theirs))];
    let times_us = race(5, rivals)?;
    let size = |name: &str| -> Outcome<f64> {
        Ok(f64::from(u32::try_from(std::fs::metadata(dir.join(name))?.len() >> 10)?) / 1024.0)
    };
    let sizes = (size("it.redb")?, size("it.sqlite")?);
    println!("the rewritten files: {:.1} MiB and {:.1} MiB", sizes.0, sizes.1);
    Ok(Line { what: format!("rewrite a file of {ROWS} rows"), times_us, bound: None })
}

/// What a replica holds in memory that was opened, has read one row, and does nothing: with few rows
/// and with many. Returns whether that does not grow with them.
fn heap(tidegate: &Tidegate, dir: &Path) -> Outcome<bool> {
    let few = dir.join("few.redb");
    tidegate.insert(&open(&few)?, 0..FEW_ROWS)?;
    let held_by = |path: &Path| -> Outcome<f64> {
        let run = Command::new(env!("CARGO_BIN_EXE_idle_heap")).arg(path).output()?;
        let printed = String::from_utf8_lossy(&run.stdout);
        let held = printed.trim().parse();
        held.map_err(|_| String::from_utf8_lossy(&run.stderr).into_owned().into())
    };
    let (few, many) = (held_by(&few)?, held_by(&dir.join("it.redb"))?);
    let per_row = (many - few) / f64::from(ROWS - FEW_ROWS);
    let holds = per_row <= HEAP_PER_ROW_MAX;
    println!(
        "heap of an idle replica            {FEW_ROWS} rows {:.1} KiB   {ROWS} rows {:.1} KiB   \
         per row {per_row:.2} B {} {HEAP_PER_ROW_MAX}",
        few / 1024.0,
        many / 1024.0,
        if holds { "within" } else { "OVER" },
    );
    Ok(holds)
}
