//! Opening and creating files, and the transactions on them.

use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use redb::backends::FileBackend;
use redb::{
    Builder, Database, ReadTransaction, ReadableDatabase, StorageBackend, StorageError, TableError,
    TransactionError, WriteTransaction,
};

use super::catalog;
use super::fence::{self, fenced};
use super::lately::Lately;
use super::peek::Peek;
use super::reading::{Readers, Snapshot};
use super::survey::Survey;
use super::table::Table;
use super::untouched::{Leave, Untouched};
use super::{OpenError, rewrite};
use crate::limits::{REPLICA_CACHE_BYTES, SERVER_CACHE_BYTES};
use crate::sync::StoreError;

/// The format of files that this build writes, and the only one that it reads.
const FORMAT: u64 = 17;

/// What the file is: "kind" -> a [`FileKind`], "format" -> its number, "commits" -> how many there
/// were. This table stays as it is in all formats, so that every build can say what it cannot read.
static FILE: Table<String, u64> = Table::new("tidegate");

const KIND_KEY: &str = "kind";
const FORMAT_KEY: &str = "format";
const COMMITS_KEY: &str = "commits";

/// redb's files begin with this.
const MAGIC: &[u8] = b"redb";

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// Of a device.
    Replica,
    /// Of a server.
    Server,
}

impl FileKind {
    fn number(self) -> u64 {
        match self {
            Self::Replica => 1,
            Self::Server => 2,
        }
    }

    fn from_number(number: u64) -> Option<Self> {
        [Self::Replica, Self::Server].into_iter().find(|kind| kind.number() == number)
    }

    /// What is kept of the file in memory, at the most, where nothing else is said.
    fn cache_bytes(self) -> usize {
        match self {
            Self::Replica => REPLICA_CACHE_BYTES,
            Self::Server => SERVER_CACHE_BYTES,
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Replica => "replica",
            Self::Server => "server",
        })
    }
}

/// Makes a new file's tables.
pub(super) type MakeTables = fn(&WriteTransaction) -> Result<(), StoreError>;

/// Opens what a file is kept in.
type Opener = Box<dyn Fn() -> Result<Open, OpenError> + Send + Sync>;

/// A database, and what it lies in.
pub(super) struct Open {
    database: Database,
    storage: Box<dyn Leave>,
}

/// The database that is open now.
struct Current {
    open: Open,
    /// Whoever reads it.
    readers: Arc<Readers>,
}

/// What a database lies in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A file, which another can replace.
    File,
    /// Other storage, which stays.
    Storage,
}

/// An open file.
pub(super) struct File {
    kind: FileKind,
    /// In messages, and where another is put in its place.
    path: PathBuf,
    place: Place,
    opener: Opener,
    /// What is kept of it in memory, at the most.
    cache_bytes: usize,
    /// `None`: opening it again failed, and is tried again.
    database: RwLock<Option<Current>>,
    /// What memory says may not be what the disk says.
    stale: AtomicBool,
    lately: Arc<Lately>,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("kind", &self.kind)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Closing writes, too, and so may panic on damaged pages: not out of a drop.
impl Drop for File {
    fn drop(&mut self) {
        let database = self.database.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        close(database.map(|current| current.open));
    }
}

impl File {
    /// Opens a file that is there.
    pub(super) fn open(path: &Path, kind: FileKind) -> Result<Self, OpenError> {
        Self::open_within(path, kind, kind.cache_bytes())
    }

    /// As [`Self::open`], with another bound of what is kept of it in memory.
    fn open_within(path: &Path, kind: FileKind, cache_bytes: usize) -> Result<Self, OpenError> {
        let file = path.to_owned();
        let again = Box::new(move || open(&file, kind, cache_bytes));
        let opened = Self::new(kind, path, Place::File, again, cache_bytes)?;
        // Nobody else writes it now: what lies beside it was left where a process ended.
        rewrite::remove_unfinished(path)?;
        Ok(opened)
    }

    /// Creates a file that is not there yet, and opens it.
    pub(super) fn create(path: &Path, kind: FileKind, make: MakeTables) -> Result<Self, OpenError> {
        create(path, kind, make)?;
        Self::open(path, kind)
    }

