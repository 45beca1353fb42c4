//! One user's resolved privileges: all that a judge must know of an author.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{
    BusinessUnitId, ColumnName, ColumnPermissions, Denial, Depth, Hierarchy, HierarchyModel,
    Inheritance, Owner, Principal, Right, RoleId, Rule, Schema, TableName, TeamId, UserId,
};

use super::access::receives;
use super::roster::{Roster, is_administrator};
use super::{Directory, Knowledge};

/// One user's resolved privileges, in a form that needs no policy and no organization to judge:
/// the server signs it into the device's grant.
///
/// It says what the user may do as of one policy and one organization; resolve it anew when either
/// changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub(super) user: UserId,
    /// Whether the user holds `system_administrator`, itself or through an owner team.
    pub(super) administrator: bool,
    /// Those through whom the user has roles: the user first, then its owner teams by name.
    pub(super) holders: Vec<Holder>,
    /// The user's access teams, sorted.
    pub(super) access_teams: Vec<TeamId>,
    /// Business units with all below them, each set once and sorted; the user's own first.
    pub(super) subtrees: Vec<Vec<BusinessUnitId>>,
    /// What the user holds, per table; a table without any holding may be absent. Of an administrator
    /// the tables that there are, where that is known.
    pub(super) tables: BTreeMap<TableName, TableStanding>,
    /// The people below the user, and how many levels.
    pub(super) people_below: BTreeMap<UserId, u32>,
    /// The teams of people below the user, and how many levels the nearest member is.
    pub(super) teams_below: BTreeMap<TeamId, u32>,
}

/// The user or an owner team of the user's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holder {
    pub(super) owner: Owner,
    pub(super) business_unit: BusinessUnitId,
    /// Which of [`Standing::subtrees`] is that of its business unit.
    pub(super) subtree: u32,
}

/// What a user holds on one table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct TableStanding {
    /// Whether the hierarchy counts here.
    pub(super) hierarchy: bool,
    /// The holdings of each right, in the order of [`Right::ALL`].
    pub(super) rights: [Vec<Holding>; 8],
    /// What the user may do with secured columns of every record.
    pub(super) columns: BTreeMap<ColumnName, ColumnPermissions>,
}

/// All that one holder's roles give of one right on one table. Depth and ownership are ways of
/// their own, so the deepest role and the most generous inheritance may be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holding {
    /// Which of [`Standing::holders`].
    pub(super) holder: u32,
    /// The deepest of its roles; never `none`.
    pub(super) depth: Depth,
    /// Whether ownership by the user and any of its owner teams counts, or by this holder alone.
    pub(super) direct: bool,
}

impl Standing {
    /// What `user` may do.
    ///
    /// # Errors
    /// [`Rule::UnknownUser`] or [`Rule::DisabledUser`].
    pub fn resolve(roster: &Roster, user: &UserId) -> Result<Self, Denial> {
        let organization = roster.organization();
        let person = organization.users.get(user).ok_or(Denial::of(Rule::UnknownUser))?;
        if person.disabled {
            return Err(Denial::of(Rule::DisabledUser));
        }
        let mut standing = Self {
            user: user.clone(),
            administrator: false,
            holders: Vec::new(),
            access_teams: Vec::new(),
            subtrees: Vec::new(),
            tables: BTreeMap::new(),
            people_below: BTreeMap::new(),
            teams_below: BTreeMap::new(),
        };
        let own = Owner::User(user.clone());
        standing.add_holder(roster, own, &person.business_unit, person.roles.iter());
        for (team, unit, roles) in roster.owner_teams(user) {
            standing.add_holder(roster, Owner::Team(team.clone()), unit, roles);
        }
        let is_access = |team: &&TeamId| {
            organization.teams.get(*team).is_some_and(|team| team.business_unit().is_none())
        };
        standing.access_teams = roster.teams_of(user).iter().filter(is_access).cloned().collect();
        standing.add_people_below(roster, &roster.policy().hierarchy);
        if standing.administrator {
            // Nothing else can add to everything; but queries ask for the units and people below.
            standing.tables.clear();
            standing.subtrees.truncate(1);
            standing.teams_below.clear();
        } else {
            standing.add_columns(roster);
        }
        Ok(standing)
    }

    /// The same among these tables. An administrator holds everything on each of them, which is told by
    /// their names alone.
    #[must_use]
    pub fn within(mut self, schema: &Schema) -> Self {
        if self.administrator {
            self.tables = schema.tables.keys().map(|id| (id.clone(), <_>::default())).collect();
        } else {
            self.tables.retain(|id, _| schema.tables.contains_key(id));
        }
        self
    }

