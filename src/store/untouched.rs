//! A file that is only read stays as it is.
//!
//! Whenever redb opens a file it writes into its head that it must be repaired unless it is closed
//! in order, and syncs; closing syncs twice more. An app that starts in order to look something up
//! would wait for all of that. So the mark is held back until something else is written: it reaches
//! the disk before that, synced, as redb meant it. A file that nothing was written to needs no
//! closing either.
//!
//! The lock is taken at once: what is held back is written by whoever has it.

use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

/// What a file begins with, the mark in it, lies within its first page.
const HEAD_BYTES: u64 = 4_096;

/// Storage whose first write is held back. Clones are the same.
#[derive(Debug)]
pub(super) struct Untouched<B> {
    inner: Arc<Inner<B>>,
}

#[derive(Debug)]
struct Inner<B> {
    backend: B,
    stage: Mutex<Stage>,
}

#[derive(Debug)]
enum Stage {
    /// Nothing was written.
    Found,
    /// One write to the head is held back.
    Marked { offset: u64, data: Vec<u8>, synced: bool },
    /// Something is written: everything reaches the storage as it comes.
    Open,
    /// It is closed, and stays as it was found.
    Left,
}

impl<B> Clone for Untouched<B> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

/// What closes storage without knowing its kind.
pub(super) trait Leave: Send + Sync {
    /// Nothing was to be written, or all is: if nothing was, nothing will be.
    fn leave(&self);
}

impl<B: StorageBackend> Leave for Untouched<B> {
    fn leave(&self) {
        let mut stage = self.stage();
        if matches!(*stage, Stage::Found | Stage::Marked { .. }) {
            *stage = Stage::Left;
        }
    }
}

impl<B: StorageBackend> Untouched<B> {
    pub(super) fn new(backend: B) -> Self {
        let inner = Inner { backend, stage: Mutex::new(Stage::Found) };
        Self { inner: Arc::new(inner) }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.inner.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it lies on, as it is now.
    pub(super) fn backend(&self) -> &B {
        &self.inner.backend
    }

    /// Writes what is held back, and holds back nothing any more. Where that fails it is still held
    /// back, and nothing that should come after it is written.
    fn release(&self, stage: &mut Stage) -> io::Result<()> {
        match stage {
            Stage::Found | Stage::Open => {}
            Stage::Marked { offset, data, synced } => {
                self.backend().write(*offset, data)?;
                if *synced {
                    self.backend().sync_data()?;
                }
            }
            Stage::Left => return Err(io::Error::other("the file was left as it was")),
        }
        *stage = Stage::Open;
        Ok(())
    }
}

impl<B: StorageBackend> StorageBackend for Untouched<B> {
    fn len(&self) -> io::Result<u64> {
        self.backend().len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if offset < HEAD_BYTES {
            let mut stage = self.stage();
            if matches!(*stage, Stage::Marked { .. }) {
                self.release(&mut stage)?;
            }
        }
        self.backend().read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.release(&mut self.stage())?;
        self.backend().set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        match &mut *self.stage() {
            Stage::Found | Stage::Left => return Ok(()),
            Stage::Marked { synced, .. } => {
                *synced = true;
                return Ok(());
            }
            Stage::Open => {}
        }
        self.backend().sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut stage = self.stage();
        let end = offset.saturating_add(data.len() as u64);
        // Where there is no file yet, there is nothing to leave as it is.
        if matches!(*stage, Stage::Found) && end <= HEAD_BYTES && self.len()? >= HEAD_BYTES {
            *stage = Stage::Marked { offset, data: data.to_vec(), synced: false };
            return Ok(());
        }
        self.release(&mut stage)?;
        drop(stage);
        self.backend().write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.backend().close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend().try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.backend().try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend().lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend().lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend().unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend().query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    fn untouched() -> Untouched<InMemoryBackend> {
        let backend = InMemoryBackend::new();
        backend.set_len(10_000).unwrap();
        Untouched::new(backend)
    }

    fn stored(storage: &Untouched<InMemoryBackend>, at: u64) -> u8 {
        let mut byte = [0];
        storage.backend().read(at, &mut byte).unwrap();
        byte[0]
    }

    #[test]
    fn the_mark_waits_for_what_comes_after_it() {
        let storage = untouched();
        storage.write(9, &[1]).unwrap();
        storage.sync_data().unwrap();
        assert_eq!(stored(&storage, 9), 0);
        storage.write(5_000, &[2]).unwrap();
        assert_eq!((stored(&storage, 9), stored(&storage, 5_000)), (1, 2));
        storage.leave();
        storage.write(9, &[3]).unwrap();
        assert_eq!(stored(&storage, 9), 3);
    }

    #[test]
    fn a_second_mark_and_a_read_of_it_do_not_wait() {
        let storage = untouched();
        storage.write(9, &[1]).unwrap();
        storage.write(9, &[2]).unwrap();
        assert_eq!(stored(&storage, 9), 2);

        let storage = untouched();
        storage.write(9, &[1]).unwrap();
        let mut byte = [0];
        storage.read(9, &mut byte).unwrap();
        assert_eq!(byte, [1]);
    }

    #[test]
    fn what_was_only_read_is_left_as_it_is() {
        let storage = untouched();
        storage.write(9, &[1]).unwrap();
        storage.leave();
        assert!(storage.write(5_000, &[2]).is_err());
        assert!(storage.set_len(1).is_err());
        storage.sync_data().unwrap();
        assert_eq!((stored(&storage, 9), stored(&storage, 5_000)), (0, 0));
    }
}
