//! Explanations in words, for an administrator.

use std::fmt::{self, Display, Formatter};

use super::{Explanation, Finding, Held, Remedy, Requirement, Step, Way};
use crate::gate::{Action, Judgement, RecordFacts};
use crate::model::{
    ColumnPermission, ColumnPermissions, Depth, Owner, Principal, Right, Rights, TableFacts,
};

/// What someone wants to do, as it follows "may".
pub(super) fn deed(table: &TableFacts, action: &Action<'_>, facts: &RecordFacts<'_>) -> String {
    let owned = facts.owner.filter(|_| table.is_user_owned());
    let belongs = owned.map_or_else(String::new, |(owner, unit)| {
        format!(" that belongs to {} in `{unit}`", by_name(owner))
    });
    let record = format!("a record of `{}`{belongs}", table.id);
    match *action {
        Action::Read => format!("read {record}"),
        Action::ReadColumn { column } => format!("read column `{column}` of {record}"),
        Action::Create { .. } => format!("create {record}"),
        Action::Write { .. } => format!("write {record}"),
        Action::Delete => format!("delete {record}"),
        Action::Undelete => format!("undelete {record}"),
        Action::Assign { to } => format!("assign {record} to {}", by_name(to)),
        Action::Share { to, rights } if rights.is_empty() => {
            format!("stop sharing {record} with {}", with_whom(to))
        }
        Action::Share { to, rights } => {
            format!("share {record} with {} ({})", with_whom(to), list(rights))
        }
        Action::ShareColumn { to, column, permissions } => {
            let given = permission_list(permissions);
            format!("share column `{column}` of {record} with {} ({given})", with_whom(to))
        }
        Action::Append => format!("point lookups of {record} at others (append)"),
        Action::AppendTo => format!("point lookups at {record} (append_to)"),
    }
}

fn list(rights: Rights) -> String {
    rights.iter().map(Right::as_str).collect::<Vec<_>>().join(", ")
}

fn permission_list(permissions: ColumnPermissions) -> String {
    let all = [ColumnPermission::Read, ColumnPermission::Update];
    let given = all.into_iter().filter(|it| permissions.contains(*it)).map(permission_name);
    let given = given.collect::<Vec<_>>().join(", ");
    if given.is_empty() { "nothing any more".into() } else { given }
}

fn permission_name(permission: ColumnPermission) -> &'static str {
    match permission {
        ColumnPermission::Read => "read",
        ColumnPermission::Create => "create",
        ColumnPermission::Update => "update",
    }
}

fn by_name(owner: &Owner) -> String {
    match owner {
        Owner::User(user) => user.to_string(),
        Owner::Team(team) => format!("team `{team}`"),
    }
}

fn with_whom(principal: &Principal) -> String {
    match principal {
        Principal::User(user) => user.to_string(),
        Principal::Team(team) => format!("team `{team}`"),
        Principal::Organization => "the whole organization".into(),
    }
}

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { user, deed, judgement, steps } = self;
        match judgement {
            Judgement::Allowed => write!(f, "{user} may {deed}")?,
            Judgement::Denied(denial) => write!(f, "{user} may not {deed}: {}", denial.rule)?,
            Judgement::Unknown => write!(f, "Unknown here whether {user} may {deed}")?,
        }
        steps.iter().try_for_each(|step| write!(f, "\n  {step}"))
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.requirement)?;
        match &self.finding {
            Finding::Met { way: None } => f.write_str("yes"),
            Finding::Met { way: Some(way) } => write!(f, "yes, {way}"),
            Finding::Unknown => f.write_str("unknown"),
            Finding::Broken { denial, held, nearest } => {
                write!(f, "NO ({})", denial.rule)?;
                if let Requirement::Right { right, .. } = self.requirement
                    && held.is_empty()
                {
                    write!(f, "\n      no role gives {right}")?;
                }
                held.iter().try_for_each(|held| write!(f, "\n      has: {held}"))?;
                nearest.iter().try_for_each(|it| write!(f, "\n      would do: {it}"))
            }
        }
    }
}

