//! A profile to begin with, from what the file of a server that is not running holds.

use std::path::Path;

use super::closed::Closed;
use super::{HomeError, ServerError};
use crate::gate::Standing;
use crate::limits::SUGGEST_USERS_MAX;
use crate::model::{Audience, ProfileName, Profiles};
use crate::net::system;
use crate::policy::write_suggestion;
use crate::scope::suggest as suggest_for;
use crate::sync::server::{Estimator, known};

/// Suggests a profile for groups of users of a server: its folder, one of its backups, or its file. It goes
/// by what they may read there, by how many records there are, and by what their devices edited lately. The
/// document says of each line why it is there, and how much the first of these users would take.
///
/// # Errors
/// The file cannot be opened or read, or nobody is in these groups, or may read anything.
pub fn suggest(
    server: &Path,
    id: ProfileName,
    audiences: &[Audience],
) -> Result<String, ServerError> {
    let closed = Closed::open(server)?;
    let Closed { store, rules } = &closed;
    let nobody = || {
        let groups: Vec<_> = audiences.iter().map(ToString::to_string).collect();
        HomeError::Nobody(groups.join(", "))
    };
    let users = closed.users_among(audiences);
    let standings: Vec<_> = users
        .filter_map(|user| Standing::resolve(rules.roster(), user).ok())
        .take(SUGGEST_USERS_MAX)
        .map(|standing| standing.within(rules.schema()))
        .collect();
    let known = known(store, rules.schema(), &standings)?;
    let schema = rules.shared_schema();
    let suggestion = suggest_for(schema, id, audiences.to_vec(), &standings, &known);
    let suggestion = suggestion.ok_or_else(nobody)?;
    let first = standings.first().ok_or_else(nobody)?;
    let profiles = Profiles { list: vec![suggestion.profile.clone()] };
    let estimator = Estimator::new(store, rules, system::now());
    let estimate = estimator.estimate(&estimator.taking(Some(&profiles), first.user(), None)?)?;
    Ok(write_suggestion(&suggestion, Some(&estimate)))
}
