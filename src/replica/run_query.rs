//! Carrying a query out: which rows are looked at, what is read of them, and which are kept.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use super::Row;
use super::looked_up::{JoinedRow, LookedUp, wanted};
use super::sight::Sight;
use crate::model::RecordId;
use crate::query::{
    Access, BoundQuery, Direction, IndexAccess, IndexShape, Parts, Plan, SCANNED_SHARE, SortKey,
    UsableIndex,
};
use crate::store::{ReplicaSnapshot, RowCursor, RowReader};
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
    rows: RowCursor,
    /// Reads what the query asks for.
    glance: RowReader,
    /// Reads all that is shown.
    whole: RowReader,
}

/// Makes of a row what is shown of it.
pub(super) type Show<'s, T> = dyn FnMut(Row, &mut LookedUp<'_>) -> Result<T, StoreError> + 's;

/// What is shown of the first rows, as they come.
struct First<'s, 't, T> {
    limit: usize,
    shown: Vec<T>,
    show: &'s mut Show<'t, T>,
    /// What the row at the limit is ordered by.
    last: Option<SortKey>,
    /// Whether there are more.
    more: bool,
}

/// Which rows are gone through: in the order of their ids.
enum Through {
    Table,
    /// These; and what is left to ask of them.
    Ids(Vec<RecordId>, Parts),
}

