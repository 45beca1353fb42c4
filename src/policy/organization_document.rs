//! The organization's part of a policy document.

use std::collections::BTreeSet;

use crate::model::{
    BusinessUnit, BusinessUnitId, Organization, Position, PositionId, RoleId, Team, TeamId,
    TeamKind, User, UserId,
};

use super::document::Tree;
use super::reader::{Declared, Object, Read, mistake};
use super::{Fault, Noun};

/// The keys of a document that declare the organization.
pub(super) const ORGANIZATION_KEYS: [&str; 4] = ["business_unit", "position", "user", "team"];

/// The organization that a document declares; `None` where it has none of its keys. What must hold
/// across its parts is not checked yet.
pub(super) fn read_organization(
    document: Object<'_>,
    declared: &mut Declared,
) -> Read<Option<Organization>> {
    if ORGANIZATION_KEYS.iter().all(|key| document.get(key).is_none()) {
        return Ok(None);
    }
    let mut organization = Organization::default();
    for object in document.objects("business_unit", &["id", "name", "parent"])? {
        let id: BusinessUnitId = object.name("id")?;
        declared.add(Noun::BusinessUnit, id.as_str(), object)?;
        let (name, parent) = (object.optional_name("name")?, object.optional_name("parent")?);
        organization.business_units.insert(id, BusinessUnit { name, parent });
    }
    for object in document.objects("position", &["id", "parent"])? {
        let id: PositionId = object.name("id")?;
        declared.add(Noun::Position, id.as_str(), object)?;
        let parent = object.optional_name("parent")?;
        organization.positions.insert(id, Position { parent });
    }
    let user_keys = ["id", "name", "business_unit", "manager", "position", "roles", "disabled"];
    for object in document.objects("user", &user_keys)? {
        let id: UserId = object.name("id")?;
        declared.add(Noun::User, id.as_str(), object)?;
        let user = User {
            name: object.optional_name("name")?,
            business_unit: object.name("business_unit")?,
            manager: object.optional_name("manager")?,
            position: object.optional_name("position")?,
            roles: object.names("roles")?,
            disabled: object.flag("disabled")?,
        };
        organization.users.insert(id, user);
    }
    let team_keys = ["id", "name", "kind", "business_unit", "members", "roles"];
    for object in document.objects("team", &team_keys)? {
        let id: TeamId = object.name("id")?;
        declared.add(Noun::Team, id.as_str(), object)?;
        let team = read_team(&id, object)?;
        organization.teams.insert(id, team);
    }
    Ok(Some(organization))
}

fn read_team(id: &TeamId, object: Object<'_>) -> Read<Team> {
    let is_owner = object.require("kind")?.word(&[("owner", true), ("access", false)])?;
    let (name, members) = (object.optional_name("name")?, object.names("members")?);
    let roles: BTreeSet<RoleId> = object.names("roles")?;
    if is_owner {
        let business_unit = object.name("business_unit")?;
        return Ok(Team { name, kind: TeamKind::Owner { business_unit, roles }, members });
    }
    // An empty list of roles is no role.
    let roles = object
        .get("roles")
        .filter(|field| matches!(&field.value.tree, Tree::List(items) if !items.is_empty()));
    match object.get("business_unit").or(roles) {
        Some(field) => Err(mistake(field, Noun::Team, id.as_str(), Fault::AccessTeam)),
        None => Ok(Team { name, kind: TeamKind::Access, members }),
    }
}
