//! The records as they were at a place of the log, as profiles see them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::reading::Reading;
use crate::codec::ScanPlace;
use crate::crdt::Record;
use crate::gate::{Confirmed, Reach};
use crate::limits::PAGE_LOOKS_MAX;
use crate::model::{
    Bucket, Columns, Header, Lens, Owner, RecordId, SYSTEM_KEY, Sequence, SystemTable, TableName,
    Text, Value,
};
use crate::query::Field;
use crate::scope::{Candidate, Linked, Records};
use crate::sync::{EntryKind, LogEntry, ServerStore, StoreError, Strand};

type Known = BTreeMap<(TableName, RecordId), Option<Rc<Candidate>>>;

/// All records as they were behind an entry of the log. Where nothing that profiles ask changed since,
/// that is how they are; otherwise the first entry behind it says what was before. What is erased was
/// never there.
pub(super) struct State<'a, 'r, S> {
    reading: &'a Reading<'r, S>,
    at: Sequence,
    known: RefCell<Known>,
}

impl<'a, 'r, S: ServerStore> State<'a, 'r, S> {
    /// The records behind this entry.
    pub(super) fn at(reading: &'a Reading<'r, S>, at: Sequence) -> Self {
        Self { reading, at, known: RefCell::default() }
    }

    /// The records as they are.
    pub(super) fn now(reading: &'a Reading<'r, S>) -> Self {
        Self::at(reading, reading.head)
    }

    fn candidate(&self, table: &TableName, id: RecordId) -> Result<Option<Candidate>, StoreError> {
        let Some(confirmed) = self.reading.record(id)? else { return Ok(None) };
        let record = confirmed.record();
        if record.table() != table {
            return Ok(None);
        }
        let (header, columns) = if confirmed.version() <= self.at {
            (record.header().clone(), record.columns().clone())
        } else {
            match self.before(record)? {
                Some(before) => before,
                None => return Ok(None),
            }
        };
        let declared = self.reading.rules.schema().table(table.as_str());
        let lens = declared.map(Lens::from).unwrap_or_default();
        Ok(Some(Candidate { id, header, columns: lens.show(columns) }))
    }

    /// What a record was before the first entry behind this place that changed what is asked of it.
    fn before(&self, record: &Record) -> Result<Option<(Header, Columns)>, StoreError> {
        let strand = BTreeSet::from([Strand::Record(record.id())]);
        let (mut after, mut header) = (self.at, None);
        loop {
            let entries = self.reading.store.log_along(&strand, after, 1)?;
            let Some(entry) = entries.into_iter().next() else { break };
            after = entry.sequence;
            match entry.kind {
                EntryKind::Edit { before, after, asked: Some(asked), .. } => {
                    let Some(was) = before.unwrap_or(Some(after)) else { return Ok(None) };
                    return Ok(Some((header.unwrap_or(was), asked)));
                }
                EntryKind::Edit { .. } => {}
                // It says nothing of columns: what comes next does, or they are as now.
                EntryKind::Move(moved) => {
                    let mut found = moved.followers().filter(|(_, it)| it.record == record.id());
                    header = header.or(found.next().map(|(leg, it)| leg.before(it)));
                }
            }
        }
        Ok(Some((header.unwrap_or_else(|| record.header().clone()), record.columns().clone())))
    }

    /// The bucket of the records that look up one by this.
    fn bucket(&self, by: &Field, record: RecordId) -> Result<Option<Bucket>, StoreError> {
        if let Field::Column(column) = by {
            return Ok(Some(Bucket::LookingUp(record, column.clone())));
        }
        let Some((system, key)) = self.system_row(record)? else { return Ok(None) };
        Ok(match (by, system) {
            (Field::Owner, SystemTable::User) => {
                key.parse().ok().map(|id| Bucket::Owner(Owner::User(id)))
            }
            (Field::Owner, SystemTable::Team) => {
                key.parse().ok().map(|id| Bucket::Owner(Owner::Team(id)))
            }
            (Field::BusinessUnit, SystemTable::BusinessUnit) => key.parse().ok().map(Bucket::Unit),
            _ => None,
        })
    }

