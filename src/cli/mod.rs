//! The command line. Each command has a module; `main.rs` only calls [`run`].

mod admin;
mod asked;
mod bench;
mod check;
mod compare;
mod data;
mod demo;
mod device;
mod estimate;
mod file;
mod gate;
mod log;
mod on_demand;
mod output;
mod profile;
mod quarantine;
mod query;
mod recheck;
mod replay;
mod rotate;
mod schema;
mod server;
mod sharing;
mod suggest;
mod view;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::admin::AdminCommand;
use self::bench::BenchCommand;
use self::data::{EditCommand, ExportCommand, ImportCommand, ShowCommand};
use self::demo::DemoCommand;
use self::device::{EnrollCommand, StatusCommand, SyncCommand};
use self::file::{BackupCommand, RepairCommand, RestoreCommand, VerifyCommand};
use self::gate::GateCommand;
use self::on_demand::RecordArgs;
use self::profile::ProfileCommand;
use self::quarantine::QuarantineCommand;
use self::query::QueryCommand;
use self::recheck::RecheckCommand;
use self::replay::ReplayCommand;
use self::rotate::RotateKeyCommand;
use self::schema::SchemaCommand;
use self::server::{EnrollCodeCommand, InitCommand, ServeCommand};
use self::view::ViewCommand;
use crate::server::Log;

/// Offline-first records with a permission gate.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, about, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  an error while running: a server that cannot be reached, a file that cannot be read
  2  wrong usage, or input that cannot be read or is refused as a whole
  3  refused by the gate, or done in part: some lines or edits were refused

Environment:
  TIDEGATE_REPLICA  the replica file of device commands, instead of --replica
  TIDEGATE_APP      the app of device commands, instead of --app
  TIDEGATE_LOG      what is logged to standard error, such as info or tidegate=debug";

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a new server in a folder: keys, configuration, the first enrolment code.
    Init(InitCommand),
    /// Run the server of a folder.
    Serve(ServeCommand),
    /// Make a one-time code with which a user enrols a device.
    EnrollCode(EnrollCodeCommand),
    /// Enrol this device and fetch its rows.
    Enroll(EnrollCommand),
    /// Import rows from CSV or JSON lines.
    Import(ImportCommand),
    /// Export rows as CSV or JSON lines; importing them gives the same rows.
    Export(ExportCommand),
    /// Show a record.
    Show(ShowCommand),
    /// List records: all, or those that a filter says, in an order.
    Query(QueryCommand),
    /// Show what a view of the schema shows.
    View(ViewCommand),
    /// Make, change, delete or assign a record; works without a connection.
    Edit(EditCommand),
    /// Send what is pending and fetch what changed.
    Sync(SyncCommand),
    /// Compare all that is here with the server, and fetch what is missing or other.
    Recheck(RecheckCommand),
    /// Fetch one record, whatever the profile takes, and keep it up to date until it is released.
    Fetch(RecordArgs),
    /// Keep a record that was fetched no longer.
    Release(RecordArgs),
    /// Tell how this device is doing.
    Status(StatusCommand),
    /// Look at refused edits; try them again or discard them.
    Quarantine(QuarantineCommand),
    /// Check the file of a replica or a server: every value, and that all fits together.
    Verify(VerifyCommand),
    /// Make a replica's damaged file whole; unsent edits are kept, the rest is fetched again.
    Repair(RepairCommand),
    /// Copy a server that is not running, or a replica.
    Backup(BackupCommand),
    /// Put a server's backup back. Devices send again what it lacks.
    Restore(RestoreCommand),
    /// Change schema, policy and people of a running server, revoke devices, look at denials.
    Admin(AdminCommand),
    /// Give a server that is not running new keys. Devices accept them, and no longer the old.
    RotateKey(RotateKeyCommand),
    /// See it all happen: a server and four devices in a temporary folder.
    Demo(DemoCommand),
    /// Replay an edit history: a device for each author, a server, and what it costs.
    Replay(ReplayCommand),
    /// Measure with your own data.
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Test a policy.
    Gate(GateCommand),
    /// Check a schema document, or say how two differ.
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Check what groups of users take offline.
    #[command(subcommand)]
    Profile(ProfileCommand),
}

