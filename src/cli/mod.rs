//! The command line. Each command has a module; `main.rs` only calls [`run`].

mod gate;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::gate::GateCommand;

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
  1  an error while running, such as a reader that went away
  2  wrong usage, or input that cannot be read or is refused as a whole";

#[derive(Debug, Subcommand)]
enum Command {
    /// Test a policy.
    Gate(GateCommand),
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
}

/// Runs the command that the process was started with, and says how it ended.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let (result, as_json) = match cli.command {
        Command::Gate(gate) => (gate.run(), gate.as_json()),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    if as_json {
        eprintln!("{}", serde_json::json!({ "error": error.to_string() }));
    } else {
        eprintln!("error: {error}");
    }
    match error {
        CliError::Input(_) => ExitCode::from(2),
        CliError::Run(_) => ExitCode::from(1),
    }
}
