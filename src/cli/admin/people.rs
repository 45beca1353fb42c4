//! One user or one team at a time.

use clap::Subcommand;

use super::CliError;
use crate::model::{
    BusinessUnitId, DisplayName, Organization, PositionId, RoleId, Team, TeamId, TeamKind, User,
    UserId,
};

#[derive(Debug, Subcommand)]
pub(super) enum UserAction {
    /// A new user.
    Add {
        /// The user.
        user: UserId,
        /// What people call the user; default: the id.
        #[arg(long)]
        name: Option<DisplayName>,
        /// Where the user belongs.
        #[arg(long)]
        business_unit: BusinessUnitId,
        /// A role; may be given several times.
        #[arg(long)]
        role: Vec<RoleId>,
        /// Whom the user reports to.
        #[arg(long)]
        manager: Option<UserId>,
        /// The user's place in the position hierarchy.
        #[arg(long)]
        position: Option<PositionId>,
    },
    /// Change what is given; the rest stays. The user's records follow to another business unit.
    Move {
        /// The user.
        user: UserId,
        /// What people call the user from now on.
        #[arg(long)]
        name: Option<DisplayName>,
        /// Where the user belongs from now on.
        #[arg(long)]
        business_unit: Option<BusinessUnitId>,
        /// Whom the user reports to from now on.
        #[arg(long)]
        manager: Option<UserId>,
        /// The user's position from now on.
        #[arg(long)]
        position: Option<PositionId>,
        /// A role that the user gets; may be given several times.
        #[arg(long)]
        add_role: Vec<RoleId>,
        /// A role that the user loses; may be given several times.
        #[arg(long)]
        remove_role: Vec<RoleId>,
    },
    /// The user holds nothing from now on.
    Disable {
        /// The user.
        user: UserId,
    },
    /// The user holds again what the roles give.
    Enable {
        /// The user.
        user: UserId,
    },
}

impl UserAction {
    pub(super) fn apply(&self, people: &mut Organization) -> Result<(), CliError> {
        match self {
            Self::Add { user, name, business_unit, role, manager, position } => {
                let new = User {
                    name: name.clone(),
                    business_unit: business_unit.clone(),
                    manager: manager.clone(),
                    position: position.clone(),
                    roles: role.iter().cloned().collect(),
                    disabled: false,
                };
                if people.users.contains_key(user) {
                    return Err(CliError::Input(format!(
                        "user `{user}` is there already: `admin user move` changes one"
                    )));
                }
                people.users.insert(user.clone(), new);
            }
            Self::Move { user, name, business_unit, manager, position, add_role, remove_role } => {
                let held = user_of(people, user)?;
                held.name = name.clone().or_else(|| held.name.take());
                if let Some(unit) = business_unit {
                    held.business_unit = unit.clone();
                }
                held.manager = manager.clone().or_else(|| held.manager.take());
                held.position = position.clone().or_else(|| held.position.take());
                held.roles.extend(add_role.iter().cloned());
                held.roles.retain(|role| !remove_role.contains(role));
            }
            Self::Disable { user } => user_of(people, user)?.disabled = true,
            Self::Enable { user } => user_of(people, user)?.disabled = false,
        }
        Ok(())
    }
}

fn user_of<'a>(people: &'a mut Organization, user: &UserId) -> Result<&'a mut User, CliError> {
    let missing = || CliError::Input(format!("there is no user `{user}`"));
    people.users.get_mut(user).ok_or_else(missing)
}

#[derive(Debug, Subcommand)]
pub(super) enum TeamAction {
    /// A new team: one that owns records and holds roles, or, without a business unit, an access
    /// team.
    Add {
        /// The team.
        team: TeamId,
        /// What people call the team; default: the id.
        #[arg(long)]
        name: Option<DisplayName>,
        /// Where an owner team belongs.
        #[arg(long)]
        business_unit: Option<BusinessUnitId>,
        /// A role of an owner team; may be given several times.
        #[arg(long, requires = "business_unit")]
        role: Vec<RoleId>,
        /// A member; may be given several times.
        #[arg(long)]
        member: Vec<UserId>,
    },
    /// Change what is given; the rest stays.
    Change {
        /// The team.
        team: TeamId,
        /// What people call the team from now on.
        #[arg(long)]
        name: Option<DisplayName>,
        /// Who joins; may be given several times.
        #[arg(long)]
        add_member: Vec<UserId>,
        /// Who leaves; may be given several times.
        #[arg(long)]
        remove_member: Vec<UserId>,
        /// A role that an owner team gets; may be given several times.
        #[arg(long)]
        add_role: Vec<RoleId>,
        /// A role that an owner team loses; may be given several times.
        #[arg(long)]
        remove_role: Vec<RoleId>,
    },
    /// The team is no more. What it owns stays where it is, for an administrator to assign.
    Remove {
        /// The team.
        team: TeamId,
    },
}

impl TeamAction {
    pub(super) fn apply(&self, people: &mut Organization) -> Result<(), CliError> {
        let missing = |team: &TeamId| CliError::Input(format!("there is no team `{team}`"));
        match self {
            Self::Add { team, name, business_unit, role, member } => {
                if people.teams.contains_key(team) {
                    return Err(CliError::Input(format!(
                        "team `{team}` is there already: `admin team change` changes one"
                    )));
                }
                let roles = role.iter().cloned().collect();
                let kind = match business_unit.clone() {
                    Some(business_unit) => TeamKind::Owner { business_unit, roles },
                    None => TeamKind::Access,
                };
                let members = member.iter().cloned().collect();
                let name = name.clone();
                people.teams.insert(team.clone(), Team { name, kind, members });
            }
            Self::Change { team, name, add_member, remove_member, add_role, remove_role } => {
                let held = people.teams.get_mut(team).ok_or_else(|| missing(team))?;
                held.name = name.clone().or_else(|| held.name.take());
                held.members.extend(add_member.iter().cloned());
                held.members.retain(|member| !remove_member.contains(member));
                match &mut held.kind {
                    TeamKind::Owner { roles, .. } => {
                        roles.extend(add_role.iter().cloned());
                        roles.retain(|role| !remove_role.contains(role));
                    }
                    TeamKind::Access if add_role.is_empty() && remove_role.is_empty() => {}
                    TeamKind::Access => {
                        let why = format!("team `{team}` is an access team, which has no roles");
                        return Err(CliError::Input(why));
                    }
                }
            }
            Self::Remove { team } => {
                people.teams.remove(team).ok_or_else(|| missing(team))?;
            }
        }
        Ok(())
    }
}
