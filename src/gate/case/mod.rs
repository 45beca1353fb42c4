//! Cases: what `tidegate gate check` judges, one JSON object a line. Section 6 of
//! `docs/privileges.md` gives their form.

mod raw;
mod record;
mod structure;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

use crate::model::{ColumnName, Denial, Rule, TableFacts, TableName, UserId};

use self::raw::{Object, RawCase};
use self::structure::Case;
use super::{
    Action, Explanation, Finding, Judgement, Requirement, Roster, Standing, Step, judge,
    judge_columns,
};

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
        let answer = self.open(line, |roster, _, standing, case| match standing {
            Ok(standing) => case.with_action(|action| judged(standing, roster, case, action)),
            Err(denial) => Answer::denied(denial.clone()),
        });
        answer.unwrap_or_else(Answer::denied)
    }

    /// Judges one line and says why; the answer is that of [`Self::answer`].
    pub fn explain(&mut self, line: &[u8]) -> CaseExplanation {
        let explained = self.open(line, |roster, user, standing, case| {
            case.with_action(|action| {
                let facts = case.record.facts();
                let explanation = match standing {
                    Ok(standing) => Explanation::of(roster, standing, case.table, action, &facts),
                    Err(denial) => {
                        Explanation::of_nobody(user, case.table, action, &facts, denial.clone())
                    }
                };
                let answer = answer_of(&explanation, matches!(action, Action::Write { .. }));
                CaseExplanation { answer, explanation: Some(explanation) }
            })
        });
        explained.unwrap_or_else(|denial| CaseExplanation {
            answer: Answer::denied(denial),
            explanation: None,
        })
    }

    /// Reads a line and finds its user. The error is what is wrong with its structure.
    fn open<T>(
        &mut self,
        line: &[u8],
        then: impl FnOnce(&Roster, &str, Result<&Standing, &Denial>, &Case<'_>) -> T,
    ) -> Result<T, Denial> {
        let Object(raw): Object<RawCase<'_>> =
            serde_json::from_slice(line).map_err(|error| Denial::malformed(error.to_string()))?;
        let Self { roster, tables, standings } = self;
        let case = Case::read(&raw, tables, roster.organization()).map_err(Denial::malformed)?;
        let Some((user, _)) = roster.organization().users.get_key_value(&*raw.user) else {
            let nobody = Denial::of(Rule::UnknownUser);
            return Ok(then(roster, &raw.user, Err(&nobody), &case));
        };
        if standings.len() >= STANDINGS_MAX && !standings.contains_key(user) {
            standings.clear();
        }
        let standing = match standings.get(user) {
            Some(standing) => standing,
            None => standings.entry(user.clone()).or_insert(Standing::resolve(roster, user)),
        };
        Ok(then(roster, &raw.user, standing.as_ref(), &case))
    }
}

/// A case's answer, and why; it serializes as the answer's JSON object with `steps` beside, and its
/// text is for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseExplanation {
    /// The answer.
    pub answer: Answer,
    /// Why; `None` where the case is malformed.
    pub explanation: Option<Explanation>,
}

impl Serialize for CaseExplanation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Flat<'a> {
            #[serde(flatten)]
            answer: &'a Answer,
            #[serde(skip_serializing_if = "Option::is_none")]
            detail: Option<&'a str>,
            steps: &'a [Step],
        }
        let detail = match &self.answer {
            Answer::Allowed => None,
            Answer::Denied { denial, .. } => denial.detail.as_deref(),
        };
        let steps = self.explanation.as_ref().map_or(&[][..], |it| &it.steps);
        Flat { answer: &self.answer, detail, steps }.serialize(serializer)
    }
}

impl fmt::Display for CaseExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.explanation, &self.answer) {
            (Some(explanation), _) => explanation.fmt(f),
            (None, Answer::Denied { denial, .. }) => write!(f, "Not a case: {denial}"),
            (None, Answer::Allowed) => Ok(()),
        }
    }
}

/// The answer that the steps amount to.
fn answer_of(explanation: &Explanation, is_write: bool) -> Answer {
    let denial = match &explanation.judgement {
        Judgement::Allowed | Judgement::Unknown => return Answer::Allowed,
        Judgement::Denied(denial) => Box::new(denial.clone()),
    };
    let denied =
        explanation.steps.iter().filter_map(|step| match (&step.requirement, &step.finding) {
            (Requirement::Column { column, .. }, Finding::Broken { .. }) => Some(column.clone()),
            _ => None,
        });
    let by_column = is_write && denial.rule == Rule::NoColumnPermission;
    Answer::Denied { columns: by_column.then(|| denied.collect()), denial }
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
