//! Records follow the rules: their owners to other business units, their columns to other sections.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::fit::Fit;
use super::{RulesError, ServerMachine, server_edit};
use crate::codec::ScanPlace;
use crate::crdt::{CrdtError, Record};
use crate::gate::{Admissible, Applied, Confirmed, Follow, apply, follow_owner, renew};
use crate::limits::PAGE_LOOKS_MAX;
use crate::model::{
    ActorId, Asked, Bucket, BusinessUnitId, DeviceNumber, Edit, LogEpoch, Owner, PolicyEpoch,
    RecordId, Schema, Section, Sequence, SystemTable, Table, Timestamp,
};
use crate::sync::{EntryKind, Follower, Leg, LogEntry, Move, Operation, ServerStore, StoreError};

/// What records have to follow.
pub(super) struct Following<'a> {
    /// The owners who moved.
    pub(super) moved: BTreeMap<Owner, BusinessUnitId>,
    pub(super) now: Timestamp,
    pub(super) epoch: PolicyEpoch,
    /// What profiles ask.
    pub(super) asked: &'a Asked,
}

impl Following<'_> {
    /// The entries of the log behind `head` by which all records follow: one for each that the schema
    /// concerns, and then one for all whose owners moved. `before` is the schema that they are by now.
    ///
    /// # Errors
    /// The store cannot be read, one of them cannot follow, or some do not fit the schema.
    pub(super) fn entries<S: ServerStore>(
        &self,
        machine: &ServerMachine,
        store: &S,
        head: Sequence,
        before: Option<&Schema>,
    ) -> Result<Vec<Operation>, RulesError> {
        let mut fit = Fit::new(before, machine.rules.schema());
        let mut operations = Vec::new();
        let mut place = None;
        while !fit.is_empty() {
            let records = store.scan(place.as_ref(), PAGE_LOOKS_MAX)?;
            let Some(last) = records.last() else { break };
            place = Some(ScanPlace::of(last.record()));
            for confirmed in records {
                let table = machine.rules.schema().table(confirmed.record().table().as_str());
                fit.look(store, &confirmed)?;
                let sequence = Sequence(head.0 + operations.len() as u64 + 1);
                if let Some(table) = table.filter(|table| fit.moves(&table.id))
                    && let Some(admissible) =
                        self.follow_schema(machine, table, confirmed.record(), sequence)?
                {
                    let (operation, _) =
                        append(confirmed, &admissible, sequence, self.now, self.epoch, self.asked)?;
                    operations.push(operation);
                }
            }
        }
        let misfits = fit.finish();
        if !misfits.is_empty() {
            return Err(RulesError::Misfits(misfits));
        }
        let movers = self.movers(store, &operations)?;
        let sequence = Sequence(head.0 + operations.len() as u64 + 1);
        operations.extend(self.follow_owners(machine, movers, sequence)?);
        Ok(operations)
    }

    /// The records of the owners who moved, as `done` of the same step leaves them. Those of a table
    /// that was removed follow too: it may come back.
    fn movers<S: ServerStore>(
        &self,
        store: &S,
        done: &[Operation],
    ) -> Result<Vec<Confirmed>, StoreError> {
        let written = written(done);
        let mut movers = Vec::new();
        for owner in self.moved.keys() {
            let bucket = Bucket::Owner(owner.clone());
            let mut place = None;
            loop {
                let records = store.scan_bucket(&bucket, place.as_ref(), PAGE_LOOKS_MAX)?;
                let Some(last) = records.last() else { break };
                place = Some(ScanPlace::of(last.record()));
                // The row of who moved says where that is: it follows with all that it says.
                let records = records
                    .into_iter()
                    .filter(|confirmed| SystemTable::of(confirmed.record().table()).is_none());
                movers.extend(records.map(|confirmed| {
                    let after = written.get(&confirmed.record().id());
                    after.map_or(confirmed, |after| (*after).clone())
                }));
            }
        }
        Ok(movers)
    }

    /// The entry at this place of the log by which these records follow their owners; `None`: all are
    /// there already.
    fn follow_owners(
        &self,
        machine: &ServerMachine,
        movers: Vec<Confirmed>,
        sequence: Sequence,
    ) -> Result<Option<Operation>, StoreError> {
        let actor = only_here(machine.meta.epoch, sequence);
        let (mut legs, mut records): (BTreeMap<_, Vec<Follower>>, _) =
            (BTreeMap::new(), Vec::new());
        for confirmed in movers {
            let record = confirmed.record();
            let Some((owner, from)) = record.header().owner.clone() else { continue };
            let Some(business_unit) = self.moved.get(&owner).cloned() else { continue };
            let follow = Follow { owner: owner.clone(), business_unit, actor, at: self.now };
            let admissible =
                follow.edit(record).and_then(|it| follow_owner(&machine.rules.roster, record, &it));
            let Some(admissible) = admissible else { continue };
            let leg = (owner, from, follow.business_unit, record.table().clone());
            let follower = Follower::new(record.id(), record.header());
            legs.entry(leg).or_default().push(follower);
            records.push(apply(Some(confirmed), &admissible.at(sequence)).map_err(damaged)?);
        }
        if records.is_empty() {
            return Ok(None);
        }
        let leg = |((owner, from, to, table), followers)| Leg { owner, from, to, table, followers };
        let kind = EntryKind::Move(Move { actor, legs: legs.into_iter().map(leg).collect() });
        let entry = Box::new(LogEntry { sequence, kind, at: self.now, epoch: self.epoch });
        Ok(Some(Operation::Append { entry, records }))
    }

    /// The edit by which columns of a record move to the sections where the schema has them. `None`:
    /// they are there.
    fn follow_schema(
        &self,
        machine: &ServerMachine,
        table: &Table,
        record: &Record,
        sequence: Sequence,
    ) -> Result<Option<Admissible>, RulesError> {
        let sections = record.misplaced(table);
        // Left as it is, or moved by halves, it would look as if it had moved.
        let immovable = |why: String| {
            let (table, record) = (table.id.clone(), record.id());
            RulesError::Immovable { table, record, why }
        };
        for section in &sections {
            let written = record.new_generation(table, section, machine.actor, self.now);
            written.map_err(|oversize| immovable(oversize.to_string()))?;
        }
        let place = (machine.meta.epoch, sequence);
        match renewal(record, table, &sections, place, self.now) {
            None if !sections.is_empty() => {
                Err(immovable("written anew it would hold other values".into()))
            }
            renewal => Ok(renewal),
        }
    }
}

