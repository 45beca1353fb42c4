//! Where a device keeps its secret key: a file, or what the app brings (a system keychain).

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use data_encoding::BASE32_NOPAD;

use crate::codec::SecretKey;

/// Keeps the secret key of one device. It may block: it is asked once, when a replica opens, and
/// when one enrols.
pub trait KeyStore: Send + Sync {
    /// The key, if one was saved.
    ///
    /// # Errors
    /// There may be one, but it cannot be had.
    fn load(&self) -> Result<Option<SecretKey>, KeyStoreError>;

    /// Saves the key, for good when this returns. Replaces an earlier one.
    ///
    /// # Errors
    /// It was not saved; an earlier one is still there.
    fn save(&self, key: &SecretKey) -> Result<(), KeyStoreError>;
}

/// Why a key was not loaded or saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// The file cannot be read or written.
    #[error("key file {}: cannot {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Other users of the machine may read the file.
    #[error(
        "key file {} can be read by others (mode {mode:03o}): run `chmod 600` on it, and enrol \
         anew if somebody may have copied it", path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds something else.
    #[error("key file {}: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Another kind of store failed.
    #[error("key store: {0}")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Keeps the key in a file that only its owner can read.
///
/// The file is one line: `tidegate-key-1`, a space, and the seed with a check in base32. On
/// systems other than Unix the folder must keep others out.
#[derive(Debug, Clone)]
pub struct FileKeyStore {
    path: PathBuf,
}

const HEADER: &str = "tidegate-key-1 ";
const CHECK_LABEL: &str = "tidegate 2026 check of a key file";
/// A key file has 74 bytes; anything above this is something else.
const FILE_BYTES_MAX: u64 = 128;

impl FileKeyStore {
    /// A store in this file, which need not exist yet; its folder must.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(io::Error) -> KeyStoreError {
        let path = self.path.clone();
        move |source| KeyStoreError::Io { path, action, source }
    }

    fn malformed(&self, problem: &'static str) -> KeyStoreError {
        KeyStoreError::Malformed { path: self.path.clone(), problem }
    }

    #[cfg(unix)]
    fn check_private(&self, file: &fs::File) -> Result<(), KeyStoreError> {
        use std::os::unix::fs::PermissionsExt;

        let mode = file.metadata().map_err(self.failed("read"))?.permissions().mode() & 0o777;
        let others = mode & 0o077;
        if others != 0 {
            return Err(KeyStoreError::Exposed { path: self.path.clone(), mode });
        }
        Ok(())
    }

    #[cfg(not(unix))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as on Unix")]
    fn check_private(&self, _file: &fs::File) -> Result<(), KeyStoreError> {
        Ok(())
    }

    fn parse(&self, text: &str) -> Result<SecretKey, KeyStoreError> {
        let body = text
            .trim_end()
            .strip_prefix(HEADER)
            .ok_or_else(|| self.malformed("it is no key file of this version"))?;
        let bytes = BASE32_NOPAD
            .decode(body.to_ascii_uppercase().as_bytes())
            .map_err(|_| self.malformed("it is damaged"))?;
        let (seed, check) =
            bytes.split_first_chunk::<32>().ok_or_else(|| self.malformed("it is cut short"))?;
        if check != seed_check(seed) {
            return Err(self.malformed("it is damaged: its check does not fit"));
        }
        Ok(SecretKey::from_seed(*seed))
    }
}

impl KeyStore for FileKeyStore {
    fn load(&self) -> Result<Option<SecretKey>, KeyStoreError> {
        let file = match fs::File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(self.failed("open")(e)),
        };
        self.check_private(&file)?;
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(self.failed("read"))?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(self.malformed("it is too long for a key file"));
        }
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| self.malformed("it is no key file of this version"))?;
        self.parse(text).map(Some)
    }

    fn save(&self, key: &SecretKey) -> Result<(), KeyStoreError> {
        let mut bytes = key.seed().to_vec();
        bytes.extend_from_slice(&seed_check(key.seed()));
        let text = format!("{HEADER}{}\n", BASE32_NOPAD.encode(&bytes).to_ascii_lowercase());

        let folder = match self.path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        // A temporary file has mode 0600 on Unix from its first moment on, and is removed where
        // something fails before the rename.
        let mut file = tempfile::Builder::new()
            .prefix(".tidegate-key-")
            .tempfile_in(folder)
            .map_err(self.failed("create"))?;
        file.write_all(text.as_bytes()).map_err(self.failed("write"))?;
        file.as_file().sync_all().map_err(self.failed("write"))?;
        file.persist(&self.path).map_err(|e| self.failed("rename")(e.error))?;
        sync_folder(folder).map_err(self.failed("write the folder of"))
    }
}

fn seed_check(seed: &[u8; 32]) -> [u8; 4] {
    let [a, b, c, d, ..] = blake3::derive_key(CHECK_LABEL, seed);
    [a, b, c, d]
}

/// Makes the rename durable; only Unix lets a folder be opened for that.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(folder)?.sync_all() } else { Ok(()) }
}