    /// Opens the file; creates it first if it is not there.
    pub(super) fn open_or_create(
        path: &Path,
        kind: FileKind,
        make: MakeTables,
    ) -> Result<Self, OpenError> {
        Self::open_or_create_within(path, kind, make, kind.cache_bytes())
    }

    /// As [`Self::open_or_create`], with another bound of what is kept of it in memory.
    pub(super) fn open_or_create_within(
        path: &Path,
        kind: FileKind,
        make: MakeTables,
        cache_bytes: usize,
    ) -> Result<Self, OpenError> {
        match Self::open_within(path, kind, cache_bytes) {
            Err(OpenError::NotFound(_)) => {}
            result => return result,
        }
        match create(path, kind, make) {
            // Also where another process was faster; its file is whole.
            Ok(()) | Err(OpenError::Exists(_)) => Self::open_within(path, kind, cache_bytes),
            Err(error) => Err(error),
        }
    }

    /// Opens other storage; makes the file in it if it is empty.
    pub(super) fn on_backend<B: StorageBackend>(
        backend: impl Fn() -> io::Result<B> + Send + Sync + 'static,
        kind: FileKind,
        make: MakeTables,
    ) -> Result<Self, OpenError> {
        let path = Path::new("(memory)");
        let opener = move || {
            let failed = |error| OpenError::io(path, "open it", error);
            let backend = backend().map_err(failed)?;
            let is_new = backend.len().map_err(failed)? == 0;
            let open = open_repaired(path, backend, kind.cache_bytes())?;
            if is_new {
                let filled = fill(&open.database, kind, make);
                filled.map_err(|it| OpenError::store(path, "fill it", it))?;
            }
            checked(path, open, kind)
        };
        Self::new(kind, path, Place::Storage, Box::new(opener), kind.cache_bytes())
    }

    fn new(
        kind: FileKind,
        path: &Path,
        place: Place,
        opener: Opener,
        cache_bytes: usize,
    ) -> Result<Self, OpenError> {
        let database = RwLock::new(Some(Current::new(opener()?)));
        let (path, stale, lately) = (path.to_owned(), AtomicBool::new(false), Arc::default());
        Ok(Self { kind, path, place, opener, cache_bytes, database, stale, lately })
    }

    /// The state of this moment.
    pub(super) fn begin_read(&self) -> Result<Snapshot, StoreError> {
        self.with_current(|current| {
            let tx = current.open.database.begin_read().map_err(fence::transaction)?;
            let (readers, lately) = (Arc::clone(&current.readers), Arc::clone(&self.lately));
            Ok(Snapshot::new(tx, readers, lately))
        })
    }

    /// The records in it that are known already.
    pub(super) fn lately(&self) -> &Lately {
        &self.lately
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether [`Self::rewrite`] can do its work: other storage than a file cannot be replaced.
    pub(super) fn is_replaceable(&self) -> bool {
        self.place == Place::File
    }

    /// Puts a new file in the place of this one, which holds what `copy` takes over and not a byte
    /// more: redb leaves the bytes of what is deleted where they are. At any moment the name leads
    /// to one of the two, whole and durable. The caller sees to it that nobody writes meanwhile;
    /// who reads goes on, and what was begun before ends on the old file.
    pub(super) fn rewrite(
        &self,
        copy: impl FnOnce(&ReadTransaction, &WriteTransaction) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let snapshot = self.begin_read()?;
        let failed = |error: OpenError| StoreError::Io(error.to_string());
        // Where the name is a link, what it leads to is what holds the bytes.
        let path = fs::canonicalize(&self.path).map_err(|it| StoreError::Io(it.to_string()))?;
        let new = rewrite::Unfinished::create(&path).map_err(failed)?;
        let storage = FileBackend::new(new.reopen().map_err(failed)?)
            .map_err(|error| failed(OpenError::redb(&path, "rewrite it", error)))?;
        let open = open_repaired(&path, storage, self.cache_bytes).map_err(failed)?;
        fenced(|| fill(&open.database, self.kind, |tx| copy(&snapshot, tx)))?;
        drop(snapshot);
        let mut guard = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // Windows does not replace what is open, so there is a moment in which another process
        // could open the old file. Elsewhere both are held until the new one has the name.
        if cfg!(windows) {
            close(guard.take().map(|current| current.open));
        }
        let named = new.take_place_of(&path);
        if let Err(error) = named {
            close(Some(open));
            return Err(failed(error));
        }
        let old = guard.replace(Current::new(open));
        drop(guard);
        self.lately.clear();
        self.stale.store(false, Ordering::Release);
        if let Some(Current { open, readers }) = old {
            readers.close_after_last(open);
        }
        rewrite::make_durable(&path).map_err(failed)
    }

    /// Does `work` in one durable transaction: all of it, or nothing.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let tx = match self.with(|database| Ok(database.begin_write()))? {
            // After an error of the system redb writes no more until the file is opened again.
            Err(TransactionError::Storage(StorageError::PreviousIo)) => {
                self.stale.store(true, Ordering::Release);
                self.with(|database| database.begin_write().map_err(fence::transaction))?
            }
            begun => begun.map_err(fence::transaction)?,
        };
        let mut number = None;
        let result = fenced(|| match work(&tx).and_then(|done| Ok((done, count(&tx)?))) {
            Ok((done, commits)) => {
                number = Some(commits);
                tx.commit().map_err(fence::commit)?;
                Ok(done)
            }
            Err(error) => {
                // What it says adds nothing to the first error.
                let _ = tx.abort();
                Err(error)
            }
        });
        match (result, number) {
            (Err(error), Some(number)) => Err(self.after_failed_commit(error, number)),
            (result, _) => result,
        }
    }

