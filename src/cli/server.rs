//! `init`, `serve`, `enroll-code`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::check::check_config;
use super::file::print_backup;
use super::{CliError, wait};
use crate::limits::ENROLL_CODE_LASTS_MILLIS;
use crate::model::UserId;
use crate::server::{Config, Home, InitOptions, Log, OrganizationFiles, Server};

#[derive(Debug, Args)]
pub(super) struct InitCommand {
    /// The folder; made if it is not there.
    dir: PathBuf,
    /// Where the server listens (UDP).
    #[arg(long, default_value = "127.0.0.1:4747")]
    listen: SocketAddr,
    /// Where devices find it, as host:port; may be given several times. Default: where it listens.
    #[arg(long)]
    address: Vec<String>,
    /// A schema document (TOML or JSON) to start from.
    #[arg(long)]
    schema: Option<PathBuf>,
    /// A policy document (TOML or JSON) to start from.
    #[arg(long)]
    policy: Option<PathBuf>,
    /// A document of offline profiles (TOML or JSON) to start from. Without it devices take all that
    /// their users may read.
    #[arg(long)]
    profiles: Option<PathBuf>,
    /// A CSV file of business units, where the policy does not declare the organization.
    #[arg(long, requires = "users")]
    business_units: Option<PathBuf>,
    /// A CSV file of users, where the policy does not declare the organization.
    #[arg(long, requires = "business_units")]
    users: Option<PathBuf>,
    /// The administrator who gets the first enrolment code. With --users: added to the file, if
    /// not there. Default: the first by name.
    #[arg(long)]
    admin: Option<UserId>,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl InitCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let files = self.business_units.clone().zip(self.users.clone());
        let options = InitOptions {
            listen: Some(self.listen),
            addresses: self.address.clone(),
            schema: self.schema.clone(),
            policy: self.policy.clone(),
            profiles: self.profiles.clone(),
            organization: files
                .map(|(business_units, users)| OrganizationFiles { business_units, users }),
            administrator: self.admin.clone(),
        };
        let home = Home::init(&self.dir, &options).map_err(CliError::input)?;
        let admin = match &self.admin {
            Some(admin) => Some(admin.clone()),
            None => home.administrators().map_err(CliError::input)?.into_iter().next(),
        };
        let code = admin.as_ref().map(|admin| {
            home.enroll_code(admin, ENROLL_CODE_LASTS_MILLIS).map_err(CliError::input)
        });
        let code = code.transpose()?;
        let dir = self.dir.display();
        if self.json {
            let answer = json!({
                "dir": dir.to_string(),
                "organization": home.organization().to_string(),
                "listen": home.config().listen.to_string(),
                "administrator": admin.map(|admin| admin.to_string()),
                "code": code.map(|code| code.to_string()),
            });
            println!("{answer}");
            return Ok(());
        }
        println!("A new server is in {dir}.");
        println!(
            "  organization key: {} ({dir}/organization.key: keep it safe)",
            home.organization()
        );
        println!("  configuration:    {dir}/tidegate.toml, with schema and policy beside it");
        println!("Run it:             tidegate serve {dir}");
        match (admin, code) {
            (Some(admin), Some(code)) => {
                println!("Enrol `{admin}`, an administrator, on a device (the code works once):");
                println!("  tidegate enroll {code}");
            }
            _ => println!(
                "Nobody is a system_administrator yet; make codes with\n  tidegate enroll-code --dir {dir} --user USER"
            ),
        }
        Ok(())
    }
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct ServeCommand {
    /// The server's folder.
    dir: PathBuf,
    /// Do not serve, but say of each thing in the folder whether it is fine, or name its first
    /// mistake. Writes nothing, and may be used beside a running server.
    #[arg(long, conflicts_with_all = ["backup_to", "no_backups", "apply_files"])]
    check_config: bool,
    /// Make backups in this folder while it runs. Devices keep their edits until one holds them.
    #[arg(long, value_name = "DIR")]
    backup_to: Option<PathBuf>,
    /// How often.
    #[arg(long, value_name = "MINUTES", default_value_t = 60, requires = "backup_to",
          value_parser = clap::value_parser!(u32).range(1..=10_080))]
    backup_every: u32,
    /// How many backups to keep; older ones are removed.
    #[arg(long, value_name = "N", default_value_t = 7, requires = "backup_to",
          value_parser = clap::value_parser!(u16).range(1..))]
    backup_keep: u16,
    /// Put the schema, policy, organization and offline profiles of the folder's files in force, whatever
    /// administrators changed since. Without this they are only what a new server starts with.
    #[arg(long)]
    apply_files: bool,
    /// Say that no backups are made: devices then keep nothing for a restore.
    #[arg(long, conflicts_with = "backup_to")]
    no_backups: bool,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl ServeCommand {
    /// What the folder's configuration says of the log. A mistake there is told later.
    pub(super) fn log(&self) -> Log {
        if self.check_config {
            return Log::default();
        }
        Config::of(&self.dir).map(|config| config.log).unwrap_or_default()
    }

    pub(super) fn run(&self) -> Result<(), CliError> {
        if self.check_config {
            return check_config(&self.dir, self.json);
        }
        let home = Home::open(&self.dir).map_err(CliError::input)?;
        let rules = home.rules().map_err(CliError::input)?;
        wait(async {
            let stop = stop_signal()?;
            let server = if self.apply_files { home.serve_by(rules) } else { home.serve(rules) };
            let server = server.map_err(CliError::run)?;
            let address = server.local_addr().map_err(CliError::run)?;
            if self.json {
                println!("{}", json!({ "listening": address.to_string() }));
            } else {
                println!("Serving {} on {address} (UDP). Stop with Ctrl-C.", self.dir.display());
            }
            server.set_makes_backups(!self.no_backups).await.map_err(CliError::run)?;
            tokio::select! {
                stop = stop => stop?,
                () = self.make_backups(&server, &home) => {}
            }
            server.stop().await;
            Ok(())
        })
    }

    /// Makes backups again and again: the first at once, so that a folder that cannot be written
    /// shows before it is needed.
    async fn make_backups(&self, server: &Server, home: &Home) {
        let Some(into) = &self.backup_to else { return std::future::pending().await };
        let minutes = std::time::Duration::from_secs(60 * u64::from(self.backup_every));
        let mut times = tokio::time::interval(minutes);
        times.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            times.tick().await;
            match server.backup_into(home, into, self.backup_keep.into()).await {
                Ok(made) => print_backup(&made, self.json),
                // The server goes on, and so do the attempts; devices keep their edits meanwhile.
                Err(error) => tracing::error!(%error, folder = %into.display(), "no backup"),
            }
        }
    }
}

