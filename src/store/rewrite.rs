//! A new file that is to take the place of another.
//!
//! Its name is made of the other's, so that whoever opens that one next finds what a process that
//! ended in between has left, and removes it: it holds the records once more.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::OpenError;
use super::file::sync_folder;

/// A file that has no name of its own yet. Dropped before it got one, it is removed.
pub(super) struct Unfinished {
    file: fs::File,
    path: PathBuf,
    named: bool,
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".rewritten");
    PathBuf::from(name)
}

/// Removes what a process that ended has left beside the file, which the caller has open.
pub(super) fn remove_unfinished(path: &Path) -> Result<(), OpenError> {
    // What the name leads to, as where it was written.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    match fs::remove_file(beside(&path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(OpenError::io(&beside(&path), "remove it", error))
        }
        _ => Ok(()),
    }
}

impl Unfinished {
    /// Creates an empty file, which the same people may read and write as `path`.
    pub(super) fn create(path: &Path) -> Result<Self, OpenError> {
        remove_unfinished(path)?;
        let failed = |error| OpenError::io(path, "rewrite it", error);
        let beside = beside(path);
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&beside).map_err(failed)?;
        let new = Self { file, path: beside, named: false };
        let permissions = fs::metadata(path).map_err(failed)?.permissions();
        new.file.set_permissions(permissions).map_err(failed)?;
        Ok(new)
    }

    /// The file once more, to be written and locked.
    pub(super) fn reopen(&self) -> Result<fs::File, OpenError> {
        let mut options = fs::OpenOptions::new();
        let opened = options.read(true).write(true).open(&self.path);
        opened.map_err(|error| OpenError::io(&self.path, "open it", error))
    }

    /// Gives the file, which is whole and durable by now, the name of the other.
    pub(super) fn take_place_of(mut self, path: &Path) -> Result<(), OpenError> {
        let failed = |error| OpenError::io(path, "rewrite it", error);
        self.file.sync_all().map_err(failed)?;
        fs::rename(&self.path, path).map_err(failed)?;
        self.named = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.named {
            // What stays is removed at the next opening.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Sees to it that the new file is found under the name also after a power cut.
pub(super) fn make_durable(path: &Path) -> Result<(), OpenError> {
    let folder = path.parent().filter(|parent| *parent != Path::new(""));
    sync_folder(folder.unwrap_or(Path::new(".")))
        .map_err(|error| OpenError::io(path, "write the folder of it", error))
}
