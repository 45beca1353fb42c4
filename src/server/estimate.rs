//! How much profiles take, of what the file of a server that is not running holds.

use std::path::Path;
use std::sync::Arc;

use super::documents::Document;
use super::home::DATA;
use super::{Config, HomeError, ServerError};
use crate::gate::Roster;
use crate::model::{AppName, Estimate, UserId};
use crate::net::system;
use crate::policy::read_profiles;
use crate::store::RedbServer;
use crate::sync::ServerStore as _;
use crate::sync::server::{Estimator, Rules, takers};

/// How much users would take by a document of profiles, of what a server holds: its folder, one of its
/// backups, or its file. By schema, policy and people in force there. Without users, for the first user
/// of each profile. The server must not be running: use a backup, or `tidegate admin profile estimate`.
///
/// # Errors
/// The file cannot be opened or read, the document has a mistake, or there is no such user.
pub fn estimate(
    server: &Path,
    document: &Path,
    users: &[UserId],
) -> Result<Vec<Estimate>, ServerError> {
    let Document { name, text } = Document::read(document).map_err(home)?;
    let file = if server.is_dir() {
        let file = server.join(Config::of(server).map_err(home)?.data);
        // In a backup it has this name.
        if file.exists() { file } else { server.join(DATA) }
    } else {
        server.to_owned()
    };
    let store = RedbServer::open(&file)?;
    let (Some((policy, people)), Some(schema)) = (store.rules()?, store.schema()?) else {
        return Err(home(HomeError::NeverRan(file)));
    };
    let schema = Arc::new(schema);
    let profiles = read_profiles(&text, &name, &schema, Some(&policy), Some(&people));
    let profiles = profiles.map_err(|error| home(error.into()))?;
    let known = people.users.clone();
    let rules =
        Rules::new(Arc::unwrap_or_clone(schema), Roster::new(policy.into(), people.into()))?;
    let estimator = Estimator::new(&store, &rules, system::now());
    if let Some(user) = users.iter().find(|user| !known.contains_key(*user)) {
        let some: Vec<_> = known.keys().take(10).map(ToString::to_string).collect();
        return Err(home(HomeError::NoSuchUser(user.clone(), some.join(", "))));
    }
    let estimate = |(user, app): (UserId, Option<AppName>)| {
        let taking = estimator.taking(Some(&profiles), &user, app.as_ref())?;
        Ok(estimator.estimate(&taking)?)
    };
    takers(&rules, &profiles, users).into_iter().map(estimate).collect()
}

fn home(error: HomeError) -> ServerError {
    ServerError::Home(Box::new(error))
}
