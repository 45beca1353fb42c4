//! Carrying a query out: which rows are looked at, what is read of them, and which are kept.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use super::Row;
use super::looked_up::{JoinedRow, LookedUp, wanted};
use super::sight::Sight;
use crate::model::{RecordId, TableName};
use crate::query::{
    Access, BoundQuery, Direction, IndexAccess, IndexShape, Parts, Plan, SCANNED_SHARE, SortKey,
    UsableIndex,
};
use crate::store::{RawRow, ReplicaSnapshot, RowFinder, RowReader};
use crate::sync::StoreError;

/// So few rows of an index are always got by their ids.
const FEW: u64 = 1_000;

/// A query that was checked, with the state of the file that it reads.
pub(super) struct Run<'a> {
    pub(super) query: &'a BoundQuery,
    snapshot: &'a ReplicaSnapshot,
    indexes: Vec<(u32, IndexShape)>,
    reading: Reading<'a>,
}

/// Reads rows, and what they look up.
struct Reading<'a> {
    query: &'a BoundQuery,
    sight: &'a Sight,
    looked_up: LookedUp<'a>,
    finder: RowFinder,
    /// Reads what the query asks for.
    glance: RowReader,
    /// Reads all that is shown.
    whole: RowReader,
}

/// A row that the filter is true for.
struct Met {
    row: Row,
    /// Where the rest of it is, if it was only glanced at.
    rest: Rest,
}

enum Rest {
    /// All of it was read.
    Nothing,
    Here(Box<RawRow>),
    /// To be found by its id.
    ById,
}

/// Which rows are gone through: in the order of their ids.
enum Through {
    Table,
    /// These; and what is left to ask of them.
    Ids(Vec<RecordId>, Parts),
}

/// A row that will be in the result, unless others come before it; it may have to be read still.
type Kept = (SortKey, Option<Row>);

/// Rows, and what the last one is ordered by if there are more.
type Page = (Vec<Row>, Option<SortKey>);

impl<'a> Run<'a> {
    pub(super) fn new(
        query: &'a BoundQuery,
        snapshot: &'a ReplicaSnapshot,
        sight: &'a Sight,
    ) -> Result<Self, StoreError> {
        let table = query.table();
        let declared = sight.schema().table(table.as_str());
        let has_indexes = declared.is_some_and(|table| !table.indexes.is_empty());
        let indexes = if has_indexes { snapshot.indexes(table)? } else { Vec::new() };
        let reading = Reading {
            query,
            sight,
            looked_up: LookedUp::new(snapshot, sight, query),
            finder: snapshot.row_finder(table)?,
            glance: RowReader::of(wanted(query.fields(0), table, sight)),
            whole: query.shown_fields().map_or_else(RowReader::default, |fields| {
                RowReader::of(wanted(fields, table, sight))
            }),
        };
        Ok(Self { query, snapshot, indexes, reading })
    }

    /// How rows will be found.
    pub(super) fn plan(&self, limit: Option<usize>) -> Result<Plan, StoreError> {
        let rows = self.snapshot.row_count(self.query.table())?;
        Ok(self.query.plan(rows, &self.usable(), limit))
    }

