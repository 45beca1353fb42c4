//! Edits into columns.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::ids::Known;
use super::packed::Packer;
use super::part::Parts;
use super::weight::{ACTOR, CHANGE, DEP, EDIT, NAME, OP, RUN, SHAPE, allowance, allowance_streams};
use super::{LISTED, NOTHING, THE_LAST, fixed, kind, section};
use crate::codec::rows::Place;
use crate::codec::{Lexicon, Stem};
use crate::model::{ActorId, Change, ChangeRef, ColumnName, Edit, Op, Section, TableName, Value};

/// Edits as columns, and as streams; `None`: a reader would refuse to make so much of so few bytes, or they are too
/// many for streams.
#[derive(Debug, Default)]
pub(in crate::codec) struct Encoded {
    pub(in crate::codec) columns: Option<Vec<u8>>,
    pub(in crate::codec) streams: Option<Vec<u8>>,
}

/// Writes edits, of the id of whose records so many bits are enough, for a reader who has these names.
pub(in crate::codec) fn encode(edits: &[Edit], bits: &[u8], lexicon: &Lexicon) -> Encoded {
    let [columns, streams] = write(edits, bits, lexicon);
    let columns = columns.filter(|(out, charged)| *charged <= allowance(out.len()));
    let streams = streams.filter(|(out, charged)| *charged <= allowance_streams(out.len()));
    Encoded { columns: columns.map(|it| it.0), streams: streams.map(|it| it.0) }
}

/// Bytes, and how much a reader charges for them.
type Charged = (Vec<u8>, usize);

/// Writes edits, as columns and as streams.
pub(super) fn write(edits: &[Edit], bits: &[u8], lexicon: &Lexicon) -> [Option<Charged>; 2] {
    let mut writer = Writer::new(lexicon);
    let bits = bits.iter().copied().chain(std::iter::repeat(Stem::WHOLE));
    for (edit, bits) in edits.iter().zip(bits) {
        writer.edit(edit, bits);
    }
    let counts = [writer.names.len(), writer.actors.len(), writer.shapes.len(), edits.len()];
    writer.write_shapes();
    let packer = || {
        let mut packer = Packer::new();
        packer.charge_each(1, writer.charged);
        packer
    };
    let (mut of_columns, mut of_streams) = (packer(), packer());
    let mut columns = Vec::new();
    writer.parts.write(&mut columns, &counts, &mut of_columns);
    let streams = writer.parts.write_streams(&counts, &mut of_streams);
    [Some((columns, of_columns.charged)), streams.map(|streams| (streams, of_streams.charged))]
}

pub(super) struct Writer<'a> {
    pub(super) parts: Parts<'a>,
    pub(super) known: Known,
    pub(super) place: Place,
    pub(super) kinds: Kinds<'a>,
    /// Those that the reader has not; their numbers are behind those that it has.
    names: BTreeMap<Cow<'a, str>, u32>,
    actors: BTreeMap<ActorId, u32>,
    shapes: BTreeMap<Vec<u32>, u32>,
    /// Where the columns of a kind on a column are.
    columns: BTreeMap<(u8, u32), usize>,
    /// The last change of each section of each record.
    last: BTreeMap<(u32, u32), ChangeRef>,
    /// The shape of the change that is written, and where the columns of its runs are.
    shape: Vec<u32>,
    runs: Vec<usize>,
    charged: usize,
}

impl<'a> Writer<'a> {
    fn new(lexicon: &'a Lexicon) -> Self {
        let (names, actors, shapes, columns) = Default::default();
        let (known, place, last, shape, runs) = Default::default();
        let parts = Parts::new();
        Self {
            parts,
            known,
            place,
            kinds: Kinds { lexicon, table: None },
            names,
            actors,
            shapes,
            columns,
            last,
            shape,
            runs,
            charged: 0,
        }
    }

    fn charge(&mut self, count: usize, bytes: usize) {
        self.charged = self.charged.saturating_add(count.saturating_mul(bytes));
    }

