//! Backups of a server: made while it runs or not, and put back.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use tokio::sync::oneshot;

use super::engine::Event;
use super::home::{
    CERTIFICATE, CONFIG, DATA, Home, HomeError, ORGANIZATION, ORGANIZATION_KEY, SERVER_KEY, TLS_KEY,
};
use super::keys;
use super::{Config, Server, ServerError};
use crate::model::{Sequence, Timestamp};
use crate::net::system;
use crate::store::{BackupError, OpenError, RedbServer, ServerReader, verify};
use crate::sync::{Commit, ServerStore as _, StoreError};

/// What the names of finished backups begin with.
const NAME: &str = "tidegate-";
/// What the names of unfinished ones begin with.
const UNFINISHED: &str = ".unfinished-";

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupReport {
    /// Its folder.
    pub folder: PathBuf,
    /// The last entry of the log in it.
    pub head: Sequence,
    /// Older backups that were removed.
    pub removed: Vec<PathBuf>,
}

/// A backup that was put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreReport {
    /// The last entry of the log in it.
    pub head: Sequence,
    /// The file that was there before, under its new name.
    pub replaced: Option<PathBuf>,
    /// Keys and documents that were not there, and are again.
    pub added: Vec<PathBuf>,
}

impl Server {
    /// Copies the server's file as it is at this moment into a new one, while the server goes on;
    /// goes over the copy; and tells devices that they need not keep what it holds any more.
    /// Returns the last entry of the log in it. Keys and documents are not in it: see
    /// [`Self::backup_into`].
    ///
    /// Cancel-safe: the copy may be there, and nobody relies on it.
    ///
    /// # Errors
    /// The file cannot be read, or the copy not be written.
    pub async fn backup(&self, to: &Path) -> Result<Sequence, ServerError> {
        let (reader, to) = (self.reader.clone(), to.to_owned());
        let copied = tokio::task::spawn_blocking(move || copy(&reader, &to)).await;
        let head = copied.map_err(|_| ServerError::Stopped)??;
        self.set_backed_up(Some(head)).await?;
        Ok(head)
    }

    /// Makes a whole backup of a server: a new folder in `into` with the server's file, keys and
    /// documents. Of the backups that are there, the `keep` newest stay.
    ///
    /// Cancel-safe, as [`Self::backup`].
    ///
    /// # Errors
    /// Something cannot be read or written.
    pub async fn backup_into(
        &self,
        home: &Home,
        into: &Path,
        keep: usize,
    ) -> Result<BackupReport, ServerError> {
        let (reader, home, into) = (self.reader.clone(), home.clone(), into.to_owned());
        let made = tokio::task::spawn_blocking(move || whole(&reader, &home, &into, keep)).await;
        let report = made.map_err(|_| ServerError::Stopped)??;
        self.set_backed_up(Some(report.head)).await?;
        tracing::info!(folder = %report.folder.display(), head = report.head.0, "a backup is made");
        Ok(report)
    }

    /// Says whether backups are made. Where they are, devices keep their own admitted edits until a
    /// backup holds them, so that a restore loses nothing; where none are, they keep none.
    ///
    /// # Errors
    /// It has stopped, or its file cannot be written.
    pub async fn set_makes_backups(&self, does: bool) -> Result<(), ServerError> {
        let known = self.status().await?.meta.backed_up;
        self.set_backed_up(does.then(|| known.unwrap_or_default())).await
    }

    async fn set_backed_up(&self, backed_up: Option<Sequence>) -> Result<(), ServerError> {
        let (done, result) = oneshot::channel();
        self.tell(Event::SetBackedUp { backed_up, done })?;
        Ok(result.await.map_err(|_| ServerError::Stopped)??)
    }
}

impl Home {
    /// As [`Server::backup_into`], of a server that is not running.
    ///
    /// # Errors
    /// Something cannot be read or written, or the server is running.
    pub fn backup_into(&self, into: &Path, keep: usize) -> Result<BackupReport, ServerError> {
        let mut store = RedbServer::open(self.data_file())?;
        let report = whole(&store.reader(), self, into, keep)?;
        let expected = store.meta()?;
        let meta = crate::sync::ServerMeta { backed_up: Some(report.head), ..expected.clone() };
        store.commit(Commit { expected, meta, operations: Vec::new() })?;
        Ok(report)
    }

    /// Files beside the server's own that a new machine needs: from the folder, and within it.
    fn documents(&self) -> Vec<PathBuf> {
        let config = self.config();
        let mut names: Vec<PathBuf> =
            [CONFIG, SERVER_KEY, TLS_KEY, CERTIFICATE].map(Into::into).into();
        // The organization's key may be kept elsewhere; older folders lack its public half.
        let may_lack = [ORGANIZATION, ORGANIZATION_KEY].map(PathBuf::from);
        names.extend(may_lack.into_iter().filter(|name| self.dir().join(name).exists()));
        names.extend([config.schema.clone(), config.policy.clone()]);
        names.extend(config.profiles.clone());
        if let Some(files) = &config.organization {
            names.extend([files.business_units.clone(), files.users.clone()]);
        }
        let within = |it: &PathBuf| it.components().all(|it| matches!(it, Component::Normal(_)));
        names.retain(within);
        names
    }
}

