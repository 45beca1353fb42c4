//! Values as bytes whose order is that of the values, so that an index finds rows by where they lie.
//!
//! Of two keys of one index neither begins with the other, but if they are equal: each value says
//! where it ends.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::compare::{millis, text};
use super::row::Cell;
use crate::model::{ColumnType, Value};

// What a value begins with. Hidden comes first, then null, then values.
pub(super) const HIDDEN: u8 = 0;
pub(super) const NULL: u8 = 1;
/// The first of all values.
pub(super) const VALUE: u8 = 2;
const TEXT: u8 = 2;
const NUMBER: u8 = 3;
const FLOAT: u8 = 4;
const BOOLEAN: u8 = 5;
const TIME: u8 = 6;
const ID: u8 = 7;
const BYTES: u8 = 8;
/// What no filter compares with anything.
const OTHER: u8 = 9;
/// Behind all values.
pub(super) const END: u8 = 10;

/// Adds what a column holds to a key.
pub(super) fn write_cell(cell: &Cell<'_>, column_type: ColumnType, to: &mut Vec<u8>) {
    match cell {
        Cell::Hidden => to.push(HIDDEN),
        Cell::Known(value) if value.is_null() => to.push(NULL),
        Cell::Known(value) => {
            if write_value(value, column_type, to).is_none() {
                to.push(OTHER);
            }
        }
    }
}

/// Adds a value to a key. `None`, and nothing is added: such a column holds nothing that it could be
/// equal to, or that comes next to it.
pub(super) fn write_value(value: &Value, column_type: ColumnType, to: &mut Vec<u8>) -> Option<()> {
    if let Some(text) = text(value) {
        to.push(TEXT);
        write_escaped(text.as_bytes(), to);
        to.extend([0, 0]);
        return Some(());
    }
    match value {
        Value::Boolean(truth) => to.extend([BOOLEAN, u8::from(*truth)]),
        Value::Lookup(id) => {
            to.push(ID);
            to.extend(id.as_bytes());
        }
        Value::Bytes(bytes) => {
            to.push(BYTES);
            write_escaped(bytes, to);
            to.extend([0, 0]);
        }
        Value::Timestamp(_) | Value::Date(_) => {
            to.push(TIME);
            to.extend((millis(value)?.cast_unsigned() ^ (1 << 63)).to_be_bytes());
        }
        _ if column_type == ColumnType::Float => write_float(float(value)?, to),
        _ => write_number(exact(value)?, to),
    }
    Some(())
}

/// The start of a text, as all texts that begin with it have it.
pub(super) fn write_start(start: &str, to: &mut Vec<u8>) {
    to.push(TEXT);
    write_escaped(start.as_bytes(), to);
}

/// A zero gets a byte behind it, so that two zeros end the text and a shorter one comes first.
fn write_escaped(bytes: &[u8], to: &mut Vec<u8>) {
    for byte in bytes {
        to.push(*byte);
        if *byte == 0 {
            to.push(u8::MAX);
        }
    }
}

/// As a column of floats compares; `None`: no float is the same.
fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Float(number) => Some(*number),
        Value::Decimal(number) => number.to_f64(),
        Value::Integer(number) | Value::Counter(number) => {
            // Exactly as large, or none.
            const EXACT: i64 = 1 << f64::MANTISSA_DIGITS;
            let is_exact = (-EXACT..=EXACT).contains(number);
            #[expect(clippy::cast_precision_loss, reason = "it is small enough")]
            is_exact.then_some(*number as f64)
        }
        _ => None,
    }
}

fn write_float(number: f64, to: &mut Vec<u8>) {
    // There are two zeros, which are equal.
    let bits = if number == 0.0 { 0 } else { number.to_bits() };
    let is_negative = bits >> 63 == 1;
    to.push(FLOAT);
    to.extend((if is_negative { !bits } else { bits | 1 << 63 }).to_be_bytes());
}

fn exact(value: &Value) -> Option<Decimal> {
    match value {
        Value::Integer(number) | Value::Counter(number) => Some(Decimal::from(*number)),
        Value::Decimal(number) => Some(*number),
        _ => None,
    }
}

/// The whole number below, with how many bytes it has, and then what is left, if anything.
fn write_number(number: Decimal, to: &mut Vec<u8>) {
    let one = 10_i128.pow(number.scale());
    let (whole, rest) = (number.mantissa().div_euclid(one), number.mantissa().rem_euclid(one));
    to.push(NUMBER);
    write_whole(whole, to);
    if rest == 0 {
        return to.push(0);
    }
    to.push(1);
    let fraction = rest * 10_i128.pow(Decimal::MAX_SCALE - number.scale());
    to.extend(fraction.to_be_bytes());
}

