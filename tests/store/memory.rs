//! The same stores as plain lists, written to be obviously right.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use tidegate::codec::{Digest, PublicKey, ScanPlace};
use tidegate::gate::{Confirmed, Reach};
use tidegate::model::{
    Bucket, DeviceNumber, Edit, EditId, Organization, Owner, Policy, PublishedProfiles, RecordId,
    Schema, Sequence, SizeByState, TableName,
};
use tidegate::sync::{
    Commit, DeviceRow, Erased, Kept, KeptPlace, LogEntry, Operation, PastStanding, Pending,
    Quarantined, RefusedEdit, ReplicaBatch, ReplicaMeta, ReplicaStore, ServerMeta, ServerStore,
    StoreError, StoredRow, Strand, Turn,
};

type Place = (TableName, RecordId);

/// All that a replica's store holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct MemoryReplica {
    pub(crate) meta: ReplicaMeta,
    pub(crate) rows: BTreeMap<Place, StoredRow>,
    pub(crate) confirmed: BTreeMap<Place, Confirmed>,
    pub(crate) pending: Vec<Pending>,
    pub(crate) quarantine: Vec<Quarantined>,
    pub(crate) kept: BTreeMap<KeptPlace, Pending>,
}

impl ReplicaStore for MemoryReplica {
    fn meta(&self) -> Result<ReplicaMeta, StoreError> {
        Ok(self.meta.clone())
    }

    fn row(&self, table: &TableName, record: RecordId) -> Result<Option<StoredRow>, StoreError> {
        Ok(self.rows.get(&(table.clone(), record)).cloned())
    }

    fn confirmed(
        &self,
        table: &TableName,
        record: RecordId,
    ) -> Result<Option<Confirmed>, StoreError> {
        Ok(self.confirmed.get(&(table.clone(), record)).cloned())
    }

    fn pending_on(&self, record: RecordId) -> Result<Vec<Pending>, StoreError> {
        Ok(self.pending.iter().filter(|it| it.edit.record == record).cloned().collect())
    }

    fn pending_after(&self, after: Turn, limit: usize) -> Result<Vec<Pending>, StoreError> {
        Ok(self.pending.iter().filter(|it| it.turn > after).take(limit).cloned().collect())
    }

    fn pending(&self, edit: EditId) -> Result<Option<Pending>, StoreError> {
        Ok(self.pending.iter().find(|it| it.edit.id == edit).cloned())
    }

    fn confirmed_ids(&self) -> Result<Vec<Place>, StoreError> {
        Ok(self.confirmed.keys().cloned().collect())
    }

    fn places_after(
        &self,
        after: Option<&ScanPlace>,
        limit: usize,
    ) -> Result<Vec<Place>, StoreError> {
        let places: BTreeSet<_> = self.confirmed.keys().chain(self.rows.keys()).collect();
        let after = after.map(|after| (after.table.clone(), after.record));
        let behind = places.into_iter().filter(|place| Some(*place) > after.as_ref());
        Ok(behind.take(limit).cloned().collect())
    }

    fn confirmed_count(&self) -> Result<u64, StoreError> {
        Ok(self.confirmed.len() as u64)
    }

    fn quarantine(&self) -> Result<Vec<Quarantined>, StoreError> {
        Ok(self.quarantine.clone())
    }

    fn kept_after(&self, after: KeptPlace, limit: usize) -> Result<Vec<Kept>, StoreError> {
        let behind = self.kept.range((Bound::Excluded(after), Bound::Unbounded));
        let kept = |(at, pending): (&KeptPlace, &Pending)| Kept {
            sequence: at.sequence,
            pending: pending.clone(),
        };
        Ok(behind.take(limit).map(kept).collect())
    }

