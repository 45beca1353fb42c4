//! What a server keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use tidegate::codec::{Digest, PublicKey, ScanPlace};
use tidegate::gate::{Applied, Confirmed, Reach, Versions};
use tidegate::model::{
    Bucket, DeviceNumber, Edit, EditId, Header, Organization, Owner, Policy, PolicyEpoch,
    PublishedProfiles, RecordId, Schema, Section, Sequence, SizeByState, TableName,
};
use tidegate::sync::{
    Commit, DeviceRow, EntryKind, Erased, LogEntry, Operation, PastStanding, RefusedEdit,
    ServerMeta, ServerStore, StoreError, Strand,
};

use super::{DiskFaults, damaged};
use crate::planted::Planted;

/// What a server keeps.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerDisk {
    pub(crate) file: ServerFile,
    pub(crate) faults: DiskFaults,
    pub(crate) planted: Option<Planted>,
    before_last: Option<Box<ServerFile>>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct ServerFile {
    pub(crate) meta: ServerMeta,
    pub(crate) records: BTreeMap<ScanPlace, (Versions, Edit)>,
    pub(crate) tables: BTreeMap<RecordId, TableName>,
    pub(crate) log: Vec<LogEntry>,
    dropped: BTreeMap<EditId, RecordId>,
    /// The log as it would be if nothing were ever erased or dropped, for the oracles alone.
    pub(crate) history: Vec<LogEntry>,
    /// What that did to each record, a move taken apart, for the oracles alone.
    pub(crate) deeds: Vec<Deed>,
    pub(crate) devices: BTreeMap<DeviceNumber, DeviceRow>,
    codes: BTreeMap<[u8; 8], PublicKey>,
    standings: BTreeMap<(DeviceNumber, Digest), Vec<u8>>,
    past_standings: BTreeMap<(DeviceNumber, Sequence), Vec<u8>>,
    pub(crate) refused: Vec<RefusedEdit>,
    pub(crate) erased: BTreeMap<RecordId, Erased>,
    pub(crate) schema: Option<Schema>,
    pub(crate) rules: Option<(Policy, Organization)>,
    pub(crate) profiles: PublishedProfiles,
}

/// What an entry of the log did to one record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Deed {
    pub(crate) sequence: Sequence,
    pub(crate) edit: Edit,
    pub(crate) after: Header,
    pub(crate) epoch: PolicyEpoch,
}

impl Deed {
    fn all_of(entry: &LogEntry, records: &[Applied]) -> Vec<Self> {
        let LogEntry { sequence, epoch, .. } = *entry;
        match &entry.kind {
            EntryKind::Edit { edit, after, .. } => {
                let (edit, after) = (edit.clone(), after.clone());
                vec![Self { sequence, edit, after, epoch }]
            }
            EntryKind::Move(_) => {
                // No device makes so many in one commit, enrolled or not.
                let deed = |(part, applied): (u32, &Applied)| {
                    let record = applied.confirmed().record();
                    let changes = record.section(&Section::Header).unwrap().changes();
                    let edit = Edit {
                        id: EditId { device: DeviceNumber(0), counter: sequence.0, part },
                        table: record.table().clone(),
                        record: record.id(),
                        atomic: 0,
                        changes: changes.last().cloned().into_iter().collect(),
                    };
                    Self { sequence, edit, after: record.header().clone(), epoch }
                };
                (u32::MAX / 2..).zip(records).map(deed).collect()
            }
        }
    }
}

impl ServerFile {
    pub(crate) fn confirmed(&self) -> impl Iterator<Item = Confirmed> {
        let records = self.records.values();
        records.map(|(versions, edit)| Confirmed::from_stored(versions.clone(), edit).unwrap())
    }

