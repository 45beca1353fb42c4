//! A naive model of privileges, written from `docs/privileges.md` and sharing no code with the
//! gate: ways 1 to 3 (the worlds have no hierarchy).

use std::collections::BTreeMap;

use tidegate::model::{
    BusinessUnitId, ColumnName, ColumnPermission, ColumnPermissions, Depth, Header, Inheritance,
    Owner, Principal, Right, Rights, Role, RoleId, SYSTEM_ADMINISTRATOR, TeamId, TeamKind, UserId,
};

use crate::merge::Naive;
use crate::people::{People, name};

/// What privileges on a record depend on.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Facts {
    /// Owner and business unit; `None` on a table that belongs to the organization.
    pub(crate) owned: Option<(Owner, BusinessUnitId)>,
    pub(crate) shares: BTreeMap<Principal, Rights>,
    pub(crate) column_shares: BTreeMap<(ColumnName, Principal), ColumnPermissions>,
}

impl From<&Header> for Facts {
    fn from(header: &Header) -> Self {
        let Header { owner, shares, column_shares, .. } = header.clone();
        Self { owned: owner, shares, column_shares }
    }
}

impl People {
    /// Section 2: may the user use the right on a record of this owner?
    pub(crate) fn may(&self, user: &UserId, right: Right, table: &str, facts: &Facts) -> bool {
        let Some(person) = self.organization.users.get(user) else { return false };
        if self.schema.table(table).is_none() {
            return false;
        }
        let gives = |role: &RoleId| {
            let role = self.policy.roles.get(role);
            role.is_some_and(|role| depth_of(role, table, right) != Depth::None)
        };
        let has_privilege = !person.disabled
            && (person.roles.iter().any(gives)
                || self.owner_teams_of(user).iter().any(|(.., roles)| roles.iter().any(gives)));
        // Way 3.
        let by_share = has_privilege
            && facts.owned.is_some()
            && facts
                .shares
                .iter()
                .any(|(to, rights)| rights.contains(right) && self.gets(user, to));
        by_share || self.may_new(user, right, table, facts)
    }

    /// Whether the user has the right on any table, at any depth.
    pub(crate) fn holds_anywhere(&self, user: &UserId, right: Right) -> bool {
        let person = &self.organization.users[user];
        let gives = |role: &RoleId| {
            let role = self.policy.roles.get(role);
            role.is_some_and(|role| {
                let there = role.rights.iter();
                let mut there = there.filter(|(table, _)| self.schema.tables.contains_key(*table));
                there.any(|(_, rights)| {
                    rights.get(&right).is_some_and(|depth| *depth != Depth::None)
                })
            })
        };
        !person.disabled
            && (self.is_administrator(user)
                || person.roles.iter().any(gives)
                || self.owner_teams_of(user).iter().any(|(.., roles)| roles.iter().any(gives)))
    }

    /// Whether what is given to `to` reaches the user.
    fn gets(&self, user: &UserId, to: &Principal) -> bool {
        match to {
            Principal::User(id) => id == user,
            Principal::Team(id) => {
                self.organization.teams.get(id).is_some_and(|team| team.members.contains(user))
            }
            Principal::Organization => true,
        }
    }

    /// The same for a record that is not there yet: ways 1 and 2.
    fn may_new(&self, user: &UserId, right: Right, table: &str, facts: &Facts) -> bool {
        let owned = facts.owned.as_ref();
        let Some(person) = self.organization.users.get(user) else { return false };
        if person.disabled {
            return false;
        }
        if self.is_administrator(user) {
            return true;
        }
        let own_roles = person.roles.iter();
        let mut granted = own_roles.clone().any(|role| {
            self.role_reaches(user, role, None, &person.business_unit, right, table, owned)
        });
        for (team, unit, roles) in self.owner_teams_of(user) {
            granted |= roles
                .iter()
                .any(|role| self.role_reaches(user, role, Some(team), unit, right, table, owned));
        }
        granted
    }