    /// The first `limit` rows behind `after`.
    pub(super) fn read(
        &mut self,
        after: Option<&SortKey>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        // One more than asked for says that there are more.
        let wanted = limit.saturating_add(1);
        let limited = (limit < usize::MAX).then_some(limit);
        let access = self.query.access(&self.usable(), limited);
        if let Access::Index(it) = &access
            && it.order.is_some()
        {
            let start = after.map(|after| self.place_of(it, after));
            // A bookmark that has no place in the index goes on without it.
            let rows = match start {
                Some(None) => None,
                start => Some(self.in_order_of(it, start.flatten(), wanted)?),
            };
            if let Some(rows) = rows {
                return self.page(rows, limit);
            }
        }
        let through = self.through(access)?;
        if self.query.is_by_id() {
            let rows = self.by_id(through, after, wanted)?;
            return self.page(rows, limit);
        }
        let mut found = self.sorted(through, after, wanted)?;
        let more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| more).map(|(key, _)| key.clone());
        Ok((found.into_iter().map(|(_, row)| row).collect(), last))
    }

    /// One row, if the filter is true for it, and what it is ordered by.
    pub(super) fn ask(&mut self, record: RecordId) -> Result<Option<(SortKey, Row)>, StoreError> {
        let Some(row) = self.reading.find(record)? else { return Ok(None) };
        if !self.reading.test(&self.query.parts(), &row)? {
            return Ok(None);
        }
        Ok(Some((self.reading.sort_key(&row)?, row)))
    }

    /// What a row is ordered by.
    pub(super) fn sort_key(&mut self, row: &Row) -> Result<SortKey, StoreError> {
        self.reading.sort_key(row)
    }

    /// A row with what it looks up.
    pub(super) fn joined<'r>(&'r mut self, row: &'r Row) -> JoinedRow<'r, 'a> {
        JoinedRow { row, looked_up: &mut self.reading.looked_up }
    }

    /// How many rows the filter is true for.
    pub(super) fn count(&mut self) -> Result<u64, StoreError> {
        if !self.query.is_filtered() {
            return self.snapshot.row_count(self.query.table());
        }
        let access = self.query.access(&self.usable(), None);
        if let Access::Index(it) = &access
            && it.left.is_empty()
        {
            return self.snapshot.index(it.number)?.count(&it.ranges);
        }
        let through = self.through(access)?;
        let mut rows = 0;
        self.each(through, None, false, |_, _| {
            rows += 1;
            Ok(true)
        })?;
        Ok(rows)
    }

    /// The indexes of the table. What may be hidden decides nothing: the rows are asked.
    fn usable(&self) -> Vec<UsableIndex<'_>> {
        let usable = self.indexes.iter().map(|(number, shape)| {
            let may_hide = self.reading.sight.may_hide(shape);
            UsableIndex { number: *number, shape, may_hide }
        });
        usable.collect()
    }

    fn page(&mut self, mut rows: Vec<Row>, limit: usize) -> Result<Page, StoreError> {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = match rows.last() {
            Some(last) if more => Some(self.reading.sort_key(last)?),
            _ => None,
        };
        Ok((rows, last))
    }

    /// What is gone through. Where an index leads to much of the table, all of it.
    fn through(&self, access: Access) -> Result<Through, StoreError> {
        Ok(match access {
            Access::Table => Through::Table,
            Access::Ids(ids) => Through::Ids(ids, self.query.parts()),
            Access::Index(it) => {
                let rows = self.snapshot.row_count(self.query.table())?;
                let at_most = FEW.max(rows / SCANNED_SHARE);
                let ids = self.snapshot.index(it.number)?.ids(&it.ranges, at_most)?;
                ids.map_or(Through::Table, |ids| Through::Ids(ids, it.left))
            }
        })
    }

    /// Where a row lies in an index that has the query's order.
    fn place_of(&self, index: &IndexAccess, row: &SortKey) -> Option<(Vec<u8>, RecordId)> {
        let usable = self.usable();
        let index = usable.iter().find(|it| it.number == index.number)?;
        Some((self.query.index_key(*index, row)?, row.id()))
    }

    /// The first rows in the order of an index, from behind a place in it on.
    fn in_order_of(
        &mut self,
        index: &IndexAccess,
        after: Option<(Vec<u8>, RecordId)>,
        wanted: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let (mut found, reading) = (Vec::new(), &mut self.reading);
        let descending = index.order == Some(Direction::Desc);
        let reader = self.snapshot.index(index.number)?;
        reader.walk(&index.ranges, descending, after, |id| {
            let met = reading.meet(id, true, &index.left)?;
            let Some(met) = met else { return Ok(ControlFlow::Continue(())) };
            if reading.test(&index.left, &met.row)? {
                found.extend(reading.whole(met)?);
            }
            Ok(if found.len() < wanted {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        })?;
        Ok(found)
    }

    /// The first rows in the order of their ids.
    fn by_id(
        &mut self,
        through: Through,
        after: Option<&SortKey>,
        wanted: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let mut found = Vec::new();
        self.each(through, after.map(SortKey::id), true, |met, reading| {
            found.extend(reading.whole(met)?);
            Ok(found.len() < wanted)
        })?;
        Ok(found)
    }

    /// The first rows in the query's order. No more than twice as many are held at a time.
    fn sorted(
        &mut self,
        through: Through,
        after: Option<&SortKey>,
        wanted: usize,
    ) -> Result<Vec<(SortKey, Row)>, StoreError> {
        let query = self.query;
        let mut found: Vec<Kept> = Vec::new();
        // Nothing behind this is among the first.
        let mut last: Option<SortKey> = None;
        let keep_first = |found: &mut Vec<Kept>| {
            found.sort_unstable_by(|(a, _), (b, _)| query.compare(a, b));
            found.truncate(wanted);
        };
        // Where all are wanted, each is read when it is met; else only those that are left.
        let all = wanted == usize::MAX;
        self.each(through, None, all, |met, reading| {
            let key = reading.sort_key(&met.row)?;
            let is = |ordering, other: &SortKey| query.compare(&key, other) == ordering;
            if after.is_none_or(|after| is(Ordering::Greater, after))
                && last.as_ref().is_none_or(|last| is(Ordering::Less, last))
            {
                found.push((key, if all { reading.whole(met)? } else { None }));
            }
            if found.len() >= wanted.saturating_mul(2) {
                keep_first(&mut found);
                last = found.last().map(|(key, _)| key.clone());
            }
            Ok(true)
        })?;
        keep_first(&mut found);
        let reading = &mut self.reading;
        let mut read = |(key, row): Kept| {
            let row = if row.is_some() { row } else { reading.find(key.id())? };
            Ok(row.map(|row| (key, row)))
        };
        found.into_iter().filter_map(|kept| read(kept).transpose()).collect()
    }

    /// Visits the rows that the filter is true for, in the order of their ids from behind `after` on,
    /// as long as `visit` wants more. `all` says that it wants all of each row.
    fn each(
        &mut self,
        through: Through,
        after: Option<RecordId>,
        all: bool,
        mut visit: impl FnMut(Met, &mut Reading<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let reading = &mut self.reading;
        match through {
            Through::Table => {
                let filter = self.query.parts();
                let mut rows = self.snapshot.rows(self.query.table(), after)?;
                while let Some(raw) = rows.next_raw()? {
                    let row = reading.glance(&raw)?;
                    let is_meant = reading.test(&filter, &row)?;
                    if is_meant && !visit(Met { row, rest: Rest::Here(Box::new(raw)) }, reading)? {
                        break;
                    }
                }
            }
            Through::Ids(ids, left) => {
                for id in ids.into_iter().filter(|id| after.is_none_or(|after| *id > after)) {
                    let Some(met) = reading.meet(id, all, &left)? else { continue };
                    let is_meant = reading.test(&left, &met.row)?;
                    if is_meant && !visit(met, reading)? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Reading<'_> {
    fn table(&self) -> &TableName {
        self.query.table()
    }

    /// What the query asks of a row.
    fn glance(&mut self, raw: &RawRow) -> Result<Row, StoreError> {
        let stored = raw.read(&mut self.glance)?;
        Ok(Row::new(raw.id(), stored, self.query.table(), self.sight))
    }

    /// One of many rows, mostly in the order of their ids, of which `all` may be wanted. It is glanced at
    /// first where that spares something: there is something left to ask of it, and the rest is at hand.
    fn meet(&mut self, id: RecordId, all: bool, left: &Parts) -> Result<Option<Met>, StoreError> {
        let near = self.finder.find_near(id)?;
        let at_once = all && (left.is_empty() || near.is_none());
        let reader = if at_once { &mut self.whole } else { &mut self.glance };
        let stored = match &near {
            Some(raw) => Some(raw.read(reader)?),
            None => self.finder.find(id, reader)?,
        };
        let rest = match near {
            _ if at_once => Rest::Nothing,
            Some(raw) => Rest::Here(Box::new(raw)),
            None => Rest::ById,
        };
        let row = stored.map(|stored| Row::new(id, stored, self.table(), self.sight));
        Ok(row.map(|row| Met { row, rest }))
    }

    fn find(&mut self, id: RecordId) -> Result<Option<Row>, StoreError> {
        let stored = self.finder.find(id, &mut self.whole)?;
        Ok(stored.map(|stored| Row::new(id, stored, self.table(), self.sight)))
    }

    fn whole(&mut self, met: Met) -> Result<Option<Row>, StoreError> {
        match met.rest {
            Rest::Nothing => Ok(Some(met.row)),
            Rest::Here(raw) => {
                let stored = raw.read(&mut self.whole)?;
                Ok(Some(Row::new(raw.id(), stored, self.table(), self.sight)))
            }
            Rest::ById => self.find(met.row.id),
        }
    }

    fn test(&mut self, left: &Parts, row: &Row) -> Result<bool, StoreError> {
        self.query.test_parts(left, &mut JoinedRow { row, looked_up: &mut self.looked_up })
    }

    fn sort_key(&mut self, row: &Row) -> Result<SortKey, StoreError> {
        self.query.sort_key(row.id, &mut JoinedRow { row, looked_up: &mut self.looked_up })
    }
}
