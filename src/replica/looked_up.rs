//! Rows as queries read them: with those that they look up.

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::Row;
use super::sight::Sight;
use crate::limits::LOOKED_UP_KEPT_MAX;
use crate::model::{Owner, RecordId, Secured, SystemTable, TableName, Value};
use crate::query::{self, BoundQuery, Cell, Field, Reference, Source};
use crate::store::{ReplicaSnapshot, RowCursor, RowReader, Wanted};
use crate::sync::StoreError;

/// The looked-up rows of one query.
pub(super) struct LookedUp<'a> {
    snapshot: &'a ReplicaSnapshot,
    sight: &'a Sight,
    query: &'a BoundQuery,
    /// By source, and whether of teams.
    tables: BTreeMap<(usize, bool), LookedUpTable>,
}

/// Rows of a table, as far as the query asks for them, each read once as long as they are not too many.
struct LookedUpTable {
    table: TableName,
    rows: RowCursor,
    reader: RowReader,
    /// `None`: there is none on this device.
    kept: Vec<Option<Row>>,
    /// Where each of them is kept.
    places: BTreeMap<RecordId, usize>,
    /// The one asked for last: a row is often asked for several columns.
    last: Option<(RecordId, usize)>,
}

/// What says these fields of a table's rows, and which of them are hidden.
pub(super) fn wanted(fields: BTreeSet<Field>, table: &TableName, sight: &Sight) -> Wanted {
    let (mut columns, mut header) = (BTreeSet::new(), !sight.secured(table).is_empty());
    for field in fields {
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
        snapshot: &'a ReplicaSnapshot,
        sight: &'a Sight,
        query: &'a BoundQuery,
    ) -> Self {
        Self { snapshot, sight, query, tables: BTreeMap::new() }
    }

    /// A row of a source; of one that is an owner's maybe a team.
    fn find(
        &mut self,
        source: usize,
        is_team: bool,
        id: RecordId,
    ) -> Result<Option<&Row>, StoreError> {
        let table = match self.tables.entry((source, is_team)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let Some(it) = self.query.sources().get(source) else { return Ok(None) };
                let table = if is_team { SystemTable::Team.name() } else { it.table.clone() };
                let wanted = wanted(self.query.fields(source), &table, self.sight);
                let (rows, reader) = (self.snapshot.row_cursor(&table)?, RowReader::of(wanted));
                let (kept, places, last) = (Vec::new(), BTreeMap::new(), None);
                new.insert(LookedUpTable { table, rows, reader, kept, places, last })
            }
        };
        table.find(id, self.sight)
    }
}

impl LookedUpTable {
    fn find(&mut self, id: RecordId, sight: &Sight) -> Result<Option<&Row>, StoreError> {
        let at = match self.last {
            Some((last, at)) if last == id => at,
            _ => match self.places.get(&id) {
                Some(at) => *at,
                None => self.keep(id, sight)?,
            },
        };
        self.last = Some((id, at));
        Ok(self.kept.get(at).and_then(Option::as_ref))
    }

    /// Reads a row, and tells where it is kept.
    fn keep(&mut self, id: RecordId, sight: &Sight) -> Result<usize, StoreError> {
        let is_there = self.rows.go_to(id)?;
        let stored = if is_there { self.rows.read(&mut self.reader)? } else { None };
        if self.kept.len() >= LOOKED_UP_KEPT_MAX {
            self.kept.clear();
            self.places.clear();
        }
        self.kept.push(stored.map(|it| Row::new(id, it, &self.table, sight)));
        self.places.insert(id, self.kept.len() - 1);
        Ok(self.kept.len() - 1)
    }
}

/// A row of the table, with all that can be looked up from it.
pub(super) struct JoinedRow<'a, 'b> {
    pub(super) row: &'a mut Row,
    pub(super) looked_up: &'a mut LookedUp<'b>,
}

