//! How a commit is written.

use std::collections::BTreeMap;

use redb::WriteTransaction;

use super::erase::erase;
use super::tables::{
    ADMITTED, BUCKET, CODE, COUNT, DEVICE, DEVICE_KEY, Kept, LOG, Logged, META, META_KEY,
    ORGANIZATION, PAST_STANDING, PLACE, POLICY, POLICY_KEY, PROFILES, PROFILES_KEY, Place, RECORD,
    REFUSED, REFUSED_EDIT, SCHEMA, SCHEMA_KEY, STANDING, STRAND, Sizes,
};
use super::trim::trim;
use crate::gate::Applied;
use crate::model::{
    Bucket, DeviceNumber, EditId, OrganizationRow, RecordId, Sequence, TableName, Timestamp,
};
use crate::store::lately::Lately;
use crate::store::table::Writing;
use crate::sync::{
    Commit, DeviceRow, LogEntry, Operation, PastStanding, RefusedEdit, StoreError, Strand,
};

pub(super) fn write(
    tx: &WriteTransaction,
    commit: Commit,
    lately: &Lately,
) -> Result<(), StoreError> {
    let Commit { expected, meta, operations } = commit;
    {
        let key = META_KEY.to_owned();
        let mut table = META.write(tx)?;
        if table.get(&key)?.unwrap_or_default() != expected {
            return Err(StoreError::Conflict);
        }
        table.set(&key, &meta)?;
    }
    let mut log = None;
    for operation in operations {
        match operation {
            Operation::Append { entry, records } => {
                if log.is_none() {
                    log = Some(Log::open(tx, lately)?);
                }
                if let Some(log) = &mut log {
                    log.append(*entry, records)?;
                }
            }
            Operation::Erase(entry) => {
                // It opens the tables of the log itself.
                if let Some(log) = log.take() {
                    log.finish(tx)?;
                }
                erase(tx, *entry)?;
            }
            Operation::Refuse(refused) => refuse(tx, *refused)?,
            Operation::PutDevice(device) => put_device(tx, &device)?,
            Operation::UseCode { nonce, key } => {
                CODE.write(tx)?.set(&nonce, &key)?;
            }
            Operation::SetSchema(schema) => {
                SCHEMA.write(tx)?.set(&SCHEMA_KEY.to_owned(), &schema)?;
            }
            Operation::SetPolicy(policy) => {
                POLICY.write(tx)?.set(&POLICY_KEY.to_owned(), &policy)?;
            }
            Operation::SetProfiles(profiles) => {
                PROFILES.write(tx)?.set(&PROFILES_KEY.to_owned(), &profiles)?;
            }
            Operation::SetOrganization(rows) => set_organization(tx, rows)?,
            Operation::PutStanding { device, digest, standing } => {
                STANDING.write(tx)?.set_changed(&(device, digest), &standing)?;
            }
            Operation::PutPastStanding { device, past, floor } => {
                put_past_standing(tx, device, &past, floor)?;
            }
            Operation::Trim { up_to } => {
                // It opens the tables of the log itself.
                if let Some(log) = log.take() {
                    log.finish(tx)?;
                }
                trim(tx, up_to)?;
            }
            Operation::ForgetRefused { before, limit } => forget_refused(tx, before, limit)?,
        }
    }
    match log {
        Some(log) => log.finish(tx),
        None => Ok(()),
    }
}

fn put_past_standing(
    tx: &WriteTransaction,
    device: DeviceNumber,
    past: &PastStanding,
    floor: Sequence,
) -> Result<(), StoreError> {
    let mut table = PAST_STANDING.write(tx)?;
    let keys = table.starting_with(&device)?.map(|entry| Ok(entry?.0));
    let keys = keys.collect::<Result<Vec<_>, StoreError>>()?;
    for key in keys.iter().take_while(|(_, until)| *until <= floor) {
        table.delete(key)?;
    }
    table.set(&(device, past.until), &past.standing)?;
    Ok(())
}

fn refuse(tx: &WriteTransaction, refused: RefusedEdit) -> Result<(), StoreError> {
    let mut table = REFUSED.write(tx)?;
    let number = table.last_key()?.map_or(1, |last| last + 1);
    REFUSED_EDIT.write(tx)?.set(&(refused.edit.id, number), &())?;
    table.set(&number, &refused.into())?;
    Ok(())
}

