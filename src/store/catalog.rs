//! redb's catalog: the small tree from which it knows each table, where it begins and how many
//! entries it has.
//!
//! redb keeps checksums of its pages and compares them only when it repairs a file. Entries have
//! their own. The catalog has none of ours: one bit in it makes a table seem empty, or larger, or
//! begin at a page that was left behind, whose entries are old and whole. It is a page or two, so it
//! is compared with redb's checksums whenever a file is opened. This goes by redb's file format 3;
//! a file of another is told as one whose catalog does not fit.

use std::io;

use redb::StorageBackend;
use xxhash_rust::xxh3::xxh3_128;

use crate::limits::CATALOG_DEPTH_MAX;

/// What redb keeps of a file as a whole.
const HEAD_BYTES: usize = 320;
/// Where its two states are, the newest and the one before; their number is a bit of a byte.
const STATE_BYTES: usize = 128;
const STATES_AT: usize = 64;
const NUMBER_AT: usize = 9;
const FORMAT: u8 = 3;
/// A checksum, and a page's number.
const SUM_BYTES: usize = 16;
const PAGE_BYTES: usize = 8;

const LEAF: u8 = 1;
const BRANCH: u8 = 2;

/// Whether the catalog is what redb wrote. The file is open: redb has settled which state counts.
pub(super) fn is_as_written(storage: &impl StorageBackend) -> io::Result<bool> {
    let mut head = [0; HEAD_BYTES];
    storage.read(0, &mut head)?;
    let Some((layout, root)) = Layout::and_root(&head) else { return Ok(false) };
    match root {
        Some(root) => layout.fits(storage, root, CATALOG_DEPTH_MAX),
        None => Ok(true),
    }
}

/// A page, and the checksum that it must have.
#[derive(Clone, Copy)]
struct Pointer {
    page: u64,
    sum: u128,
}

/// Where pages are.
struct Layout {
    page_bytes: u64,
    region_head_pages: u64,
    region_pages: u64,
}

impl Layout {
    /// With the root of the catalog, if there is one; `None`: the head is not what redb wrote.
    fn and_root(head: &[u8]) -> Option<(Self, Option<Pointer>)> {
        let number = usize::from(head.get(NUMBER_AT)? & 1);
        let state = head.get(STATES_AT + number * STATE_BYTES..)?.get(..STATE_BYTES)?;
        let (kept, sum) = state.split_last_chunk::<SUM_BYTES>()?;
        if xxh3_128(kept) != u128::from_le_bytes(*sum) || *kept.first()? != FORMAT {
            return None;
        }
        let root = Pointer { page: long(kept, 8)?, sum: sum_at(kept, 8 + PAGE_BYTES)? };
        let root = (*kept.get(1)? != 0).then_some(root);
        let layout = Self {
            page_bytes: short(head, 12)?.into(),
            region_head_pages: short(head, 16)?.into(),
            region_pages: short(head, 20)?.into(),
        };
        Some((layout, root))
    }

