//! Edits out of rows that may come from anywhere.
//!
//! They are read piece by piece, and each count is checked against its bound before anything of
//! that size is kept: what a reader holds is at no time more than what may be accepted.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::rows::{Place, WireOp, WireSection};
use super::{DecodeError, Lexicon};
use crate::limits::{
    CHANGE_DEPS_MAX, CHANGE_OPS_MAX, CHANGE_SET_ACTORS_MAX, CHANGE_SET_NAMES_MAX,
    CHANGE_SET_OPS_MAX, EDIT_SECTIONS_MAX,
};
use crate::model::{
    ActorId, Change, ChangeRef, ColumnName, ColumnPermissions, DeviceNumber, Edit, EditId,
    NameError, Op, Principal, RecordId, Section, TableName, Timestamp,
};

struct Reader<'a> {
    rest: &'a [u8],
    /// Those of the lexicon, and the others.
    names: Vec<&'a str>,
    actors: Vec<ActorId>,
    counter: u64,
    time: i64,
    place: Place,
    /// The columns that occurred: their operations share one name.
    columns: BTreeMap<u32, ColumnName>,
    /// Operations so far, and what lists and maps in them hold.
    ops: usize,
    /// Whether an edit keeps to the bounds of one that a device may send.
    bounded: bool,
}

impl<'a> Reader<'a> {
    fn new(rest: &'a [u8], bounded: bool, lexicon: &'a Lexicon) -> Self {
        let names = lexicon.names().iter().map(String::as_str).collect();
        let (actors, place, columns) = Default::default();
        Self { rest, names, actors, counter: 0, time: 0, place, columns, ops: 0, bounded }
    }

