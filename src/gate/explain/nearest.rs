//! What would have met a broken requirement: one thing is changed at a time, and the access check is
//! asked again.

use std::collections::BTreeMap;

use super::guide::roles_of;
use super::{Guide, Remedy};
use crate::gate::access::{WayIn, Ways, access, column_permissions};
use crate::gate::requirement::AskedRight;
use crate::gate::standing::Holding;
use crate::gate::{Action, Knowledge, RecordFacts, Standing, Target, judge};
use crate::model::{
    ColumnName, ColumnPermission, ColumnPermissions, Depth, Hierarchy, HierarchyModel, Inheritance,
    Owner, Ownership, Principal, Right, Rights, Role, RoleId, TableFacts, TableName, UserId,
};

const DEPTHS: [Depth; 4] =
    [Depth::User, Depth::BusinessUnit, Depth::ParentChild, Depth::Organization];

/// The question that was answered with no, to be asked again.
struct Question<'a> {
    right: Right,
    table: &'a TableName,
    facts: RecordFacts<'a>,
    ways: Ways,
}

impl Question<'_> {
    /// The way in with these privileges instead.
    fn again(&self, standing: &Standing) -> Option<WayIn<'_>> {
        match access(standing, self.table, self.right, &self.facts, self.ways) {
            crate::gate::access::Access::Granted(way) => Some(way),
            _ => None,
        }
    }
}

/// A role that could be deeper, or a new one.
struct Candidate<'a> {
    role: Option<&'a RoleId>,
    had: Depth,
    /// Which of the standing's holders has it.
    holder: u32,
    direct: bool,
}

