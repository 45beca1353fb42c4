//! What operations do to plain values, where nothing concurrent has to be merged.

use std::collections::BTreeMap;

use litemap::LiteMap;

use super::{ColumnName, ColumnType, Columns, Json, JsonError, Op, Value, json};
use crate::limits::{
    CHANGE_PLACES_MAX, COUNTER_SET_MAX, COUNTER_STEP_MAX, ITEM_BYTES_MAX, LIST_ITEMS_MAX,
    MAP_ENTRIES_MAX, MAP_KEY_BYTES_MAX, RICH_TEXT_CHARS_MAX,
};

/// Why an operation does not fit the value that it is written for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MisfitOpError {
    /// It names a place that is not there.
    #[error("column `{column}`: place {at} is asked for, and there are {length}")]
    OutOfRange {
        /// The column.
        column: ColumnName,
        /// The last place that it names.
        at: u64,
        /// How many characters or items there are.
        length: usize,
    },
    /// It would make the value larger than it may be.
    #[error("column `{column}`: {found} {what}, at most {max} are allowed")]
    TooLarge {
        /// The column.
        column: ColumnName,
        /// What there would be too many of.
        what: &'static str,
        /// How many there would be.
        found: usize,
        /// How many there may be.
        max: usize,
    },
    /// A counter would leave its range.
    #[error("column `{column}`: {by} is too much for a counter")]
    CounterRange {
        /// The column.
        column: ColumnName,
        /// What was to be added or set.
        by: i64,
    },
    /// A list or map cannot hold the value.
    #[error("column `{column}`: a list or map cannot hold a {found}")]
    NoItem {
        /// The column.
        column: ColumnName,
        /// The value's type.
        found: ColumnType,
    },
    /// The column holds a value of another kind, from a time when its type was another.
    #[error("column `{column}` holds a value of another type; the operation {op} does not fit it")]
    OtherKind {
        /// The column.
        column: ColumnName,
        /// The operation.
        op: &'static str,
    },
    /// It names or holds something that is no part of a JSON value.
    #[error("column `{column}`: {error}")]
    Json {
        /// The column.
        column: ColumnName,
        /// What is wrong.
        error: JsonError,
    },
    /// It is not an operation on a column.
    #[error("the operation {0} is not one on a column")]
    Header(&'static str),
}

impl MisfitOpError {
    /// Checks a size against its bound.
    pub(super) fn bound(
        column: &ColumnName,
        what: &'static str,
        found: usize,
        max: usize,
    ) -> Result<(), Self> {
        if found <= max {
            return Ok(());
        }
        Err(Self::TooLarge { column: column.clone(), what, found, max })
    }
}

impl Op {
    /// Checks what can be said of the operation without the value that it changes: its own sizes,
    /// amounts and items.
    ///
    /// # Errors
    /// It says what is over its bound, or not an item.
    pub fn check(&self) -> Result<(), MisfitOpError> {
        let item = |column: &ColumnName, value: &Value| {
            if let Some(found) = value.column_type().filter(|_| !value.is_item()) {
                return Err(MisfitOpError::NoItem { column: column.clone(), found });
            }
            MisfitOpError::bound(column, "bytes in an item", value.size(), ITEM_BYTES_MAX)
        };
        let key = |column: &ColumnName, key: &String| {
            MisfitOpError::bound(column, "bytes in a key", key.len(), MAP_KEY_BYTES_MAX)
        };
        let within = |column: &ColumnName, by: i64, max: u64| {
            let column = || column.clone();
            (by.unsigned_abs() <= max)
                .then_some(())
                .ok_or_else(|| MisfitOpError::CounterRange { column: column(), by })
        };
        match self {
            Self::Increment { column, by } => within(column, *by, COUNTER_STEP_MAX),
            Self::Put { column, value: Value::Counter(by) } => within(column, *by, COUNTER_SET_MAX),
            Self::ListInsert { column, values, .. } => {
                values.iter().try_for_each(|value| item(column, value))
            }
            Self::ListSet { column, value, .. } => item(column, value),
            Self::MapPut { column, key: name, value } => {
                key(column, name)?;
                item(column, value)
            }
            Self::MapRemove { column, key: name } => key(column, name),
            Self::JsonPut { column, path, leaf } => json::check_path(path)
                .and_then(|()| json::check_leaf(path, leaf))
                .map_err(|error| MisfitOpError::Json { column: column.clone(), error }),
            Self::JsonRemove { column, path } => json::check_path(path)
                .map_err(|error| MisfitOpError::Json { column: column.clone(), error }),
            Self::Put { .. }
            | Self::Splice { .. }
            | Self::ListRemove { .. }
            | Self::Own { .. }
            | Self::State(_)
            | Self::Share { .. }
            | Self::ShareColumn { .. } => Ok(()),
        }
    }
}

