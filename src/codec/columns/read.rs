//! Edits out of columns that may come from anywhere.
//!
//! Each count is checked against its bound, and charged, before anything of that size is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::input::{Input, malformed};
use super::read_op::{self, Names};
use super::read_part::Parts;
use super::streams::Streams;
use super::texts::text;
use super::weight::allowance_streams;
use super::weight::{ACTOR, CHANGE, DEP, EDIT, NAME, OP, RUN, SHAPE};
use super::write::expected_seq;
use super::{LISTED, NOTHING, THE_LAST, fixed, kind, packed, section};
use crate::codec::edits::Stemmed;
use crate::codec::rows::Place;
use crate::codec::{DecodeError, Lexicon, Stem};
use crate::limits::{
    CHANGE_DEPS_MAX, CHANGE_OPS_MAX, CHANGE_SET_ACTORS_MAX, CHANGE_SET_NAMES_MAX,
    CHANGE_SET_OPS_MAX, EDIT_SECTIONS_MAX,
};
use crate::model::{
    ActorId, Change, ChangeRef, DeviceNumber, Edit, EditId, Op, Section, Timestamp,
};

/// Reads edits that were written for who has these names, at most so many; `bounded`: each keeps to the bounds
/// of one that a device may send.
pub(in crate::codec) fn decode(
    bytes: &[u8],
    edits_max: usize,
    bounded: bool,
    lexicon: &Lexicon,
) -> Result<Stemmed, DecodeError> {
    read(Input::new(bytes), edits_max, bounded, lexicon).map(|(edits, _)| edits)
}

/// As [`decode`], out of streams.
pub(in crate::codec) fn decode_streams(
    bytes: &[u8],
    edits_max: usize,
    bounded: bool,
    lexicon: &Lexicon,
) -> Result<Stemmed, DecodeError> {
    let input = Input::allowing(bytes, allowance_streams(bytes.len()));
    read_streams(input, edits_max, bounded, lexicon).map(|(edits, _)| edits)
}

/// Reads edits, and says how much was charged for them.
pub(super) fn read(
    mut input: Input<'_>,
    edits_max: usize,
    bounded: bool,
    lexicon: &Lexicon,
) -> Result<(Stemmed, usize), DecodeError> {
    let pool = text(packed::read(&mut input)?)?;
    let counts = [input.size()?, input.size()?, input.size()?, input.size()?];
    let parts = Parts::new(input, &pool);
    Reader::new(parts, counts, edits_max, bounded, lexicon)?.read()
}

/// As [`read`], out of streams.
pub(super) fn read_streams(
    mut input: Input<'_>,
    edits_max: usize,
    bounded: bool,
    lexicon: &Lexicon,
) -> Result<(Stemmed, usize), DecodeError> {
    let mut streams = Streams::read(&mut input)?;
    let counts = [streams.size()?, streams.size()?, streams.size()?, streams.size()?];
    let parts = Parts::of_streams(input, streams);
    Reader::new(parts, counts, edits_max, bounded, lexicon)?.read()
}

/// What a change does, but for its values.
struct Shape {
    section: Section,
    /// Stands for the section.
    number: u32,
    ops: usize,
    runs: Vec<Run>,
}

/// Operations of one kind, on one column.
struct Run {
    kind: u8,
    /// Its name's number; 0 where there is none.
    column: u32,
    ops: usize,
    /// Where its columns are, when they were opened.
    at: Option<usize>,
}

struct Reader<'a> {
    parts: Parts<'a>,
    names: Names<'a>,
    actors: Vec<ActorId>,
    shapes: Vec<Shape>,
    edits: usize,
    known: Vec<Stem>,
    place: Place,
    columns: BTreeMap<(u8, u32), usize>,
    /// The last change of each section of each record.
    last: BTreeMap<(u32, u32), ChangeRef>,
    /// Operations so far, and what lists and maps in them hold.
    ops: usize,
    bounded: bool,
}

