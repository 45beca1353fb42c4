//! Operations into columns.

use super::write::Writer;
use crate::codec::Stem;
use crate::model::{Op, RecordState, Value};

impl<'a> Writer<'a> {
    /// What an operation says, into the columns of its kind, of which the first is at `at`.
    pub(super) fn op(&mut self, op: &'a Op, at: usize) {
        if let Some(number) = self.kinds.known_choice(op) {
            self.parts.number(at, number);
            return;
        }
        match op {
            Op::Put { value, .. } => self.value(value, at),
            Op::Own { owner, business_unit } => {
                let (owner, unit) =
                    (self.name(owner.to_string()), self.name(business_unit.as_str()));
                self.parts.number(at, owner);
                self.parts.number(at + 1, unit);
            }
            Op::State(state) => self.parts.number(at, *state == RecordState::Deleted),
            Op::Share { to, rights } => {
                let to = self.name(to.to_string());
                self.parts.number(at, to);
                self.parts.number(at + 1, rights.bits());
            }
            Op::ShareColumn { to, permissions, .. } => {
                let to = self.name(to.to_string());
                self.parts.number(at, to);
                self.parts.number(at + 1, permissions.bits());
            }
            Op::Splice { at: place, delete, insert, .. } => {
                let from = self.place.write(*place, insert.chars().count());
                self.parts.number(at, from);
                self.parts.number(at + 1, *delete);
                self.parts.text(at + 2, insert);
            }
            Op::Increment { by, .. } => self.parts.number(at, *by),
            Op::ListInsert { at: place, values, .. } => {
                let from = self.place.write(*place, values.len());
                self.parts.number(at, from);
                self.parts.bits(at + 1, values.len() as u64);
                for value in values {
                    self.postcard(value, at + 2);
                }
            }
            Op::ListSet { at: place, value, .. } => {
                let from = self.place.write(*place, 1);
                self.parts.number(at, from);
                self.postcard(value, at + 1);
            }
            Op::ListRemove { at: place, count, .. } => {
                let from = self.place.write(*place, 0);
                self.parts.number(at, from);
                self.parts.number(at + 1, *count);
            }
            Op::MapPut { key, value, .. } => {
                self.parts.text(at, key);
                self.postcard(value, at + 1);
            }
            Op::MapRemove { key, .. } => self.parts.text(at, key),
            Op::JsonPut { path, leaf, .. } => {
                self.parts.text(at, path);
                self.parts.text(at + 1, leaf);
            }
            Op::JsonRemove { path, .. } => self.parts.text(at, path),
        }
    }

    fn value(&mut self, value: &'a Value, at: usize) {
        match value {
            Value::Null => {}
            Value::Text(text) | Value::Choice(text) => self.parts.text(at, text.as_str()),
            Value::RichText(text) => self.parts.text(at, text),
            Value::Integer(number) | Value::Counter(number) => self.parts.number(at, *number),
            Value::Float(number) => self.parts.bits(at, number.to_bits()),
            Value::Boolean(truth) => self.parts.number(at, *truth),
            Value::Timestamp(time) => self.parts.number(at, time.as_millis()),
            Value::Date(date) => self.parts.number(at, date.as_days()),
            Value::Lookup(id) => {
                self.parts.id(at, (*id, Stem::WHOLE), &mut self.known);
            }
            Value::Bytes(bytes) => {
                self.parts.bits(at, bytes.len() as u64);
                self.parts.bytes(at + 1, bytes);
            }
            Value::Decimal(number) => match i64::try_from(number.mantissa()) {
                Ok(digits) => {
                    self.parts.number(at, digits);
                    self.parts.number(at + 1, number.scale());
                }
                Err(_) => self.postcard(value, at),
            },
            Value::List(_) | Value::Map(_) | Value::Json(_) => self.postcard(value, at),
        }
    }

    fn postcard(&mut self, value: &Value, at: usize) {
        // It fails on no kind of data that a value holds.
        self.parts.bytes(at, &postcard::to_stdvec(value).unwrap_or_default());
    }
}
