//! Puts names to what the judge found, where policy and organization are at hand.

use std::collections::BTreeMap;

use super::{Held, Way};
use crate::gate::access::column_permissions;
use crate::gate::roster::is_administrator;
use crate::gate::standing::Holding;
use crate::gate::{Directory, RecordFacts, Roster, Standing};
use crate::model::{
    ColumnName, ColumnPermission, ColumnShares, HierarchyModel, Inheritance, Organization, Owner,
    Principal, Right, Role, RoleId, TableName, TeamKind, UserId,
};

/// What an explanation is made from.
pub(super) struct Guide<'a> {
    pub(super) standing: &'a Standing,
    pub(super) directory: &'a dyn Directory,
    /// Policy and organization; a device has neither.
    pub(super) roster: Option<&'a Roster>,
}

/// The roles of a user or a team.
pub(super) fn roles_of<'a>(
    organization: &'a Organization,
    owner: &Owner,
) -> impl Iterator<Item = &'a RoleId> {
    let roles = match owner {
        Owner::User(user) => organization.users.get(user).map(|user| &user.roles),
        Owner::Team(team) => match organization.teams.get(team).map(|team| &team.kind) {
            Some(TeamKind::Owner { roles, .. }) => Some(roles),
            Some(TeamKind::Access) | None => None,
        },
    };
    roles.into_iter().flatten()
}

impl Guide<'_> {
    pub(super) fn holdings(&self, table: &TableName, right: Right) -> &[Holding] {
        self.standing.holdings(table, right)
    }

    /// Who has the role `system_administrator`.
    pub(super) fn administrator(&self) -> Option<Owner> {
        let organization = self.roster?.organization();
        let mut holders = self.standing.holders.iter().map(|holder| &holder.owner);
        holders.find(|owner| roles_of(organization, owner).any(is_administrator)).cloned()
    }

    /// A holding that lets in by its depth.
    pub(super) fn reaching(
        &self,
        table: &TableName,
        right: Right,
        holding: Holding,
    ) -> Option<Held> {
        self.held(table, right, holding, |_| true)
    }

    /// A holding that lets in to what belongs to `owner`.
    pub(super) fn owning(
        &self,
        table: &TableName,
        right: Right,
        holding: Holding,
        owner: Option<&Owner>,
    ) -> Option<Held> {
        let holder = &self.standing.holders.get(holding.holder as usize)?.owner;
        let is_own = Some(holder) == owner || matches!(holder, Owner::User(_));
        self.held(table, right, holding, |role| is_own || role.inheritance == Inheritance::Direct)
    }

    /// The deepest of the holder's roles that count.
    fn held(
        &self,
        table: &TableName,
        right: Right,
        holding: Holding,
        counts: impl Fn(&Role) -> bool,
    ) -> Option<Held> {
        let holder = self.standing.holders.get(holding.holder as usize)?;
        let known = self.roster.and_then(|roster| {
            let roles = roles_of(roster.organization(), &holder.owner)
                .filter_map(|id| roster.policy().roles.get_key_value(id))
                .filter(|(_, role)| counts(role))
                .map(|(id, role)| (role.depth(table, right), id));
            // Of two as deep the first by name.
            roles.min_by_key(|(depth, id)| (std::cmp::Reverse(*depth), *id))
        });
        Some(Held {
            role: known.map(|(_, role)| role.clone()),
            holder: holder.owner.clone(),
            depth: known.map_or(holding.depth, |(depth, _)| depth),
            business_unit: holder.business_unit.clone(),
        })
    }

    /// From the person for whom a record counts up to the user, by names.
    pub(super) fn chain(&self, below: &Principal, levels: u32) -> Vec<String> {
        let Some(roster) = self.roster else { return Vec::new() };
        let Some(person) = self.person(below, levels) else { return Vec::new() };
        let (users, positions) = (&roster.organization().users, &roster.organization().positions);
        let mut chain = Vec::new();
        match roster.policy().hierarchy.model {
            HierarchyModel::Off => {}
            HierarchyModel::Manager => {
                let mut next = Some(person);
                for _ in 0..=levels {
                    let Some(user) = next else { break };
                    chain.push(user.to_string());
                    next = users.get(user).and_then(|user| user.manager.as_ref());
                }
            }
            HierarchyModel::Position => {
                let mut next = users.get(person).and_then(|user| user.position.as_ref());
                for _ in 0..=levels {
                    let Some(position) = next else { break };
                    chain.push(position.to_string());
                    next = positions.get(position).and_then(|position| position.parent.as_ref());
                }
            }
        }
        chain
    }

    /// The person below, or the nearest one on the team.
    pub(super) fn person<'b>(&'b self, below: &'b Principal, levels: u32) -> Option<&'b UserId> {
        match below {
            Principal::User(user) => Some(user),
            Principal::Team(team) => {
                let members = &self.roster?.organization().teams.get(team)?.members;
                members.iter().find(|user| self.standing.people_below.get(*user) == Some(&levels))
            }
            Principal::Organization => None,
        }
    }

    /// Whether column security gives the permission, or which share of the column does.
    pub(super) fn column_way(
        &self,
        table: &TableName,
        column: &ColumnName,
        permission: ColumnPermission,
        facts: &RecordFacts<'_>,
    ) -> Option<Way> {
        if self.standing.is_administrator() {
            return Some(Way::Administrator { holder: self.administrator() });
        }
        let by = |shares: &ColumnShares| {
            let facts = facts.with_column_shares(shares);
            column_permissions(self.standing, table, column, &facts).contains(permission)
        };
        if by(&BTreeMap::new()) {
            return Some(Way::ColumnSecurity {
                id: self.column_security(table, column, permission),
            });
        }
        let mut shares = facts.column_shares.iter();
        let share = shares.find(|(key, given)| by(&[((*key).clone(), **given)].into()));
        share.map(|((_, to), _)| Way::ColumnShare { to: to.clone() })
    }

    fn column_security(
        &self,
        table: &TableName,
        column: &ColumnName,
        permission: ColumnPermission,
    ) -> Option<crate::model::ColumnSecurityId> {
        let mut all = self.roster?.policy().column_security.iter();
        let found = all.find(|(_, security)| {
            let given = security.columns.get(table).and_then(|columns| columns.get(column));
            let names = |team| self.standing.is_member(team);
            given.is_some_and(|given| given.contains(permission))
                && (security.users.contains(self.standing.user())
                    || security.teams.iter().any(names))
        });
        found.map(|(id, _)| id.clone())
    }
}