    /// Finds out whether a failed commit can have reached the disk: if the file, opened again, is
    /// as it was before, it cannot. If the commit is there, it may still be lost when the machine
    /// stops: the system reports a failed sync once, and shows the unsynced pages afterwards.
    fn after_failed_commit(&self, error: StoreError, number: u64) -> StoreError {
        self.stale.store(true, Ordering::Release);
        let commits = self.begin_read().and_then(|tx| FILE.read(&tx)?.get(&COMMITS_KEY.to_owned()));
        match (commits, error) {
            (Ok(commits), StoreError::Ambiguous(text)) if commits != Some(number) => {
                StoreError::Io(text)
            }
            (_, error) => error,
        }
    }

    /// Goes over the whole file.
    pub(super) fn check_integrity(&self) -> Result<(), StoreError> {
        self.with(|_| Ok(()))?;
        let mut guard = self.database.write().unwrap_or_else(PoisonError::into_inner);
        let Some(current) = guard.as_mut() else { return Err(closed()) };
        check_pages(&mut current.open.database)
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with_current(|current| work(&current.open.database))
    }

    fn with_current<T>(
        &self,
        work: impl FnOnce(&Current) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(current) = guard.as_ref()
            && !self.stale.load(Ordering::Acquire)
        {
            return fenced(|| work(current));
        }
        drop(guard);
        let mut guard = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if guard.is_none() || self.stale.load(Ordering::Acquire) {
            self.reopen(&mut guard)?;
        }
        let Some(current) = guard.as_ref() else { return Err(closed()) };
        fenced(|| work(current))
    }

    fn reopen(&self, database: &mut Option<Current>) -> Result<(), StoreError> {
        // Closes it first: a file is opened once.
        close(database.take().map(|current| current.open));
        let opened = (self.opener)();
        let opened = opened.map_err(|error| StoreError::Io(error.to_string()))?;
        *database = Some(Current::new(opened));
        self.stale.store(false, Ordering::Release);
        tracing::warn!(path = %self.path.display(), "opened the file again after an error");
        Ok(())
    }
}

impl Current {
    fn new(open: Open) -> Self {
        Self { open, readers: Arc::default() }
    }
}

/// redb's own check of all pages and their checksums.
pub(super) fn check_pages(database: &mut Database) -> Result<(), StoreError> {
    fenced(|| match database.check_integrity() {
        Ok(true) => Ok(()),
        Ok(false) => Err(StoreError::Damaged(
            "its pages did not fit each other; what could be repaired was".into(),
        )),
        Err(redb::DatabaseError::TransactionInProgress) => {
            Err(StoreError::Io("it cannot be checked while snapshots of it are read".into()))
        }
        Err(redb::DatabaseError::Storage(error)) => Err(fence::storage(error)),
        Err(error) => Err(StoreError::Damaged(error.to_string())),
    })
}

