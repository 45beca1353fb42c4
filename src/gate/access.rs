//! Section 2 of `docs/privileges.md`: may this user use this right on this record?

use std::collections::BTreeMap;

use crate::model::{
    ColumnName, ColumnPermission, ColumnPermissions, Denial, Depth, Owner, Principal, Right,
    Rights, Rule, TableName,
};

use super::RecordFacts;
use super::standing::{Holding, Standing, TableStanding};

/// Which ways to a record count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ways {
    /// All four.
    All,
    /// Ownership and role depth: a record that is not there yet has no shares.
    New,
}

/// What the two checks find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Granted,
    NoPrivilege,
    OutOfDepth,
}

/// Whether the user may read a record of `table`: what a scan asks for each.
#[must_use]
pub fn can_read(standing: &Standing, table: &TableName, facts: &RecordFacts<'_>) -> bool {
    access(standing, table, Right::Read, facts, Ways::All) == Access::Granted
}

/// Whether the user has `right` on a record that is there, by any of the four ways.
#[must_use]
pub fn has_right(
    standing: &Standing,
    table: &TableName,
    right: Right,
    facts: &RecordFacts<'_>,
) -> bool {
    access(standing, table, right, facts, Ways::All) == Access::Granted
}

/// Whether the user may read a record and this secured column of it.
#[must_use]
pub fn can_read_column(
    standing: &Standing,
    table: &TableName,
    column: &ColumnName,
    facts: &RecordFacts<'_>,
) -> bool {
    can_read(standing, table, facts)
        && column_permissions(standing, table, column, facts).contains(ColumnPermission::Read)
}

/// The privilege check, then the access check.
pub(super) fn access(
    standing: &Standing,
    table: &TableName,
    right: Right,
    facts: &RecordFacts<'_>,
    ways: Ways,
) -> Access {
    if standing.administrator {
        return Access::Granted;
    }
    let Some(known) = standing.tables.get(table) else { return Access::NoPrivilege };
    let holdings = known.holdings(right);
    if holdings.is_empty() {
        return Access::NoPrivilege;
    }
    let granted = by_holdings(standing, holdings, facts)
        || (ways == Ways::All
            && facts.owner.is_some()
            && (by_share(standing, right, facts.shares)
                || by_hierarchy(standing, known, right, facts)));
    if granted { Access::Granted } else { Access::OutOfDepth }
}

/// Ways 1 and 2.
fn by_holdings(standing: &Standing, holdings: &[Holding], facts: &RecordFacts<'_>) -> bool {
    let Some((owner, unit)) = facts.owner else {
        return holdings.iter().any(|holding| holding.depth == Depth::Organization);
    };
    let own = standing.stands_for(owner);
    holdings.iter().any(|holding| {
        if holding.depth == Depth::Organization || (own && holding.direct) {
            return true;
        }
        let Some(holder) = standing.holders.get(holding.holder as usize) else { return false };
        // For a team's `team_only` role; for the user itself it says nothing new.
        (own && holder.owner == *owner)
            || match holding.depth {
                Depth::BusinessUnit => holder.business_unit == *unit,
                Depth::ParentChild => standing
                    .subtrees
                    .get(holder.subtree as usize)
                    .is_some_and(|units| units.binary_search(unit).is_ok()),
                Depth::None | Depth::User | Depth::Organization => false,
            }
    })
}

/// Way 3.
fn by_share(standing: &Standing, right: Right, shares: &BTreeMap<Principal, Rights>) -> bool {
    shares.iter().any(|(to, rights)| rights.contains(right) && receives(standing, to))
}

/// Whether what `to` is given reaches the user.
pub(super) fn receives(standing: &Standing, to: &Principal) -> bool {
    match to {
        Principal::User(user) => *user == standing.user,
        Principal::Team(team) => standing.is_member(team),
        Principal::Organization => true,
    }
}

