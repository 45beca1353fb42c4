//! `recheck`.

use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;

use super::device::ReplicaArg;
use super::output::counted;
use super::{CliError, wait};
use crate::replica::{Event, RecheckReport, Replica, SyncError};

#[derive(Debug, Args)]
pub(super) struct RecheckCommand {
    #[command(flatten)]
    replica: ReplicaArg,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl RecheckCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let replica = self.replica.open_enrolled()?;
        let report = wait(async { self.watched(&replica).await.map_err(CliError::run) })?;
        let RecheckReport { records, ranges, mended, purged, rows, bytes } = report;
        if self.json {
            let answer = json!({
                "records": records, "ranges": ranges, "mended": mended, "purged": purged,
                "rows": rows, "bytes": bytes,
            });
            println!("{answer}");
            return Ok(());
        }
        let looked_at = counted(records, "record");
        if mended + purged + rows == 0 {
            println!("All is as on the server: {looked_at} compared, with {bytes} bytes.");
            return Ok(());
        }
        println!(
            "Compared {looked_at}, with {bytes} bytes: {mended} fetched again, {purged} purged, {rows} \
             shown anew. All is as on the server now."
        );
        Ok(())
    }

    /// Rechecks, and shows meanwhile how far that is.
    async fn watched(&self, replica: &Replica) -> Result<RecheckReport, SyncError> {
        let bar = if self.json { ProgressBar::hidden() } else { ProgressBar::no_length() };
        let mut events = replica.events();
        let mut recheck = std::pin::pin!(replica.recheck());
        let report = loop {
            tokio::select! {
                biased;
                report = &mut recheck => break report,
                event = events.recv() => {
                    if let Ok(Event::Rechecking(report)) = event {
                        bar.set_position(report.records);
                    }
                }
            }
        };
        bar.finish_and_clear();
        report
    }
}