/// As [`check_pages`]. It comes last: what it repairs, in memory, is not what is in the file.
pub(super) fn look_at_pages(database: &mut Database, survey: &mut Survey<'_>) {
    let problem = match check_pages(database) {
        Ok(()) => return,
        Err(StoreError::Damaged(text)) => text,
        Err(other) => other.to_string(),
    };
    survey.found("(pages)", None, problem);
}

/// Counts a commit, and gives its number.
fn count(tx: &WriteTransaction) -> Result<u64, StoreError> {
    let mut file = FILE.write(tx)?;
    let key = COMMITS_KEY.to_owned();
    let number = file.get(&key)?.unwrap_or(0).wrapping_add(1);
    file.set(&key, &number)?;
    Ok(number)
}

pub(super) fn close(open: Option<Open>) {
    let Some(Open { database, storage }) = open else { return };
    storage.leave();
    if let Err(error) = fenced(|| {
        drop(database);
        Ok(())
    }) {
        tracing::error!(%error, "the file was not closed in order");
    }
}

fn closed() -> StoreError {
    StoreError::Io("it is closed since an earlier read or write failed: open it again".into())
}

fn builder(cache_bytes: usize) -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes);
    builder
}

fn fenced_open<T>(
    path: &Path,
    work: impl FnOnce() -> Result<T, OpenError>,
) -> Result<T, OpenError> {
    fenced(|| Ok(work())).unwrap_or_else(|error| Err(OpenError::store(path, "open it", error)))
}

fn open(path: &Path, kind: FileKind, cache_bytes: usize) -> Result<Open, OpenError> {
    // redb repairs what it opens, if that was not closed in order. So such a file is looked at
    // first: what is damaged, or another's, is refused as it was found.
    let storage = || {
        let file = open_ours(path, true)?;
        FileBackend::new(file).map_err(|error| OpenError::redb(path, "open it", error))
    };
    if let Some(opened) = open_in(path, storage()?, cache_bytes, Repairing::No)? {
        return checked(path, opened, kind);
    }
    let (looked_at, found) = open_to_look(path)?;
    drop(looked_at);
    if found != kind {
        return Err(OpenError::WrongKind { path: path.to_owned(), found, wanted: kind });
    }
    checked(path, open_repaired(path, storage()?, cache_bytes)?, kind)
}

/// Whether redb may repair a file that was not closed in order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repairing {
    No,
    Yes,
}

fn open_repaired(
    path: &Path,
    storage: impl StorageBackend,
    cache_bytes: usize,
) -> Result<Open, OpenError> {
    let aborted = || OpenError::redb(path, "repair it", redb::DatabaseError::RepairAborted);
    open_in(path, storage, cache_bytes, Repairing::Yes)?.ok_or_else(aborted)
}

/// `None`: it must be repaired, and was not; nothing was written.
fn open_in(
    path: &Path,
    storage: impl StorageBackend,
    cache_bytes: usize,
    repairing: Repairing,
) -> Result<Option<Open>, OpenError> {
    let storage = Untouched::new(storage);
    let opened = fenced_open(path, || {
        let mut builder = builder(cache_bytes);
        if repairing == Repairing::No {
            builder.set_repair_callback(redb::RepairSession::abort);
        }
        match builder.create_with_backend(storage.clone()) {
            Ok(database) => Ok(Some(database)),
            Err(redb::DatabaseError::RepairAborted) if repairing == Repairing::No => Ok(None),
            Err(error) => Err(OpenError::redb(path, "open it", error)),
        }
    });
    // Also where it is not opened: what was held back is not written then.
    let database = opened.inspect_err(|_| storage.leave())?;
    let Some(database) = database else {
        storage.leave();
        return Ok(None);
    };
    let open = Open { database, storage: Box::new(storage.clone()) };
    let problem = match catalog::is_as_written(storage.backend()) {
        Ok(true) => return Ok(Some(open)),
        Ok(false) => OpenError::Damaged {
            path: path.to_owned(),
            detail: "its catalog of tables is not what was written".into(),
        },
        Err(error) => OpenError::io(path, "read it", error),
    };
    close(Some(open));
    Err(problem)
}

fn checked(path: &Path, open: Open, kind: FileKind) -> Result<Open, OpenError> {
    match check(path, &open.database, kind) {
        Ok(()) => Ok(open),
        Err(error) => {
            close(Some(open));
            Err(error)
        }
    }
}

