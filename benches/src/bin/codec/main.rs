//! What the codec makes of edits and of pages of records: bytes as rows and as they are sent, and how fast
//! both ways are, without rebuilding any document.
//!
//! `cargo run --release -p tidegate-benches --bin codec`; with `--bytes` behind `--` nothing is timed, and with
//! a word, only the lines that have it are measured (for a profiler).

mod pages;
mod work;

use std::hint::black_box;
use std::time::Instant;

use tidegate::codec::{decode_records_up_to, encode_edits, encode_rows};
use tidegate::model::Edit;
use tidegate_benches::{Outcome, median};

/// Of each, the middle one counts.
const ROUNDS: usize = 9;
/// So many times in a round, so that clocks can tell.
const EDITS_OF_A_ROUND: usize = 100_000;

fn main() -> Outcome<()> {
    let head = ["", "edits", "rows", "sent", "sent / edit", "write, edits / s", "read, edits / s"];
    let [what, edits, rows, sent, each, write, read] = head;
    println!("{what:<36} {edits:>6} {rows:>9} {sent:>9} {each:>12} {write:>18} {read:>18}");
    for (name, edits) in work::cases() {
        print(&name, &edits)?;
    }
    let scratch = tempfile::tempdir()?;
    for page in [512, 2_048, 8_192] {
        let (mut rows, mut sent) = (0, 0);
        for (table, records) in pages::tables(scratch.path())? {
            if let Some(first) = records.chunks(page).next() {
                print(&format!("{table}, page of {page}"), first)?;
            }
            for records in records.chunks(page) {
                rows += encode_rows(records)?.len();
                sent += encode_edits(records)?.len();
            }
        }
        println!("{:<36} {:>6} {rows:>9} {sent:>9}", format!("all four, pages of {page}"), "");
    }
    Ok(())
}

/// A line of the table.
fn print(name: &str, edits: &[Edit]) -> Outcome<()> {
    let mut words = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    if words.next().is_some_and(|word| !name.contains(&word)) {
        return Ok(());
    }
    let (rows, sent) = (encode_rows(edits)?.len(), encode_edits(edits)?);
    if decode_records_up_to(&sent, edits.len())? != edits {
        return Err(format!("{name}: other edits were read").into());
    }
    let count = f64::from(u32::try_from(edits.len())?);
    let each = f64::from(u32::try_from(sent.len())?) / count;
    let (count_told, length) = (edits.len(), sent.len());
    if std::env::args().any(|arg| arg == "--bytes") {
        println!("{name:<36} {count_told:>6} {rows:>9} {length:>9} {each:>12.2}");
        return Ok(());
    }
    let write = per_second(edits.len(), || {
        drop(black_box(encode_edits(black_box(edits))?));
        Ok(())
    })?;
    let read = per_second(edits.len(), || {
        drop(black_box(decode_records_up_to(black_box(&sent), edits.len())?));
        Ok(())
    })?;
    println!(
        "{name:<36} {count_told:>6} {rows:>9} {length:>9} {each:>12.2} {write:>18.0} {read:>18.0}"
    );
    Ok(())
}

/// How many edits of so many are done in a second.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn per_second(edits: usize, work: impl Fn() -> Outcome<()>) -> Outcome<f64> {
    let times = (EDITS_OF_A_ROUND / edits.max(1)).max(1);
    let mut seconds = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..times {
            work()?;
        }
        seconds.push(start.elapsed().as_secs_f64());
    }
    Ok(f64::from(u32::try_from(edits * times)?) / median(seconds))
}
