//! Edits as columns: what many edits say of one thing stands together, so that nothing is written for
//! each but what only it says.
//!
//! What a change does, but for its values, is its *shape*: the section, and for each operation the kind
//! and the column of the table. Shapes are written once, in front; an edit is a number of a shape, and
//! values that are taken from the columns of that shape. A column is written when the first edit needs
//! it, so that nothing says which is which: a reader walks through the edits in the same order and opens
//! each when it comes to it. `docs/format.md` draws it.

mod bits;
mod digits;
mod few;
mod ids;
mod input;
mod kind;
mod numbers;
mod packed;
mod part;
mod read;
mod read_numbers;
mod read_op;
mod read_part;
mod streams;
mod texts;
mod weigh;
mod weight;
mod write;
mod write_op;

pub(super) use few::{decode_numbers, encode_numbers};
pub(super) use read::{decode, decode_streams};
pub(super) use weigh::{weigh, weigh_numbers, weigh_streams};
pub(super) use write::{Encoded, encode};

/// Columns that are there whatever is in the edits, in this order.
mod fixed {
    use super::kind::Holds;

    /// Texts; the others are numbers, but for [`ACTOR_INCARNATION`] and [`RECORD`].
    pub(super) const NAMES: usize = 0;
    pub(super) const ACTOR_DEVICE: usize = 1;
    /// Eight bytes each, whatever they are: that of an actor of the server may come from the number of an
    /// entry of the log, and a page is not longer because of what its reader knows nothing of.
    pub(super) const ACTOR_INCARNATION: usize = 2;
    /// Of each shape.
    pub(super) const SECTION: usize = 3;
    pub(super) const SECTION_NAME: usize = 4;
    pub(super) const RUNS: usize = 5;
    /// Of each run of operations of one kind, on one column, in a shape.
    pub(super) const KIND: usize = 6;
    pub(super) const COLUMN: usize = 7;
    pub(super) const OPS: usize = 8;
    /// Of each edit.
    pub(super) const DEVICE: usize = 9;
    pub(super) const COUNTER: usize = 10;
    pub(super) const PART: usize = 11;
    pub(super) const TABLE: usize = 12;
    pub(super) const RECORD: usize = 13;
    pub(super) const ATOMIC: usize = 14;
    pub(super) const CHANGES: usize = 15;
    /// Of the first change of each edit, and of the others.
    pub(super) const SHAPE: usize = 16;
    pub(super) const SHAPE_NEXT: usize = 17;
    /// Of each change.
    pub(super) const ACTOR: usize = 18;
    pub(super) const SEQ: usize = 19;
    pub(super) const TIME: usize = 20;
    pub(super) const DEPS: usize = 21;
    /// Of each change that one builds on and that is not the one before.
    pub(super) const DEP_ACTOR: usize = 22;
    pub(super) const DEP_SEQ: usize = 23;
    pub(super) const COUNT: usize = 24;

    /// Bytes that say which of them are as usual.
    pub(super) const USUAL_BYTES: usize = COUNT.div_ceil(8);

    /// What one of them mostly is: so many ones or zeros as are asked for, no names, kinds as declared. Then it
    /// is not written.
    pub(super) fn usual(at: usize) -> &'static [u8] {
        use super::kind::DECLARED;
        use super::numbers::SMALL_ONE;
        use super::texts::POOLED;
        match at {
            NAMES => &[POOLED, 0, SMALL_ONE],
            KIND => &[SMALL_ONE + DECLARED],
            SECTION | RUNS | OPS | CHANGES => &[SMALL_ONE + 1],
            _ => &[SMALL_ONE],
        }
    }

    /// The number that one of them mostly holds.
    pub(super) fn usual_number(at: usize) -> i64 {
        let way = usual(at).last().copied().unwrap_or(super::numbers::SMALL_ONE);
        i64::from(way) - i64::from(super::numbers::SMALL_ONE)
    }

    /// What one of them holds.
    pub(super) fn holds(at: usize) -> Holds {
        match at {
            NAMES => Holds::Texts,
            ACTOR_INCARNATION => Holds::Plain,
            RECORD => Holds::Ids,
            _ => Holds::Numbers,
        }
    }
}

/// How the changes that a change builds on are told: it builds on nothing.
const NOTHING: i64 = 0;
/// On the last change of its section of its record that came before it here, and nothing else.
const THE_LAST: i64 = 1;
/// On one that is listed; the numbers behind are for more.
const LISTED: i64 = 2;

