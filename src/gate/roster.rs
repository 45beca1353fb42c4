//! Policy and organization, indexed: how standings are resolved, and a [`Directory`] that knows
//! everyone.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{
    BusinessUnitId, Organization, Owner, Policy, PositionId, Principal, Right, Role, RoleId,
    SYSTEM_ADMINISTRATOR, TableName, TeamId, TeamKind, UserId,
};

use super::{Directory, Knowledge};

/// Policy and organization with what makes asking them fast. Made anew when either changes.
///
/// Names that lead nowhere (a role, unit or user that is not there) give nothing: the roster is
/// safe on documents that were never checked, though only checked ones mean what they say.
#[derive(Debug, Clone)]
pub struct Roster {
    pub(super) policy: Arc<Policy>,
    pub(super) organization: Arc<Organization>,
    /// The teams of either kind of which a user is a member, sorted.
    teams: BTreeMap<UserId, Vec<TeamId>>,
    /// Who reports to a user, sorted.
    reports: BTreeMap<UserId, Vec<UserId>>,
    /// The positions just below a position, sorted.
    positions: BTreeMap<PositionId, Vec<PositionId>>,
    /// The users in a position, sorted.
    holders: BTreeMap<PositionId, Vec<UserId>>,
    /// The business units just below one, sorted.
    units: BTreeMap<BusinessUnitId, Vec<BusinessUnitId>>,
}

impl Roster {
    /// Indexes a policy and an organization.
    #[must_use]
    pub fn new(policy: Arc<Policy>, organization: Arc<Organization>) -> Self {
        let mut roster = Self {
            teams: BTreeMap::new(),
            reports: BTreeMap::new(),
            positions: BTreeMap::new(),
            holders: BTreeMap::new(),
            units: BTreeMap::new(),
            policy,
            organization,
        };
        let organization = Arc::clone(&roster.organization);
        for (id, team) in &organization.teams {
            for member in &team.members {
                roster.teams.entry(member.clone()).or_default().push(id.clone());
            }
        }
        for (id, user) in &organization.users {
            if let Some(manager) = &user.manager {
                roster.reports.entry(manager.clone()).or_default().push(id.clone());
            }
            if let Some(position) = &user.position {
                roster.holders.entry(position.clone()).or_default().push(id.clone());
            }
        }
        for (id, position) in &organization.positions {
            if let Some(parent) = &position.parent {
                roster.positions.entry(parent.clone()).or_default().push(id.clone());
            }
        }
        for (id, unit) in &organization.business_units {
            if let Some(parent) = &unit.parent {
                roster.units.entry(parent.clone()).or_default().push(id.clone());
            }
        }
        roster
    }

    /// The policy indexed.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The organization indexed.
    #[must_use]
    pub fn organization(&self) -> &Organization {
        &self.organization
    }

    /// The teams of either kind of which `user` is a member, sorted.
    #[must_use]
    pub fn teams_of(&self, user: &UserId) -> &[TeamId] {
        self.teams.get(user).map_or(&[], Vec::as_slice)
    }

