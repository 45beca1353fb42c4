//! What is logged, to standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use super::CliError;
use crate::server::{Log, LogFormat, LogLevel};

const VARIABLE: &str = "TIDEGATE_LOG";

/// Starts to log. What the environment asks for counts before what the configuration says.
pub(super) fn start(log: Log) -> Result<(), CliError> {
    let asked = std::env::var(VARIABLE).ok().filter(|asked| !asked.is_empty());
    let filter = match asked {
        Some(asked) => asked.parse::<EnvFilter>().map_err(|error| {
            CliError::Input(format!(
                "{VARIABLE} is `{asked}`, which says nothing of what to log ({error}): expected \
                 error, warn, info, debug or trace, or such as tidegate=debug"
            ))
        })?,
        None => EnvFilter::new(directives(log.level)),
    };
    // Quinn tells at warn level of every lost peer, which is everyday life here.
    let filter = match "quinn=error".parse() {
        Ok(quiet) => filter.add_directive(quiet),
        Err(_) => filter,
    };
    // Colours are for a terminal; a journal would show their codes.
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}

/// Of other libraries only what is wrong is of use.
fn directives(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "warn,tidegate=info",
        LogLevel::Debug => "warn,tidegate=debug",
        LogLevel::Trace => "warn,tidegate=trace",
    }
}
