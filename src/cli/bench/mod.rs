//! `bench`: what the user's own data costs on the wire.

mod office;
mod source;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use self::office::{Edits, Measured, measure};
use self::source::Source;
use super::output::print_table;
use super::{CliError, wait};
use crate::replica::Traffic;

/// Measure with your own data.
#[derive(Debug, Subcommand)]
pub(super) enum BenchCommand {
    /// Bytes on the wire: a server and devices in a temporary folder, over real QUIC on loopback.
    ///
    /// One device imports the rows, another fetches them all, then authors edit random fields without a
    /// connection and push, and the other catches up. Every number printed is measured in this run, in
    /// bytes of UDP payload.
    Bandwidth(BandwidthCommand),
}

#[derive(Debug, Args)]
pub(super) struct BandwidthCommand {
    /// A CSV file: the first line names the columns, each further one is a record.
    file: PathBuf,
    /// How many fields are edited, each of another record [default: 1000, or as many as there are records].
    #[arg(long)]
    edits: Option<u32>,
    /// How many authors share the edits.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    authors: u32,
    /// What is drawn at random is drawn from this.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Edits if nothing else is said.
const EDITS: usize = 1_000;

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
        let edits = Edits { count, authors: self.authors, seed: self.seed };
        let measured = wait(measure(&source, &edits))?;
        if self.json {
            self.print_json(&source, &measured);
        } else {
            self.print(&source, &measured);
        }
        Ok(())
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
            measured.edits, self.authors, self.seed
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
            "authors": self.authors,
            "seed": self.seed,
            "phases": phases,
        });
        println!("{answer}");
    }
}
