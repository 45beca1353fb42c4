//! Why the judge says what it says: every requirement of an edit, with the way that let the user
//! in, or with the nearest things that would.
//!
//! There are no rules in here. The judge is followed from requirement to requirement; what it found
//! is written down; and the nearest things are found by asking its access check again, with one
//! thing changed at a time.

mod guide;
mod nearest;
mod recorder;
mod text;

use serde::Serialize;

use crate::model::{
    BusinessUnitId, ColumnName, ColumnPermission, ColumnSecurityId, Denial, Depth, Owner,
    Principal, Right, RoleId, Rule, TableFacts, TableName, UserId,
};

use self::guide::Guide;
use self::recorder::Recorder;
use super::judge::follow;
use super::{Action, Directory, Judgement, RecordFacts, Roster, Standing};

/// A judgment with its reasons. Its text is for an administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Who wants to do something.
    pub user: String,
    /// What the user wants to do, in words.
    pub deed: String,
    /// What the judge says.
    pub judgement: Judgement,
    /// All that is required, in the order in which it is asked: also what comes after the first
    /// broken requirement, which is the one that the judge names.
    pub steps: Vec<Step>,
}

/// One requirement, and what it comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What is required.
    #[serde(flatten)]
    pub requirement: Requirement,
    /// What it comes to.
    #[serde(flatten)]
    pub finding: Finding,
}

/// What is required of an edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "needs", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Requirement {
    /// The user is there and not disabled.
    User,
    /// A right on a record.
    Right {
        /// Which right.
        right: Right,
        /// The record's table.
        table: TableName,
        /// The record's owner, where it has one.
        #[serde(skip_serializing_if = "Option::is_none")]
        owner: Option<Owner>,
        /// The record's business unit, where it has one.
        #[serde(skip_serializing_if = "Option::is_none")]
        business_unit: Option<BusinessUnitId>,
        /// The lookup that is to point at the record, or away from it, where it is for that.
        #[serde(skip_serializing_if = "Option::is_none")]
        lookup: Option<ColumnName>,
        /// Whether it is to be given to another.
        give: bool,
    },
    /// A permission for a secured column.
    Column {
        /// Which column.
        column: ColumnName,
        /// Which permission.
        permission: ColumnPermission,
        /// Whether it is to be given to another.
        give: bool,
    },
    /// The record has an owner.
    Owned,
    /// The record's business unit is its owner's.
    BusinessUnit {
        /// The owner.
        owner: Owner,
        /// The record's business unit.
        business_unit: BusinessUnitId,
    },
    /// The owner to be can read the record.
    OwnerCanRead {
        /// The owner to be.
        owner: Owner,
    },
}

/// What a requirement comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "found", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finding {
    /// It is met.
    Met {
        /// What let the user in, where the requirement is about that.
        way: Option<Way>,
    },
    /// This judge lacks what it would have to know.
    Unknown,
    /// It is not met.
    Broken {
        /// The denial.
        denial: Denial,
        /// What the user holds of the right that was asked for.
        held: Vec<Held>,
        /// What would have met it: each of these alone, the nearest first.
        nearest: Vec<Remedy>,
    },
}

/// What one holder's role gives of a right on a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The role. A device does not know the names of roles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleId>,
    /// The user, or the owner team whose role it is.
    pub holder: Owner,
    /// How deep it reaches.
    pub depth: Depth,
    /// What the depth is measured from.
    pub business_unit: BusinessUnitId,
}

/// What let the user in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "way", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Way {
    /// The role `system_administrator`.
    Administrator {
        /// Who has it, where the judge knows.
        holder: Option<Owner>,
    },
    /// The record belongs to the user or an owner team of the user's, and a role gives the right.
    Ownership {
        /// What gives the right.
        held: Held,
        /// To whom the record belongs.
        owner: Option<Owner>,
    },
    /// A role reaches as deep as the record.
    Depth {
        /// What gives the right.
        held: Held,
    },
    /// The record is shared.
    Share {
        /// With whom: the user, a team of the user's, or everyone.
        to: Principal,
    },
    /// The record counts for someone below the user.
    Hierarchy {
        /// Who owns it, or with whom it is shared: the person, or a team of the person's.
        below: Principal,
        /// Whether it is shared with them; else they own it.
        shared: bool,
        /// How many levels below.
        levels: u32,
        /// From the person (or the person's position) up to the user (or the user's position).
        chain: Vec<String>,
    },
    /// Column security names the user or a team of the user's.
    ColumnSecurity {
        /// Which, where the judge knows.
        id: Option<ColumnSecurityId>,
    },
    /// A share of the column.
    ColumnShare {
        /// With whom.
        to: Principal,
    },
}

