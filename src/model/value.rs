//! Values of columns.

use std::collections::BTreeMap;
use std::fmt;

use rust_decimal::Decimal;
use serde::de::{EnumAccess, Error as _, VariantAccess as _, Visitor};
use serde::{Deserialize, Serialize};

use super::time::TimeRangeError;
use super::{Json, RecordId, Text, Timestamp};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// Some bytes; the last write wins.
    Bytes,
    /// A text that several people can write at once: edits say where they put or take what, and
    /// merge. Positions count Unicode scalar values.
    RichText,
    /// A whole number of which concurrent increments add up.
    Counter,
    /// A list of plain values ([`Value::is_item`]); concurrent edits of it merge.
    List,
    /// Plain values by text; concurrent edits of different keys merge.
    Map,
    /// Any JSON value; concurrent edits of different entries of its objects merge.
    Json,
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
            Self::Bytes => "bytes",
            Self::RichText => "rich_text",
            Self::Counter => "counter",
            Self::List => "list",
            Self::Map => "map",
            Self::Json => "json",
        }
    }

    /// Whether edits of such a column say what they do to its value, and merge, where those of
    /// others replace it.
    #[must_use]
    pub fn merges(self) -> bool {
        matches!(self, Self::RichText | Self::Counter | Self::List | Self::Map | Self::Json)
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
    Text(Text),
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
    Choice(Text),
    /// See [`ColumnType::Lookup`].
    Lookup(RecordId),
    /// See [`ColumnType::Bytes`].
    Bytes(Vec<u8>),
    /// See [`ColumnType::RichText`].
    RichText(String),
    /// See [`ColumnType::Counter`].
    Counter(i64),
    /// See [`ColumnType::List`].
    List(#[serde(deserialize_with = "item::list")] Vec<Value>),
    /// See [`ColumnType::Map`].
    Map(#[serde(deserialize_with = "item::map")] BTreeMap<String, Value>),
    /// See [`ColumnType::Json`].
    Json(Json),
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
            Self::Bytes(_) => ColumnType::Bytes,
            Self::RichText(_) => ColumnType::RichText,
            Self::Counter(_) => ColumnType::Counter,
            Self::List(_) => ColumnType::List,
            Self::Map(_) => ColumnType::Map,
            Self::Json(_) => ColumnType::Json,
        })
    }

    /// Whether this is [`Value::Null`].
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether a list or map can hold it: null, texts, numbers, booleans, times and bytes. What a
    /// column declares more about (choices, lookups) and what merges by itself is none.
    #[must_use]
    pub fn is_item(&self) -> bool {
        match self {
            Self::Float(number) => !number.is_nan(),
            Self::Null
            | Self::Text(_)
            | Self::Integer(_)
            | Self::Decimal(_)
            | Self::Boolean(_)
            | Self::Timestamp(_)
            | Self::Date(_)
            | Self::Bytes(_) => true,
            Self::Choice(_)
            | Self::Lookup(_)
            | Self::RichText(_)
            | Self::Counter(_)
            | Self::List(_)
            | Self::Map(_)
            | Self::Json(_) => false,
        }
    }

    /// What it takes in memory and on the wire, roughly.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Text(text) | Self::Choice(text) => 16 + text.len(),
            Self::RichText(text) => 16 + text.len(),
            Self::Bytes(bytes) => 16 + bytes.len(),
            Self::List(items) => 16 + items.iter().map(Self::size).sum::<usize>(),
            Self::Map(entries) => {
                16 + entries.iter().map(|(key, value)| key.len() + value.size()).sum::<usize>()
            }
            Self::Json(json) => 16 + json.size(),
            _ => 16,
        }
    }
}

/// The text that a cell of a CSV file holds for the value; null is the empty text.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Text(text) | Self::Choice(text) => f.write_str(text),
            Self::RichText(text) => f.write_str(text),
            Self::Integer(number) | Self::Counter(number) => number.fmt(f),
            Self::Decimal(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Boolean(truth) => truth.fmt(f),
            Self::Timestamp(time) => time.fmt(f),
            Self::Date(date) => date.fmt(f),
            Self::Lookup(id) => id.fmt(f),
            Self::Bytes(bytes) => f.write_str(&data_encoding::BASE64.encode(bytes)),
            Self::List(_) | Self::Map(_) => self.to_json().fmt(f),
            Self::Json(json) => json.fmt(f),
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

/// A [`Value`] that was read past, in a format that is not self-describing: nothing is made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_enum("Value", &[], SkippedVisitor)
    }
}

