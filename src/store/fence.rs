//! From redb's errors to ours, and a fence around its panics.

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::{CommitError, StorageError, TableError, TransactionError};

use crate::sync::StoreError;

thread_local! {
    /// How many fences this thread is within.
    static FENCES: Cell<u32> = const { Cell::new(0) };
}

/// Whether a panic of this thread, now, becomes an error of the store that says what to do: a
/// panic hook need not print it.
#[must_use]
pub fn is_fenced() -> bool {
    FENCES.get() > 0
}

/// Runs what reads or writes pages. redb trusts the pages of a file that was closed in order: on
/// damaged ones it may panic, and then the file is damaged, and the process should live.
///
/// No state outlives a panic: the transaction in which it happened is gone.
pub(super) fn fenced<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    FENCES.set(FENCES.get() + 1);
    let result = catch_unwind(AssertUnwindSafe(work));
    FENCES.set(FENCES.get() - 1);
    result.unwrap_or_else(|_| Err(StoreError::Damaged("its pages do not fit each other".into())))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_fenced_within_and_nowhere_else() {
        assert!(!is_fenced());
        let inner = fenced(|| {
            let nested = fenced::<()>(|| std::panic::resume_unwind(Box::new("a damaged page")));
            assert!(matches!(nested, Err(StoreError::Damaged(_))));
            Ok(is_fenced())
        });
        assert_eq!(inner, Ok(true));
        assert!(!is_fenced());
        assert_eq!(fenced(|| Ok(std::thread::spawn(is_fenced).join().ok())), Ok(Some(false)));
    }
}
