//! Why a file was not opened or created.

use std::io;
use std::path::{Path, PathBuf};

use redb::{DatabaseError, StorageError};

use super::fence::{DISK_FULL, is_damage};
use super::file::FileKind;
use crate::sync::StoreError;

/// Why a file was not opened or created. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no such file.
    #[error("{} is not there", .0.display())]
    NotFound(PathBuf),
    /// There is such a file already.
    #[error("{} is there already; choose another name, or open it", .0.display())]
    Exists(PathBuf),
    /// The folder for a new file does not exist.
    #[error("the folder of {} is not there; create it first", .0.display())]
    NoFolder(PathBuf),
    /// Someone has it open.
    #[error(
        "another process has {} open; close it there (a file belongs to one process at a time)",
        .0.display()
    )]
    InUse(PathBuf),
    /// The system does not let us read and write it.
    #[error(
        "{} may not be read and written by this user: check its permissions and those of its \
         folder ({source})", path.display()
    )]
    Denied {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No space is left.
    #[error("the disk of {} is full: free some space and try again", .0.display())]
    Full(PathBuf),
    /// It is something else.
    #[error("{} is no Tidegate file: {problem}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        problem: String,
    },
    /// It is a Tidegate file, but for another role.
    #[error("{} is the file of a {found}, not of a {wanted}", path.display())]
    WrongKind {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: FileKind,
        /// What it should be.
        wanted: FileKind,
    },
    /// It was written by a newer Tidegate.
    #[error(
        "{} has format {found}, and this build knows up to {known}: update Tidegate",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The newest format known here.
        known: u64,
    },
    /// It was written by an older Tidegate that this build cannot read any more.
    #[error("{} has format {found}, which this build cannot read any more", path.display())]
    Older {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// It was one of ours, and is damaged.
    #[error(
        "{} is damaged: {detail}; restore it from a backup, or let the device sync into a new file",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        detail: String,
    },
    /// The system failed otherwise.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    /// What the system said of a file.
    #[cfg(feature = "server")]
    pub(crate) fn of_io(path: &Path, action: &'static str, source: io::Error) -> Self {
        Self::io(path, action, source)
    }

    pub(super) fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::Denied { path, source }
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(path),
            io::ErrorKind::IsADirectory => Self::Foreign { path, problem: "it is a folder".into() },
            _ if is_damage(&source) => Self::Damaged { path, detail: source.to_string() },
            _ => Self::Io { path, action, source },
        }
    }

    pub(super) fn redb(path: &Path, action: &'static str, error: DatabaseError) -> Self {
        let damaged = |detail: String| Self::Damaged { path: path.to_owned(), detail };
        match error {
            DatabaseError::DatabaseAlreadyOpen => Self::InUse(path.to_owned()),
            DatabaseError::UpgradeRequired(version) => Self::Foreign {
                path: path.to_owned(),
                problem: format!("it is a redb file of version {version}"),
            },
            DatabaseError::Storage(StorageError::Io(source)) => Self::io(path, action, source),
            other => damaged(other.to_string()),
        }
    }

    pub(super) fn store(path: &Path, action: &'static str, error: StoreError) -> Self {
        match error {
            StoreError::Damaged(detail) => Self::Damaged { path: path.to_owned(), detail },
            StoreError::Io(text) if text.starts_with(DISK_FULL) => Self::Full(path.to_owned()),
            StoreError::Ambiguous(text) if text.starts_with(DISK_FULL) => {
                Self::Full(path.to_owned())
            }
            other => Self::Io { path: path.to_owned(), action, source: io::Error::other(other) },
        }
    }
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// What was to be copied cannot be read.
    #[error("it cannot be copied: {0}")]
    Source(#[from] StoreError),
    /// The copy cannot be written.
    #[error(transparent)]
    Copy(#[from] OpenError),
}

impl BackupError {
    /// Damage that shows while a new file is filled is not in the new file.
    pub(super) fn sort<T>(result: Result<T, OpenError>) -> Result<T, Self> {
        result.map_err(|error| match error {
            OpenError::Damaged { detail, .. } => Self::Source(StoreError::Damaged(detail)),
            other => Self::Copy(other),
        })
    }
}
