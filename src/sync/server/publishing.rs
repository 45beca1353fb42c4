//! What administrators do with offline profiles while the server runs.

use std::collections::BTreeSet;

use super::estimate::{EstimateError, Estimator};
use super::{Rules, RulesError, ServerMachine};
use crate::codec::{AdminAnswer, AdminRefusal, ProfilesInfo, ProfilesRequest};
use crate::limits::ESTIMATE_USERS_MAX;
use crate::model::{
    AppName, Audience, DocumentText, Estimate, Profile, Profiles, ProfilesVersion, PublishError,
    PublishedProfiles, SYSTEM_ADMINISTRATOR, Timestamp, UserId,
};
use crate::policy::read_profiles;
use crate::scope::{is_among, profiles_of};
use crate::sync::{ServerStore, StoreError};

/// Why an act is not done.
enum Stop {
    Refused(AdminRefusal),
    Store(StoreError),
}

impl From<AdminRefusal> for Stop {
    fn from(refusal: AdminRefusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<RulesError> for Stop {
    fn from(error: RulesError) -> Self {
        match error {
            RulesError::Store(error) => Self::Store(error),
            other => Self::Refused(AdminRefusal::Mistake(other.to_string())),
        }
    }
}

impl From<EstimateError> for Stop {
    fn from(error: EstimateError) -> Self {
        match error {
            EstimateError::Store(error) => Self::Store(error),
            other => Self::Refused(AdminRefusal::Mistake(other.to_string())),
        }
    }
}

impl ServerMachine {
    /// Does what an administrator wants with offline profiles, or says why not.
    pub(super) fn carry_out_profiles<S: ServerStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        user: UserId,
        request: ProfilesRequest,
    ) -> Result<AdminAnswer, StoreError> {
        match self.try_profiles(store, now, user, request) {
            Ok(answer) => Ok(answer),
            Err(Stop::Refused(refusal)) => Ok(AdminAnswer::Refused(refusal)),
            Err(Stop::Store(error)) => Err(error),
        }
    }

    fn try_profiles<S: ServerStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        user: UserId,
        request: ProfilesRequest,
    ) -> Result<AdminAnswer, Stop> {
        let mut published = self.rules.profiles().clone();
        let mut unchecked = 0;
        match request {
            ProfilesRequest::List => {}
            ProfilesRequest::Show(number) => {
                let found = version(&published, number);
                let found = found.ok_or(AdminRefusal::NoSuchVersion(number))?;
                return Ok(AdminAnswer::Document(Box::new(found.document.clone())));
            }
            ProfilesRequest::Estimate { document, users } => {
                let profiles = match &document {
                    Some(document) => read(&self.rules, document)?,
                    None => match &published.draft {
                        Some(draft) => read(&self.rules, &draft.document)?,
                        None => {
                            return Err(AdminRefusal::from(PublishError::NoDraft).into());
                        }
                    },
                };
                return self.estimate(store, now, &profiles, &users).map(AdminAnswer::Estimates);
            }
            ProfilesRequest::Draft(document) => {
                let profiles = read(&self.rules, &document)?;
                published.draft(document, profiles, Some(user), now);
            }
            ProfilesRequest::Publish { pilot } => {
                check_pilots(&self.rules, pilot.iter().flatten())?;
                // The schema, the roles and the people may be others than when it was drafted.
                if let Some(draft) = &mut published.draft {
                    draft.profiles = read(&self.rules, &draft.document)?;
                }
                published.publish(pilot).map_err(AdminRefusal::from)?;
                unchecked = self.check_budgets(store, now, &published)?;
            }
            ProfilesRequest::Promote => {
                published.promote().map_err(AdminRefusal::from)?;
                unchecked = self.check_budgets(store, now, &published)?;
            }
            ProfilesRequest::RollBack => {
                published.roll_back().map_err(AdminRefusal::from)?;
            }
        }
        if published != *self.rules.profiles() {
            self.set_profiles(store, now, published)?;
        }
        let info = Box::new(ProfilesInfo::from(self.rules.profiles()));
        Ok(AdminAnswer::Profiles { info, unchecked })
    }

    fn estimate<S: ServerStore>(
        &self,
        store: &S,
        now: Timestamp,
        profiles: &Profiles,
        users: &[UserId],
    ) -> Result<Vec<Estimate>, Stop> {
        let people = &self.rules.roster.organization().users;
        if let Some(user) = users.iter().find(|user| !people.contains_key(*user)) {
            return Err(AdminRefusal::NoSuchUser(user.clone()).into());
        }
        let users = takers(&self.rules, profiles, users);
        if users.len() > ESTIMATE_USERS_MAX {
            return Err(AdminRefusal::TooManyUsers(users.len()).into());
        }
        let estimator = Estimator::new(store, &self.rules, now);
        let (mut takings, mut records) = (Vec::new(), 0_u64);
        for (user, app) in users {
            let taking = estimator.taking(Some(profiles), &user, app.as_ref())?;
            records = records.saturating_add(estimator.work(&taking).map_err(Stop::Store)?);
            if records > self.estimate_records {
                return Err(AdminRefusal::TooMuch { records, most: self.estimate_records }.into());
            }
            takings.push(taking);
        }
        let estimates = takings.iter().map(|taking| estimator.estimate(taking));
        estimates.collect::<Result<_, _>>().map_err(Stop::Store)
    }

