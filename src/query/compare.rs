//! How values compare, each as its type says.

use std::cmp::Ordering;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use crate::model::{ColumnType, Value};

/// What has an order in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// By code points.
    Text,
    /// By size, whatever the type.
    Number,
    /// False before true.
    Boolean,
    /// A date is the first moment of its day, in UTC.
    Time,
    /// By their bytes, as ids of records.
    Id,
    /// By bytes.
    Bytes,
}

impl Kind {
    /// `None`: what such a column holds has no order.
    pub(super) fn of(column_type: ColumnType) -> Option<Self> {
        Some(match column_type {
            ColumnType::Text | ColumnType::Choice | ColumnType::RichText => Self::Text,
            ColumnType::Integer | ColumnType::Decimal | ColumnType::Float | ColumnType::Counter => {
                Self::Number
            }
            ColumnType::Boolean => Self::Boolean,
            ColumnType::Timestamp | ColumnType::Date => Self::Time,
            ColumnType::Lookup => Self::Id,
            ColumnType::Bytes => Self::Bytes,
            ColumnType::List | ColumnType::Map | ColumnType::Json => return None,
        })
    }
}

/// Two values of one kind; `None` where they are not, or one is null.
pub(super) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    if let (Some(a), Some(b)) = (text(a), text(b)) {
        return Some(a.cmp(b));
    }
    match (a, b) {
        (Value::Boolean(a), Value::Boolean(b)) => Some(a.cmp(b)),
        (Value::Lookup(a), Value::Lookup(b)) => Some(a.cmp(b)),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
        _ => match (Number::of(a), Number::of(b)) {
            (Some(a), Some(b)) => a.compare(b),
            _ => Some(millis(a)?.cmp(&millis(b)?)),
        },
    }
}

/// The text of what is one.
pub(super) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) | Value::Choice(text) => Some(text),
        Value::RichText(text) => Some(text),
        _ => None,
    }
}

pub(super) fn millis(value: &Value) -> Option<i64> {
    const DAY: i64 = 24 * 60 * 60 * 1_000;
    match value {
        Value::Timestamp(time) => Some(time.as_millis()),
        Value::Date(date) => Some(i64::from(date.as_days()) * DAY),
        _ => None,
    }
}

#[derive(Clone, Copy)]
enum Number {
    Whole(i64),
    Decimal(Decimal),
    Float(f64),
}

impl Number {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Integer(number) | Value::Counter(number) => Some(Self::Whole(*number)),
            Value::Decimal(number) => Some(Self::Decimal(*number)),
            Value::Float(number) => Some(Self::Float(*number)),
            _ => None,
        }
    }

    /// Exactly, but for a decimal and a float: these compare as floats.
    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => Some(a.cmp(&b)),
            (Self::Decimal(a), Self::Decimal(b)) => Some(a.cmp(&b)),
            (Self::Whole(a), Self::Decimal(b)) => Some(Decimal::from(a).cmp(&b)),
            (Self::Decimal(a), Self::Whole(b)) => Some(a.cmp(&Decimal::from(b))),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(&b),
            (Self::Whole(a), Self::Float(b)) => whole_and_float(a, b),
            (Self::Float(a), Self::Whole(b)) => whole_and_float(b, a).map(Ordering::reverse),
            (Self::Decimal(a), Self::Float(b)) => a.to_f64()?.partial_cmp(&b),
            (Self::Float(a), Self::Decimal(b)) => a.partial_cmp(&b.to_f64()?),
        }
    }
}

fn whole_and_float(whole: i64, float: f64) -> Option<Ordering> {
    // The first float above all whole numbers; its negative is the least of them.
    const ABOVE: f64 = 9_223_372_036_854_775_808.0;
    if float.is_nan() {
        None
    } else if float >= ABOVE {
        Some(Ordering::Less)
    } else if float < -ABOVE {
        Some(Ordering::Greater)
    } else {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole, and within the range")]
        let floor = float.floor() as i64;
        let above_floor = if float > float.floor() { Ordering::Less } else { Ordering::Equal };
        Some(whole.cmp(&floor).then(above_floor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Date, Timestamp};

    fn decimal(text: &str) -> Value {
        Value::Decimal(text.parse().unwrap())
    }

    #[test]
    fn numbers_compare_by_size_whatever_their_type() {
        let ascending = [
            Value::Float(f64::NEG_INFINITY),
            Value::Integer(i64::MIN),
            decimal("-1.5"),
            Value::Float(-1.25),
            Value::Integer(-1),
            Value::Counter(0),
            decimal("0.1"),
            Value::Float(0.5),
            Value::Integer(9_007_199_254_740_992),
            Value::Integer(9_007_199_254_740_993),
            Value::Float(9_007_199_254_740_994.0),
            Value::Integer(i64::MAX),
            Value::Float(9_223_372_036_854_775_808.0),
            Value::Float(f64::INFINITY),
        ];
        for (at, a) in ascending.iter().enumerate() {
            for (other, b) in ascending.iter().enumerate() {
                assert_eq!(compare(a, b), Some(at.cmp(&other)), "{a} and {b}");
            }
        }
        assert_eq!(compare(&decimal("2.50"), &Value::Float(2.5)), Some(Ordering::Equal));
        assert_eq!(compare(&decimal("2.0"), &Value::Integer(2)), Some(Ordering::Equal));
    }

    #[test]
    fn a_date_is_the_first_moment_of_its_day() {
        let (day, time) = (Date::from_days(2).unwrap(), |millis| {
            Value::Timestamp(Timestamp::from_millis(millis).unwrap())
        });
        assert_eq!(compare(&Value::Date(day), &time(172_800_000)), Some(Ordering::Equal));
        assert_eq!(compare(&Value::Date(day), &time(172_799_999)), Some(Ordering::Greater));
    }

    #[test]
    fn what_is_of_two_kinds_does_not_compare() {
        assert_eq!(compare(&Value::Text("1".into()), &Value::Integer(1)), None);
        assert_eq!(compare(&Value::Null, &Value::Null), None);
        assert_eq!(compare(&Value::Boolean(true), &Value::Integer(1)), None);
    }
}