    /// Whether the table is one of those that this is about: not, where it was removed.
    #[must_use]
    pub fn knows(&self, table: &TableName) -> bool {
        self.tables.contains_key(table)
    }

    fn add_holder<'a>(
        &mut self,
        roster: &Roster,
        owner: Owner,
        business_unit: &BusinessUnitId,
        roles: impl Iterator<Item = &'a RoleId>,
    ) {
        let same_unit = self.holders.iter().find(|other| other.business_unit == *business_unit);
        let subtree = same_unit.map_or(self.subtrees.len(), |other| other.subtree as usize);
        if subtree == self.subtrees.len() {
            self.subtrees.push(roster.subtree(business_unit));
        }
        let is_user = matches!(owner, Owner::User(_));
        let holder = u32::try_from(self.holders.len()).unwrap_or(u32::MAX);
        let subtree = u32::try_from(subtree).unwrap_or(u32::MAX);
        self.holders.push(Holder { owner, business_unit: business_unit.clone(), subtree });
        for id in roles {
            self.administrator |= is_administrator(id);
            let Some(role) = roster.policy().roles.get(id) else { continue };
            let direct = is_user || role.inheritance == Inheritance::Direct;
            for (table, rights) in &role.rights {
                for (&right, &depth) in rights {
                    if depth > Depth::None {
                        let hierarchy = !roster.policy().hierarchy.exclude.contains(table);
                        let entry = self.tables.entry(table.clone()).or_default();
                        entry.hierarchy = hierarchy;
                        entry.add(right, Holding { holder, depth, direct });
                    }
                }
            }
        }
    }

    fn add_columns(&mut self, roster: &Roster) {
        for security in roster.policy().column_security.values() {
            let named = security.users.contains(&self.user)
                || roster.teams_of(&self.user).iter().any(|team| security.teams.contains(team));
            if !named {
                continue;
            }
            for (table, columns) in &security.columns {
                let entry = self.tables.entry(table.clone()).or_default();
                for (column, permissions) in columns {
                    let known = entry.columns.entry(column.clone()).or_default();
                    *known = known.union(*permissions);
                }
            }
        }
    }

    /// By this hierarchy, which need not be the roster's.
    pub(super) fn add_people_below(&mut self, roster: &Roster, hierarchy: &Hierarchy) {
        let users = &roster.organization().users;
        let Some(person) = users.get(&self.user) else { return };
        let below = match (hierarchy.model, &person.position) {
            (HierarchyModel::Off, _) | (HierarchyModel::Position, None) => return,
            (HierarchyModel::Manager, _) => {
                let units = roster.subtree(&person.business_unit);
                let mut below = roster.below_by_manager(&self.user, hierarchy.depth);
                // The unit of the person counts, not those of the managers between.
                below.retain(|(below, _)| {
                    users.get(below).is_some_and(|p| units.binary_search(&p.business_unit).is_ok())
                });
                below
            }
            (HierarchyModel::Position, Some(position)) => {
                roster.below_by_position(position, hierarchy.depth)
            }
        };
        // Nearest first, so that the first level noted for a team is its smallest.
        for (user, level) in below {
            for team in roster.teams_of(&user) {
                self.teams_below.entry(team.clone()).or_insert(level);
            }
            self.people_below.entry(user).or_insert(level);
        }
    }

    /// Whose privileges these are.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// The user's business unit.
    #[must_use]
    pub fn business_unit(&self) -> Option<&BusinessUnitId> {
        self.holders.first().map(|holder| &holder.business_unit)
    }

    /// The user's business unit and all below it, sorted.
    #[must_use]
    pub fn business_units(&self) -> &[BusinessUnitId] {
        let own = self.holders.first().and_then(|own| self.subtrees.get(own.subtree as usize));
        own.map_or(&[], Vec::as_slice)
    }

    /// The people below the user, as far as the hierarchy reaches.
    pub fn reports(&self) -> impl Iterator<Item = &UserId> {
        self.people_below.keys()
    }

    /// The tables that this is about.
    pub fn tables(&self) -> impl Iterator<Item = &TableName> {
        self.tables.keys()
    }

    /// Whether the user may do everything.
    #[must_use]
    pub fn is_administrator(&self) -> bool {
        self.administrator
    }

    /// Whether the user holds `right` on any table, at any depth.
    #[must_use]
    pub fn holds_anywhere(&self, right: Right) -> bool {
        self.administrator || self.tables.values().any(|table| !table.holdings(right).is_empty())
    }

    /// Whether the user holds any right on `table`, at any depth.
    #[must_use]
    pub fn holds_any(&self, table: &TableName) -> bool {
        let of_table = self.tables.get(table);
        let holds = |table: &TableStanding| table.rights.iter().any(|it| !it.is_empty());
        self.administrator || of_table.is_some_and(holds)
    }

    /// The greatest depth at which the user holds a right on a table.
    #[must_use]
    pub fn depth(&self, table: &TableName, right: Right) -> Depth {
        if self.administrator {
            return Depth::Organization;
        }
        let holdings = self.tables.get(table).map_or(&[][..], |known| known.holdings(right));
        holdings.iter().map(|holding| holding.depth).max().unwrap_or_default()
    }

    /// The owner teams of the user, by name, each with its business unit.
    pub fn owner_teams(&self) -> impl Iterator<Item = (&TeamId, &BusinessUnitId)> {
        self.holders.iter().filter_map(|holder| match &holder.owner {
            Owner::Team(team) => Some((team, &holder.business_unit)),
            Owner::User(_) => None,
        })
    }

    /// The access teams of the user, by name.
    #[must_use]
    pub fn access_teams(&self) -> &[TeamId] {
        &self.access_teams
    }

    /// Whether `team`, of either kind, is one of the user's.
    #[must_use]
    pub fn is_member(&self, team: &TeamId) -> bool {
        self.owner_team(team).is_some() || self.access_teams.binary_search(team).is_ok()
    }

    /// The holder that stands for an owner team of the user's.
    pub(super) fn owner_team(&self, team: &TeamId) -> Option<&Holder> {
        let teams = self.holders.get(1..).unwrap_or_default();
        let by_name = |holder: &Holder| match &holder.owner {
            Owner::Team(id) => id.cmp(team),
            Owner::User(_) => std::cmp::Ordering::Less,
        };
        teams.binary_search_by(by_name).ok().and_then(|found| teams.get(found))
    }

    /// Whether `owner` is the user or an owner team of the user's.
    pub(super) fn stands_for(&self, owner: &Owner) -> bool {
        match owner {
            Owner::User(user) => *user == self.user,
            Owner::Team(team) => self.owner_team(team).is_some(),
        }
    }

    pub(super) fn holdings(&self, table: &TableName, right: Right) -> &[Holding] {
        self.tables.get(table).map_or(&[], |table| table.holdings(right))
    }
}