/// Ends when the process is asked to stop: from now on, also before anybody waits for it.
#[cfg(unix)]
fn stop_signal() -> Result<impl Future<Output = Result<(), CliError>>, CliError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::run)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(CliError::run)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
fn stop_signal() -> Result<impl Future<Output = Result<(), CliError>>, CliError> {
    Ok(async { tokio::signal::ctrl_c().await.map_err(CliError::run) })
}

#[derive(Debug, Args)]
pub(super) struct EnrollCodeCommand {
    /// The server's folder; the server may be running.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Whose device will be enrolled.
    #[arg(long)]
    user: UserId,
    /// For how many hours the code is good.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=8760))]
    hours: u32,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl EnrollCodeCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let home = Home::open(&self.dir).map_err(CliError::input)?;
        let lasts = i64::from(self.hours) * 3_600_000;
        let code = home.enroll_code(&self.user, lasts).map_err(CliError::input)?;
        if home.has_user(&self.user).map_err(CliError::input)?.is_none() {
            eprintln!(
                "note: the server is running, and the files of the folder do not name `{}`: it \
                 refuses the code unless an administrator added that user",
                self.user
            );
        }
        if self.json {
            let expires = code.expires().to_string();
            let answer =
                json!({ "user": self.user.as_str(), "code": code.to_string(), "expires": expires });
            println!("{answer}");
        } else {
            println!("{code}");
        }
        Ok(())
    }
}