    #[expect(clippy::too_many_arguments, reason = "the model is spelt out, not structured")]
    fn role_reaches(
        &self,
        user: &UserId,
        role: &RoleId,
        team: Option<&TeamId>,
        holder_unit: &BusinessUnitId,
        right: Right,
        table: &str,
        owned: Option<&(Owner, BusinessUnitId)>,
    ) -> bool {
        let Some(role) = self.policy.roles.get(role) else { return false };
        let depth = depth_of(role, table, right);
        if depth == Depth::None {
            return false;
        }
        let Some((holder, unit)) = owned else { return depth == Depth::Organization };
        // Way 1.
        let mine = match holder {
            Owner::User(id) => id == user,
            Owner::Team(id) => self.owner_teams_of(user).iter().any(|(team, ..)| *team == id),
        };
        let by_owner = match (team, role.inheritance) {
            (Some(team), Inheritance::TeamOnly) => *holder == Owner::Team(team.clone()),
            _ => mine,
        };
        // Way 2.
        let by_depth = match depth {
            Depth::None | Depth::User => false,
            Depth::BusinessUnit => unit == holder_unit,
            Depth::ParentChild => self.is_within(unit, holder_unit),
            Depth::Organization => true,
        };
        by_owner || by_depth
    }

    fn is_within(&self, unit: &BusinessUnitId, above: &BusinessUnitId) -> bool {
        let mut at = Some(unit);
        while let Some(unit) = at {
            if unit == above {
                return true;
            }
            at = self.organization.business_units.get(unit).and_then(|it| it.parent.as_ref());
        }
        false
    }

    fn owner_teams_of(
        &self,
        user: &UserId,
    ) -> Vec<(&TeamId, &BusinessUnitId, &std::collections::BTreeSet<RoleId>)> {
        let teams = self.organization.teams.iter();
        teams
            .filter(|(_, team)| team.members.contains(user))
            .filter_map(|(id, team)| match &team.kind {
                TeamKind::Owner { business_unit, roles } => Some((id, business_unit, roles)),
                TeamKind::Access => None,
            })
            .collect()
    }

    pub(crate) fn may_administer(&self, user: &UserId) -> bool {
        !self.organization.users[user].disabled && self.is_administrator(user)
    }

    fn is_administrator(&self, user: &UserId) -> bool {
        let is_admin = |role: &RoleId| role.as_str() == SYSTEM_ADMINISTRATOR;
        self.organization.users[user].roles.iter().any(is_admin)
            || self.owner_teams_of(user).iter().any(|(.., roles)| roles.iter().any(is_admin))
    }

    fn column_permissions(&self, user: &UserId, table: &str, column: &str) -> ColumnPermissions {
        if self.is_administrator(user) {
            return ColumnPermissions { read: true, create: true, update: true };
        }
        let mut all = ColumnPermissions { read: false, create: false, update: false };
        if !self.is_secured(table, column) || !self.is_declared(table, column) {
            // What was in its own section is still nobody's: only the values are everyone's.
            return all;
        }
        for security in self.policy.column_security.values() {
            let by_team = self.organization.teams.iter();
            let by_team = by_team
                .filter(|(_, team)| team.members.contains(user))
                .any(|(id, _)| security.teams.contains(id));
            if !by_team && !security.users.contains(user) {
                continue;
            }
            let given = security.columns.get(table).and_then(|columns| columns.get(column));
            if let Some(given) = given {
                all.read |= given.read;
                all.create |= given.create;
                all.update |= given.update;
            }
        }
        all
    }

    /// By column security, or by a column share of the record.
    fn has_column(
        &self,
        user: &UserId,
        table: &str,
        column: &str,
        facts: &Facts,
        permission: ColumnPermission,
    ) -> bool {
        let by_share = facts.column_shares.iter().any(|((shared, to), given)| {
            shared.as_str() == column
                && permission != ColumnPermission::Create
                && given.contains(permission)
                && self.gets(user, to)
        });
        by_share || self.column_permissions(user, table, column).contains(permission)
    }

