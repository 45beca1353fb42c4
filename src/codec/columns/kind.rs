//! Which kind of operation stands in a shape, and which columns have what it says.

use crate::model::{ColumnType, Op, Value};

/// The kinds. Up to 15 they are puts, with the number of the value's variant.
pub(super) const NULL: u8 = 0;
pub(super) const TEXT: u8 = 1;
pub(super) const INTEGER: u8 = 2;
pub(super) const DECIMAL: u8 = 3;
pub(super) const FLOAT: u8 = 4;
pub(super) const BOOLEAN: u8 = 5;
pub(super) const TIMESTAMP: u8 = 6;
pub(super) const DATE: u8 = 7;
pub(super) const CHOICE: u8 = 8;
pub(super) const LOOKUP: u8 = 9;
pub(super) const BYTES: u8 = 10;
pub(super) const RICH_TEXT: u8 = 11;
pub(super) const COUNTER: u8 = 12;
pub(super) const LIST: u8 = 13;
pub(super) const MAP: u8 = 14;
pub(super) const JSON: u8 = 15;
/// A put of a decimal whose digits are no number of 64 bits.
pub(super) const LONG_DECIMAL: u8 = 16;
pub(super) const OWN: u8 = 17;
pub(super) const STATE: u8 = 18;
pub(super) const SHARE: u8 = 19;
pub(super) const SHARE_COLUMN: u8 = 20;
pub(super) const SPLICE: u8 = 21;
pub(super) const INCREMENT: u8 = 22;
pub(super) const LIST_INSERT: u8 = 23;
pub(super) const LIST_SET: u8 = 24;
pub(super) const LIST_REMOVE: u8 = 25;
pub(super) const MAP_PUT: u8 = 26;
pub(super) const MAP_REMOVE: u8 = 27;
pub(super) const JSON_PUT: u8 = 28;
pub(super) const JSON_REMOVE: u8 = 29;
/// A put of a choice that the reader has in its schema: its number among those of the column.
pub(super) const KNOWN_CHOICE: u8 = 30;
/// In a shape: a put of a value as the column is declared in the reader's schema.
pub(super) const DECLARED: u8 = 31;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Whole numbers.
    Numbers,
    /// Texts.
    Texts,
    /// Record ids.
    Ids,
    /// Bytes whose lengths are elsewhere.
    Bytes,
    /// Bytes that are written as they are: their length must not depend on what they say.
    Plain,
    /// Values in postcard.
    Values,
}

/// The columns of a kind, in this order; `None`: there is no such kind.
pub(super) fn columns(kind: u8) -> Option<&'static [Holds]> {
    use Holds::{Bytes, Ids, Numbers, Texts, Values};
    Some(match kind {
        NULL => &[],
        TEXT | CHOICE | RICH_TEXT | MAP_REMOVE | JSON_REMOVE => &[Texts],
        INTEGER | FLOAT | BOOLEAN | TIMESTAMP | DATE | COUNTER | STATE | INCREMENT
        | KNOWN_CHOICE => &[Numbers],
        DECIMAL | OWN | SHARE | SHARE_COLUMN | LIST_REMOVE => &[Numbers, Numbers],
        LOOKUP => &[Ids],
        BYTES => &[Numbers, Bytes],
        LIST | MAP | JSON | LONG_DECIMAL => &[Values],
        SPLICE => &[Numbers, Numbers, Texts],
        LIST_INSERT => &[Numbers, Numbers, Values],
        LIST_SET => &[Numbers, Values],
        MAP_PUT => &[Texts, Values],
        JSON_PUT => &[Texts, Texts],
        _ => return None,
    })
}

/// Whether operations of this kind are about a column of the table.
pub(super) fn has_column(kind: u8) -> bool {
    !matches!(kind, OWN | STATE | SHARE)
}

/// The kind of a put into a column of a type.
pub(super) fn declared(column_type: ColumnType) -> u8 {
    match column_type {
        ColumnType::Text => TEXT,
        ColumnType::Integer => INTEGER,
        ColumnType::Decimal => DECIMAL,
        ColumnType::Float => FLOAT,
        ColumnType::Boolean => BOOLEAN,
        ColumnType::Timestamp => TIMESTAMP,
        ColumnType::Date => DATE,
        ColumnType::Choice => KNOWN_CHOICE,
        ColumnType::Lookup => LOOKUP,
        ColumnType::Bytes => BYTES,
        ColumnType::RichText => RICH_TEXT,
        ColumnType::Counter => COUNTER,
        ColumnType::List => LIST,
        ColumnType::Map => MAP,
        ColumnType::Json => JSON,
    }
}

/// The kind of an operation.
pub(super) fn of(op: &Op) -> u8 {
    match op {
        Op::Put { value, .. } => of_value(value),
        Op::Own { .. } => OWN,
        Op::State(_) => STATE,
        Op::Share { .. } => SHARE,
        Op::ShareColumn { .. } => SHARE_COLUMN,
        Op::Splice { .. } => SPLICE,
        Op::Increment { .. } => INCREMENT,
        Op::ListInsert { .. } => LIST_INSERT,
        Op::ListSet { .. } => LIST_SET,
        Op::ListRemove { .. } => LIST_REMOVE,
        Op::MapPut { .. } => MAP_PUT,
        Op::MapRemove { .. } => MAP_REMOVE,
        Op::JsonPut { .. } => JSON_PUT,
        Op::JsonRemove { .. } => JSON_REMOVE,
    }
}

fn of_value(value: &Value) -> u8 {
    match value {
        Value::Null => NULL,
        Value::Text(_) => TEXT,
        Value::Integer(_) => INTEGER,
        Value::Decimal(number) if i64::try_from(number.mantissa()).is_ok() => DECIMAL,
        Value::Decimal(_) => LONG_DECIMAL,
        Value::Float(_) => FLOAT,
        Value::Boolean(_) => BOOLEAN,
        Value::Timestamp(_) => TIMESTAMP,
        Value::Date(_) => DATE,
        Value::Choice(_) => CHOICE,
        Value::Lookup(_) => LOOKUP,
        Value::Bytes(_) => BYTES,
        Value::RichText(_) => RICH_TEXT,
        Value::Counter(_) => COUNTER,
        Value::List(_) => LIST,
        Value::Map(_) => MAP,
        Value::Json(_) => JSON,
    }
}
