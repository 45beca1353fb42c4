//! Which offline profile a user goes by, and how that changes while the server runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Rules, RulesError, ServerMachine};
use crate::codec::Digest;
use crate::gate::Roster;
use crate::model::{AppName, Asked, ProfileName, PublishedProfiles, Schema, Timestamp, UserId};
use crate::scope::{CheckedProfile, is_among, profile_of};
use crate::sync::{ServerStore, StoreError};

/// A profile that somebody goes by.
#[derive(Debug, Clone)]
pub struct ProfileInForce {
    /// The profile.
    pub profile: Arc<CheckedProfile>,
    /// What tells it from others: the digest of what it says.
    pub digest: Digest,
}

/// The offline profiles of a server, those that count checked.
#[derive(Debug, Clone)]
pub(super) struct Profiling {
    pub(super) published: PublishedProfiles,
    /// As the store is told that they are the same; `None`: there never were any.
    pub(super) digest: Option<Digest>,
    /// By the number of their version and their names.
    counting: BTreeMap<(u32, ProfileName), ProfileInForce>,
    nothing: ProfileInForce,
    /// What those that count ask of records.
    pub(super) asks: Asked,
}

impl ProfileInForce {
    fn new(profile: CheckedProfile) -> Result<Self, StoreError> {
        let digest = digest("profile", profile.profile())?;
        Ok(Self { profile: Arc::new(profile), digest })
    }
}

fn digest<T: serde::Serialize>(what: &str, of: &T) -> Result<Digest, StoreError> {
    let bytes = postcard::to_stdvec(of);
    Ok(Digest::of(what, &bytes.map_err(|error| StoreError::Damaged(error.to_string()))?))
}

impl Profiling {
    /// No profiles.
    pub(super) fn none(schema: &Arc<Schema>) -> Result<Self, StoreError> {
        let nothing = ProfileInForce::new(CheckedProfile::nothing(schema))?;
        let (published, counting) = (PublishedProfiles::default(), BTreeMap::new());
        Ok(Self { published, digest: None, counting, nothing, asks: Asked::default() })
    }

    pub(super) fn new(
        schema: &Arc<Schema>,
        published: PublishedProfiles,
    ) -> Result<Self, RulesError> {
        let mut profiling = Self::none(schema)?;
        for version in published.counting() {
            for profile in &version.profiles.list {
                let checked = CheckedProfile::new(schema, profile).map_err(|error| {
                    let (version, profile) = (version.number, profile.id.clone());
                    RulesError::Profile { version, profile, error: Box::new(error) }
                })?;
                profiling.asks.add(&checked.asks());
                let key = (version.number, profile.id.clone());
                profiling.counting.insert(key, ProfileInForce::new(checked)?);
            }
        }
        if published != PublishedProfiles::default() {
            profiling.digest = Some(digest("profiles", &published)?);
        }
        Ok(Self { published, ..profiling })
    }

    /// What a user goes by. `None`: nothing is published for them, or what is has no profile at all: they
    /// take all that they may read. Whom no profile fits where there are some takes nothing.
    pub(super) fn of(
        &self,
        roster: &Roster,
        user: &UserId,
        app: Option<&AppName>,
    ) -> Option<ProfileInForce> {
        let version = self.published.of(|group| is_among(group, roster, user))?;
        if version.profiles.list.is_empty() {
            return None;
        }
        let profile = profile_of(&version.profiles, roster, user, app);
        let found = profile.and_then(|it| self.counting.get(&(version.number, it.id.clone())));
        Some(found.unwrap_or(&self.nothing).clone())
    }

    /// The app, if it makes a difference which one it is.
    pub(super) fn known_app<'a>(&self, app: Option<&'a AppName>) -> Option<&'a AppName> {
        let counting = self.counting.values().map(|it| it.profile.profile());
        app.filter(|app| counting.clone().any(|profile| profile.app.as_ref() == Some(*app)))
    }

    fn counts_as(&self, other: &Self) -> bool {
        let (mine, others) = (&self.published, &other.published);
        mine.in_force == others.in_force && mine.pilot == others.pilot
    }
}

impl ServerMachine {
    /// The profile that a user goes by in an app. `None`: all that the user may read is taken.
    ///
    /// # Errors
    /// None in practice: what users hold can always be written for its digest.
    pub fn profile_of(
        &mut self,
        user: &UserId,
        app: Option<&AppName>,
    ) -> Result<Option<ProfileInForce>, StoreError> {
        Ok(self.resolve(user, app)?.profile.clone())
    }

    /// From now on goes by these offline profiles, kept in one durable step. Connected devices whose users
    /// go by others learn so at once, or are sent away where that fails.
    ///
    /// # Errors
    /// The store cannot be read or written, or a profile does not fit the schema; all stays as it is.
    pub fn set_profiles<S: ServerStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        published: PublishedProfiles,
    ) -> Result<(), RulesError> {
        let rules = Rules::clone(&self.rules).with_profiles(published)?;
        if !rules.profiling.counts_as(&self.rules.profiling) {
            return self.judge_by(store, now, rules);
        }
        // Nothing that counts has changed: no device need hear of it.
        let before = std::mem::replace(&mut self.rules, Arc::new(rules));
        let kept = self.put_in_force(store, now);
        if kept.is_err() {
            self.rules = before;
        }
        kept
    }
}

impl Rules {
    /// The offline profiles. Those that count fit the schema.
    #[must_use]
    pub fn profiles(&self) -> &PublishedProfiles {
        &self.profiling.published
    }
}