/// Copies the file, and goes over the copy: only what can be read counts as a backup.
fn copy(reader: &ServerReader, to: &Path) -> Result<Sequence, BackupError> {
    let head = reader.backup(to)?;
    let found = verify(to, &mut |_, _| {})?;
    match found.findings.first() {
        None => Ok(head),
        Some(finding) => Err(StoreError::Damaged(finding.to_string()).into()),
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> BackupError + '_ {
    move |error| OpenError::of_io(path, "write it", error).into()
}

fn whole(
    reader: &ServerReader,
    home: &Home,
    into: &Path,
    keep: usize,
) -> Result<BackupReport, BackupError> {
    fs::create_dir_all(into).map_err(io_error(into))?;
    let name = free_name(into, system::now());
    let unfinished = into.join(format!("{UNFINISHED}{name}"));
    fs::create_dir(&unfinished).map_err(io_error(&unfinished))?;
    let filled = fill(reader, home, &unfinished);
    if filled.is_err() {
        // What was begun is of no use; that it cannot be removed adds nothing to the first error.
        let _ = fs::remove_dir_all(&unfinished);
    }
    let head = filled?;
    let folder = into.join(name);
    fs::rename(&unfinished, &folder).map_err(io_error(&folder))?;
    sync_folder(into)?;
    Ok(BackupReport { folder, head, removed: remove_old(into, keep)? })
}

fn fill(reader: &ServerReader, home: &Home, folder: &Path) -> Result<Sequence, BackupError> {
    for name in home.documents() {
        copy_file(&home.dir().join(&name), &folder.join(&name))?;
    }
    let head = copy(reader, &folder.join(DATA))?;
    sync_folder(folder)?;
    Ok(head)
}

/// Copies a file with its permissions, durably.
fn copy_file(from: &Path, to: &Path) -> Result<(), BackupError> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(io_error(parent))?;
    }
    fs::copy(from, to).map_err(io_error(from))?;
    fs::File::open(to).and_then(|file| file.sync_all()).map_err(io_error(to))
}

fn sync_folder(folder: &Path) -> Result<(), BackupError> {
    if !cfg!(unix) {
        return Ok(());
    }
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error(folder))
}

/// A name by which backups sort by their time, also several of one second: behind all that are
/// there, since the first of these may have been removed already.
fn free_name(into: &Path, now: Timestamp) -> String {
    let time = jiff::Timestamp::from_millisecond(now.as_millis()).unwrap_or_default();
    let name = format!("{NAME}{}-", time.strftime("%Y%m%dT%H%M%SZ"));
    let number = |entry: std::io::Result<fs::DirEntry>| {
        entry.ok()?.file_name().to_str()?.strip_prefix(&name)?.parse::<u32>().ok()
    };
    let last = fs::read_dir(into).ok().and_then(|entries| entries.filter_map(number).max());
    format!("{name}{:04}", last.unwrap_or(0) + 1)
}

/// Removes all but the newest backups. What is not the name of one is left alone.
fn remove_old(into: &Path, keep: usize) -> Result<Vec<PathBuf>, BackupError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(into).map_err(io_error(into))? {
        let entry = entry.map_err(io_error(into))?;
        let is_one = entry.file_name().to_str().is_some_and(|name| name.starts_with(NAME));
        if is_one && entry.path().join(DATA).is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    let surplus = found.len().saturating_sub(keep.max(1));
    found.truncate(surplus);
    for folder in &found {
        fs::remove_dir_all(folder).map_err(io_error(folder))?;
    }
    Ok(found)
}

/// Puts a backup back: `from` is a folder that a backup made (or the file in it), `dir` the
/// server's folder, which may be empty. The server's file is replaced, and kept under another name;
/// keys and documents are put back only where they are missing. The server that starts next begins
/// a new life of the log: devices send again what the backup lacks.
///
/// # Errors
/// The backup is damaged or of another organization, the server is running, or something cannot be
/// written. The server's file is then as it was.
pub fn restore(from: &Path, dir: &Path) -> Result<RestoreReport, ServerError> {
    let is_folder = from.is_dir();
    let file = if is_folder { from.join(DATA) } else { from.to_owned() };
    let found = verify(&file, &mut |_, _| {})?;
    if let Some(finding) = found.findings.first() {
        let detail = format!("{}: {finding}", file.display());
        return Err(StoreError::Damaged(detail).into());
    }
    let mut added = Vec::new();
    if is_folder {
        check_organization(from, dir)?;
        fs::create_dir_all(dir).map_err(io_error(dir))?;
        let home = Home::open(from).map_err(|error| ServerError::Home(Box::new(error)))?;
        for name in home.documents() {
            let to = dir.join(&name);
            if !to.exists() {
                copy_file(&from.join(&name), &to)?;
                added.push(to);
            }
        }
    }
    let to = data_file(dir)?;
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(io_error(parent))?;
    }
    let (head, replaced) = RedbServer::restore(&file, to)?;
    Ok(RestoreReport { head, replaced, added })
}

/// A backup of one organization is not put over a server of another.
fn check_organization(from: &Path, dir: &Path) -> Result<(), ServerError> {
    let key = |folder: &Path| match keys::organization(folder) {
        Ok(key) => Ok(Some(key)),
        Err(HomeError::Gone(_)) => Ok(None),
        Err(error) => Err(ServerError::Home(Box::new(error))),
    };
    match (key(from)?, key(dir)?) {
        (Some(theirs), Some(ours)) if theirs != ours => {
            Err(ServerError::OtherOrganization(from.to_owned(), dir.to_owned()))
        }
        _ => Ok(()),
    }
}

/// Where the server of this folder has its file.
fn data_file(dir: &Path) -> Result<PathBuf, ServerError> {
    match Config::of(dir) {
        Ok(config) => Ok(dir.join(config.data)),
        Err(HomeError::Missing(_)) => Ok(dir.join(DATA)),
        Err(error) => Err(ServerError::Home(Box::new(error))),
    }
}
