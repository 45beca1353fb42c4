//! Reading an index: how many rows lie between keys, and which.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::blocks::{Block, BlockKey, RawId, ids, read, row_key};
use crate::model::RecordId;
use crate::query::KeyRange;
use crate::store::fence::fenced;
use crate::store::key::after_prefix;
use crate::store::reading::Readers;
use crate::store::table::Reading;
use crate::sync::StoreError;

/// An index in a snapshot.
pub struct IndexReader {
    // Ends before the file is closed.
    blocks: Reading<BlockKey, Block>,
    number: u32,
    _file: Arc<Readers>,
}

impl std::fmt::Debug for IndexReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IndexReader").field("number", &self.number).finish_non_exhaustive()
    }
}

/// What is done with some rows of one key: whether to go on.
type Visit<'v> = dyn FnMut(&[RawId]) -> Result<ControlFlow<()>, StoreError> + 'v;

impl IndexReader {
    pub(in crate::store::replica) fn new(
        blocks: Reading<BlockKey, Block>,
        number: u32,
        file: Arc<Readers>,
    ) -> Self {
        Self { blocks, number, _file: file }
    }

    /// How many rows lie in these ranges.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn count(&self, ranges: &[KeyRange]) -> Result<u64, StoreError> {
        fenced(|| {
            let mut rows = 0;
            for (from, to) in ranges {
                let mut blocks = self.blocks.between(&self.place(from), &self.place(to))?;
                while let Some(block) = blocks.next_raw()? {
                    rows += ids(&block)?.len() as u64;
                }
            }
            Ok(rows)
        })
    }

    /// The rows in these ranges, in the order of their ids; `None`: there are more than so many.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn ids(
        &self,
        ranges: &[KeyRange],
        at_most: u64,
    ) -> Result<Option<Vec<RecordId>>, StoreError> {
        let at_most = usize::try_from(at_most).unwrap_or(usize::MAX);
        fenced(|| {
            let mut found = Vec::new();
            for (from, to) in ranges {
                let mut blocks = self.blocks.between(&self.place(from), &self.place(to))?;
                while let Some(block) = blocks.next_raw()? {
                    found.extend(ids(&block)?.iter().map(|id| RecordId::from_bytes(*id)));
                    if found.len() > at_most {
                        return Ok(None);
                    }
                }
            }
            found.sort_unstable();
            Ok(Some(found))
        })
    }

    /// Visits rows in the order of their keys, and those with one key in the order of their ids, from
    /// behind `after` on, as long as `visit` wants more.
    ///
    /// # Errors
    /// The store cannot be read, or those of `visit`.
    pub fn walk(
        &self,
        ranges: &[KeyRange],
        descending: bool,
        after: Option<(Vec<u8>, RecordId)>,
        mut visit: impl FnMut(RecordId) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let mut each = |ids: &[RawId]| {
            for id in ids {
                if visit(RecordId::from_bytes(*id))?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        };
        fenced(|| {
            let mut rest = ranges.to_vec();
            if let Some((key, id)) = after {
                let behind = after_prefix(&key).unwrap_or_default();
                if ranges.iter().any(|(from, to)| *from <= key && key < *to) {
                    let mut behind_id = |ids: &[RawId]| {
                        let behind = ids.partition_point(|other| other <= id.as_bytes());
                        let (_, ids) = ids.split_at(behind);
                        each(ids)
                    };
                    if self.of_key(&key, &mut behind_id)?.is_break() {
                        return Ok(());
                    }
                }
                for (from, to) in &mut rest {
                    if descending && key < *to {
                        to.clone_from(&key);
                    } else if !descending && *from < behind {
                        from.clone_from(&behind);
                    }
                }
                rest.retain(|(from, to)| from < to);
            }
            let end = if descending {
                self.descending(&rest, &mut each)
            } else {
                self.ascending(&rest, &mut each)
            };
            end.map(drop)
        })
    }

    fn place(&self, key: &[u8]) -> BlockKey {
        (self.number, key.to_vec())
    }

    fn of_key(&self, key: &[u8], visit: &mut Visit<'_>) -> Result<ControlFlow<()>, StoreError> {
        let mut blocks = self.blocks.starting_with(&self.place(key))?;
        while let Some(block) = blocks.next_raw()? {
            if visit(ids(&block)?)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn ascending(
        &self,
        ranges: &[KeyRange],
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        for (from, to) in ranges {
            let mut blocks = self.blocks.between(&self.place(from), &self.place(to))?;
            while let Some(block) = blocks.next_raw()? {
                if visit(ids(&block)?)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn descending(
        &self,
        ranges: &[KeyRange],
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        for (from, to) in ranges.iter().rev() {
            let mut to = self.place(to);
            let from = self.place(from);
            'below: loop {
                let mut blocks = self.blocks.between_backwards(&from, &to)?;
                while let Some(block) = blocks.next_raw()? {
                    let (is_first, ids) = read(&block)?;
                    if is_first {
                        if visit(ids)?.is_break() {
                            return Ok(ControlFlow::Break(()));
                        }
                        continue;
                    }
                    // The last of several blocks of a key, which come in order.
                    let (_, key) = block.key()?;
                    let key = row_key(&key, false).to_vec();
                    if self.of_key(&key, visit)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                    to = (self.number, key);
                    continue 'below;
                }
                break;
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
