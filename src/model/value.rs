//! Values of columns.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::time::TimeRangeError;
use super::{RecordId, Timestamp};

/// A calendar date: days since 1970-01-01.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(try_from = "i32", into = "i32")]
pub struct Date(i32);

impl TryFrom<i32> for Date {
    type Error = TimeRangeError;
    fn try_from(days: i32) -> Result<Self, TimeRangeError> {
        Self::from_days(days).ok_or(TimeRangeError(days.into()))
    }
}

impl From<Date> for i32 {
    fn from(date: Date) -> i32 {
        date.0
    }
}

impl Date {
    /// The date so many days after 1970-01-01; `None` outside the years -9999 to 9999.
    #[must_use]
    pub fn from_days(days: i32) -> Option<Self> {
        (-4_371_587..=2_932_896).contains(&days).then_some(Self(days))
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub fn as_days(self) -> i32 {
        self.0
    }
}

impl From<jiff::civil::Date> for Date {
    fn from(date: jiff::civil::Date) -> Self {
        Self((date - jiff::civil::date(1970, 1, 1)).get_days())
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use jiff::ToSpan as _;
        match jiff::civil::date(1970, 1, 1).checked_add(self.0.days()) {
            Ok(date) => date.fmt(f),
            Err(_) => write!(f, "{} days", self.0),
        }
    }
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Unicode text; the last write wins.
    Text,
    /// A 64-bit signed integer.
    Integer,
    /// A decimal number of up to 28 digits, exact.
    Decimal,
    /// A 64-bit float (no NaN).
    Float,
    /// True or false.
    Boolean,
    /// A moment, to the millisecond.
    Timestamp,
    /// A calendar date.
    Date,
    /// One of the texts that the column declares.
    Choice,
    /// The id of a record of the table that the column declares.
    Lookup,
}

impl ColumnType {
    /// The name used in schemas.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Float => "float",
            Self::Boolean => "boolean",
            Self::Timestamp => "timestamp",
            Self::Date => "date",
            Self::Choice => "choice",
            Self::Lookup => "lookup",
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A value of a column. [`Value::Null`] is a value like the others: "set to nothing".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// See [`ColumnType::Text`].
    Text(String),
    /// See [`ColumnType::Integer`].
    Integer(i64),
    /// See [`ColumnType::Decimal`].
    Decimal(#[serde(with = "decimal_parts")] Decimal),
    /// See [`ColumnType::Float`].
    Float(f64),
    /// See [`ColumnType::Boolean`].
    Boolean(bool),
    /// See [`ColumnType::Timestamp`].
    Timestamp(Timestamp),
    /// See [`ColumnType::Date`].
    Date(Date),
    /// See [`ColumnType::Choice`].
    Choice(String),
    /// See [`ColumnType::Lookup`].
    Lookup(RecordId),
}

impl Value {
    /// The type of column that holds such a value; `None` for null, which fits all.
    #[must_use]
    pub fn column_type(&self) -> Option<ColumnType> {
        Some(match self {
            Self::Null => return None,
            Self::Text(_) => ColumnType::Text,
            Self::Integer(_) => ColumnType::Integer,
            Self::Decimal(_) => ColumnType::Decimal,
            Self::Float(_) => ColumnType::Float,
            Self::Boolean(_) => ColumnType::Boolean,
            Self::Timestamp(_) => ColumnType::Timestamp,
            Self::Date(_) => ColumnType::Date,
            Self::Choice(_) => ColumnType::Choice,
            Self::Lookup(_) => ColumnType::Lookup,
        })
    }

    /// Whether this is [`Value::Null`].
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// The text that a cell of a CSV file holds for the value; null is the empty text.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Text(text) | Self::Choice(text) => f.write_str(text),
            Self::Integer(number) => number.fmt(f),
            Self::Decimal(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Boolean(truth) => truth.fmt(f),
            Self::Timestamp(time) => time.fmt(f),
            Self::Date(date) => date.fmt(f),
            Self::Lookup(id) => id.fmt(f),
        }
    }
}

/// A decimal as its digits and how many of them follow the point.
mod decimal_parts {
    use rust_decimal::Decimal;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub(super) fn serialize<S: Serializer>(number: &Decimal, to: S) -> Result<S::Ok, S::Error> {
        (number.mantissa(), number.scale()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Decimal, D::Error> {
        let (digits, scale) = <(i128, u32)>::deserialize(from)?;
        Decimal::try_from_i128_with_scale(digits, scale).map_err(de::Error::custom)
    }
}
