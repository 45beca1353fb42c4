//! Bytes on the wire: the same work by Tidegate over QUIC on loopback, by other systems, and the least that it
//! takes. Prints a table, and writes `target/bandwidth.csv` and a chart beside it.
//!
//! `cargo bench --bench bandwidth -- [--only CASE] [--records N] [--keystrokes N] [--seed S] [--check]`; with
//! `--check` it exits with 1 where a bound does not hold.

mod bounds;
mod chart;
mod floor;
mod ours;
mod relay;
mod replayed;
mod rivals;
mod table;
mod trace;
mod typed;
mod work;

use std::path::{Path, PathBuf};
use std::time::Instant;

use floor::Model;
use ours::{AUTHORS, Cost, Office, Who};
use rivals::{Taken, small};
use table::{Case, Table};
use tidegate_benches::Outcome;
use tidegate_benches::adventure_works::{Served, Source, TABLES, device};
use trace::Typing;
use work::{Edit, Put, Records, Work};

/// What is drawn is drawn from this if nothing else is said.
const SEED: u64 = 9;
/// Records that all know.
const RECORDS: usize = 100_000;
/// Edits that travel alone.
const SINGLE: usize = 20;
/// Records of which one column is set.
const PATCHED: usize = 10_000;
/// Keystrokes of a second.
const TYPED_EACH: usize = 5;
/// Keystrokes of the paper that are typed live: all of them take over 30 s.
const TYPED_LIVE: usize = 10_000;
/// Keystrokes of the paper that are sent at once: all of them take over 30 s.
const TYPED_AT_ONCE: usize = 50_000;

/// What was asked for.
struct Asked {
    only: Option<String>,
    records: usize,
    keystrokes: Option<usize>,
    seed: u64,
    checks: bool,
}

impl Asked {
    fn read(args: &[String]) -> Outcome<Self> {
        let after = |name: &str| {
            let at = args.iter().position(|it| it == name)?;
            args.get(at + 1).cloned()
        };
        Ok(Self {
            only: after("--only"),
            records: after("--records").map_or(Ok(RECORDS), |it| it.parse())?,
            keystrokes: after("--keystrokes").map(|it| it.parse()).transpose()?,
            seed: after("--seed").map_or(Ok(SEED), |it| it.parse())?,
            checks: args.iter().any(|it| it == "--check"),
        })
    }

    fn wants(&self, case: &str) -> bool {
        self.only.as_ref().is_none_or(|only| case.starts_with(only.as_str()))
    }
}

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if let [mode, file, code] = args.as_slice()
        && mode == "--device"
    {
        return runtime.block_on(device(file, code));
    }
    floor::check()?;
    let asked = Asked::read(&args)?;
    println!("seed {}, {} records", asked.seed, asked.records);
    let dir = tempfile::tempdir()?;
    let table = runtime.block_on(run(&asked, dir.path()))?;
    let folder = target();
    std::fs::create_dir_all(&folder)?;
    let (csv, svg) = (folder.join("bandwidth.csv"), folder.join("bandwidth.svg"));
    std::fs::write(&csv, table.csv())?;
    std::fs::write(&svg, chart::draw(&table).to_string())?;
    println!("\nwritten: {} and {}\n", csv.display(), svg.display());
    if bounds::print(&table) || !asked.checks {
        Ok(())
    } else {
        Err("a bound does not hold".into())
    }
}

/// Where builds go.
fn target() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(beside, PathBuf::from)
}

#[expect(clippy::disallowed_methods, reason = "people like to know what takes long")]
fn now() -> Instant {
    Instant::now()
}

/// Runs what makes something, and says how long that took.
async fn timed<T>(what: &str, made: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let start = now();
    let made = made.await.map_err(|error| format!("{what}: {error}"))?;
    eprintln!("{what}: {:.1} s", start.elapsed().as_secs_f64());
    Ok(made)
}

async fn run(asked: &Asked, dir: &Path) -> Outcome<Table> {
    let mut table = Table::default();
    rows(asked, dir, &mut table).await?;
    if asked.wants("countries") {
        match trace::countries()? {
            Some(history) => table.add(countries(dir, &history).await?),
            None => println!("countries: skipped: no shared data"),
        }
    }
    paper(asked, dir, &mut table).await?;
    if asked.wants("first-sync") {
        table.add(timed("first-sync", first_sync(dir)).await?);
    }
    Ok(table)
}

/// A case of rows, with all that others take for it.
fn of_rows(name: &str, work: &Work, cost: Cost, floor: Option<f64>) -> Outcome<Case> {
    let (count, taken) = (work.edits.len() as u64, rivals::all(work)?);
    if !work.is_live {
        return Ok(Case::new(name, work.puts(), cost, taken, floor));
    }
    // Each travels alone: the mean of them.
    let mean = |(who, bytes): Taken| (who, bytes / count);
    let taken = taken.into_iter().map(mean).collect();
    let single = f64::from(u32::try_from(count)?);
    Ok(Case::new(name, 1, cost, taken, floor.map(|bytes| bytes / single)))
}

