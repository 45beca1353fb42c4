//! The records of a server in their order: all of them, of a bucket, or within reach.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use super::snapshot::{ServerSnapshot, rebuild};
use super::tables::{BUCKET, Kept, PLACE, RECORD};
use crate::codec::ScanPlace;
use crate::gate::{Confirmed, Reach};
use crate::model::{Bucket, RecordId, TableName};
use crate::store::fence::fenced;
use crate::sync::StoreError;

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
        let mut all = Vec::new();
        // The next record of each bucket, the first of all on top.
        let mut next = BinaryHeap::new();
        for bucket in buckets {
            let prefix = (bucket.clone(), table.clone());
            let mut ids = match after {
                Some(after) => {
                    let key = (bucket.clone(), (table.clone(), after));
                    entries.starting_after(&prefix, &key)?
                }
                None => entries.starting_with(&prefix)?,
            };
            if let Some(first) = ids.next() {
                next.push(Reverse((first?.0.1.1, all.len())));
                all.push(ids);
            }
        }
        let mut found = Vec::new();
        while let Some(Reverse((id, at))) = next.pop() {
            if found.last() != Some(&id) {
                if found.len() == limit {
                    break;
                }
                found.push(id);
            }
            if let Some(entry) = all.get_mut(at).and_then(Iterator::next) {
                next.push(Reverse((entry?.0.1.1, at)));
            }
        }
        Ok(found)
    }

    fn records(&self, ids: &[RecordId]) -> Result<Vec<Confirmed>, StoreError> {
        let kept: Vec<Kept> = fenced(|| {
            let records = RECORD.read(&self.tx)?;
            ids.iter().map(|id| records.expect(id)).collect()
        })?;
        ids.iter().zip(&kept).map(|(id, kept)| rebuild(*id, kept)).collect()
    }
}
