//! Literals and parameters as values of the column that they are compared with.

use rust_decimal::Decimal;

use super::compare::Kind;
use super::{Field, FilterFault, Reference};
use crate::model::{CellError, ColumnType, Owner, Schema, Value};

/// A text, read as what the column holds.
pub(super) fn of_text(
    schema: &Schema,
    column: &Reference,
    text: &str,
) -> Result<Value, FilterFault> {
    let declared = &column.column;
    match Kind::of(declared.column_type) {
        None => Err(not_compared(column)),
        Some(Kind::Number) => {
            Err(FilterFault::NoNumber { column: column.name(), text: text.to_owned() })
        }
        Some(Kind::Text) if column.field == Field::Owner => match text.parse::<Owner>() {
            Ok(owner) => Ok(Value::Text(owner.to_string().into())),
            Err(_) => Err(FilterFault::NoOwner(text.to_owned())),
        },
        Some(Kind::Text) if declared.column_type == ColumnType::Choice => {
            let choice = Value::Choice(text.into());
            declared.accepts(&choice).map_err(CellError::from)?;
            Ok(choice)
        }
        Some(Kind::Text) => Ok(Value::Text(text.into())),
        Some(Kind::Bytes) if text.is_empty() => Ok(Value::Bytes(Vec::new())),
        // Elsewhere the empty text stands for null.
        Some(Kind::Boolean | Kind::Time | Kind::Id | Kind::Bytes) if text.is_empty() => {
            Err(FilterFault::Null)
        }
        Some(Kind::Time) => match declared.parse(schema, text) {
            Ok(value) => Ok(value),
            Err(error) => other_time(column, text).ok_or(error.into()),
        },
        Some(Kind::Boolean | Kind::Id | Kind::Bytes) => Ok(declared.parse(schema, text)?),
    }
}

/// A date for a timestamp, and the other way round: they compare.
fn other_time(column: &Reference, text: &str) -> Option<Value> {
    let column_type = match column.column_type() {
        ColumnType::Date => ColumnType::Timestamp,
        _ => ColumnType::Date,
    };
    time(column_type, text)
}

/// A text as a date or timestamp.
pub(super) fn time(column_type: ColumnType, text: &str) -> Option<Value> {
    match column_type {
        ColumnType::Date => Some(Value::Date(text.parse::<jiff::civil::Date>().ok()?.into())),
        ColumnType::Timestamp => {
            let time: jiff::Timestamp = text.parse().ok()?;
            crate::model::Timestamp::from_millis(time.as_millisecond()).map(Value::Timestamp)
        }
        _ => None,
    }
}

/// A number in digits, exact where the column is.
pub(super) fn of_number(
    schema: &Schema,
    column: &Reference,
    digits: &str,
) -> Result<Value, FilterFault> {
    let range = || FilterFault::NumberRange(digits.to_owned());
    match (Kind::of(column.column_type()), column.column_type()) {
        (None, _) => Err(not_compared(column)),
        (Some(Kind::Number), ColumnType::Float) => {
            let float = digits.parse().ok().filter(|number: &f64| number.is_finite());
            float.map(Value::Float).ok_or_else(range)
        }
        (Some(Kind::Number), _) => {
            if let Ok(whole) = digits.parse() {
                return Ok(Value::Integer(whole));
            }
            let exact = Decimal::from_str_exact(digits).or(Decimal::from_scientific(digits));
            exact.map(Value::Decimal).map_err(|_| range())
        }
        // The key of the record that is looked up.
        (Some(Kind::Id), _) => Ok(column.column.parse(schema, digits)?),
        (Some(Kind::Time), _) => {
            Err(incomparable(column, "a number: a time is a text, as '2026-11-20T09:30:00Z'"))
        }
        (Some(_), _) => Err(incomparable(column, "a number")),
    }
}

/// A parameter's value. `None`: it is null.
pub(super) fn of_json(
    schema: &Schema,
    column: &Reference,
    json: &serde_json::Value,
) -> Result<Option<Value>, FilterFault> {
    use serde_json::Value as Json;
    Ok(Some(match json {
        Json::Null => return Ok(None),
        Json::Bool(truth) => of_boolean(column, *truth)?,
        Json::Number(number) => of_number(schema, column, &number.to_string())?,
        // Decimals are texts in JSON.
        Json::String(text) if Kind::of(column.column_type()) == Some(Kind::Number) => {
            let is_number = text.starts_with(|it: char| it.is_ascii_digit() || it == '-');
            if !is_number {
                return Err(FilterFault::NoNumber { column: column.name(), text: text.clone() });
            }
            of_number(schema, column, text)?
        }
        Json::String(text) => of_text(schema, column, text)?,
        Json::Array(_) => return Err(incomparable(column, "a list: say `in`")),
        Json::Object(_) => return Err(incomparable(column, "an object")),
    }))
}

pub(super) fn of_boolean(column: &Reference, truth: bool) -> Result<Value, FilterFault> {
    if column.column_type() == ColumnType::Boolean {
        Ok(Value::Boolean(truth))
    } else {
        Err(incomparable(column, if truth { "true" } else { "false" }))
    }
}

pub(super) fn not_compared(column: &Reference) -> FilterFault {
    FilterFault::NotCompared { column: column.name(), column_type: column.column_type() }
}

pub(super) fn incomparable(column: &Reference, other: impl Into<String>) -> FilterFault {
    let (name, column_type) = (column.name(), column.column_type());
    FilterFault::Incomparable { column: name, column_type, other: other.into() }
}
