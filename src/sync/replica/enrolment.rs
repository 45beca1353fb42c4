//! Before enrolment, and after: a replica works alone with a schema of its own, and what was made
//! then is written anew as the user who enrols.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::desk::Desk;
use super::quarantine::quarantined;
use super::{Event, ReplicaMachine};
use crate::model::{
    BusinessUnitId, Denial, DeviceNumber, EditId, Op, Owner, PolicyEpoch, RecordId, Rule, Schema,
    TableName, Timestamp,
};
use crate::sync::{
    KeptPlace, Pending, Purge, ReplicaBatch, ReplicaMeta, ReplicaStore, StoreError, Turn,
};

/// Whom records made before enrolment belong to.
const NOBODY_YET: &str = "local";

/// Why a device cannot be signed out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignOutError {
    /// Edits would be lost.
    #[error(
        "{0} edits were not sent yet: sync first, or sign out with `wipe`, which discards them"
    )]
    Pending(usize),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ReplicaMachine {
    /// Gives a device that belongs to nobody yet its tables. The server's schema replaces it at
    /// enrolment.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn set_local_schema<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        schema: Schema,
    ) -> Result<(), StoreError> {
        if self.meta.enrolment.is_some() || self.meta.schema == schema {
            return Ok(());
        }
        self.meta.schema = schema;
        self.keep(store, ReplicaBatch { meta: Some(self.meta.clone()), ..Default::default() })
    }

    /// Whom a new record belongs to where the app does not say: the user, or nobody yet.
    pub(super) fn default_owner(&self) -> Option<Owner> {
        match &self.meta.enrolment {
            Some(enrolment) => Some(Owner::User(enrolment.user.clone())),
            None => NOBODY_YET.parse().ok().map(Owner::User),
        }
    }

    /// The business unit of records that belong to nobody yet.
    pub(super) fn unit_of_nobody(&self, owner: &Owner) -> Option<BusinessUnitId> {
        let is_nobody =
            self.meta.enrolment.is_none() && self.default_owner().as_ref() == Some(owner);
        is_nobody.then(|| NOBODY_YET.parse().ok()).flatten()
    }

    /// Writes what was made before enrolment anew, as the user's own, and with it what else this
    /// machine knows by now; privileges are known.
    pub(super) fn adopt<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let all = store.pending_after(Turn::default(), usize::MAX)?;
        let local: Vec<_> =
            all.into_iter().filter(|it| it.edit.id.device == DeviceNumber(0)).collect();
        let Some(enrolment) = self.meta.enrolment.clone() else { return Ok(()) };
        let unit = self.standing.as_ref().and_then(|standing| standing.business_unit()).cloned();
        let owner = Owner::User(enrolment.user);
        let mut desk = Desk::new(&*store);
        let mut adopted = BTreeSet::new();
        let mut records: BTreeSet<(TableName, RecordId)> = BTreeSet::new();
        // Their turns come after all that were, so that old and new are not mixed up.
        let first = self.meta.counter;
        for Pending { turn, mut edit } in local {
            let (table, record, old) = (edit.table.clone(), edit.record, edit.id);
            desk.folder(&table, record)?.withdraw(old);
            desk.batch.settled.push(old);
            edit.id = EditId { device: enrolment.device, ..old };
            for op in edit.changes.iter_mut().flat_map(|change| &mut Arc::make_mut(change).ops) {
                if let Op::Own { owner: nobody, business_unit } = op {
                    *nobody = owner.clone();
                    *business_unit = unit.as_ref().unwrap_or(business_unit).clone();
                }
            }
            if unit.is_none() {
                let (denial, ops) = (Denial::of(Rule::DisabledUser), edit.ops().cloned().collect());
                desk.batch.quarantine.push(quarantined(&edit, ops, denial, self.epoch, now));
                continue;
            }
            let counter = first + turn.counter;
            self.meta.counter = self.meta.counter.max(counter);
            let turn = Turn { counter, ..turn };
            adopted.insert(edit.id);
            desk.folder(&table, record)?.pending.push(Pending { turn, edit });
            records.insert((table, record));
        }
        for (table, record) in records {
            self.rebase(&mut desk, now, &table, record, &adopted)?;
        }
        let prepared = desk.finish(&self.meta.schema)?;
        self.write(store, prepared)
    }

    /// Ends what ties this device to its user. What is pending must have been sent, or is
    /// discarded with everything else. No byte of it is left in the store.
    ///
    /// # Errors
    /// Edits are pending and `wipe` was not asked for; or the store fails. Where it fails after the
    /// rows left, their bytes go when it is opened next.
    pub fn sign_out<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        wipe: bool,
    ) -> Result<(), SignOutError> {
        let pending = store.pending_after(Turn::default(), usize::MAX)?;
        if !pending.is_empty() && !wipe {
            return Err(SignOutError::Pending(pending.len()));
        }
        self.disconnected();
        let schema = self.meta.schema.clone();
        let (counter, app) = (self.meta.counter, self.meta.app.clone());
        let mut desk = Desk::new(&*store);
        for pending in pending {
            let Pending { edit, .. } = pending;
            desk.folder(&edit.table, edit.record)?.withdraw(edit.id);
            desk.batch.settled.push(edit.id);
        }
        for (table, record) in store.confirmed_ids()? {
            desk.folder(&table, record)?.forget();
        }
        desk.batch.released = store.quarantine()?.into_iter().map(|entry| entry.edit).collect();
        desk.batch.forgotten = Some(KeptPlace::LAST);
        self.meta =
            ReplicaMeta { counter, schema, app, purge: Purge::Due, ..ReplicaMeta::default() };
        (self.standing, self.epoch) = (None, PolicyEpoch::default());
        let prepared = desk.finish(&self.meta.schema)?;
        self.write(store, prepared)?;
        self.be_another();
        self.tell(Event::GrantChanged);
        store.rewrite()?;
        // There is nobody to tell any more.
        self.meta.purge = Purge::Nothing;
        self.keep(store, ReplicaBatch { meta: Some(self.meta.clone()), ..Default::default() })?;
        self.tell(Event::Purged);
        Ok(())
    }
}
