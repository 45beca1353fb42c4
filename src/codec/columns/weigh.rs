//! What the bytes of columns are for: each is walked past by the lengths in it, and nothing is unpacked.

use super::digits::bytes_of;
use super::fixed;
use super::kind::Holds;
use super::numbers::{
    DIGITS, DIGITS_OF_STEPS, LIST, MOSTLY, MOSTLY_STEPS, ONE, PLANES, PLANES_OF_STEPS, SMALL_ONE,
};
use super::texts::{LISTED, POOLED};
use crate::codec::weigh::{For, Walk};

/// Counts edits as columns. Those that are always there are told apart; the others, which follow, hold values,
/// as does the pool.
pub(in crate::codec) fn weigh(walk: &mut Walk<'_>) -> Option<()> {
    always(walk)?;
    walk.rest(For::Values);
    Some(())
}

/// Counts edits as streams: that of ids, and that of all else.
pub(in crate::codec) fn weigh_streams(walk: &mut Walk<'_>) -> Option<()> {
    let ids = walk.count(For::Framing)?;
    walk.take(ids, For::Ids)?;
    walk.rest(For::Values);
    Some(())
}

/// Up to the last column that is always there.
fn always(walk: &mut Walk<'_>) -> Option<()> {
    packed(walk, For::Values)?;
    for _counts in 0..4 {
        walk.count(For::Framing)?;
    }
    let usual = walk.take(fixed::USUAL_BYTES, For::Framing)?;
    for at in 0..fixed::COUNT {
        if usual.get(at / 8)? >> (at % 8) & 1 == 1 {
            continue;
        }
        let what = purpose(at);
        match fixed::holds(at) {
            Holds::Numbers => weigh_numbers(walk, what)?,
            Holds::Texts => texts(walk, what)?,
            Holds::Ids => ids(walk, what)?,
            Holds::Bytes | Holds::Plain | Holds::Values => packed(walk, what)?,
        }
    }
    Some(())
}

/// What a column that is always there is for.
pub(super) fn purpose(at: usize) -> For {
    use fixed::{
        ACTOR, ACTOR_DEVICE, ACTOR_INCARNATION, ATOMIC, CHANGES, COUNTER, DEP_ACTOR, DEP_SEQ, DEPS,
        DEVICE, PART, RECORD, SEQ,
    };
    match at {
        ACTOR_DEVICE | ACTOR_INCARNATION | DEVICE | COUNTER | PART | RECORD | ATOMIC | ACTOR
        | SEQ | DEPS | DEP_ACTOR | DEP_SEQ => For::Ids,
        CHANGES => For::Framing,
        // Names, shapes, tables and times.
        _ => For::Values,
    }
}

/// Counts a column of numbers.
pub(in crate::codec) fn weigh_numbers(walk: &mut Walk<'_>, what: For) -> Option<()> {
    let way = walk.read::<u8>(what)?;
    match way {
        LIST => walk.count(what).map(drop)?,
        MOSTLY => walk.read::<(i64, u64)>(what).map(drop)?,
        MOSTLY_STEPS => walk.read::<(i64, i64, u64)>(what).map(drop)?,
        _ => return plain_numbers(walk, way, what),
    }
    // Two columns follow: distinct numbers and which each is; gaps and exceptions.
    for _ in 0..2 {
        let way = walk.read(what)?;
        plain_numbers(walk, way, what)?;
    }
    Some(())
}

fn plain_numbers(walk: &mut Walk<'_>, way: u8, what: For) -> Option<()> {
    match way {
        ONE => walk.read::<i64>(what).map(drop),
        DIGITS | DIGITS_OF_STEPS | PLANES | PLANES_OF_STEPS => {
            let (_least, most) = walk.read::<(i64, u64)>(what)?;
            if matches!(way, DIGITS_OF_STEPS | PLANES_OF_STEPS) {
                walk.read::<i64>(what)?;
            }
            if matches!(way, DIGITS | DIGITS_OF_STEPS) {
                return packed(walk, what);
            }
            walk.count(what)?;
            (0..bytes_of(most)).try_for_each(|_plane| packed(walk, what))
        }
        _ if way >= SMALL_ONE => Some(()),
        _ => None,
    }
}

fn texts(walk: &mut Walk<'_>, what: For) -> Option<()> {
    let header = walk.read::<u8>(what)?;
    if header & LISTED != 0 {
        walk.count(what)?;
    }
    if header & POOLED == 0 {
        packed(walk, what)?;
    } else {
        walk.count(what)?;
    }
    weigh_numbers(walk, what)?;
    if header & LISTED == 0 { Some(()) } else { weigh_numbers(walk, what) }
}

fn ids(walk: &mut Walk<'_>, what: For) -> Option<()> {
    // Which ones, and the four parts of those that are new.
    for _column in 0..5 {
        weigh_numbers(walk, what)?;
    }
    // Stems: how many bits all begin with, how many more each is, and the bits.
    walk.read::<u8>(what)?;
    weigh_numbers(walk, what)?;
    packed(walk, what)
}

fn packed(walk: &mut Walk<'_>, what: For) -> Option<()> {
    let header = walk.count(what)?;
    let length = if header & 1 == 0 { header >> 1 } else { walk.count(what)? };
    walk.take(length, what).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::input::Input;
    use super::super::read_part::Parts;
    use super::super::texts::text;
    use super::super::write;
    use super::*;
    use crate::codec::columns::tests::edits;
    use crate::codec::{DecodeError, Lexicon};
    use crate::model::Value;

    /// How many bytes are left when a reader has opened the columns that are always there.
    fn left_by_a_reader(bytes: &[u8]) -> usize {
        let mut input = Input::allowing(bytes, usize::MAX);
        let pool = text(super::super::packed::read(&mut input).unwrap()).unwrap();
        for _ in 0..4 {
            input.size().unwrap();
        }
        let mut parts = Parts::new(input, &pool);
        parts.open_fixed().unwrap();
        match parts.input.finish() {
            Err(DecodeError::TrailingBytes(left)) => left,
            ended => panic!("no column holds values: {ended:?}"),
        }
    }

    #[test]
    fn values_begin_where_a_reader_finds_them() {
        for count in [1, 7, 60, 700, 5_000] {
            for bits in [vec![], vec![24; count]] {
                let edits = edits(count, |it| Value::Text(format!("text {it} of many").into()));
                let [columns, _] = write::write(&edits, &bits, &Lexicon::default());
                let (bytes, _) = columns.unwrap();
                let mut walk = Walk::new(&bytes);
                always(&mut walk).unwrap();
                assert_eq!(walk.left(), left_by_a_reader(&bytes), "{count} edits");
            }
        }
    }
}