/// Opens a file of either kind to copy what it holds; nothing is written to it.
pub(super) fn open_to_copy(path: &Path) -> Result<(Database, FileKind), OpenError> {
    open_ours(path, false)?;
    let open = open_repaired(path, Peek::open(path)?, REPLICA_CACHE_BYTES)?;
    let kind = kind_of(path, &open.database)?;
    Ok((open.database, kind))
}

/// Opens a file of either kind to look at it, whatever is damaged; nothing is written to it.
pub(super) fn open_to_look(path: &Path) -> Result<(Database, FileKind), OpenError> {
    let (database, kind) = open_damaged(path)?;
    Ok((database, kind?))
}

/// As [`open_to_look`], also where it does not tell any more whose file it is.
pub(super) fn open_damaged(
    path: &Path,
) -> Result<(Database, Result<FileKind, OpenError>), OpenError> {
    open_ours(path, false)?;
    let peek = Peek::open(path)?;
    let database = fenced_open(path, || {
        let opened = builder(REPLICA_CACHE_BYTES).create_with_backend(peek);
        opened.map_err(|error| OpenError::redb(path, "open it", error))
    })?;
    let kind = kind_of(path, &database);
    Ok((database, kind))
}

/// Whose file it is. Nothing is written to it, and nobody is kept away from it: not even somebody
/// who opens it at this moment.
///
/// # Errors
/// It is not there, in use, not ours, or does not tell.
#[cfg(feature = "server")]
pub fn look(path: &Path) -> Result<FileKind, OpenError> {
    let in_use = || Peek::open_unlocked(path).is_ok_and(|peek| peek.is_in_use());
    let kind = || {
        open_ours(path, false)?;
        let peek = Peek::open_unlocked(path)?;
        let database = fenced_open(path, || {
            let opened = builder(REPLICA_CACHE_BYTES).create_with_backend(peek);
            opened.map_err(|error| OpenError::redb(path, "open it", error))
        })?;
        kind_of(path, &database)
    };
    if in_use() {
        return Err(OpenError::InUse(path.to_owned()));
    }
    // Where somebody began to write meanwhile, what was read says nothing.
    kind().map_err(|error| if in_use() { OpenError::InUse(path.to_owned()) } else { error })
}

/// Opens a file, and tells one of another program from a damaged one.
fn open_ours(path: &Path, to_write: bool) -> Result<fs::File, OpenError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => OpenError::NotFound(path.to_owned()),
        _ => OpenError::io(path, "open it", error),
    };
    let file = fs::OpenOptions::new().read(true).write(to_write).open(path).map_err(failed)?;
    let mut start = Vec::new();
    let limit = u64::try_from(MAGIC.len()).unwrap_or(u64::MAX);
    match (&file).take(limit).read_to_end(&mut start) {
        // Where locks bind readers too, this is how the other process shows.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(file),
        result => result.map_err(failed)?,
    };
    if start == MAGIC {
        return Ok(file);
    }
    let problem = if start.is_empty() { "it is empty" } else { "it does not begin as one does" };
    Err(OpenError::Foreign { path: path.to_owned(), problem: problem.into() })
}

/// Checks that the file is ours, of a format that we know, and of the right kind.
fn check(path: &Path, database: &Database, wanted: FileKind) -> Result<(), OpenError> {
    let found = kind_of(path, database)?;
    if found != wanted {
        return Err(OpenError::WrongKind { path: path.to_owned(), found, wanted });
    }
    Ok(())
}

/// Whose file it is, if it is ours and of a format that we know.
fn kind_of(path: &Path, database: &Database) -> Result<FileKind, OpenError> {
    let foreign = |problem: &str| OpenError::Foreign { path: path.into(), problem: problem.into() };
    let (number, format) = fenced_open(path, || {
        let failed = |error| OpenError::store(path, "read it", error);
        let tx = database.begin_read().map_err(|error| failed(fence::transaction(error)))?;
        match tx.open_untyped_table(redb::TableDefinition::<&[u8], &[u8]>::new(FILE.name())) {
            Err(TableError::TableDoesNotExist(_)) => {
                return Err(foreign("it is a redb file of another program"));
            }
            result => result.map_err(|error| failed(fence::table(error)))?,
        };
        let file = FILE.read(&tx).map_err(failed)?;
        let number = file.expect(&KIND_KEY.to_owned()).map_err(failed)?;
        let format = file.expect(&FORMAT_KEY.to_owned()).map_err(failed)?;
        Ok((number, format))
    })?;
    if format > FORMAT {
        return Err(OpenError::Newer { path: path.to_owned(), found: format, known: FORMAT });
    }
    if format < FORMAT {
        return Err(OpenError::Older { path: path.to_owned(), found: format });
    }
    FileKind::from_number(number)
        .ok_or_else(|| foreign(&format!("it is of an unknown kind ({number})")))
}