/// What is shown of rows, and what the last one is ordered by if there are more.
type Page<T> = (Vec<T>, Option<SortKey>);

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
            rows: snapshot.row_cursor(table)?,
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

    /// What is shown of the first `limit` rows behind `after`.
    pub(super) fn read<T>(
        &mut self,
        after: Option<&SortKey>,
        limit: usize,
        show: &mut Show<'_, T>,
    ) -> Result<Page<T>, StoreError> {
        let limited = (limit < usize::MAX).then_some(limit);
        let access = self.query.access(&self.usable(), limited);
        let mut first = First { limit, shown: Vec::new(), show, last: None, more: false };
        if let Access::Index(it) = &access
            && it.order.is_some()
        {
            let start = after.map(|after| self.place_of(it, after));
            // A bookmark that has no place in the index goes on without it.
            if !matches!(start, Some(None)) {
                self.in_order_of(it, start.flatten(), &mut first)?;
                return Ok(first.page());
            }
        }
        let through = self.through(access)?;
        if !self.query.is_by_id() {
            return self.sorted(through, after, limit, first.show);
        }
        if let Through::Ids(ids, _) = &through {
            first.shown.reserve(ids.len().min(limit));
        }
        self.each(through, after.map(SortKey::id), true, |row, reading| first.add(row, reading))?;
        Ok(first.page())
    }

    /// One row, if the filter is true for it, and what it is ordered by.
    pub(super) fn ask(&mut self, record: RecordId) -> Result<Option<(SortKey, Row)>, StoreError> {
        let reading = &mut self.reading;
        let found = reading.find(record, true, &self.query.parts())?;
        found.map(|mut row| Ok((reading.sort_key(&mut row)?, row))).transpose()
    }

    /// What rows look up.
    pub(super) fn looked_up(&mut self) -> &mut LookedUp<'a> {
        &mut self.reading.looked_up
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
    fn in_order_of<T>(
        &mut self,
        index: &IndexAccess,
        after: Option<(Vec<u8>, RecordId)>,
        first: &mut First<'_, '_, T>,
    ) -> Result<(), StoreError> {
        let reading = &mut self.reading;
        let descending = index.order == Some(Direction::Desc);
        let reader = self.snapshot.index(index.number)?;
        reader.walk(&index.ranges, descending, after, |id| {
            let found = reading.find(id, true, &index.left)?;
            let Some(row) = found else { return Ok(ControlFlow::Continue(())) };
            let goes_on = first.add(row, reading)?;
            Ok(if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })
    }

    /// What is shown of the first rows in the query's order. No more than twice as many are held at a
    /// time.
    fn sorted<T>(
        &mut self,
        through: Through,
        after: Option<&SortKey>,
        limit: usize,
        show: &mut Show<'_, T>,
    ) -> Result<Page<T>, StoreError> {
        let query = self.query;
        // One more than asked for says that there are more.
        let wanted = limit.saturating_add(1);
        let mut found: Vec<(SortKey, Option<T>)> = Vec::new();
        // Nothing behind this is among the first.
        let mut last: Option<SortKey> = None;
        let keep_first = |found: &mut Vec<(SortKey, _)>| {
            found.sort_unstable_by(|(a, _), (b, _)| query.compare(a, b));
            found.truncate(wanted);
        };
        // Where all are wanted, each is shown when it is met; else only those that are left.
        let all = wanted == usize::MAX;
        self.each(through, None, all, |mut row, reading| {
            let key = reading.sort_key(&mut row)?;
            let is = |ordering, other: &SortKey| query.compare(&key, other) == ordering;
            if after.is_none_or(|after| is(Ordering::Greater, after))
                && last.as_ref().is_none_or(|last| is(Ordering::Less, last))
            {
                let shown = all.then(|| show(row, &mut reading.looked_up)).transpose()?;
                found.push((key, shown));
            }
            if found.len() >= wanted.saturating_mul(2) {
                keep_first(&mut found);
                last = found.last().map(|(key, _)| key.clone());
            }
            Ok(true)
        })?;
        keep_first(&mut found);
        let more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| more).map(|(key, _)| key.clone());
        let (mut rows, reading) = (Vec::with_capacity(found.len()), &mut self.reading);
        for (key, shown) in found {
            if shown.is_some() {
                rows.extend(shown);
            } else if let Some(row) = reading.find(key.id(), true, &Parts::none())? {
                rows.push(show(row, &mut reading.looked_up)?);
            }
        }
        Ok((rows, last))
    }

    /// Visits the rows that the filter is true for, in the order of their ids from behind `after` on,
    /// as long as `visit` wants more. `all` says that it wants all of each row.
    fn each(
        &mut self,
        through: Through,
        after: Option<RecordId>,
        all: bool,
        mut visit: impl FnMut(Row, &mut Reading<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let reading = &mut self.reading;
        match through {
            Through::Table => {
                let filter = self.query.parts();
                reading.rows.begin(after)?;
                while let Some(id) = reading.rows.step()? {
                    if let Some(row) = reading.meet(id, all, &filter)?
                        && !visit(row, reading)?
                    {
                        break;
                    }
                }
            }
            Through::Ids(ids, left) => {
                for id in ids.into_iter().filter(|id| after.is_none_or(|after| *id > after)) {
                    if let Some(row) = reading.find(id, all, &left)?
                        && !visit(row, reading)?
                    {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

impl<T> First<'_, '_, T> {
    /// Tells whether it wants more.
    fn add(&mut self, mut row: Row, reading: &mut Reading<'_>) -> Result<bool, StoreError> {
        self.more = self.shown.len() == self.limit;
        if self.more {
            return Ok(false);
        }
        if self.shown.len() + 1 == self.limit {
            self.last = Some(reading.sort_key(&mut row)?);
        }
        self.shown.push((self.show)(row, &mut reading.looked_up)?);
        Ok(true)
    }

    fn page(self) -> Page<T> {
        (self.shown, self.last.filter(|_| self.more))
    }
}

impl Reading<'_> {
    /// The row of this id, if there is one and what is left of the filter is true for it; `all` of it, or
    /// what the query asks for.
    fn find(&mut self, id: RecordId, all: bool, left: &Parts) -> Result<Option<Row>, StoreError> {
        if self.rows.go_to(id)? { self.meet(id, all, left) } else { Ok(None) }
    }

    /// As [`Self::find`], of the row that was gone to. It is glanced at first where that may spare the
    /// rest.
    fn meet(&mut self, id: RecordId, all: bool, left: &Parts) -> Result<Option<Row>, StoreError> {
        let at_once = all && left.is_empty();
        let Some(mut row) = self.read(id, at_once)? else { return Ok(None) };
        if !self.query.test_parts(left, &mut self.joined(&mut row))? {
            return Ok(None);
        }
        if all && !at_once { self.read(id, true) } else { Ok(Some(row)) }
    }

    fn read(&mut self, id: RecordId, all: bool) -> Result<Option<Row>, StoreError> {
        let reader = if all { &mut self.whole } else { &mut self.glance };
        let stored = self.rows.read(reader)?;
        Ok(stored.map(|stored| Row::new(id, stored, self.query.table(), self.sight)))
    }

    fn sort_key(&mut self, row: &mut Row) -> Result<SortKey, StoreError> {
        self.query.sort_key(row.id, &mut self.joined(row))
    }
}

impl<'a> Reading<'a> {
    fn joined<'r>(&'r mut self, row: &'r mut Row) -> JoinedRow<'r, 'a> {
        JoinedRow { row, looked_up: &mut self.looked_up }
    }
}