impl TableStanding {
    pub(super) fn add(&mut self, right: Right, new: Holding) {
        let Some(holdings) = self.rights.get_mut(right as usize) else { return };
        match holdings.iter_mut().find(|known| known.holder == new.holder) {
            Some(known) => {
                known.depth = known.depth.max(new.depth);
                known.direct |= new.direct;
            }
            None => holdings.push(new),
        }
    }

    pub(super) fn holdings(&self, right: Right) -> &[Holding] {
        self.rights.get(right as usize).map_or(&[], Vec::as_slice)
    }
}

/// A standing knows its user and the user's owner teams, and nobody else.
impl Directory for Standing {
    fn business_unit(&self, owner: &Owner) -> Knowledge<&BusinessUnitId> {
        match self.holders.iter().find(|holder| holder.owner == *owner) {
            Some(holder) => Knowledge::Known(&holder.business_unit),
            None => Knowledge::Unknown,
        }
    }

    fn owner_can_read(&self, owner: &Owner, table: &TableName) -> Knowledge<bool> {
        let holdings = self.holdings(table, Right::Read);
        let held_by_owner = |holding: &Holding| {
            self.holders.get(holding.holder as usize).is_some_and(|holder| holder.owner == *owner)
        };
        match owner {
            Owner::User(user) if *user == self.user => {
                Knowledge::Known(self.administrator || !holdings.is_empty())
            }
            // An administrator's standing does not say which team the role comes from.
            Owner::Team(team) if !self.administrator && self.owner_team(team).is_some() => {
                Knowledge::Known(holdings.iter().any(held_by_owner))
            }
            _ => Knowledge::Unknown,
        }
    }

    fn principal(&self, to: &Principal) -> Knowledge<()> {
        if receives(self, to) { Knowledge::Known(()) } else { Knowledge::Unknown }
    }
}
