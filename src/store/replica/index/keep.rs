//! Keeping indexes while rows change.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::convert::Infallible;

use redb::{ReadableTable, WriteTransaction};

use super::blocks::{self, Block, BlockKey};
use super::{All, BLOCK, INDEX, all};
use crate::model::{RecordId, TableName, Value};
use crate::query::{Cell, Field, IndexShape, Source};
use crate::store::replica::changes::{RowChange, RowChanges};
use crate::store::replica::tables::Place;
use crate::store::table::{Bytes, Opened, Writing};
use crate::sync::{StoreError, StoredRow};

/// Follows what a step changed, and gives that back; `rows` has the rows as they are after it.
pub(in crate::store::replica) fn keep<'b, T: ReadableTable<Bytes, Bytes>>(
    tx: &WriteTransaction,
    changes: RowChanges<'b>,
    rows: &Opened<Place, StoredRow, T>,
) -> Result<RowChanges<'b>, StoreError> {
    let indexes = all(&INDEX.write(tx)?)?;
    let mut kept: Vec<_> = indexes.iter().filter(|(_, index)| index.is_kept()).collect();
    if kept.is_empty() {
        return Ok(changes);
    }
    let changes = changes.sorted();
    // Those that tell what looks a record up are right before others ask them.
    kept.sort_by_key(|(_, index)| index.shape.sources().len());
    let mut blocks = BLOCK.write(tx)?;
    for (number, index) in kept {
        let shape = &index.shape;
        let Some(table) = shape.table() else { continue };
        let touched = touched(shape, &indexes, &changes, &blocks)?;
        let mut entries = Vec::with_capacity(touched.len());
        for record in touched {
            let place = (table.clone(), record);
            let before = key(shape, &place, |place| match changes.get(place) {
                Some(change) => Ok(change.before.as_ref().map(Cow::Borrowed)),
                None => Ok(rows.get(place)?.map(Cow::Owned)),
            })?;
            let after = key(shape, &place, |place| match changes.get(place) {
                Some(change) => Ok(change.after.map(Cow::Borrowed)),
                None => Ok(rows.get(place)?.map(Cow::Owned)),
            })?;
            if before != after {
                entries.push((after, before, record));
            }
        }
        // Side by side, as they lie in the file.
        entries.sort_unstable();
        for (after, before, record) in entries {
            if let Some(before) = before {
                blocks::remove(&mut blocks, *number, &before, record)?;
            }
            if let Some(after) = after {
                blocks::insert(&mut blocks, *number, &after, record)?;
            }
        }
    }
    Ok(changes)
}

/// The rows of an index's table whose keys may have changed: those that changed themselves, and those
/// that look up, at whatever distance, what changed. Where a lookup on the way changed as well, its own
/// record leads there.
fn touched(
    shape: &IndexShape,
    indexes: &All,
    changes: &RowChanges<'_>,
    blocks: &Writing<'_, BlockKey, Block>,
) -> Result<BTreeSet<RecordId>, StoreError> {
    let mut touched = BTreeSet::new();
    for (source, Source { table, .. }) in shape.sources().iter().enumerate() {
        let fields = shape.fields(source);
        let found =
            changes.iter().filter(|((of, _), change)| of == table && differs(change, &fields));
        let mut records: BTreeSet<_> = found.map(|((_, record), _)| *record).collect();
        let mut at = source;
        while let Some(Source { from: Some((from, lookup)), .. }) = shape.sources().get(at) {
            let Some(Source { table, .. }) = shape.sources().get(*from) else { break };
            records = looking_up(&records, table, lookup, indexes, blocks)?;
            at = *from;
        }
        touched.append(&mut records);
    }
    Ok(touched)
}

fn differs(change: &RowChange<'_>, fields: &BTreeSet<Field>) -> bool {
    let (Some(before), Some(after)) = (&change.before, change.after) else { return true };
    let differs = |field: &Field| match field {
        Field::Id => false,
        Field::Owner | Field::BusinessUnit => before.header.owner != after.header.owner,
        Field::Column(column) => before.columns.get(column) != after.columns.get(column),
    };
    fields.iter().any(differs)
}

/// The rows of a table of which a column looks up one of these records.
fn looking_up(
    records: &BTreeSet<RecordId>,
    table: &TableName,
    lookup: &Field,
    indexes: &All,
    blocks: &Writing<'_, BlockKey, Block>,
) -> Result<BTreeSet<RecordId>, StoreError> {
    let mut found = BTreeSet::new();
    let is_it = |shape: &IndexShape| {
        let only = BTreeSet::from([lookup.clone()]);
        shape.sources().len() == 1 && shape.table() == Some(table) && shape.fields(0) == only
    };
    let index = indexes.iter().find(|(_, index)| index.is_kept() && is_it(&index.shape));
    let Some((number, index)) = index else { return Ok(found) };
    for record in records {
        let value = Value::Lookup(*record);
        let key: Result<_, Infallible> =
            index.shape.key(|_, _| Ok(Cell::Known(Cow::Borrowed(&value))));
        let Ok(key) = key;
        for entry in blocks.starting_with(&(*number, key))? {
            found.extend(entry?.1.ids);
        }
    }
    Ok(found)
}

/// The key of a row, where `row` gives rows; `None`: there is no such row.
pub(super) fn key<'r>(
    shape: &IndexShape,
    place: &Place,
    row: impl Fn(&Place) -> Result<Option<Cow<'r, StoredRow>>, StoreError>,
) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(own) = row(place)? else { return Ok(None) };
    // Of each source the row that is reached.
    let mut reached = vec![Reached::Row(place.1, own)];
    for Source { table, from } in shape.sources().iter().skip(1) {
        let looked_up =
            from.as_ref().and_then(|(from, column)| Some(reached.get(*from)?.lookup(column)));
        reached.push(match looked_up {
            Some(Lookup::Record(id)) => {
                let found = row(&(table.clone(), id))?;
                found.map_or(Reached::Unknown, |row| Reached::Row(id, row))
            }
            Some(Lookup::Nothing) => Reached::Nothing,
            Some(Lookup::Unknown) | None => Reached::Unknown,
        });
    }
    let cell = |source: usize, field: &Field| {
        Ok(reached.get(source).map_or(Cell::Hidden, |reached| reached.cell(field)))
    };
    shape.key(cell).map(Some)
}

/// What a lookup leads to, as a query has it.
enum Reached<'r> {
    Row(RecordId, Cow<'r, StoredRow>),
    /// The lookup is null.
    Nothing,
    /// The record is not on this device, or the lookup is of such a record.
    Unknown,
}

enum Lookup {
    Record(RecordId),
    Nothing,
    Unknown,
}

impl Reached<'_> {
    fn lookup(&self, field: &Field) -> Lookup {
        match self {
            Self::Row(..) => match self.cell(field) {
                Cell::Known(value) => match *value {
                    Value::Lookup(id) => Lookup::Record(id),
                    Value::Null => Lookup::Nothing,
                    _ => Lookup::Unknown,
                },
                Cell::Hidden => Lookup::Unknown,
            },
            Self::Nothing => Lookup::Nothing,
            Self::Unknown => Lookup::Unknown,
        }
    }

    fn cell(&self, field: &Field) -> Cell<'_> {
        match self {
            Self::Row(id, row) => field.of(*id, &row.header, &row.columns),
            Self::Nothing => Cell::Known(Cow::Owned(Value::Null)),
            Self::Unknown => Cell::Hidden,
        }
    }
}