    fn write(&mut self, commit: Commit) {
        self.meta = commit.meta;
        for operation in commit.operations {
            match operation {
                Operation::Append { entry, records } => {
                    self.deeds.extend(Deed::all_of(&entry, &records));
                    for record in records {
                        let (table, id) = (record.table().clone(), record.id());
                        self.tables.insert(id, table.clone());
                        let confirmed = record.into_confirmed();
                        let versions = confirmed.versions().clone();
                        let place = ScanPlace { table, record: id };
                        self.records.insert(place, (versions, confirmed.to_edit()));
                    }
                    self.history.push((*entry).clone());
                    self.log.push(*entry);
                }
                Operation::Erase(entry) => {
                    self.deeds.extend(Deed::all_of(&entry, &[]));
                    let edit = entry.edit().unwrap();
                    let (table, record) = (edit.table.clone(), edit.record);
                    let is_it = |edit: &Edit| edit.record == record;
                    let mut authors = BTreeSet::new();
                    for entry in self.log.iter_mut().filter(|it| it.edit().is_some_and(is_it)) {
                        entry.empty();
                        authors.extend(entry.edit().map(|edit| edit.id.device));
                    }
                    let refused = self.refused.iter().map(|it| &it.edit);
                    authors.extend(refused.filter(|it| is_it(it)).map(|edit| edit.id.device));
                    let dropped = self.dropped.iter().filter(|(_, it)| **it == record);
                    authors.extend(dropped.map(|(edit, _)| edit.device));
                    authors.remove(&DeviceNumber(0));
                    self.refused.retain(|refused| refused.edit.record != record);
                    self.tables.remove(&record);
                    self.records.remove(&ScanPlace { table: table.clone(), record });
                    let (sequence, authors) = (entry.sequence, authors.into_iter().collect());
                    self.erased.insert(record, Erased { table, record, sequence, authors });
                    self.history.push((*entry).clone());
                    self.log.push(*entry);
                }
                Operation::Refuse(refused) => self.refused.push(*refused),
                Operation::Trim { up_to } => {
                    let old = self.log.iter().take_while(|entry| entry.sequence <= up_to).count();
                    let old = self.log.drain(..old);
                    let edits = old.filter_map(|entry| entry.edit().map(|it| (it.id, it.record)));
                    self.dropped.extend(edits);
                }
                Operation::ForgetRefused { before, limit } => {
                    let old = self.refused.iter().take(limit).take_while(|it| it.at < before);
                    let count = old.count();
                    self.refused.drain(..count);
                }
                Operation::PutDevice(device) => {
                    self.devices.insert(device.number, device);
                }
                Operation::UseCode { nonce, key } => {
                    self.codes.insert(nonce, key);
                }
                Operation::SetSchema(schema) => self.schema = Some(*schema),
                Operation::SetProfiles(profiles) => self.profiles = *profiles,
                Operation::SetPolicy(policy) => {
                    self.rules.get_or_insert_default().0 = *policy;
                }
                Operation::SetOrganization(rows) => {
                    let (_, organization) = self.rules.get_or_insert_default();
                    for row in rows {
                        organization.set(row);
                    }
                }
                Operation::PutPastStanding { device, past, floor } => {
                    self.past_standings.retain(|(it, until), _| *it != device || *until > floor);
                    self.past_standings.insert((device, past.until), past.standing);
                }
                Operation::PutStanding { device, digest, standing } => {
                    self.standings.insert((device, digest), standing);
                }
            }
        }
    }
}

impl ServerDisk {
    /// The machine is gone, with what was never written.
    pub(crate) fn crash(&mut self) {
        if let Some(file) = self.before_last.take() {
            self.file = *file;
        }
    }
}

impl ServerStore for ServerDisk {
    fn meta(&self) -> Result<ServerMeta, StoreError> {
        self.faults.read()?;
        Ok(self.file.meta.clone())
    }

    fn record(&self, record: RecordId) -> Result<Option<Confirmed>, StoreError> {
        self.faults.read()?;
        let Some(table) = self.file.tables.get(&record).cloned() else { return Ok(None) };
        let found = self.file.records.get(&ScanPlace { table, record });
        found
            .map(|(versions, edit)| Confirmed::from_stored(versions.clone(), edit))
            .transpose()
            .map_err(damaged)
    }

    fn admitted(&self, edit: EditId) -> Result<Option<Sequence>, StoreError> {
        self.faults.read()?;
        let found = self.file.log.iter().find(|entry| entry.edit().is_some_and(|it| it.id == edit));
        let is_dropped =
            self.planted != Some(Planted::ForgetsDropped) && self.file.dropped.contains_key(&edit);
        let dropped = is_dropped.then_some(self.file.meta.floor);
        let found = found.map(|entry| entry.sequence).or(dropped);
        Ok(found.filter(|_| self.planted != Some(Planted::AdmitsTwice)))
    }

