//! The first sync of a device: the four large tables of AdventureWorks from a server over QUIC on
//! loopback into a durable file, beside loading the same CSV files into SQLite, Automerge's sync
//! protocol document by document, and PouchDB's replication. Bytes beside `zstd -19` of the files.
//!
//! `cargo bench --bench first_sync -- --ours` leaves the others out.

mod pouch;
mod rivals;

use tidegate_benches::adventure_works::{Measured, Served, Source, device};
use tidegate_benches::{Line, Outcome, median, print};

/// First syncs, and loads beside them: the rivals take turns.
const TURNS: usize = 5;
/// At most so many times what SQLite's load takes.
const BOUND: f64 = 5.0;
/// Memory of the device beyond what it held before: so much, and a tenth of the data.
const MEMORY_KIB: u64 = 64 << 10;

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if let [mode, file, code] = args.as_slice()
        && mode == "--device"
    {
        return runtime.block_on(device(file, code));
    }
    runtime.block_on(run(args.iter().any(|it| it == "--ours")))
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn ratio(one: u64, other: u64) -> f64 {
    one as f64 / other as f64
}

async fn run(is_alone: bool) -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    let source = Source::find(dir.path())?;
    if !source.is_real {
        println!("AdventureWorks is not here: rows of the same shape are generated instead");
    }
    let (rows, (data, small)) = (source.rows()?, rivals::compressed(&source)?);
    let mut served = Served::start(&source, dir.path()).await?;
    let (mut ours, mut shell, mut library) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..TURNS {
        let measured = tokio::task::block_in_place(|| served.first_sync())?;
        if measured.rows != rows {
            return Err(format!("{} rows came, not {rows}", measured.rows).into());
        }
        ours.push(measured);
        if is_alone {
            continue;
        }
        let to = |name: &str| dir.path().join(format!("{name}-{turn}.sqlite"));
        match rivals::sqlite_shell(&source, &to("shell"))? {
            Some((seconds, found)) if found == rows => shell.push(seconds),
            Some((_, found)) => return Err(format!("SQLite has {found} rows, not {rows}").into()),
            None => {}
        }
        library.push(rivals::sqlite_library(&source, &to("library"))?);
    }
    served.stop().await;
    tell(&ours, (rows, data, small));
    if is_alone {
        return Ok(());
    }
    let micros = |seconds: &[f64]| median(seconds.iter().map(|it| it * 1e6).collect());
    let ours_us = micros(&ours.iter().map(|it| it.seconds).collect::<Vec<_>>());
    let line = |what: &str, who, time_us, bound| {
        let times_us = vec![("tidegate", ours_us), (who, time_us)];
        Line { what: what.to_owned(), times_us, bound }
    };
    let library = micros(&library);
    let mut lines = Vec::new();
    if shell.is_empty() {
        println!("sqlite3 is not here: its shell is left out, and its library stands for it");
        lines.push(line("SQLite, in one transaction", "sqlite", library, Some(BOUND)));
    } else {
        lines.push(line("SQLite's shell, .import", "sqlite3", micros(&shell), Some(BOUND)));
        lines.push(line("SQLite, in one transaction", "sqlite", library, None));
    }
    let (seconds, bytes) = rivals::automerge(&source)?;
    println!("automerge: {bytes} bytes of sync messages");
    lines.push(line("sync by document, in memory", "automerge", seconds * 1e6, Some(1.0)));
    match pouch::replicate(&source, dir.path())? {
        Some(it) if it.rows == rows => {
            println!("PouchDB: {} bytes of HTTP, both ways", it.bytes);
            lines.push(line("replication over HTTP", "pouchdb", it.seconds * 1e6, Some(1.0)));
        }
        Some(it) => return Err(format!("PouchDB has {} rows, not {rows}", it.rows).into()),
        None => println!("npm or its packages are not here: PouchDB is left out"),
    }
    if print(&lines) { Ok(()) } else { Err("a bound does not hold".into()) }
}

/// What a first sync took beside its time.
fn tell(ours: &[Measured], (rows, data, small): (u64, u64, Option<u64>)) {
    let Some(last) = ours.last() else { return };
    let seconds = median(ours.iter().map(|it| it.seconds).collect());
    println!("{rows} rows, {data} bytes of CSV; a first sync takes {seconds:.3} s");
    println!("on the wire (UDP payload, both ways): {} bytes", last.bytes);
    match small {
        Some(small) => println!(
            "zstd -19 of the files: {small} bytes; the wire has {:.2} times as many",
            ratio(last.bytes, small)
        ),
        None => println!("zstd is not here: nothing to set the bytes beside"),
    }
    let grown = ours.iter().map(|it| it.peak_kib.saturating_sub(it.before_kib)).max();
    let (grown, most) = (grown.unwrap_or_default(), MEMORY_KIB + data / 10_240);
    println!(
        "the device's process held at most {} KiB, {grown} KiB more than before ({} {most} KiB)",
        last.peak_kib,
        if grown <= most { "within" } else { "OVER" },
    );
    println!("the device's file has {} bytes\n", last.file_bytes);
}
