use std::collections::BTreeMap;
use std::sync::Arc;

use redb::{ReadTransaction, ReadableDatabase as _};

use super::tables::{
    ADMITTED, BUCKET, CODE, COUNT, DEVICE, DEVICE_KEY, ERASED, Kept, LOG, META, META_KEY,
    ORGANIZATION, PAST_STANDING, POLICY, POLICY_KEY, PROFILES, PROFILES_KEY, RECORD, REFUSED,
    REFUSED_EDIT, RUN, SCHEMA, SCHEMA_KEY, SIZE, STANDING, part,
};
use super::trim::is_dropped;
use crate::codec::{Digest, PublicKey, ScanPlace};
use crate::gate::Confirmed;
use crate::model::{
    Bucket, DeviceNumber, EditId, Organization, Owner, Policy, PublishedProfiles, RecordId, Schema,
    Sequence, SizeByState, TableName,
};
use crate::store::fence::{self, fenced};
use crate::store::file::File;
use crate::store::reading::Snapshot;
use crate::store::table::Reading;
use crate::sync::{DeviceRow, Erased, LogEntry, PastStanding, RefusedEdit, ServerMeta, StoreError};

/// The state of a server at one moment, whatever is written meanwhile. Keep it only while it is
/// read: what it shows takes room in the file.
pub struct ServerSnapshot {
    pub(super) tx: Snapshot,
}

impl std::fmt::Debug for ServerSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerSnapshot").finish_non_exhaustive()
    }
}

impl ServerSnapshot {
    pub(super) fn new(file: &File) -> Result<Self, StoreError> {
        Ok(Self { tx: file.begin_read()? })
    }

    pub(super) fn of(database: &redb::Database) -> Result<Self, StoreError> {
        let tx = fenced(|| database.begin_read().map_err(fence::transaction))?;
        Ok(Self { tx: Snapshot::new(tx, Arc::default(), Arc::default()) })
    }

    pub(super) fn tx(&self) -> &ReadTransaction {
        &self.tx
    }