/// What a lookup leads to.
enum Reached<'r> {
    Row(&'r Row),
    /// The lookup is null.
    Nothing,
    /// The record is not on this device, or the lookup itself is of such a record.
    Unknown,
}

impl JoinedRow<'_, '_> {
    /// The records that it looks up, there or not.
    pub(super) fn leads_to(&mut self) -> Result<Vec<RecordId>, StoreError> {
        let mut records = Vec::new();
        for source in 1..self.looked_up.query.sources().len() {
            if let Found::Record(id) | Found::Team(id) = self.lookup(source)? {
                records.push(id);
            }
        }
        Ok(records)
    }

    fn lookup(&mut self, source: usize) -> Result<Found, StoreError> {
        let sources = self.looked_up.query.sources();
        let Some(Source { from: Some((from, field)), .. }) = sources.get(source) else {
            return Ok(Found::Hidden);
        };
        if *from == 0 {
            return Ok(lookup(self.row, field));
        }
        Ok(match self.reach(*from)? {
            Reached::Row(row) => lookup(row, field),
            Reached::Nothing => Found::Nothing,
            Reached::Unknown => Found::Hidden,
        })
    }

    fn reach(&mut self, source: usize) -> Result<Reached<'_>, StoreError> {
        let (id, is_team) = match self.lookup(source)? {
            Found::Record(id) => (id, false),
            Found::Team(id) => (id, true),
            Found::Nothing => return Ok(Reached::Nothing),
            Found::Hidden => return Ok(Reached::Unknown),
        };
        let found = self.looked_up.find(source, is_team, id)?;
        Ok(found.map_or(Reached::Unknown, Reached::Row))
    }
}

/// What a part of a row looks up.
enum Found {
    /// A record of the source's table.
    Record(RecordId),
    /// The row of a team, where the source is the owner's.
    Team(RecordId),
    Nothing,
    Hidden,
}

fn lookup(row: &Row, field: &Field) -> Found {
    let owner = row.header.owner.as_ref();
    match field {
        Field::Id => Found::Record(row.id),
        Field::Owner => match owner {
            Some((Owner::User(user), _)) => Found::Record(SystemTable::User.record(user.as_str())),
            Some((Owner::Team(team), _)) => Found::Team(SystemTable::Team.record(team.as_str())),
            None => Found::Nothing,
        },
        Field::BusinessUnit => owner.map_or(Found::Nothing, |(_, unit)| {
            Found::Record(SystemTable::BusinessUnit.record(unit.as_str()))
        }),
        Field::Column(column) => match row.read(column.as_str()) {
            Secured::Known(Value::Lookup(id)) => Found::Record(*id),
            Secured::Known(Value::Null) => Found::Nothing,
            Secured::Known(_) | Secured::Hidden => Found::Hidden,
        },
    }
}

impl query::Row for JoinedRow<'_, '_> {
    type Error = StoreError;

    fn cell(&mut self, reference: &Reference) -> Result<Cell<'_>, StoreError> {
        if reference.source == 0 {
            return Ok(cell(self.row, &reference.field));
        }
        Ok(match self.reach(reference.source)? {
            Reached::Row(row) => cell(row, &reference.field),
            Reached::Nothing => Cell::Known(Cow::Owned(Value::Null)),
            Reached::Unknown => Cell::Hidden,
        })
    }

    fn take(&mut self, reference: &Reference) -> Result<Cell<'static>, StoreError> {
        match &reference.field {
            Field::Column(column) if reference.source == 0 && !self.row.hidden.contains(column) => {
                let value = self.row.columns.get_mut(column).map(std::mem::take);
                Ok(Cell::Known(Cow::Owned(value.unwrap_or_default())))
            }
            _ => Ok(self.cell(reference)?.into_owned()),
        }
    }
}

fn cell<'r>(row: &'r Row, field: &Field) -> Cell<'r> {
    match field {
        Field::Column(column) if row.hidden.contains(column) => Cell::Hidden,
        _ => field.of(row.id, &row.header, &row.columns),
    }
}
