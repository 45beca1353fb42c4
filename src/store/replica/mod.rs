//! A replica's file.

mod changes;
mod check;
mod commit;
mod flat;
mod index;
mod mark;
mod pending;
mod repair;
mod row_reader;
mod rows;
mod snapshot;
mod tables;
mod verify;

use std::path::Path;
use std::sync::Arc;

use redb::StorageBackend;

use super::fence::fenced;
use super::file::{self, File, FileKind};
#[cfg(feature = "cli")]
use super::scratch;
use super::survey::{Survey, Verification};
use super::{BackupError, OpenError, memory};
use crate::codec::ScanPlace;
use crate::gate::Confirmed;
use crate::model::{EditId, RecordId, TableName};
use crate::sync::{
    Held, Kept, KeptPlace, Pending, Purge, Quarantined, ReplicaBatch, ReplicaMeta, ReplicaStore,
    StoreError, StoredRow, Turn,
};

use mark::FileMark;

pub use index::{IndexProgress, IndexReader};
pub use repair::{Repair, RepairError, repair};
pub use row_reader::{RowReader, Wanted};
pub use rows::{RowCursor, Rows};
pub use snapshot::ReplicaSnapshot;
pub(super) use verify::verify;

/// A replica's redb file, for the one who writes it. Others read through a [`ReplicaReader`].
#[derive(Debug)]
pub struct RedbReplica {
    file: Arc<File>,
}

/// Reads a replica's file while another writes it. Cheap to clone; for any thread.
#[derive(Debug, Clone)]
pub struct ReplicaReader {
    file: Arc<File>,
}

impl RedbReplica {
    /// Opens the file.
    ///
    /// # Errors
    /// It is not there, in use, not ours, damaged, or not to be had.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::taken_up(path.as_ref(), File::open(path.as_ref(), FileKind::Replica)?)
    }

    /// Creates the file.
    ///
    /// # Errors
    /// It is there already, or cannot be created; then there is none.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let file = File::create(path.as_ref(), FileKind::Replica, tables::make)?;
        Self::taken_up(path.as_ref(), file)
    }

    /// Opens the file, and creates it first if it is not there.
    ///
    /// # Errors
    /// As [`Self::open`] and [`Self::create`].
    pub fn open_or_create(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let file = File::open_or_create(path.as_ref(), FileKind::Replica, tables::make)?;
        Self::taken_up(path.as_ref(), file)
    }

    /// Opens other storage than a file, and makes it a replica's if it is empty: for tests that let
    /// writes fail. `backend` is asked again after an error.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn on_backend<B: StorageBackend>(
        backend: impl Fn() -> std::io::Result<B> + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        File::on_backend(backend, FileKind::Replica, tables::make).map(Self::new)
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

    /// Notes which file this is, and finishes a purge that a process did not live to finish, before
    /// anything else is done: in this order, for the purge makes another file of it.
    fn taken_up(path: &Path, file: File) -> Result<Self, OpenError> {
        let mut replica = Self::new(file);
        let marked = replica.mark(path, true);
        marked.map_err(|error| OpenError::store(path, "note which file it is", error))?;
        let is_due = fenced(|| Ok(tables::purge(replica.snapshot()?.tx())? == Purge::Due));
        let finished = is_due.and_then(|is_due| if is_due { replica.rewrite() } else { Ok(()) });
        finished.map_err(|error| OpenError::store(path, "finish the purge of it", error))?;
        Ok(replica)
    }

    /// Notes which file this is, where it is not the one that it was; that makes it a copy, unless this
    /// process put it there.
    fn mark(&self, path: &Path, may_be_copy: bool) -> Result<(), StoreError> {
        // Where the system does not say, it is not known.
        let Ok(mark) = FileMark::of(path) else { return Ok(()) };
        let before = fenced(|| tables::file_mark(self.snapshot()?.tx()))?;
        if before == Some(mark) {
            return Ok(());
        }
        let is_copy = may_be_copy && before.is_some_and(|before| before.is_another(mark));
        if is_copy {
            tracing::warn!(path = %path.display(), "this file is a copy: its edits get other ids");
        }
        self.file.write(|tx| tables::set_file_mark(tx, mark, is_copy))
    }

    /// A handle for reading beside this one.
    #[must_use]
    pub fn reader(&self) -> ReplicaReader {
        ReplicaReader { file: Arc::clone(&self.file) }
    }

    /// The state of this moment.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn snapshot(&self) -> Result<ReplicaSnapshot, StoreError> {
        ReplicaSnapshot::new(&self.file)
    }

    /// Puts up to so many rows more into an index that is not built yet. Tells whether there is more to
    /// do.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn build_indexes(&mut self, at_most: usize) -> Result<bool, StoreError> {
        if self.snapshot()?.has_all_indexes()? {
            return Ok(false);
        }
        self.file.write(|tx| index::build(tx, at_most))
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

