//! Edits as bytes: the form in which they are signed, sent and kept.
//!
//! Texts and actors are written once, in dictionaries in front; counters and times are
//! differences from the edit before. `docs/format.md` draws it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::DecodeError;
use crate::limits::{
    CHANGE_DEPS_MAX, CHANGE_OPS_MAX, CHANGE_SET_EDITS_MAX, CHANGE_SET_OPS_MAX, EDIT_SECTIONS_MAX,
};
use crate::model::{
    ActorId, Change, ChangeRef, ColumnName, DeviceNumber, Edit, EditId, NameError, Op, Principal,
    RecordId, RecordState, Rights, Section, TableName, Timestamp, Value,
};

/// Made room for when an edit is written: most are not larger.
const ROOM: usize = 512;

/// Borrows while it is written, and owns what was read.
#[derive(Serialize, Deserialize)]
struct WireEdits<'a> {
    names: Vec<Cow<'a, str>>,
    actors: Vec<ActorId>,
    edits: Vec<WireEdit<'a>>,
}

#[derive(Serialize, Deserialize)]
struct WireEdit<'a> {
    device: u32,
    /// From the edit before.
    counter: i64,
    part: u32,
    table: u32,
    record: [u8; 16],
    atomic: u32,
    changes: Vec<WireChange<'a>>,
}

#[derive(Serialize, Deserialize)]
struct WireChange<'a> {
    section: WireSection,
    actor: u32,
    seq: u64,
    /// Milliseconds from the change before.
    time: i64,
    deps: Vec<(u32, u64)>,
    ops: Vec<WireOp<'a>>,
}

