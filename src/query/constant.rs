//! What is no column: literals, parameters, the time, and what is asked about the user.

use sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, Interval, Spanned as _, UnaryOperator,
    Value as Literal, ValueWithSpan,
};
use sqlparser::tokenizer::Span;

use super::check::{Filter, arguments, is_named, unsupported};
use super::compare::Kind;
use super::tree::{Operand, Person};
use super::{Field, FilterError, FilterFault, Reference, interval, literal};
use crate::model::{ColumnType, SystemTable, Value};

/// What is no column: a literal has its type from what it is compared with.
pub(super) enum Constant {
    Text(String),
    Number(String),
    Boolean(bool),
    Time(Value),
    Null,
    Open(Operand),
}

impl Filter<'_, '_> {
    /// Reads it, without knowing what it is compared with.
    pub(super) fn constant(&mut self, expr: &Expr) -> Result<Constant, FilterError> {
        match expr {
            Expr::Nested(inner) => self.constant(inner),
            Expr::Value(ValueWithSpan { value, .. }) => match value {
                Literal::SingleQuotedString(text) => Ok(Constant::Text(text.clone())),
                Literal::Number(digits, _) => Ok(Constant::Number(digits.clone())),
                Literal::Boolean(truth) => Ok(Constant::Boolean(*truth)),
                Literal::Null => Ok(Constant::Null),
                Literal::Placeholder(name) => {
                    let name = name.trim_start_matches('$').to_owned();
                    Ok(Constant::Open(Operand::Parameter(name)))
                }
                _ => Err(unsupported(self.text, expr)),
            },
            Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } => match inner.as_ref() {
                Expr::Value(ValueWithSpan { value: Literal::Number(digits, _), .. }) => {
                    Ok(Constant::Number(format!("-{digits}")))
                }
                _ => Err(unsupported(self.text, expr)),
            },
            Expr::TypedString(typed) => {
                let column_type = match typed.data_type {
                    DataType::Date => ColumnType::Date,
                    DataType::Timestamp(..) => ColumnType::Timestamp,
                    _ => return Err(unsupported(self.text, expr)),
                };
                let time = match &typed.value.value {
                    Literal::SingleQuotedString(text) => literal::time(column_type, text),
                    _ => None,
                };
                let wrong = || FilterFault::Syntax(format!("{expr} is no {column_type}"));
                time.map(Constant::Time).ok_or_else(|| self.error(expr.span(), wrong()))
            }
            Expr::BinaryOp { op: BinaryOperator::Plus | BinaryOperator::Minus, .. } => {
                self.moment(expr).map(|now| Constant::Open(Operand::Now { plus_millis: now }))
            }
            Expr::Function(function) => self.function(function, expr).map(Constant::Open),
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
                self.need_column(expr)?;
                Err(self.error(expr.span(), FilterFault::NoValue))
            }
            other => Err(unsupported(self.text, other)),
        }
    }

    fn function(&mut self, function: &Function, expr: &Expr) -> Result<Operand, FilterError> {
        let person = Person::ALL.into_iter().find(|it| is_named(function, it.function()));
        let name = match person {
            Some(person) => person.function(),
            None if is_named(function, "now") => "now",
            None => {
                let name = function.name.to_string();
                return Err(self.error(expr.span(), FilterFault::NoSuchFunction(name)));
            }
        };
        if arguments::<0>(function).is_none() {
            let fault = FilterFault::Arguments { function: name, takes: "nothing" };
            return Err(self.error(expr.span(), fault));
        }
        Ok(person.map_or(Operand::Now { plus_millis: 0 }, Operand::Person))
    }

    /// How many milliseconds after now() something is.
    fn moment(&mut self, expr: &Expr) -> Result<i64, FilterError> {
        let (mut all, mut rest) = (0_i64, expr);
        loop {
            match rest {
                Expr::Nested(inner) => rest = inner,
                Expr::BinaryOp { left, op, right } => {
                    let Expr::Interval(interval) = right.as_ref() else {
                        return Err(unsupported(self.text, rest));
                    };
                    let millis = self.interval(interval, right)?;
                    let sum = match op {
                        BinaryOperator::Plus => all.checked_add(millis),
                        BinaryOperator::Minus => all.checked_sub(millis),
                        _ => return Err(unsupported(self.text, rest)),
                    };
                    let range = || FilterFault::Interval(interval.value.to_string());
                    all = sum.ok_or_else(|| self.error(right.span(), range()))?;
                    rest = left;
                }
                Expr::Function(function) if is_named(function, "now") => {
                    self.function(function, rest)?;
                    return Ok(all);
                }
                other => return Err(self.error(other.span(), FilterFault::IntervalElsewhere)),
            }
        }
    }

    fn interval(&self, interval: &Interval, expr: &Expr) -> Result<i64, FilterError> {
        let number = match interval.value.as_ref() {
            Expr::Value(ValueWithSpan {
                value: Literal::SingleQuotedString(text) | Literal::Number(text, _),
                ..
            }) => text,
            other => return Err(unsupported(self.text, other)),
        };
        let unit = interval.leading_field.as_ref().map(|unit| format!(" {unit}"));
        let text = format!("{number}{}", unit.unwrap_or_default());
        let is_plain = interval.last_field.is_none() && interval.leading_precision.is_none();
        let millis = interval::millis(&text).filter(|_| is_plain);
        millis.ok_or_else(|| self.error(expr.span(), FilterFault::Interval(text)))
    }

    /// The constant as a value of what the column holds.
    pub(super) fn fit(
        &self,
        column: &Reference,
        constant: Constant,
        span: Span,
    ) -> Result<Operand, FilterError> {
        if let Constant::Open(Operand::Person(person)) = constant
            && person.is_several()
        {
            return Err(self.error(span, FilterFault::SeveralValues(person.function())));
        }
        self.fit_any(column, constant, span)
    }

    /// As [`Self::fit`], where several values do as well.
    pub(super) fn fit_any(
        &self,
        column: &Reference,
        constant: Constant,
        span: Span,
    ) -> Result<Operand, FilterError> {
        let schema = self.resolver.schema();
        let kind = Kind::of(column.column_type());
        let fitting = match constant {
            _ if kind.is_none() => Err(literal::not_compared(column)),
            Constant::Text(text) => literal::of_text(schema, column, &text).map(Operand::Value),
            Constant::Number(digits) => {
                literal::of_number(schema, column, &digits).map(Operand::Value)
            }
            Constant::Boolean(truth) => literal::of_boolean(column, truth).map(Operand::Value),
            Constant::Time(time) if kind == Some(Kind::Time) => Ok(Operand::Value(time)),
            Constant::Time(_) => Err(literal::incomparable(column, "a date or time")),
            Constant::Null => Err(FilterFault::Null),
            Constant::Open(Operand::Now { .. }) if kind != Some(Kind::Time) => {
                Err(literal::incomparable(column, "now()"))
            }
            Constant::Open(Operand::Person(person)) if !names(column, person) => {
                Err(literal::incomparable(column, format!("{}()", person.function())))
            }
            Constant::Open(open) => Ok(open),
        };
        fitting.map_err(|fault| self.error(span, fault))
    }
}

/// Whether a column can hold what is asked about the user: people own records, texts name anyone, and
/// lookups lead to their rows.
fn names(column: &Reference, person: Person) -> bool {
    let table = person.table();
    match &column.field {
        Field::Owner => table != SystemTable::BusinessUnit,
        Field::BusinessUnit => table == SystemTable::BusinessUnit,
        Field::Id | Field::Column(_) => {
            let looks_up = column.column.lookup.as_ref().and_then(SystemTable::of);
            column.column_type() == ColumnType::Text || looks_up == Some(table)
        }
    }
}
