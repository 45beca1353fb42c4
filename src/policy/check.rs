//! What must hold across declared things, however they came to be declared.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    HierarchyModel, Organization, Policy, RoleId, SYSTEM_ADMINISTRATOR, SystemTable, TableFacts,
    TableName, TeamKind,
};

use super::{Fault, Mistake, Noun};

/// Columns that every record has beside the declared ones.
pub(super) const RESERVED_COLUMNS: [&str; 3] = ["id", "owner", "business_unit"];

fn mistake(
    what: Noun,
    id: &(impl ToString + ?Sized),
    key: impl Into<String>,
    fault: Fault,
) -> Mistake {
    Mistake { what, id: id.to_string(), key: key.into(), fault }
}

fn unknown(what: Noun, id: &(impl ToString + ?Sized)) -> Fault {
    Fault::Unknown { what, id: id.to_string() }
}

/// Checks that an organization is whole: one root, no cycle, and nothing named that is not there.
/// With a policy, the roles named are the policy's.
///
/// # Errors
/// The first mistake: business units first, then positions, users and teams.
pub fn check_organization(
    organization: &Organization,
    policy: Option<&Policy>,
) -> Result<(), Mistake> {
    check_units(organization)?;
    check_positions(organization)?;
    check_users(organization, policy)?;
    check_teams(organization, policy)
}

fn check_units(organization: &Organization) -> Result<(), Mistake> {
    let units = &organization.business_units;
    let mut root = None;
    for (id, unit) in units {
        match &unit.parent {
            Some(parent) if !units.contains_key(parent) => {
                let fault = unknown(Noun::BusinessUnit, parent);
                return Err(mistake(Noun::BusinessUnit, id, "parent", fault));
            }
            Some(_) => {}
            None => {
                if let Some(first) = root.replace(id) {
                    let fault = Fault::SecondRoot(first.to_string());
                    return Err(mistake(Noun::BusinessUnit, id, "parent", fault));
                }
            }
        }
    }
    if let Some((id, chain)) = cycle(units.keys(), |id| units.get(id)?.parent.as_ref()) {
        return Err(mistake(Noun::BusinessUnit, id, "parent", Fault::Cycle(chain)));
    }
    if root.is_none() {
        return Err(mistake(Noun::BusinessUnit, "", "parent", Fault::NoRoot));
    }
    Ok(())
}

fn check_positions(organization: &Organization) -> Result<(), Mistake> {
    let positions = &organization.positions;
    for (id, position) in positions {
        if let Some(parent) = &position.parent
            && !positions.contains_key(parent)
        {
            return Err(mistake(Noun::Position, id, "parent", unknown(Noun::Position, parent)));
        }
    }
    match cycle(positions.keys(), |id| positions.get(id)?.parent.as_ref()) {
        Some((id, chain)) => Err(mistake(Noun::Position, id, "parent", Fault::Cycle(chain))),
        None => Ok(()),
    }
}

fn check_users(organization: &Organization, policy: Option<&Policy>) -> Result<(), Mistake> {
    let users = &organization.users;
    for (id, user) in users {
        let wrong = |key: &str, fault| Err(mistake(Noun::User, id, key, fault));
        if !organization.business_units.contains_key(&user.business_unit) {
            let fault = unknown(Noun::BusinessUnit, &user.business_unit);
            return wrong("business_unit", fault);
        }
        if let Some(manager) = &user.manager
            && !users.contains_key(manager)
        {
            return wrong("manager", unknown(Noun::User, manager));
        }
        if let Some(position) = &user.position
            && !organization.positions.contains_key(position)
        {
            return wrong("position", unknown(Noun::Position, position));
        }
        if let Some(role) = undeclared_role(&user.roles, policy) {
            return wrong("roles", unknown(Noun::Role, role));
        }
    }
    match cycle(users.keys(), |id| users.get(id)?.manager.as_ref()) {
        Some((id, chain)) => Err(mistake(Noun::User, id, "manager", Fault::Cycle(chain))),
        None => Ok(()),
    }
}

fn check_teams(organization: &Organization, policy: Option<&Policy>) -> Result<(), Mistake> {
    for (id, team) in &organization.teams {
        let wrong = |key: &str, fault| Err(mistake(Noun::Team, id, key, fault));
        if *id == SystemTable::owner_of_units() {
            let why = "the rows of `business_unit` belong to it, and nobody is in it: choose another name";
            return wrong("id", Fault::Other(why.into()));
        }
        if let TeamKind::Owner { business_unit, roles } = &team.kind {
            if !organization.business_units.contains_key(business_unit) {
                return wrong("business_unit", unknown(Noun::BusinessUnit, business_unit));
            }
            if let Some(role) = undeclared_role(roles, policy) {
                return wrong("roles", unknown(Noun::Role, role));
            }
        }
        let absent = team.members.iter().find(|user| !organization.users.contains_key(*user));
        if let Some(user) = absent {
            return wrong("members", unknown(Noun::User, user));
        }
    }
    Ok(())
}

