//! What a value says as another type. A column's type may change; values that were written before stay
//! as they are, and are read as the type of now.

use super::{ColumnType, Timestamp, Value};

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

impl ColumnType {
    /// Whether values of this type can be read as others: those that are one plain value each. What
    /// merges part by part has a history that another type could not go on with; a lookup names a
    /// record, and bytes say nothing by themselves.
    #[must_use]
    pub fn converts(self) -> bool {
        !self.merges() && !matches!(self, Self::Lookup | Self::Bytes)
    }
}

impl Value {
    /// The value as one of another type; `None`: it cannot be one without losing something.
    ///
    /// It is what the value's text says there, and converting it back gives the same value. So `7` is
    /// the same integer, decimal, float and text, `7.5` is no integer, and `07` is one in no text. A
    /// date is the first moment of its day in UTC.
    #[must_use]
    pub fn converted(&self, to: ColumnType) -> Option<Self> {
        let from = self.column_type()?;
        if from == to {
            return Some(self.clone());
        }
        if !from.converts() || !to.converts() {
            return None;
        }
        let there = self.said_as(to)?;
        (there.said_as(from)? == *self).then_some(there)
    }

    fn said_as(&self, to: ColumnType) -> Option<Self> {
        let is_text = matches!(to, ColumnType::Text | ColumnType::Choice);
        match (self, to) {
            (Self::Date(date), ColumnType::Timestamp) => {
                Some(Self::Timestamp(Timestamp::from_millis(i64::from(date.as_days()) * DAY)?))
            }
            (Self::Timestamp(time), ColumnType::Date) => {
                let days = i32::try_from(time.as_millis().div_euclid(DAY)).ok()?;
                Some(Self::Date(super::Date::from_days(days)?))
            }
            // 5.00 is the integer 5, and the text that it is.
            (Self::Decimal(number), _) if !is_text => {
                Self::of_text(to, &number.normalize().to_string())
            }
            _ => Self::of_text(to, &self.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ColumnType::{
        Boolean, Bytes, Choice, Counter, Date, Decimal, Float, Integer, List, Lookup, RichText,
        Text, Timestamp as Time,
    };

    fn value(column_type: ColumnType, text: &str) -> Value {
        Value::of_text(column_type, text).unwrap()
    }

    #[test]
    fn what_says_the_same_converts_and_back() {
        for (from, text, to, said) in [
            (Integer, "-7", Decimal, "-7"),
            (Integer, "7", Float, "7"),
            (Integer, "7", Text, "7"),
            (Integer, "7", Choice, "7"),
            (Integer, "9007199254740992", Float, "9007199254740992"),
            (Decimal, "7.50", Float, "7.5"),
            (Decimal, "7.00", Integer, "7"),
            (Decimal, "7.50", Text, "7.50"),
            (Float, "0.1", Decimal, "0.1"),
            (Float, "100000000000000000000", Decimal, "100000000000000000000"),
            (Boolean, "true", Text, "true"),
            (Date, "2026-11-20", Time, "2026-11-20T00:00:00Z"),
            (Date, "1969-01-29", Text, "1969-01-29"),
            (Time, "1969-01-29T00:00:00Z", Date, "1969-01-29"),
            (Text, "open", Choice, "open"),
            (Choice, "open", Text, "open"),
            (Choice, "3", Integer, "3"),
            (Text, "2026-11-20", Date, "2026-11-20"),
        ] {
            let (before, after) = (value(from, text), value(to, said));
            assert_eq!(before.converted(to), Some(after.clone()), "{from} {text} to {to}");
            assert_eq!(after.converted(from), Some(before), "{to} {said} to {from}");
        }
    }

    #[test]
    fn what_would_lose_something_does_not_convert() {
        for (from, text, to) in [
            (Decimal, "7.5", Integer),
            (Integer, "9007199254740993", Float),
            (Decimal, "0.1234567890123456789012345", Float),
            (Float, "1e300", Decimal),
            (Float, "inf", Integer),
            (Text, "07", Integer),
            (Text, "7.50", Float),
            (Text, " 7", Integer),
            (Text, "1", Boolean),
            (Text, "yes", Boolean),
            (Integer, "1", Boolean),
            (Time, "2026-11-20T00:00:01Z", Date),
            (Text, "2026-11-20T00:00:00+00:00", Time),
            (Integer, "5", Date),
            (Text, "5", Counter),
            (Counter, "5", Integer),
            (RichText, "a", Text),
            (Text, "a", RichText),
            (List, "[1]", Text),
            (Bytes, "AAH/", Text),
            (Lookup, "9aadcb0d-36cf-483f-84d8-585c2d4ec6e9", Text),
            (Text, "9aadcb0d-36cf-483f-84d8-585c2d4ec6e9", Lookup),
        ] {
            assert_eq!(value(from, text).converted(to), None, "{from} {text} to {to}");
        }
        assert_eq!(Value::Null.converted(Text), None);
    }
}
