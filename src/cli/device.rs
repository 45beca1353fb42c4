//! `enroll`, `sync`, `status`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressStyle};
use serde_json::json;

use super::output::{counted, print_ledger, print_quarantined, quarantined_json};
use super::{CliError, wait};
use crate::codec::{EnrollCode, Refusal};
use crate::model::{AppName, Intake, TableName};
use crate::replica::{Event, Progress, Replica, Status, SyncError, SyncOptions, SyncReport};
use crate::sync::replica::{Arrival, SessionError};

/// The replica that a device command works on.
#[derive(Debug, Args)]
pub(super) struct ReplicaArg {
    /// The replica's file.
    #[arg(long, global = true, env = "TIDEGATE_REPLICA", default_value = "tidegate.redb")]
    pub(super) replica: PathBuf,
    /// The app that this device is, for profiles that are for one; else the one that was said last.
    #[arg(long, global = true, env = "TIDEGATE_APP")]
    pub(super) app: Option<AppName>,
}

impl ReplicaArg {
    pub(super) fn open(&self) -> Result<Replica, CliError> {
        let mut builder = Replica::builder(&self.replica);
        if let Some(app) = &self.app {
            builder = builder.app(app.clone());
        }
        builder.open().map_err(CliError::run)
    }

    /// Opens a replica that must be there: a wrong path makes no new one.
    pub(super) fn open_enrolled(&self) -> Result<Replica, CliError> {
        let path = self.replica.display();
        if !self.replica.exists() {
            return Err(CliError::Input(format!(
                "there is no replica {path}; enrol one with `tidegate enroll CODE --replica {path}`"
            )));
        }
        let replica = self.open()?;
        if replica.user().is_none() {
            return Err(CliError::Input(format!(
                "the replica {path} is not enrolled; run `tidegate enroll CODE --replica {path}`"
            )));
        }
        Ok(replica)
    }
}

fn sync_error(error: &SyncError) -> CliError {
    CliError::Run(error.to_string())
}

/// A code that the server does not take is wrong input; another try does not help.
fn enroll_error(error: &SyncError) -> CliError {
    use Refusal::{ExpiredCode, NoSuchUser, UsedCode, WrongCode};
    match error {
        SyncError::Session(SessionError::Refused(
            WrongCode | UsedCode | ExpiredCode(_) | NoSuchUser(_),
        )) => CliError::Input(error.to_string()),
        _ => sync_error(error),
    }
}

fn report_json(report: &SyncReport) -> serde_json::Value {
    json!({
        "admitted": report.totals.admitted,
        "denied": report.totals.denied,
        "changed_rows": report.totals.changed_rows,
        "sent_bytes": report.traffic.sent_bytes,
        "received_bytes": report.traffic.received_bytes,
        "ledger": report.ledger,
        "page_bytes": report.page_bytes,
        "spoke_first": report.spoke_first,
    })
}

/// Runs a session, and shows meanwhile how far the rows are that it brings.
async fn watched(
    replica: &Replica,
    session: impl Future<Output = Result<SyncReport, SyncError>>,
    json: bool,
) -> Result<SyncReport, SyncError> {
    let bar = if json { ProgressBar::hidden() } else { ProgressBar::no_length() };
    let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} rows {msg}");
    let bar = style.map_or_else(|_| ProgressBar::hidden(), |style| bar.with_style(style));
    let mut events = replica.events();
    let mut session = std::pin::pin!(session);
    let report = loop {
        tokio::select! {
            biased;
            report = &mut session => break report,
            // Whoever looks on may miss some; the replica does not.
            _ = events.recv() => {
                if let Some(progress) = replica.progress() {
                    bar.set_length(progress.arrival.total.records);
                    bar.set_position(progress.arrival.here.records);
                    bar.set_message(pace(&progress));
                }
            }
        }
    };
    bar.finish_and_clear();
    report
}

fn pace(Progress { arrival, rate, left }: &Progress) -> String {
    let (here, total) = (HumanBytes(arrival.here.bytes), HumanBytes(arrival.total.bytes));
    let left = left.map(|left| format!(", {} left", HumanDuration(left))).unwrap_or_default();
    format!("({here} of {total}), {rate:.0} rows/s{left}")
}