impl Display for Requirement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let to_give = |give: &bool| if *give { ", to give it" } else { "" };
        match self {
            Self::User => f.write_str("a known and enabled user"),
            Self::Right { right, table, lookup: None, give, .. } => {
                write!(f, "{right} on `{table}`{}", to_give(give))
            }
            Self::Right { right, table, owner, business_unit, lookup: Some(lookup), .. } => {
                write!(f, "{right} on the record of `{table}` for lookup `{lookup}`")?;
                match owner.as_ref().zip(business_unit.as_ref()) {
                    Some((owner, unit)) => write!(f, ", of {} in `{unit}`", by_name(owner)),
                    None => Ok(()),
                }
            }
            Self::Column { column, permission, give } => {
                let permission = permission_name(*permission);
                write!(f, "{permission} on secured column `{column}`{}", to_give(give))
            }
            Self::Owned => f.write_str("the record has an owner"),
            Self::BusinessUnit { owner, business_unit } => {
                write!(f, "`{business_unit}` is the business unit of {}", by_name(owner))
            }
            Self::OwnerCanRead { owner } => {
                write!(f, "{} can read what it would own", by_name(owner))
            }
        }
    }
}

impl Display for Held {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { role, holder, depth, business_unit } = self;
        match role {
            Some(role) => write!(f, "role `{role}` of {}", by_name(holder))?,
            None => write!(f, "a role of {}", by_name(holder))?,
        }
        match depth {
            Depth::None | Depth::User => f.write_str(" at depth user"),
            Depth::BusinessUnit => write!(f, " at depth business_unit, `{business_unit}`"),
            Depth::ParentChild => {
                write!(f, " at depth parent_child, `{business_unit}` and below")
            }
            Depth::Organization => f.write_str(" at depth organization"),
        }
    }
}

impl Display for Way {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Administrator { holder: None } => f.write_str("as system_administrator"),
            Self::Administrator { holder: Some(holder) } => {
                write!(f, "by role `system_administrator` of {}", by_name(holder))
            }
            Self::Ownership { held: Held { role, holder, .. }, owner } => {
                match role {
                    Some(role) => write!(f, "by role `{role}` of {}", by_name(holder))?,
                    None => write!(f, "by a role of {}", by_name(holder))?,
                }
                let owner = owner.as_ref().map_or_else(String::new, by_name);
                write!(f, ": the record belongs to {owner}")
            }
            Self::Depth { held } => write!(f, "by {held}"),
            Self::Share { to } => write!(f, "by a share with {}", with_whom(to)),
            Self::Hierarchy { below, shared, levels, chain } => {
                let whose = if *shared { "is shared with" } else { "belongs to" };
                let levels = counted(*levels, "level");
                write!(f, "by the hierarchy: it {whose} {}, {levels} below", with_whom(below))?;
                if chain.is_empty() { Ok(()) } else { write!(f, " ({})", chain.join(" < ")) }
            }
            Self::ColumnSecurity { id: Some(id) } => write!(f, "by column security `{id}`"),
            Self::ColumnSecurity { id: None } => f.write_str("by column security"),
            Self::ColumnShare { to } => write!(f, "by a share of it with {}", with_whom(to)),
        }
    }
}

fn counted(number: u32, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

impl Display for Remedy {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deepen { role, holder, right, table, had, depth } => {
                match role {
                    Some(role) => write!(f, "role `{role}` of {}", by_name(holder))?,
                    None => write!(f, "a role of {}", by_name(holder))?,
                }
                write!(f, " with {right} on `{table}` at depth {depth}")?;
                if *had > Depth::None { write!(f, " (now {had})") } else { Ok(()) }
            }
            Self::GiveRole { role, to, right, depth } => {
                write!(f, "role `{role}` for {}: {right} at depth {depth}", by_name(to))
            }
            Self::Share { to, right, by: Some(by) } => {
                write!(f, "{by} shares the record with {to}, with {right}")
            }
            Self::Share { to, right, by: None } => {
                write!(f, "a share of the record with {to}, with {right}")
            }
            Self::HierarchyDepth { depth, had, below } => {
                let who = with_whom(below);
                write!(f, "hierarchy depth {depth} (now {had}): {who} is {depth} levels below")
            }
            Self::HierarchyTable { table } => {
                write!(f, "the hierarchy, if `{table}` were not excluded from it")
            }
            Self::ColumnSecurity { id, user, column, permission } => {
                let permission = permission_name(*permission);
                match id {
                    Some(id) => write!(f, "{user} in column security `{id}`"),
                    None => write!(f, "column security with {permission} on `{column}` for {user}"),
                }
            }
            Self::ColumnShare { to, column, permission } => {
                let permission = permission_name(*permission);
                write!(f, "a share of column `{column}` with {to}, with {permission}")
            }
            Self::BusinessUnit { business_unit } => {
                write!(f, "the record in business unit `{business_unit}`")
            }
            Self::OtherOwner { owner } => write!(f, "{} as the owner", by_name(owner)),
            Self::Enable { user } => write!(f, "enabling {user}"),
        }
    }
}
