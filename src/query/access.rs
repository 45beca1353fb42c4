//! Which rows a query looks at: by id, by an index, or all of the table.

use std::borrow::Cow;
use std::cmp::Reverse;

use super::evaluate::Bound;
use super::index::{IndexColumn, IndexShape};
use super::index_key::{END, NULL, VALUE, write_cell, write_start, write_value};
use super::order::{OrderColumn, SortPart};
use super::row::Cell;
use super::tree::Comparison;
use super::{BoundQuery, Direction, Field, Parts, Reference, SortKey, Source};
use crate::limits::INDEX_RANGES_MAX;
use crate::model::{RecordId, Value};

/// An index that a query may use.
#[derive(Debug, Clone, Copy)]
pub struct UsableIndex<'a> {
    /// Its number in the store.
    pub number: u32,
    /// What it holds.
    pub shape: &'a IndexShape,
    /// Whether some of it may be hidden from the user: then it says only which rows can be meant.
    pub may_hide: bool,
}

/// Which rows are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// All of the table, in the order of their ids.
    Table,
    /// Those with these ids, in their order, each once.
    Ids(Vec<RecordId>),
    /// Those that an index leads to.
    Index(IndexAccess),
}

/// Keys of an index, from the first up to the second and without it.
pub type KeyRange = (Vec<u8>, Vec<u8>);

/// What of an index is gone through, and what that spares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexAccess {
    /// Its number in the store.
    pub number: u32,
    /// In their order; no key lies in two of them.
    pub ranges: Vec<KeyRange>,
    /// What of the filter the ranges do not say.
    pub left: Parts,
    /// Whether the keys are in the query's order, and in which direction.
    pub order: Option<Direction>,
    /// How many columns the filter narrows the index down by.
    pub(super) narrowed: usize,
    /// How many columns it holds.
    columns: usize,
}

