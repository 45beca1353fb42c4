//! `rotate-key`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::CliError;
use crate::server::Home;

#[derive(Debug, Args)]
pub(super) struct RotateKeyCommand {
    /// The server's folder. The server must not be running.
    dir: PathBuf,
    /// The organization's key, where it is not kept in the folder.
    #[arg(long, value_name = "FILE")]
    organization_key: Option<PathBuf>,
    /// Give the new certificate a serial above this one: what a device says that it has seen, if
    /// the clock of this machine was wrong.
    #[arg(long, value_name = "SERIAL", default_value_t = 0)]
    above: u64,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl RotateKeyCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let mut home = Home::open(&self.dir).map_err(CliError::input)?;
        let key = self.organization_key.as_deref();
        let done = home.rotate_keys(key, self.above).map_err(CliError::server)?;
        let retired: Vec<_> = done.retired.iter().map(|path| path.display().to_string()).collect();
        if self.json {
            println!("{}", json!({ "serial": done.serial, "retired": retired }));
            return Ok(());
        }
        let dir = self.dir.display();
        println!(
            "The server in {dir} has new keys; its certificate has the serial {}.",
            done.serial
        );
        for path in retired {
            println!("  the old one is kept as {path}");
        }
        println!("Start the server, and make a backup: older ones hold the old keys.");
        println!("Enrolment codes that were made before are worth nothing: make new ones.");
        Ok(())
    }
}