    /// Whether a page is what redb wrote, and all below it are.
    fn fits(&self, storage: &impl StorageBackend, at: Pointer, levels: usize) -> io::Result<bool> {
        let (Some((start, length)), Some(levels)) = (self.place(at.page), levels.checked_sub(1))
        else {
            return Ok(false);
        };
        // Nothing is made room for that is not there.
        let held = storage.len()?;
        if start.checked_add(length).is_none_or(|end| end > held) {
            return Ok(false);
        }
        let mut page = vec![0; usize::try_from(length).unwrap_or(0)];
        storage.read(start, &mut page)?;
        let Some(below) = below(&page, at.sum) else { return Ok(false) };
        for child in below {
            if !self.fits(storage, child, levels)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Where a page begins, and how long it is.
    fn place(&self, page: u64) -> Option<(u64, u64)> {
        let (order, region, index) = (page >> 59, (page >> 20) & 0xf_ffff, page & 0xf_ffff);
        let length = self.page_bytes.checked_mul(1 << order)?;
        let index = index & (0xf_ffff >> order);
        let region_bytes = (self.region_head_pages + self.region_pages) * self.page_bytes;
        let begin = self.page_bytes + self.region_head_pages * self.page_bytes;
        let start = region.checked_mul(region_bytes)?.checked_add(begin)?;
        Some((start.checked_add(index.checked_mul(length)?)?, length))
    }
}

/// The pages below one; `None`: it is not what redb wrote.
fn below(page: &[u8], sum: u128) -> Option<Vec<Pointer>> {
    let entries = usize::from(u16::from_le_bytes(bytes(page, 2)?));
    // Where each key ends stands in front of all keys, and in a leaf where each value does.
    let (children, ends_at, ends) = match *page.first()? {
        LEAF => (0, 4, 2 * entries),
        BRANCH => (entries + 1, 8 + (entries + 1) * (SUM_BYTES + PAGE_BYTES), entries),
        _ => return None,
    };
    let end = short(page, ends_at + 4 * ends.checked_sub(1)?)?;
    let written = page.get(..usize::try_from(end).ok()?)?;
    if xxh3_128(written) != sum {
        return None;
    }
    let pages_at = 8 + children * SUM_BYTES;
    let child = |n| {
        let (page, sum) =
            (long(page, pages_at + n * PAGE_BYTES)?, sum_at(page, 8 + n * SUM_BYTES)?);
        Some(Pointer { page, sum })
    };
    (0..children).map(child).collect()
}

fn bytes<const N: usize>(from: &[u8], at: usize) -> Option<[u8; N]> {
    from.get(at..)?.first_chunk().copied()
}

fn short(from: &[u8], at: usize) -> Option<u32> {
    bytes(from, at).map(u32::from_le_bytes)
}

fn long(from: &[u8], at: usize) -> Option<u64> {
    bytes(from, at).map(u64::from_le_bytes)
}

fn sum_at(from: &[u8], at: usize) -> Option<u128> {
    bytes(from, at).map(u128::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;
    use redb::{Builder, TableDefinition};

    use super::*;
    use crate::store::untouched::Untouched;

    /// Storage with tables, closed in order.
    fn storage(tables: usize) -> Untouched<InMemoryBackend> {
        let storage = Untouched::new(InMemoryBackend::new());
        let database = Builder::new().create_with_backend(storage.clone()).unwrap();
        let tx = database.begin_write().unwrap();
        for n in 0..tables {
            let name = format!("table {n:04}");
            tx.open_table(TableDefinition::<&[u8], &[u8]>::new(&name)).unwrap();
        }
        tx.commit().unwrap();
        drop(database);
        storage
    }

    fn flip(storage: &impl StorageBackend, at: usize) {
        let (at, mut byte) = (at as u64, [0]);
        storage.read(at, &mut byte).unwrap();
        storage.write(at, &[byte[0] ^ 4]).unwrap();
    }

    /// How many of the places where a table's name is are noticed to be flipped, and of how many.
    fn noticed(storage: &impl StorageBackend) -> (usize, usize) {
        let mut all = vec![0; usize::try_from(storage.len().unwrap()).unwrap()];
        storage.read(0, &mut all).unwrap();
        let names = (0..all.len()).filter(|at| all[*at..].starts_with(b"table "));
        let notices = names.map(|at| {
            flip(storage, at);
            let is_noticed = !is_as_written(storage).unwrap();
            flip(storage, at);
            is_noticed
        });
        let notices: Vec<_> = notices.collect();
        (notices.iter().filter(|it| **it).count(), notices.len())
    }

    #[test]
    fn a_catalog_of_any_size_is_gone_over_whole() {
        for tables in [0, 1, 20, 1_000] {
            let storage = storage(tables);
            assert!(is_as_written(storage.backend()).unwrap());
            let (noticed, names) = noticed(storage.backend());
            // Names are in the pages above, too, and in pages that were left behind.
            assert!(noticed >= tables && names >= noticed, "{noticed} of {names} for {tables}");
        }
    }

    #[test]
    fn a_head_that_is_not_what_was_written_fits_nothing() {
        let storage = storage(3);
        let mut head = [0; HEAD_BYTES];
        storage.backend().read(0, &mut head).unwrap();
        let state = STATES_AT + usize::from(head[NUMBER_AT] & 1) * STATE_BYTES;
        for at in state..state + STATE_BYTES {
            flip(storage.backend(), at);
            assert!(!is_as_written(storage.backend()).unwrap(), "{at}");
            flip(storage.backend(), at);
        }
        assert!(is_as_written(storage.backend()).unwrap());
    }

    #[test]
    fn pages_that_are_not_there_and_pages_in_a_circle_end_it() {
        let layout = Layout { page_bytes: 4_096, region_head_pages: 0, region_pages: 1 << 20 };
        let storage = storage(3);
        for page in [u64::MAX, 1 << 59, 0x1f << 59, 0xf_ffff << 20, 0xf_ffff] {
            let at = Pointer { page, sum: 0 };
            assert!(!layout.fits(storage.backend(), at, 8).unwrap(), "{page:x}");
        }
        assert!(!layout.fits(storage.backend(), Pointer { page: 0, sum: 0 }, 0).unwrap());
    }
}