#[derive(Serialize, Deserialize)]
enum WireOp<'a> {
    Put(u32, Cow<'a, Value>),
    Own {
        owner: u32,
        business_unit: u32,
    },
    State(RecordState),
    Share {
        to: u32,
        rights: Rights,
    },
    /// Places are differences from where the operation before it on a text or list ended.
    Splice {
        column: u32,
        from: i32,
        delete: u32,
        insert: Cow<'a, str>,
    },
    Increment(u32, i64),
    ListInsert {
        column: u32,
        from: i32,
        values: Cow<'a, [Value]>,
    },
    ListSet {
        column: u32,
        from: i32,
        value: Cow<'a, Value>,
    },
    ListRemove {
        column: u32,
        from: i32,
        count: u32,
    },
    MapPut(u32, Cow<'a, str>, Cow<'a, Value>),
    MapRemove(u32, Cow<'a, str>),
    JsonPut(u32, Cow<'a, str>, Cow<'a, str>),
    JsonRemove(u32, Cow<'a, str>),
}

#[derive(Serialize, Deserialize)]
enum WireSection {
    Header,
    Main,
    Secured(u32),
}

/// Gives each distinct thing the number of its first appearance.
struct Dictionary<T> {
    numbers: BTreeMap<T, u32>,
    things: Vec<T>,
}

impl<T: Ord + Clone> Dictionary<T> {
    fn new() -> Self {
        Self { numbers: BTreeMap::new(), things: Vec::new() }
    }

    fn number(&mut self, thing: T) -> u32 {
        let next = u32::try_from(self.things.len()).unwrap_or(u32::MAX);
        *self.numbers.entry(thing.clone()).or_insert_with(|| {
            self.things.push(thing);
            next
        })
    }
}

struct Writer<'a> {
    names: Dictionary<Cow<'a, str>>,
    actors: Dictionary<ActorId>,
    counter: u64,
    time: i64,
    place: Place,
}

/// Where the last operation on a text or list ended: who types goes on there.
#[derive(Default)]
struct Place(u32);

impl Place {
    /// A place as the difference from this one, which moves to `end`.
    fn write(&mut self, at: u32, end: u32) -> i32 {
        let from = at.wrapping_sub(self.0).cast_signed();
        self.0 = end;
        from
    }

    fn read(&self, from: i32) -> u32 {
        self.0.wrapping_add_signed(from)
    }

    /// The end of something of `length` from `at` on.
    fn end(at: u32, length: usize) -> u32 {
        at.wrapping_add(u32::try_from(length).unwrap_or(u32::MAX))
    }
}

impl<'a> Writer<'a> {
    fn name(&mut self, name: impl Into<Cow<'a, str>>) -> u32 {
        self.names.number(name.into())
    }

    fn reference(&mut self, change: ChangeRef) -> (u32, u64) {
        (self.actors.number(change.actor), change.seq)
    }

    fn edit(&mut self, edit: &'a Edit) -> WireEdit<'a> {
        let counter = edit.id.counter.cast_signed().wrapping_sub(self.counter.cast_signed());
        self.counter = edit.id.counter;
        WireEdit {
            device: edit.id.device.0,
            counter,
            part: edit.id.part,
            table: self.name(edit.table.as_str()),
            record: *edit.record.as_bytes(),
            atomic: edit.atomic,
            changes: edit.changes.iter().map(|change| self.change(change)).collect(),
        }
    }

    fn change(&mut self, change: &'a Change) -> WireChange<'a> {
        let time = change.time.as_millis().wrapping_sub(self.time);
        self.time = change.time.as_millis();
        let (actor, seq) = self.reference(change.id);
        WireChange {
            section: match &change.section {
                Section::Header => WireSection::Header,
                Section::Main => WireSection::Main,
                Section::Secured(column) => WireSection::Secured(self.name(column.as_str())),
            },
            actor,
            seq,
            time,
            deps: change.deps.iter().map(|dep| self.reference(*dep)).collect(),
            ops: change.ops.iter().map(|op| self.op(op)).collect(),
        }
    }

    fn op(&mut self, op: &'a Op) -> WireOp<'a> {
        match op {
            Op::Put { column, value } => {
                WireOp::Put(self.name(column.as_str()), Cow::Borrowed(value))
            }
            Op::Own { owner, business_unit } => WireOp::Own {
                owner: self.name(owner.to_string()),
                business_unit: self.name(business_unit.as_str()),
            },
            Op::State(state) => WireOp::State(*state),
            Op::Share { to, rights } => {
                WireOp::Share { to: self.name(to.to_string()), rights: *rights }
            }
            Op::Splice { column, at, delete, insert } => WireOp::Splice {
                column: self.name(column.as_str()),
                from: self.place.write(*at, Place::end(*at, insert.chars().count())),
                delete: *delete,
                insert: insert.into(),
            },
            Op::Increment { column, by } => WireOp::Increment(self.name(column.as_str()), *by),
            Op::ListInsert { column, at, values } => WireOp::ListInsert {
                column: self.name(column.as_str()),
                from: self.place.write(*at, Place::end(*at, values.len())),
                values: values.into(),
            },
            Op::ListSet { column, at, value } => WireOp::ListSet {
                column: self.name(column.as_str()),
                from: self.place.write(*at, Place::end(*at, 1)),
                value: Cow::Borrowed(value),
            },
            Op::ListRemove { column, at, count } => WireOp::ListRemove {
                column: self.name(column.as_str()),
                from: self.place.write(*at, *at),
                count: *count,
            },
            Op::MapPut { column, key, value } => {
                WireOp::MapPut(self.name(column.as_str()), key.into(), Cow::Borrowed(value))
            }
            Op::MapRemove { column, key } => {
                WireOp::MapRemove(self.name(column.as_str()), key.into())
            }
            Op::JsonPut { column, path, leaf } => {
                WireOp::JsonPut(self.name(column.as_str()), path.into(), leaf.into())
            }
            Op::JsonRemove { column, path } => {
                WireOp::JsonRemove(self.name(column.as_str()), path.into())
            }
        }
    }
}

/// Writes edits as bytes.
///
/// # Errors
/// None in practice: the serializer can only fail on kinds of data that edits do not hold.
pub fn encode_edits(edits: &[Edit]) -> Result<Vec<u8>, DecodeError> {
    let (names, actors) = (Dictionary::new(), Dictionary::new());
    let mut writer = Writer { names, actors, counter: 0, time: 0, place: Place::default() };
    let edits = edits.iter().map(|edit| writer.edit(edit)).collect();
    let wire = WireEdits { names: writer.names.things, actors: writer.actors.things, edits };
    Ok(postcard::to_extend(&wire, Vec::with_capacity(ROOM * wire.edits.len()))?)
}

struct Reader {
    names: Vec<Cow<'static, str>>,
    actors: Vec<ActorId>,
    counter: u64,
    time: i64,
    place: Place,
    /// The columns that occurred: their operations share one name.
    columns: BTreeMap<u32, ColumnName>,
    /// Whether an edit keeps to the bounds of one that a device may send.
    bounded: bool,
}

impl Reader {
    fn bound(&self, what: &'static str, found: usize, max: usize) -> Result<(), DecodeError> {
        if self.bounded { DecodeError::bound(what, found, max) } else { Ok(()) }
    }

    fn name<T: std::str::FromStr>(&self, number: u32) -> Result<T, DecodeError>
    where
        DecodeError: From<T::Err>,
    {
        let index = usize::try_from(number).ok();
        let name = index.and_then(|index| self.names.get(index));
        Ok(name.ok_or(DecodeError::Reference { what: "name", number })?.parse()?)
    }

    fn reference(&self, (actor, seq): (u32, u64)) -> Result<ChangeRef, DecodeError> {
        let index = usize::try_from(actor).ok();
        let found = index.and_then(|index| self.actors.get(index)).copied();
        let actor = found.ok_or(DecodeError::Reference { what: "actor", number: actor })?;
        Ok(ChangeRef { actor, seq })
    }

    fn edit(&mut self, wire: WireEdit<'_>) -> Result<Edit, DecodeError> {
        self.bound("sections in an edit", wire.changes.len(), EDIT_SECTIONS_MAX)?;
        self.counter = self.counter.wrapping_add_signed(wire.counter);
        Ok(Edit {
            id: EditId {
                device: DeviceNumber(wire.device),
                counter: self.counter,
                part: wire.part,
            },
            table: self.name::<TableName>(wire.table)?,
            record: RecordId::from_bytes(wire.record),
            atomic: wire.atomic,
            changes: wire
                .changes
                .into_iter()
                .map(|it| self.change(it))
                .collect::<Result<_, _>>()?,
        })
    }

    fn change(&mut self, wire: WireChange<'_>) -> Result<Change, DecodeError> {
        self.bound("dependencies of a change", wire.deps.len(), CHANGE_DEPS_MAX)?;
        self.bound("operations in a change", wire.ops.len(), CHANGE_OPS_MAX)?;
        self.time = self.time.wrapping_add(wire.time);
        Ok(Change {
            section: match wire.section {
                WireSection::Header => Section::Header,
                WireSection::Main => Section::Main,
                WireSection::Secured(column) => Section::Secured(self.name(column)?),
            },
            id: self.reference((wire.actor, wire.seq))?,
            time: Timestamp::try_from(self.time)?,
            deps: wire.deps.into_iter().map(|dep| self.reference(dep)).collect::<Result<_, _>>()?,
            ops: wire.ops.into_iter().map(|op| self.op(op)).collect::<Result<_, _>>()?,
        })
    }

    fn column(&mut self, number: u32) -> Result<ColumnName, DecodeError> {
        if let Some(known) = self.columns.get(&number) {
            return Ok(known.clone());
        }
        let column: ColumnName = self.name(number)?;
        self.columns.insert(number, column.clone());
        Ok(column)
    }

    fn op(&mut self, wire: WireOp<'_>) -> Result<Op, DecodeError> {
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
                let at = self.place.read(from);
                self.place.0 = Place::end(at, insert.chars().count());
                let insert = insert.into_owned();
                Op::Splice { column: self.column(column)?, at, delete, insert }
            }
            WireOp::Increment(column, by) => Op::Increment { column: self.column(column)?, by },
            WireOp::ListInsert { column, from, values } => {
                let at = self.place.read(from);
                self.place.0 = Place::end(at, values.len());
                let values = values.into_owned();
                Op::ListInsert { column: self.column(column)?, at, values }
            }
            WireOp::ListSet { column, from, value } => {
                let at = self.place.read(from);
                self.place.0 = Place::end(at, 1);
                let value = value.into_owned();
                Op::ListSet { column: self.column(column)?, at, value }
            }
            WireOp::ListRemove { column, from, count } => {
                let at = self.place.read(from);
                self.place.0 = at;
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
        })
    }
}

/// Reads edits from bytes that may come from anywhere.
///
/// # Errors
/// The bytes are no such edits, or break a bound, which the error names.
pub fn decode_edits(bytes: &[u8]) -> Result<Vec<Edit>, DecodeError> {
    decode_edits_up_to(bytes, CHANGE_SET_EDITS_MAX)
}

/// As [`decode_edits`], with another bound for the number of edits.
///
/// # Errors
/// As [`decode_edits`].
pub fn decode_edits_up_to(bytes: &[u8], edits_max: usize) -> Result<Vec<Edit>, DecodeError> {
    decode(bytes, edits_max, true)
}

/// Reads edits of any size, which only the length of `bytes` bounds: whole records, whose changes
/// are all those ever made, and what a store wrote itself.
///
/// # Errors
/// The bytes are no such edits, or hold more than `edits_max`.
pub fn decode_records_up_to(bytes: &[u8], edits_max: usize) -> Result<Vec<Edit>, DecodeError> {
    decode(bytes, edits_max, false)
}

fn decode(bytes: &[u8], edits_max: usize, bounded: bool) -> Result<Vec<Edit>, DecodeError> {
    let (wire, rest): (WireEdits<'static>, _) = postcard::take_from_bytes(bytes)?;
    if !rest.is_empty() {
        return Err(DecodeError::TrailingBytes(rest.len()));
    }
    DecodeError::bound("edits in a change set", wire.edits.len(), edits_max)?;
    if bounded {
        let changes = wire.edits.iter().flat_map(|edit| &edit.changes);
        let ops = changes.map(|change| change.ops.len()).sum();
        DecodeError::bound("operations in a change set", ops, CHANGE_SET_OPS_MAX)?;
    }
    let WireEdits { names, actors, edits } = wire;
    let (place, columns) = Default::default();
    let mut reader = Reader { names, actors, counter: 0, time: 0, place, columns, bounded };
    edits.into_iter().map(|edit| reader.edit(edit)).collect()
}

impl From<NameError> for DecodeError {
    fn from(error: NameError) -> Self {
        Self::Value(error.to_string())
    }
}
