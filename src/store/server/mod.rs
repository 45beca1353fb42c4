//! A server's file.

mod check;
mod commit;
mod erase;
mod scan;
mod snapshot;
mod tables;
mod trim;
mod verify;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::StorageBackend;

use super::fence::fenced;
use super::file::{self, File, FileKind};
#[cfg(feature = "cli")]
use super::scratch;
use super::{BackupError, OpenError, memory};
use crate::codec::{Digest, PublicKey, ScanPlace};
use crate::gate::{Confirmed, Reach};
use crate::model::{
    Bucket, DeviceNumber, EditId, LogEpoch, Organization, Owner, Policy, PublishedProfiles,
    RecordId, Schema, Sequence, SizeByState, TableName,
};
use crate::sync::{
    Commit, DeviceRow, Erased, LogEntry, Operation, PastStanding, RefusedEdit, ServerMeta,
    ServerStore, StoreError, Strand,
};

pub use snapshot::ServerSnapshot;
pub(super) use verify::verify;

/// A server's redb file, for the one who writes it. Others read through a [`ServerReader`].
#[derive(Debug)]
pub struct RedbServer {
    file: Arc<File>,
}

/// Reads a server's file while another writes it. Cheap to clone; for any thread.
#[derive(Debug, Clone)]
pub struct ServerReader {
    file: Arc<File>,
}