fn write_whole(number: i128, to: &mut Vec<u8>) {
    // What is below zero is counted from -1 down.
    let size = (if number < 0 { !number } else { number }).cast_unsigned();
    let skipped = size.leading_zeros() / 8;
    let length = u8::try_from(16 - skipped).unwrap_or(16);
    to.push(if number < 0 { 0x7f - length } else { 0x80 + length });
    let flip = if number < 0 { u8::MAX } else { 0 };
    to.extend(size.to_be_bytes().iter().skip(skipped as usize).map(|byte| byte ^ flip));
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::cmp::Ordering;

    use super::*;
    use crate::model::{Date, RecordId, Timestamp};
    use crate::query::compare::compare;

    fn key(value: &Value, column_type: ColumnType) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_cell(&Cell::Known(Cow::Borrowed(value)), column_type, &mut bytes);
        bytes
    }

    fn decimal(text: &str) -> Value {
        Value::Decimal(text.parse().unwrap())
    }

    fn texts() -> Vec<Value> {
        let texts = ["", "\0", "\0\0", "\0a", "a", "a\0", "a\0b", "ab", "b", "é", "\u{ffff}", "🐟"];
        texts.map(|text| Value::Text(text.into())).to_vec()
    }

    fn numbers() -> Vec<Value> {
        let whole = [i64::MIN, -65_536, -257, -256, -255, -2, -1, 0, 1, 255, 256, i64::MAX];
        let exact = [
            "-79228162514264337593543950335",
            "-1.5",
            "-1.25",
            "-0.0000000000000000000000000001",
            "0.1",
            "0.5",
            "255.99",
            "1.00",
            "79228162514264337593543950335",
        ];
        whole.into_iter().map(Value::Integer).chain(exact.map(decimal)).collect()
    }

    #[test]
    fn the_order_of_keys_is_that_of_values() {
        let floats =
            [f64::NEG_INFINITY, -2.5, -0.0, 0.0, f64::MIN_POSITIVE, 0.1, 7.0, f64::INFINITY];
        let times = [-1, 0, 1, 86_400_000].map(|it| Timestamp::from_millis(it).unwrap());
        let days = [-1, 0, 1].map(|it| Value::Date(Date::from_days(it).unwrap()));
        let mixed = [Value::Float(2.5), Value::Integer(7), Value::Integer(-3), decimal("0.1")];
        for (column_type, values) in [
            (ColumnType::Text, texts()),
            (ColumnType::Integer, numbers()),
            (ColumnType::Float, floats.map(Value::Float).into_iter().chain(mixed).collect()),
            (ColumnType::Boolean, vec![Value::Boolean(true), Value::Boolean(false)]),
            (ColumnType::Date, times.map(Value::Timestamp).into_iter().chain(days).collect()),
            (
                ColumnType::Lookup,
                [0, 1, 255].map(|it| Value::Lookup(RecordId::from_bytes([it; 16]))).to_vec(),
            ),
            (
                ColumnType::Bytes,
                [&[][..], &[0], &[0, 0], &[0, 1], &[255]]
                    .map(|it| Value::Bytes(it.to_vec()))
                    .to_vec(),
            ),
        ] {
            for a in &values {
                for b in &values {
                    let (left, right) = (key(a, column_type), key(b, column_type));
                    let expected = compare(a, b);
                    assert_eq!(Some(left.cmp(&right)), expected, "{a:?} and {b:?}");
                    let is_start = right.starts_with(&left);
                    assert_eq!(is_start, expected == Some(Ordering::Equal), "{a:?} and {b:?}");
                }
                let mut hidden = Vec::new();
                write_cell(&Cell::Hidden, column_type, &mut hidden);
                let null = key(&Value::Null, column_type);
                assert!(hidden < null && null < key(a, column_type));
                assert!(key(a, column_type) < vec![END]);
            }
        }
    }

    #[test]
    fn a_text_begins_as_its_start_does() {
        for text in texts() {
            for start in texts() {
                let (Value::Text(whole), Value::Text(start)) = (&text, &start) else { panic!() };
                let mut bytes = Vec::new();
                write_start(start, &mut bytes);
                let found = key(&text, ColumnType::Text).starts_with(&bytes);
                let expected = whole.starts_with(start.as_str());
                assert_eq!(found, expected, "{whole:?} begins with {start:?}");
            }
        }
    }
}
