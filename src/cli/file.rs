//! `verify`, `repair`, `backup`, `restore`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value as Json, json};

use super::CliError;
use crate::model::Op;
use crate::replica::{Repair, RepairError, Verification, backup, repair, verify};
use crate::server::{BackupReport, Home, restore};
use crate::sync::Pending;

/// A bar on standard error, where somebody may look at it.
fn progress(json: bool) -> Result<ProgressBar, CliError> {
    let bar = if json { ProgressBar::hidden() } else { ProgressBar::new(0) };
    let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} entries {eta}");
    bar.set_style(style.map_err(CliError::run)?);
    Ok(bar)
}

fn show(bar: &ProgressBar) -> impl FnMut(u64, u64) + '_ {
    |done, total| {
        if done.is_multiple_of(1_000) {
            bar.set_length(total);
            bar.set_position(done);
        }
    }
}

/// The redb file that is meant: a server is often named by its folder.
pub(super) fn data_file(path: &Path) -> Result<PathBuf, CliError> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let own = Home::open(path).map_err(CliError::input)?.data_file();
    // In a backup it has its usual name, wherever the server had it.
    let in_backup = path.join("server.redb");
    Ok(if !own.exists() && in_backup.exists() { in_backup } else { own })
}

fn findings_json(found: &Verification) -> Vec<Json> {
    let finding = |it: &crate::replica::Finding| json!({ "table": it.table, "key": it.key, "problem": it.problem });
    found.findings.iter().map(finding).collect()
}

fn print_findings(found: &Verification) {
    for finding in &found.findings {
        println!("  {finding}");
    }
    if found.more > 0 {
        println!("  and {} more", found.more);
    }
}

#[derive(Debug, Args)]
pub(super) struct VerifyCommand {
    /// The file of a replica or a server, or a server's folder. Nobody may have it open: of a
    /// running server, verify a backup.
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl VerifyCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let file = data_file(&self.file)?;
        let bar = progress(self.json)?;
        let found = verify(&file, &mut show(&bar));
        bar.finish_and_clear();
        let found = found.map_err(CliError::run)?;
        let path = file.display();
        let kind = found.kind;
        if self.json {
            let answer = json!({
                "file": path.to_string(),
                "kind": kind.to_string(),
                "entries": found.entries,
                "sound": found.is_sound(),
                "findings": findings_json(&found),
                "more": found.more,
            });
            println!("{answer}");
        } else if found.is_sound() {
            println!("{path}, the file of a {kind}, is sound: {} entries.", found.entries);
        } else {
            println!("{path}, the file of a {kind}, is damaged:");
            print_findings(&found);
        }
        if found.is_sound() {
            return Ok(());
        }
        let what_to_do = match kind {
            crate::replica::FileKind::Server => {
                "restore a server from a backup with `tidegate restore BACKUP DIR`; devices then \
                 send again what the backup lacks"
            }
            _ => {
                "run `tidegate repair` on it: edits that were not sent are kept, the rest is \
                  fetched from the server"
            }
        };
        Err(CliError::Run(format!("{path} is damaged: {what_to_do}")))
    }
}

#[derive(Debug, Args)]
pub(super) struct RepairCommand {
    /// The file of a replica. Nobody may have it open.
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl RepairCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let bar = progress(self.json)?;
        let result = repair(&self.file, &mut show(&bar));
        bar.finish_and_clear();
        match result {
            Ok(done) => {
                self.report(&done);
                Ok(())
            }
            Err(RepairError::Sound(path)) => {
                if self.json {
                    println!("{}", json!({ "repaired": false, "sound": true }));
                } else {
                    println!("Nothing is wrong with {}; it is as it was.", path.display());
                }
                Ok(())
            }
            Err(error @ RepairError::Identity { .. }) => Err(self.rescue(&error)),
            Err(error) => Err(CliError::run(error)),
        }
    }

    fn report(&self, done: &Repair) {
        let found = &done.verification;
        if self.json {
            let answer = json!({
                "repaired": true,
                "pending": done.pending,
                "quarantined": done.quarantined,
                "damaged": done.damaged.display().to_string(),
                "findings": findings_json(found),
                "more": found.more,
            });
            println!("{answer}");
            return;
        }
        println!("{} was damaged:", self.file.display());
        print_findings(found);
        println!(
            "It is whole again, with {} pending edits and {} in quarantine. The next sync fetches \
             the confirmed rows.",
            done.pending, done.quarantined
        );
        println!("The damaged file is kept as {}.", done.damaged.display());
    }

    /// Writes the pending edits that could be read beside the file.
    fn rescue(&self, error: &RepairError) -> CliError {
        let RepairError::Identity { pending, .. } = error else { return CliError::run(error) };
        if pending.is_empty() {
            return CliError::run(error);
        }
        let mut path = self.file.clone().into_os_string();
        path.push(".pending.jsonl");
        let path = PathBuf::from(path);
        let written = fs::File::create_new(&path).and_then(|mut file| {
            pending.iter().try_for_each(|pending| writeln!(file, "{}", pending_json(pending)))?;
            file.sync_all()
        });
        match written {
            Ok(()) => CliError::Run(format!("{error}; they are in {}", path.display())),
            Err(problem) => CliError::Run(format!(
                "{error}; they could not be written to {}: {problem}",
                path.display()
            )),
        }
    }
}

