//! What views show with profiles and without, of what the file of a server that is not running holds.

use std::path::Path;

use super::closed::Closed;
use super::documents::Document;
use super::{HomeError, ServerError};
use crate::model::UserId;
use crate::net::system;
use crate::policy::read_profiles;
use crate::scope::Comparison;
use crate::sync::server::{Estimator, first_users};

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
    let compare = |user: UserId| {
        closed.know(&user)?;
        let compared = estimator.compare(&estimator.taking(Some(&profiles), &user)?)?;
        Ok((user, compared))
    };
    users.into_iter().map(compare).collect()
}
