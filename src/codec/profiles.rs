//! What an administrator asks of a server's offline profiles, and what is answered.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::{
    Audience, DocumentText, ProfileName, ProfilesVersion, PublishedProfiles, Timestamp, UserId,
};

/// What an administrator wants with offline profiles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProfilesRequest {
    /// Which versions there are.
    List,
    /// The document of a version.
    Show(u32),
    /// This document is to be the draft, in place of another one.
    Draft(DocumentText),
    /// The draft is to count: for everyone or, given a pilot group, for that group alone.
    Publish {
        /// Whoever is in one of these.
        pilot: Option<BTreeSet<Audience>>,
    },
    /// What the pilot group goes by is to count for everyone.
    Promote,
    /// What was published last is not to count any more.
    RollBack,
    /// How much these users would take.
    Estimate {
        /// By this document; `None`: by the draft.
        document: Option<DocumentText>,
        /// Which users; none: of each profile the first who would go by it.
        users: Vec<UserId>,
    },
}

/// The versions of offline profiles that a server has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfilesInfo {
    /// What is in preparation.
    pub draft: Option<VersionInfo>,
    /// What a pilot group goes by, and the group.
    pub pilot: Option<(VersionInfo, BTreeSet<Audience>)>,
    /// What all others go by; `None`: they take all that they may read.
    pub in_force: Option<VersionInfo>,
    /// What was in force before, oldest first.
    pub before: Vec<Option<VersionInfo>>,
}

/// A version of offline profiles, without its document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionInfo {
    /// Its number.
    pub number: u32,
    /// Who drafted it; `None`: it is from the server's folder.
    pub by: Option<UserId>,
    /// When, by the server's clock.
    pub at: Timestamp,
    /// What its author calls the document.
    pub file: String,
    /// Its profiles.
    pub profiles: Vec<ProfileName>,
}

impl From<&PublishedProfiles> for ProfilesInfo {
    fn from(profiles: &PublishedProfiles) -> Self {
        let info = |version: &Option<ProfilesVersion>| version.as_ref().map(VersionInfo::from);
        let pilot = profiles.pilot.as_ref();
        Self {
            draft: info(&profiles.draft),
            pilot: pilot.map(|it| (VersionInfo::from(&it.version), it.group.clone())),
            in_force: info(&profiles.in_force),
            before: profiles.before.iter().map(info).collect(),
        }
    }
}

impl From<&ProfilesVersion> for VersionInfo {
    fn from(version: &ProfilesVersion) -> Self {
        let ProfilesVersion { number, by, at, document, profiles } = version;
        Self {
            number: *number,
            by: by.clone(),
            at: *at,
            file: document.file.clone(),
            profiles: profiles.list.iter().map(|profile| profile.id.clone()).collect(),
        }
    }
}
