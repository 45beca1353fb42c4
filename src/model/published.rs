//! The versions of offline profiles that a server has, and which of them counts for whom.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Audience, DocumentText, Profiles, Timestamp, UserId};
use crate::limits::{PILOT_GROUP_MAX, PROFILE_VERSIONS_MAX};

/// The offline profiles of a server. A document is drafted, tried with a pilot group or not, and published
/// for everyone; what was in force before is kept, to roll back to it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PublishedProfiles {
    /// The number of the version that was drafted last.
    pub last: u32,
    /// What is in preparation, and counts for nobody.
    pub draft: Option<ProfilesVersion>,
    /// What a pilot group goes by.
    pub pilot: Option<Pilot>,
    /// What all others go by; `None`: nothing, they take all that they may read.
    pub in_force: Option<ProfilesVersion>,
    /// What was in force before, oldest first; at most [`PROFILE_VERSIONS_MAX`].
    pub before: Vec<Option<ProfilesVersion>>,
}

/// A document of offline profiles, as it was drafted once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfilesVersion {
    /// Its number, from 1.
    pub number: u32,
    /// Who drafted it; `None`: it is from the server's folder.
    pub by: Option<UserId>,
    /// When, by the server's clock.
    pub at: Timestamp,
    /// The document.
    pub document: DocumentText,
    /// What it says.
    pub profiles: Profiles,
}

/// A version that counts for a group of users alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pilot {
    /// The version.
    pub version: ProfilesVersion,
    /// The group: whoever is in one of these.
    pub group: BTreeSet<Audience>,
}

/// Why offline profiles are not published, promoted or rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// There is no draft.
    #[error("there is no draft of offline profiles: draft one first")]
    NoDraft,
    /// Others would go by the draft while a pilot group goes by something older.
    #[error("version {0} is with a pilot group: promote it, or roll it back, first")]
    PilotUnderWay(u32),
    /// The pilot group is no group of some.
    #[error("a pilot group is some users, teams or roles, and {PILOT_GROUP_MAX} of them at most")]
    Group,
    /// Nothing is with a pilot group.
    #[error("there is nothing to promote: no version is with a pilot group")]
    NoPilot,
    /// Nothing is kept that was in force before.
    #[error("there is nothing to roll back to: no version of before is kept")]
    NothingBefore,
}

impl PublishedProfiles {
    /// Takes a document as the draft, in place of another one. Returns its number.
    pub fn draft(
        &mut self,
        document: DocumentText,
        profiles: Profiles,
        by: Option<UserId>,
        at: Timestamp,
    ) -> u32 {
        self.last = self.last.saturating_add(1);
        let number = self.last;
        self.draft = Some(ProfilesVersion { number, by, at, document, profiles });
        number
    }

    /// Puts the draft in force: for everyone or, given a pilot group, for that group alone, which may go
    /// by an earlier version until now. Returns the version's number.
    ///
    /// # Errors
    /// There is no draft, the group is none, or another version is with a pilot group.
    pub fn publish(&mut self, group: Option<BTreeSet<Audience>>) -> Result<u32, PublishError> {
        if let Some(group) = &group
            && (group.is_empty()
                || group.len() > PILOT_GROUP_MAX
                || group.contains(&Audience::Organization))
        {
            return Err(PublishError::Group);
        }
        if let (None, Some(pilot)) = (&group, &self.pilot) {
            return Err(PublishError::PilotUnderWay(pilot.version.number));
        }
        let version = self.draft.take().ok_or(PublishError::NoDraft)?;
        let number = version.number;
        match group {
            Some(group) => self.pilot = Some(Pilot { version, group }),
            None => self.put_in_force(version),
        }
        Ok(number)
    }

    /// Puts what the pilot group goes by in force for everyone. Returns the version's number.
    ///
    /// # Errors
    /// No version is with a pilot group.
    pub fn promote(&mut self) -> Result<u32, PublishError> {
        let Pilot { version, .. } = self.pilot.take().ok_or(PublishError::NoPilot)?;
        let number = version.number;
        self.put_in_force(version);
        Ok(number)
    }

    /// Takes back what was published last: the pilot group goes by what all others do or, without one,
    /// everyone goes by the version of before. What is taken back is the draft again, unless there is
    /// another one. Returns its number.
    ///
    /// # Errors
    /// No version is with a pilot group, and none of before is kept.
    pub fn roll_back(&mut self) -> Result<Option<u32>, PublishError> {
        let taken = if let Some(pilot) = self.pilot.take() {
            Some(pilot.version)
        } else {
            let before = self.before.pop().ok_or(PublishError::NothingBefore)?;
            std::mem::replace(&mut self.in_force, before)
        };
        let number = taken.as_ref().map(|version| version.number);
        self.draft = self.draft.take().or(taken);
        Ok(number)
    }

    /// Puts a document of the server's folder in force for everyone, whatever a pilot group goes by. Where
    /// the profiles in force say the same, these stay. So does the draft.
    pub fn apply(&mut self, document: DocumentText, profiles: Profiles, at: Timestamp) {
        if let Some(pilot) = self.pilot.take() {
            self.draft = self.draft.take().or(Some(pilot.version));
        }
        if self.in_force.as_ref().is_some_and(|version| version.profiles == profiles) {
            return;
        }
        let draft = self.draft.take();
        self.draft(document, profiles, None, at);
        if let Some(version) = std::mem::replace(&mut self.draft, draft) {
            self.put_in_force(version);
        }
    }

    /// What someone goes by of whom it can be said whether they are of a pilot group.
    pub fn of(
        &self,
        is_among: impl FnOnce(&BTreeSet<Audience>) -> bool,
    ) -> Option<&ProfilesVersion> {
        let pilot = self.pilot.as_ref().filter(|pilot| is_among(&pilot.group));
        pilot.map(|pilot| &pilot.version).or(self.in_force.as_ref())
    }