fn forget_refused(
    tx: &WriteTransaction,
    before: Timestamp,
    limit: usize,
) -> Result<(), StoreError> {
    let mut table = REFUSED.write(tx)?;
    let mut by_edit = REFUSED_EDIT.write(tx)?;
    let mut last = None;
    for entry in table.all()?.take(limit) {
        let (number, refused) = entry?;
        if refused.at >= before {
            break;
        }
        by_edit.delete(&(refused.edit.id, number))?;
        last = Some(number);
    }
    last.map_or(Ok(()), |last| table.delete_up_to(&last))
}

fn set_organization(tx: &WriteTransaction, rows: Vec<OrganizationRow>) -> Result<(), StoreError> {
    let mut table = ORGANIZATION.write(tx)?;
    for row in rows {
        if row.is_removal() {
            table.delete(&row.name())?;
        } else {
            table.set(&row.name(), &row)?;
        }
    }
    Ok(())
}

fn put_device(tx: &WriteTransaction, device: &DeviceRow) -> Result<(), StoreError> {
    let mut by_key = DEVICE_KEY.write(tx)?;
    // A device with a new key is not found by the old one any more.
    if let Some(old) = DEVICE.write(tx)?.put(&device.number, device)?
        && old.key != device.key
    {
        by_key.delete(&old.key)?;
    }
    by_key.set(&device.key, &device.number)?;
    Ok(())
}

/// What an entry of the log changes.
struct Log<'t> {
    entries: Writing<'t, Sequence, Logged>,
    strands: Writing<'t, (Strand, Sequence), ()>,
    admitted: Writing<'t, EditId, Sequence>,
    records: Writing<'t, RecordId, Kept>,
    places: Writing<'t, (TableName, RecordId), Place>,
    buckets: Writing<'t, (Bucket, (TableName, RecordId)), ()>,
    /// The records as the last entry of each leaves them: a record is written once.
    after: BTreeMap<RecordId, Applied>,
    growth: BTreeMap<TableName, i64>,
    sizes: Sizes,
    lately: &'t Lately,
}

impl<'t> Log<'t> {
    fn open(tx: &'t WriteTransaction, lately: &'t Lately) -> Result<Self, StoreError> {
        Ok(Self {
            entries: LOG.write(tx)?,
            strands: STRAND.write(tx)?,
            admitted: ADMITTED.write(tx)?,
            records: RECORD.write(tx)?,
            places: PLACE.write(tx)?,
            buckets: BUCKET.write(tx)?,
            after: BTreeMap::new(),
            growth: BTreeMap::new(),
            sizes: Sizes::default(),
            lately,
        })
    }

    fn append(&mut self, entry: LogEntry, records: Vec<Applied>) -> Result<(), StoreError> {
        if let Some(edit) = entry.edit() {
            self.admitted.set(&edit.id, &entry.sequence)?;
        }
        for strand in entry.strands() {
            self.strands.set(&(strand, entry.sequence), &())?;
        }
        let (sequence, logged) = Logged::of(entry);
        self.entries.set(&sequence, &logged)?;
        self.after.extend(records.into_iter().map(|record| (record.id(), record)));
        Ok(())
    }

    fn put(&mut self, record: Applied) -> Result<(), StoreError> {
        let at = (record.table().clone(), record.id());
        let confirmed = record.into_confirmed();
        let place = Place::of(&confirmed);
        let versions = confirmed.versions().clone();
        let kept = Kept { versions, changes: confirmed.to_edit() };
        self.records.set_as(&at.1, &kept, self.lately, confirmed)?;
        let before = self.places.put(&at, &place)?.unwrap_or_default();
        for left in before.buckets.difference(&place.buckets) {
            self.buckets.delete(&(left.clone(), at.clone()))?;
        }
        for entered in place.buckets.difference(&before.buckets) {
            self.buckets.set(&(entered.clone(), at.clone()), &())?;
        }
        self.sizes.note(&at.0, &before, &place);
        *self.growth.entry(at.0).or_default() +=
            i64::from(place.is_active) - i64::from(before.is_active);
        Ok(())
    }

    fn finish(mut self, tx: &WriteTransaction) -> Result<(), StoreError> {
        for (_, record) in std::mem::take(&mut self.after) {
            self.put(record)?;
        }
        let mut counts = COUNT.write(tx)?;
        for (table, growth) in self.growth.into_iter().filter(|(_, growth)| *growth != 0) {
            let count = counts.get(&table)?.unwrap_or(0).saturating_add_signed(growth);
            counts.set(&table, &count)?;
        }
        self.sizes.write(tx)
    }
}
