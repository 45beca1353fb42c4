//! Records follow the rules: their owners to other business units, their columns to other sections.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{ServerMachine, server_edit};
use crate::codec::ScanPlace;
use crate::crdt::{CrdtError, Record};
use crate::gate::{Admissible, Confirmed, apply, follow_owner, renew};
use crate::limits::PAGE_LOOKS_MAX;
use crate::model::{
    ActorId, BusinessUnitId, DeviceNumber, Edit, LogEpoch, Op, Owner, PolicyEpoch, Section,
    Sequence, Table, Timestamp,
};
use crate::sync::{LogEntry, Operation, ServerStore, StoreError};

/// What records have to follow.
pub(super) struct Following {
    /// The owners who moved.
    pub(super) moved: BTreeMap<Owner, BusinessUnitId>,
    /// Columns may belong to other sections than before.
    pub(super) columns_move: bool,
    pub(super) now: Timestamp,
    pub(super) epoch: PolicyEpoch,
}

impl Following {
    /// The entries of the log behind `head` by which all records follow.
    pub(super) fn entries<S: ServerStore>(
        &self,
        machine: &ServerMachine,
        store: &S,
        head: Sequence,
    ) -> Result<Vec<Operation>, StoreError> {
        let mut operations = Vec::new();
        if self.moved.is_empty() && !self.columns_move {
            return Ok(operations);
        }
        let mut place = None;
        loop {
            let records = store.scan(place.as_ref(), PAGE_LOOKS_MAX)?;
            let Some(last) = records.last() else { return Ok(operations) };
            let (table, record) = (last.record().table().clone(), last.record().id());
            place = Some(ScanPlace { table, record });
            for mut confirmed in records {
                let Some(table) = machine.rules.schema().table(confirmed.record().table().as_str())
                else {
                    continue;
                };
                for step in [Self::follow_owner, Self::follow_schema] {
                    let sequence = Sequence(head.0 + operations.len() as u64 + 1);
                    if let Some(admitted) = step(self, machine, table, confirmed.record(), sequence)
                    {
                        let (operation, after) =
                            append(confirmed, &admitted, sequence, self.now, self.epoch)?;
                        operations.push(operation);
                        confirmed = after;
                    }
                }
            }
        }
    }

    fn follow_owner(
        &self,
        machine: &ServerMachine,
        table: &Table,
        record: &Record,
        sequence: Sequence,
    ) -> Option<Admissible> {
        let (owner, _) = record.header().owner.as_ref()?;
        let business_unit = self.moved.get(owner)?.clone();
        let ops = vec![Op::Own { owner: owner.clone(), business_unit }];
        let id = server_edit(machine.meta.epoch, sequence);
        let edit = record.author(table, id, machine.actor, self.now, ops);
        follow_owner(&machine.rules.roster, record, &edit)
    }

    fn follow_schema(
        &self,
        machine: &ServerMachine,
        table: &Table,
        record: &Record,
        sequence: Sequence,
    ) -> Option<Admissible> {
        let sections = self.columns_move.then(|| record.misplaced(table))?;
        let fits =
            |section| record.new_generation(table, section, machine.actor, self.now).is_some();
        if !sections.iter().all(fits) {
            // Half of it moved would look as if all had.
            let (table, record) = (&table.id, record.id());
            tracing::warn!(%table, %record, "too large to move columns to other sections");
            return None;
        }
        renewal(record, table, &sections, (machine.meta.epoch, sequence), self.now)
    }
}

/// Who begins a generation at this place of the log: nobody else, and nowhere else.
fn beginner(epoch: LogEpoch, sequence: Sequence) -> ActorId {
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
    let actor = beginner(epoch, sequence);
    let changes = sections.iter().map(|section| record.new_generation(table, section, actor, now));
    let changes = changes.flatten().map(Arc::new).collect();
    let (table, id) = (record.table().clone(), server_edit(epoch, sequence));
    renew(record, &Edit { id, table, record: record.id(), atomic: 0, changes })
}

/// The write that puts what the server did into the log, and the record after it.
pub(super) fn append(
    confirmed: Confirmed,
    admissible: &Admissible,
    sequence: Sequence,
    at: Timestamp,
    epoch: PolicyEpoch,
) -> Result<(Operation, Confirmed), StoreError> {
    let damaged = |error: CrdtError| StoreError::Damaged(error.to_string());
    let header = confirmed.record().header().clone();
    let admitted = admissible.clone().at(sequence);
    let edit = admitted.edit().clone();
    let before = edit.change(&Section::Header).map(|_| Some(header));
    let applied = apply(Some(confirmed), &admitted).map_err(damaged)?;
    let confirmed = applied.confirmed().clone();
    let after = confirmed.record().header().clone();
    let entry = LogEntry { sequence, edit, before, after, at, epoch };
    Ok((Operation::Append { entry: Box::new(entry), record: Box::new(applied) }, confirmed))
}