    /// `unit` and all units below it, sorted.
    #[must_use]
    pub fn subtree(&self, unit: &BusinessUnitId) -> Vec<BusinessUnitId> {
        let mut all = vec![unit.clone()];
        // Each unit has one parent, so none comes twice unless units form a cycle; the bound
        // ends even that.
        let units_max = self.organization.business_units.len();
        let mut next = 0;
        while let Some(unit) = all.get(next)
            && all.len() <= units_max
        {
            let below = self.units.get(unit).map_or(&[][..], Vec::as_slice);
            all.extend_from_slice(below);
            next += 1;
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The people below `user` by managers, each with the number of levels, nearest first.
    pub(super) fn below_by_manager(&self, user: &UserId, levels_max: u32) -> Vec<(UserId, u32)> {
        let found = descend(user, levels_max, self.organization.users.len(), |user| {
            self.reports.get(user).map_or(&[], Vec::as_slice)
        });
        found.into_iter().map(|(user, level)| (user.clone(), level)).collect()
    }

    /// The people in positions below `position`, each with the number of levels, nearest first.
    pub(super) fn below_by_position(
        &self,
        position: &PositionId,
        levels_max: u32,
    ) -> Vec<(UserId, u32)> {
        let positions = self.organization.positions.len();
        let found = descend(position, levels_max, positions, |position| {
            self.positions.get(position).map_or(&[], Vec::as_slice)
        });
        let people = found.into_iter().flat_map(|(position, level)| {
            let users = self.holders.get(position).map_or(&[][..], Vec::as_slice);
            users.iter().map(move |user| (user.clone(), level))
        });
        people.collect()
    }

    /// The owner teams of `user`, sorted, each with its business unit and roles.
    pub(super) fn owner_teams(
        &self,
        user: &UserId,
    ) -> impl Iterator<Item = (&TeamId, &BusinessUnitId, impl Iterator<Item = &RoleId>)> {
        self.teams_of(user).iter().filter_map(|id| match &self.organization.teams.get(id)?.kind {
            TeamKind::Owner { business_unit, roles } => Some((id, business_unit, roles.iter())),
            TeamKind::Access => None,
        })
    }

    /// Whether a role of the user's, or of an owner team of the user's, gives `read`; whether the
    /// user is disabled is not asked.
    pub(super) fn gives_read(&self, user: &UserId, table: &TableName) -> bool {
        let own = self.organization.users.get(user).map(|user| user.roles.iter());
        own.is_some_and(|roles| self.roles_give_read(roles, table))
            || self.owner_teams(user).any(|(_, _, roles)| self.roles_give_read(roles, table))
    }

    fn roles_give_read<'a>(
        &self,
        mut roles: impl Iterator<Item = &'a RoleId>,
        table: &TableName,
    ) -> bool {
        roles.any(|id| {
            is_administrator(id)
                || self.policy.roles.get(id).is_some_and(|role| gives_read(role, table))
        })
    }
}

fn gives_read(role: &Role, table: &TableName) -> bool {
    role.depth(table, Right::Read) > crate::model::Depth::None
}

/// Whether this is the role that holds everything.
pub(super) fn is_administrator(role: &RoleId) -> bool {
    role.as_str() == SYSTEM_ADMINISTRATOR
}

/// All nodes below `root`, each with its level, down to `levels_max`; `root` itself is not below.
fn descend<'a, T: 'a>(
    root: &'a T,
    levels_max: u32,
    nodes_max: usize,
    below: impl Fn(&T) -> &'a [T],
) -> Vec<(&'a T, u32)> {
    let mut found = vec![(root, 0)];
    let mut next = 0;
    // Chains have no cycle in a checked organization; the bound holds in any other.
    while let Some(&(node, level)) = found.get(next)
        && found.len() <= nodes_max
    {
        if level < levels_max {
            found.extend(below(node).iter().map(|node| (node, level + 1)));
        }
        next += 1;
    }
    found.remove(0);
    found
}

impl Directory for Roster {
    fn business_unit(&self, owner: &Owner) -> Knowledge<&BusinessUnitId> {
        match self.organization.business_unit_of(owner) {
            Some(unit) => Knowledge::Known(unit),
            None => Knowledge::Absent,
        }
    }

    fn owner_can_read(&self, owner: &Owner, table: &TableName) -> Knowledge<bool> {
        match owner {
            Owner::User(id) => match self.organization.users.get(id) {
                None => Knowledge::Absent,
                Some(user) => Knowledge::Known(!user.disabled && self.gives_read(id, table)),
            },
            Owner::Team(id) => match self.organization.teams.get(id).map(|team| &team.kind) {
                Some(TeamKind::Owner { roles, .. }) => {
                    Knowledge::Known(self.roles_give_read(roles.iter(), table))
                }
                Some(TeamKind::Access) | None => Knowledge::Absent,
            },
        }
    }

    fn principal(&self, to: &Principal) -> Knowledge<()> {
        let is_there = match to {
            Principal::User(user) => self.organization.users.contains_key(user),
            Principal::Team(team) => self.organization.teams.contains_key(team),
            Principal::Organization => true,
        };
        if is_there { Knowledge::Known(()) } else { Knowledge::Absent }
    }
}
