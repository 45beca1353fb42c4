//! What administrators do with offline profiles while the server runs.

use super::{RulesError, ServerMachine};
use crate::codec::{AdminAnswer, AdminRefusal, ProfilesInfo, ProfilesRequest};
use crate::model::{
    Audience, DocumentText, Profiles, ProfilesVersion, PublishedProfiles, SYSTEM_ADMINISTRATOR,
    Timestamp, UserId,
};
use crate::policy::read_profiles;
use crate::sync::{ServerStore, StoreError};

impl ServerMachine {
    /// Does what an administrator wants with offline profiles, or says why not.
    pub(super) fn carry_out_profiles<S: ServerStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        user: UserId,
        request: ProfilesRequest,
    ) -> Result<AdminAnswer, StoreError> {
        let published = match self.changed_profiles(now, user, request) {
            Ok(Done::Looked(answer)) => return Ok(answer),
            Ok(Done::Changed(published)) => published,
            Err(refusal) => return Ok(AdminAnswer::Refused(refusal)),
        };
        match self.set_profiles(store, now, *published) {
            Ok(()) => Ok(self.profiles_info()),
            Err(RulesError::Store(error)) => Err(error),
            Err(error) => Ok(AdminAnswer::Refused(AdminRefusal::Mistake(error.to_string()))),
        }
    }

    fn profiles_info(&self) -> AdminAnswer {
        AdminAnswer::Profiles(Box::new(ProfilesInfo::from(self.rules.profiles())))
    }

    /// The profiles as they would be, or what was asked where nothing changes.
    fn changed_profiles(
        &self,
        now: Timestamp,
        user: UserId,
        request: ProfilesRequest,
    ) -> Result<Done, AdminRefusal> {
        let mut published = Box::new(self.rules.profiles().clone());
        match request {
            ProfilesRequest::List => return Ok(Done::Looked(self.profiles_info())),
            ProfilesRequest::Show(number) => {
                let found = version(&published, number);
                let found = found.ok_or(AdminRefusal::NoSuchVersion(number))?;
                let document = Box::new(found.document.clone());
                return Ok(Done::Looked(AdminAnswer::Document(document)));
            }
            ProfilesRequest::Draft(document) => {
                let profiles = self.read(&document)?;
                published.draft(document, profiles, Some(user), now);
            }
            ProfilesRequest::Publish { pilot } => {
                self.check_pilots(pilot.iter().flatten())?;
                // The schema, the roles and the people may be others than when it was drafted.
                if let Some(draft) = &mut published.draft {
                    draft.profiles = self.read(&draft.document)?;
                }
                published.publish(pilot)?;
            }
            ProfilesRequest::Promote => {
                published.promote()?;
            }
            ProfilesRequest::RollBack => {
                published.roll_back()?;
            }
        }
        Ok(Done::Changed(published))
    }

    /// What a document says, checked against what is in force.
    fn read(&self, document: &DocumentText) -> Result<Profiles, AdminRefusal> {
        let (roster, schema) = (self.rules.roster(), self.rules.shared_schema());
        let (policy, people) = (roster.policy(), roster.organization());
        let DocumentText { file, text } = document;
        let read = read_profiles(text, file, schema, Some(policy), Some(people));
        read.map_err(|error| AdminRefusal::Mistake(error.to_string()))
    }

    fn check_pilots<'a>(
        &self,
        mut pilots: impl Iterator<Item = &'a Audience>,
    ) -> Result<(), AdminRefusal> {
        let (policy, people) = (self.rules.roster.policy(), self.rules.roster.organization());
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
}

/// What came of a request.
enum Done {
    Looked(AdminAnswer),
    Changed(Box<PublishedProfiles>),
}

fn version(published: &PublishedProfiles, number: u32) -> Option<&ProfilesVersion> {
    let before = published.before.iter().flatten();
    let mut all = published.counting().chain(&published.draft).chain(before);
    all.find(|version| version.number == number)
}