    /// The next thing.
    fn take<T: Deserialize<'a>>(&mut self) -> Result<T, DecodeError> {
        let (found, rest) = postcard::take_from_bytes(self.rest)?;
        self.rest = rest;
        Ok(found)
    }

    fn bound(&self, what: &'static str, found: usize, max: usize) -> Result<(), DecodeError> {
        if self.bounded { DecodeError::bound(what, found, max) } else { Ok(()) }
    }

    /// How many of something follow: each takes a byte at least.
    fn count(&mut self) -> Result<usize, DecodeError> {
        let count = usize::try_from(self.take::<u64>()?).unwrap_or(usize::MAX);
        if count > self.rest.len() {
            return Err(postcard::Error::DeserializeUnexpectedEnd.into());
        }
        Ok(count)
    }

    /// As [`Self::count`], where that may be at most `max`.
    fn count_up_to(&mut self, what: &'static str, max: usize) -> Result<usize, DecodeError> {
        let count = self.count()?;
        self.bound(what, count, max)?;
        Ok(count)
    }

    /// So many things, one after the other.
    fn many<T>(
        &mut self,
        count: usize,
        read: impl Fn(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        // A count beyond what a device may send is not believed before its things are seen.
        let mut things = Vec::with_capacity(count.min(CHANGE_OPS_MAX));
        for _ in 0..count {
            things.push(read(self)?);
        }
        Ok(things)
    }

    fn edits(&mut self, edits_max: usize) -> Result<Vec<Edit>, DecodeError> {
        let names = self.count_up_to("names in a change set", CHANGE_SET_NAMES_MAX)?;
        let names = self.many(names, Self::take::<&str>)?;
        self.names.extend(names);
        let actors = self.count_up_to("actors in a change set", CHANGE_SET_ACTORS_MAX)?;
        self.actors = self.many(actors, Self::take)?;
        let edits = self.count()?;
        DecodeError::bound("edits in a change set", edits, edits_max)?;
        self.many(edits, Self::edit)
    }

    fn edit(&mut self) -> Result<Edit, DecodeError> {
        let device = DeviceNumber(self.take()?);
        self.counter = self.counter.wrapping_add_signed(self.take()?);
        let id = EditId { device, counter: self.counter, part: self.take()? };
        let table = self.take_name::<TableName>()?;
        let record = RecordId::from_bytes(self.take()?);
        let atomic = self.take()?;
        let changes = self.count_up_to("sections in an edit", EDIT_SECTIONS_MAX)?;
        Ok(Edit { id, table, record, atomic, changes: self.many(changes, Self::change)? })
    }

    fn change(&mut self) -> Result<Arc<Change>, DecodeError> {
        let section = match self.take()? {
            WireSection::Header => Section::Header,
            WireSection::Main => Section::Main,
            WireSection::Secured(column) => Section::Secured(self.name(column)?),
            WireSection::Group(group) => Section::Group(self.name(group)?),
        };
        let id = self.reference()?;
        self.time = self.time.wrapping_add(self.take()?);
        let time = Timestamp::try_from(self.time)?;
        let deps = self.count_up_to("dependencies of a change", CHANGE_DEPS_MAX)?;
        let deps = self.many(deps, Self::reference)?;
        let ops = self.count_up_to("operations in a change", CHANGE_OPS_MAX)?;
        self.add_ops(ops)?;
        Ok(Arc::new(Change { section, id, time, deps, ops: self.many(ops, Self::op)? }))
    }

    fn add_ops(&mut self, more: usize) -> Result<(), DecodeError> {
        self.ops = self.ops.saturating_add(more);
        self.bound("operations in a change set", self.ops, CHANGE_SET_OPS_MAX)
    }

    fn name<T: std::str::FromStr>(&self, number: u32) -> Result<T, DecodeError>
    where
        DecodeError: From<T::Err>,
    {
        let index = usize::try_from(number).ok();
        let name = index.and_then(|index| self.names.get(index));
        Ok(name.ok_or(DecodeError::Reference { what: "name", number })?.parse()?)
    }

    fn take_name<T: std::str::FromStr>(&mut self) -> Result<T, DecodeError>
    where
        DecodeError: From<T::Err>,
    {
        let number = self.take()?;
        self.name(number)
    }

    fn reference(&mut self) -> Result<ChangeRef, DecodeError> {
        let (number, seq): (u32, u64) = self.take()?;
        let index = usize::try_from(number).ok();
        let found = index.and_then(|index| self.actors.get(index)).copied();
        let actor = found.ok_or(DecodeError::Reference { what: "actor", number })?;
        Ok(ChangeRef { actor, seq })
    }

    fn column(&mut self, number: u32) -> Result<ColumnName, DecodeError> {
        if let Some(known) = self.columns.get(&number) {
            return Ok(known.clone());
        }
        let column: ColumnName = self.name(number)?;
        self.columns.insert(number, column.clone());
        Ok(column)
    }

    fn op(&mut self) -> Result<Op, DecodeError> {
        let wire: WireOp<'_> = self.take()?;
        let op = self.meaning(wire)?;
        self.add_ops(op.held())?;
        Ok(op)
    }

    fn meaning(&mut self, wire: WireOp<'_>) -> Result<Op, DecodeError> {
        Ok(match wire {
            WireOp::Put(column, value) => {
                Op::Put { column: self.column(column)?, value: value.into_owned() }
            }
            WireOp::Own { owner, business_unit } => {
                Op::Own { owner: self.name(owner)?, business_unit: self.name(business_unit)? }
            }
            WireOp::State(state) => Op::State(state),
            WireOp::Share { to, rights } => Op::Share { to: self.name::<Principal>(to)?, rights },
            WireOp::Splice { column, from, delete, insert } => {
                let at = self.place.read(from, insert.chars().count());
                let insert = insert.into_owned();
                Op::Splice { column: self.column(column)?, at, delete, insert }
            }
            WireOp::Increment(column, by) => Op::Increment { column: self.column(column)?, by },
            WireOp::ListInsert { column, from, values } => {
                let at = self.place.read(from, values.len());
                let values = values.into_owned();
                Op::ListInsert { column: self.column(column)?, at, values }
            }
            WireOp::ListSet { column, from, value } => {
                let at = self.place.read(from, 1);
                let value = value.into_owned();
                Op::ListSet { column: self.column(column)?, at, value }
            }
            WireOp::ListRemove { column, from, count } => {
                let at = self.place.read(from, 0);
                Op::ListRemove { column: self.column(column)?, at, count }
            }
            WireOp::MapPut(column, key, value) => {
                let (key, value) = (key.into_owned(), value.into_owned());
                Op::MapPut { column: self.column(column)?, key, value }
            }
            WireOp::MapRemove(column, key) => {
                Op::MapRemove { column: self.column(column)?, key: key.into_owned() }
            }
            WireOp::JsonPut(column, path, leaf) => {
                let (path, leaf) = (path.into_owned(), leaf.into_owned());
                Op::JsonPut { column: self.column(column)?, path, leaf }
            }
            WireOp::JsonRemove(column, path) => {
                Op::JsonRemove { column: self.column(column)?, path: path.into_owned() }
            }
            WireOp::ShareColumn { column, to, permissions } => Op::ShareColumn {
                column: self.column(column)?,
                to: self.name::<Principal>(to)?,
                permissions: ColumnPermissions::from_bits(permissions).ok_or_else(|| {
                    DecodeError::Value(format!("{permissions} stands for no column permissions"))
                })?,
            },
        })
    }
}

/// Reads rows that a device may send to who has these names.
pub(super) fn decode_rows(
    bytes: &[u8],
    edits_max: usize,
    lexicon: &Lexicon,
) -> Result<Vec<Edit>, DecodeError> {
    decode(bytes, edits_max, true, lexicon)
}

/// Reads rows of any size, which only the length of `bytes` bounds: whole records, whose changes
/// are all those ever made, and what a store wrote itself.
///
/// # Errors
/// The bytes are no such edits, or hold more than `edits_max`.
pub fn decode_rows_up_to(bytes: &[u8], edits_max: usize) -> Result<Vec<Edit>, DecodeError> {
    decode(bytes, edits_max, false, &Lexicon::default())
}

fn decode(
    bytes: &[u8],
    edits_max: usize,
    bounded: bool,
    lexicon: &Lexicon,
) -> Result<Vec<Edit>, DecodeError> {
    let mut reader = Reader::new(bytes, bounded, lexicon);
    let edits = reader.edits(edits_max)?;
    match reader.rest.len() {
        0 => Ok(edits),
        left => Err(DecodeError::TrailingBytes(left)),
    }
}

impl From<NameError> for DecodeError {
    fn from(error: NameError) -> Self {
        Self::Value(error.to_string())
    }
}