#[derive(Debug, Args)]
pub(super) struct EnrollCommand {
    /// The code, as an administrator gave it.
    code: String,
    /// What people shall call this device.
    #[arg(long, default_value = "")]
    name: String,
    #[command(flatten)]
    replica: ReplicaArg,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl EnrollCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let code: EnrollCode = self.code.parse().map_err(CliError::input)?;
        let replica = self.replica.open()?;
        if let Some(user) = replica.user() {
            return Err(CliError::input(SessionError::AlreadyEnrolled(user)));
        }
        let report = wait(async {
            let enrolled = replica.enroll(&code, &self.name);
            watched(&replica, enrolled, self.json).await.map_err(|error| enroll_error(&error))
        })?;
        let status = replica.status().map_err(CliError::run)?;
        let (user, device) = (replica.user(), replica.device());
        let rows: u64 = status.rows.values().sum();
        if self.json {
            let answer = json!({
                "user": user.map(|user| user.to_string()),
                "device": device.map(|device| device.0),
                "rows": rows,
                "session": report_json(&report),
            });
            println!("{answer}");
        } else if let (Some(user), Some(device)) = (user, device) {
            println!("Enrolled as `{user}`, device {device}. {rows} rows are here.");
        }
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(super) struct SyncCommand {
    #[command(flatten)]
    replica: ReplicaArg,
    /// Stay connected and show what happens, until Ctrl-C.
    #[arg(long)]
    live: bool,
    /// The same, and connect only as often as the offline profile asks.
    #[arg(long)]
    background: bool,
    /// Only this table: of what a scan has left to bring, it comes before all others.
    #[arg(long, conflicts_with_all = ["live", "background"])]
    table: Option<TableName>,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl SyncCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let replica = self.replica.open_enrolled()?;
        match (self.background, self.live) {
            (true, _) => wait(self.stay(&replica, SyncOptions::background())),
            (false, true) => wait(self.stay(&replica, SyncOptions::live())),
            (false, false) => wait(self.once(&replica)),
        }
    }

    async fn once(&self, replica: &Replica) -> Result<(), CliError> {
        let synced = match &self.table {
            Some(table) => watched(replica, replica.sync_table(table), self.json).await,
            None => watched(replica, replica.sync(), self.json).await,
        };
        let report = synced.map_err(|error| sync_error(&error))?;
        let quarantine = replica.quarantine().map_err(CliError::run)?;
        if self.json {
            println!("{}", report_json(&report));
        } else {
            let (totals, traffic) = (report.totals, report.traffic);
            println!(
                "In sync: {} admitted, {} denied, {} changed; {} bytes sent, {} received.",
                counted(totals.admitted, "edit"),
                totals.denied,
                counted(totals.changed_rows, "row"),
                traffic.sent_bytes,
                traffic.received_bytes
            );
        }
        if report.totals.denied == 0 {
            return Ok(());
        }
        Err(CliError::Refused(format!(
            "refused: {}; in quarantine now: {} (see `tidegate quarantine`)",
            counted(report.totals.denied, "edit"),
            quarantine.len()
        )))
    }

    async fn stay(&self, replica: &Replica, options: SyncOptions) -> Result<(), CliError> {
        let mut events = replica.events();
        let mut sync = replica.start_sync(options);
        loop {
            tokio::select! {
                event = events.recv() => {
                    // Whoever looks on may miss some; the replica does not.
                    if let Ok(event) = event {
                        self.show(&event);
                    }
                }
                error = sync.ended() => return Err(sync_error(&error)),
                asked = tokio::signal::ctrl_c() => return asked.map_err(CliError::run),
            }
        }
    }

    fn show(&self, event: &Event) {
        let (kind, text, what) = match event {
            Event::Open => ("open", "connected".to_owned(), json!({})),
            Event::UpToDate => ("up_to_date", "up to date".to_owned(), json!({})),
            Event::Admitted { edit, sequence } => (
                "admitted",
                format!("edit {edit} at {sequence}"),
                json!({ "edit": edit.to_string(), "sequence": sequence.0 }),
            ),
            Event::Changed { table, record } => (
                "changed",
                format!("{table} {record}"),
                json!({ "table": table.as_str(), "record": record.to_string() }),
            ),
            Event::Denied(entry) => (
                "denied",
                format!("edit {}: {}", entry.edit, entry.denial),
                json!({ "edit": entry.edit.to_string(), "quarantined": quarantined_json(entry) }),
            ),
            Event::Reconsidered { edit, again } => (
                "reconsidered",
                format!("edit {edit} may be allowed now; it is pending again as {again}"),
                json!({ "edit": edit.to_string(), "again": again.to_string() }),
            ),
            Event::Arriving(Arrival { here, total }) => (
                "arriving",
                format!("{} of about {} rows are here", here.records, total.records),
                json!({
                    "rows": here.records, "bytes": here.bytes,
                    "of_rows": total.records, "of_bytes": total.bytes,
                }),
            ),
            Event::Rechecked(report) => (
                "rechecked",
                format!("{} records compared, {} fetched again", report.records, report.mended),
                json!({
                    "records": report.records, "mended": report.mended, "purged": report.purged,
                    "rows": report.rows, "bytes": report.bytes,
                }),
            ),
            Event::SchemaChanged => ("schema_changed", "the schema changed".to_owned(), json!({})),
            Event::BudgetSpent { bytes, budget } => (
                "budget_spent",
                format!("{bytes} bytes are here, of a budget of {budget}: no more rows come"),
                json!({ "bytes": bytes, "budget": budget }),
            ),
            Event::ProfileChanged => {
                ("profile_changed", "the offline profile changed".to_owned(), json!({}))
            }
            Event::GrantChanged => ("grant_changed", "privileges changed".to_owned(), json!({})),
            other => ("other", format!("{other:?}"), json!({})),
        };
        if self.json {
            let mut line = json!({ "event": kind, "text": text });
            if let (Some(line), serde_json::Value::Object(what)) = (line.as_object_mut(), what) {
                line.extend(what);
            }
            println!("{line}");
        } else {
            println!("{kind}: {text}");
            if let Event::Denied(entry) = event {
                print_quarantined(entry);
            }
        }
    }
}

