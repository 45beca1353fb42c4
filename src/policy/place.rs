//! Where in a document something stands.

use std::fmt;
use std::sync::Arc;

/// A place in a document: the file with a line (TOML, CSV) or a path (JSON).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as the reader was told.
    pub file: Arc<str>,
    /// Where in it.
    pub at: At,
}

/// Where in a file something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// The file as a whole.
    File,
    /// A line, from 1.
    Line(u64),
    /// A path of keys and of indexes from 0, such as `role[0].rights`.
    Path(Arc<str>),
}

impl Place {
    /// The file as a whole.
    #[must_use]
    pub fn file(file: &str) -> Self {
        Self { file: file.into(), at: At::File }
    }

    /// A line of a file, from 1.
    #[must_use]
    pub fn line(file: &Arc<str>, line: u64) -> Self {
        Self { file: Arc::clone(file), at: At::Line(line) }
    }

    /// The place of a key of the object that stands here: a path grows, a line stays.
    pub(super) fn key(&self, key: &str) -> Self {
        let path = match &self.at {
            At::Path(path) if path.is_empty() => key.into(),
            At::Path(path) => format!("{path}.{key}").into(),
            At::File | At::Line(_) => return self.clone(),
        };
        Self { file: Arc::clone(&self.file), at: At::Path(path) }
    }

    /// The place of an item of the list that stands here.
    pub(super) fn item(&self, index: usize) -> Self {
        match &self.at {
            At::Path(path) => {
                let path = format!("{path}[{index}]").into();
                Self { file: Arc::clone(&self.file), at: At::Path(path) }
            }
            At::File | At::Line(_) => self.clone(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        match &self.at {
            At::File => Ok(()),
            At::Line(line) => write!(f, ":{line}"),
            At::Path(path) if path.is_empty() => Ok(()),
            At::Path(path) => write!(f, ": {path}"),
        }
    }
}