/// What becomes of a file that is there already under the name of a new one.
enum Old<'a> {
    /// There must be none.
    Refuse,
    /// It gets this name.
    Keep(&'a Path),
}

/// Creates a file under a temporary name, and gives it its own when it is whole and durable: a
/// power cut leaves no half-made file behind that name.
pub(super) fn create(
    path: &Path,
    kind: FileKind,
    make: impl FnOnce(&WriteTransaction) -> Result<(), StoreError>,
) -> Result<(), OpenError> {
    create_as(path, kind, &Old::Refuse, make)
}

/// As [`create`], in place of a file that is kept as `old`. At any moment one of the two has the
/// name.
pub(super) fn create_over(
    path: &Path,
    kind: FileKind,
    old: &Path,
    make: impl FnOnce(&WriteTransaction) -> Result<(), StoreError>,
) -> Result<(), OpenError> {
    create_as(path, kind, &Old::Keep(old), make)
}

fn create_as(
    path: &Path,
    kind: FileKind,
    old: &Old<'_>,
    make: impl FnOnce(&WriteTransaction) -> Result<(), StoreError>,
) -> Result<(), OpenError> {
    let failed = |action| move |error: io::Error| OpenError::io(path, action, error);
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(OpenError::NoFolder(path.to_owned()));
    }
    if matches!(old, Old::Refuse) && path.try_exists().map_err(failed("look for it"))? {
        return Err(OpenError::Exists(path.to_owned()));
    }
    let file = tempfile::Builder::new()
        .prefix(".tidegate-new-")
        .tempfile_in(folder)
        .map_err(failed("create it"))?;
    let inner = file.reopen().map_err(failed("create it"))?;
    let database = builder(kind.cache_bytes())
        .create_file(inner)
        .map_err(|error| OpenError::redb(path, "create it", error))?;
    fill(&database, kind, make).map_err(|error| OpenError::store(path, "create it", error))?;
    drop(database);
    file.as_file().sync_all().map_err(failed("write it"))?;
    let named = match old {
        Old::Refuse => file.persist_noclobber(path),
        Old::Keep(old) => {
            // Where the file system knows no second names, there is a moment without the first.
            fs::hard_link(path, old)
                .or_else(|_| fs::rename(path, old))
                .map_err(failed("keep the old file beside it"))?;
            file.persist(path)
        }
    };
    named.map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => OpenError::Exists(path.to_owned()),
        _ => OpenError::io(path, "rename it", error.error),
    })?;
    sync_folder(folder).map_err(failed("write the folder of it"))
}

/// A name beside `path` that no file has: `path` with `.word` or `.word-2` and so on at the end.
pub(super) fn free_name(path: &Path, word: &str) -> PathBuf {
    let name = |ending: String| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let numbered = (2_u32..).map(|number| name(format!(".{word}-{number}")));
    let mut names = std::iter::once(name(format!(".{word}"))).chain(numbered);
    names.find(|name| fs::symlink_metadata(name).is_err()).unwrap_or_else(|| path.to_owned())
}

fn fill(
    database: &Database,
    kind: FileKind,
    make: impl FnOnce(&WriteTransaction) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let tx = database.begin_write().map_err(fence::transaction)?;
    {
        let mut file = FILE.write(&tx)?;
        file.set(&KIND_KEY.to_owned(), &kind.number())?;
        file.set(&FORMAT_KEY.to_owned(), &FORMAT)?;
    }
    make(&tx)?;
    tx.commit().map_err(fence::commit)
}

/// Makes the rename durable; only Unix lets a folder be opened for that.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(folder)?.sync_all() } else { Ok(()) }
}
