//! A server's file.

mod check;
mod commit;
mod snapshot;
mod tables;
mod verify;

use std::path::Path;
use std::sync::Arc;

use redb::StorageBackend;

use super::OpenError;
use super::file::{File, FileKind};
use crate::codec::{Digest, PublicKey, ScanPlace};
use crate::gate::Confirmed;
use crate::model::{DeviceNumber, EditId, RecordId, Sequence};
use crate::sync::{Commit, DeviceRow, LogEntry, RefusedEdit, ServerMeta, ServerStore, StoreError};

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
        File::open(path.as_ref(), FileKind::Server).map(Self::new)
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
        File::open_or_create(path.as_ref(), FileKind::Server, tables::make).map(Self::new)
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

    fn new(file: File) -> Self {
        Self { file: Arc::new(file) }
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

    fn log_after(&self, after: Sequence, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.snapshot()?.log_after(after, limit)
    }

    fn scan(&self, after: Option<&ScanPlace>, limit: usize) -> Result<Vec<Confirmed>, StoreError> {
        self.snapshot()?.scan(after, limit)
    }

    fn device(&self, number: DeviceNumber) -> Result<Option<DeviceRow>, StoreError> {
        self.snapshot()?.device(number)
    }

    fn device_by_key(&self, key: &PublicKey) -> Result<Option<DeviceRow>, StoreError> {
        self.snapshot()?.device_by_key(key)
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

    fn refused(&self, limit: usize) -> Result<Vec<RefusedEdit>, StoreError> {
        self.snapshot()?.refused(limit)
    }

    fn commit(&mut self, commit: Commit) -> Result<(), StoreError> {
        self.file.write(|tx| commit::write(tx, commit))
    }
}
