//! Edits as columns: what many edits say of one thing stands together, so that nothing is written for
//! each but what only it says.
//!
//! What a change does, but for its values, is its *shape*: the section, and for each operation the kind
//! and the column of the table. Shapes are written once, in front; an edit is a number of a shape, and
//! values that are taken from the columns of that shape. A column is written when the first edit needs
//! it, so that nothing says which is which: a reader walks through the edits in the same order and opens
//! each when it comes to it. `docs/format.md` draws it.

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
mod texts;
mod weight;
mod write;
mod write_op;

pub(super) use few::{decode_numbers, encode_numbers};
pub(super) use read::decode;
pub(super) use write::encode;

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