    pub(super) fn name(&mut self, name: impl Into<Cow<'a, str>>) -> u32 {
        let name = name.into();
        let known = self.kinds.lexicon.number(name.as_ref());
        if let Some(number) = known.or_else(|| self.names.get(name.as_ref()).copied()) {
            return number;
        }
        let places = self.kinds.lexicon.names().len() + self.names.len();
        let number = u32::try_from(places).unwrap_or(u32::MAX);
        self.parts.text(fixed::NAMES, name.clone());
        self.names.insert(name, number);
        self.charge(1, NAME);
        number
    }

    fn actor(&mut self, actor: ActorId) -> u32 {
        if let Some(number) = self.actors.get(&actor) {
            return *number;
        }
        let number = u32::try_from(self.actors.len()).unwrap_or(u32::MAX);
        self.parts.number(fixed::ACTOR_DEVICE, actor.device.0);
        self.parts.bytes(fixed::ACTOR_INCARNATION, &actor.incarnation.to_le_bytes());
        self.actors.insert(actor, number);
        self.charge(1, ACTOR);
        number
    }

    fn edit(&mut self, edit: &'a Edit, bits: u8) {
        self.kinds.table = Some(&edit.table);
        self.charge(1, EDIT);
        self.charge(edit.changes.len(), CHANGE);
        self.parts.number(fixed::DEVICE, edit.id.device.0);
        self.parts.bits(fixed::COUNTER, edit.id.counter);
        self.parts.number(fixed::PART, edit.id.part);
        let table = self.name(edit.table.as_str());
        self.parts.number(fixed::TABLE, table);
        let record = self.parts.id(fixed::RECORD, (edit.record, bits), &mut self.known);
        self.parts.number(fixed::ATOMIC, edit.atomic);
        self.parts.bits(fixed::CHANGES, edit.changes.len() as u64);
        let mut shape = fixed::SHAPE;
        for change in &edit.changes {
            self.change(change, record, shape);
            shape = fixed::SHAPE_NEXT;
        }
    }

    fn change(&mut self, change: &'a Change, record: u32, shape_at: usize) {
        self.charge(change.ops.len(), OP);
        self.charge(change.deps.len(), DEP);
        let section = self.shape(change);
        let shape = self.shape_number();
        self.parts.number(shape_at, shape);
        let actor = self.actor(change.id.actor);
        self.parts.number(fixed::ACTOR, actor);
        self.parts.bits(
            fixed::SEQ,
            change.id.seq.wrapping_sub(expected_seq(change.id.actor, &change.deps)),
        );
        self.parts.number(fixed::TIME, change.time.as_millis());
        let last = self.last.insert((record, section), change.id);
        self.deps(&change.deps, last);
        self.ops(change);
    }

    fn deps(&mut self, deps: &[ChangeRef], last: Option<ChangeRef>) {
        match deps {
            [] => self.parts.number(fixed::DEPS, NOTHING),
            [dep] if Some(*dep) == last => self.parts.number(fixed::DEPS, THE_LAST),
            _ => {
                // One that is listed is the first of these numbers.
                self.parts.bits(fixed::DEPS, deps.len() as u64 - 1 + LISTED.cast_unsigned());
                for dep in deps {
                    let actor = self.actor(dep.actor);
                    self.parts.number(fixed::DEP_ACTOR, actor);
                    self.parts.bits(fixed::DEP_SEQ, dep.seq);
                }
            }
        }
    }

    /// Notes the shape of a change, and opens its columns; returns what stands for its section.
    fn shape(&mut self, change: &'a Change) -> u32 {
        let (number, name) = match &change.section {
            Section::Header => (section::HEADER, None),
            Section::Main => (section::MAIN, None),
            Section::Secured(column) => (section::SECURED, Some(column.as_str())),
            Section::Group(group) => (section::GROUP, Some(group.as_str())),
        };
        let name = name.map_or(0, |name| self.name(name));
        let of_section = name.wrapping_mul(4).wrapping_add(u32::try_from(number).unwrap_or(0));
        self.shape.clear();
        self.runs.clear();
        self.shape.push(of_section);
        let kinds = self.kinds;
        for run in change.ops.chunk_by(|a, b| kinds.is_one_run(a, b)) {
            let Some(op) = run.first() else { continue };
            let kind = kinds.of(op);
            let column = column_of(op).map_or(0, |column| self.name(column));
            let ops = u32::try_from(run.len()).unwrap_or(u32::MAX);
            self.shape.extend([column, kind.into(), ops]);
            let parts = &mut self.parts;
            let open = || parts.open(kind::columns(kind).unwrap_or_default());
            self.runs.push(*self.columns.entry((kind, column)).or_insert_with(open));
        }
        of_section
    }