impl Guide<'_> {
    /// For a right on a record, the nearest first.
    pub(super) fn nearest_right(&self, asked: &AskedRight<'_>) -> Vec<Remedy> {
        let Target::Record(facts) = asked.record else { return Vec::new() };
        let &AskedRight { right, table, ways, .. } = asked;
        let question = Question { right, table, facts, ways };
        let (deeper, given) = (self.deeper(&question), self.given(&question));
        if self.holdings(table, right).is_empty() {
            // To give someone a role is less than to change what all who have one may do.
            return given.into_iter().chain(deeper).collect();
        }
        let share = self.share(&question);
        let hierarchy = self.hierarchy(&question);
        [deeper, share, hierarchy, given].into_iter().flatten().collect()
    }

    /// A role of the user's, or of a team's, with the right at the nearest depth that suffices.
    fn deeper(&self, question: &Question<'_>) -> Option<Remedy> {
        let mut candidates = self.candidates(question);
        if candidates.is_empty() {
            candidates.push(Candidate { role: None, had: Depth::None, holder: 0, direct: true });
        }
        let suffices = |depth: Depth, candidate: &Candidate<'_>| {
            let &Candidate { holder, direct, .. } = candidate;
            let holding = Holding { holder, depth, direct };
            candidate.had < depth
                && question
                    .again(&self.with(question.table, &[(question.right, holding)]))
                    .is_some()
        };
        // The deepest first: it has to change least.
        candidates.sort_by_key(|it| (std::cmp::Reverse(it.had), it.holder, it.role));
        let (depth, found) = DEPTHS.into_iter().find_map(|depth| {
            let found = candidates.iter().find(|it| suffices(depth, it))?;
            Some((depth, found))
        })?;
        Some(Remedy::Deepen {
            role: found.role.cloned(),
            holder: self.standing.holders.get(found.holder as usize)?.owner.clone(),
            right: question.right,
            table: question.table.clone(),
            had: found.had,
            depth,
        })
    }

    /// The roles that say something about the table; on a device, holdings without names.
    fn candidates<'b>(&'b self, question: &Question<'_>) -> Vec<Candidate<'b>> {
        let Question { table, right, .. } = *question;
        let Some(roster) = self.roster else {
            let nameless = self.holdings(table, right).iter().map(|holding| {
                let &Holding { holder, depth: had, direct } = holding;
                Candidate { role: None, had, holder, direct }
            });
            return nameless.collect();
        };
        let mut candidates = Vec::new();
        for (holder, of) in (0..).zip(&self.standing.holders) {
            let is_user = matches!(of.owner, Owner::User(_));
            for id in roles_of(roster.organization(), &of.owner) {
                let Some((role, it)) = roster.policy().roles.get_key_value(id) else { continue };
                let direct = is_user || it.inheritance == Inheritance::Direct;
                let had = it.depth(table, right);
                if Right::ALL.iter().any(|right| it.depth(table, *right) > Depth::None) {
                    candidates.push(Candidate { role: Some(role), had, holder, direct });
                }
            }
        }
        candidates
    }

    /// The smallest role that the user lacks and that suffices.
    fn given(&self, question: &Question<'_>) -> Option<Remedy> {
        let roster = self.roster?;
        let user = Owner::User(self.standing.user().clone());
        let suffices = |role: &Role| {
            let rights = role.rights.get(question.table).into_iter().flatten();
            let rights = rights.filter(|(_, depth)| **depth > Depth::None);
            let held: Vec<_> = rights
                .map(|(&right, &depth)| (right, Holding { holder: 0, depth, direct: true }))
                .collect();
            question.again(&self.with(question.table, &held)).is_some()
        };
        let roles = roster.policy().roles.iter().filter(|(id, role)| {
            roles_of(roster.organization(), &user).all(|held| held != *id) && suffices(role)
        });
        let size = |role: &Role| role.rights.values().map(BTreeMap::len).sum::<usize>();
        let depth = |role: &Role| role.depth(question.table, question.right);
        let (id, role) = roles.min_by_key(|(id, role)| (depth(role), size(role), *id))?;
        let (right, depth) = (question.right, depth(role));
        Some(Remedy::GiveRole { role: id.clone(), to: user, right, depth })
    }

    /// The user's privileges with these holdings beside.
    fn with(&self, table: &TableName, held: &[(Right, Holding)]) -> Standing {
        let mut standing = self.standing.clone();
        let entry = standing.tables.entry(table.clone()).or_default();
        for (right, holding) in held {
            entry.add(*right, *holding);
        }
        if let Some(roster) = self.roster {
            entry.hierarchy = !roster.policy().hierarchy.exclude.contains(table);
        }
        standing
    }

    /// A share with the user, on top of what the user has already.
    fn share(&self, question: &Question<'_>) -> Option<Remedy> {
        let to = self.standing.user().clone();
        let principal = Principal::User(to.clone());
        let mut shares = question.facts.shares.clone();
        let rights = shares.entry(principal.clone()).or_default();
        *rights = rights.with(question.right);
        let rights = *rights;
        let facts = RecordFacts { shares: &shares, ..question.facts };
        Question { facts, ..*question }.again(self.standing)?;
        let by = self.sharer(question, &principal, rights);
        Some(Remedy::Share { to, right: question.right, by })
    }

    /// The owner, or a member of the team that owns the record, who could share it.
    fn sharer(&self, question: &Question<'_>, to: &Principal, rights: Rights) -> Option<UserId> {
        let roster = self.roster?;
        let (owner, _) = question.facts.owner?;
        let owners: Vec<&UserId> = match owner {
            Owner::User(user) => vec![user],
            Owner::Team(team) => roster.organization().teams.get(team)?.members.iter().collect(),
        };
        // Of the table, shares depend on nothing but that its records are owned.
        let table = TableFacts {
            id: question.table.clone(),
            ownership: Ownership::UserOwned,
            secured: std::collections::BTreeSet::new(),
            lookups: BTreeMap::new(),
        };
        let can_share = |user: &&UserId| {
            let action = Action::Share { to, rights };
            Standing::resolve(roster, user).is_ok_and(|standing| {
                judge(&standing, roster, &table, &action, &question.facts).is_allowed()
            })
        };
        owners.into_iter().filter(|user| *user != self.standing.user()).find(can_share).cloned()
    }

    /// A hierarchy that reaches deeper, or counts on the table.
    fn hierarchy(&self, question: &Question<'_>) -> Option<Remedy> {
        let roster = self.roster?;
        let hierarchy = &roster.policy().hierarchy;
        if hierarchy.model == HierarchyModel::Off {
            return None;
        }
        let table = question.table;
        if hierarchy.exclude.contains(table) {
            let mut standing = self.standing.clone();
            standing.tables.entry(table.clone()).or_default().hierarchy = true;
            question.again(&standing)?;
            return Some(Remedy::HierarchyTable { table: table.clone() });
        }
        let mut standing = self.standing.clone();
        standing.add_people_below(roster, &Hierarchy { depth: u32::MAX, ..hierarchy.clone() });
        let (below, depth) = match question.again(&standing)? {
            WayIn::BelowOwns(owner, level) => (Principal::from(owner.clone()), level),
            WayIn::BelowHasShare(to, level) => (to.clone(), level),
            _ => return None,
        };
        Some(Remedy::HierarchyDepth { depth, had: hierarchy.depth, below })
    }

    /// For a permission for a secured column.
    pub(super) fn nearest_column(
        &self,
        table: &TableName,
        column: &ColumnName,
        permission: ColumnPermission,
        facts: &RecordFacts<'_>,
    ) -> Vec<Remedy> {
        let user = self.standing.user().clone();
        let known = self.roster.and_then(|roster| {
            let mut all = roster.policy().column_security.iter();
            let found = all.find(|(_, security)| {
                let given = security.columns.get(table).and_then(|columns| columns.get(column));
                given.is_some_and(|given| given.contains(permission))
            });
            found.map(|(id, _)| id.clone())
        });
        let (column, permission) = (column.clone(), permission);
        let secure = Remedy::ColumnSecurity {
            id: known,
            user: user.clone(),
            column: column.clone(),
            permission,
        };
        let to = Principal::User(user.clone());
        let shares = [((column.clone(), to), ColumnPermissions::ALL)].into();
        let facts = facts.with_column_shares(&shares);
        let by_share = column_permissions(self.standing, table, &column, &facts);
        let share = Remedy::ColumnShare { to: user, column, permission };
        let share = Some(share).filter(|_| by_share.contains(permission));
        [Some(secure), share].into_iter().flatten().collect()
    }

    /// For a record that is in another unit than its owner.
    pub(super) fn nearest_unit(&self, owner: &Owner) -> Vec<Remedy> {
        match self.directory.business_unit(owner) {
            Knowledge::Known(unit) => vec![Remedy::BusinessUnit { business_unit: unit.clone() }],
            Knowledge::Absent | Knowledge::Unknown => Vec::new(),
        }
    }

    /// For an owner to be who could not read the record.
    pub(super) fn nearest_owner(&self, table: &TableName, owner: &Owner) -> Vec<Remedy> {
        let user = Owner::User(self.standing.user().clone());
        let can_read = self.directory.owner_can_read(&user, table) == Knowledge::Known(true);
        let other = Some(Remedy::OtherOwner { owner: user.clone() });
        let other = other.filter(|_| can_read && user != *owner);
        let able = self.roster.and_then(|roster| {
            let person = match owner {
                Owner::User(user) => roster.organization().users.get(user),
                Owner::Team(_) => None,
            };
            if person.is_none_or(|person| !person.disabled) {
                return Some(self.reader(table, owner));
            }
            let Owner::User(user) = owner else { return None };
            let enabled = roster.gives_read(user, table);
            enabled.then(|| Remedy::Enable { user: user.clone() })
        });
        able.into_iter().chain(other).collect()
    }

    /// A role for one who has none that gives `read`.
    fn reader(&self, table: &TableName, owner: &Owner) -> Remedy {
        let depth = |role: &Role| role.depth(table, Right::Read);
        let size = |role: &Role| role.rights.values().map(BTreeMap::len).sum::<usize>();
        let roles = self.roster.into_iter().flat_map(|roster| &roster.policy().roles);
        let reading = roles.filter(|(_, role)| depth(role) > Depth::None);
        let nearest = reading.min_by_key(|(id, role)| (depth(role), size(role), *id));
        let (to, right) = (owner.clone(), Right::Read);
        match nearest {
            Some((id, role)) => {
                Remedy::GiveRole { role: id.clone(), to, right, depth: depth(role) }
            }
            None => Remedy::Deepen {
                role: None,
                holder: to,
                right,
                table: table.clone(),
                had: Depth::None,
                depth: Depth::User,
            },
        }
    }
}