/// Way 4.
fn by_hierarchy(
    standing: &Standing,
    table: &TableStanding,
    right: Right,
    facts: &RecordFacts<'_>,
) -> bool {
    let in_reach = |level: u32| match right {
        Right::Read => true,
        Right::Write | Right::Append | Right::AppendTo => level == 1,
        Right::Create | Right::Delete | Right::Assign | Right::Share => false,
    };
    if standing.people_below.is_empty()
        || !table.hierarchy
        || table.holdings(Right::Read).is_empty()
        || !in_reach(1)
    {
        return false;
    }
    let owned = facts.owner.is_some_and(|(owner, _)| match owner {
        Owner::User(user) => standing.people_below.get(user).copied().is_some_and(in_reach),
        Owner::Team(team) => standing.teams_below.get(team).copied().is_some_and(in_reach),
    });
    let shared = |(to, rights): (&Principal, &Rights)| {
        rights.contains(right)
            && match to {
                Principal::User(user) => {
                    standing.people_below.get(user).copied().is_some_and(in_reach)
                }
                Principal::Team(team) => {
                    standing.teams_below.get(team).copied().is_some_and(in_reach)
                }
                Principal::Organization => false,
            }
    };
    owned || facts.shares.iter().any(shared)
}

/// What the user may do with a secured column of a record, on top of the row's rights.
#[must_use]
pub fn column_permissions(
    standing: &Standing,
    table: &TableName,
    column: &ColumnName,
    facts: &RecordFacts<'_>,
) -> ColumnPermissions {
    if standing.administrator {
        return ColumnPermissions::ALL;
    }
    let everywhere = standing.tables.get(table).and_then(|table| table.columns.get(column));
    let everywhere = everywhere.copied().unwrap_or_default();
    let shared = facts
        .column_shares
        .iter()
        .filter(|((shared, to), _)| shared == column && receives(standing, to));
    // A column share gives `read` and `update`, never `create`.
    shared.fold(everywhere, |known, (_, given)| {
        known.union(ColumnPermissions { create: false, ..*given })
    })
}

/// The denial that `access` amounts to; `None` where it is granted.
pub(super) fn denial(
    standing: &Standing,
    table: &TableName,
    right: Right,
    facts: &RecordFacts<'_>,
    ways: Ways,
) -> Option<Denial> {
    let found = access(standing, table, right, facts, ways);
    let rule = match found {
        Access::Granted => return None,
        Access::NoPrivilege => Rule::NoPrivilege,
        Access::OutOfDepth => Rule::OutOfDepth,
    };
    Some(Denial {
        right: Some(right),
        table: Some(table.clone()),
        needed: Some(needed(standing, table, right, facts, ways)),
        ..Denial::of(rule)
    })
}

/// The nearest depth that would have sufficed for one of the holders of the right, or for the
/// user where nobody holds it.
fn needed(
    standing: &Standing,
    table: &TableName,
    right: Right,
    facts: &RecordFacts<'_>,
    ways: Ways,
) -> Depth {
    let Some((owner, unit)) = facts.owner else { return Depth::Organization };
    let known = standing.tables.get(table);
    let holdings = known.map_or(&[][..], |known| known.holdings(right));
    if holdings.is_empty() {
        let by_hierarchy = known.is_some_and(|known| by_hierarchy(standing, known, right, facts));
        let by_share = ways == Ways::All && by_share(standing, right, facts.shares);
        if standing.stands_for(owner) || by_share || (ways == Ways::All && by_hierarchy) {
            return Depth::User;
        }
    }
    let own = [Holding { holder: 0, depth: Depth::User, direct: true }];
    let holdings = if holdings.is_empty() { &own } else { holdings };
    let holders = || holdings.iter().filter_map(|it| standing.holders.get(it.holder as usize));
    if holders().any(|holder| holder.business_unit == *unit) {
        return Depth::BusinessUnit;
    }
    let below = holders().any(|holder| {
        let units = standing.subtrees.get(holder.subtree as usize);
        units.is_some_and(|units| units.binary_search(unit).is_ok())
    });
    if below { Depth::ParentChild } else { Depth::Organization }
}