    /// The server itself.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn meta(&self) -> Result<ServerMeta, StoreError> {
        fenced(|| Ok(META.read(&self.tx)?.get(&META_KEY.to_owned())?.unwrap_or_default()))
    }

    /// The policy and the organization in force; `None`: none was ever written.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn rules(&self) -> Result<Option<(Policy, Organization)>, StoreError> {
        fenced(|| {
            let (policies, key) = (POLICY.read(&self.tx)?, POLICY_KEY.to_owned());
            let policy = match policies.get(&key)? {
                Some(policy) => policy,
                None if self.meta()?.rules.is_none() => return Ok(None),
                // One bit of redb's makes a whole table seem empty, and this server seem new.
                None => policies.expect(&key)?,
            };
            let mut organization = Organization::default();
            for entry in ORGANIZATION.read(&self.tx)?.all()? {
                organization.set(entry?.1);
            }
            Ok(Some((policy, organization)))
        })
    }

    /// The offline profiles.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn profiles(&self) -> Result<PublishedProfiles, StoreError> {
        fenced(|| {
            let (all, key) = (PROFILES.read(&self.tx)?, PROFILES_KEY.to_owned());
            match all.get(&key)? {
                Some(profiles) => Ok(profiles),
                None if self.meta()?.profiles.is_none() => Ok(PublishedProfiles::default()),
                // As of the policy: without them everyone would take all.
                None => all.expect(&key),
            }
        })
    }

    /// A record.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn record(&self, record: RecordId) -> Result<Option<Confirmed>, StoreError> {
        fenced(|| self.record_in(&RECORD.read(&self.tx)?, record))
    }

    pub(super) fn record_in(
        &self,
        records: &Reading<RecordId, Kept>,
        record: RecordId,
    ) -> Result<Option<Confirmed>, StoreError> {
        let read = |kept: Kept| rebuild(record, &kept);
        records.get_as(&record, self.tx.lately(), |_| true, read)
    }

    /// A record that was erased.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn erased(&self, record: RecordId) -> Result<Option<Erased>, StoreError> {
        fenced(|| ERASED.read(&self.tx)?.get(&record))
    }

    /// The ids before and behind one, of all records that there are, or that were erased.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn beside(&self, record: RecordId) -> Result<[Option<RecordId>; 2], StoreError> {
        fenced(|| {
            let there = RECORD.read(&self.tx)?.beside(&record)?;
            let erased = ERASED.read(&self.tx)?.beside(&record)?;
            let ([before, behind], [erased_before, erased_behind]) = (there, erased);
            let behind = [behind, erased_behind].into_iter().flatten().min();
            Ok([before.max(erased_before), behind])
        })
    }

    /// The same of the records of its table that this owner has.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn beside_of(
        &self,
        owner: &Owner,
        place: &ScanPlace,
    ) -> Result<[Option<RecordId>; 2], StoreError> {
        let ScanPlace { table, record } = place;
        let key = (Bucket::Owner(owner.clone()), (table.clone(), *record));
        let beside = fenced(|| BUCKET.read(&self.tx)?.beside(&key))?;
        let is_its =
            |(bucket, (of, _)): &(Bucket, (TableName, RecordId))| *bucket == key.0 && of == table;
        Ok(beside.map(|found| found.filter(is_its).map(|(_, (_, id))| id)))
    }

    /// All records that were erased.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn all_erased(&self) -> Result<Vec<Erased>, StoreError> {
        fenced(|| ERASED.read(&self.tx)?.all()?.map(|entry| Ok(entry?.1)).collect())
    }

    /// The place in the log of an admitted edit; where that was dropped, the floor.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn admitted(&self, edit: EditId) -> Result<Option<Sequence>, StoreError> {
        fenced(|| match ADMITTED.read(&self.tx)?.get(&edit)? {
            Some(sequence) => Ok(Some(sequence)),
            None if is_dropped(&RUN.read(&self.tx)?, edit)? => Ok(Some(self.meta()?.floor)),
            None => Ok(None),
        })
    }

    /// Up to `limit` entries of the log after `after`, a move counted as the records that it takes
    /// along.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn log_after(&self, after: Sequence, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        fenced(|| {
            let log = LOG.read(&self.tx)?;
            let (mut entries, mut breadth) = (Vec::new(), 0_usize);
            for entry in log.after(&after)?.take(limit) {
                let (sequence, logged) = entry?;
                let entry = logged.at(sequence);
                breadth = breadth.saturating_add(entry.breadth());
                entries.push(entry);
                if breadth >= limit {
                    break;
                }
            }
            Ok(entries)
        })
    }

    /// How many records there are, deleted ones too.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn record_count(&self) -> Result<u64, StoreError> {
        fenced(|| RECORD.read(&self.tx)?.len())
    }

    /// How much a table holds, or what of it is in a bucket.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn size(
        &self,
        table: &TableName,
        bucket: Option<&Bucket>,
    ) -> Result<SizeByState, StoreError> {
        let key = (table.clone(), part(bucket));
        fenced(|| Ok(SIZE.read(&self.tx)?.get(&key)?.unwrap_or_default()))
    }

    /// How many records of each table are there, not deleted.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn record_counts(&self) -> Result<BTreeMap<TableName, u64>, StoreError> {
        fenced(|| COUNT.read(&self.tx)?.all()?.collect())
    }

    /// A device by its number.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn device(&self, number: DeviceNumber) -> Result<Option<DeviceRow>, StoreError> {
        fenced(|| DEVICE.read(&self.tx)?.get(&number))
    }

    /// The schema in force.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn schema(&self) -> Result<Option<Schema>, StoreError> {
        fenced(|| SCHEMA.read(&self.tx)?.get(&SCHEMA_KEY.to_owned()))
    }

    /// A device by its key.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn device_by_key(&self, key: &PublicKey) -> Result<Option<DeviceRow>, StoreError> {
        fenced(|| {
            let Some(number) = DEVICE_KEY.read(&self.tx)?.get(key)? else { return Ok(None) };
            DEVICE.read(&self.tx)?.expect(&number).map(Some)
        })
    }

    /// All devices, in the order of their numbers.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn devices(&self) -> Result<Vec<DeviceRow>, StoreError> {
        fenced(|| DEVICE.read(&self.tx)?.all()?.map(|entry| Ok(entry?.1)).collect())
    }

    /// The key of the device that used an enrolment code.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn code_used_by(&self, nonce: [u8; 8]) -> Result<Option<PublicKey>, StoreError> {
        fenced(|| CODE.read(&self.tx)?.get(&nonce))
    }

    /// A standing under which a device received rows.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn standing(
        &self,
        device: DeviceNumber,
        digest: Digest,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        fenced(|| STANDING.read(&self.tx)?.get(&(device, digest)))
    }

    /// The standings of a device's user that ended behind `after`, in their order.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn past_standings(
        &self,
        device: DeviceNumber,
        after: Sequence,
    ) -> Result<Vec<PastStanding>, StoreError> {
        fenced(|| {
            let past = PAST_STANDING.read(&self.tx)?;
            let of_device = past.owned_starting_with(&device, Some(&(device, after)))?;
            of_device
                .map(|entry| entry.map(|((_, until), standing)| PastStanding { until, standing }))
                .collect()
        })
    }

    /// The refused edits, oldest first, up to `limit`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn refused(&self, limit: usize) -> Result<Vec<RefusedEdit>, StoreError> {
        fenced(|| {
            let refused = REFUSED.read(&self.tx)?;
            refused.all()?.take(limit).map(|entry| Ok(entry?.1.into())).collect()
        })
    }

    /// What is kept of one edit, or of its parts, that was refused: oldest first.
    ///
    /// # Errors
    /// The file cannot be read, or holds what is no such entry.
    pub fn refusals(&self, edit: EditId) -> Result<Vec<RefusedEdit>, StoreError> {
        fenced(|| {
            let by_edit = REFUSED_EDIT.read(&self.tx)?;
            let refused = REFUSED.read(&self.tx)?;
            let numbers = by_edit.starting_with(&edit)?.map(|entry| Ok(entry?.0.1));
            numbers.map(|number| Ok(refused.expect(&number?)?.into())).collect()
        })
    }

    /// How many refused edits are kept.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn refused_count(&self) -> Result<u64, StoreError> {
        fenced(|| REFUSED.read(&self.tx)?.len())
    }
}

pub(super) fn rebuild(record: RecordId, kept: &Kept) -> Result<Confirmed, StoreError> {
    Confirmed::from_stored(kept.versions.clone(), &kept.changes)
        .map_err(|error| StoreError::Damaged(format!("table `record-2`, key {record}: {error}")))
}