fn intake_json(intake: &Intake) -> serde_json::Value {
    let tables = intake.tables.iter();
    let intervals: serde_json::Map<_, _> =
        tables.map(|(table, minutes)| (table.to_string(), json!(minutes))).collect();
    json!({ "id": intake.profile.as_str(), "budget": intake.budget, "intervals": intervals })
}

fn print_intake(intake: &Intake, status: &Status) {
    let used = status.sizes.values().map(|size| size.bytes).sum();
    let budget = match intake.budget {
        Some(budget) if status.is_spent => {
            format!(
                "; its budget of {} is spent: other rows come when it is raised, or the profile takes \
                 less",
                HumanBytes(budget)
            )
        }
        Some(budget) => format!(" of its budget of {}", HumanBytes(budget)),
        None => String::new(),
    };
    println!("profile {}: {} used{budget}", intake.profile, HumanBytes(used));
}

/// What is here of each table, and when that was all.
fn print_tables(status: &Status) {
    let tables: BTreeSet<_> = status.rows.keys().chain(status.synced.keys()).collect();
    for table in tables {
        let rows = status.rows.get(table).copied().unwrap_or_default();
        let bytes = status.sizes.get(table).map_or(0, |size| size.bytes);
        let synced = status.synced.get(table);
        let synced = synced.map_or("not synced yet".to_owned(), |at| format!("synced {at}"));
        println!("  {table}: {}, {}, {synced}", counted(rows, "row"), HumanBytes(bytes));
    }
}

#[derive(Debug, Args)]
pub(super) struct StatusCommand {
    #[command(flatten)]
    replica: ReplicaArg,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl StatusCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let replica = self.replica.open_enrolled()?;
        let status = replica.status().map_err(CliError::run)?;
        let Some(enrolment) = &status.enrolment else { return Ok(()) };
        if self.json {
            let rows: serde_json::Map<_, _> =
                status.rows.iter().map(|(table, rows)| (table.to_string(), json!(rows))).collect();
            let sizes = status.sizes.iter();
            let bytes: serde_json::Map<_, _> =
                sizes.map(|(table, size)| (table.to_string(), json!(size.bytes))).collect();
            let synced = status.synced.iter();
            let synced: serde_json::Map<_, _> =
                synced.map(|(table, at)| (table.to_string(), json!(at.to_string()))).collect();
            let answer = json!({
                "user": enrolment.user.as_str(),
                "device": enrolment.device.0,
                "organization": enrolment.organization.to_string(),
                "addresses": enrolment.addresses,
                "rows": rows,
                "bytes": bytes,
                "synced": synced,
                "profile": status.intake.as_ref().map(intake_json),
                "budget_spent": status.is_spent,
                "fetched": status.fetched,
                "pending": status.pending,
                "quarantined": status.quarantined,
                "watermark": status.watermark.0,
                "turning": status.turning,
                "ledger": status.ledger,
            });
            println!("{answer}");
            return Ok(());
        }
        println!("user {}, device {}", enrolment.user, enrolment.device);
        println!("server {} of {}", enrolment.addresses.join(", "), enrolment.organization);
        print_tables(&status);
        if let Some(intake) = &status.intake {
            print_intake(intake, &status);
        }
        println!("fetched records: {}", status.fetched);
        println!("pending edits: {}", status.pending);
        println!("quarantine:    {}", status.quarantined);
        let more = if status.turning { " (rows are still arriving)" } else { "" };
        println!("in the server's log up to {}{more}", status.watermark);
        println!("bytes of all sessions by purpose (UDP payload):");
        print_ledger(&status.ledger, ["sent", "received"]);
        Ok(())
    }
}
