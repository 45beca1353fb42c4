//! `bench`: what the user's own data costs on the wire.

mod office;
mod source;

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use self::office::{Edits, Measured, measure};
use self::source::Source;
use super::output::print_table;
use super::replay::ReplayCommand;
use super::{CliError, wait};
use crate::replica::Traffic;

/// Measure with your own data.
#[derive(Debug, Subcommand)]
pub(super) enum BenchCommand {
    /// Bytes on the wire: a server and devices in a temporary folder, over real QUIC on loopback.
    ///
    /// Of a table one device imports the rows, another fetches them all, then authors edit random fields without a
    /// connection and push, and the other catches up. An edit history is played as `replay` does. Every number
    /// printed is measured in this run, in bytes of UDP payload.
    Bandwidth(BandwidthCommand),
}

#[derive(Debug, Args)]
pub(super) struct BandwidthCommand {
    /// A CSV file, whose first line names the columns, each further one is a record; or an edit history or trace of
    /// keystrokes as `replay` takes it, if its name ends with .jsonl, .json or .gz.
    file: PathBuf,
    /// How many fields are edited, each of another record [default: 1000, or as many as there are records].
    #[arg(long)]
    edits: Option<u32>,
    /// How many authors share the edits [default: 5].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    authors: Option<u32>,
    /// What is drawn at random is drawn from this [default: 1].
    #[arg(long)]
    seed: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Edits, authors and seed if nothing else is said.
const EDITS: usize = 1_000;
const AUTHORS: u32 = 5;
const SEED: u64 = 1;
/// So end the names of traces.
const TRACES: [&str; 3] = ["jsonl", "json", "gz"];

impl BenchCommand {
    pub(super) const fn as_json(&self) -> bool {
        match self {
            Self::Bandwidth(command) => command.json,
        }
    }

    pub(super) fn run(&self) -> Result<(), CliError> {
        match self {
            Self::Bandwidth(command) => command.run(),
        }
    }
}

impl BandwidthCommand {
    fn run(&self) -> Result<(), CliError> {
        let extension = self.file.extension().and_then(OsStr::to_str).unwrap_or_default();
        if TRACES.iter().any(|it| it.eq_ignore_ascii_case(extension)) {
            return self.replay();
        }
        let source = Source::read(&self.file)?;
        let rows = source.rows.len();
        let count = self
            .edits
            .map_or(EDITS.min(rows), |edits| usize::try_from(edits).unwrap_or(usize::MAX));
        if count > rows {
            return Err(CliError::Input(format!(
                "--edits {count}: each edit is of another record, and {} has {rows}",
                self.file.display()
            )));
        }
        let edits = Edits { count, authors: self.authors(), seed: self.seed() };
        let measured = wait(measure(&source, &edits))?;
        if self.json {
            self.print_json(&source, &measured);
        } else {
            self.print(&source, &measured);
        }
        Ok(())
    }

    fn replay(&self) -> Result<(), CliError> {
        if self.edits.is_some() || self.authors.is_some() || self.seed.is_some() {
            return Err(CliError::Input(format!(
                "{}: an edit history says itself who edits what: leave out --edits, --authors and --seed",
                self.file.display()
            )));
        }
        ReplayCommand::bench(self.file.clone(), self.json).run()
    }

    fn authors(&self) -> u32 {
        self.authors.unwrap_or(AUTHORS)
    }

    fn seed(&self) -> u64 {
        self.seed.unwrap_or(SEED)
    }

    fn print(&self, source: &Source, measured: &Measured) {
        let types = source.columns.iter().map(|it| format!("{} {}", it.id, it.kind));
        println!(
            "{}: {} rows; {}",
            self.file.display(),
            source.rows.len(),
            types.collect::<Vec<_>>().join(", ")
        );
        println!("as CSV {} bytes, with zstd -19 {}\n", source.bytes, source.packed_bytes);
        let names = ["", "sent", "received", "each"].map(str::to_owned);
        let lines = measured.phases(source).into_iter().map(|phase| {
            let Traffic { sent_bytes, received_bytes, .. } = phase.traffic;
            let each =
                phase.each.map_or(String::new(), |(bytes, what)| format!("{bytes:.1} per {what}"));
            vec![phase.told, sent_bytes.to_string(), received_bytes.to_string(), each]
        });
        print_table(names.into(), lines);
        println!(
            "\nBytes of UDP payload. {} edits, each of a field of another record, by {} authors; seed {}.",
            measured.edits,
            self.authors(),
            self.seed()
        );
        println!("\"each\" leaves out what a session costs that has nothing to say.");
    }

    fn print_json(&self, source: &Source, measured: &Measured) {
        let phase = |phase: office::Phase| {
            let Traffic { sent_bytes, received_bytes, .. } = phase.traffic;
            let each = phase.each.map(|(bytes, _)| bytes);
            let told = json!({ "sent_bytes": sent_bytes, "received_bytes": received_bytes, "each_bytes": each });
            (phase.name.to_owned(), told)
        };
        let phases: serde_json::Map<_, _> =
            measured.phases(source).into_iter().map(phase).collect();
        let types = source.columns.iter().map(|it| (it.id.to_string(), json!(it.kind)));
        let answer = json!({
            "rows": source.rows.len(),
            "columns": types.collect::<serde_json::Map<_, _>>(),
            "csv_bytes": source.bytes,
            "csv_zstd_bytes": source.packed_bytes,
            "edits": measured.edits,
            "authors": self.authors(),
            "seed": self.seed(),
            "phases": phases,
        });
        println!("{answer}");
    }
}
