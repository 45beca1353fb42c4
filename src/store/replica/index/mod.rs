//! Indexes of the rows: which there are, and how far each is built.
//!
//! An index is derived from rows and holds nothing else. It is kept in the transaction that changes
//! them; what was there before it was declared is put in step by step. One that follows looked-up
//! records leans on others, which tell what looks a record up, and waits until these are built.

mod blocks;
mod build;
mod keep;
mod read;
mod verify;

use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadTransaction, ReadableTable, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::tables::ROW_COUNT;
use crate::model::{RecordId, Schema, TableName};
use crate::query::IndexShape;
use crate::store::table::{Bytes, Opened, Table};
use crate::sync::StoreError;

use blocks::{Block, BlockKey};

pub use build::IndexProgress;
pub(super) use build::{build, progress};
pub(super) use keep::keep;
pub use read::IndexReader;
pub(super) use verify::{check, verify};

/// Indexes: number -> what it holds, and how far it is.
pub(super) static INDEX: Table<u32, Indexed> = Table::new("index-1");
/// Entries of all indexes: (number, key of rows, and where the block begins unless it is the first of
/// its key) -> ids of rows with this key.
pub(super) static BLOCK: Table<BlockKey, Block> = Table::new("index-block-1");

/// An index as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Indexed {
    pub(super) shape: IndexShape,
    pub(super) state: IndexState,
}

/// How far an index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum IndexState {
    /// Nothing is in it, and no change of rows is followed.
    Waiting,
    /// All rows up to this are in, so many, and changes of all rows are followed.
    Building { up_to: RecordId, rows: u64 },
    /// All rows are in.
    Ready,
    /// It is declared no longer. Its entries are taken out, and mean nothing.
    Dropped,
}

impl Indexed {
    /// Whether changes of rows are followed.
    fn is_kept(&self) -> bool {
        matches!(self.state, IndexState::Building { .. } | IndexState::Ready)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.state == IndexState::Ready
    }
}

type All = BTreeMap<u32, Indexed>;

fn all<T: ReadableTable<Bytes, Bytes>>(
    indexes: &Opened<u32, Indexed, T>,
) -> Result<All, StoreError> {
    indexes.all()?.collect()
}

/// All indexes, by their numbers.
pub(super) fn indexes(tx: &ReadTransaction) -> Result<All, StoreError> {
    all(&INDEX.read(tx)?)
}

/// Whether there is nothing to build, and nothing to take out.
pub(super) fn is_all_ready(tx: &ReadTransaction) -> Result<bool, StoreError> {
    Ok(indexes(tx)?.values().all(Indexed::is_ready))
}

/// Whether those that it leans on are there, and all rows in them.
fn may_begin(shape: &IndexShape, indexes: &All) -> bool {
    let ready = |wanted: IndexShape| {
        indexes.values().any(|index| index.is_ready() && index.shape == wanted)
    };
    shape.followed_by().all(ready)
}

/// Makes the indexes those that a schema declares. New ones of tables without rows are ready.
pub(super) fn declare(tx: &WriteTransaction, schema: &Schema) -> Result<(), StoreError> {
    let mut wanted = BTreeSet::new();
    for table in schema.tables.values() {
        for index in &table.indexes {
            let Some(shape) = IndexShape::new(schema, table, index) else { continue };
            wanted.extend(shape.followed_by());
            wanted.insert(shape);
        }
    }
    let mut table = INDEX.write(tx)?;
    let mut known = all(&table)?;
    // One that was dropped, and is declared again before it is gone, is another.
    for (number, index) in known.iter_mut().filter(|(_, it)| it.state != IndexState::Dropped) {
        if !wanted.remove(&index.shape) {
            index.state = IndexState::Dropped;
            table.set(number, index)?;
        }
    }
    let counts = ROW_COUNT.write(tx)?;
    let is_empty = |name: &TableName| Ok::<_, StoreError>(counts.get(name)?.is_none());
    let free = known.last_key_value().map_or(1, |(last, _)| last + 1);
    // Those that others lean on first.
    let mut wanted: Vec<_> = wanted.into_iter().collect();
    wanted.sort_by_key(|shape| shape.sources().len());
    for (number, shape) in (free..).zip(wanted) {
        let has_no_rows = shape.table().map_or(Ok(false), is_empty)?;
        let is_ready = has_no_rows && may_begin(&shape, &known);
        let state = if is_ready { IndexState::Ready } else { IndexState::Waiting };
        let index = Indexed { shape, state };
        table.set(&number, &index)?;
        known.insert(number, index);
    }
    Ok(())
}

/// Makes the tables.
pub(super) fn make(tx: &WriteTransaction) -> Result<(), StoreError> {
    INDEX.write(tx)?;
    BLOCK.write(tx)?;
    Ok(())
}

/// Copies what is kept into another file: entries of dropped indexes may say what rows hold no longer.
pub(super) fn copy(from: &ReadTransaction, to: &WriteTransaction) -> Result<(), StoreError> {
    INDEX.copy(from, to)?;
    let kept: BTreeSet<_> = indexes(from)?
        .into_iter()
        .filter(|(_, it)| it.is_kept())
        .map(|(number, _)| number)
        .collect();
    BLOCK.copy_if(from, to, |key| kept.contains(&key.0))
}
