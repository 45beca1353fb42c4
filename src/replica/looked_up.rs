//! Rows as queries read them: with those that they look up.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::Row;
use super::sight::Sight;
use crate::limits::LOOKED_UP_KEPT_MAX;
use crate::model::{ColumnName, RecordId, Secured, TableName, Value};
use crate::query::{self, BoundQuery, Cell, Field, Reference, Source};
use crate::store::{ReplicaSnapshot, RowFinder, RowReader, Wanted};
use crate::sync::StoreError;

/// The looked-up rows of one query, each read once as long as they are not too many.
pub(super) struct LookedUp<'a> {
    sight: &'a Sight,
    query: &'a BoundQuery,
    /// One for each source.
    finders: Vec<Finder>,
    /// By source and id; `None`: there is none on this device.
    kept: BTreeMap<(usize, RecordId), Option<Rc<Row>>>,
}

struct Finder {
    rows: RowFinder,
    reader: RowReader,
}

/// What a query asks of the rows of a source, and what says which of it is hidden.
pub(super) fn wanted(
    query: &BoundQuery,
    source: usize,
    table: &TableName,
    sight: &Sight,
) -> Wanted {
    let (mut columns, mut header) = (BTreeSet::new(), !sight.secured(table).is_empty());
    for field in query.fields(source) {
        match field {
            Field::Id => {}
            Field::Owner | Field::BusinessUnit => header = true,
            Field::Column(column) => drop(columns.insert(column)),
        }
    }
    Wanted { columns, header }
}

impl<'a> LookedUp<'a> {
    pub(super) fn new(
        snapshot: &ReplicaSnapshot,
        sight: &'a Sight,
        query: &'a BoundQuery,
    ) -> Result<Self, StoreError> {
        let finder = |(source, it): (usize, &Source)| {
            let reader = RowReader::of(wanted(query, source, &it.table, sight));
            Ok(Finder { rows: snapshot.row_finder(&it.table)?, reader })
        };
        let finders = query.sources().iter().enumerate().map(finder);
        let finders = finders.collect::<Result<_, StoreError>>()?;
        Ok(Self { sight, query, finders, kept: BTreeMap::new() })
    }

    fn find(&mut self, source: usize, id: RecordId) -> Result<Option<Rc<Row>>, StoreError> {
        if let Some(known) = self.kept.get(&(source, id)) {
            return Ok(known.clone());
        }
        if self.kept.len() >= LOOKED_UP_KEPT_MAX {
            self.kept.clear();
        }
        let (Some(finder), Some(it)) =
            (self.finders.get_mut(source), self.query.sources().get(source))
        else {
            return Ok(None);
        };
        let stored = finder.rows.find(id, &mut finder.reader)?;
        let row = stored.map(|stored| Rc::new(Row::new(id, stored, &it.table, self.sight)));
        self.kept.insert((source, id), row.clone());
        Ok(row)
    }
}

/// A row of the table, with all that can be looked up from it.
pub(super) struct JoinedRow<'a, 'b> {
    pub(super) row: &'a Row,
    pub(super) looked_up: &'a mut LookedUp<'b>,
}

/// What a lookup leads to.
enum Reached {
    Row(Rc<Row>),
    /// The lookup is null.
    Nothing,
    /// The record is not on this device, or the lookup itself is of such a record.
    Unknown,
}

impl JoinedRow<'_, '_> {
    fn reach(&mut self, source: usize) -> Result<Reached, StoreError> {
        let sources = self.looked_up.query.sources();
        let Some(Source { from: Some((from, column)), .. }) = sources.get(source) else {
            return Ok(Reached::Unknown);
        };
        let id = if *from == 0 {
            lookup(self.row, column)
        } else {
            match self.reach(*from)? {
                Reached::Row(row) => lookup(&row, column),
                other => return Ok(other),
            }
        };
        let Some(id) = id else { return Ok(Reached::Unknown) };
        let Some(id) = id else { return Ok(Reached::Nothing) };
        let found = self.looked_up.find(source, id)?;
        Ok(found.map_or(Reached::Unknown, Reached::Row))
    }
}

/// What a column looks up, if anything; the outer `None`: that is hidden.
#[expect(clippy::option_option, reason = "hidden is not null")]
fn lookup(row: &Row, column: &ColumnName) -> Option<Option<RecordId>> {
    match row.read(column.as_str()) {
        Secured::Known(Value::Lookup(id)) => Some(Some(*id)),
        Secured::Known(Value::Null) => Some(None),
        Secured::Known(_) | Secured::Hidden => None,
    }
}

impl query::Row for JoinedRow<'_, '_> {
    type Error = StoreError;

    fn cell(&mut self, reference: &Reference) -> Result<Cell<'_>, StoreError> {
        if reference.source == 0 {
            return Ok(cell(self.row, &reference.field));
        }
        Ok(match self.reach(reference.source)? {
            Reached::Row(row) => cell(&row, &reference.field).into_owned(),
            Reached::Nothing => Cell::Known(Cow::Owned(Value::Null)),
            Reached::Unknown => Cell::Hidden,
        })
    }
}

fn cell<'r>(row: &'r Row, field: &Field) -> Cell<'r> {
    match field {
        Field::Column(column) if row.hidden.contains(column) => Cell::Hidden,
        _ => field.of(row.id, &row.header, &row.columns),
    }
}
