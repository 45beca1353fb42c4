//! The people: business units, positions, users and teams.
//!
//! On a server they are rows, administered one by one or from CSV. `policy::check_organization`
//! checks what must hold across them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{BusinessUnitId, DisplayName, Owner, PositionId, RoleId, TeamId, UserId};

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
    /// What people call it; `None`: by its id.
    pub name: Option<DisplayName>,
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
    /// What people call the user; `None`: by the id.
    pub name: Option<DisplayName>,
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
    /// What people call it; `None`: by its id.
    pub name: Option<DisplayName>,
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

/// One row of an organization, as it shall be; `None`: it shall be gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrganizationRow {
    /// A business unit.
    BusinessUnit(BusinessUnitId, Option<BusinessUnit>),
    /// A position.
    Position(PositionId, Option<Position>),
    /// A user.
    User(UserId, Option<User>),
    /// A team.
    Team(TeamId, Option<Team>),
}

impl OrganizationRow {
    /// Names the row: its kind and its id.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::BusinessUnit(id, _) => format!("business_unit:{id}"),
            Self::Position(id, _) => format!("position:{id}"),
            Self::User(id, _) => format!("user:{id}"),
            Self::Team(id, _) => format!("team:{id}"),
        }
    }

    /// Whether the row shall be gone.
    #[must_use]
    pub fn is_removal(&self) -> bool {
        matches!(
            self,
            Self::BusinessUnit(_, None)
                | Self::Position(_, None)
                | Self::User(_, None)
                | Self::Team(_, None)
        )
    }
}

fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

/// What must be put and removed to come from `old` to `new`.
fn differences<K: Ord + Clone, V: PartialEq + Clone>(
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
    row: impl Fn(K, Option<V>) -> OrganizationRow,
) -> Vec<OrganizationRow> {
    let changed = new.iter().filter(|(key, value)| old.get(key) != Some(value));
    let gone = old.keys().filter(|key| !new.contains_key(key));
    let changed = changed.map(|(key, value)| row(key.clone(), Some(value.clone())));
    changed.chain(gone.map(|key| row(key.clone(), None))).collect()
}

impl Organization {
    /// Puts or removes a row. Whether the whole still makes sense is to be checked afterwards.
    pub fn set(&mut self, row: OrganizationRow) {
        match row {
            OrganizationRow::BusinessUnit(id, unit) => put(&mut self.business_units, id, unit),
            OrganizationRow::Position(id, position) => put(&mut self.positions, id, position),
            OrganizationRow::User(id, user) => put(&mut self.users, id, user),
            OrganizationRow::Team(id, team) => put(&mut self.teams, id, team),
        }
    }

    /// The rows that differ, as `new` has them.
    #[must_use]
    pub fn rows_to(&self, new: &Self) -> Vec<OrganizationRow> {
        let units =
            differences(&self.business_units, &new.business_units, OrganizationRow::BusinessUnit);
        let positions = differences(&self.positions, &new.positions, OrganizationRow::Position);
        let users = differences(&self.users, &new.users, OrganizationRow::User);
        let teams = differences(&self.teams, &new.teams, OrganizationRow::Team);
        [units, positions, users, teams].concat()
    }

    /// The owners whose business unit is another one in `new`, with that. Who is new may have been
    /// there before, and have records of that time.
    #[must_use]
    pub fn moved_to(&self, new: &Self) -> BTreeMap<Owner, BusinessUnitId> {
        let users = new.users.keys().cloned().map(Owner::User);
        let owners = users.chain(new.teams.keys().cloned().map(Owner::Team));
        let moved = owners.filter_map(|owner| {
            let unit = new.business_unit_of(&owner)?;
            (self.business_unit_of(&owner) != Some(unit)).then(|| (owner, unit.clone()))
        });
        moved.collect()
    }

    /// The topmost business unit.
    #[must_use]
    pub fn root(&self) -> Option<&BusinessUnitId> {
        self.business_units.iter().find(|(_, unit)| unit.parent.is_none()).map(|(id, _)| id)
    }

    /// The business unit of a user or an owner team; `None` where there is no such owner.
    #[must_use]
    pub fn business_unit_of(&self, owner: &Owner) -> Option<&BusinessUnitId> {
        match owner {
            Owner::User(user) => self.users.get(user).map(|user| &user.business_unit),
            Owner::Team(team) => self.teams.get(team).and_then(Team::business_unit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(unit: &str) -> User {
        User {
            name: None,
            business_unit: unit.parse().unwrap(),
            manager: None,
            position: None,
            roles: BTreeSet::new(),
            disabled: false,
        }
    }

    fn people(users: &[(&str, &str)]) -> Organization {
        let root = ("root".parse().unwrap(), BusinessUnit::default());
        let users = users.iter().map(|(id, unit)| (id.parse().unwrap(), user(unit)));
        let crew = Team {
            name: None,
            kind: TeamKind::Owner {
                business_unit: "root".parse().unwrap(),
                roles: BTreeSet::new(),
            },
            members: BTreeSet::new(),
        };
        Organization {
            business_units: [root].into(),
            users: users.collect(),
            teams: [("crew".parse().unwrap(), crew)].into(),
            ..Organization::default()
        }
    }

    #[test]
    fn a_hire_is_one_row_and_rows_lead_from_one_organization_to_another() {
        let old = people(&[("ann", "root"), ("ben", "root")]);
        let hired = people(&[("ann", "root"), ("ben", "root"), ("cora", "root")]);
        let row = OrganizationRow::User("cora".parse().unwrap(), Some(user("root")));
        assert_eq!(old.rows_to(&hired), [row]);
        assert_eq!(old.rows_to(&old), []);
        let mut other = people(&[("ann", "north"), ("cora", "root")]);
        other.teams.clear();
        for (from, to) in [(&old, &other), (&other, &old), (&hired, &old)] {
            let mut now = from.clone();
            from.rows_to(to).into_iter().for_each(|row| now.set(row));
            assert_eq!(now, *to);
        }
    }

    #[test]
    fn who_is_new_may_have_been_there_before_and_who_is_gone_has_not_moved() {
        let old = people(&[("ann", "root"), ("ben", "root")]);
        let new = people(&[("ann", "north"), ("cora", "north")]);
        let moved = ["user:ann", "user:cora"]
            .map(|owner| (owner.parse().unwrap(), "north".parse().unwrap()));
        assert_eq!(old.moved_to(&new), moved.into());
        assert!(new.moved_to(&new).is_empty());
    }
}
