//! Operations out of columns.

use std::str::FromStr;

use rust_decimal::Decimal;

use super::fixed;
use super::input::malformed;
use super::kind;
use super::read_part::Parts;
use crate::codec::rows::Place;
use crate::codec::{DecodeError, Lexicon, Stem};
use crate::model::{
    ColumnName, ColumnPermissions, Date, Op, Principal, RecordState, Rights, TableName, Timestamp,
    Value,
};

/// The names, and what was made of them: operations of one column share one.
#[derive(Debug)]
pub(super) struct Names<'a> {
    lexicon: &'a Lexicon,
    /// Those that are not in the lexicon; their numbers are behind.
    all: Vec<Box<str>>,
    tables: Vec<Option<TableName>>,
    columns: Vec<Option<ColumnName>>,
    /// Of the edit that is read.
    table: Option<TableName>,
}

impl<'a> Names<'a> {
    pub(super) fn read(
        parts: &mut Parts<'_>,
        count: usize,
        lexicon: &'a Lexicon,
    ) -> Result<Self, DecodeError> {
        let mut names = Vec::with_capacity(count);
        for _ in 0..count {
            names.push(parts.text(fixed::NAMES)?.into());
        }
        let (tables, columns, table) = Default::default();
        Ok(Self { lexicon, all: names, tables, columns, table })
    }

    /// What a name is.
    pub(super) fn parse<T: FromStr>(&self, number: u32) -> Result<T, DecodeError>
    where
        DecodeError: From<T::Err>,
    {
        let (known, place) = (self.lexicon.names(), number as usize);
        let own = || self.all.get(place - known.len()).map(AsRef::as_ref);
        let name = known.get(place).map(String::as_str).or_else(own);
        Ok(name.ok_or(DecodeError::Reference { what: "name", number })?.parse()?)
    }

    /// The table of the edit that comes.
    pub(super) fn turn_to(&mut self, number: u32) -> Result<TableName, DecodeError> {
        let table = if let Some(Some(table)) = self.tables.get(number as usize) {
            table.clone()
        } else {
            let table: TableName = self.parse(number)?;
            note(&mut self.tables, number, &table);
            table
        };
        if self.table.as_ref() != Some(&table) {
            self.table = Some(table.clone());
        }
        Ok(table)
    }

    /// The kind of a put into a column, as its name is declared.
    pub(super) fn declared(&self, column: u32) -> Result<u8, DecodeError> {
        let declared = self.lexicon.column_type(column).map(kind::declared);
        declared.ok_or(DecodeError::Reference { what: "type of a column", number: column })
    }

    /// A choice of a column of that table.
    fn choice(&self, column: &ColumnName, number: u32) -> Result<Value, DecodeError> {
        let table = self.table.as_ref();
        let choice = table.and_then(|it| self.lexicon.choice(it, column, number as usize));
        let choice = choice.ok_or(DecodeError::Reference { what: "choice", number })?;
        Ok(Value::Choice(choice.clone()))
    }

    /// Whether a column can be called so.
    pub(super) fn check_column(&mut self, number: u32) -> Result<(), DecodeError> {
        if self.column(number).is_ok() {
            return Ok(());
        }
        let column: ColumnName = self.parse(number)?;
        note(&mut self.columns, number, &column);
        Ok(())
    }

    /// A column that was checked.
    fn column(&self, number: u32) -> Result<ColumnName, DecodeError> {
        let column = self.columns.get(number as usize).cloned().flatten();
        column.ok_or(DecodeError::Reference { what: "column", number })
    }
}

/// Of a number that is one of a name.
fn note<T: Clone>(known: &mut Vec<Option<T>>, number: u32, name: &T) {
    let at = number as usize;
    if known.len() <= at {
        known.resize(at + 1, None);
    }
    if let Some(place) = known.get_mut(at) {
        *place = Some(name.clone());
    }
}