impl ReplicaReader {
    /// Copies the state of this moment into a new file, while others read and write.
    ///
    /// # Errors
    /// The store cannot be read, or the new file not be written; then there is none.
    pub fn backup(&self, to: impl AsRef<Path>) -> Result<(), BackupError> {
        let snapshot = self.snapshot()?;
        BackupError::sort(file::create(to.as_ref(), FileKind::Replica, |tx| {
            tables::copy(snapshot.tx(), tx)?;
            let copied = tables::Part::Copied(true);
            tables::META.write(tx)?.set(&copied.name().to_owned(), &copied)?;
            Ok(())
        }))
    }

    /// Goes over all tables as they are at this moment, while others read and write: the checksum
    /// of each value, and whether what the tables say fits together. `progress` is told how many
    /// entries are done, and of how many.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Verification, StoreError> {
        let snapshot = self.snapshot()?;
        let mut survey = Survey::new(progress);
        verify::verify(snapshot.tx(), &mut survey);
        Ok(survey.finish(FileKind::Replica))
    }

    /// The state of this moment.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn snapshot(&self) -> Result<ReplicaSnapshot, StoreError> {
        ReplicaSnapshot::new(&self.file)
    }
}

impl ReplicaStore for RedbReplica {
    fn meta(&self) -> Result<ReplicaMeta, StoreError> {
        self.snapshot()?.meta()
    }

    fn row(&self, table: &TableName, record: RecordId) -> Result<Option<StoredRow>, StoreError> {
        self.snapshot()?.row(table, record)
    }

    fn confirmed(
        &self,
        table: &TableName,
        record: RecordId,
    ) -> Result<Option<Confirmed>, StoreError> {
        self.snapshot()?.confirmed(table, record)
    }

    fn pending_on(&self, record: RecordId) -> Result<Vec<Pending>, StoreError> {
        self.snapshot()?.pending_on(record)
    }

    fn held(&self, places: &[(TableName, RecordId)]) -> Result<Vec<Held>, StoreError> {
        self.snapshot()?.held(places)
    }

    fn pending_after(&self, after: Turn, limit: usize) -> Result<Vec<Pending>, StoreError> {
        self.snapshot()?.pending_after(after, limit)
    }

    fn pending(&self, edit: EditId) -> Result<Option<Pending>, StoreError> {
        self.snapshot()?.pending(edit)
    }

    fn confirmed_ids(&self) -> Result<Vec<(TableName, RecordId)>, StoreError> {
        self.snapshot()?.confirmed_ids()
    }

    fn places_after(
        &self,
        after: Option<&ScanPlace>,
        limit: usize,
    ) -> Result<Vec<(TableName, RecordId)>, StoreError> {
        self.snapshot()?.places_after(after, limit)
    }

    fn confirmed_count(&self) -> Result<u64, StoreError> {
        self.snapshot()?.confirmed_count()
    }

    fn quarantine(&self) -> Result<Vec<Quarantined>, StoreError> {
        self.snapshot()?.quarantine()
    }

    fn kept_after(&self, after: KeptPlace, limit: usize) -> Result<Vec<Kept>, StoreError> {
        self.snapshot()?.kept_after(after, limit)
    }

    fn commit(&mut self, batch: ReplicaBatch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.file.write(|tx| commit::write(tx, batch, self.file.lately()))
    }

    fn rewrite(&mut self) -> Result<(), StoreError> {
        if self.file.is_replaceable() {
            self.file.rewrite(tables::copy)?;
            return self.mark(self.file.path(), false);
        }
        // For tests, which look at what is done and not at bytes.
        let purge = tables::purge(self.snapshot()?.tx())?.rewritten();
        self.file.write(|tx| tables::set_purge(tx, purge))
    }
}
