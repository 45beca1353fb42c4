//! Who may do what, as administered: roles, column security and the hierarchy.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    ColumnName, ColumnSecurityId, Depth, Principal, Right, RoleId, TableName, TeamId, UserId,
};

/// The role that is always there: every right at organization depth and every column permission.
pub const SYSTEM_ADMINISTRATOR: &str = "system_administrator";

/// The policy proper. It is applied as a whole; the people are in
/// [`Organization`](super::Organization).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Policy {
    /// The roles, without [`SYSTEM_ADMINISTRATOR`].
    pub roles: BTreeMap<RoleId, Role>,
    /// Who may read, set and change secured columns.
    pub column_security: BTreeMap<ColumnSecurityId, ColumnSecurity>,
    /// Whether people reach the records of those below them.
    pub hierarchy: Hierarchy,
}

/// Table, right, depth: what those who hold the role may do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Role {
    /// What a member gains from a team's role. A user's own role counts as direct.
    pub inheritance: Inheritance,
    /// The depths; a right that is absent is [`Depth::None`].
    pub rights: BTreeMap<TableName, BTreeMap<Right, Depth>>,
}

impl Role {
    /// How far the role gives `right` on `table`.
    #[must_use]
    pub fn depth(&self, table: &TableName, right: Right) -> Depth {
        let depth = self.rights.get(table).and_then(|rights| rights.get(&right));
        depth.copied().unwrap_or_default()
    }
}

/// Whose records a team's role reaches through ownership.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Inheritance {
    /// Those of the member and of every owner team of the member.
    #[default]
    Direct,
    /// Those of the team alone.
    TeamOnly,
}

/// What may be done with a secured column.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct ColumnPermissions {
    /// See its value.
    pub read: bool,
    /// Set it in a new record.
    pub create: bool,
    /// Change it in a record that is there.
    pub update: bool,
}

impl ColumnPermissions {
    /// No permission.
    pub const NONE: Self = Self { read: false, create: false, update: false };
    /// To see a column's value.
    pub const READ: Self = Self { read: true, ..Self::NONE };
    /// To change it.
    pub const UPDATE: Self = Self { update: true, ..Self::NONE };
    /// Every permission.
    pub const ALL: Self = Self { read: true, create: true, update: true };

    /// One bit a permission (read, create, update, the first lowest): the form in which they are
    /// stored.
    #[must_use]
    pub fn bits(self) -> u8 {
        u8::from(self.read) | u8::from(self.create) << 1 | u8::from(self.update) << 2
    }

    /// The permissions that these bits stand for; `None` where a bit stands for nothing.
    #[must_use]
    pub fn from_bits(bits: u8) -> Option<Self> {
        let has = |bit: u8| bits & bit != 0;
        (bits < 8).then(|| Self { read: has(1), create: has(2), update: has(4) })
    }

    /// Whether `permission` is among them.
    #[must_use]
    pub fn contains(self, permission: ColumnPermission) -> bool {
        match permission {
            ColumnPermission::Read => self.read,
            ColumnPermission::Create => self.create,
            ColumnPermission::Update => self.update,
        }
    }

    /// Everything in either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            read: self.read || other.read,
            create: self.create || other.create,
            update: self.update || other.update,
        }
    }

    /// What is in these and not in `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self {
            read: self.read && !other.read,
            create: self.create && !other.create,
            update: self.update && !other.update,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }
}

/// One thing that may be done with a secured column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnPermission {
    /// See its value.
    Read,
    /// Set it in a new record.
    Create,
    /// Change it in a record that is there.
    Update,
}

/// Gives column permissions to users and teams of either kind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ColumnSecurity {
    /// The users named.
    pub users: BTreeSet<UserId>,
    /// The teams named.
    pub teams: BTreeSet<TeamId>,
    /// What they may do with which secured column.
    pub columns: BTreeMap<TableName, BTreeMap<ColumnName, ColumnPermissions>>,
}

/// What one record's column shares give: only `read` and `update` count in them.
pub type ColumnShares = BTreeMap<(ColumnName, Principal), ColumnPermissions>;

/// Whether and how far people reach the records of those below them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Hierarchy {
    /// Which chain counts.
    pub model: HierarchyModel,
    /// How many levels down it reaches: at least 1 unless the model is off.
    pub depth: u32,
    /// The tables where it does not count.
    pub exclude: BTreeSet<TableName>,
}

/// Which chain makes one person stand below another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HierarchyModel {
    /// None.
    #[default]
    Off,
    /// That of managers, within the business unit and those below it.
    Manager,
    /// That of positions, across business units.
    Position,
}
