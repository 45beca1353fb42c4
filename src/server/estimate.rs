//! How much profiles take, of what the file of a server that is not running holds.

use std::path::Path;

use super::closed::Closed;
use super::documents::Document;
use super::{HomeError, ServerError};
use crate::model::{Estimate, UserId};
use crate::net::system;
use crate::policy::read_profiles;
use crate::sync::server::{Estimator, first_users};

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
    let Document { name, text } = Document::read(document)?;
    let closed = Closed::open(server)?;
    let Closed { store, rules } = &closed;
    let (policy, people) = (rules.roster().policy(), rules.roster().organization());
    let profiles = read_profiles(&text, &name, rules.shared_schema(), Some(policy), Some(people));
    let profiles = profiles.map_err(HomeError::from)?;
    let users = match users {
        [] => first_users(rules, &profiles),
        _ => users.to_vec(),
    };
    let estimator = Estimator::new(store, rules, system::now());
    let estimate = |user: UserId| {
        closed.know(&user)?;
        Ok(estimator.estimate(&estimator.taking(Some(&profiles), &user)?)?)
    };
    users.into_iter().map(estimate).collect()
}