    fn shape_number(&mut self) -> u32 {
        if let Some(number) = self.shapes.get(self.shape.as_slice()) {
            return *number;
        }
        let number = u32::try_from(self.shapes.len()).unwrap_or(u32::MAX);
        self.charge(1, SHAPE);
        self.charge(self.shape.len() / 3, RUN);
        self.shapes.insert(self.shape.clone(), number);
        number
    }

    /// Writes the shapes, in an order in which their columns are steps.
    fn write_shapes(&mut self) {
        let mut places = BTreeMap::new();
        for (place, (shape, number)) in (0_i64..).zip(std::mem::take(&mut self.shapes)) {
            self.write_shape(&shape);
            places.insert(i64::from(number), place);
        }
        for at in [fixed::SHAPE, fixed::SHAPE_NEXT] {
            self.parts.renumber(at, |number| places.get(&number).copied().unwrap_or(number));
        }
    }

    fn write_shape(&mut self, shape: &[u32]) {
        let Some((section, runs)) = shape.split_first() else { return };
        self.parts.number(fixed::SECTION, section % 4);
        if section % 4 >= 2 {
            self.parts.number(fixed::SECTION_NAME, section / 4);
        }
        self.parts.bits(fixed::RUNS, (runs.len() / 3) as u64);
        for run in runs.chunks(3) {
            let [column, kind, ops] = run else { continue };
            let of_column = self.kinds.lexicon.column_type(*column).map(kind::declared);
            let is_declared = of_column.is_some_and(|declared| u32::from(declared) == *kind);
            let told = if is_declared { kind::DECLARED.into() } else { *kind };
            self.parts.number(fixed::KIND, told);
            if u8::try_from(*kind).is_ok_and(kind::has_column) {
                self.parts.number(fixed::COLUMN, *column);
            }
            self.parts.number(fixed::OPS, *ops);
        }
    }

    fn ops(&mut self, change: &'a Change) {
        let kinds = self.kinds;
        let runs = change.ops.chunk_by(|a, b| kinds.is_one_run(a, b));
        let places = std::mem::take(&mut self.runs);
        for (run, at) in runs.zip(&places) {
            for op in run {
                self.op(op, *at);
            }
        }
        self.runs = places;
    }
}

/// What operations are to a reader who has these names.
#[derive(Clone, Copy)]
pub(super) struct Kinds<'a> {
    lexicon: &'a Lexicon,
    /// Of the edit that is written.
    table: Option<&'a TableName>,
}

impl Kinds<'_> {
    /// The number of a choice that the reader has.
    pub(super) fn known_choice(self, op: &Op) -> Option<u32> {
        match op {
            Op::Put { column, value: Value::Choice(choice) } => {
                self.lexicon.number_of_choice(self.table?, column, choice)
            }
            _ => None,
        }
    }

    fn of(self, op: &Op) -> u8 {
        if self.known_choice(op).is_some() { kind::KNOWN_CHOICE } else { kind::of(op) }
    }

    fn is_one_run(self, a: &Op, b: &Op) -> bool {
        self.of(a) == self.of(b) && column_of(a) == column_of(b)
    }
}

/// The column of the table that an operation is about, one of the header among them.
fn column_of(op: &Op) -> Option<&str> {
    match op {
        Op::ShareColumn { column, .. } => Some(column.as_str()),
        op => op.column().map(ColumnName::as_str),
    }
}

/// Which of its actor's changes of a section a change is, if it follows from what it builds on.
pub(super) fn expected_seq(actor: ActorId, deps: &[ChangeRef]) -> u64 {
    let own = deps.iter().filter(|dep| dep.actor == actor).map(|dep| dep.seq);
    own.max().unwrap_or(0).wrapping_add(1)
}
