//! From redb's errors to ours, and a fence around its panics.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::{CommitError, StorageError, TableError, TransactionError};

use crate::sync::StoreError;

/// Runs what reads or writes pages. redb trusts the pages of a file that was closed in order: on
/// damaged ones it may panic, and then the file is damaged, and the process should live.
///
/// No state outlives a panic: the transaction in which it happened is gone.
pub(super) fn fenced<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(StoreError::Damaged(
            "its pages do not fit each other; restore it from a backup, or let the device sync \
             into a new file"
                .into(),
        ))
    })
}

/// Begins what is said of a full disk.
pub(super) const DISK_FULL: &str = "the disk is full";

/// Says in one line what the system refused, and what to do about it where that is known.
pub(super) fn io_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("{DISK_FULL}: free some space and try again ({error})")
        }
        _ => error.to_string(),
    }
}

pub(super) fn storage(error: StorageError) -> StoreError {
    match error {
        StorageError::Io(error) if is_damage(&error) => StoreError::Damaged(error.to_string()),
        StorageError::Io(error) => StoreError::Io(io_text(&error)),
        StorageError::Corrupted(detail) => StoreError::Damaged(detail),
        StorageError::PreviousIo => StoreError::Io(
            "an earlier read or write failed; it is opened again at the next write".into(),
        ),
        StorageError::DatabaseClosed => {
            StoreError::Io("it was opened again since: take a new snapshot".into())
        }
        StorageError::LockPoisoned(_) => {
            StoreError::Damaged("an earlier step broke off on damaged pages".into())
        }
        other => StoreError::Io(other.to_string()),
    }
}

/// Whether a file ends where it should go on, rather than the system refusing to read it.
pub(super) fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData)
}

pub(super) fn table(error: TableError) -> StoreError {
    match error {
        TableError::Storage(error) => storage(error),
        other => StoreError::Damaged(other.to_string()),
    }
}

pub(super) fn transaction(error: TransactionError) -> StoreError {
    match error {
        TransactionError::Storage(error) => storage(error),
        other => StoreError::Io(other.to_string()),
    }
}

/// A commit that failed may have reached the disk all the same, unless redb broke it off before.
pub(super) fn commit(error: CommitError) -> StoreError {
    match error {
        CommitError::Storage(StorageError::Io(error)) => StoreError::Ambiguous(io_text(&error)),
        CommitError::Storage(StorageError::Corrupted(detail)) => StoreError::Damaged(detail),
        CommitError::Storage(error) => StoreError::Ambiguous(error.to_string()),
        other => StoreError::Damaged(other.to_string()),
    }
}