impl<'a> Reader<'a> {
    fn new(
        mut parts: Parts<'a>,
        [names, actors, shapes, edits]: [usize; 4],
        edits_max: usize,
        bounded: bool,
        lexicon: &'a Lexicon,
    ) -> Result<Self, DecodeError> {
        if bounded {
            DecodeError::bound("names in a change set", names, CHANGE_SET_NAMES_MAX)?;
            DecodeError::bound("actors in a change set", actors, CHANGE_SET_ACTORS_MAX)?;
        }
        DecodeError::bound("edits in a change set", edits, edits_max)?;
        let counts = [(names, NAME), (actors, ACTOR), (shapes, SHAPE), (edits, EDIT)];
        for (count, bytes) in counts {
            parts.input.charge_each(count, bytes)?;
        }
        parts.open_fixed()?;
        let names = Names::read(&mut parts, names, lexicon)?;
        let actor = |_| {
            let device = DeviceNumber(parts.number_as(fixed::ACTOR_DEVICE)?);
            Ok(ActorId { device, incarnation: parts.eight_bytes(fixed::ACTOR_INCARNATION)? })
        };
        let actors = (0..actors).map(actor).collect::<Result<_, DecodeError>>()?;
        let (known, place, columns, last, ops) = Default::default();
        let mut reader = Self {
            parts,
            names,
            actors,
            shapes: Vec::with_capacity(shapes),
            edits,
            known,
            place,
            columns,
            last,
            ops,
            bounded,
        };
        for _ in 0..shapes {
            let shape = reader.shape()?;
            reader.shapes.push(shape);
        }
        Ok(reader)
    }

    fn read(mut self) -> Result<(Stemmed, usize), DecodeError> {
        let mut edits = Vec::with_capacity(self.edits);
        let mut bits = Vec::with_capacity(self.edits);
        for _ in 0..self.edits {
            let (edit, told) = self.edit()?;
            edits.push(edit);
            bits.push(told);
        }
        let charged = self.parts.input.charged();
        self.parts.finish()?;
        Ok((Stemmed { edits, bits }, charged))
    }

    fn bound(&self, what: &'static str, found: usize, max: usize) -> Result<(), DecodeError> {
        if self.bounded { DecodeError::bound(what, found, max) } else { Ok(()) }
    }

    fn shape(&mut self) -> Result<Shape, DecodeError> {
        let of_section = self.parts.number(fixed::SECTION)?;
        let mut name = 0;
        if matches!(of_section, section::SECURED | section::GROUP) {
            name = self.parts.number_as(fixed::SECTION_NAME)?;
        }
        let section = match of_section {
            section::HEADER => Section::Header,
            section::MAIN => Section::Main,
            section::SECURED => Section::Secured(self.names.parse(name)?),
            section::GROUP => Section::Group(self.names.parse(name)?),
            _ => return Err(malformed("a section")),
        };
        let number = u32::try_from(of_section).unwrap_or(0).wrapping_add(name.wrapping_mul(4));
        let count = self.parts.size(fixed::RUNS)?;
        self.parts.input.charge_each(count, RUN)?;
        let mut runs = Vec::with_capacity(count);
        let mut ops = 0_usize;
        for _ in 0..count {
            let run = self.run()?;
            ops = ops.saturating_add(run.ops);
            runs.push(run);
        }
        Ok(Shape { section, number, ops, runs })
    }

    fn run(&mut self) -> Result<Run, DecodeError> {
        let mut kind = self.parts.number_as(fixed::KIND)?;
        let mut column = 0;
        if kind::has_column(kind) {
            column = self.parts.number_as(fixed::COLUMN)?;
            self.names.check_column(column)?;
        }
        if kind == kind::DECLARED {
            kind = self.names.declared(column)?;
        }
        if kind::columns(kind).is_none() {
            return Err(malformed("a kind of operation"));
        }
        Ok(Run { kind, column, ops: self.parts.size(fixed::OPS)?, at: None })
    }

