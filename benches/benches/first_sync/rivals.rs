//! The same rows, loaded or replicated by others.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use automerge::sync::{State, SyncDoc as _};
use automerge::transaction::Transactable as _;
use automerge::{AutoCommit, ROOT};
use tidegate_benches::Outcome;
use tidegate_benches::adventure_works::{Source, TABLES};

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn now() -> Instant {
    Instant::now()
}

/// Runs a program that reads `input`; `None`: it is not on this machine.
pub(crate) fn run(program: &str, args: &[&str], input: &[u8]) -> Outcome<Option<Vec<u8>>> {
    let mut command = Command::new(program);
    let piped = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = match piped.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut stdin = child.stdin.take().ok_or("its input is open")?;
    let input = input.to_vec();
    let writing = std::thread::spawn(move || stdin.write_all(&input));
    let mut output = Vec::new();
    child.stdout.take().ok_or("its output is open")?.read_to_end(&mut output)?;
    writing.join().map_err(|_| "the writer panicked")??;
    if !child.wait()?.success() {
        return Err(format!("{program} failed").into());
    }
    Ok(Some(output))
}

fn columns(names: &[String]) -> String {
    let columns = names.iter().map(|name| match name.as_str() {
        "id" => "id text primary key".to_owned(),
        name => format!("{name} text"),
    });
    columns.collect::<Vec<_>>().join(", ")
}

/// SQLite's shell imports the files into a new one of its own. Returns seconds, and rows.
pub(crate) fn sqlite_shell(source: &Source, to: &Path) -> Outcome<Option<(f64, u64)>> {
    let mut script = String::from(".mode csv\n");
    for table in TABLES {
        let (names, _) = source.table(table)?;
        writeln!(script, "create table {table} ({}) without rowid;", columns(&names))?;
        writeln!(script, ".import --skip 1 {} {table}", source.csv(table).display())?;
    }
    let path = to.to_str().ok_or("a path")?;
    let start = now();
    let done = run("sqlite3", &[path], script.as_bytes())?;
    let seconds = start.elapsed().as_secs_f64();
    if done.is_none() {
        return Ok(None);
    }
    let db = rusqlite::Connection::open(to)?;
    let mut rows = 0;
    for table in TABLES {
        let count = format!("select count(*) from {table}");
        rows += u64::try_from(db.query_row(&count, [], |row| row.get::<_, i64>(0))?)?;
    }
    Ok(Some((seconds, rows)))
}

/// Without the shell: a prepared statement in one transaction, the files read meanwhile.
pub(crate) fn sqlite_library(source: &Source, to: &Path) -> Outcome<f64> {
    let start = now();
    let mut db = rusqlite::Connection::open(to)?;
    let tx = db.transaction()?;
    for table in TABLES {
        let mut reader = csv::Reader::from_path(source.csv(table))?;
        let names: Vec<_> = reader.headers()?.iter().map(str::to_owned).collect();
        tx.execute_batch(&format!("create table {table} ({}) without rowid", columns(&names)))?;
        let places = vec!["?"; names.len()].join(", ");
        let mut insert = tx.prepare(&format!("insert into {table} values ({places})"))?;
        for row in reader.records() {
            insert.execute(rusqlite::params_from_iter(row?.iter()))?;
        }
    }
    tx.commit()?;
    Ok(start.elapsed().as_secs_f64())
}

/// Automerge's sync protocol, document by document, in memory. Returns seconds, and bytes of
/// messages both ways.
pub(crate) fn automerge(source: &Source) -> Outcome<(f64, u64)> {
    let (mut seconds, mut bytes) = (0.0, 0);
    for table in TABLES {
        let (names, rows) = source.table(table)?;
        for row in rows {
            let mut theirs = AutoCommit::new();
            for (name, value) in names.iter().zip(row.iter()) {
                theirs.put(ROOT, name.as_str(), value)?;
            }
            theirs.commit();
            let start = now();
            let (mut ours, mut our_state, mut their_state) =
                (AutoCommit::new(), State::new(), State::new());
            loop {
                let up = ours.sync().generate_sync_message(&mut our_state);
                let is_quiet = up.is_none();
                if let Some(up) = up {
                    bytes += u64::try_from(up.clone().encode().len())?;
                    theirs.sync().receive_sync_message(&mut their_state, up)?;
                }
                let down = theirs.sync().generate_sync_message(&mut their_state);
                if is_quiet && down.is_none() {
                    break;
                }
                if let Some(down) = down {
                    bytes += u64::try_from(down.clone().encode().len())?;
                    ours.sync().receive_sync_message(&mut our_state, down)?;
                }
            }
            seconds += start.elapsed().as_secs_f64();
        }
    }
    Ok((seconds, bytes))
}

/// All files together, and what `zstd -19` makes of them.
pub(crate) fn compressed(source: &Source) -> Outcome<(u64, Option<u64>)> {
    let mut all = Vec::new();
    for table in TABLES {
        all.extend(std::fs::read(source.csv(table))?);
    }
    let small = run("zstd", &["-19", "-q", "-c"], &all)?;
    let length = |bytes: Vec<u8>| u64::try_from(bytes.len());
    Ok((length(all)?, small.map(length).transpose()?))
}