fn pending_json(pending: &Pending) -> Json {
    let edit = &pending.edit;
    let mut set = serde_json::Map::new();
    let mut other = Vec::new();
    for op in edit.ops() {
        match op {
            Op::Put { column, value } => {
                set.insert(column.to_string(), value.to_json());
            }
            op => other.push(op.to_string()),
        }
    }
    json!({
        "edit": edit.id.to_string(),
        "table": edit.table.as_str(),
        "record": edit.record.to_string(),
        "set": set,
        "other": other,
    })
}

#[derive(Debug, Args)]
pub(super) struct BackupCommand {
    /// What to copy: a server's folder, or the file of a replica. Nobody may have it open; a running
    /// server makes backups itself, with `tidegate serve --backup-to`.
    source: PathBuf,
    /// Where to: for a server a folder, in which a new one is made; for a replica a new file.
    to: PathBuf,
    /// How many backups of a server to keep there; older ones are removed.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    keep: u16,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl BackupCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        if self.source.is_dir() {
            let home = Home::open(&self.source).map_err(CliError::input)?;
            let made = home.backup_into(&self.to, self.keep.into()).map_err(CliError::run)?;
            print_backup(&made, self.json);
            return Ok(());
        }
        backup(&self.source, &self.to).map_err(CliError::run)?;
        let to = self.to.display();
        if self.json {
            println!("{}", json!({ "file": to.to_string() }));
        } else {
            println!("{} is copied to {to}.", self.source.display());
            println!("Keep a copy of the key file {}.key beside it.", self.source.display());
        }
        Ok(())
    }
}

pub(super) fn print_backup(made: &BackupReport, json: bool) {
    let folder = made.folder.display();
    if json {
        let removed: Vec<_> = made.removed.iter().map(|it| it.display().to_string()).collect();
        let answer =
            json!({ "backup": folder.to_string(), "head": made.head.0, "removed": removed });
        println!("{answer}");
        return;
    }
    println!(
        "A backup of the log up to {} is in {folder}. It holds keys: keep it safe.",
        made.head
    );
    for old in &made.removed {
        println!("Removed the older {}.", old.display());
    }
}

#[derive(Debug, Args)]
pub(super) struct RestoreCommand {
    /// The folder that a backup of a server made.
    backup: PathBuf,
    /// The server's folder; it may be empty. The server must not be running.
    dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl RestoreCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let done = restore(&self.backup, &self.dir).map_err(CliError::run)?;
        let replaced = done.replaced.as_ref().map(|path| path.display().to_string());
        let added: Vec<_> = done.added.iter().map(|path| path.display().to_string()).collect();
        if self.json {
            let answer = json!({ "head": done.head.0, "replaced": replaced, "added": added });
            println!("{answer}");
            return Ok(());
        }
        let dir = self.dir.display();
        println!("The server in {dir} is restored: its log ends at {}.", done.head);
        for path in added {
            println!("  {path} was missing, and is there again");
        }
        if let Some(path) = replaced {
            println!("  what was there before is kept as {path}");
        }
        println!("Run it with `tidegate serve {dir}`: devices send again what the backup lacks.");
        Ok(())
    }
}