    fn erased(&self, record: RecordId) -> Result<Option<Erased>, StoreError> {
        self.faults.read()?;
        Ok(self.file.erased.get(&record).cloned())
    }

    fn beside(&self, record: RecordId) -> Result<[Option<RecordId>; 2], StoreError> {
        self.faults.read()?;
        let (there, erased) = (&self.file.tables, &self.file.erased);
        let before = there.range(..record).next_back().map(|(id, _)| *id);
        let before = before.max(erased.range(..record).next_back().map(|(id, _)| *id));
        let behind = (std::ops::Bound::Excluded(record), std::ops::Bound::Unbounded);
        let (there, erased) = (there.range(behind).next(), erased.range(behind).next());
        let behind = there.map(|(id, _)| *id).into_iter().chain(erased.map(|(id, _)| *id));
        Ok([before, behind.min()])
    }

    fn beside_of(
        &self,
        owner: &Owner,
        place: &ScanPlace,
    ) -> Result<[Option<RecordId>; 2], StoreError> {
        self.faults.read()?;
        let mut beside = [None, None];
        let (table, record) = (&place.table, place.record);
        for (place, (versions, edit)) in &self.file.records {
            if place.table != *table || place.record == record {
                continue;
            }
            let held = Confirmed::from_stored(versions.clone(), edit).map_err(damaged)?;
            let owned = held.record().header().owner.as_ref();
            if owned.is_some_and(|(found, _)| found == owner) {
                let [before, behind] = &mut beside;
                if place.record < record {
                    *before = (*before).max(Some(place.record));
                } else if behind.is_none_or(|known| place.record < known) {
                    *behind = Some(place.record);
                }
            }
        }
        Ok(beside)
    }

    fn all_erased(&self) -> Result<Vec<Erased>, StoreError> {
        self.faults.read()?;
        Ok(self.file.erased.values().cloned().collect())
    }

    fn log_after(&self, after: Sequence, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.faults.read()?;
        let later = self.file.log.iter().filter(|entry| entry.sequence > after);
        let mut found: Vec<_> = later.take(limit).cloned().collect();
        if self.planted == Some(Planted::SkipsLogEntries) && found.len() > 1 {
            found.remove(0);
        }
        Ok(found)
    }

