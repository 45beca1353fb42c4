//! Edits of which the server refused some columns: these go to quarantine, and the rest counts.

use std::collections::BTreeSet;

use super::ReplicaMachine;
use super::desk::{Desk, not_there};
use super::quarantine::{parked, quarantined};
use crate::model::{
    ActorId, Denial, EditId, PolicyEpoch, RecordId, Sequence, TableName, Timestamp,
};
use crate::sync::{Pending, ReplicaStore, StoreError};

impl ReplicaMachine {
    /// Takes the refused columns out of an edit and writes the rest anew.
    pub(super) fn split<S: ReplicaStore>(
        &mut self,
        desk: &mut Desk<'_, S>,
        now: Timestamp,
        id: EditId,
        (table, record): (&TableName, RecordId),
        columns: Vec<Denial>,
        epoch: PolicyEpoch,
    ) -> Result<(), StoreError> {
        let must_wait = self.must_wait(table, record, false);
        let folder = desk.folder(table, record)?;
        if must_wait && folder.builds_on_hidden(table, record) {
            // Whether what was made before it counts is open still, so it stays as it is; and since
            // it was not admitted, the server says the same again.
            self.write_later(id);
            return Ok(());
        }
        let actor = self.fresh_actor();
        take_columns(desk, now, id, (table, record), (columns, epoch), actor)?;
        let folder = desk.folder(table, record)?;
        let is_create = |pending: &Pending| pending.edit.id != id || pending.edit.is_create();
        if folder.exists() || folder.pending.iter().all(is_create) {
            return self.rebase(desk, now, table, record, &BTreeSet::from([id]));
        }
        // Its record is out of reach by now: the rest cannot be written anew.
        if let Some(rest) = folder.withdraw(id) {
            desk.batch.quarantine.push(parked(&rest, not_there(), epoch, now));
            desk.batch.settled.push(id);
        }
        Ok(())
    }

    /// An edit counts as the record has it that is fetched now, and not as it is here.
    pub(super) fn counts_elsewhere<S: ReplicaStore>(
        &mut self,
        desk: &mut Desk<'_, S>,
        (table, record): (&TableName, RecordId),
        id: EditId,
        sequence: Sequence,
    ) -> Result<(), StoreError> {
        let folder = desk.folder(table, record)?;
        let own = folder.find(id);
        folder.withdraw(id);
        self.keep_admitted(desk, own, sequence);
        desk.batch.settled.push(id);
        desk.admitted.push((id, sequence));
        self.want(table, record);
        Ok(())
    }
}

/// Puts the refused columns of an edit into quarantine. The rest is of a fresh `actor`.
pub(super) fn take_columns<S: ReplicaStore>(
    desk: &mut Desk<'_, S>,
    now: Timestamp,
    id: EditId,
    (table, record): (&TableName, RecordId),
    (columns, epoch): (Vec<Denial>, PolicyEpoch),
    actor: ActorId,
) -> Result<(), StoreError> {
    let folder = desk.folder(table, record)?;
    let mut entries = Vec::new();
    for denial in columns {
        let taken = folder.take_column(id, &denial, actor);
        entries.extend(taken.map(|(edit, ops)| quarantined(&edit, ops, denial, epoch, now)));
    }
    desk.batch.quarantine.extend(entries);
    Ok(())
}
