//! Giving a query what was open in it: its parameters, the time, and who asks.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::compare::compare;
use super::evaluate::Bound;
use super::pattern::Pattern;
use super::tree::{Comparison, Condition, Operand, Person};
use super::{BoundQuery, Field, FilterFault, Query, Reference, literal};
use crate::limits::FILTER_LIST_MAX;
use crate::model::{BusinessUnitId, Principal, Schema, TeamId, Timestamp, UserId, Value};

/// The values of `$name`s, as JSON: each is read as a value of the column that it is compared with, and
/// a list as those of `in`.
pub type Parameters = BTreeMap<String, Json>;

/// What a filter can ask beside rows: the time, and about the user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// The time of `now()`.
    pub now: Timestamp,
    /// Who asks; `None`: nobody is known yet, and `me()` is null.
    pub user: Option<UserId>,
    /// All teams of the user, of either kind.
    pub teams: BTreeSet<TeamId>,
    /// The user's business unit.
    pub business_unit: Option<BusinessUnitId>,
    /// That and all below it.
    pub business_units: BTreeSet<BusinessUnitId>,
    /// The people below the user, as far as the hierarchy reaches.
    pub reports: BTreeSet<UserId>,
}

/// Why a query cannot be given its parameters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The filter has a parameter that was given no value.
    #[error("`${0}` has no value: bind it")]
    Missing(String),
    /// A value was given that the filter has no parameter for.
    #[error("the filter has no parameter `${0}`")]
    Unknown(String),
    /// The value does not fit what it is compared with.
    #[error("`${name}`: {fault}")]
    Value {
        /// The parameter.
        name: String,
        /// What is wrong.
        fault: FilterFault,
    },
    /// A pattern of `like` that ends in its escape.
    #[error("the pattern `{0}` ends in the character that should escape the next")]
    Pattern(String),
}

impl Query {
    /// Gives the query what was open in it.
    ///
    /// # Errors
    /// A parameter has no value or one that does not fit, or the filter has no such parameter.
    pub fn bind(
        &self,
        parameters: &Parameters,
        environment: &Environment,
    ) -> Result<BoundQuery, BindError> {
        let mut binder = Binder {
            schema: &self.schema,
            parameters,
            environment,
            used: BTreeSet::new(),
            asks_time: false,
        };
        let filter = self.filter.as_ref().map(|filter| binder.condition(filter)).transpose()?;
        let filter = filter.map_or_else(Vec::new, Bound::into_parts);
        if let Some(name) = parameters.keys().find(|name| !binder.used.contains(name.as_str())) {
            return Err(BindError::Unknown(name.clone()));
        }
        let (table, sources) = (self.table.clone(), self.sources.clone());
        let (order, shown, asks_time) = (self.order.clone(), self.shown.clone(), binder.asks_time);
        Ok(BoundQuery { table, sources, filter, order, shown, asks_time })
    }
}

struct Binder<'a> {
    schema: &'a Schema,
    parameters: &'a Parameters,
    environment: &'a Environment,
    used: BTreeSet<&'a str>,
    asks_time: bool,
}

impl<'a> Binder<'a> {
    fn condition(&mut self, condition: &Condition) -> Result<Bound, BindError> {
        Ok(match condition {
            Condition::Always(truth) => Bound::Always(Some(*truth)),
            Condition::All(parts) => Bound::All(self.all(parts)?),
            Condition::Any(parts) => Bound::Any(self.all(parts)?),
            Condition::Not(part) => Bound::Not(Box::new(self.condition(part)?)),
            Condition::IsNull(column) => Bound::IsNull(column.clone()),
            Condition::Compare { column, comparison, with } => {
                self.compare(column, *comparison, with)?
            }
            Condition::CompareColumns { left, comparison, right } => Bound::CompareColumns {
                left: left.clone(),
                comparison: *comparison,
                right: right.clone(),
            },
            Condition::In { column, list } => self.in_list(column, list)?,
            Condition::Like { column, pattern, escape, folds } => match self.search(pattern)? {
                Some(pattern) => Bound::Like {
                    column: column.clone(),
                    pattern: Pattern::new(&pattern, *escape, *folds)
                        .ok_or(BindError::Pattern(pattern))?,
                },
                None => Bound::Always(None),
            },
            Condition::BeginsWith { column, start } => match self.search(start)? {
                Some(start) => Bound::BeginsWith { column: column.clone(), start },
                None => Bound::Always(None),
            },
        })
    }

    fn all(&mut self, parts: &[Condition]) -> Result<Vec<Bound>, BindError> {
        parts.iter().map(|part| self.condition(part)).collect()
    }

