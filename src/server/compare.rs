//! What views show with profiles and without, of what the file of a server that is not running holds.

use std::collections::BTreeSet;
use std::path::Path;

use super::closed::Closed;
use super::{HomeError, ServerError};
use crate::model::{AppName, UserId};
use crate::net::system;
use crate::query::{CheckedView, Parameters};
use crate::scope::Comparison;
use crate::sync::server::Estimator;

/// What the views and forms of users' profiles would show on the server and on a device, of what a server
/// holds: its folder, one of its backups, or its file. Without users, for the first user of each profile.
/// `None`: none of the profiles is for that user. Each view gets those of the parameters that it has.
///
/// # Errors
/// The file cannot be opened or read, the document has a mistake, there is no such user, or no view has such
/// a parameter.
pub fn compare(
    server: &Path,
    document: &Path,
    users: &[UserId],
    parameters: &Parameters,
) -> Result<Vec<(UserId, Option<Comparison>)>, ServerError> {
    let closed = Closed::open(server)?;
    let profiles = closed.profiles(document)?;
    check_parameters(&closed, parameters)?;
    let estimator = Estimator::new(&closed.store, &closed.rules, system::now());
    let compare = |(user, app): (UserId, Option<AppName>)| {
        let taking = estimator.taking(Some(&profiles), &user, app.as_ref())?;
        Ok((user, estimator.compare(&taking, parameters)?))
    };
    closed.takers(users, &profiles)?.into_iter().map(compare).collect()
}

/// Each is of some view.
fn check_parameters(closed: &Closed, parameters: &Parameters) -> Result<(), HomeError> {
    let schema = closed.rules.shared_schema();
    let views = schema.views.values().filter_map(|view| CheckedView::new(schema, view).ok());
    let views: Vec<_> = views.collect();
    let known: BTreeSet<_> = views.iter().flat_map(|view| view.query().parameters()).collect();
    match parameters.keys().find(|name| !known.contains(name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let known: Vec<_> = known.into_iter().collect();
            Err(HomeError::NoSuchParameter(name.clone(), known.join(", ")))
        }
    }
}
