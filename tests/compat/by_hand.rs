//! Columns written by hand, byte by byte, after `docs/format.md`.

use std::sync::Arc;

use tidegate::codec::{decode_edits, decode_records_up_to};
use tidegate::model::{
    ActorId, Change, ChangeRef, DeviceNumber, Edit, EditId, Op, RecordId, Section, Timestamp, Value,
};

/// Three edits of one record, each of which builds on the one before: 300, 301 and 303 are put into
/// its number, and words into its note.
fn edits() -> Vec<Edit> {
    let actor = ActorId { device: DeviceNumber(2), incarnation: 5 };
    let edit = |at: u64, number: i64, note: &str| {
        let put = |column: &str, value| Op::Put { column: column.parse().unwrap(), value };
        let change = Change {
            section: Section::Main,
            id: ChangeRef { actor, seq: at },
            time: Timestamp::from_millis(1_000).unwrap(),
            deps: if at == 1 { Vec::new() } else { vec![ChangeRef { actor, seq: at - 1 }] },
            ops: vec![put("number", Value::Integer(number)), put("note", Value::Text(note.into()))],
        };
        Edit {
            id: EditId { device: DeviceNumber(2), counter: at, part: 0 },
            table: "order".parse().unwrap(),
            record: RecordId::from_bytes([0, 0, 0, 0, 0, 1, 0, 2, 0, 3, 0, 0, 0, 0, 0, 4]),
            atomic: 0,
            changes: vec![Arc::new(change)],
        }
    };
    vec![edit(1, 300, "ab"), edit(2, 301, "c"), edit(3, 303, "")]
}

/// All are this small number.
fn all(number: u8) -> Vec<u8> {
    vec![8 + number]
}

fn columns() -> Vec<u8> {
    let record = [
        // The record: fresh, and then the first: 0, 1, 1 of base 2; and its four parts.
        vec![0, 0, 1, 2, 6],
        all(1),
        all(2),
        all(3),
        all(4),
        // No stems: they begin with no bits, no lengths, no bits behind.
        vec![0],
        all(0),
        vec![0],
    ];
    columns_of(record.concat())
}

/// The same, of a record of whose id 45 bits are told.
fn columns_with_a_stem() -> Vec<u8> {
    let record = [
        // A fresh stem, and then the first: from -1 (1 as a varint) on 0, 2, 2 of base 3.
        vec![0, 1, 2, 2, 24],
        // No whole ids.
        all(0),
        all(0),
        all(0),
        all(0),
        // All stems begin with 45 bits, none has more; the bits are in six bytes.
        vec![45],
        all(0),
        vec![12, 0, 0, 0, 0, 0, 0],
    ];
    columns_of(record.concat())
}

fn columns_of(record: Vec<u8>) -> Vec<u8> {
    let pool = b"ordernumbernoteabc";
    let ones = [
        // The pool, as it is: 18 bytes.
        [&[36][..], pool].concat(),
        // Three names, one actor, one shape, three edits.
        vec![3, 1, 1, 3],
        // As usual are section, section name, ops, part, table, atomic, changes, both shapes, actor, seq, and what
        // is listed: columns 3, 4, 8, 11, 12, 14 to 19, 22 and 23 are not here.
        vec![0x18, 0xd9, 0xcf],
        // Names, no list, in the pool: 15 bytes; lengths 5, 6, 4 are 4 and 1, 2, 0, of which each has a
        // base of 3: 1 + 2 * 3 + 0 * 9.
        vec![2, 15, 0, 8, 2, 2, 7],
        // The actor: device 2, and 5 in 8 bytes, as they are.
        all(2),
        vec![16, 5, 0, 0, 0, 0, 0, 0, 0],
        // The shape, which is of main: two runs.
        all(2),
        // Put of integer, put of text: 1 and 1, 0, of base 2.
        vec![0, 2, 1, 2, 1],
        // Of columns 1 and 2.
        vec![0, 2, 1, 2, 2],
        // The edits: device 2, counters from 1 on in steps of 1.
        all(2),
        vec![1, 2, 0, 0, 0],
        record,
        // At 1,000 ms: doubled, 2,000 as a varint.
        vec![5, 0xd0, 0x0f],
        // They build on nothing, the last, the last.
        vec![0, 0, 1, 2, 6],
        // The numbers: 300 (600 as a varint) and 0, 1, 3, of base 4: 0 + 1 * 4 + 3 * 16.
        vec![0, 0xd8, 0x04, 3, 2, 52],
        // The notes: no list, the last 3 bytes of the pool; lengths 2, 1, 0 of base 3: 2 + 1 * 3.
        vec![2, 3, 0, 0, 2, 2, 5],
    ];
    [vec![1], ones.concat()].concat()
}

#[test]
fn what_the_format_says_is_read() {
    assert_eq!(decode_edits(&columns()).unwrap(), edits());
}

/// Whoever reads edits that are not a page or a change set has nothing to find the record by.
#[test]
fn a_part_of_an_id_is_not_taken_for_an_id() {
    let error = decode_edits(&columns_with_a_stem()).unwrap_err().to_string();
    assert!(error.contains("part of a record's id"), "{error}");
    // With one byte more of bits, or a bit behind the 45.
    for (from, to) in [
        (vec![45, 8, 12], vec![45, 8, 14, 0]),
        (vec![45, 8, 12, 0, 0, 0, 0, 0, 0], vec![45, 8, 12, 0, 0, 0, 0, 0, 1]),
    ] {
        let bytes = columns_with_a_stem();
        let at = bytes.windows(from.len()).position(|it| it == from).unwrap();
        let changed = [&bytes[..at], &to, &bytes[at + from.len()..]].concat();
        let error = decode_edits(&changed).unwrap_err().to_string();
        assert!(error.contains("stems of ids"), "{error}");
    }
}

#[test]
fn one_byte_more_or_less_is_none() {
    let bytes = columns();
    for end in 0..bytes.len() {
        assert!(decode_records_up_to(&bytes[..end], 9).is_err(), "the first {end} bytes");
    }
    assert!(decode_edits(&[&bytes[..], &[8]].concat()).is_err());
}
