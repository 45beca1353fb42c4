//! How much profiles take, of what the file of a server that is not running holds.

use std::path::Path;

use super::ServerError;
use super::closed::Closed;
use crate::model::{AppName, Estimate, UserId};
use crate::net::system;
use crate::sync::server::Estimator;

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
    let closed = Closed::open(server)?;
    let profiles = closed.profiles(document)?;
    let estimator = Estimator::new(&closed.store, &closed.rules, system::now());
    let estimate = |(user, app): (UserId, Option<AppName>)| {
        let taking = estimator.taking(Some(&profiles), &user, app.as_ref())?;
        Ok(estimator.estimate(&taking)?)
    };
    closed.takers(users, &profiles)?.into_iter().map(estimate).collect()
}