    /// The versions that count for somebody.
    pub fn counting(&self) -> impl Iterator<Item = &ProfilesVersion> {
        self.in_force.iter().chain(self.pilot.iter().map(|pilot| &pilot.version))
    }

    fn put_in_force(&mut self, version: ProfilesVersion) {
        self.before.push(self.in_force.replace(version));
        let surplus = self.before.len().saturating_sub(PROFILE_VERSIONS_MAX);
        self.before.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drafted(profiles: &mut PublishedProfiles) -> u32 {
        let document = DocumentText { file: "profiles.toml".into(), text: String::new() };
        profiles.draft(document, Profiles::default(), None, Timestamp::default())
    }

    fn number(version: Option<&ProfilesVersion>) -> Option<u32> {
        version.map(|version| version.number)
    }

    #[test]
    fn a_pilot_group_goes_by_the_new_version_and_all_others_by_the_one_before() {
        let mut profiles = PublishedProfiles::default();
        drafted(&mut profiles);
        assert_eq!(number(profiles.of(|_| true)), None);
        assert_eq!(profiles.publish(None), Ok(1));
        drafted(&mut profiles);
        let group = BTreeSet::from([Audience::Team("pilot".parse().unwrap())]);
        assert_eq!(profiles.publish(Some(group.clone())), Ok(2));
        assert_eq!(number(profiles.of(|it| *it == group)), Some(2));
        assert_eq!(number(profiles.of(|_| false)), Some(1));
        assert_eq!(profiles.promote(), Ok(2));
        assert_eq!(number(profiles.of(|_| false)), Some(2));
    }

    #[test]
    fn what_is_rolled_back_is_the_draft_again() {
        let mut profiles = PublishedProfiles::default();
        drafted(&mut profiles);
        profiles.publish(None).unwrap();
        drafted(&mut profiles);
        profiles.publish(None).unwrap();
        assert_eq!(profiles.roll_back(), Ok(Some(2)));
        assert_eq!(number(profiles.in_force.as_ref()), Some(1));
        assert_eq!(number(profiles.draft.as_ref()), Some(2));
        // Another draft is not lost for it, and what was never published is in force again.
        assert_eq!(drafted(&mut profiles), 3);
        assert_eq!(profiles.roll_back(), Ok(Some(1)));
        assert_eq!(number(profiles.in_force.as_ref()), None);
        assert_eq!(number(profiles.draft.as_ref()), Some(3));
        assert_eq!(profiles.roll_back(), Err(PublishError::NothingBefore));
    }

    #[test]
    fn a_pilot_is_rolled_back_before_what_all_go_by() {
        let mut profiles = PublishedProfiles::default();
        drafted(&mut profiles);
        profiles.publish(None).unwrap();
        drafted(&mut profiles);
        let group = BTreeSet::from([Audience::User("ann".parse().unwrap())]);
        profiles.publish(Some(group)).unwrap();
        assert_eq!(profiles.roll_back(), Ok(Some(2)));
        assert_eq!(profiles.pilot, None);
        assert_eq!(number(profiles.in_force.as_ref()), Some(1));
    }

    #[test]
    fn what_there_is_not_cannot_be_published_or_promoted() {
        let mut profiles = PublishedProfiles::default();
        assert_eq!(profiles.publish(None), Err(PublishError::NoDraft));
        assert_eq!(profiles.promote(), Err(PublishError::NoPilot));
        drafted(&mut profiles);
        for group in [BTreeSet::new(), BTreeSet::from([Audience::Organization])] {
            assert_eq!(profiles.publish(Some(group)), Err(PublishError::Group));
        }
        let group = BTreeSet::from([Audience::User("ann".parse().unwrap())]);
        assert_eq!(profiles.publish(Some(group.clone())), Ok(1));
        drafted(&mut profiles);
        assert_eq!(profiles.publish(None), Err(PublishError::PilotUnderWay(1)));
        assert_eq!(profiles.publish(Some(group)), Ok(2));
    }

    #[test]
    fn a_document_of_the_folder_is_put_in_force_beside_the_draft_and_ends_a_pilot() {
        let mut profiles = PublishedProfiles::default();
        let apply = |profiles: &mut PublishedProfiles| {
            let document = DocumentText { file: "profiles.toml".into(), text: String::new() };
            profiles.apply(document, Profiles::default(), Timestamp::default());
        };
        drafted(&mut profiles);
        apply(&mut profiles);
        assert_eq!(number(profiles.draft.as_ref()), Some(1));
        assert_eq!(number(profiles.in_force.as_ref()), Some(2));
        let group = BTreeSet::from([Audience::User("ann".parse().unwrap())]);
        profiles.publish(Some(group)).unwrap();
        // It says what is in force already.
        apply(&mut profiles);
        assert_eq!(profiles.pilot, None);
        assert_eq!(number(profiles.draft.as_ref()), Some(1));
        assert_eq!(number(profiles.in_force.as_ref()), Some(2));
    }

    #[test]
    fn of_the_versions_before_so_many_are_kept() {
        let mut profiles = PublishedProfiles::default();
        for _ in 0..=PROFILE_VERSIONS_MAX {
            drafted(&mut profiles);
            profiles.publish(None).unwrap();
        }
        for _ in 0..PROFILE_VERSIONS_MAX {
            profiles.roll_back().unwrap();
        }
        assert_eq!(profiles.roll_back(), Err(PublishError::NothingBefore));
        assert_eq!(number(profiles.in_force.as_ref()), Some(1));
    }
}