    fn log_along(
        &self,
        strands: &BTreeSet<Strand>,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<LogEntry>, StoreError> {
        let mut found = self.log_after(after, usize::MAX)?;
        found.retain(|entry| {
            let mut all = entry.strands();
            let erased = self.file.erased.values().filter(|it| it.sequence == entry.sequence);
            all.extend(erased.flat_map(Erased::strands));
            !all.is_disjoint(strands)
        });
        found.truncate(limit);
        Ok(found)
    }

    fn record_count(&self) -> Result<u64, StoreError> {
        self.faults.read()?;
        Ok(self.file.records.len() as u64)
    }

    fn size(&self, table: &TableName, bucket: Option<&Bucket>) -> Result<SizeByState, StoreError> {
        let mut found = self.scan(None, usize::MAX)?;
        found.retain(|it| it.record().table() == table);
        found.retain(|it| bucket.is_none_or(|bucket| buckets_of(it).contains(bucket)));
        let of = |it: &Confirmed| SizeByState::of(it.record().header().state, it.size());
        Ok(found.iter().fold(SizeByState::default(), |all, it| all.plus(of(it))))
    }

    fn scan(&self, after: Option<&ScanPlace>, limit: usize) -> Result<Vec<Confirmed>, StoreError> {
        self.faults.read()?;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let found = self.file.records.range((from, Bound::Unbounded)).take(limit);
        found
            .map(|(_, (versions, edit))| Confirmed::from_stored(versions.clone(), edit))
            .collect::<Result<_, _>>()
            .map_err(damaged)
    }

    fn scan_bucket(
        &self,
        bucket: &Bucket,
        after: Option<&ScanPlace>,
        limit: usize,
    ) -> Result<Vec<Confirmed>, StoreError> {
        let mut found = self.scan(after, usize::MAX)?;
        found.retain(|it| buckets_of(it).contains(bucket));
        if self.planted == Some(Planted::ForgetsLookups) {
            found.retain(|_| !matches!(bucket, Bucket::LookingUp(..)));
        }
        found.truncate(limit);
        Ok(found)
    }

    fn scan_within(
        &self,
        table: &TableName,
        reach: &Reach,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<Confirmed>, StoreError> {
        let mut found = self.scan(None, usize::MAX)?;
        found.retain(|confirmed| {
            let record = confirmed.record();
            record.table() == table && Some(record.id()) > after && reach.takes(record.header())
        });
        found.truncate(limit);
        Ok(found)
    }

    fn device(&self, number: DeviceNumber) -> Result<Option<DeviceRow>, StoreError> {
        self.faults.read()?;
        Ok(self.file.devices.get(&number).cloned())
    }

    fn schema(&self) -> Result<Option<Schema>, StoreError> {
        self.faults.read()?;
        Ok(self.file.schema.clone())
    }

    fn rules(&self) -> Result<Option<(Policy, Organization)>, StoreError> {
        self.faults.read()?;
        Ok(self.file.rules.clone())
    }

    fn profiles(&self) -> Result<PublishedProfiles, StoreError> {
        self.faults.read()?;
        Ok(self.file.profiles.clone())
    }

    fn devices(&self) -> Result<Vec<DeviceRow>, StoreError> {
        self.faults.read()?;
        Ok(self.file.devices.values().cloned().collect())
    }

    fn device_by_key(&self, key: &PublicKey) -> Result<Option<DeviceRow>, StoreError> {
        self.faults.read()?;
        // The newest: who signs out and enrols again keeps the key.
        let mut devices = self.file.devices.values().rev();
        let mut found = devices.find(|device| device.key == *key).cloned();
        if self.planted == Some(Planted::WelcomesRevoked) {
            found = found.map(|device| DeviceRow { revoked: false, ..device });
        }
        Ok(found)
    }

    fn code_used_by(&self, nonce: [u8; 8]) -> Result<Option<PublicKey>, StoreError> {
        self.faults.read()?;
        Ok(self.file.codes.get(&nonce).copied())
    }

    fn standing(
        &self,
        device: DeviceNumber,
        digest: Digest,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.faults.read()?;
        Ok(self.file.standings.get(&(device, digest)).cloned())
    }

    fn past_standings(
        &self,
        device: DeviceNumber,
        after: Sequence,
    ) -> Result<Vec<PastStanding>, StoreError> {
        self.faults.read()?;
        let all = self.file.past_standings.iter();
        let all = all.filter(|_| self.planted != Some(Planted::ForgetsLapses));
        let behind = all.filter(|((it, until), _)| *it == device && *until > after);
        let past = |(key, standing): (&(_, Sequence), &Vec<u8>)| PastStanding {
            until: key.1,
            standing: standing.clone(),
        };
        Ok(behind.map(past).collect())
    }

    fn refused(&self, limit: usize) -> Result<Vec<RefusedEdit>, StoreError> {
        self.faults.read()?;
        Ok(self.file.refused.iter().take(limit).cloned().collect())
    }

    fn refusals(&self, edit: EditId) -> Result<Vec<RefusedEdit>, StoreError> {
        self.faults.read()?;
        Ok(self.file.refused.iter().filter(|it| it.edit.id == edit).cloned().collect())
    }

    fn commit(&mut self, commit: Commit) -> Result<(), StoreError> {
        let (is_written, result) = self.faults.commit();
        if self.file.meta != commit.expected {
            return Err(StoreError::Conflict);
        }
        if is_written {
            if self.planted == Some(Planted::AcknowledgesBeforeCommit) {
                self.before_last = Some(Box::new(self.file.clone()));
            }
            let commit = match self.planted {
                Some(planted) => planted.spoil_commit(commit),
                None => commit,
            };
            self.file.write(commit);
            if self.planted == Some(Planted::KeepsErased) {
                let floor = self.file.meta.floor;
                let kept = self.file.history.iter().filter(|entry| entry.sequence > floor);
                self.file.log = kept.cloned().collect();
            }
        }
        result
    }
}

fn buckets_of(confirmed: &Confirmed) -> BTreeSet<Bucket> {
    Bucket::of_record(confirmed.record().header(), confirmed.record().columns())
}
