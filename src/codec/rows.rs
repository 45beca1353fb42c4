//! Edits as rows: the form in which they are kept and in which digests are made of them, and in which
//! few are sent.
//!
//! It depends on nothing but the edits: no version of a compressor makes other bytes of them. Texts and actors are written once, in dictionaries in front; counters and times are
//! differences from the edit before. `docs/format.md` draws it.

use std::borrow::Cow;

use litemap::LiteMap;
use serde::{Deserialize, Serialize};

use super::{DecodeError, Lexicon};
use crate::model::{ActorId, Change, ChangeRef, Edit, Op, RecordState, Rights, Section, Value};

/// Made room for when an edit is written: most are not larger.
const ROOM: usize = 512;

// What is read whole is small; the rest is read piece by piece in `read_rows.rs`, in this order.

/// Borrows what it writes.
#[derive(Serialize)]
struct WireEdits<'a> {
    names: Vec<Cow<'a, str>>,
    actors: Vec<ActorId>,
    edits: Vec<WireEdit<'a>>,
}

#[derive(Serialize)]
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

#[derive(Serialize)]
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
/// Borrows while it is written, and owns what was read.
pub(super) enum WireOp<'a> {
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
    ShareColumn {
        column: u32,
        to: u32,
        permissions: u8,
    },
}

#[derive(Serialize, Deserialize)]
pub(super) enum WireSection {
    Header,
    Main,
    Secured(u32),
    Group(u32),
}

/// Gives each distinct thing the number of its first appearance.
struct Dictionary<T> {
    numbers: LiteMap<T, u32>,
    things: Vec<T>,
}

impl<T: Ord + Clone> Dictionary<T> {
    fn new() -> Self {
        Self { numbers: LiteMap::new(), things: Vec::new() }
    }

    fn number(&mut self, thing: T) -> u32 {
        let next = u32::try_from(self.things.len()).unwrap_or(u32::MAX);
        if let Some(number) = self.numbers.get(&thing) {
            return *number;
        }
        self.numbers.insert(thing.clone(), next);
        self.things.push(thing);
        next
    }
}

struct Writer<'a> {
    lexicon: &'a Lexicon,
    /// Those that are not in the lexicon; their numbers are behind.
    names: Dictionary<Cow<'a, str>>,
    actors: Dictionary<ActorId>,
    counter: u64,
    time: i64,
    place: Place,
}

/// Where the last operation on a text or list ended: who types goes on there.
#[derive(Debug, Default)]
pub(super) struct Place(u32);

impl Place {
    /// A place as the difference from this one, which moves on by `length` from there.
    pub(super) fn write(&mut self, at: u32, length: usize) -> i32 {
        let from = at.wrapping_sub(self.0).cast_signed();
        self.0 = Self::end(at, length);
        from
    }

    /// The place so far from this one, which moves on by `length` from there.
    pub(super) fn read(&mut self, from: i32, length: usize) -> u32 {
        let at = self.0.wrapping_add_signed(from);
        self.0 = Self::end(at, length);
        at
    }

    /// The end of something of `length` from `at` on.
    fn end(at: u32, length: usize) -> u32 {
        at.wrapping_add(u32::try_from(length).unwrap_or(u32::MAX))
    }
}

impl<'a> Writer<'a> {
    fn name(&mut self, name: impl Into<Cow<'a, str>>) -> u32 {
        let name = name.into();
        if let Some(number) = self.lexicon.number(name.as_ref()) {
            return number;
        }
        let known = u32::try_from(self.lexicon.names().len()).unwrap_or(u32::MAX);
        known.saturating_add(self.names.number(name))
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
                Section::Group(group) => WireSection::Group(self.name(group.as_str())),
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
                from: self.place.write(*at, insert.chars().count()),
                delete: *delete,
                insert: insert.into(),
            },
            Op::Increment { column, by } => WireOp::Increment(self.name(column.as_str()), *by),
            Op::ListInsert { column, at, values } => WireOp::ListInsert {
                column: self.name(column.as_str()),
                from: self.place.write(*at, values.len()),
                values: values.into(),
            },
            Op::ListSet { column, at, value } => WireOp::ListSet {
                column: self.name(column.as_str()),
                from: self.place.write(*at, 1),
                value: Cow::Borrowed(value),
            },
            Op::ListRemove { column, at, count } => WireOp::ListRemove {
                column: self.name(column.as_str()),
                from: self.place.write(*at, 0),
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
            Op::ShareColumn { column, to, permissions } => WireOp::ShareColumn {
                column: self.name(column.as_str()),
                to: self.name(to.to_string()),
                permissions: permissions.bits(),
            },
        }
    }
}

/// Writes edits as rows.
///
/// # Errors
/// None in practice: the serializer can only fail on kinds of data that edits do not hold.
pub fn encode_rows(edits: &[Edit]) -> Result<Vec<u8>, DecodeError> {
    encode_rows_for(edits, &Lexicon::default())
}

/// As [`encode_rows`], for a reader who has these names.
pub(super) fn encode_rows_for(edits: &[Edit], lexicon: &Lexicon) -> Result<Vec<u8>, DecodeError> {
    let (names, actors) = (Dictionary::new(), Dictionary::new());
    let place = Place::default();
    let mut writer = Writer { lexicon, names, actors, counter: 0, time: 0, place };
    let edits = edits.iter().map(|edit| writer.edit(edit)).collect();
    let wire = WireEdits { names: writer.names.things, actors: writer.actors.things, edits };
    Ok(postcard::to_extend(&wire, Vec::with_capacity(ROOM * wire.edits.len()))?)
}