/// The next operation of a kind on a column, out of the columns of which the first is at `at`.
pub(super) fn read(
    (kind, column): (u8, u32),
    at: usize,
    parts: &mut Parts<'_>,
    names: &Names<'_>,
    known: &mut Vec<Stem>,
    place: &mut Place,
) -> Result<Op, DecodeError> {
    if kind <= kind::LONG_DECIMAL {
        let column = names.column(column)?;
        return Ok(Op::Put { column, value: value(kind, at, parts, known)? });
    }
    let column = || names.column(column);
    Ok(match kind {
        kind::KNOWN_CHOICE => {
            let column = column()?;
            let value = names.choice(&column, parts.number_as(at)?)?;
            Op::Put { column, value }
        }
        kind::OWN => Op::Own {
            owner: names.parse(parts.number_as(at)?)?,
            business_unit: names.parse(parts.number_as(at + 1)?)?,
        },
        kind::STATE => Op::State(state(parts.number(at)?)?),
        kind::SHARE => Op::Share {
            to: names.parse::<Principal>(parts.number_as(at)?)?,
            rights: Rights::from_bits(parts.number_as(at + 1)?),
        },
        kind::SHARE_COLUMN => Op::ShareColumn {
            column: column()?,
            to: names.parse::<Principal>(parts.number_as(at)?)?,
            permissions: permissions(parts.number_as(at + 1)?)?,
        },
        kind::INCREMENT => Op::Increment { column: column()?, by: parts.number(at)? },
        kind::SPLICE => {
            let (from, delete) = (parts.number_as(at)?, parts.number_as(at + 1)?);
            let insert = parts.text(at + 2)?.to_owned();
            let at = place.read(from, insert.chars().count());
            Op::Splice { column: column()?, at, delete, insert }
        }
        kind::LIST_INSERT => {
            let (from, count) = (parts.number_as(at)?, parts.size(at + 1)?);
            // Each takes a byte, for which many times as many are charged.
            let mut values = Vec::with_capacity(count.min(parts.left(at + 2)));
            for _ in 0..count {
                values.push(parts.postcard(at + 2)?);
            }
            let at = place.read(from, count);
            Op::ListInsert { column: column()?, at, values }
        }
        kind::LIST_SET => {
            let from = parts.number_as(at)?;
            let value = parts.postcard(at + 1)?;
            Op::ListSet { column: column()?, at: place.read(from, 1), value }
        }
        kind::LIST_REMOVE => {
            let (from, count) = (parts.number_as(at)?, parts.number_as(at + 1)?);
            Op::ListRemove { column: column()?, at: place.read(from, 0), count }
        }
        kind::MAP_PUT => {
            let key = parts.text(at)?.to_owned();
            Op::MapPut { column: column()?, key, value: parts.postcard(at + 1)? }
        }
        kind::MAP_REMOVE => Op::MapRemove { column: column()?, key: parts.text(at)?.to_owned() },
        kind::JSON_PUT => {
            let path = parts.text(at)?.to_owned();
            Op::JsonPut { column: column()?, path, leaf: parts.text(at + 1)?.to_owned() }
        }
        kind::JSON_REMOVE => Op::JsonRemove { column: column()?, path: parts.text(at)?.to_owned() },
        _ => return Err(malformed("a kind of operation")),
    })
}

fn value(
    kind: u8,
    at: usize,
    parts: &mut Parts<'_>,
    known: &mut Vec<Stem>,
) -> Result<Value, DecodeError> {
    Ok(match kind {
        kind::NULL => Value::Null,
        kind::TEXT => Value::Text(parts.text(at)?.into()),
        kind::CHOICE => Value::Choice(parts.text(at)?.into()),
        kind::RICH_TEXT => Value::RichText(parts.text(at)?.to_owned()),
        kind::INTEGER => Value::Integer(parts.number(at)?),
        kind::COUNTER => Value::Counter(parts.number(at)?),
        kind::DECIMAL => {
            let (digits, scale) = (parts.number(at)?, parts.number_as(at + 1)?);
            let number = Decimal::try_from_i128_with_scale(digits.into(), scale);
            Value::Decimal(number.map_err(|error| DecodeError::Value(error.to_string()))?)
        }
        kind::FLOAT => Value::Float(f64::from_bits(parts.bits(at)?)),
        kind::BOOLEAN => Value::Boolean(match parts.number(at)? {
            0 => false,
            1 => true,
            _ => return Err(malformed("a truth")),
        }),
        kind::TIMESTAMP => Value::Timestamp(Timestamp::try_from(parts.number(at)?)?),
        kind::DATE => Value::Date(Date::try_from(parts.number_as::<i32>(at)?)?),
        kind::LOOKUP => match parts.id(at, known)? {
            (stem, _) if stem.bits() == Stem::WHOLE => Value::Lookup(stem.first()),
            _ => return Err(malformed("the id that a lookup holds")),
        },
        kind::BYTES => {
            let length = parts.size(at)?;
            Value::Bytes(parts.bytes(at + 1, length)?)
        }
        _ => {
            let value: Value = parts.postcard(at)?;
            let is_it = match kind {
                kind::LIST => matches!(value, Value::List(_)),
                kind::MAP => matches!(value, Value::Map(_)),
                kind::JSON => matches!(value, Value::Json(_)),
                _ => matches!(value, Value::Decimal(_)),
            };
            if is_it { value } else { return Err(malformed("a value")) }
        }
    })
}

fn state(number: i64) -> Result<RecordState, DecodeError> {
    match number {
        0 => Ok(RecordState::Active),
        1 => Ok(RecordState::Deleted),
        _ => Err(malformed("a state")),
    }
}

fn permissions(bits: u8) -> Result<ColumnPermissions, DecodeError> {
    let wrong = || DecodeError::Value(format!("{bits} stands for no column permissions"));
    ColumnPermissions::from_bits(bits).ok_or_else(wrong)
}