/// The cases that edit records that all know.
async fn rows(asked: &Asked, dir: &Path, table: &mut Table) -> Outcome<()> {
    let uplink = format!("edits-{}-author-1", work::EACH);
    let all = format!("edits-{}-authors-{AUTHORS}", work::EACH * AUTHORS);
    let cases = ["one-edit", "edits-100", &uplink, &all, "patch-one-column"];
    if !cases.iter().any(|case| asked.wants(case)) {
        return Ok(());
    }
    let records = Records::draw(asked.seed, asked.records);
    let known = asked.records as u64;
    let folder = dir.join("office");
    let office = Office::start(&folder, &records);
    let office = timed(&format!("{known} records for {} devices", AUTHORS + 2), office).await?;
    let by_authors = records.by_authors(AUTHORS);
    // Few edits say little of how all of them are distributed.
    let model = Model::learn(&by_authors);
    if asked.wants("one-edit") {
        let work = records.singly(SINGLE);
        let cost = timed("one-edit", office.live(&work)).await?;
        // Alone, each is one of all.
        let floor = work.edits.iter().map(|edit| model.bytes(&alone(&work, edit), known)).sum();
        table.add(of_rows("one-edit", &work, cost, Some(floor))?);
    }
    let patch = records.patch(PATCHED.min(asked.records));
    let patched = Model::learn(&patch);
    let own = known.div_ceil(AUTHORS as u64);
    let rounds = [
        ("edits-100", records.by_one(100), Who::Dispatcher, &model, known),
        (uplink.as_str(), records.by_one_of(AUTHORS), Who::Authors, &model, own),
        (all.as_str(), by_authors, Who::Authors, &model, known),
        ("patch-one-column", patch, Who::InBulk, &patched, known),
    ];
    for (name, work, who, model, known) in rounds {
        if asked.wants(name) {
            let cost = timed(name, office.catch_up(&work, who)).await?;
            let floor = model.bytes(&work, known);
            table.add(of_rows(name, &work, cost, Some(floor))?);
        }
    }
    office.stop().await;
    Ok(())
}

/// This edit and no other.
fn alone(work: &Work, edit: &Edit) -> Work {
    let (ids, known) = (Vec::new(), Vec::new());
    Work { columns: work.columns.clone(), ids, known, edits: vec![edit.clone()], is_live: true }
}

async fn countries(dir: &Path, history: &trace::History) -> Outcome<Case> {
    let folder = dir.join("countries");
    let cost = replayed::countries(&folder, history);
    let cost = timed("countries", cost).await?;
    let floor = Model::learn(&history.work).bytes_of_steps(&history.work, &history.steps);
    of_rows("countries", &history.work, cost, Some(floor))
}

async fn paper(asked: &Asked, dir: &Path, table: &mut Table) -> Outcome<()> {
    let (live, at_once) = ("automerge-paper-live", "automerge-paper-at-once");
    if !asked.wants(live) && !asked.wants(at_once) {
        return Ok(());
    }
    let Some(typing) = trace::paper()? else {
        println!("automerge-paper: skipped: no shared data");
        return Ok(());
    };
    let part = |name: &str, count: usize| {
        let count = asked.keystrokes.unwrap_or(count);
        let is_whole = count >= typing.patches.len();
        let name = if is_whole { name.to_owned() } else { format!("{name}-first-{count}") };
        (name, typing.first(count))
    };
    let case = |name: &str, typing: &Typing, cost: Cost, each: usize| {
        let (strokes, taken) = (typing.patches.len() as u64, typed::all(typing, each)?);
        Outcome::Ok(Case::new(name, strokes, cost, taken, Some(floor::typed_bytes(typing))))
    };
    if asked.wants(live) {
        let (name, typing) = part(live, TYPED_LIVE);
        let folder = dir.join("live");
        let cost = replayed::typed_live(&folder, &typing, TYPED_EACH);
        let cost = timed(&name, cost).await?;
        table.add(case(&name, &typing, cost, TYPED_EACH)?);
    }
    if asked.wants(at_once) {
        let (name, typing) = part(at_once, TYPED_AT_ONCE);
        let folder = dir.join("at-once");
        let cost = replayed::typed_at_once(&folder, &typing);
        let cost = timed(&name, cost).await?;
        table.add(case(&name, &typing, cost, typing.patches.len())?);
    }
    Ok(())
}

/// Four tables that a new device takes along. Values depend on each other in them, so that there is no such
/// floor; `zstd -19` of the files stands beside it.
async fn first_sync(dir: &Path) -> Outcome<Case> {
    let dir = dir.join("first-sync");
    std::fs::create_dir_all(&dir)?;
    let source = Source::find(&dir)?;
    if !source.is_real {
        println!("first-sync: AdventureWorks is not here: rows of the same shape instead");
    }
    let mut served = Served::start(&source, &dir).await?;
    let measured = tokio::task::block_in_place(|| served.first_sync())?;
    served.stop().await;
    let (work, files) = new_records(&source)?;
    if measured.rows != work.edits.len() as u64 {
        return Err(format!("{} rows came", measured.rows).into());
    }
    let mut taken = rivals::all(&work)?;
    taken.push(("csv", rivals::length(&files)));
    taken.push(("csv + zstd -19", small(&files)?));
    let cost = Cost { downlink: measured.bytes, uplink: 0, handshake: None };
    Ok(Case::new("first-sync", measured.rows, cost, taken, None))
}

/// The rows of the four tables as records that nobody knows yet, and the files one after the other.
fn new_records(source: &Source) -> Outcome<(Work, Vec<u8>)> {
    let mut work = Work {
        columns: Vec::new(),
        ids: Vec::new(),
        known: Vec::new(),
        edits: Vec::new(),
        is_live: false,
    };
    let mut files = Vec::new();
    for table in TABLES {
        files.extend(std::fs::read(source.csv(table))?);
        let (names, rows) = source.table(table)?;
        let first = work.columns.len();
        work.columns.extend(names);
        for row in rows {
            let record = work.edits.len();
            let id: tidegate::RecordId = row.get(0).ok_or("a row has an id")?.parse()?;
            work.ids.push(*id.as_bytes());
            let values = row.iter().enumerate().skip(1);
            let put = |(at, value): (usize, &str)| {
                let column = first + at;
                (!value.is_empty()).then(|| Put { column, value: Some(value.into()) })
            };
            work.edits.push(Edit { author: 0, record, puts: values.filter_map(put).collect() });
        }
    }
    Ok((work, files))
}
