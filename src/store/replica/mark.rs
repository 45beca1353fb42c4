//! Which file this is. A copy that somebody made by hand, or that the backup of a phone put back, has
//! the same bytes and is another file: it must not give the edit ids that the original gives.

use std::path::Path;
use std::time::UNIX_EPOCH;
use std::{fs, io};

use serde::{Deserialize, Serialize};

/// What tells a file from its copies, as far as the system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileMark {
    /// When it was made, in nanoseconds since 1970.
    made: Option<u64>,
    /// Its number in the file system.
    number: Option<u64>,
}

impl FileMark {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let file = fs::metadata(path)?;
        let made = file.created().ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok());
        let made = made.and_then(|made| u64::try_from(made.as_nanos()).ok());
        #[cfg(unix)]
        let number = Some(std::os::unix::fs::MetadataExt::ino(&file));
        #[cfg(not(unix))]
        let number = None;
        Ok(Self { made, number })
    }

    /// Whether it is certain that these are two files.
    pub(super) fn is_another(self, other: Self) -> bool {
        let differ = |one: Option<u64>, other: Option<u64>| {
            one.zip(other).is_some_and(|(one, other)| one != other)
        };
        differ(self.made, other.made) || differ(self.number, other.number)
    }
}
