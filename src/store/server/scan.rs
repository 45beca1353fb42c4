//! The records of a server in their order: all of them, of a bucket, or within reach; and its log along
//! strands.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use super::snapshot::ServerSnapshot;
use super::tables::{BUCKET, LOG, PLACE, RECORD, STRAND};
use crate::codec::ScanPlace;
use crate::gate::{Confirmed, Reach};
use crate::model::{Bucket, RecordId, Sequence, TableName};
use crate::store::fence::fenced;
use crate::sync::{LogEntry, StoreError, Strand};

impl ServerSnapshot {
    /// Up to `limit` records after `after`, in the order of [`ScanPlace`].
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn scan(
        &self,
        after: Option<&ScanPlace>,
        limit: usize,
    ) -> Result<Vec<Confirmed>, StoreError> {
        let ids: Vec<RecordId> = fenced(|| {
            let places = PLACE.read(&self.tx)?;
            let places = match after {
                Some(ScanPlace { table, record }) => places.after(&(table.clone(), *record))?,
                None => places.all()?,
            };
            places.take(limit).map(|entry| Ok(entry?.0.1)).collect()
        })?;
        self.records(&ids)
    }

    /// Up to `limit` records of a bucket after `after`, in the order of [`ScanPlace`].
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn scan_bucket(
        &self,
        bucket: &Bucket,
        after: Option<&ScanPlace>,
        limit: usize,
    ) -> Result<Vec<Confirmed>, StoreError> {
        let ids: Vec<RecordId> = fenced(|| {
            let buckets = BUCKET.read(&self.tx)?;
            let places = match after {
                Some(ScanPlace { table, record }) => {
                    let place = (table.clone(), *record);
                    buckets.starting_after(bucket, &(bucket.clone(), place))?
                }
                None => buckets.starting_with(bucket)?,
            };
            places.take(limit).map(|entry| Ok(entry?.0.1.1)).collect()
        })?;
        self.records(&ids)
    }

    /// Up to `limit` records of a table within reach, after `after`, in the order of their ids.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn scan_within(
        &self,
        table: &TableName,
        reach: &Reach,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<Confirmed>, StoreError> {
        let ids = fenced(|| match reach {
            Reach::Nothing => Ok(Vec::new()),
            Reach::Buckets(buckets) => self.in_any(buckets, table, after, limit),
            Reach::All => {
                let places = PLACE.read(&self.tx)?;
                let places = match after {
                    Some(after) => places.starting_after(table, &(table.clone(), after))?,
                    None => places.starting_with(table)?,
                };
                places.take(limit).map(|entry| Ok(entry?.0.1)).collect()
            }
        })?;
        self.records(&ids)
    }

    /// The first records of a table behind `after` that are in any of the buckets.
    fn in_any(
        &self,
        buckets: &BTreeSet<Bucket>,
        table: &TableName,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<RecordId>, StoreError> {
        let entries = BUCKET.read(&self.tx)?;
        let records = buckets.iter().map(|bucket| {
            let prefix = (bucket.clone(), table.clone());
            let found = match after {
                Some(after) => {
                    let key = (bucket.clone(), (table.clone(), after));
                    entries.starting_after(&prefix, &key)?
                }
                None => entries.starting_with(&prefix)?,
            };
            Ok(found.map(|entry| Ok(entry?.0.1.1)))
        });
        Merged::of(records)?.take(limit).collect()
    }

    /// Up to `limit` entries of the log after `after` that are in any of the strands, a move counted as
    /// the records that it takes along.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn log_along(
        &self,
        strands: &BTreeSet<Strand>,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<LogEntry>, StoreError> {
        fenced(|| {
            let (places, log) = (STRAND.read(&self.tx)?, LOG.read(&self.tx)?);
            let sequences = strands.iter().map(|strand| {
                let found = places.starting_after(strand, &(strand.clone(), after))?;
                Ok(found.map(|entry| Ok(entry?.0.1)))
            });
            let (mut entries, mut breadth) = (Vec::new(), 0_usize);
            for sequence in Merged::of(sequences)?.take(limit) {
                let sequence = sequence?;
                let entry = log.expect(&sequence)?.at(sequence);
                breadth = breadth.saturating_add(entry.breadth());
                entries.push(entry);
                if breadth >= limit {
                    break;
                }
            }
            Ok(entries)
        })
    }

    fn records(&self, ids: &[RecordId]) -> Result<Vec<Confirmed>, StoreError> {
        fenced(|| {
            let records = RECORD.read(&self.tx)?;
            let held = |id| self.record_in(&records, id)?.ok_or_else(|| records.missing(&id));
            ids.iter().map(|id| held(*id)).collect()
        })
    }
}

/// What several ascending runs hold, each once, in its order.
struct Merged<T, I> {
    runs: Vec<I>,
    /// The next of each run, the first of all on top.
    next: BinaryHeap<Reverse<(T, usize)>>,
    last: Option<T>,
}

impl<T: Ord + Copy, I: Iterator<Item = Result<T, StoreError>>> Merged<T, I> {
    fn of(runs: impl Iterator<Item = Result<I, StoreError>>) -> Result<Self, StoreError> {
        let mut merged = Self { runs: Vec::new(), next: BinaryHeap::new(), last: None };
        for run in runs {
            merged.runs.push(run?);
            merged.pull(merged.runs.len() - 1)?;
        }
        Ok(merged)
    }

    fn pull(&mut self, run: usize) -> Result<(), StoreError> {
        if let Some(next) = self.runs.get_mut(run).and_then(Iterator::next) {
            self.next.push(Reverse((next?, run)));
        }
        Ok(())
    }
}

impl<T: Ord + Copy, I: Iterator<Item = Result<T, StoreError>>> Iterator for Merged<T, I> {
    type Item = Result<T, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(Reverse((found, run))) = self.next.pop() {
            if let Err(error) = self.pull(run) {
                return Some(Err(error));
            }
            if self.last != Some(found) {
                self.last = Some(found);
                return Some(Ok(found));
            }
        }
        None
    }
}