    fn commit(&mut self, batch: ReplicaBatch) -> Result<(), StoreError> {
        if let Some(meta) = batch.meta {
            self.meta = meta;
        }
        for place in batch.gone {
            self.confirmed.remove(&place);
        }
        for applied in batch.confirmed {
            let place = (applied.table().clone(), applied.id());
            self.confirmed.insert(place, applied.into_confirmed());
        }
        for (table, record, row) in batch.rows {
            match row {
                Some(row) => self.rows.insert((table, record), row),
                None => self.rows.remove(&(table, record)),
            };
        }
        for pending in batch.pending {
            self.pending.retain(|it| it.edit.id != pending.edit.id && it.turn != pending.turn);
            self.pending.push(pending);
        }
        self.pending.sort_by_key(|it| it.turn);
        self.pending.retain(|it| !batch.settled.contains(&it.edit.id));
        let again = |it: &Quarantined| batch.quarantine.contains(it);
        self.quarantine.retain(|it| !batch.released.contains(&it.edit) || again(it));
        self.kept.retain(|at, _| batch.forgotten.is_none_or(|up_to| *at > up_to));
        self.kept.retain(|_, kept| !batch.erased.contains(&kept.edit.record));
        self.kept.extend(batch.kept.into_iter().map(|kept| (kept.place(), kept.pending)));
        self.quarantine.retain(|it| !batch.erased.contains(&it.record) || again(it));
        for entry in &batch.quarantine {
            if !self.quarantine.contains(entry) {
                self.quarantine.push(entry.clone());
            }
        }
        Ok(())
    }

    fn rewrite(&mut self) -> Result<(), StoreError> {
        self.meta.purge = self.meta.purge.rewritten();
        Ok(())
    }
}

/// All that a server's store holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct MemoryServer {
    pub(crate) meta: ServerMeta,
    pub(crate) log: Vec<LogEntry>,
    pub(crate) dropped: BTreeSet<EditId>,
    /// Who wrote which record in what was dropped.
    pub(crate) wrote: BTreeSet<(RecordId, DeviceNumber)>,
    pub(crate) records: BTreeMap<Place, Confirmed>,
    pub(crate) devices: BTreeMap<DeviceNumber, DeviceRow>,
    pub(crate) codes: BTreeMap<[u8; 8], PublicKey>,
    pub(crate) standings: BTreeMap<(DeviceNumber, Digest), Vec<u8>>,
    pub(crate) past_standings: BTreeMap<(DeviceNumber, Sequence), Vec<u8>>,
    pub(crate) refused: Vec<RefusedEdit>,
    pub(crate) erased: BTreeMap<RecordId, Erased>,
    pub(crate) schema: Option<Schema>,
    pub(crate) policy: Option<Policy>,
    pub(crate) organization: Organization,
    pub(crate) profiles: PublishedProfiles,
}

/// The first entries that concern `limit` records.
fn first_of<'a>(entries: impl Iterator<Item = &'a LogEntry>, limit: usize) -> Vec<LogEntry> {
    let mut breadth = 0_usize;
    let is_room = |entry: &&LogEntry| {
        let is_room = breadth < limit;
        breadth = breadth.saturating_add(entry.breadth());
        is_room
    };
    entries.take_while(is_room).cloned().collect()
}

impl ServerStore for MemoryServer {
    fn meta(&self) -> Result<ServerMeta, StoreError> {
        Ok(self.meta.clone())
    }

    fn record(&self, record: RecordId) -> Result<Option<Confirmed>, StoreError> {
        Ok(self.records.iter().find(|(place, _)| place.1 == record).map(|(_, it)| it.clone()))
    }

    fn erased(&self, record: RecordId) -> Result<Option<Erased>, StoreError> {
        Ok(self.erased.get(&record).cloned())
    }

    fn all_erased(&self) -> Result<Vec<Erased>, StoreError> {
        Ok(self.erased.values().cloned().collect())
    }

    fn beside(&self, record: RecordId) -> Result<[Option<RecordId>; 2], StoreError> {
        let all = || self.records.keys().map(|(_, id)| id).chain(self.erased.keys()).copied();
        let before = all().filter(|id| *id < record).max();
        Ok([before, all().filter(|id| *id > record).min()])
    }

    fn beside_of(
        &self,
        owner: &Owner,
        place: &ScanPlace,
    ) -> Result<[Option<RecordId>; 2], StoreError> {
        let is_its = |it: &&Confirmed| {
            let belongs = it.record().header().owner.as_ref();
            *it.record().table() == place.table && belongs.is_some_and(|(found, _)| found == owner)
        };
        let all = || self.records.values().filter(is_its).map(|it| it.record().id());
        let before = all().filter(|id| *id < place.record).max();
        Ok([before, all().filter(|id| *id > place.record).min()])
    }

    fn admitted(&self, edit: EditId) -> Result<Option<Sequence>, StoreError> {
        let is_it = |entry: &&LogEntry| entry.edit().is_some_and(|it| it.id == edit);
        let found = self.log.iter().find(is_it).map(|entry| entry.sequence);
        Ok(found.or(self.dropped.contains(&edit).then_some(self.meta.floor)))
    }

