//! Carrying a query out: which rows are looked at, what is read of them, and which are kept.

use std::cmp::Ordering;

use super::Row;
use super::looked_up::{JoinedRow, LookedUp, wanted};
use super::sight::Sight;
use crate::model::{RecordId, TableName};
use crate::query::{Access, BoundQuery, SortKey};
use crate::store::{RawRow, ReplicaSnapshot, RowFinder, RowReader};
use crate::sync::StoreError;

/// A query that was checked, with the state of the file that it reads.
pub(super) struct Run<'a> {
    query: &'a BoundQuery,
    snapshot: &'a ReplicaSnapshot,
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
    /// Reads all.
    whole: RowReader,
}

/// A row that the filter is true for.
struct Met {
    row: Row,
    /// Where the rest of it is, if it was only glanced at.
    raw: Option<RawRow>,
}

/// A row that will be in the result, unless others come before it; it may have to be read still.
type Kept = (SortKey, Option<Row>);

impl<'a> Run<'a> {
    pub(super) fn new(
        query: &'a BoundQuery,
        snapshot: &'a ReplicaSnapshot,
        sight: &'a Sight,
    ) -> Result<Self, StoreError> {
        let table = query.table();
        let reading = Reading {
            query,
            sight,
            looked_up: LookedUp::new(snapshot, sight, query)?,
            finder: snapshot.row_finder(table)?,
            glance: RowReader::of(wanted(query, 0, table, sight)),
            whole: RowReader::default(),
        };
        Ok(Self { query, snapshot, reading })
    }

    /// The first `limit` rows behind `after`, and one more.
    pub(super) fn read(
        &mut self,
        after: Option<&SortKey>,
        limit: usize,
    ) -> Result<Vec<(SortKey, Row)>, StoreError> {
        let wanted = limit.saturating_add(1);
        if self.query.is_by_id() { self.by_id(after, wanted) } else { self.sorted(after, wanted) }
    }

    /// How many rows the filter is true for.
    pub(super) fn count(&mut self) -> Result<u64, StoreError> {
        let mut rows = 0;
        self.each(None, |_, _| {
            rows += 1;
            Ok(true)
        })?;
        Ok(rows)
    }

    /// The first rows in the order of their ids.
    fn by_id(
        &mut self,
        after: Option<&SortKey>,
        wanted: usize,
    ) -> Result<Vec<(SortKey, Row)>, StoreError> {
        let mut found = Vec::new();
        self.each(after.map(SortKey::id), |met, reading| {
            let key = reading.sort_key(&met.row)?;
            found.push((key, reading.whole(met)?));
            Ok(found.len() < wanted)
        })?;
        Ok(found)
    }

    /// The first rows in the query's order. No more than twice as many are held at a time.
    fn sorted(
        &mut self,
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
        self.each(None, |met, reading| {
            let key = reading.sort_key(&met.row)?;
            let is = |ordering, other: &SortKey| query.compare(&key, other) == ordering;
            if after.is_none_or(|after| is(Ordering::Greater, after))
                && last.as_ref().is_none_or(|last| is(Ordering::Less, last))
            {
                found.push((key, if all { Some(reading.whole(met)?) } else { None }));
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
    /// as long as `visit` wants more.
    fn each(
        &mut self,
        after: Option<RecordId>,
        mut visit: impl FnMut(Met, &mut Reading<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let reading = &mut self.reading;
        match self.query.access() {
            Access::Table => {
                let mut rows = self.snapshot.rows(self.query.table(), after)?;
                while let Some(raw) = rows.next_raw()? {
                    let row = reading.glance(&raw)?;
                    if reading.test(&row)? && !visit(Met { row, raw: Some(raw) }, reading)? {
                        break;
                    }
                }
            }
            Access::Ids(ids) => {
                for id in ids.into_iter().filter(|id| after.is_none_or(|after| *id > after)) {
                    let Some(row) = reading.find(id)? else { continue };
                    if reading.test(&row)? && !visit(Met { row, raw: None }, reading)? {
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

    fn whole(&mut self, met: Met) -> Result<Row, StoreError> {
        let Some(raw) = met.raw else { return Ok(met.row) };
        let stored = raw.read(&mut self.whole)?;
        Ok(Row::new(raw.id(), stored, self.table(), self.sight))
    }

    fn find(&mut self, id: RecordId) -> Result<Option<Row>, StoreError> {
        let stored = self.finder.find(id, &mut self.whole)?;
        Ok(stored.map(|stored| Row::new(id, stored, self.table(), self.sight)))
    }

    fn test(&mut self, row: &Row) -> Result<bool, StoreError> {
        let mut joined = JoinedRow { row, looked_up: &mut self.looked_up };
        Ok(self.query.test(&mut joined)? == Some(true))
    }

    fn sort_key(&mut self, row: &Row) -> Result<SortKey, StoreError> {
        self.query.sort_key(row.id, &mut JoinedRow { row, looked_up: &mut self.looked_up })
    }
}
