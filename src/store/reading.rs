//! Who reads a file that is replaced meanwhile goes on reading the old one.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use redb::ReadTransaction;

use super::file::{self, Open};
use super::lately::Lately;

/// The state of a file at one moment.
pub(super) struct Snapshot {
    // Ends before the file is closed.
    tx: ReadTransaction,
    readers: Arc<Readers>,
    lately: Arc<Lately>,
}

impl Snapshot {
    pub(super) fn new(tx: ReadTransaction, readers: Arc<Readers>, lately: Arc<Lately>) -> Self {
        Self { tx, readers, lately }
    }

    /// The records of the file that are known already.
    pub(super) fn lately(&self) -> &Lately {
        &self.lately
    }

    /// Keeps the file open for what outlives this.
    pub(super) fn readers(&self) -> Arc<Readers> {
        Arc::clone(&self.readers)
    }
}

impl Deref for Snapshot {
    type Target = ReadTransaction;

    fn deref(&self) -> &ReadTransaction {
        &self.tx
    }
}

/// Those who read one file. When it was replaced, the last of them closes it: redb lets nobody read
/// on what is closed.
#[derive(Default)]
pub(super) struct Readers(Mutex<Option<Open>>);

impl Readers {
    /// The file was replaced: it is closed when nobody reads it any more.
    pub(super) fn close_after_last(self: Arc<Self>, replaced: Open) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(replaced);
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        file::close(self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take());
    }
}