fn undeclared_role<'a>(roles: &'a BTreeSet<RoleId>, policy: Option<&Policy>) -> Option<&'a RoleId> {
    let policy = policy?;
    roles
        .iter()
        .find(|role| role.as_str() != SYSTEM_ADMINISTRATOR && !policy.roles.contains_key(*role))
}

/// A node on a cycle, and the cycle as text. Each node is walked once.
fn cycle<'a, T: Ord + std::fmt::Display + 'a>(
    nodes: impl Iterator<Item = &'a T>,
    up: impl Fn(&T) -> Option<&'a T>,
) -> Option<(&'a T, String)> {
    let mut done = BTreeSet::new();
    for start in nodes {
        let mut walk: Vec<&T> = Vec::new();
        let mut on_walk = BTreeSet::new();
        let mut next = Some(start);
        while let Some(node) = next {
            if on_walk.contains(node) {
                let from_node = walk.iter().skip_while(|other| **other != node);
                let mut chain: Vec<String> = from_node.map(ToString::to_string).collect();
                chain.push(node.to_string());
                return Some((node, chain.join(" > ")));
            }
            if !done.insert(node) {
                break;
            }
            on_walk.insert(node);
            walk.push(node);
            next = up(node);
        }
    }
    None
}

/// Checks that a policy fits its tables and, where it is given, the organization.
///
/// # Errors
/// The first mistake: roles first, then column security and the hierarchy.
pub fn check_policy(
    policy: &Policy,
    tables: &BTreeMap<TableName, TableFacts>,
    organization: Option<&Organization>,
) -> Result<(), Mistake> {
    for (id, role) in &policy.roles {
        if id.as_str() == SYSTEM_ADMINISTRATOR {
            return Err(mistake(Noun::Role, id, "id", Fault::Predeclared));
        }
        if let Some(table) = role.rights.keys().find(|table| !tables.contains_key(*table)) {
            let fault = unknown(Noun::Table, table);
            return Err(mistake(Noun::Role, id, format!("rights.{table}"), fault));
        }
    }
    check_column_security(policy, tables, organization)?;
    let hierarchy = &policy.hierarchy;
    if hierarchy.model != HierarchyModel::Off && hierarchy.depth == 0 {
        return Err(mistake(Noun::Hierarchy, "", "depth", Fault::NoDepth));
    }
    match hierarchy.exclude.iter().find(|table| !tables.contains_key(*table)) {
        Some(table) => Err(mistake(Noun::Hierarchy, "", "exclude", unknown(Noun::Table, table))),
        None => Ok(()),
    }
}

fn check_column_security(
    policy: &Policy,
    tables: &BTreeMap<TableName, TableFacts>,
    organization: Option<&Organization>,
) -> Result<(), Mistake> {
    for (id, security) in &policy.column_security {
        let wrong = |key: &str, fault| Err(mistake(Noun::ColumnSecurity, id, key, fault));
        if let Some(organization) = organization {
            let known = &organization.users;
            if let Some(user) = security.users.iter().find(|user| !known.contains_key(*user)) {
                return wrong("users", unknown(Noun::User, user));
            }
            let known = &organization.teams;
            if let Some(team) = security.teams.iter().find(|team| !known.contains_key(*team)) {
                return wrong("teams", unknown(Noun::Team, team));
            }
        }
        for (table, columns) in &security.columns {
            let Some(facts) = tables.get(table) else {
                let column = columns.keys().next().map_or("", |column| column.as_str());
                let fault = unknown(Noun::Table, table);
                return wrong(&format!("columns.{table}.{column}"), fault);
            };
            if let Some(column) = columns.keys().find(|column| !facts.secured.contains(*column)) {
                let key = format!("columns.{table}.{column}");
                return wrong(&key, Fault::NotSecured(format!("{table}.{column}")));
            }
        }
    }
    Ok(())
}

/// Checks what the gate knows of tables: lookups lead to tables, and nothing is secured that
/// cannot be.
///
/// # Errors
/// The first mistake, by table.
pub fn check_tables(tables: &BTreeMap<TableName, TableFacts>) -> Result<(), Mistake> {
    for (id, table) in tables {
        let dangling = table.lookups.iter().find(|(_, target)| !tables.contains_key(*target));
        if let Some((column, target)) = dangling {
            let fault = unknown(Noun::Table, target);
            return Err(mistake(Noun::Table, id, format!("lookups.{column}"), fault));
        }
        let reserved = |column: &str| RESERVED_COLUMNS.contains(&column);
        let unsecurable = table
            .secured
            .iter()
            .find(|column| reserved(column.as_str()) || table.lookups.contains_key(*column));
        if let Some(column) = unsecurable {
            let fault = Fault::NotSecurable(column.to_string());
            return Err(mistake(Noun::Table, id, "secured", fault));
        }
    }
    Ok(())
}