    /// Which row of a system table a record is, or was: of one that was erased the log says it still.
    fn system_row(&self, record: RecordId) -> Result<Option<(SystemTable, Text)>, StoreError> {
        let row = |table: &TableName, columns: &Columns| match columns.get(SYSTEM_KEY) {
            Some(Value::Text(key)) => SystemTable::of(table).map(|table| (table, key.clone())),
            _ => None,
        };
        if let Some(found) = self.reading.record(record)? {
            return Ok(row(found.record().table(), found.record().columns()));
        }
        let strand = BTreeSet::from([Strand::Record(record)]);
        let entries = self.reading.store.log_along(&strand, self.reading.floor, usize::MAX)?;
        Ok(entries.iter().rev().find_map(|entry| match &entry.kind {
            EntryKind::Edit { edit, asked: Some(asked), .. } => row(&edit.table, asked),
            _ => None,
        }))
    }

    /// The records of a table that are in a bucket now.
    fn held_in(
        &self,
        bucket: &Bucket,
        table: &TableName,
        ids: &mut BTreeSet<RecordId>,
    ) -> Result<(), StoreError> {
        let mut place = ScanPlace { table: table.clone(), record: RecordId::from_bytes([0; 16]) };
        loop {
            let records = self.reading.store.scan_bucket(bucket, Some(&place), PAGE_LOOKS_MAX)?;
            let Some(last) = records.last() else { return Ok(()) };
            place = ScanPlace::of(last.record());
            let of_table = records.iter().map(Confirmed::record).filter(|it| it.table() == table);
            ids.extend(of_table.map(Record::id));
            if place.table != *table {
                return Ok(());
            }
        }
    }

    /// Those that left the bucket behind this place of the log.
    fn left(
        &self,
        bucket: &Bucket,
        table: &TableName,
        ids: &mut BTreeSet<RecordId>,
    ) -> Result<(), StoreError> {
        let strand = BTreeSet::from([Strand::Bucket(bucket.clone())]);
        let mut after = self.at;
        while after < self.reading.head {
            let entries = self.reading.store.log_along(&strand, after, PAGE_LOOKS_MAX)?;
            let Some(last) = entries.last() else { return Ok(()) };
            after = last.sequence;
            for LogEntry { kind, .. } in &entries {
                match kind {
                    EntryKind::Edit { edit, .. } => {
                        ids.extend((edit.table == *table).then_some(edit.record));
                    }
                    EntryKind::Move(moved) => {
                        let of_table = moved.followers().filter(|(leg, _)| leg.table == *table);
                        ids.extend(of_table.map(|(_, follower)| follower.record));
                    }
                }
            }
        }
        Ok(())
    }
}

impl<S: ServerStore> Records for State<'_, '_, S> {
    type Error = StoreError;

    fn find(&self, table: &TableName, id: RecordId) -> Result<Option<Rc<Candidate>>, StoreError> {
        let place = (table.clone(), id);
        if let Some(known) = self.known.borrow().get(&place) {
            return Ok(known.clone());
        }
        let found = self.candidate(table, id)?.map(Rc::new);
        self.known.borrow_mut().insert(place, found.clone());
        Ok(found)
    }

    fn ids(&self, table: &TableName) -> Result<Vec<RecordId>, StoreError> {
        let mut ids = Vec::new();
        let all = Reach::All;
        loop {
            let after = ids.last().copied();
            let records = self.reading.store.scan_within(table, &all, after, PAGE_LOOKS_MAX)?;
            if records.is_empty() {
                return Ok(ids);
            }
            ids.extend(records.iter().map(|it| it.record().id()));
        }
    }
}

impl<S: ServerStore> Linked for State<'_, '_, S> {
    fn looking_up(
        &self,
        table: &TableName,
        by: &Field,
        record: RecordId,
    ) -> Result<Vec<RecordId>, StoreError> {
        let Some(bucket) = self.bucket(by, record)? else { return Ok(Vec::new()) };
        let mut ids = BTreeSet::new();
        self.held_in(&bucket, table, &mut ids)?;
        self.left(&bucket, table, &mut ids)?;
        let mut found = Vec::new();
        for id in ids {
            let is_it = self.find(table, id)?.is_some_and(|it| it.looks_up(by, record));
            found.extend(is_it.then_some(id));
        }
        Ok(found)
    }
}