    fn log_after(&self, after: Sequence, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        let later = self.log.iter().filter(|entry| entry.sequence > after);
        Ok(first_of(later, limit))
    }

    fn log_along(
        &self,
        strands: &BTreeSet<Strand>,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<LogEntry>, StoreError> {
        let along = self.log.iter().filter(|entry| {
            let mut all = entry.strands();
            let erased = self.erased.values().filter(|it| it.sequence == entry.sequence);
            all.extend(erased.flat_map(Erased::strands));
            entry.sequence > after && !all.is_disjoint(strands)
        });
        Ok(first_of(along, limit))
    }

    fn record_count(&self) -> Result<u64, StoreError> {
        Ok(self.records.len() as u64)
    }

    fn size(&self, table: &TableName, bucket: Option<&Bucket>) -> Result<SizeByState, StoreError> {
        let found = self.records.values().filter(|it| it.record().table() == table);
        let is_in = |it: &&Confirmed| bucket.is_none_or(|bucket| buckets_of(it).contains(bucket));
        let of = |it: &Confirmed| SizeByState::of(it.record().header().state, it.size());
        Ok(found.filter(is_in).fold(SizeByState::default(), |all, it| all.plus(of(it))))
    }

    fn scan(&self, after: Option<&ScanPlace>, limit: usize) -> Result<Vec<Confirmed>, StoreError> {
        let after = after.map(|place| (place.table.clone(), place.record));
        let later = self.records.iter().filter(|(place, _)| Some(*place) > after.as_ref());
        Ok(later.take(limit).map(|(_, record)| record.clone()).collect())
    }

    fn scan_bucket(
        &self,
        bucket: &Bucket,
        after: Option<&ScanPlace>,
        limit: usize,
    ) -> Result<Vec<Confirmed>, StoreError> {
        let after = after.map(|place| (place.table.clone(), place.record));
        let later = self.records.iter().filter(|(place, _)| Some(*place) > after.as_ref());
        let found = later.filter(|(_, it)| buckets_of(it).contains(bucket));
        Ok(found.take(limit).map(|(_, record)| record.clone()).collect())
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
        Ok(self.devices.get(&number).cloned())
    }

    fn device_by_key(&self, key: &PublicKey) -> Result<Option<DeviceRow>, StoreError> {
        Ok(self.devices.values().rev().find(|device| device.key == *key).cloned())
    }

    fn code_used_by(&self, nonce: [u8; 8]) -> Result<Option<PublicKey>, StoreError> {
        Ok(self.codes.get(&nonce).copied())
    }

    fn standing(
        &self,
        device: DeviceNumber,
        digest: Digest,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.standings.get(&(device, digest)).cloned())
    }

    fn profiles(&self) -> Result<PublishedProfiles, StoreError> {
        Ok(self.profiles.clone())
    }

    fn schema(&self) -> Result<Option<Schema>, StoreError> {
        Ok(self.schema.clone())
    }

    fn past_standings(
        &self,
        device: DeviceNumber,
        after: Sequence,
    ) -> Result<Vec<PastStanding>, StoreError> {
        let all = self.past_standings.iter();
        let behind = all.filter(|((it, until), _)| *it == device && *until > after);
        let past = |(key, standing): (&(_, Sequence), &Vec<u8>)| PastStanding {
            until: key.1,
            standing: standing.clone(),
        };
        Ok(behind.map(past).collect())
    }

    fn rules(&self) -> Result<Option<(Policy, Organization)>, StoreError> {
        Ok(self.policy.clone().map(|policy| (policy, self.organization.clone())))
    }

    fn devices(&self) -> Result<Vec<DeviceRow>, StoreError> {
        Ok(self.devices.values().cloned().collect())
    }

    fn refused(&self, limit: usize) -> Result<Vec<RefusedEdit>, StoreError> {
        Ok(self.refused.iter().take(limit).cloned().collect())
    }

    fn refusals(&self, edit: EditId) -> Result<Vec<RefusedEdit>, StoreError> {
        Ok(self.refused.iter().filter(|it| it.edit.id == edit).cloned().collect())
    }