/// What would have met a requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "would_do", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Remedy {
    /// The role gives the right this deep.
    Deepen {
        /// A role that the holder has; `None`: a new one, or one that the judge cannot name.
        role: Option<RoleId>,
        /// The user, or an owner team of the user's.
        holder: Owner,
        /// The right.
        right: Right,
        /// On which table.
        table: TableName,
        /// How deep it is now.
        had: Depth,
        /// How deep it would have to be.
        depth: Depth,
    },
    /// Someone has a role more.
    GiveRole {
        /// Which.
        role: RoleId,
        /// Who.
        to: Owner,
        /// The right that it gives.
        right: Right,
        /// How deep it gives it.
        depth: Depth,
    },
    /// The record is shared with the user.
    Share {
        /// With whom.
        to: UserId,
        /// With this right, beside those that the user has.
        right: Right,
        /// Someone who could do that, where the judge knows one.
        by: Option<UserId>,
    },
    /// The hierarchy reaches deeper.
    HierarchyDepth {
        /// How deep it would have to reach.
        depth: u32,
        /// How deep it reaches.
        had: u32,
        /// For whom the record counts.
        below: Principal,
    },
    /// The hierarchy counts on this table, which is excluded.
    HierarchyTable {
        /// The table.
        table: TableName,
    },
    /// Column security names the user.
    ColumnSecurity {
        /// One that is there and gives the permission; `None`: a new one, or one that the judge
        /// cannot name.
        id: Option<ColumnSecurityId>,
        /// Who.
        user: UserId,
        /// The column.
        column: ColumnName,
        /// The permission.
        permission: ColumnPermission,
    },
    /// The column is shared with the user.
    ColumnShare {
        /// With whom.
        to: UserId,
        /// The column.
        column: ColumnName,
        /// The permission.
        permission: ColumnPermission,
    },
    /// The record has this business unit, which is its owner's.
    BusinessUnit {
        /// The owner's business unit.
        business_unit: BusinessUnitId,
    },
    /// The record belongs to another.
    OtherOwner {
        /// To whom.
        owner: Owner,
    },
    /// The user is not disabled.
    Enable {
        /// Who.
        user: UserId,
    },
}

/// Explains a judgment by the same inputs as [`judge`](super::judge()), without the names that only
/// policy and organization know: what a device can tell.
#[must_use]
pub fn explain(
    standing: &Standing,
    directory: &dyn Directory,
    table: &TableFacts,
    action: &Action<'_>,
    facts: &RecordFacts<'_>,
) -> Explanation {
    Explanation::new(&Guide { standing, directory, roster: None }, table, action, facts)
}

/// Explains the server's judgment: with the names of roles, the chains of managers, and what would
/// have to be different.
#[must_use]
pub fn explain_in_full(
    roster: &Roster,
    user: &UserId,
    table: &TableFacts,
    action: &Action<'_>,
    facts: &RecordFacts<'_>,
) -> Explanation {
    match Standing::resolve(roster, user) {
        Ok(standing) => Explanation::of(roster, &standing, table, action, facts),
        Err(denial) => Explanation::of_nobody(user.as_str(), table, action, facts, denial),
    }
}

impl Explanation {
    /// Of a user whose standing is known.
    pub(super) fn of(
        roster: &Roster,
        standing: &Standing,
        table: &TableFacts,
        action: &Action<'_>,
        facts: &RecordFacts<'_>,
    ) -> Self {
        Self::new(
            &Guide { standing, directory: roster, roster: Some(roster) },
            table,
            action,
            facts,
        )
    }

    fn new(
        guide: &Guide<'_>,
        table: &TableFacts,
        action: &Action<'_>,
        facts: &RecordFacts<'_>,
    ) -> Self {
        let mut recorder = Recorder { guide, table, facts, steps: Vec::new() };
        follow(guide.standing, guide.directory, table, action, facts, &mut recorder);
        let steps = recorder.steps;
        let judgement = judgement(&steps);
        let user = guide.standing.user().to_string();
        Self { user, deed: text::deed(table, action, facts), judgement, steps }
    }

    /// Of a user who has no standing.
    pub(super) fn of_nobody(
        user: &str,
        table: &TableFacts,
        action: &Action<'_>,
        facts: &RecordFacts<'_>,
        denial: Denial,
    ) -> Self {
        let known = UserId::new(user).ok().filter(|_| denial.rule == Rule::DisabledUser);
        let nearest = known.into_iter().map(|user| Remedy::Enable { user }).collect();
        let finding = Finding::Broken { denial: denial.clone(), held: Vec::new(), nearest };
        Self {
            user: user.to_owned(),
            deed: text::deed(table, action, facts),
            judgement: Judgement::Denied(denial),
            steps: vec![Step { requirement: Requirement::User, finding }],
        }
    }

    /// The requirements that this judge could not tell anything of.
    pub fn unknown(&self) -> impl Iterator<Item = &Requirement> {
        let unknown = self.steps.iter().filter(|step| step.finding == Finding::Unknown);
        unknown.map(|step| &step.requirement)
    }
}

/// The first broken requirement is the judge's answer.
fn judgement(steps: &[Step]) -> Judgement {
    let broken = steps.iter().find_map(|step| match &step.finding {
        Finding::Broken { denial, .. } => Some(denial.clone()),
        Finding::Met { .. } | Finding::Unknown => None,
    });
    match broken {
        Some(denial) => Judgement::Denied(denial),
        None if steps.iter().any(|step| step.finding == Finding::Unknown) => Judgement::Unknown,
        None => Judgement::Allowed,
    }
}