/// Who writes what the server does at this place of the log: nobody else, and nowhere else.
pub(super) fn only_here(epoch: LogEpoch, sequence: Sequence) -> ActorId {
    let incarnation = epoch.0 ^ sequence.0.rotate_left(32);
    ActorId { device: DeviceNumber::SERVER, incarnation }
}

/// The edit at this place of the log that begins new generations of some sections. `None`: nothing
/// is to be done, or it would change what the record holds.
pub(super) fn renewal(
    record: &Record,
    table: &Table,
    sections: &BTreeSet<Section>,
    (epoch, sequence): (LogEpoch, Sequence),
    now: Timestamp,
) -> Option<Admissible> {
    let actor = only_here(epoch, sequence);
    let changes = sections.iter().map(|section| record.new_generation(table, section, actor, now));
    let changes = changes.filter_map(Result::ok).map(Arc::new).collect();
    let (table, id) = (record.table().clone(), server_edit(epoch, sequence));
    renew(record, &Edit { id, table, record: record.id(), atomic: 0, changes })
}

/// Records as the operations of a step leave them.
pub(super) fn written(done: &[Operation]) -> BTreeMap<RecordId, &Confirmed> {
    let records = done.iter().filter_map(|operation| match operation {
        Operation::Append { records, .. } => Some(records),
        _ => None,
    });
    let records = records.flatten().map(Applied::confirmed);
    records.map(|confirmed| (confirmed.record().id(), confirmed)).collect()
}

/// The write that puts what the server did into the log, and the record after it.
pub(super) fn append(
    confirmed: Confirmed,
    admissible: &Admissible,
    sequence: Sequence,
    at: Timestamp,
    epoch: PolicyEpoch,
    asked: &Asked,
) -> Result<(Operation, Confirmed), StoreError> {
    let before = confirmed.record().clone();
    let admitted = admissible.clone().at(sequence);
    let applied = apply(Some(confirmed), &admitted).map_err(damaged)?;
    let confirmed = applied.confirmed().clone();
    let edit = admitted.edit().clone();
    let kind = EntryKind::edit(edit, Some(&before), confirmed.record(), asked);
    let entry = LogEntry { sequence, kind, at, epoch };
    Ok((Operation::Append { entry: Box::new(entry), records: vec![applied] }, confirmed))
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where `map_err` passes by value")]
pub(super) fn damaged(error: CrdtError) -> StoreError {
    StoreError::Damaged(error.to_string())
}
