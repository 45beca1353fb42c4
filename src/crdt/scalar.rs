//! Column values and header entries as Automerge scalars.
//!
//! A scalar describes itself: a document is read without its schema. What Automerge has no type
//! for is a byte string whose first byte is a tag.

use automerge::ScalarValue;
use rust_decimal::Decimal;

use crate::model::{
    BusinessUnitId, ColumnPermissions, Date, Owner, RecordId, RecordState, Rights, Timestamp, Value,
};

const DECIMAL: u8 = b'm';
const DATE: u8 = b'd';
const CHOICE: u8 = b'c';
const LOOKUP: u8 = b'l';
const BYTES: u8 = b'b';

fn tagged(tag: u8, payload: &[u8]) -> ScalarValue {
    let mut bytes = Vec::with_capacity(1 + payload.len());
    bytes.push(tag);
    bytes.extend_from_slice(payload);
    ScalarValue::Bytes(bytes)
}

/// `None`: the value has parts, and lies in an object of its own.
pub(super) fn from_value(value: &Value) -> Option<ScalarValue> {
    Some(match value {
        Value::Null => ScalarValue::Null,
        Value::Text(text) => ScalarValue::Str(text.as_str().into()),
        Value::Integer(number) => ScalarValue::Int(*number),
        Value::Decimal(number) => {
            let mut bytes = [0; 17];
            let (digits, scale) = bytes.split_at_mut(16);
            digits.copy_from_slice(&number.mantissa().to_be_bytes());
            scale.fill(u8::try_from(number.scale()).unwrap_or(u8::MAX));
            tagged(DECIMAL, &bytes)
        }
        Value::Float(number) => ScalarValue::F64(*number),
        Value::Boolean(truth) => ScalarValue::Boolean(*truth),
        Value::Timestamp(time) => ScalarValue::Timestamp(time.as_millis()),
        Value::Date(date) => tagged(DATE, &date.as_days().to_be_bytes()),
        Value::Choice(choice) => tagged(CHOICE, choice.as_bytes()),
        Value::Lookup(id) => tagged(LOOKUP, id.as_bytes()),
        Value::Bytes(bytes) => tagged(BYTES, bytes),
        Value::Counter(number) => ScalarValue::counter(*number),
        Value::RichText(_) | Value::List(_) | Value::Map(_) | Value::Json(_) => return None,
    })
}

pub(super) fn to_value(scalar: &ScalarValue) -> Option<Value> {
    Some(match scalar {
        ScalarValue::Null => Value::Null,
        ScalarValue::Str(text) => Value::Text(text.as_str().into()),
        ScalarValue::Int(number) => Value::Integer(*number),
        ScalarValue::Counter(counter) => Value::Counter(counter.into()),
        ScalarValue::F64(number) => Value::Float(*number),
        ScalarValue::Boolean(truth) => Value::Boolean(*truth),
        ScalarValue::Timestamp(millis) => Value::Timestamp(Timestamp::from_millis(*millis)?),
        ScalarValue::Bytes(bytes) => match bytes.split_first()? {
            (&DECIMAL, rest) => {
                let (digits, scale) = rest.split_at_checked(16)?;
                let digits = i128::from_be_bytes(digits.try_into().ok()?);
                let [scale] = *scale else { return None };
                Value::Decimal(Decimal::try_from_i128_with_scale(digits, scale.into()).ok()?)
            }
            (&DATE, rest) => {
                Value::Date(Date::from_days(i32::from_be_bytes(rest.try_into().ok()?))?)
            }
            (&CHOICE, rest) => Value::Choice(std::str::from_utf8(rest).ok()?.into()),
            (&BYTES, rest) => Value::Bytes(rest.to_vec()),
            (&LOOKUP, rest) => Value::Lookup(RecordId::from_bytes(rest.try_into().ok()?)),
            _ => return None,
        },
        _ => return None,
    })
}

/// Owner and business unit are one value, so that they can never come from different edits.
pub(super) fn from_owner(owner: &Owner, business_unit: &BusinessUnitId) -> ScalarValue {
    // No name holds a control character.
    ScalarValue::Str(format!("{business_unit}\n{owner}").into())
}

pub(super) fn to_owner(scalar: &ScalarValue) -> Option<(Owner, BusinessUnitId)> {
    let ScalarValue::Str(text) = scalar else { return None };
    let (business_unit, owner) = text.split_once('\n')?;
    Some((owner.parse().ok()?, business_unit.parse().ok()?))
}

pub(super) fn from_state(state: RecordState) -> ScalarValue {
    ScalarValue::Boolean(state == RecordState::Active)
}

pub(super) fn to_state(scalar: &ScalarValue) -> Option<RecordState> {
    match scalar {
        ScalarValue::Boolean(true) => Some(RecordState::Active),
        ScalarValue::Boolean(false) => Some(RecordState::Deleted),
        _ => None,
    }
}

pub(super) fn from_rights(rights: Rights) -> ScalarValue {
    ScalarValue::Uint(rights.bits().into())
}

pub(super) fn to_rights(scalar: &ScalarValue) -> Option<Rights> {
    let ScalarValue::Uint(bits) = scalar else { return None };
    Some(Rights::from_bits(u8::try_from(*bits).ok()?))
}

pub(super) fn from_permissions(permissions: ColumnPermissions) -> ScalarValue {
    ScalarValue::Uint(permissions.bits().into())
}

pub(super) fn to_permissions(scalar: &ScalarValue) -> Option<ColumnPermissions> {
    let ScalarValue::Uint(bits) = scalar else { return None };
    ColumnPermissions::from_bits(u8::try_from(*bits).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_survives_the_way_through_a_scalar() {
        for value in [
            Value::Null,
            Value::Text("Grüße".into()),
            Value::Integer(i64::MIN),
            Value::Decimal(Decimal::new(-12_345, 3)),
            Value::Float(-0.5),
            Value::Boolean(true),
            Value::Timestamp(Timestamp::MAX),
            Value::Date(Date::from_days(-1).unwrap()),
            Value::Choice("open".into()),
            Value::Lookup(RecordId::from_bytes([7; 16])),
            Value::Bytes(vec![0, 255]),
            Value::Counter(-3),
        ] {
            assert_eq!(from_value(&value).as_ref().and_then(to_value), Some(value));
        }
    }

    #[test]
    fn foreign_bytes_are_no_value() {
        for bytes in [&b""[..], b"x", b"m123", b"l123", b"c\xff", b"d12345"] {
            assert_eq!(to_value(&ScalarValue::Bytes(bytes.to_vec())), None);
        }
    }
}
