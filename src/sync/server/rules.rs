//! What the server judges by, and how that changes while it runs.

use std::sync::Arc;

use super::fit::SchemaMisfit;
use super::following::Following;
use super::lexicons::Lexicons;
use super::profiles::Profiling;
use super::system_rows::Keeping;
use super::{ConnectionId, ServerMachine};
use crate::codec::{Digest, Refusal};
use crate::gate::Roster;
use crate::model::{
    BusinessUnitId, DocumentText, Owner, PolicyEpoch, ProfileName, Profiles, PublishedProfiles,
    RecordId, Schema, TableName, TeamKind, Timestamp,
};
use crate::scope::ProfileError;
use crate::sync::{Operation, ServerStore, StoreError};

/// Why rules are not put in force. What is in force stays, and nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// By the new schema columns belong to other sections, and a record cannot be written anew so.
    /// Who is not to read a value any more would keep it.
    #[error(
        "the schema has columns of `{table}` in other sections than before (`secured` or `group`), and \
         record {record} cannot follow: {why}. Under the schema of before, shorten the column or \
         erase the record; then change the schema"
    )]
    Immovable {
        /// The record's table.
        table: TableName,
        /// The record.
        record: RecordId,
        /// What is too large, and for what; or what else is in the way.
        why: String,
    },
    /// Records hold what the new schema has no place for, or lack what it requires.
    #[error("the schema does not fit what is there: {}", list(.0))]
    Misfits(Vec<SchemaMisfit>),
    /// An offline profile that somebody goes by does not fit the schema.
    #[error("version {version} of the offline profiles does not fit: profile `{profile}`: {error}")]
    Profile {
        /// The version that it is in.
        version: u32,
        /// The profile.
        profile: ProfileName,
        /// What is wrong.
        error: Box<ProfileError>,
    },
}