impl RedbServer {
    /// Opens the file.
    ///
    /// # Errors
    /// It is not there, in use, not ours, damaged, or not to be had.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::purged(path.as_ref(), File::open(path.as_ref(), FileKind::Server)?)
    }

    /// Creates the file.
    ///
    /// # Errors
    /// It is there already, or cannot be created; then there is none.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        File::create(path.as_ref(), FileKind::Server, tables::make).map(Self::new)
    }

    /// Opens the file, and creates it first if it is not there.
    ///
    /// # Errors
    /// As [`Self::open`] and [`Self::create`].
    pub fn open_or_create(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let file = File::open_or_create(path.as_ref(), FileKind::Server, tables::make)?;
        Self::purged(path.as_ref(), file)
    }

    /// As [`Self::open_or_create`], with another bound of what is kept of the file in memory than
    /// [`SERVER_CACHE_BYTES`](crate::limits::SERVER_CACHE_BYTES).
    ///
    /// # Errors
    /// As [`Self::open_or_create`].
    pub fn open_or_create_within(
        path: impl AsRef<Path>,
        cache_bytes: usize,
    ) -> Result<Self, OpenError> {
        let (path, kind) = (path.as_ref(), FileKind::Server);
        let file = File::open_or_create_within(path, kind, tables::make, cache_bytes)?;
        Self::purged(path, file)
    }

    /// Opens other storage than a file, and makes it a server's if it is empty: for tests that let
    /// writes fail. `backend` is asked again after an error.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn on_backend<B: StorageBackend>(
        backend: impl Fn() -> std::io::Result<B> + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        File::on_backend(backend, FileKind::Server, tables::make).map(Self::new)
    }

    /// Opens a file that is thrown away in the end, and makes it where it is not there: its writes reach the
    /// disk when the system likes, and may be lost when the machine stops.
    ///
    /// # Errors
    /// As [`Self::open`].
    #[cfg(feature = "cli")]
    pub(crate) fn scratch(path: &Path) -> Result<Self, OpenError> {
        Self::on_backend(scratch::at(path.to_owned()))
    }

    /// Puts a backup in the place of a server's file, which is kept under another name. Returns the
    /// last entry of the log in it, and that name.
    ///
    /// # Errors
    /// Either file is in use, or the new one cannot be written; then all is as before.
    pub fn restore(
        from: &Path,
        to: impl AsRef<Path>,
    ) -> Result<(Sequence, Option<PathBuf>), BackupError> {
        let to = to.as_ref();
        let (database, kind) = file::open_to_copy(from)?;
        if kind != FileKind::Server {
            let (path, found, wanted) = (from.to_owned(), kind, FileKind::Server);
            return Err(OpenError::WrongKind { path, found, wanted }.into());
        }
        let snapshot = ServerSnapshot::of(&database)?;
        let mut meta = snapshot.meta()?;
        let head = meta.head;
        // Also where somebody copied a file by hand: what comes now is another life of the log.
        if meta.epoch != LogEpoch::default() {
            meta.end_life();
        }
        // It may be damaged, which is why it is replaced; but nobody may have it open.
        let present = file::open_damaged(to);
        if let Ok((database, Ok(FileKind::Server))) = &present {
            // Who enrolled since the backup has numbers that are not given again.
            let given = fenced(|| ServerSnapshot::of(database)?.meta()).map(|meta| meta.devices);
            meta.devices = meta.devices.max(given.unwrap_or_default());
        }
        let make = |tx: &redb::WriteTransaction| {
            tables::copy(snapshot.tx(), tx)?;
            tables::META.write(tx)?.set(&tables::META_KEY.to_owned(), &meta)?;
            Ok(())
        };
        match present {
            Err(OpenError::NotFound(_)) => {
                BackupError::sort(file::create(to, FileKind::Server, make))?;
                return Ok((head, None));
            }
            Err(error @ OpenError::InUse(_)) => return Err(error.into()),
            _ => {}
        }
        let replaced = file::free_name(to, "replaced");
        BackupError::sort(file::create_over(to, FileKind::Server, &replaced, make))?;
        Ok((head, Some(replaced)))
    }

    /// An empty one in memory, for tests: it goes with this handle and its readers.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn in_memory() -> Result<Self, OpenError> {
        Self::on_backend(memory::once())
    }

    fn new(file: File) -> Self {
        Self { file: Arc::new(file) }
    }

    /// Finishes a purge that a process did not live to finish, before anything else is done.
    fn purged(path: &Path, file: File) -> Result<Self, OpenError> {
        let server = Self::new(file);
        let finished = fenced(|| server.purge());
        finished.map_err(|error| OpenError::store(path, "finish the purge of it", error))?;
        Ok(server)
    }

    /// Writes the file anew if bytes of what was erased may be left in it.
    fn purge(&self) -> Result<(), StoreError> {
        if !tables::is_purge_due(self.snapshot()?.tx())? {
            return Ok(());
        }
        if self.file.is_replaceable() {
            return self.file.rewrite(tables::copy);
        }
        // For tests, which look at what is done and not at bytes.
        self.file.write(|tx| tables::set_purge_due(tx, false))
    }

    /// A handle for reading beside this one.
    #[must_use]
    pub fn reader(&self) -> ServerReader {
        ServerReader { file: Arc::clone(&self.file) }
    }

    /// The state of this moment.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn snapshot(&self) -> Result<ServerSnapshot, StoreError> {
        ServerSnapshot::new(&self.file)
    }

    /// Goes over the whole file: pages, checksums, and whether the tables agree with each other.
    /// No snapshot of it may be alive.
    ///
    /// # Errors
    /// The first thing found.
    pub fn check(&self) -> Result<(), StoreError> {
        self.file.check_integrity()?;
        check::check(&self.snapshot()?)
    }
}

impl ServerReader {
    /// Copies the state of this moment into a new file, while others read and write. The copy says
    /// of itself that no life of the log has begun: a server that opens it begins one. Returns the
    /// last entry of the log in it.
    ///
    /// # Errors
    /// The store cannot be read, or the new file not be written; then there is none.
    pub fn backup(&self, to: impl AsRef<Path>) -> Result<Sequence, BackupError> {
        let snapshot = self.snapshot()?;
        let mut meta = snapshot.meta()?;
        meta.end_life();
        let head = meta.head;
        BackupError::sort(file::create(to.as_ref(), FileKind::Server, |tx| {
            tables::copy(snapshot.tx(), tx)?;
            tables::META.write(tx)?.set(&tables::META_KEY.to_owned(), &meta)?;
            Ok(())
        }))?;
        Ok(head)
    }

    /// The state of this moment.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn snapshot(&self) -> Result<ServerSnapshot, StoreError> {
        ServerSnapshot::new(&self.file)
    }
}

impl ServerStore for RedbServer {
    fn meta(&self) -> Result<ServerMeta, StoreError> {
        self.snapshot()?.meta()
    }