    fn edit(&mut self) -> Result<(Edit, u8), DecodeError> {
        let device = DeviceNumber(self.parts.number_as(fixed::DEVICE)?);
        let counter = self.parts.bits(fixed::COUNTER)?;
        let id = EditId { device, counter, part: self.parts.number_as(fixed::PART)? };
        let table = self.parts.number_as(fixed::TABLE)?;
        let table = self.names.turn_to(table)?;
        let (stem, number) = self.parts.id(fixed::RECORD, &mut self.known)?;
        let atomic = self.parts.number_as(fixed::ATOMIC)?;
        let count = self.parts.size(fixed::CHANGES)?;
        self.bound("sections in an edit", count, EDIT_SECTIONS_MAX)?;
        self.parts.input.charge_each(count, CHANGE)?;
        let mut changes = Vec::with_capacity(count);
        let mut shape = fixed::SHAPE;
        for _ in 0..count {
            changes.push(Arc::new(self.change(number, shape)?));
            shape = fixed::SHAPE_NEXT;
        }
        Ok((Edit { id, table, record: stem.first(), atomic, changes }, stem.bits()))
    }

    fn change(&mut self, record: u32, shape_at: usize) -> Result<Change, DecodeError> {
        let number: u32 = self.parts.number_as(shape_at)?;
        let missing = DecodeError::Reference { what: "shape", number };
        let shape = self.shapes.get(number as usize).ok_or(missing)?;
        let (section, count) = (shape.section.clone(), shape.ops);
        let place = (record, shape.number);
        let actor = self.actor(fixed::ACTOR)?;
        let ahead = self.parts.bits(fixed::SEQ)?;
        let time = Timestamp::try_from(self.parts.number(fixed::TIME)?)?;
        let deps = self.deps(self.last.get(&place).copied())?;
        let seq = expected_seq(actor, &deps).wrapping_add(ahead);
        let id = ChangeRef { actor, seq };
        self.last.insert(place, id);
        self.bound("operations in a change", count, CHANGE_OPS_MAX)?;
        self.add_ops(count)?;
        self.parts.input.charge_each(count, OP)?;
        Ok(Change { section, id, time, deps, ops: self.ops(number as usize, count)? })
    }

    fn add_ops(&mut self, more: usize) -> Result<(), DecodeError> {
        self.ops = self.ops.saturating_add(more);
        self.bound("operations in a change set", self.ops, CHANGE_SET_OPS_MAX)
    }

    fn actor(&mut self, at: usize) -> Result<ActorId, DecodeError> {
        let number: u32 = self.parts.number_as(at)?;
        let actor = self.actors.get(number as usize).copied();
        actor.ok_or(DecodeError::Reference { what: "actor", number })
    }

    fn deps(&mut self, last: Option<ChangeRef>) -> Result<Vec<ChangeRef>, DecodeError> {
        let told = self.parts.number(fixed::DEPS)?;
        let count = match told {
            NOTHING => return Ok(Vec::new()),
            THE_LAST => 1,
            _ => usize::try_from(told - (LISTED - 1)).unwrap_or(usize::MAX),
        };
        self.bound("dependencies of a change", count, CHANGE_DEPS_MAX)?;
        self.parts.input.charge_each(count, DEP)?;
        if told == THE_LAST {
            return Ok(vec![last.ok_or_else(|| malformed("what a change builds on"))?]);
        }
        let mut deps = Vec::with_capacity(count);
        for _ in 0..count {
            let actor = self.actor(fixed::DEP_ACTOR)?;
            deps.push(ChangeRef { actor, seq: self.parts.bits(fixed::DEP_SEQ)? });
        }
        Ok(deps)
    }

    fn ops(&mut self, shape: usize, count: usize) -> Result<Vec<Op>, DecodeError> {
        let mut ops = Vec::with_capacity(count);
        let Self { parts, names, shapes, known, place, columns, .. } = self;
        let runs = shapes.get_mut(shape).map(|shape| shape.runs.as_mut_slice());
        let mut held = 0_usize;
        for run in runs.unwrap_or_default() {
            let key = (run.kind, run.column);
            let at = match run.at.or_else(|| columns.get(&key).copied()) {
                Some(at) => at,
                None => parts.open(kind::columns(run.kind).unwrap_or_default())?,
            };
            if run.at.is_none() {
                columns.insert(key, at);
                run.at = Some(at);
            }
            for _ in 0..run.ops {
                let op = read_op::read(key, at, parts, names, known, place)?;
                held = held.saturating_add(op.held());
                ops.push(op);
            }
        }
        self.add_ops(held)?;
        Ok(ops)
    }
}
