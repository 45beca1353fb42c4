//! Edits of one field each, of records of twenty fields: as the bandwidth bench draws them.

use std::sync::Arc;

use rust_decimal::Decimal;
use tidegate::model::{
    ActorId, Change, ChangeRef, Date, DeviceNumber, Edit, EditId, Op, RecordId, Section, Timestamp,
    Value,
};

/// What of a field is drawn.
#[derive(Clone, Copy)]
enum Kind {
    Letters(u64, u64),
    OneOf(&'static str, u64),
    Truth,
    Number(u64),
    Cents(u64),
    Day(u64),
}

const FIELDS: [(&str, Kind); 20] = [
    ("code", Kind::Letters(10, 10)),
    ("serial", Kind::Letters(10, 10)),
    ("batch", Kind::Letters(10, 10)),
    ("reference", Kind::Letters(10, 10)),
    ("part", Kind::Letters(10, 10)),
    ("shelf", Kind::Letters(10, 10)),
    ("barcode", Kind::Letters(10, 10)),
    ("contract", Kind::Letters(10, 10)),
    ("invoice", Kind::Letters(10, 10)),
    ("note", Kind::Letters(10, 30)),
    ("remark", Kind::Letters(10, 30)),
    ("address", Kind::Letters(10, 30)),
    ("city", Kind::OneOf("city", 40)),
    ("status", Kind::OneOf("status", 4)),
    ("priority", Kind::OneOf("priority", 3)),
    ("urgent", Kind::Truth),
    ("quantity", Kind::Number(1_000)),
    ("meter", Kind::Number(100_000)),
    ("price", Kind::Cents(100_000)),
    ("due", Kind::Day(1_000)),
];

/// The time of the first edit.
const START_MILLIS: i64 = 1_763_000_000_000;
/// The life of the device that brought the records in.
const IMPORTER: ActorId = ActorId { device: DeviceNumber(1), incarnation: 0x5bd1_e995_9e37_79b9 };

/// A small generator (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn id(&mut self) -> RecordId {
        let mut id = (u128::from(self.next()) << 64 | u128::from(self.next())).to_be_bytes();
        id[6] = id[6] & 0x0F | 0x40;
        id[8] = id[8] & 0x3F | 0x80;
        RecordId::from_bytes(id)
    }

    fn value(&mut self, kind: Kind) -> Value {
        match kind {
            Kind::Letters(from, to) => {
                const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
                let length = from + self.below(to - from + 1);
                let mut letter = |_| {
                    let at = usize::try_from(self.below(36)).unwrap_or_default();
                    char::from(ALPHABET.get(at).copied().unwrap_or(b'a'))
                };
                Value::Text((0..length).map(&mut letter).collect::<String>().into())
            }
            Kind::OneOf(what, count) => {
                Value::Choice(format!("{what}-{}", self.below(count)).into())
            }
            Kind::Truth => Value::Boolean(self.below(2) == 1),
            Kind::Number(below) => Value::Integer(self.below(below).cast_signed()),
            Kind::Cents(below) => Value::Decimal(Decimal::new(self.below(below).cast_signed(), 2)),
            Kind::Day(count) => {
                let day = i32::try_from(19_723 + self.below(count)).unwrap_or_default();
                Date::from_days(day).map_or(Value::Null, Value::Date)
            }
        }
    }
}

/// An edit of one field of a record that was imported.
fn edit(dice: &mut Dice, id: EditId, actor: ActorId, millis: i64) -> Edit {
    let at = usize::try_from(dice.below(20)).unwrap_or_default();
    let (name, kind) = FIELDS.get(at).copied().unwrap_or(("urgent", Kind::Truth));
    let value = dice.value(kind);
    let ops = name.parse().into_iter().map(|column| Op::Put { column, value: value.clone() });
    let change = Change {
        section: Section::Main,
        id: ChangeRef { actor, seq: 1 },
        time: Timestamp::from_millis(millis).unwrap_or_default(),
        deps: vec![ChangeRef { actor: IMPORTER, seq: 1 }],
        ops: ops.collect(),
    };
    let table = "order".parse().unwrap_or_else(|_| unreachable!("it is a name"));
    Edit { id, table, record: dice.id(), atomic: 0, changes: vec![Arc::new(change)] }
}

/// Edits of so many authors, in the order of a log: as they come in turn, or author by author. Their
/// numbers are told to nobody but their own.
fn of_log(count: usize, authors: usize, in_turn: bool) -> Vec<Edit> {
    let mut dice = Dice(9);
    let actors: Vec<_> = (0..authors)
        .map(|author| ActorId {
            device: DeviceNumber(u32::try_from(author).unwrap_or_default() + 2),
            incarnation: dice.next(),
        })
        .collect();
    let mut millis = START_MILLIS;
    let each = count.div_ceil(authors).max(1);
    (0..count)
        .map(|at| {
            let turn = usize::try_from(dice.below(authors as u64)).unwrap_or_default();
            let author = if in_turn { turn } else { at / each };
            let actor = actors.get(author).copied().unwrap_or(IMPORTER);
            millis += dice.below(200).cast_signed();
            let id = EditId { device: DeviceNumber(0), counter: 0, part: 0 };
            edit(&mut dice, id, actor, millis)
        })
        .collect()
}

/// Edits of one device, as it sends them.
fn of_device(count: usize) -> Vec<Edit> {
    let mut dice = Dice(7);
    let actor = ActorId { device: DeviceNumber(7), incarnation: dice.next() };
    let mut millis = START_MILLIS;
    (1..)
        .take(count)
        .map(|counter| {
            millis += 3 + dice.below(8).cast_signed();
            edit(&mut dice, EditId { device: actor.device, counter, part: 0 }, actor, millis)
        })
        .collect()
}

/// All cases, with their names.
pub(crate) fn cases() -> Vec<(String, Vec<Edit>)> {
    let mut cases = Vec::new();
    for count in [1, 10, 100, 200, 1_000] {
        cases.push((format!("{count} of one author, sent"), of_device(count)));
    }
    cases.push(("10000 of 50 authors, one by one".to_owned(), of_log(10_000, 50, false)));
    cases.push(("10000 of 50 authors, mixed".to_owned(), of_log(10_000, 50, true)));
    let mixed = of_log(10_000, 50, true);
    cases.push(("a page of 512 of these".to_owned(), mixed.into_iter().take(512).collect()));
    let mut one = of_device(10_000);
    let column = one.iter().find_map(|edit| edit.ops().next()).cloned();
    for edit in &mut one {
        for change in &mut edit.changes {
            Arc::make_mut(change).ops = column.clone().into_iter().collect();
        }
    }
    cases.push(("10000, one value in one column".to_owned(), one));
    cases
}
