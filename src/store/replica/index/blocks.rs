//! Entries of an index: the ids of the rows that have a key, in blocks.
//!
//! Most keys have one row, and some have very many. The first block of a key lies under the key
//! itself, each other under the key and the id from which on it holds rows.

use std::fmt;

use redb::ReadableTable;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::limits::INDEX_BLOCK_IDS_MAX;
use crate::model::RecordId;
use crate::store::table::{Bytes, Opened, RawEntry, Writing};
use crate::sync::StoreError;

/// The number of an index, and then the key of rows, and the id from which on the block holds some
/// unless it is the first.
pub(in crate::store) type BlockKey = (u32, Vec<u8>);

const ID_BYTES: usize = 16;

/// An id as it lies in a block.
pub(super) type RawId = [u8; ID_BYTES];

/// Ids of rows with one key, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::store) struct Block {
    /// Whether it is the first of its key.
    pub(super) is_first: bool,
    pub(super) ids: Vec<RecordId>,
}

/// One byte for the first of a key, and then the ids.
impl Serialize for Block {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(1 + self.ids.len() * ID_BYTES);
        bytes.push(u8::from(self.is_first));
        for id in &self.ids {
            bytes.extend_from_slice(id.as_bytes());
        }
        to.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for Block {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_bytes(BlockVisitor)
    }
}

struct BlockVisitor;

impl Visitor<'_> for BlockVisitor {
    type Value = Block;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a block of ids")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Block, E> {
        let (is_first, ids) = parts(bytes).ok_or_else(|| E::custom("it is no block of ids"))?;
        Ok(Block { is_first, ids: ids.iter().map(|id| RecordId::from_bytes(*id)).collect() })
    }
}

fn parts(bytes: &[u8]) -> Option<(bool, &[RawId])> {
    let (first, ids) = bytes.split_first()?;
    let (ids, rest) = ids.as_chunks::<ID_BYTES>();
    (*first <= 1 && !ids.is_empty() && rest.is_empty()).then_some((*first == 1, ids))
}

/// A block as it lies there: whether it is the first of its key, and the ids.
pub(super) fn read<'e>(
    entry: &RawEntry<'e, BlockKey, Block>,
) -> Result<(bool, &'e [RawId]), StoreError> {
    let bytes = postcard::from_bytes::<&[u8]>(entry.payload()).ok();
    bytes.and_then(parts).ok_or_else(|| entry.damaged("it is no block of ids"))
}

/// The ids of a block as they lie there.
pub(super) fn ids<'e>(entry: &RawEntry<'e, BlockKey, Block>) -> Result<&'e [RawId], StoreError> {
    Ok(read(entry)?.1)
}

/// The key of the rows in a block.
pub(super) fn row_key(key: &[u8], is_first: bool) -> &[u8] {
    let bound = if is_first { 0 } else { ID_BYTES };
    key.get(..key.len().saturating_sub(bound)).unwrap_or_default()
}

fn with_bound(number: u32, key: &[u8], bound: RecordId) -> BlockKey {
    (number, [key, bound.as_bytes()].concat())
}

/// The block in which a row with this key lies, if it is in the index.
fn block_of<T: ReadableTable<Bytes, Bytes>>(
    blocks: &Opened<BlockKey, Block, T>,
    number: u32,
    key: &[u8],
    record: RecordId,
) -> Result<Option<(BlockKey, Block)>, StoreError> {
    let found = blocks.last_up_to(&with_bound(number, key, record))?;
    Ok(found.filter(|((of, at), block)| *of == number && row_key(at, block.is_first) == key))
}

/// Puts a row into an index; one that is in it already stays there.
pub(super) fn insert(
    blocks: &mut Writing<'_, BlockKey, Block>,
    number: u32,
    key: &[u8],
    record: RecordId,
) -> Result<(), StoreError> {
    let Some((place, mut block)) = block_of(blocks, number, key, record)? else {
        let block = Block { is_first: true, ids: vec![record] };
        let place = (number, key.to_vec());
        // Others of the same key may lie behind it: from its own bound on.
        blocks.set(&place, &block)?;
        return Ok(());
    };
    let Err(at) = block.ids.binary_search(&record) else { return Ok(()) };
    if block.ids.len() < INDEX_BLOCK_IDS_MAX {
        block.ids.insert(at, record);
    } else if at == block.ids.len() {
        // They mostly come in order: the full block stays full.
        let next = Block { is_first: false, ids: vec![record] };
        blocks.set(&with_bound(number, key, record), &next)?;
        return Ok(());
    } else {
        block.ids.insert(at, record);
        let ids = block.ids.split_off(block.ids.len() / 2);
        if let Some(bound) = ids.first() {
            let next = Block { is_first: false, ids: ids.clone() };
            blocks.set(&with_bound(number, key, *bound), &next)?;
        }
    }
    blocks.set(&place, &block)?;
    Ok(())
}

/// Takes a row out of an index, if it is in it.
pub(super) fn remove(
    blocks: &mut Writing<'_, BlockKey, Block>,
    number: u32,
    key: &[u8],
    record: RecordId,
) -> Result<(), StoreError> {
    let Some((place, mut block)) = block_of(blocks, number, key, record)? else { return Ok(()) };
    let Ok(at) = block.ids.binary_search(&record) else { return Ok(()) };
    block.ids.remove(at);
    if block.ids.is_empty() {
        blocks.delete(&place)?;
    } else {
        blocks.set(&place, &block)?;
    }
    Ok(())
}
