//! Whether indexes hold what the rows say.

use std::collections::BTreeMap;

use redb::ReadTransaction;

use super::blocks::{Block, BlockKey, row_key};
use super::{All, BLOCK, INDEX, IndexState, build, indexes};
use crate::model::RecordId;
use crate::store::fence::fenced;
use crate::store::replica::tables::ROW;
use crate::store::survey::Survey;
use crate::sync::StoreError;

/// What was seen of an index.
#[derive(Default)]
struct Seen {
    /// Rows that are in it, of those that must be.
    rows: u64,
    last: Option<(Vec<u8>, RecordId)>,
}

/// What is wrong with a block, if anything. A row has one key, so if all that is there is right, and
/// as many rows as there should be, none is missing.
fn problem(
    tx: &ReadTransaction,
    known: &All,
    seen: &mut BTreeMap<u32, Seen>,
    (number, key): &BlockKey,
    block: &Block,
) -> Result<Option<&'static str>, StoreError> {
    let Some(index) = known.get(number) else {
        return Ok(Some("it is of an index that there is not"));
    };
    let up_to = match index.state {
        IndexState::Dropped => return Ok(None),
        IndexState::Waiting => return Ok(Some("it is of an index that was not begun")),
        IndexState::Building { up_to, .. } => Some(up_to),
        IndexState::Ready => None,
    };
    let key = row_key(key, block.is_first);
    let seen = seen.entry(*number).or_default();
    for id in &block.ids {
        let entry = (key.to_vec(), *id);
        if seen.last.as_ref().is_some_and(|last| *last >= entry) {
            return Ok(Some("its rows are out of order"));
        }
        seen.last = Some(entry);
        seen.rows += u64::from(up_to.is_none_or(|up_to| *id <= up_to));
        if build::fresh(&index.shape, *id, tx)?.as_deref() != Some(key) {
            return Ok(Some("a row in it has another key, or is not there"));
        }
    }
    Ok(None)
}

/// How many rows are in an index, and how many should be, where these are not the same.
fn missing(
    tx: &ReadTransaction,
    known: &All,
    seen: &BTreeMap<u32, Seen>,
) -> Result<Vec<(u32, String)>, StoreError> {
    let mut missing = Vec::new();
    for (number, index) in known {
        let up_to = match index.state {
            IndexState::Waiting | IndexState::Dropped => continue,
            IndexState::Building { up_to, .. } => Some(up_to),
            IndexState::Ready => None,
        };
        let Some(table) = index.shape.table() else { continue };
        let mut expected = 0;
        let mut rows = ROW.read(tx)?.owned_starting_with(table, None)?;
        while let Some(row) = rows.next_raw()? {
            let id = row.key()?.1;
            expected += u64::from(up_to.is_none_or(|up_to| id <= up_to));
        }
        let found = seen.get(number).map_or(0, |seen| seen.rows);
        if found != expected {
            missing.push((*number, format!("{found} rows are in it, {expected} should be")));
        }
    }
    Ok(missing)
}

/// Notes what does not fit.
pub(in crate::store::replica) fn verify(tx: &ReadTransaction, survey: &mut Survey<'_>) {
    let mut known = All::new();
    survey.each(&INDEX, tx, |_, number, index| drop(known.insert(number, index)));
    let mut seen = BTreeMap::new();
    survey.each(&BLOCK, tx, |survey, key, block| {
        // What is damaged is told where its table is gone over.
        if let Ok(Some(problem)) = fenced(|| problem(tx, &known, &mut seen, &key, &block)) {
            survey.misfit(&BLOCK, &key, problem);
        }
    });
    for (number, problem) in fenced(|| missing(tx, &known, &seen)).unwrap_or_default() {
        survey.misfit(&INDEX, &number, problem);
    }
}

/// The first thing that does not fit.
pub(in crate::store::replica) fn check(tx: &ReadTransaction) -> Result<(), StoreError> {
    let known = indexes(tx)?;
    let mut seen = BTreeMap::new();
    for entry in BLOCK.read(tx)?.all()? {
        let (key, block) = entry?;
        if let Some(problem) = problem(tx, &known, &mut seen, &key, &block)? {
            return Err(StoreError::Damaged(format!("an index: {problem}")));
        }
    }
    match missing(tx, &known, &seen)?.first() {
        Some((_, problem)) => Err(StoreError::Damaged(format!("an index: {problem}"))),
        None => Ok(()),
    }
}