    pub(crate) fn reads(&self, user: &UserId, table: &str, facts: &Facts) -> bool {
        self.may(user, Right::Read, table, facts)
    }

    pub(crate) fn reads_column(
        &self,
        user: &UserId,
        table: &str,
        column: &str,
        facts: &Facts,
    ) -> bool {
        self.reads(user, table, facts)
            && self.has_column(user, table, column, facts, ColumnPermission::Read)
    }

    fn unit_of(&self, owner: &Owner) -> Option<&BusinessUnitId> {
        match owner {
            Owner::User(id) => self.organization.users.get(id).map(|user| &user.business_unit),
            Owner::Team(id) => match &self.organization.teams.get(id)?.kind {
                TeamKind::Owner { business_unit, .. } => Some(business_unit),
                TeamKind::Access => None,
            },
        }
    }

    /// "Owner can read", the end of section 3.
    fn owner_can_read(&self, owner: &Owner, table: &str) -> bool {
        let gives = |role: &RoleId| {
            role.as_str() == SYSTEM_ADMINISTRATOR
                || self
                    .policy
                    .roles
                    .get(role)
                    .is_some_and(|role| depth_of(role, table, Right::Read) != Depth::None)
        };
        match owner {
            Owner::User(id) => self.organization.users.get(id).is_some_and(|user| {
                !user.disabled
                    && (user.roles.iter().any(gives)
                        || self.owner_teams_of(id).iter().any(|(.., roles)| roles.iter().any(gives)))
            }),
            Owner::Team(id) => self.organization.teams.get(id).is_some_and(|team| {
                matches!(&team.kind, TeamKind::Owner { roles, .. } if roles.iter().any(gives))
            }),
        }
    }

    /// Section 3, create: `new` is the record with its first values.
    pub(crate) fn may_create(
        &self,
        user: &UserId,
        new: &Naive,
        secured: &[String],
        looked_up: &[Option<Naive>],
    ) -> Result<(), String> {
        let (table, facts) = (new.table.as_str(), new.facts());
        let owned = &facts.owned;
        let needs = |right, what| need(self.may_new(user, right, table, &facts), what);
        needs(Right::Create, "create")?;
        let other = owned.as_ref().map(|(owner, _)| owner);
        let other = other.filter(|owner| **owner != Owner::User(user.clone()));
        if other.is_some() {
            needs(Right::Assign, "assign of a new record")?;
        }
        if !looked_up.is_empty() {
            needs(Right::Append, "append")?;
        }
        self.may_look_up(user, looked_up)?;
        for column in secured {
            need(self.column_permissions(user, table, column).create, "create of a column")?;
        }
        if let Some((owner, unit)) = owned {
            need(self.unit_of(owner) == Some(unit), "the owner's business unit")?;
        }
        other.map_or(Ok(()), |owner| need(self.owner_can_read(owner, table), "owner can read"))
    }

    /// Section 3, change columns. `looked_up`: the old and new records of lookups that change.
    pub(crate) fn may_write(
        &self,
        user: &UserId,
        old: &Naive,
        secured: &[String],
        lookups_change: bool,
        looked_up: &[Option<Naive>],
    ) -> Result<(), String> {
        let (table, facts) = (old.table.as_str(), old.facts());
        need(self.may(user, Right::Write, table, &facts), "write")?;
        if lookups_change {
            need(self.may(user, Right::Append, table, &facts), "append")?;
        }
        self.may_look_up(user, looked_up)?;
        for column in secured {
            let update = ColumnPermission::Update;
            let may = self.has_column(user, table, column, &facts, update);
            need(may, "update of a column")?;
        }
        Ok(())
    }