impl BoundQuery {
    /// Which rows must be looked at when at most `limit` are wanted: all others do not match.
    #[must_use]
    pub fn access(&self, indexes: &[UsableIndex<'_>], limit: Option<usize>) -> Access {
        if let Some(ids) = self.filter.iter().find_map(ids) {
            return Access::Ids(ids);
        }
        let candidates = indexes.iter().map(|index| self.through(*index));
        // An order alone is worth it where only the first rows are wanted.
        let first = limit.is_some() && !self.is_by_id();
        let candidates = candidates.filter(|it| it.narrowed > 0 || first && it.order.is_some());
        let best = candidates.max_by_key(|it| {
            // What narrows down most; what has the order, then; what is smaller, then.
            (it.narrowed, it.left.is_empty(), it.order.is_some(), Reverse(it.columns))
        });
        best.map_or(Access::Table, Access::Index)
    }

    /// Where in an index that is in the query's order a row lies: its key.
    #[must_use]
    pub fn index_key(&self, index: UsableIndex<'_>, row: &SortKey) -> Option<Vec<u8>> {
        let mut key = Vec::new();
        for column in index.shape.columns() {
            let by = self.order.iter().position(|by| self.is_of(&by.column, index.shape, column));
            match by.and_then(|at| row.parts.get(at)) {
                Some(SortPart::Hidden) => write_cell(&Cell::Hidden, column.column_type, &mut key),
                Some(SortPart::Known(value)) => {
                    let value = Cell::Known(Cow::Borrowed(value));
                    write_cell(&value, column.column_type, &mut key);
                }
                None => {
                    let (_, own) = self.on_column(index.shape, column).equal?;
                    match own.as_slice() {
                        [one] => key.extend(one),
                        _ => return None,
                    }
                }
            }
        }
        Some(key)
    }

    /// What the filter asks for in an index.
    fn through(&self, index: UsableIndex<'_>) -> IndexAccess {
        let columns = index.shape.columns();
        let mut prefixes = vec![Vec::new()];
        let (mut narrowed, mut said) = (0, Vec::new());
        let mut single = Vec::with_capacity(columns.len());
        let mut last: Option<KeyRange> = None;
        for column in columns {
            let found = self.on_column(index.shape, column);
            let equal = found.equal.filter(|(_, values)| fits(values.len(), prefixes.len()));
            let Some((says, values)) = equal else {
                if let Some(range) = found.range {
                    said.extend(found.in_range);
                    narrowed += 1;
                    last = Some(range);
                }
                break;
            };
            said.push(says);
            narrowed += 1;
            single.push(values.len() == 1);
            prefixes = joined(&prefixes, &values);
        }
        let is_left = |at: &usize| index.may_hide || !said.contains(at);
        let left = Parts((0..self.filter.len()).filter(is_left).collect());
        let order = (!index.may_hide).then(|| self.order_of(index.shape, &single)).flatten();
        let range = |prefix: Vec<u8>| match &last {
            Some((from, to)) => ([&prefix[..], from].concat(), [&prefix[..], to].concat()),
            None if prefix.is_empty() => (prefix, vec![END]),
            None => (prefix.clone(), behind(prefix)),
        };
        let ranges = prefixes.into_iter().map(range).filter(|(from, to)| from < to).collect();
        let columns = columns.len();
        IndexAccess { number: index.number, ranges, left, order, narrowed, columns }
    }

    /// In which direction an index whose first columns are narrowed down, some to one value, has the
    /// query's order.
    fn order_of(&self, shape: &IndexShape, single: &[bool]) -> Option<Direction> {
        let is_one = |at: usize| single.get(at).copied().unwrap_or(false);
        let columns = shape.columns();
        // What is the same in all rows does not order them.
        let counts = |by: &&OrderColumn| {
            let at = columns.iter().position(|column| self.is_of(&by.column, shape, column));
            !at.is_some_and(is_one)
        };
        let mut order = self.order.iter().filter(counts);
        let mut direction = None;
        for (at, column) in columns.iter().enumerate() {
            if is_one(at) {
                continue;
            }
            let by = order.next().filter(|by| self.is_of(&by.column, shape, column))?;
            if direction.is_some_and(|it| it != by.direction) {
                return None;
            }
            direction = Some(by.direction);
        }
        if order.next().is_some() { None } else { Some(direction.unwrap_or_default()) }
    }

    fn is_of(&self, column: &Reference, shape: &IndexShape, indexed: &IndexColumn) -> bool {
        let path = |sources: &[Source], source: usize| {
            let (mut path, mut source) = (Vec::new(), source);
            while let Some(Source { from: Some((from, lookup)), .. }) = sources.get(source) {
                path.push(lookup.clone());
                source = *from;
            }
            path
        };
        column.field == indexed.field
            && path(&self.sources, column.source) == path(shape.sources(), indexed.source)
    }

    /// What the filter asks of a column.
    fn on_column(&self, shape: &IndexShape, column: &IndexColumn) -> OnColumn {
        let mut all = OnColumn::default();
        for (at, condition) in self.filter.iter().enumerate() {
            let asked = asked(condition).filter(|asked| self.is_of(asked, shape, column));
            if asked.is_none() {
                continue;
            }
            if all.equal.is_none() {
                all.equal = equal(condition, column).map(|values| (at, values));
            }
            if let Some((from, to)) = range(condition, column) {
                all.in_range.push(at);
                all.range = Some(match all.range.take() {
                    None => (from, to),
                    Some((first, last)) => (first.max(from), last.min(to)),
                });
            }
        }
        all
    }
}

/// What a filter asks of a column of an index.
#[derive(Default)]
struct OnColumn {
    /// What it must be equal to, in order, and which part of the filter says so.
    equal: Option<(usize, Vec<Vec<u8>>)>,
    /// Where it must lie.
    range: Option<KeyRange>,
    /// Which parts of the filter say so.
    in_range: Vec<usize>,
}

fn fits(values: usize, prefixes: usize) -> bool {
    values.saturating_mul(prefixes) <= INDEX_RANGES_MAX
}

fn joined(prefixes: &[Vec<u8>], values: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let with = |prefix: &Vec<u8>| {
        let prefix = prefix.clone();
        values.iter().map(move |value| [&prefix[..], value].concat())
    };
    prefixes.iter().flat_map(with).collect()
}

/// The column that a condition asks about, if it asks about one.
fn asked(condition: &Bound) -> Option<&Reference> {
    match condition {
        Bound::Not(part) if matches!(**part, Bound::IsNull(_)) => asked(part),
        Bound::IsNull(column)
        | Bound::Compare { column, .. }
        | Bound::In { column, .. }
        | Bound::BeginsWith { column, .. } => Some(column),
        _ => None,
    }
}

fn key(value: &Value, column: &IndexColumn) -> Option<Vec<u8>> {
    let mut key = Vec::new();
    write_value(value, column.column_type, &mut key)?;
    Some(key)
}

/// What a column must be equal to.
fn equal(condition: &Bound, column: &IndexColumn) -> Option<Vec<Vec<u8>>> {
    match condition {
        Bound::IsNull(_) => Some(vec![vec![NULL]]),
        Bound::Compare { comparison: Comparison::Equal, with, .. } => {
            Some(vec![key(with, column)?])
        }
        Bound::In { list, .. } => {
            let mut keys =
                list.iter().map(|value| key(value, column)).collect::<Option<Vec<_>>>()?;
            keys.sort_unstable();
            keys.dedup();
            Some(keys)
        }
        _ => None,
    }
}

/// Between which keys a column must lie.
fn range(condition: &Bound, column: &IndexColumn) -> Option<KeyRange> {
    let first = || vec![VALUE];
    let last = || vec![END];
    Some(match condition {
        Bound::Not(part) if matches!(**part, Bound::IsNull(_)) => (first(), last()),
        Bound::BeginsWith { start, .. } => {
            let mut from = Vec::new();
            write_start(start, &mut from);
            let to = behind(from.clone());
            (from, to)
        }
        Bound::Compare { comparison, with, .. } => {
            let key = key(with, column)?;
            // What is of another kind is not compared: values of one kind begin alike.
            let kind = key.first().copied()?;
            let (first, last) = (vec![kind], vec![kind + 1]);
            match comparison {
                Comparison::Equal => (key.clone(), behind(key)),
                Comparison::NotEqual => return None,
                Comparison::Less => (first, key),
                Comparison::LessOrEqual => (first, behind(key)),
                Comparison::Greater => (behind(key), last),
                Comparison::GreaterOrEqual => (key, last),
            }
        }
        _ => return None,
    })
}

/// The first key behind all that begin with these bytes, which are not all the highest.
fn behind(mut key: Vec<u8>) -> Vec<u8> {
    while let Some(last) = key.pop() {
        if let Some(next) = last.checked_add(1) {
            key.push(next);
            break;
        }
    }
    key
}

/// The ids that a record must have one of.
fn ids(part: &Bound) -> Option<Vec<RecordId>> {
    let id = |value: &Value| match value {
        Value::Lookup(id) => Some(*id),
        _ => None,
    };
    let mut ids: Vec<_> = match part {
        Bound::Compare { column, comparison: Comparison::Equal, with }
            if column.source == 0 && column.field == Field::Id =>
        {
            id(with).into_iter().collect()
        }
        Bound::In { column, list, .. } if column.source == 0 && column.field == Field::Id => {
            list.iter().filter_map(id).collect()
        }
        _ => return None,
    };
    ids.sort_unstable();
    ids.dedup();
    Some(ids)
}