    fn commit(&mut self, commit: Commit) -> Result<(), StoreError> {
        if self.meta != commit.expected {
            return Err(StoreError::Conflict);
        }
        self.meta = commit.meta;
        for operation in commit.operations {
            match operation {
                Operation::Append { entry, records } => {
                    self.log.push(*entry);
                    for record in records {
                        let place = (record.table().clone(), record.id());
                        self.records.insert(place, record.into_confirmed());
                    }
                }
                Operation::Erase(entry) => {
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
                    let wrote = self.wrote.iter().filter(|(it, _)| *it == record);
                    authors.extend(wrote.map(|(_, device)| *device));
                    self.wrote.retain(|(it, _)| *it != record);
                    authors.remove(&DeviceNumber(0));
                    self.refused.retain(|refused| refused.edit.record != record);
                    self.records.remove(&(table.clone(), record));
                    let (sequence, authors) = (entry.sequence, authors.into_iter().collect());
                    self.erased.insert(record, Erased { table, record, sequence, authors });
                    self.log.push(*entry);
                }
                Operation::Refuse(refused) => self.refused.push(*refused),
                Operation::Trim { up_to } => {
                    let old = self.log.iter().take_while(|entry| entry.sequence <= up_to).count();
                    for entry in self.log.drain(..old) {
                        let Some(edit) = entry.edit() else { continue };
                        if edit.id.device.0 > 0 {
                            self.dropped.insert(edit.id);
                        }
                        if edit.id.device.0 > 0 && !edit.changes.is_empty() {
                            self.wrote.insert((edit.record, edit.id.device));
                        }
                    }
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
                    self.policy = Some(*policy);
                }
                Operation::SetOrganization(rows) => {
                    for row in rows {
                        self.organization.set(row);
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
        Ok(())
    }
}

/// Everything that a replica's store says, each thing by each way that leads to it.
///
/// # Errors
/// As the store's.
pub(crate) fn read_replica(
    store: &impl ReplicaStore,
    places: &[Place],
) -> Result<MemoryReplica, StoreError> {
    let mut all = MemoryReplica { meta: store.meta()?, ..MemoryReplica::default() };
    for (table, record) in places {
        let place = (table.clone(), *record);
        if let Some(row) = store.row(table, *record)? {
            all.rows.insert(place.clone(), row);
        }
        if let Some(confirmed) = store.confirmed(table, *record)? {
            all.confirmed.insert(place, confirmed);
        }
    }
    all.pending = store.pending_after(Turn::default(), usize::MAX)?;
    all.quarantine = store.quarantine()?;
    let kept = store.kept_after(KeptPlace::default(), usize::MAX)?;
    all.kept = kept.into_iter().map(|kept| (kept.place(), kept.pending)).collect();
    Ok(all)
}

/// That every way of asking gives the same answer as the list.
///
/// # Errors
/// As the store's.
pub(crate) fn compare_replica(
    store: &impl ReplicaStore,
    model: &MemoryReplica,
    places: &[Place],
) -> Result<bool, StoreError> {
    let mut same = read_replica(store, places)? == *model;
    same &= store.confirmed_ids()? == model.confirmed_ids()?;
    same &= store.places_after(None, usize::MAX)? == model.places_after(None, usize::MAX)?;
    for (table, record) in places {
        let after = ScanPlace { table: table.clone(), record: *record };
        same &= store.places_after(Some(&after), 2)? == model.places_after(Some(&after), 2)?;
        same &= store.pending_on(*record)? == model.pending_on(*record)?;
    }
    for pending in &model.pending {
        same &= store.pending(pending.edit.id)?.as_ref() == Some(pending);
        same &= store.pending_after(pending.turn, 2)? == model.pending_after(pending.turn, 2)?;
    }
    Ok(same)
}

/// That every way of asking gives the same answer as the lists.
///
/// # Errors
/// As the store's.
pub(crate) fn compare_server(
    store: &impl ServerStore,
    model: &MemoryServer,
) -> Result<bool, StoreError> {
    let mut same = store.meta()? == model.meta;
    same &= store.log_after(Sequence(0), usize::MAX)? == model.log;
    same &= store.log_after(Sequence(3), 2)? == model.log_after(Sequence(3), 2)?;
    let mut strands: BTreeSet<Strand> = model.log.iter().flat_map(LogEntry::strands).collect();
    strands.extend(model.erased.values().flat_map(Erased::strands));
    for (at, strand) in strands.iter().enumerate() {
        let one = [strand.clone()].into();
        let third = strands.iter().skip(at).step_by(3).cloned().collect();
        for (strands, after, limit) in [(&one, 0, usize::MAX), (&one, 3, 2), (&third, 2, 3)] {
            let found = store.log_along(strands, Sequence(after), limit)?;
            same &= found == model.log_along(strands, Sequence(after), limit)?;
        }
    }
    same &= store.refused(usize::MAX)? == model.refused;
    same &= store.refused(1)? == model.refused(1)?;
    for part in 0..4 {
        let edit = EditId { device: DeviceNumber(9), counter: 1, part };
        same &= store.refusals(edit)? == model.refusals(edit)?;
    }
    same &= store.rules()? == model.rules()?;
    same &= store.schema()? == model.schema()?;
    same &= store.profiles()? == model.profiles()?;
    same &= store.devices()? == model.devices()?;
    same &= store.all_erased()? == model.all_erased()?;
    for record in model.erased.keys() {
        same &= store.erased(*record)? == model.erased(*record)?;
    }
    for record in model.records.keys().map(|(_, id)| id).chain(model.erased.keys()) {
        same &= store.beside(*record)? == model.beside(*record)?;
        let [_, behind] = model.beside(*record)?;
        let between = RecordId::from_bytes([record.as_bytes()[0]; 16]);
        same &= store.beside(between)? == model.beside(between)?;
        same &= behind.is_none_or(|behind| behind > *record);
    }
    let owners = model.records.values().filter_map(|it| it.record().header().owner.as_ref());
    for owner in owners.map(|(owner, _)| owner).collect::<BTreeSet<_>>() {
        for (table, record) in model.records.keys() {
            let place = ScanPlace { table: table.clone(), record: *record };
            same &= store.beside_of(owner, &place)? == model.beside_of(owner, &place)?;
        }
    }
    same &= store.scan(None, usize::MAX)?.iter().eq(model.records.values());
    for (table, record) in model.records.keys() {
        same &= store.record(*record)? == model.record(*record)?;
        let place = ScanPlace { table: table.clone(), record: *record };
        same &= store.scan(Some(&place), 3)? == model.scan(Some(&place), 3)?;
        same &= store.size(table, None)? == model.size(table, None)?;
    }
    let buckets: BTreeSet<Bucket> = model.records.values().flat_map(buckets_of).collect();
    for (at, bucket) in buckets.iter().enumerate() {
        let all = model.scan_bucket(bucket, None, usize::MAX)?;
        same &= store.scan_bucket(bucket, None, usize::MAX)? == all;
        let Some(middle) = all.get(all.len() / 2) else { continue };
        let (record, place) = (middle.record(), ScanPlace::of(middle.record()));
        let behind = model.scan_bucket(bucket, Some(&place), 3)?;
        same &= store.scan_bucket(bucket, Some(&place), 3)? == behind;
        let half = buckets.iter().skip(at).step_by(2);
        let half = half.filter(|it| !matches!(it, Bucket::LookingUp(..))).cloned().collect();
        for reach in [Reach::Nothing, Reach::All, Reach::Buckets(half)] {
            for (after, limit) in [(None, usize::MAX), (None, 2), (Some(record.id()), 3)] {
                let found = store.scan_within(record.table(), &reach, after, limit)?;
                same &= found == model.scan_within(record.table(), &reach, after, limit)?;
            }
        }
    }
    for entry in &model.log {
        let Some(edit) = entry.edit() else { continue };
        same &= store.admitted(edit.id)? == Some(entry.sequence);
    }
    for edit in &model.dropped {
        same &= store.admitted(*edit)? == Some(model.meta.floor);
        for other in
            [EditId { part: edit.part + 1, ..*edit }, EditId { counter: edit.counter + 1, ..*edit }]
        {
            same &= store.admitted(other)? == model.admitted(other)?;
        }
    }
    same &= store.record_count()? == model.record_count()?;
    for device in model.devices.values() {
        same &= store.device(device.number)?.as_ref() == Some(device);
        same &= store.device_by_key(&device.key)?.as_ref() == Some(device);
    }
    for (nonce, key) in &model.codes {
        same &= store.code_used_by(*nonce)? == Some(*key);
    }
    for ((device, digest), standing) in &model.standings {
        same &= store.standing(*device, *digest)?.as_ref() == Some(standing);
    }
    for device in (0..3).map(DeviceNumber) {
        for after in (0..9).map(Sequence) {
            let past = store.past_standings(device, after)?;
            same &= past == model.past_standings(device, after)?;
        }
    }
    Ok(same)
}

fn buckets_of(confirmed: &Confirmed) -> BTreeSet<Bucket> {
    Bucket::of_record(confirmed.record().header(), confirmed.record().columns())
}
