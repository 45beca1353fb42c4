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
#[derive(Debug, Clone, Copy)]
pub(super) enum Access<'a> {
    Granted(WayIn<'a>),
    NoPrivilege,
    OutOfDepth,
}

impl Access<'_> {
    pub(super) fn is_granted(&self) -> bool {
        matches!(self, Self::Granted(_))
    }
}

/// What let the user in: the first way found, as evidence.
#[derive(Debug, Clone, Copy)]
pub(super) enum WayIn<'a> {
    Administrator,
    /// Way 1.
    Ownership(Holding),
    /// Way 2.
    Depth(Holding),
    /// Way 3.
    Share(&'a Principal),
    /// Way 4: the record belongs to this person or team so many levels below.
    BelowOwns(&'a Owner, u32),
    /// Way 4: the record is shared with this person or team so many levels below.
    BelowHasShare(&'a Principal, u32),
}

/// Whether the user may read a record of `table`: what a scan asks for each.
#[must_use]
pub fn can_read(standing: &Standing, table: &TableName, facts: &RecordFacts<'_>) -> bool {
    access(standing, table, Right::Read, facts, Ways::All).is_granted()
}

/// Whether the user has `right` on a record that is there, by any of the four ways.
#[must_use]
pub fn has_right(
    standing: &Standing,
    table: &TableName,
    right: Right,
    facts: &RecordFacts<'_>,
) -> bool {
    access(standing, table, right, facts, Ways::All).is_granted()
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
pub(super) fn access<'a>(
    standing: &Standing,
    table: &TableName,
    right: Right,
    facts: &RecordFacts<'a>,
    ways: Ways,
) -> Access<'a> {
    if standing.administrator {
        return Access::Granted(WayIn::Administrator);
    }
    let Some(known) = standing.tables.get(table) else { return Access::NoPrivilege };
    let holdings = known.holdings(right);
    if holdings.is_empty() {
        return Access::NoPrivilege;
    }
    way_in(standing, known, right, holdings, facts, ways)
        .map_or(Access::OutOfDepth, Access::Granted)
}

/// The access check, for one who has these holdings of `right`, of which there is at least one.
fn way_in<'a>(
    standing: &Standing,
    known: &TableStanding,
    right: Right,
    holdings: &[Holding],
    facts: &RecordFacts<'a>,
    ways: Ways,
) -> Option<WayIn<'a>> {
    by_holdings(standing, holdings, facts).or_else(|| {
        if ways == Ways::New || facts.owner.is_none() {
            return None;
        }
        by_share(standing, right, facts.shares)
            .or_else(|| by_hierarchy(standing, known, right, facts))
    })
}

/// Ways 1 and 2.
fn by_holdings<'a>(
    standing: &Standing,
    holdings: &[Holding],
    facts: &RecordFacts<'a>,
) -> Option<WayIn<'a>> {
    let Some((owner, unit)) = facts.owner else {
        let found = holdings.iter().find(|holding| holding.depth == Depth::Organization);
        return found.copied().map(WayIn::Depth);
    };
    let own = standing.stands_for(owner);
    holdings.iter().find_map(|holding| {
        if own && holding.direct {
            return Some(WayIn::Ownership(*holding));
        }
        if holding.depth == Depth::Organization {
            return Some(WayIn::Depth(*holding));
        }
        let holder = standing.holders.get(holding.holder as usize)?;
        // For a team's `team_only` role; for the user itself it says nothing new.
        if own && holder.owner == *owner {
            return Some(WayIn::Ownership(*holding));
        }
        let in_depth = match holding.depth {
            Depth::BusinessUnit => holder.business_unit == *unit,
            Depth::ParentChild => standing
                .subtrees
                .get(holder.subtree as usize)
                .is_some_and(|units| units.binary_search(unit).is_ok()),
            Depth::None | Depth::User | Depth::Organization => false,
        };
        in_depth.then_some(WayIn::Depth(*holding))
    })
}

/// Way 3.
fn by_share<'a>(
    standing: &Standing,
    right: Right,
    shares: &'a BTreeMap<Principal, Rights>,
) -> Option<WayIn<'a>> {
    let mut given = shares.iter().filter(|(_, rights)| rights.contains(right));
    given.find(|(to, _)| receives(standing, to)).map(|(to, _)| WayIn::Share(to))
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
fn by_hierarchy<'a>(
    standing: &Standing,
    table: &TableStanding,
    right: Right,
    facts: &RecordFacts<'a>,
) -> Option<WayIn<'a>> {
    let in_reach = |level: u32| match right {
        Right::Read => true,
        Right::Write | Right::Append | Right::AppendTo => level == 1,
        Right::Create | Right::Delete | Right::Assign | Right::Share => false,
    };
    // Whoever comes here for `read` has a holding for it.
    let may_read = right == Right::Read || !table.holdings(Right::Read).is_empty();
    if standing.people_below.is_empty() || !table.hierarchy || !may_read || !in_reach(1) {
        return None;
    }
    let user_below = |user| standing.people_below.get(user).copied().filter(|it| in_reach(*it));
    let team_below = |team| standing.teams_below.get(team).copied().filter(|it| in_reach(*it));
    let owned = facts.owner.and_then(|(owner, _)| {
        let level = match owner {
            Owner::User(user) => user_below(user),
            Owner::Team(team) => team_below(team),
        };
        level.map(|level| WayIn::BelowOwns(owner, level))
    });
    let shared = |(to, rights): (&'a Principal, &Rights)| {
        let level = match to {
            Principal::User(user) => user_below(user),
            Principal::Team(team) => team_below(team),
            Principal::Organization => None,
        };
        level.filter(|_| rights.contains(right)).map(|level| WayIn::BelowHasShare(to, level))
    };
    owned.or_else(|| facts.shares.iter().find_map(shared))
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

/// The denial by `rule`, which the access check gave for this right.
pub(super) fn denial(
    rule: Rule,
    standing: &Standing,
    table: &TableName,
    right: Right,
    facts: &RecordFacts<'_>,
    ways: Ways,
) -> Denial {
    Denial {
        right: Some(right),
        table: Some(table.clone()),
        needed: Some(needed(standing, table, right, facts, ways)),
        ..Denial::of(rule)
    }
}

/// The nearest depth that would have sufficed for one of the holders of the right, or for the
/// user where nobody holds it: the access check is asked again with deeper holdings.
fn needed(
    standing: &Standing,
    table: &TableName,
    right: Right,
    facts: &RecordFacts<'_>,
    ways: Ways,
) -> Depth {
    let nothing = TableStanding::default();
    let known = standing.tables.get(table).unwrap_or(&nothing);
    let own = [Holding { holder: 0, depth: Depth::None, direct: true }];
    let holdings = if known.holdings(right).is_empty() { &own } else { known.holdings(right) };
    let suffices = |depth: &Depth| {
        holdings.iter().any(|holding| {
            let deeper = [Holding { depth: holding.depth.max(*depth), ..*holding }];
            way_in(standing, known, right, &deeper, facts, ways).is_some()
        })
    };
    let depths = [Depth::User, Depth::BusinessUnit, Depth::ParentChild];
    depths.into_iter().find(suffices).unwrap_or(Depth::Organization)
}