fn list(misfits: &[SchemaMisfit]) -> String {
    misfits.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The tables, the people and what these may do.
#[derive(Debug, Clone)]
pub struct Rules {
    schema: Arc<Schema>,
    pub(super) roster: Roster,
    pub(super) digest: Digest,
    pub(super) profiling: Profiling,
}

impl Rules {
    /// Rules of a schema, and of a policy with its organization; without offline profiles: a server keeps
    /// those that it has.
    ///
    /// # Errors
    /// None in practice: they can always be written for their digest.
    pub fn new(schema: Schema, roster: Roster) -> Result<Self, StoreError> {
        let all = (&schema, roster.policy(), roster.organization());
        let bytes = postcard::to_stdvec(&all);
        let bytes = bytes.map_err(|error| StoreError::Damaged(error.to_string()))?;
        let schema = Arc::new(schema);
        let profiling = Profiling::none(&schema)?;
        Ok(Self { schema, roster, digest: Digest::of("rules", &bytes), profiling })
    }

    /// The same with a document of offline profiles, which is put in force with the rules, for everyone.
    ///
    /// # Errors
    /// One of them does not fit the schema.
    pub fn with_document(
        self,
        document: DocumentText,
        profiles: Profiles,
        at: Timestamp,
    ) -> Result<Self, RulesError> {
        let mut published = PublishedProfiles::default();
        published.apply(document, profiles, at);
        self.with_profiles(published)
    }

    /// The same with the profiles that a server has, and its own document in force, if it brings one.
    pub(super) fn joining(self, mut published: PublishedProfiles) -> Result<Self, RulesError> {
        if let Some(own) = &self.profiles().in_force {
            published.apply(own.document.clone(), own.profiles.clone(), own.at);
        }
        self.with_profiles(published)
    }

    /// The same with other offline profiles.
    ///
    /// # Errors
    /// One that counts does not fit the schema.
    pub(super) fn with_profiles(self, published: PublishedProfiles) -> Result<Self, RulesError> {
        let profiling = Profiling::new(&self.schema, published)?;
        Ok(Self { profiling, ..self })
    }

    /// The tables.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The same, to be shared.
    #[must_use]
    pub fn shared_schema(&self) -> &Arc<Schema> {
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
    /// devices learn what concerns them at once, or are sent away where that fails. The offline profiles
    /// stay, unless the rules bring a document of them: [`Self::set_profiles`] changes them.
    ///
    /// # Errors
    /// The store cannot be read or written, or a record cannot follow the schema, or an offline profile
    /// does not fit it; the old rules stay in force here. Where the store could say neither that it wrote
    /// the new ones nor that it did not, the old ones are written again, under an epoch of their own,
    /// before they count for anything more; whoever opens the store before that finds the new ones in it,
    /// if they were written.
    pub fn set_rules<S: ServerStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        rules: Rules,
    ) -> Result<(), RulesError> {
        let rules = rules.joining(self.rules.profiles().clone())?;
        self.judge_by(store, now, rules)
    }

    /// Puts rules and profiles in force, and has devices turn to them.
    pub(super) fn judge_by<S: ServerStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        rules: Rules,
    ) -> Result<(), RulesError> {
        let before = std::mem::replace(&mut self.rules, Arc::new(rules));
        if let Err(error) = self.put_in_force(store, now) {
            self.rules = before;
            return Err(error);
        }
        self.resolved.clear();
        self.lexicons = Lexicons::default();
        for id in self.connections.keys().copied().collect::<Vec<ConnectionId>>() {
            // The rules are in force: no device may go on under the old ones.
            if let Err(error) = self.refresh(store, now, id) {
                self.refuse(id, Refusal::Trouble(error.to_string()));
            }
        }
        Ok(())
    }

    /// Says whether other rules could be put in force: nothing changes.
    ///
    /// # Errors
    /// As [`Self::set_rules`].
    pub fn try_rules<S: ServerStore>(
        &mut self,
        store: &S,
        now: Timestamp,
        rules: Rules,
    ) -> Result<(), RulesError> {
        let rules = rules.joining(self.rules.profiles().clone())?;
        let before = std::mem::replace(&mut self.rules, Arc::new(rules));
        let moved = before.roster.organization().moved_to(self.rules.roster.organization());
        let (epoch, asked) = (self.meta.policy_epoch, &self.meta.asked);
        let following = Following { moved, now, epoch, asked };
        let entries = following.entries(self, store, self.meta.head, Some(before.schema()));
        self.rules = before;
        entries.map(drop)
    }

    /// Makes sure that the store holds the present rules, which are in force here. What was looked up
    /// after a doubtful write may be of rules that never were.
    pub(super) fn note_rules<S: ServerStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.put_in_force(store, now).map_err(|error| match error {
            RulesError::Store(error) => error,
            // Another server had others meanwhile, and wrote by them.
            other => StoreError::Io(other.to_string()),
        })
    }

    /// Makes sure that the store holds the present rules, and that its policy epoch stands for them.
    pub(super) fn put_in_force<S: ServerStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
    ) -> Result<(), RulesError> {
        let mut unfit = None;
        self.until_certain(store, |machine, store| {
            let (mut meta, mut operations) = (machine.meta.clone(), Vec::new());
            let Profiling { published, digest, .. } = &machine.rules.profiling;
            if meta.profiles != *digest {
                meta.profiles = *digest;
                operations.push(Operation::SetProfiles(Box::new(published.clone())));
            }
            let is_same = meta.rules == Some(machine.rules.digest);
            if is_same && operations.is_empty() {
                return Ok(());
            }
            if meta.asked.add(&machine.rules.profiling.asks) {
                meta.asked_since = meta.head;
            }
            if is_same {
                return machine.commit(store, meta, operations);
            }
            meta.rules = Some(machine.rules.digest);
            meta.policy_epoch = PolicyEpoch(meta.policy_epoch.0 + 1);
            let (held, before) = (store.rules()?, store.schema()?);
            let (policy, organization) =
                (machine.rules.roster.policy(), machine.rules.roster.organization());
            operations.extend(machine.ended_standings(store, held.as_ref(), before.as_ref())?);
            if held.as_ref().is_none_or(|(held, _)| held != policy) {
                operations.push(Operation::SetPolicy(Box::new(policy.clone())));
            }
            let held = held.map(|(_, organization)| organization).unwrap_or_default();
            let rows = held.rows_to(organization);
            if !rows.is_empty() {
                operations.push(Operation::SetOrganization(rows));
            }
            let schema = machine.rules.schema();
            let is_other = before.as_ref() != Some(schema);
            if is_other {
                operations.push(Operation::SetSchema(Box::new(schema.clone())));
            }
            let moved = held.moved_to(organization);
            let asked = meta.asked.clone();
            let following = Following { moved, now, epoch: meta.policy_epoch, asked: &asked };
            let entries = match following.entries(machine, store, meta.head, before.as_ref()) {
                Ok(entries) => entries,
                Err(RulesError::Store(error)) => return Err(error),
                Err(error) => {
                    unfit = Some(error);
                    return Ok(());
                }
            };
            meta.head.0 += entries.len() as u64;
            let (all, epoch) = (is_other, meta.policy_epoch);
            let rows = Keeping { before: &held, all, now, epoch, asked: &asked };
            let rows = rows.entries(machine, store, meta.head, &entries)?;
            meta.head.0 += rows.len() as u64;
            operations.extend(entries.into_iter().chain(rows));
            machine.commit(store, meta, operations)
        })?;
        unfit.map_or(Ok(()), Err)
    }
}