struct SkippedVisitor;

impl<'de> Visitor<'de> for SkippedVisitor {
    type Value = Skipped;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Skipped, A::Error> {
        // The variants of `Value`, in its order.
        let (variant, content) = data.variant::<u32>()?;
        match variant {
            0 => content.unit_variant(),
            // Nobody reads these: that they are texts is not looked at.
            1 | 8 | 10 | 11 => content.newtype_variant::<&[u8]>().map(drop),
            2 | 12 => content.newtype_variant::<i64>().map(drop),
            3 => content.newtype_variant::<(i128, u32)>().map(drop),
            4 => content.newtype_variant::<f64>().map(drop),
            5 => content.newtype_variant::<bool>().map(drop),
            6 => content.newtype_variant::<Timestamp>().map(drop),
            7 => content.newtype_variant::<Date>().map(drop),
            9 => content.newtype_variant::<RecordId>().map(drop),
            13 => content.newtype_variant::<item::Items>().map(drop),
            14 => content.newtype_variant::<item::Entries>().map(drop),
            15 => content.newtype_variant::<Json>().map(drop),
            _ => Err(A::Error::custom("no value is of this kind")),
        }?;
        Ok(Skipped)
    }
}

/// Reads what a list or map holds: never another list or map, so that no bytes, whatever their
/// length, make a reader call itself again and again.
mod item {
    use std::collections::BTreeMap;

    use rust_decimal::Decimal;
    use serde::{Deserialize, Deserializer};

    use super::{Date, Text, Timestamp, Value};
    use crate::model::RecordId;

    /// The first variants of [`Value`], in its order.
    #[derive(Deserialize)]
    #[serde(rename = "Value")]
    pub(super) enum Item {
        Null,
        Text(Text),
        Integer(i64),
        Decimal(#[serde(with = "super::decimal_parts")] Decimal),
        Float(f64),
        Boolean(bool),
        Timestamp(Timestamp),
        Date(Date),
        Choice(Text),
        Lookup(RecordId),
        Bytes(Vec<u8>),
    }

    impl From<Item> for Value {
        fn from(item: Item) -> Self {
            match item {
                Item::Null => Self::Null,
                Item::Text(text) => Self::Text(text),
                Item::Integer(number) => Self::Integer(number),
                Item::Decimal(number) => Self::Decimal(number),
                Item::Float(number) => Self::Float(number),
                Item::Boolean(truth) => Self::Boolean(truth),
                Item::Timestamp(time) => Self::Timestamp(time),
                Item::Date(date) => Self::Date(date),
                Item::Choice(choice) => Self::Choice(choice),
                Item::Lookup(id) => Self::Lookup(id),
                Item::Bytes(bytes) => Self::Bytes(bytes),
            }
        }
    }

    /// What a list holds.
    pub(super) type Items = Vec<Item>;
    /// What a map holds.
    pub(super) type Entries = BTreeMap<String, Item>;

    pub(super) fn list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Value>, D::Error> {
        Ok(Items::deserialize(from)?.into_iter().map(Value::from).collect())
    }

    pub(super) fn map<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<String, Value>, D::Error> {
        let entries = Entries::deserialize(from)?;
        Ok(entries.into_iter().map(|(key, item)| (key, item.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_skipped_to_its_end() {
        let values = [
            Value::Null,
            Value::Text("a text that has no room in place".into()),
            Value::Integer(-300),
            Value::Decimal("-12.50".parse().unwrap()),
            Value::Float(0.5),
            Value::Boolean(true),
            Value::Timestamp(Timestamp::from_millis(-5).unwrap()),
            Value::Date(Date::from_days(20_000).unwrap()),
            Value::Choice("open".into()),
            Value::Lookup(RecordId::from_bytes([9; 16])),
            Value::Bytes(vec![0, 255]),
            Value::RichText("é".into()),
            Value::Counter(7),
            Value::List(vec![Value::Null, Value::Integer(1)]),
            Value::Map([("a".to_owned(), Value::Text("b".into()))].into()),
            Value::Json(Json::new(&serde_json::json!({ "a": [1, null] })).unwrap()),
        ];
        for value in values {
            let bytes = [postcard::to_stdvec(&value).unwrap(), vec![7]].concat();
            let (_, rest) = postcard::take_from_bytes::<Skipped>(&bytes).unwrap();
            assert_eq!(rest, [7], "{value:?}");
        }
        assert!(postcard::take_from_bytes::<Skipped>(&[16]).is_err());
    }
}