    fn compare(
        &mut self,
        column: &Reference,
        comparison: Comparison,
        with: &Operand,
    ) -> Result<Bound, BindError> {
        let with = match with {
            Operand::Value(value) => Some(value.clone()),
            Operand::Now { plus_millis } => Some(self.now(*plus_millis)),
            Operand::Person(person) => self.person(column, *person).into_iter().next(),
            Operand::Parameter(name) => {
                let json = self.parameter(name)?;
                self.fit(column, name, json)?
            }
        };
        // What is compared with null is unknown.
        Ok(match with {
            Some(with) => Bound::Compare { column: column.clone(), comparison, with },
            None => Bound::Always(None),
        })
    }

    fn in_list(&mut self, column: &Reference, list: &[Operand]) -> Result<Bound, BindError> {
        let (mut values, mut has_null) = (Vec::with_capacity(list.len()), false);
        for item in list {
            match item {
                Operand::Value(Value::Null) => has_null = true,
                Operand::Value(value) => values.push(value.clone()),
                Operand::Now { plus_millis } => values.push(self.now(*plus_millis)),
                Operand::Person(person) => {
                    let found = self.person(column, *person);
                    has_null |= found.is_empty() && !person.is_several();
                    values.extend(found);
                }
                Operand::Parameter(name) => {
                    let json = self.parameter(name)?;
                    let all = match json {
                        Json::Array(all) if all.len() > FILTER_LIST_MAX => {
                            let fault = FilterFault::ListTooLong(all.len());
                            return Err(BindError::Value { name: name.clone(), fault });
                        }
                        Json::Array(all) => all.as_slice(),
                        one => std::slice::from_ref(one),
                    };
                    for json in all {
                        let value = self.fit(column, name, json)?;
                        has_null |= value.is_none();
                        values.extend(value);
                    }
                }
            }
        }
        values.sort_by(|a, b| compare(a, b).unwrap_or(Ordering::Equal));
        Ok(Bound::In { column: column.clone(), list: values, has_null })
    }

    /// A text to search for; `None`: null.
    fn search(&mut self, operand: &Operand) -> Result<Option<String>, BindError> {
        match operand {
            Operand::Value(Value::Text(text)) => Ok(Some(text.to_string())),
            Operand::Parameter(name) => match self.parameter(name)? {
                Json::String(text) => Ok(Some(text.clone())),
                Json::Null => Ok(None),
                other => {
                    let fault = FilterFault::Syntax(format!("{other} is no text"));
                    Err(BindError::Value { name: name.clone(), fault })
                }
            },
            _ => Ok(None),
        }
    }

    fn parameter(&mut self, name: &str) -> Result<&'a Json, BindError> {
        let found = self.parameters.get_key_value(name);
        let (name, json) = found.ok_or_else(|| BindError::Missing(name.to_owned()))?;
        self.used.insert(name);
        Ok(json)
    }

    fn fit(&self, column: &Reference, name: &str, json: &Json) -> Result<Option<Value>, BindError> {
        let fitting = literal::of_json(self.schema, column, json);
        fitting.map_err(|fault| BindError::Value { name: name.to_owned(), fault })
    }

    fn now(&mut self, plus_millis: i64) -> Value {
        self.asks_time = true;
        Value::Timestamp(self.environment.now.plus_millis(plus_millis))
    }

    /// What is asked about the user, in the form that the column holds.
    fn person(&self, column: &Reference, person: Person) -> Vec<Value> {
        let Environment { user, teams, business_unit, business_units, reports, .. } =
            self.environment;
        let looks_up = column.column.lookup.is_some();
        let text = |id: &str| {
            if looks_up { Value::Lookup(person.table().record(id)) } else { Value::Text(id.into()) }
        };
        let principal = |it: Principal| Value::Text(it.to_string().into());
        let is_owner = column.field == Field::Owner;
        let user_text = |user: &UserId| {
            if is_owner { principal(Principal::User(user.clone())) } else { text(user.as_str()) }
        };
        let team_text = |team: &TeamId| {
            if is_owner { principal(Principal::Team(team.clone())) } else { text(team.as_str()) }
        };
        match person {
            Person::Me => user.iter().map(user_text).collect(),
            Person::Reports => reports.iter().map(user_text).collect(),
            Person::Teams => teams.iter().map(team_text).collect(),
            Person::BusinessUnit => business_unit.iter().map(|it| text(it.as_str())).collect(),
            Person::BusinessUnits => business_units.iter().map(|it| text(it.as_str())).collect(),
        }
    }
}
