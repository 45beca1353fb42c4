//! What the server judges by, and how that changes while it runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ConnectionId, ServerMachine, server_edit};
use crate::codec::{Digest, Refusal};
use crate::gate::{Roster, apply, follow_owner};
use crate::limits::PAGE_LOOKS_MAX;
use crate::model::{
    BusinessUnitId, Op, Organization, Owner, PolicyEpoch, Schema, Sequence, TeamKind, Timestamp,
};
use crate::sync::grant::schema_digest;
use crate::sync::{LogEntry, Operation, ServerStore, StoreError};

/// The tables, the people and what these may do.
#[derive(Debug)]
pub struct Rules {
    schema: Schema,
    pub(super) schema_digest: Digest,
    pub(super) roster: Roster,
    digest: Digest,
}

impl Rules {
    /// Rules of a schema, and of a policy with its organization.
    ///
    /// # Errors
    /// None in practice: they can always be written for their digest.
    pub fn new(schema: Schema, roster: Roster) -> Result<Self, StoreError> {
        let schema_digest = schema_digest(&schema)?;
        let all = (&schema, roster.policy(), roster.organization());
        let bytes = postcard::to_stdvec(&all);
        let bytes = bytes.map_err(|error| StoreError::Damaged(error.to_string()))?;
        Ok(Self { schema, schema_digest, roster, digest: Digest::of("rules", &bytes) })
    }

    /// The tables.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The policy and the organization.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    pub(super) fn owners(&self) -> Vec<(Owner, BusinessUnitId)> {
        let organization = self.roster.organization();
        let users = organization.users.iter().filter(|(_, user)| !user.disabled);
        let users = users.map(|(id, user)| (Owner::User(id.clone()), user.business_unit.clone()));
        let teams = organization.teams.iter().filter_map(|(id, team)| match &team.kind {
            TeamKind::Owner { business_unit, .. } => {
                Some((Owner::Team(id.clone()), business_unit.clone()))
            }
            TeamKind::Access => None,
        });
        users.chain(teams).collect()
    }
}

impl ServerMachine {
    /// What it judges by.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// From now on judges by other rules. They count for the very next change judged; records of
    /// owners who moved to another business unit follow in the same durable step; connected
    /// devices learn what concerns them at once, or are sent away where that fails.
    ///
    /// # Errors
    /// The store cannot be read or written; the old rules stay in force.
    pub fn set_rules<S: ServerStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        rules: Rules,
    ) -> Result<(), StoreError> {
        let before = std::mem::replace(&mut self.rules, Arc::new(rules));
        if let Err(error) = self.note_rules(store, now) {
            self.rules = before;
            return Err(error);
        }
        self.resolved.clear();
        for id in self.connections.keys().copied().collect::<Vec<ConnectionId>>() {
            // The rules are in force: no device may go on under the old ones.
            if let Err(error) = self.refresh(store, now, id) {
                self.refuse(id, Refusal::Trouble(error.to_string()));
            }
        }
        Ok(())
    }

    /// Makes sure that the store holds the present rules, and that its policy epoch stands for
    /// them. What was looked up after a doubtful write may be of rules that were never in force
    /// here.
    pub(super) fn note_rules<S: ServerStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.until_certain(|machine| {
            let mut meta = machine.meta.clone();
            if meta.rules == Some(machine.rules.digest) {
                return Ok(());
            }
            meta.rules = Some(machine.rules.digest);
            meta.policy_epoch = PolicyEpoch(meta.policy_epoch.0 + 1);
            let held = store.rules()?;
            let (policy, organization) =
                (machine.rules.roster.policy(), machine.rules.roster.organization());
            let mut operations = Vec::new();
            if held.as_ref().is_none_or(|(held, _)| held != policy) {
                operations.push(Operation::SetPolicy(Box::new(policy.clone())));
            }
            let held = held.map(|(_, organization)| organization).unwrap_or_default();
            let rows = held.rows_to(organization);
            if !rows.is_empty() {
                operations.push(Operation::SetOrganization(rows));
            }
            let followers = machine.followers(store, now, &held, meta.head, meta.policy_epoch)?;
            meta.head.0 += followers.len() as u64;
            operations.extend(followers);
            machine.commit(store, meta, operations)
        })
    }

    /// Entries by which records follow their owners to other business units.
    fn followers<S: ServerStore>(
        &self,
        store: &S,
        now: Timestamp,
        before: &Organization,
        head: Sequence,
        epoch: PolicyEpoch,
    ) -> Result<Vec<Operation>, StoreError> {
        let moved = before.moved_to(self.rules.roster.organization());
        let mut operations = Vec::new();
        let mut place = None;
        while !moved.is_empty() {
            let records = store.scan(place.as_ref(), PAGE_LOOKS_MAX)?;
            let Some(last) = records.last() else { break };
            let (table, record) = (last.record().table().clone(), last.record().id());
            place = Some(crate::codec::ScanPlace { table, record });
            for confirmed in records {
                let sequence = Sequence(head.0 + operations.len() as u64 + 1);
                let entry = self.follow(confirmed, &moved, (sequence, now, epoch))?;
                operations.extend(entry);
            }
        }
        Ok(operations)
    }

    fn follow(
        &self,
        confirmed: crate::gate::Confirmed,
        moved: &BTreeMap<Owner, BusinessUnitId>,
        (sequence, at, epoch): (Sequence, Timestamp, PolicyEpoch),
    ) -> Result<Option<Operation>, StoreError> {
        let record = confirmed.record();
        let Some((owner, _)) = &record.header().owner else { return Ok(None) };
        let Some(table) = self.rules.schema.table(record.table().as_str()) else { return Ok(None) };
        let Some(unit) = moved.get(owner) else { return Ok(None) };
        let damaged = |error: crate::crdt::CrdtError| StoreError::Damaged(error.to_string());
        let ops = vec![Op::Own { owner: owner.clone(), business_unit: unit.clone() }];
        let id = server_edit(self.meta.epoch, sequence);
        let edit = record.author(table, id, self.actor, at, ops);
        let Some(admissible) = follow_owner(&self.rules.roster, record, &edit) else {
            return Ok(None);
        };
        let before = Some(Some(record.header().clone()));
        let applied = apply(Some(confirmed), &admissible.at(sequence)).map_err(damaged)?;
        let after = applied.confirmed().record().header().clone();
        let entry = LogEntry { sequence, edit, before, after, at, epoch };
        let (entry, record) = (Box::new(entry), Box::new(applied));
        Ok(Some(Operation::Append { entry, record }))
    }
}
