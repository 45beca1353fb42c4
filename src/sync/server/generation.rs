//! The server begins new generations of sections that were changed often: histories stay short.

use std::sync::Arc;

use super::ingress::Session;
use super::server_edit;
use crate::gate::{apply, renew};
use crate::model::{ActorId, DeviceNumber, Edit, EditId, LogEpoch, RecordId, Sequence};
use crate::sync::{LogEntry, Operation, ServerStore, StoreError};

/// Who begins the generation at this place of the log: nobody else, and nowhere else.
fn actor(epoch: LogEpoch, sequence: Sequence) -> ActorId {
    let incarnation = epoch.0 ^ sequence.0.rotate_left(32);
    ActorId { device: DeviceNumber::SERVER, incarnation }
}

impl<S: ServerStore> Session<'_, S> {
    /// Begins new generations of what has more than `max` changes, of the records that this round
    /// of judging touched.
    pub(super) fn renew_grown(&mut self, epoch: LogEpoch, max: usize) -> Result<(), StoreError> {
        for id in std::mem::take(&mut self.changed) {
            self.renew(id, epoch, max)?;
        }
        Ok(())
    }

    fn renew(&mut self, id: RecordId, epoch: LogEpoch, max: usize) -> Result<(), StoreError> {
        let Some(confirmed) = self.records.get(&id).cloned().flatten() else { return Ok(()) };
        let damaged = |error: crate::crdt::CrdtError| StoreError::Damaged(error.to_string());
        let record = confirmed.record();
        let sequence = Sequence(self.head.0 + 1);
        let mut changes = Vec::new();
        for section in record.grown(max) {
            let change = record.new_generation(&section, actor(epoch, sequence), self.now);
            changes.extend(change.map_err(damaged)?.map(Arc::new));
        }
        let (table, id): (_, EditId) = (record.table().clone(), server_edit(epoch, sequence));
        let edit = Edit { id, table, record: record.id(), atomic: 0, changes };
        let Some(admissible) = renew(record, &edit) else { return Ok(()) };
        let after = record.header().clone();
        let applied = apply(Some(confirmed), &admissible.at(sequence)).map_err(damaged)?;
        self.head = sequence;
        self.records.insert(edit.record, Some(applied.confirmed().clone()));
        let (at, policy_epoch) = (self.now, self.epoch);
        let entry = LogEntry { sequence, edit, before: None, after, at, epoch: policy_epoch };
        let (entry, record) = (Box::new(entry), Box::new(applied));
        self.operations.push(Operation::Append { entry, record });
        Ok(())
    }
}