/// Checks a replacement of `delete` places from `at` on by `insert` others.
///
/// Plain values and documents are held to the very same bounds: whether an operation fits must
/// not depend on the way in which it is carried out.
///
/// # Errors
/// A place is not there, or there would be more than `max`.
pub(crate) fn check_splice(
    column: &ColumnName,
    length: usize,
    (at, delete, insert): (u32, u32, usize),
    (what, max): (&'static str, usize),
) -> Result<(), MisfitOpError> {
    let end = u64::from(at) + u64::from(delete);
    if usize::try_from(end).map_or(true, |end| end > length) {
        return Err(MisfitOpError::OutOfRange { column: column.clone(), at: end, length });
    }
    // What merged to more than the bound can be made shorter.
    if insert == 0 {
        return Ok(());
    }
    MisfitOpError::bound(column, what, (length - index(delete)).saturating_add(insert), max)
}

/// Checks how many characters and items the operations of one change put into texts and lists or
/// take out of them, all together.
///
/// # Errors
/// There are more than a change may have.
pub(crate) fn check_extent(ops: &[Op]) -> Result<(), MisfitOpError> {
    let mut places = 0_usize;
    for op in ops {
        let Some(column) = op.column() else { continue };
        places = places.saturating_add(extent(op));
        let what = "characters and items are put in or taken out at once";
        MisfitOpError::bound(column, what, places, CHANGE_PLACES_MAX)?;
    }
    Ok(())
}

/// How many characters and items an operation puts into a text or list or takes out of it.
pub(crate) fn extent(op: &Op) -> usize {
    match op {
        Op::Splice { delete, insert, .. } => index(*delete).saturating_add(insert.chars().count()),
        Op::ListInsert { values, .. } => values.len(),
        Op::ListRemove { count, .. } => index(*count),
        _ => 0,
    }
}

/// What a rich text is bounded by.
pub(crate) const CHARS: (&str, usize) = ("characters", RICH_TEXT_CHARS_MAX);
/// What a list is bounded by.
pub(crate) const ITEMS: (&str, usize) = ("items", LIST_ITEMS_MAX);
/// What a map is bounded by.
pub(crate) const ENTRIES: (&str, usize) = ("entries", MAP_ENTRIES_MAX);

/// A place as an index.
pub(crate) fn index(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// Operations carried out on plain values, to be taken over or dropped as a whole.
#[derive(Debug)]
pub struct ColumnEdit<'a> {
    columns: &'a Columns,
    touched: LiteMap<ColumnName, Working>,
}

/// A value in a form that is quick to change.
#[derive(Debug, Clone)]
enum Working {
    Plain(Value),
    Counter(i64),
    /// The characters before the last change, and those behind it in reverse: who types on where
    /// they typed moves nothing.
    Text(Vec<char>, Vec<char>),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
    /// The leaves.
    Json(BTreeMap<String, String>),
}

impl<'a> ColumnEdit<'a> {
    /// Begins with these values.
    #[must_use]
    pub fn new(columns: &'a Columns) -> Self {
        Self { columns, touched: LiteMap::new() }
    }

    /// The values of the columns that were changed.
    #[must_use]
    pub fn finish(self) -> Columns {
        self.touched.into_iter().map(|(column, working)| (column, working.into_value())).collect()
    }

    /// The column's value as it is now; null where it was never set.
    #[must_use]
    pub fn value(&self, column: &ColumnName) -> Value {
        match self.touched.get(column) {
            Some(working) => working.clone().into_value(),
            None => self.columns.get(column).cloned().unwrap_or_default(),
        }
    }

    /// Gives a column its first value back.
    pub fn restore(&mut self, column: &ColumnName) {
        self.touched.remove(column);
    }

    /// Carries out an operation.
    ///
    /// # Errors
    /// It does not fit; nothing is changed then.
    pub fn apply(&mut self, op: &Op) -> Result<(), MisfitOpError> {
        let Some(column) = op.column() else { return Err(MisfitOpError::Header(op.name())) };
        op.check()?;
        if !self.touched.contains_key(column) {
            let working = Working::new(self.columns.get(column), op);
            self.touched.insert(column.clone(), working);
        }
        match self.touched.get_mut(column) {
            Some(working) => working.apply(column, op),
            None => Ok(()),
        }
    }
}

impl Working {
    /// The value as it is; what was never set begins empty, as `op` needs it.
    fn new(value: Option<&Value>, op: &Op) -> Self {
        match value {
            Some(Value::Counter(number)) => Self::Counter(*number),
            Some(Value::RichText(text)) => Self::Text(text.chars().collect(), Vec::new()),
            Some(Value::List(items)) => Self::List(items.clone()),
            Some(Value::Map(entries)) => Self::Map(entries.clone()),
            Some(Value::Json(json)) => Self::Json(json.leaves().clone()),
            Some(plain) => Self::Plain(plain.clone()),
            None => match op.merging_type() {
                Some(ColumnType::RichText) => Self::Text(Vec::new(), Vec::new()),
                Some(ColumnType::Counter) => Self::Counter(0),
                Some(ColumnType::List) => Self::List(Vec::new()),
                Some(ColumnType::Map) => Self::Map(BTreeMap::new()),
                Some(ColumnType::Json) => Self::Json(BTreeMap::new()),
                _ => Self::Plain(Value::Null),
            },
        }
    }

    fn into_value(self) -> Value {
        match self {
            Self::Plain(value) => value,
            Self::Counter(number) => Value::Counter(number),
            Self::Text(before, behind) => {
                Value::RichText(before.into_iter().chain(behind.into_iter().rev()).collect())
            }
            Self::List(items) => Value::List(items),
            Self::Map(entries) => Value::Map(entries),
            Self::Json(leaves) => Value::Json(Json::of_leaves(leaves)),
        }
    }

    fn apply(&mut self, column: &ColumnName, op: &Op) -> Result<(), MisfitOpError> {
        match (self, op) {
            (Self::Counter(number), Op::Put { value: Value::Counter(set), .. }) => *number = *set,
            (Self::Plain(held), Op::Put { value, .. }) if op.merging_type().is_none() => {
                *held = value.clone();
            }
            // The bounds of steps keep it far from the ends.
            (Self::Counter(number), Op::Increment { by, .. }) => {
                *number = number.saturating_add(*by);
            }
            (Self::Text(before, behind), Op::Splice { at, delete, insert, .. }) => {
                let length = before.len() + behind.len();
                let splice = (*at, *delete, insert.chars().count());
                check_splice(column, length, splice, CHARS)?;
                while before.len() > index(*at) {
                    behind.extend(before.pop());
                }
                while before.len() < index(*at) {
                    before.extend(behind.pop());
                }
                behind.truncate(behind.len() - index(*delete));
                before.extend(insert.chars());
            }
            (Self::List(items), Op::ListInsert { at, values, .. }) => {
                check_splice(column, items.len(), (*at, 0, values.len()), ITEMS)?;
                let at = index(*at);
                items.splice(at..at, values.iter().cloned());
            }
            (Self::List(items), Op::ListSet { at, value, .. }) => {
                let length = items.len();
                let item = items.get_mut(index(*at)).ok_or_else(|| MisfitOpError::OutOfRange {
                    column: column.clone(),
                    at: (*at).into(),
                    length,
                })?;
                *item = value.clone();
            }
            (Self::List(items), Op::ListRemove { at, count, .. }) => {
                check_splice(column, items.len(), (*at, *count, 0), ITEMS)?;
                items.drain(index(*at)..index(*at) + index(*count));
            }
            (Self::Map(entries), Op::MapPut { key, value, .. }) => {
                if !entries.contains_key(key) {
                    let (what, max) = ENTRIES;
                    MisfitOpError::bound(column, what, entries.len() + 1, max)?;
                }
                entries.insert(key.clone(), value.clone());
            }
            (Self::Map(entries), Op::MapRemove { key, .. }) => {
                entries.remove(key);
            }
            (Self::Json(leaves), Op::JsonPut { path, leaf, .. }) => {
                if !leaves.contains_key(path) {
                    let (what, max) = ENTRIES;
                    MisfitOpError::bound(column, what, leaves.len() + 1, max)?;
                }
                leaves.insert(path.clone(), leaf.clone());
            }
            (Self::Json(leaves), Op::JsonRemove { path, .. }) => {
                leaves.remove(path);
            }
            _ => {
                return Err(MisfitOpError::OtherKind { column: column.clone(), op: op.name() });
            }
        }
        Ok(())
    }
}
