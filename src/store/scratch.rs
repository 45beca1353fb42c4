//! Files that are thrown away in the end: nobody waits for the disk.

use std::fs;
use std::io;
use std::path::PathBuf;

use redb::StorageBackend;
use redb::backends::FileBackend;

/// A file that is written as any other, and never synced. What was committed outlives the process; when
/// the machine stops, the file may be lost as a whole.
#[derive(Debug)]
pub(super) struct Scratch(FileBackend);

/// Opens the file, and makes it where it is not there.
pub(super) fn at(path: PathBuf) -> impl Fn() -> io::Result<Scratch> + Send + Sync + 'static {
    move || {
        let mut options = fs::OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path)?;
        FileBackend::new(file).map(Scratch).map_err(io::Error::other)
    }
}

impl StorageBackend for Scratch {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}
