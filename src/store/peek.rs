//! Looking at a file without changing it.
//!
//! redb repairs what it opens, and counts on writing. Here its writes stay in memory: so a file
//! that may not be written, or that shall stay as it was found, can be gone over too.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

use super::OpenError;

const BLOCK: u64 = 4_096;

/// A file under what redb believes to have written to it.
#[derive(Debug)]
pub(super) struct Peek {
    file: FileBackend,
    over: Mutex<Over>,
    /// Whether those who write are kept away meanwhile.
    locks: bool,
}

#[derive(Debug)]
struct Over {
    len: u64,
    /// What is behind this in the file counts as zeros.
    below: u64,
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl Peek {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let file = fs::File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => OpenError::NotFound(path.to_owned()),
            _ => OpenError::io(path, "open it", error),
        })?;
        let file =
            FileBackend::new(file).map_err(|error| OpenError::redb(path, "open it", error))?;
        let len = file.len().map_err(|error| OpenError::io(path, "open it", error))?;
        let over = Mutex::new(Over { len, below: len, blocks: BTreeMap::new() });
        Ok(Self { file, over, locks: true })
    }

    /// As [`Self::open`], but keeps nobody away: what is read may change meanwhile.
    #[cfg(feature = "server")]
    pub(super) fn open_unlocked(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { locks: false, ..Self::open(path)? })
    }

    /// Whether somebody has the file open to write.
    #[cfg(feature = "server")]
    pub(super) fn is_in_use(&self) -> bool {
        // A system that cannot tell leaves it open.
        self.file.query_lock_range(Bound::Unbounded, Bound::Unbounded).unwrap_or(false)
    }

    fn over(&self) -> MutexGuard<'_, Over> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn block(&self, over: &Over, number: u64) -> io::Result<Vec<u8>> {
        if let Some(block) = over.blocks.get(&number) {
            return Ok(block.clone());
        }
        let start = number * BLOCK;
        let length = over.below.saturating_sub(start).min(BLOCK);
        let mut block = vec![0; usize::try_from(BLOCK).unwrap_or(0)];
        let (held, _) = block.split_at_mut(usize::try_from(length).unwrap_or(0));
        if !held.is_empty() {
            self.file.read(start, held)?;
        }
        Ok(block)
    }
}

/// The blocks that `length` bytes from `offset` lie in: number, where in the block, how many.
fn parts(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let end = offset.saturating_add(length as u64);
    (offset / BLOCK..end.div_ceil(BLOCK)).filter(move |_| length > 0).map(move |number| {
        let from = offset.max(number * BLOCK);
        let to = end.min((number + 1) * BLOCK);
        let within = usize::try_from(from - number * BLOCK).unwrap_or(0);
        (number, within, usize::try_from(to - from).unwrap_or(0))
    })
}

impl StorageBackend for Peek {
    fn len(&self) -> io::Result<u64> {
        Ok(self.over().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let over = self.over();
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > over.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if over.blocks.is_empty() && over.below == over.len {
            drop(over);
            return self.file.read(offset, out);
        }
        let mut rest = out;
        for (number, within, count) in parts(offset, rest.len()) {
            let block = self.block(&over, number)?;
            let (now, later) = rest.split_at_mut(count);
            now.copy_from_slice(block.get(within..within + count).unwrap_or_default());
            rest = later;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut over = self.over();
        over.below = over.below.min(len);
        over.len = len;
        let gone = over.blocks.split_off(&len.div_ceil(BLOCK));
        drop(gone);
        let within = usize::try_from(len % BLOCK).unwrap_or(0);
        if within > 0
            && let Some(block) = over.blocks.get_mut(&(len / BLOCK))
        {
            block.iter_mut().skip(within).for_each(|byte| *byte = 0);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut over = self.over();
        let mut rest = data;
        for (number, within, count) in parts(offset, data.len()) {
            let mut block = self.block(&over, number)?;
            let (now, later) = rest.split_at_checked(count).unwrap_or_default();
            block.iter_mut().skip(within).zip(now).for_each(|(to, from)| *to = *from);
            over.blocks.insert(number, block);
            rest = later;
        }
        over.len = over.len.max(offset.saturating_add(data.len() as u64));
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    // A file that is only read takes no exclusive lock; a shared one keeps writers away as well.

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        if self.locks { self.file.try_lock_shared_range(start, end) } else { Ok(true) }
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.try_lock_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        if self.locks { self.file.lock_shared_range(start, end) } else { Ok(()) }
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.lock_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        if self.locks { self.file.unlock_range(start, end) } else { Ok(()) }
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        if self.locks { self.file.query_lock_range(start, end) } else { Ok(false) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_seen_and_leave_the_file_as_it_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let content: Vec<u8> = (0..10_000_u32).map(|n| n.to_le_bytes()[0] | 1).collect();
        fs::write(file.path(), &content).unwrap();
        let peek = Peek::open(file.path()).unwrap();
        let read = |at: u64, length: usize| {
            let mut out = vec![0; length];
            peek.read(at, &mut out).map(|()| out)
        };
        let mut model = content.clone();
        assert_eq!(read(0, 10_000).unwrap(), model);

        peek.write(4_090, &[0; 20]).unwrap();
        model[4_090..4_110].fill(0);
        assert_eq!(read(0, 10_000).unwrap(), model);
        peek.set_len(5_000).unwrap();
        assert_eq!(read(4_999, 2).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        peek.set_len(9_000).unwrap();
        model.truncate(5_000);
        model.resize(9_000, 0);
        assert_eq!(read(0, 9_000).unwrap(), model);
        peek.write(9_000, &[7; 5_000]).unwrap();
        model.extend([7; 5_000]);
        assert_eq!(read(0, 14_000).unwrap(), model);
        assert_eq!(read(8_500, 1_000).unwrap(), model[8_500..9_500]);
        assert_eq!(fs::read(file.path()).unwrap(), content);
    }
}
