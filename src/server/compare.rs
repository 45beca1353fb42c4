//! What views show with profiles and without, of what the file of a server that is not running holds.

use std::path::Path;

use super::ServerError;
use super::closed::Closed;
use crate::model::{AppName, UserId};
use crate::net::system;
use crate::scope::Comparison;
use crate::sync::server::Estimator;

/// What the views and forms of users' profiles would show on the server and on a device, of what a server
/// holds: its folder, one of its backups, or its file. Without users, for the first user of each profile.
/// `None`: none of the profiles is for that user.
///
/// # Errors
/// The file cannot be opened or read, the document has a mistake, or there is no such user.
pub fn compare(
    server: &Path,
    document: &Path,
    users: &[UserId],
) -> Result<Vec<(UserId, Option<Comparison>)>, ServerError> {
    let closed = Closed::open(server)?;
    let profiles = closed.profiles(document)?;
    let estimator = Estimator::new(&closed.store, &closed.rules, system::now());
    let compare = |(user, app): (UserId, Option<AppName>)| {
        let taking = estimator.taking(Some(&profiles), &user, app.as_ref())?;
        Ok((user, estimator.compare(&taking)?))
    };
    closed.takers(users, &profiles)?.into_iter().map(compare).collect()
}
