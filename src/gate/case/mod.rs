//! Cases: what `tidegate gate check` judges, one JSON object a line. Section 6 of
//! `docs/privileges.md` gives their form.

mod raw;
mod record;
mod structure;

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::model::{ColumnName, Denial, Rule, TableFacts, TableName, UserId};

use self::raw::{Object, RawCase};
use self::structure::Case;
use super::{Action, Judgement, Roster, Standing, judge, judge_columns};

/// Users whose standing is kept at a time. When there are more, all are forgotten: a bound that
/// costs nothing where the cases are about fewer.
const STANDINGS_MAX: usize = 4_096;

/// Judges cases.
#[derive(Debug)]
pub struct CaseJudge {
    roster: Roster,
    tables: BTreeMap<TableName, TableFacts>,
    standings: BTreeMap<UserId, Result<Standing, Denial>>,
}

/// The answer to a case. It serializes as the answer's JSON object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// `{"allowed":true}`
    Allowed,
    /// `{"allowed":false,"rule":R}`
    Denied {
        /// The first rule broken.
        denial: Box<Denial>,
        /// For a `write` whose row rights hold: the columns denied, in the order given.
        columns: Option<Vec<ColumnName>>,
    },
}

impl Answer {
    /// The rule broken; `None` where the case is allowed.
    #[must_use]
    pub fn rule(&self) -> Option<Rule> {
        match self {
            Self::Allowed => None,
            Self::Denied { denial, .. } => Some(denial.rule),
        }
    }

    fn denied(denial: Denial) -> Self {
        Self::Denied { denial: Box::new(denial), columns: None }
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Allowed => map.serialize_entry("allowed", &true)?,
            Self::Denied { denial, columns } => {
                map.serialize_entry("allowed", &false)?;
                map.serialize_entry("rule", &denial.rule)?;
                if let Some(columns) = columns {
                    map.serialize_entry("denied_columns", columns)?;
                }
            }
        }
        map.end()
    }
}

impl CaseJudge {
    /// A judge by these people, privileges and tables.
    #[must_use]
    pub fn new(roster: Roster, tables: BTreeMap<TableName, TableFacts>) -> Self {
        Self { roster, tables, standings: BTreeMap::new() }
    }

    /// Judges one line. What is wrong with its structure is an answer, [`Rule::Malformed`].
    pub fn answer(&mut self, line: &[u8]) -> Answer {
        let malformed = |why: &str| Answer::denied(Denial::malformed(why));
        let raw: RawCase<'_> = match serde_json::from_slice(line) {
            Ok(Object(raw)) => raw,
            Err(error) => return malformed(&error.to_string()),
        };
        let Self { roster, tables, standings } = self;
        let case = match Case::read(&raw, tables, roster.organization()) {
            Ok(case) => case,
            Err(why) => return malformed(why),
        };
        let Some((user, _)) = roster.organization().users.get_key_value(&*raw.user) else {
            return Answer::denied(Denial::of(Rule::UnknownUser));
        };
        if standings.len() >= STANDINGS_MAX && !standings.contains_key(user) {
            standings.clear();
        }
        let standing = match standings.get(user) {
            Some(standing) => standing,
            None => standings.entry(user.clone()).or_insert(Standing::resolve(roster, user)),
        };
        match standing {
            Err(denial) => Answer::denied(denial.clone()),
            Ok(standing) => case.with_action(|action| judged(standing, roster, &case, action)),
        }
    }
}

fn judged(standing: &Standing, roster: &Roster, case: &Case<'_>, action: &Action<'_>) -> Answer {
    let facts = case.record.facts();
    let denial = match judge(standing, roster, case.table, action, &facts) {
        // A roster knows everyone, and a case gives every record, so nothing is unknown here.
        Judgement::Allowed | Judgement::Unknown => return Answer::Allowed,
        Judgement::Denied(denial) => denial,
    };
    // Columns come last, so where one is denied the row's rights hold.
    let columns = match *action {
        Action::Write { columns, .. } if denial.rule == Rule::NoColumnPermission => {
            let judged = judge_columns(standing, roster, case.table, columns, &[], &facts);
            Some(judged.denied.into_iter().map(|(column, _)| column).collect())
        }
        _ => None,
    };
    Answer::Denied { denial: Box::new(denial), columns }
}