/// Numbers of sections in shapes; the last two have a name.
mod section {
    pub(super) const HEADER: i64 = 0;
    pub(super) const MAIN: i64 = 1;
    pub(super) const SECURED: i64 = 2;
    pub(super) const GROUP: i64 = 3;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::input::Input;
    use super::{read, write};
    use crate::codec::edits::Stemmed;
    use crate::codec::{DecodeError, Lexicon, Stem};
    use crate::model::{
        ActorId, Change, ChangeRef, DeviceNumber, Edit, EditId, Op, RecordId, Section, Timestamp,
        Value,
    };

    /// Edits of one column each, one of a record after the other.
    pub(super) fn edits(count: usize, value: impl Fn(u64) -> Value) -> Vec<Edit> {
        let edit = |number: u64| {
            let device = DeviceNumber(3);
            let actor = ActorId { device, incarnation: 7 };
            let mut record = [9; 16];
            record[8..].copy_from_slice(&(number / 3).to_be_bytes());
            let put = Op::Put { column: "it".parse().unwrap(), value: value(number) };
            let change = Change {
                section: Section::Main,
                id: ChangeRef { actor, seq: number % 3 + 1 },
                time: Timestamp::from_millis(number.cast_signed() * 1_000).unwrap(),
                deps: (0..number % 3).map(|_| ChangeRef { actor, seq: number % 3 }).collect(),
                ops: vec![put],
            };
            Edit {
                id: EditId { device, counter: number, part: 0 },
                table: "table".parse().unwrap(),
                record: RecordId::from_bytes(record),
                atomic: 0,
                changes: vec![Arc::new(change)],
            }
        };
        (0..count as u64).map(edit).collect()
    }

    type Read = fn(Input<'_>, usize, bool, &Lexicon) -> Result<(Stemmed, usize), DecodeError>;

    /// Otherwise a reader refuses now and then what a writer took for allowed.
    #[test]
    fn a_writer_knows_what_a_reader_charges() {
        type Values = fn(u64) -> Value;
        let values: [(&str, Values); 12] = [
            ("one number", |_| Value::Integer(7)),
            ("digits", |it| Value::Integer((it * 2_654_435_761 % 1_000).cast_signed())),
            ("planes", |it| {
                Value::Integer((it % 7 * 3 + it % 900 / 899 * (5 << 40)).cast_signed())
            }),
            ("steps", |it| Value::Integer((it * 1_000 + it % 50 / 49 * 70_000).cast_signed())),
            ("one number but for some", |it| {
                Value::Integer(if it % 50 == 49 { (it * it).cast_signed() } else { -7 })
            }),
            ("one step but for some", |it| {
                Value::Integer((it * 1_000 + it % 90 / 89 * it * it).cast_signed())
            }),
            ("many steps", |it| {
                Value::Integer((it * 1_000 + it % 5 * 9 + it % 50 / 49 * 70_000).cast_signed())
            }),
            ("a list of numbers", |it| Value::Integer((it % 5 * it % 5 * (7 << 50)).cast_signed())),
            ("texts that come again", |it| Value::Text(format!("text {}", it % 9).into())),
            ("texts that do not", |it| Value::Text(format!("text {it} of many").into())),
            ("ids", |it| Value::Lookup(RecordId::from_bytes([(it % 90) as u8; 16]))),
            ("lists", |it| Value::List(vec![Value::Integer((it % 4).cast_signed()), Value::Null])),
        ];
        for (what, value) in values {
            for count in [1, 7, 60, 700, 5_000] {
                let edits = edits(count, value);
                let lexicon = Lexicon::default();
                let [columns, streams] = write::write(&edits, &[], &lexicon);
                assert_eq!(streams.is_some(), count <= 700, "{what}, {count} edits");
                let ways = [(columns, read::read as Read), (streams, read::read_streams)];
                for ((bytes, charged), read) in
                    ways.into_iter().filter_map(|(it, by)| Some((it?, by)))
                {
                    let input = Input::allowing(&bytes, usize::MAX);
                    let (again, read) = read(input, usize::MAX, false, &lexicon).unwrap();
                    assert_eq!(again.bits, vec![Stem::WHOLE; count]);
                    assert_eq!(again.edits, edits);
                    assert_eq!(charged, read, "{what}, {count} edits");
                }
            }
        }
    }
}
