//! A server that is not running, for who only looks into it.

use std::path::Path;
use std::sync::Arc;

use super::home::DATA;
use super::{Config, HomeError, ServerError};
use crate::gate::Roster;
use crate::model::{Audience, UserId};
use crate::scope::is_among;
use crate::store::RedbServer;
use crate::sync::ServerStore as _;
use crate::sync::server::Rules;

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
            if file.exists() { file } else { server.join(DATA) }
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

    /// Whether there is such a user.
    pub(super) fn know(&self, user: &UserId) -> Result<(), ServerError> {
        let known = &self.rules.roster().organization().users;
        if known.contains_key(user) {
            return Ok(());
        }
        let some: Vec<_> = known.keys().take(10).map(ToString::to_string).collect();
        Err(HomeError::NoSuchUser(user.clone(), some.join(", ")).into())
    }

    /// Who is in one of these groups, by name.
    pub(super) fn users_among(&self, groups: &[Audience]) -> impl Iterator<Item = &UserId> {
        let (roster, groups) = (self.rules.roster(), groups.iter().cloned().collect());
        let users = roster.organization().users.keys();
        users.filter(move |user| is_among(&groups, roster, user))
    }
}
