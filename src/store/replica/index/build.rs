//! Putting into an index what was there before it was declared, step by step.

use std::borrow::Cow;

use redb::{ReadTransaction, WriteTransaction};

use super::{BLOCK, INDEX, IndexState, Indexed, all, blocks, indexes, keep, may_begin};
use crate::model::{RecordId, TableName};
use crate::query::IndexShape;
use crate::store::replica::tables::{ROW, ROW_COUNT};
use crate::sync::StoreError;

/// An index that is being built: queries do without it until it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexProgress {
    /// The table.
    pub table: TableName,
    /// The columns, as filters name them.
    pub columns: String,
    /// Rows that are in it.
    pub rows: u64,
    /// Rows of the table.
    pub of: u64,
}

/// The indexes that are not built yet.
pub(in crate::store::replica) fn progress(
    tx: &ReadTransaction,
) -> Result<Vec<IndexProgress>, StoreError> {
    let counts = ROW_COUNT.read(tx)?;
    let progress = |index: Indexed| {
        let rows = match index.state {
            IndexState::Waiting => 0,
            IndexState::Building { rows, .. } => rows,
            IndexState::Ready | IndexState::Dropped => return Ok(None),
        };
        let Some(table) = index.shape.table() else { return Ok(None) };
        let of = counts.get(table)?.unwrap_or(0);
        let (table, columns) = (table.clone(), index.shape.to_string());
        Ok(Some(IndexProgress { table, columns, rows, of }))
    };
    indexes(tx)?.into_values().filter_map(|index| progress(index).transpose()).collect()
}

/// One step: some rows more in an index, or some entries less of one that was dropped. Tells whether
/// there is more to do.
pub(in crate::store::replica) fn build(
    tx: &WriteTransaction,
    at_most: usize,
) -> Result<bool, StoreError> {
    let known = all(&INDEX.write(tx)?)?;
    if let Some((number, _)) = known.iter().find(|(_, it)| it.state == IndexState::Dropped) {
        take_out(tx, *number, at_most)?;
        return Ok(true);
    }
    let next = known.iter().find(|(_, index)| match index.state {
        IndexState::Building { .. } => true,
        IndexState::Waiting => may_begin(&index.shape, &known),
        IndexState::Ready | IndexState::Dropped => false,
    });
    let Some((number, index)) = next else { return Ok(false) };
    let state = put_in(tx, *number, index, at_most)?;
    let (shape, number) = (index.shape.clone(), *number);
    INDEX.write(tx)?.set(&number, &Indexed { shape, state })?;
    Ok(true)
}

fn put_in(
    tx: &WriteTransaction,
    number: u32,
    Indexed { shape, state }: &Indexed,
    at_most: usize,
) -> Result<IndexState, StoreError> {
    let Some(table) = shape.table() else { return Ok(IndexState::Ready) };
    let rows = ROW.write(tx)?;
    let (entries, mut done) = match state {
        IndexState::Building { up_to, rows: done } => {
            (rows.starting_after(table, &(table.clone(), *up_to))?, *done)
        }
        _ => (rows.starting_with(table)?, 0),
    };
    let (mut keys, mut last) = (Vec::new(), None);
    for entry in entries.take(at_most) {
        let (place, row) = entry?;
        let key = keep::key(shape, &place, |of| {
            if *of == place {
                return Ok(Some(Cow::Borrowed(&row)));
            }
            Ok(rows.get(of)?.map(Cow::Owned))
        })?;
        last = Some(place.1);
        done += 1;
        keys.extend(key.map(|key| (key, place.1)));
    }
    let state = match last {
        Some(up_to) if keys.len() == at_most => IndexState::Building { up_to, rows: done },
        _ => IndexState::Ready,
    };
    keys.sort_unstable();
    let mut entries = BLOCK.write(tx)?;
    for (key, record) in keys {
        blocks::insert(&mut entries, number, &key, record)?;
    }
    Ok(state)
}

fn take_out(tx: &WriteTransaction, number: u32, at_most: usize) -> Result<(), StoreError> {
    let mut entries = BLOCK.write(tx)?;
    let keys = entries.starting_with(&number)?.take(at_most).map(|entry| Ok(entry?.0));
    let keys = keys.collect::<Result<Vec<_>, StoreError>>()?;
    for key in &keys {
        entries.delete(key)?;
    }
    if keys.len() < at_most {
        INDEX.write(tx)?.delete(&number)?;
    }
    Ok(())
}

/// What an index holds when it is built afresh, for [`super::verify`].
pub(super) fn fresh(
    shape: &IndexShape,
    record: RecordId,
    tx: &ReadTransaction,
) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(table) = shape.table() else { return Ok(None) };
    let rows = ROW.read(tx)?;
    keep::key(shape, &(table.clone(), record), |place| Ok(rows.get(place)?.map(Cow::Owned)))
}