/// Why a command ended. What it prints names the thing and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// Input that cannot be read, or is refused as a whole: exit code 2.
    #[error("{0}")]
    Input(String),
    /// Something that went wrong while running: exit code 1.
    #[error("{0}")]
    Run(String),
    /// The gate refused, or only part was done: exit code 3.
    #[error("{0}")]
    Refused(String),
}

impl CliError {
    fn run(error: impl std::fmt::Display) -> Self {
        Self::Run(error.to_string())
    }

    fn input(error: impl std::fmt::Display) -> Self {
        Self::Input(error.to_string())
    }

    /// A folder that cannot be used is input; the rest went wrong while running.
    fn server(error: crate::server::ServerError) -> Self {
        match error {
            crate::server::ServerError::Home(error) => Self::input(error),
            error => Self::run(error),
        }
    }
}

/// Runs the command that the process was started with, and says how it ended.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let log = match &cli.command {
        Command::Serve(serve) => log::start(serve.log()),
        _ => log::start(Log::default()),
    };
    quiet_damage();
    let (result, as_json) = match log {
        Ok(()) => cli.command.run(),
        Err(error) => (Err(error), false),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    if as_json {
        eprintln!("{}", serde_json::json!({ "error": error.to_string() }));
    } else {
        eprintln!("error: {error}");
    }
    match error {
        CliError::Run(_) => ExitCode::from(1),
        CliError::Input(_) => ExitCode::from(2),
        CliError::Refused(_) => ExitCode::from(3),
    }
}

impl Command {
    /// Runs it, and says besides whether errors are to be JSON.
    fn run(self) -> (Result<(), CliError>, bool) {
        match self {
            Self::Init(command) => (command.run(), command.json),
            Self::Serve(command) => (command.run(), command.json),
            Self::EnrollCode(command) => (command.run(), command.json),
            Self::Enroll(command) => (command.run(), command.json),
            Self::Import(command) => (command.run(), command.json),
            Self::Admin(command) => (command.run(), command.json),
            Self::Export(command) => (command.run(), command.json),
            Self::Show(command) => (command.run(), command.json),
            Self::Query(command) => (command.run(), command.asked.json),
            Self::View(command) => (command.run(), command.asked.json),
            Self::Edit(command) => (command.run(), command.json),
            Self::Sync(command) => (command.run(), command.json),
            Self::Recheck(command) => (command.run(), command.json),
            Self::Fetch(record) => (record.fetch(), record.json),
            Self::Release(record) => (record.release(), record.json),
            Self::Status(command) => (command.run(), command.json),
            Self::Quarantine(command) => (command.run(), command.json),
            Self::Verify(command) => (command.run(), command.json),
            Self::Repair(command) => (command.run(), command.json),
            Self::Backup(command) => (command.run(), command.json),
            Self::Restore(command) => (command.run(), command.json),
            Self::RotateKey(command) => (command.run(), command.json),
            Self::Demo(command) => (command.run(), command.json),
            Self::Replay(command) => (command.run(), command.json),
            Self::Bench(bench) => (bench.run(), bench.as_json()),
            Self::Gate(gate) => (gate.run(), gate.as_json()),
            Self::Schema(schema) => (schema.run(), schema.as_json()),
            Self::Profile(profile) => (profile.run(), profile.as_json()),
        }
    }
}

/// On damaged pages redb may panic. The store turns that into an error that says what to do; the
/// panic's own words would only bury it.
fn quiet_damage() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if crate::replica::is_fenced() {
            tracing::debug!(%panic, "redb gave up on a page");
        } else {
            usual(panic);
        }
    }));
}

/// Runs a future to its end.
fn wait<T>(future: impl std::future::Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(CliError::run)?;
    runtime.block_on(future)
}
