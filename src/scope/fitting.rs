//! Which profile a user has.

use std::collections::BTreeSet;

use crate::gate::Roster;
use crate::model::{AppName, Audience, Profile, Profiles, TeamKind, UserId};

/// The profile of a user in an app: the first of those for this app, or for every one, that is for the
/// user. `None`: there is none, or there is no such user.
#[must_use]
pub fn profile_of<'p>(
    profiles: &'p Profiles,
    roster: &Roster,
    user: &UserId,
    app: Option<&AppName>,
) -> Option<&'p Profile> {
    let is_for = is_for(roster, user)?;
    let mut of_app = profiles.list.iter().filter(|it| it.app.is_none() || it.app.as_ref() == app);
    of_app.find(|profile| profile.audiences.iter().any(&is_for))
}

/// The profiles that a user goes by in one app or another, each once with such an app. `None` for a profile:
/// none fits there.
#[must_use]
pub fn profiles_of<'p>(
    profiles: &'p Profiles,
    roster: &Roster,
    user: &UserId,
) -> Vec<(Option<&'p AppName>, Option<&'p Profile>)> {
    let named: BTreeSet<_> = profiles.list.iter().filter_map(|it| it.app.as_ref()).collect();
    let mut seen = BTreeSet::new();
    let apps = std::iter::once(None).chain(named.into_iter().map(Some));
    let of_apps = apps.map(|app| (app, profile_of(profiles, roster, user, app)));
    of_apps.filter(|(_, profile)| seen.insert(profile.map(|it| &it.id))).collect()
}

/// Whether a user is in one of these groups.
#[must_use]
pub fn is_among(groups: &BTreeSet<Audience>, roster: &Roster, user: &UserId) -> bool {
    is_for(roster, user).is_some_and(|is_for| groups.iter().any(is_for))
}

/// Tells of groups whether a user is in them. `None`: there is no such user.
fn is_for<'r>(roster: &'r Roster, user: &'r UserId) -> Option<impl Fn(&Audience) -> bool + 'r> {
    let organization = roster.organization();
    let person = organization.users.get(user)?;
    let teams = roster.teams_of(user);
    let kinds = teams.iter().filter_map(|team| Some(&organization.teams.get(team)?.kind));
    let through_teams = kinds.filter_map(|kind| match kind {
        TeamKind::Owner { roles, .. } => Some(roles),
        TeamKind::Access => None,
    });
    let roles: BTreeSet<_> = person.roles.iter().chain(through_teams.flatten()).collect();
    Some(move |audience: &Audience| match audience {
        Audience::Organization => true,
        Audience::Role(role) => roles.contains(role),
        Audience::Team(team) => teams.contains(team),
        Audience::User(id) => id == user,
    })
}

/// Profiles that nobody has, each with an earlier one that is for everyone who would.
pub fn unreached(profiles: &Profiles) -> impl Iterator<Item = (&Profile, &Profile)> {
    profiles.list.iter().enumerate().filter_map(|(at, profile)| {
        let is_before = |other: &&Profile| {
            let in_app = other.app.is_none() || other.app == profile.app;
            let all = other.audiences.contains(&Audience::Organization)
                || profile.audiences.iter().all(|audience| other.audiences.contains(audience));
            in_app && all
        };
        let before = profiles.list.iter().take(at).find(is_before)?;
        Some((profile, before))
    })
}