    fn record(&self, record: RecordId) -> Result<Option<Confirmed>, StoreError> {
        self.snapshot()?.record(record)
    }

    fn admitted(&self, edit: EditId) -> Result<Option<Sequence>, StoreError> {
        self.snapshot()?.admitted(edit)
    }

    fn erased(&self, record: RecordId) -> Result<Option<Erased>, StoreError> {
        self.snapshot()?.erased(record)
    }

    fn all_erased(&self) -> Result<Vec<Erased>, StoreError> {
        self.snapshot()?.all_erased()
    }

    fn beside(&self, record: RecordId) -> Result<[Option<RecordId>; 2], StoreError> {
        self.snapshot()?.beside(record)
    }

    fn beside_of(
        &self,
        owner: &Owner,
        place: &ScanPlace,
    ) -> Result<[Option<RecordId>; 2], StoreError> {
        self.snapshot()?.beside_of(owner, place)
    }

    fn log_after(&self, after: Sequence, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.snapshot()?.log_after(after, limit)
    }

    fn log_along(
        &self,
        strands: &BTreeSet<Strand>,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<LogEntry>, StoreError> {
        self.snapshot()?.log_along(strands, after, limit)
    }

    fn record_count(&self) -> Result<u64, StoreError> {
        self.snapshot()?.record_count()
    }

    fn size(&self, table: &TableName, bucket: Option<&Bucket>) -> Result<SizeByState, StoreError> {
        self.snapshot()?.size(table, bucket)
    }

    fn scan(&self, after: Option<&ScanPlace>, limit: usize) -> Result<Vec<Confirmed>, StoreError> {
        self.snapshot()?.scan(after, limit)
    }

    fn scan_bucket(
        &self,
        bucket: &Bucket,
        after: Option<&ScanPlace>,
        limit: usize,
    ) -> Result<Vec<Confirmed>, StoreError> {
        self.snapshot()?.scan_bucket(bucket, after, limit)
    }

    fn scan_within(
        &self,
        table: &TableName,
        reach: &Reach,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<Confirmed>, StoreError> {
        self.snapshot()?.scan_within(table, reach, after, limit)
    }

    fn device(&self, number: DeviceNumber) -> Result<Option<DeviceRow>, StoreError> {
        self.snapshot()?.device(number)
    }

    fn device_by_key(&self, key: &PublicKey) -> Result<Option<DeviceRow>, StoreError> {
        self.snapshot()?.device_by_key(key)
    }

    fn schema(&self) -> Result<Option<Schema>, StoreError> {
        self.snapshot()?.schema()
    }

    fn rules(&self) -> Result<Option<(Policy, Organization)>, StoreError> {
        self.snapshot()?.rules()
    }

    fn profiles(&self) -> Result<PublishedProfiles, StoreError> {
        self.snapshot()?.profiles()
    }

    fn devices(&self) -> Result<Vec<DeviceRow>, StoreError> {
        self.snapshot()?.devices()
    }

    fn code_used_by(&self, nonce: [u8; 8]) -> Result<Option<PublicKey>, StoreError> {
        self.snapshot()?.code_used_by(nonce)
    }

    fn standing(
        &self,
        device: DeviceNumber,
        digest: Digest,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.snapshot()?.standing(device, digest)
    }

    fn past_standings(
        &self,
        device: DeviceNumber,
        after: Sequence,
    ) -> Result<Vec<PastStanding>, StoreError> {
        self.snapshot()?.past_standings(device, after)
    }

    fn refused(&self, limit: usize) -> Result<Vec<RefusedEdit>, StoreError> {
        self.snapshot()?.refused(limit)
    }

    fn refusals(&self, edit: EditId) -> Result<Vec<RefusedEdit>, StoreError> {
        self.snapshot()?.refusals(edit)
    }

    fn commit(&mut self, commit: Commit) -> Result<(), StoreError> {
        let erases = commit.operations.iter().any(|it| matches!(it, Operation::Erase(_)));
        self.file.write(|tx| commit::write(tx, commit, self.file.lately()))?;
        if erases && let Err(error) = self.purge() {
            // The record is erased all the same.
            tracing::warn!(%error, "erased bytes are left in the file until it is opened next");
        }
        Ok(())
    }
}