    fn may_look_up(&self, user: &UserId, looked_up: &[Option<Naive>]) -> Result<(), String> {
        for target in looked_up {
            let target = target.as_ref().ok_or("a looked-up record that is not there")?;
            for right in [Right::Read, Right::AppendTo] {
                let may = self.may(user, right, target.table.as_str(), &target.facts());
                need(may, "read or append_to on a looked-up record")?;
            }
        }
        Ok(())
    }

    pub(crate) fn may_delete(&self, user: &UserId, old: &Naive) -> Result<(), String> {
        need(self.may(user, Right::Delete, old.table.as_str(), &old.facts()), "delete")
    }

    pub(crate) fn may_undelete(&self, user: &UserId, old: &Naive) -> Result<(), String> {
        let facts = old.facts();
        let create = self.may_new(user, Right::Create, old.table.as_str(), &facts);
        need(create, "create to undelete")?;
        match &facts.owned {
            Some((of, unit)) => need(self.unit_of(of) == Some(unit), "business unit"),
            None => Ok(()),
        }
    }

    pub(crate) fn may_assign(
        &self,
        user: &UserId,
        old: &Naive,
        to: &Owner,
        unit: &BusinessUnitId,
    ) -> Result<(), String> {
        let (table, facts) = (old.table.as_str(), old.facts());
        for right in [Right::Assign, Right::Read, Right::Write] {
            need(self.may(user, right, table, &facts), "assign, read and write to assign")?;
        }
        need(self.unit_of(to) == Some(unit), "the new owner's business unit")?;
        need(self.owner_can_read(to, table), "the new owner can read")
    }

    pub(crate) fn may_share(
        &self,
        user: &UserId,
        old: &Naive,
        to: &Principal,
        rights: Rights,
    ) -> Result<(), String> {
        let (table, facts) = (old.table.as_str(), old.facts());
        need(facts.owned.is_some() && !rights.contains(Right::Create), "such a share")?;
        need(rights.is_empty() || self.is_there(to), "a share with nobody")?;
        for right in [Right::Share, Right::Read] {
            need(self.may(user, right, table, &facts), "share and read to share")?;
        }
        let had = facts.shares.get(to).copied().unwrap_or_default();
        for right in Right::ALL.into_iter().filter(|it| rights.contains(*it) && !had.contains(*it))
        {
            need(self.may(user, right, table, &facts), "a right that is given")?;
        }
        Ok(())
    }

    pub(crate) fn may_share_column(
        &self,
        user: &UserId,
        old: &Naive,
        (column, to): (&ColumnName, &Principal),
        given: ColumnPermissions,
    ) -> Result<(), String> {
        let (table, facts) = (old.table.as_str(), old.facts());
        let is_secured = self.is_secured(table, column.as_str());
        need(is_secured && !given.create, "such a column share")?;
        need(given.is_empty() || self.is_there(to), "a column share with nobody")?;
        for right in [Right::Share, Right::Read] {
            need(self.may(user, right, table, &facts), "share and read to share a column")?;
        }
        let had = facts.column_shares.get(&(column.clone(), to.clone())).copied();
        let had = had.unwrap_or_default();
        for permission in [ColumnPermission::Read, ColumnPermission::Update] {
            let added = given.contains(permission) && !had.contains(permission);
            let has = self.has_column(user, table, column.as_str(), &facts, permission);
            need(!added || has, "a column permission that is given")?;
        }
        Ok(())
    }

    fn is_there(&self, to: &Principal) -> bool {
        match to {
            Principal::User(user) => self.organization.users.contains_key(user),
            Principal::Team(team) => self.organization.teams.contains_key(team),
            Principal::Organization => true,
        }
    }
}

fn depth_of(role: &Role, table: &str, right: Right) -> Depth {
    let rights = role.rights.get(&name::<tidegate::model::TableName>(table));
    rights.and_then(|rights| rights.get(&right)).copied().unwrap_or(Depth::None)
}

fn need(met: bool, what: &str) -> Result<(), String> {
    if met { Ok(()) } else { Err(format!("not allowed: {what}")) }
}