    /// Looks for users for whom the version that was published last is over its budget. Returns for how
    /// many it was not looked: no more records than a running server can afford are.
    fn check_budgets<S: ServerStore>(
        &self,
        store: &S,
        now: Timestamp,
        published: &PublishedProfiles,
    ) -> Result<u32, Stop> {
        let (version, group) = match (&published.pilot, &published.in_force) {
            (Some(pilot), _) => (&pilot.version, Some(&pilot.group)),
            (None, Some(version)) => (version, None),
            (None, None) => return Ok(0),
        };
        let (profiles, roster) = (&version.profiles, &self.rules.roster);
        let users = roster.organization().users.keys();
        let users = users.filter(|user| group.is_none_or(|it| is_among(it, roster, user)));
        let takers = users.flat_map(|user| {
            let of_apps = profiles_of(profiles, roster, user).into_iter();
            let has_budget = |it: &Profile| it.budget.is_some();
            let budgeted = of_apps.filter(move |(_, profile)| profile.is_some_and(has_budget));
            budgeted.map(move |(app, _)| (user, app))
        });
        let estimator = Estimator::new(store, &self.rules, now);
        let (mut records, mut unchecked) = (0_u64, 0);
        for (user, app) in takers {
            let taking = estimator.taking(Some(profiles), user, app)?;
            let more = estimator.work(&taking).map_err(Stop::Store)?;
            if records.saturating_add(more) > self.estimate_records {
                unchecked += 1;
                continue;
            }
            records += more;
            let estimate = estimator.estimate(&taking).map_err(Stop::Store)?;
            if estimate.is_over() {
                return Err(AdminRefusal::OverBudget(Box::new(estimate)).into());
            }
        }
        Ok(unchecked)
    }
}

/// Whom to estimate for: these users, each in the apps in which they go by different profiles; none: of each
/// profile the first user who would go by it.
#[must_use]
pub fn takers(
    rules: &Rules,
    profiles: &Profiles,
    users: &[UserId],
) -> Vec<(UserId, Option<AppName>)> {
    let roster = &rules.roster;
    let mut takers = Vec::new();
    for user in users {
        let mut of_apps = profiles_of(profiles, roster, user);
        // That none fits is told where none does in any app.
        if of_apps.iter().any(|(_, profile)| profile.is_some()) {
            of_apps.retain(|(_, profile)| profile.is_some());
        }
        takers.extend(of_apps.into_iter().map(|(app, _)| (user.clone(), app.cloned())));
    }
    if !users.is_empty() {
        return takers;
    }
    let mut seen = BTreeSet::new();
    for (user, _) in roster.organization().users.iter().filter(|(_, user)| !user.disabled) {
        for (app, profile) in profiles_of(profiles, roster, user) {
            if profile.is_some_and(|profile| seen.insert(&profile.id)) {
                takers.push((user.clone(), app.cloned()));
            }
        }
    }
    takers
}

/// What a document says, checked against what is in force.
fn read(rules: &Rules, document: &DocumentText) -> Result<Profiles, AdminRefusal> {
    let (roster, schema) = (rules.roster(), rules.shared_schema());
    let (policy, people) = (roster.policy(), roster.organization());
    let DocumentText { file, text } = document;
    let read = read_profiles(text, file, schema, Some(policy), Some(people));
    read.map_err(|error| AdminRefusal::Mistake(error.to_string()))
}

fn check_pilots<'a>(
    rules: &Rules,
    mut pilots: impl Iterator<Item = &'a Audience>,
) -> Result<(), AdminRefusal> {
    let (policy, people) = (rules.roster.policy(), rules.roster.organization());
    let is_known = |pilot: &&Audience| match pilot {
        Audience::Organization => true,
        Audience::Role(role) => {
            policy.roles.contains_key(role) || role.as_str() == SYSTEM_ADMINISTRATOR
        }
        Audience::Team(team) => people.teams.contains_key(team),
        Audience::User(user) => people.users.contains_key(user),
    };
    match pilots.find(|pilot| !is_known(pilot)) {
        Some(pilot) => Err(AdminRefusal::NoSuchPilot(pilot.clone())),
        None => Ok(()),
    }
}

fn version(published: &PublishedProfiles, number: u32) -> Option<&ProfilesVersion> {
    let before = published.before.iter().flatten();
    let mut all = published.counting().chain(&published.draft).chain(before);
    all.find(|version| version.number == number)
}
