//! The people: business units, positions, users and teams.
//!
//! On a server they are rows, administered one by one or from CSV. `policy::check_organization`
//! checks what must hold across them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{BusinessUnitId, Owner, PositionId, RoleId, TeamId, UserId};

/// Everyone, and how they stand to each other.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Organization {
    /// The tree of business units.
    pub business_units: BTreeMap<BusinessUnitId, BusinessUnit>,
    /// The positions: one or more trees.
    pub positions: BTreeMap<PositionId, Position>,
    /// The users, disabled ones too.
    pub users: BTreeMap<UserId, User>,
    /// The teams of either kind.
    pub teams: BTreeMap<TeamId, Team>,
}

/// A node of the tree of business units.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BusinessUnit {
    /// The one above; `None` for the root alone.
    pub parent: Option<BusinessUnitId>,
}

/// A node of the position hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    /// The one above, if any.
    pub parent: Option<PositionId>,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Where the user belongs, and what the depths of the user's own roles are measured from.
    pub business_unit: BusinessUnitId,
    /// Whom the user reports to.
    pub manager: Option<UserId>,
    /// The user's place in the position hierarchy.
    pub position: Option<PositionId>,
    /// The user's own roles.
    pub roles: BTreeSet<RoleId>,
    /// Whether the user holds nothing at present.
    pub disabled: bool,
}

/// Users who share something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    /// What the team can do.
    pub kind: TeamKind,
    /// Its members.
    pub members: BTreeSet<UserId>,
}

/// The two kinds of team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TeamKind {
    /// It can own records and hold roles.
    Owner {
        /// Where it belongs, and what the depths of its roles are measured from.
        business_unit: BusinessUnitId,
        /// Its roles.
        roles: BTreeSet<RoleId>,
    },
    /// It only receives shares and column permissions.
    Access,
}

impl Team {
    /// The business unit of an owner team; `None` for an access team.
    #[must_use]
    pub fn business_unit(&self) -> Option<&BusinessUnitId> {
        match &self.kind {
            TeamKind::Owner { business_unit, .. } => Some(business_unit),
            TeamKind::Access => None,
        }
    }
}

impl Organization {
    /// The business unit of a user or an owner team; `None` where there is no such owner.
    #[must_use]
    pub fn business_unit_of(&self, owner: &Owner) -> Option<&BusinessUnitId> {
        match owner {
            Owner::User(user) => self.users.get(user).map(|user| &user.business_unit),
            Owner::Team(team) => self.teams.get(team).and_then(Team::business_unit),
        }
    }
}
