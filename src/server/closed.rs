//! A server that is not running, for who only looks into it.

use std::path::Path;
use std::sync::Arc;

use super::documents::Document;
use super::home::DATA;
use super::{Config, HomeError, ServerError};
use crate::gate::Roster;
use crate::model::{AppName, Audience, Profiles, UserId};
use crate::scope::is_among;
use crate::store::RedbServer;
use crate::sync::ServerStore as _;
use crate::sync::server::{Rules, takers};

/// Its file, and what is in force there.
pub(super) struct Closed {
    pub(super) store: RedbServer,
    pub(super) rules: Rules,
}

impl Closed {
    /// Opens it: its folder, one of its backups, or its file.
    pub(super) fn open(server: &Path) -> Result<Self, ServerError> {
        let file = if server.is_dir() {
            let file = server.join(Config::of(server)?.data);
            // In a backup it has this name.
            let file = if file.exists() { file } else { server.join(DATA) };
            if !file.exists() {
                return Err(HomeError::NeverRan(file).into());
            }
            file
        } else {
            server.to_owned()
        };
        let store = RedbServer::open(&file)?;
        let (Some((policy, people)), Some(schema)) = (store.rules()?, store.schema()?) else {
            return Err(HomeError::NeverRan(file).into());
        };
        let rules = Rules::new(schema, Roster::new(Arc::new(policy), Arc::new(people)))?;
        Ok(Self { store, rules })
    }

    /// A document of profiles, read against what is in force there.
    pub(super) fn profiles(&self, document: &Path) -> Result<Profiles, ServerError> {
        let (schema, roster) = (self.rules.schema(), self.rules.roster());
        let document = Document::read(document)?;
        let (_, profiles) = document.profiles(schema, roster.policy(), roster.organization())?;
        Ok(profiles)
    }

    /// These users, each of whom there is, in the apps in which they go by different profiles; without any,
    /// the first user of each profile.
    pub(super) fn takers(
        &self,
        asked: &[UserId],
        profiles: &Profiles,
    ) -> Result<Vec<(UserId, Option<AppName>)>, ServerError> {
        let known = &self.rules.roster().organization().users;
        match asked.iter().find(|user| !known.contains_key(*user)) {
            None => Ok(takers(&self.rules, profiles, asked)),
            Some(user) => {
                let some: Vec<_> = known.keys().take(10).map(ToString::to_string).collect();
                Err(HomeError::NoSuchUser(user.clone(), some.join(", ")).into())
            }
        }
    }

    /// Who is in one of these groups, by name.
    pub(super) fn users_among(&self, groups: &[Audience]) -> impl Iterator<Item = &UserId> {
        let (roster, groups) = (self.rules.roster(), groups.iter().cloned().collect());
        let users = roster.organization().users.keys();
        users.filter(move |user| is_among(&groups, roster, user))
    }
}
