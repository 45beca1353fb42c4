//! Change sets of the greatest size that there may be, made to cost as much as they can.

use tidegate::codec::{PROTOCOL_VERSION, ToDevice, ToServer, decode_edits, decode_message};
use tidegate::limits::{
    CHANGE_OPS_MAX, CHANGE_PLACES_MAX, CHANGE_SET_ACTORS_MAX, CHANGE_SET_BYTES_MAX,
    CHANGE_SET_EDITS_MAX, CHANGE_SET_NAMES_MAX, CHANGE_SET_OPS_MAX, EDIT_SECTIONS_MAX,
    FRAME_BYTES_MAX,
};

use crate::bombs::number;
use crate::replicas::table;
use crate::server::{Answer, Server, body_of, signed};

/// What the envelope takes.
const ROOM: usize = CHANGE_SET_BYTES_MAX - 256;

/// The form of edits that is rows.
const ROWS: u8 = 0;
/// Numbers of the columns among the names.
const PHOTO: u8 = 2;
const NOTES: u8 = 3;
const VISITS: u8 = 4;
const TAGS: u8 = 5;
const SIZES: u8 = 6;

/// Numbers of operations and values, as `docs/format.md` has them.
const PUT: u8 = 0;
const STATE: u8 = 2;
const SPLICE: u8 = 4;
const INCREMENT: u8 = 5;
const LIST_INSERT: u8 = 6;
const MAP_PUT: u8 = 9;
const NULL: u8 = 0;
const BYTES: u8 = 10;
const LIST: u8 = 13;
const MAP: u8 = 14;

fn size(size: usize) -> Vec<u8> {
    number(u64::try_from(size).unwrap())
}

/// The table's name, and those of its columns.
fn names() -> Vec<String> {
    let table = table();
    let columns = table.columns.iter().map(|column| column.id.to_string());
    std::iter::once(table.id.to_string()).chain(columns).collect()
}

/// What comes before the edits: that these are rows, names, one actor of device 1.
fn front() -> Vec<u8> {
    let names = names();
    let mut bytes = [vec![ROWS], size(names.len())].concat();
    for name in names {
        bytes.extend(size(name.len()));
        bytes.extend(name.as_bytes());
    }
    bytes.extend([1, 1]);
    bytes.extend(7_u64.to_le_bytes());
    bytes
}

/// An edit of a record, up to its changes.
fn edit(record: u32, changes: usize) -> Vec<u8> {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&record.to_le_bytes());
    [&[1, 2, 0, 0][..], &id, &[0], &size(changes)].concat()
}

/// A change of a section (0: header, 1: main), up to its operations. After the first it builds on
/// the one before.
fn change(section: u8, seq: usize, ops: usize) -> Vec<u8> {
    let deps = if seq > 1 { [&[1, 0][..], &size(seq - 1)].concat() } else { vec![0] };
    [&[section, 0][..], &size(seq), &[0], &deps, &size(ops)].concat()
}

/// Edits of one record, which the first creates, each with `each` of the same operations.
fn filled(each: usize, op: &[u8]) -> Vec<u8> {
    let header = [&change(0, 1, 1)[..], &[STATE, 0]].concat();
    let mut bytes = [front(), size(11), edit(1, 1), header].concat();
    for seq in 1..=10 {
        bytes.extend(edit(1, 1));
        bytes.extend(change(1, seq, each));
        bytes.extend(op.repeat(each));
    }
    bytes
}

/// One operation on a new record.
fn single(op: &[u8]) -> Vec<u8> {
    [&front()[..], &[1], &edit(1, 1), &change(1, 1, 1), op].concat()
}

/// As often as there is room for it.
fn many(piece: &[u8]) -> (usize, Vec<u8>) {
    let count = (ROOM - 200) / piece.len();
    (count, piece.repeat(count))
}

/// A text of so many characters, or as long as a change set.
fn long_text(chars: Option<usize>) -> Vec<u8> {
    let (most, text) = many(b"x");
    let count = chars.unwrap_or(most);
    single(&[&[SPLICE, NOTES, 0, 0][..], &size(count), &text[..count]].concat())
}

/// Lists within a list.
fn lists() -> Vec<u8> {
    let inner = [&[LIST][..], &size(10_000), &[NULL; 10_000]].concat();
    let (count, lists) = many(&inner);
    single(&[&[LIST_INSERT, TAGS, 0][..], &size(count), &lists].concat())
}

fn map() -> Vec<u8> {
    let (mut entries, mut count) = (Vec::new(), 0_u32);
    while entries.len() < ROOM - 250 {
        let key = format!("{count:x}");
        entries.extend(size(key.len()));
        entries.extend(key.as_bytes());
        entries.push(NULL);
        count += 1;
    }
    single(&[&[PUT, SIZES, MAP][..], &number(count.into()), &entries].concat())
}

/// One record an edit, with a text in each.
fn records() -> Vec<u8> {
    let mut bytes = [front(), size(CHANGE_SET_EDITS_MAX)].concat();
    let text = "é".repeat((ROOM - 200) / CHANGE_SET_EDITS_MAX / 2 - 24);
    for record in 0..CHANGE_SET_EDITS_MAX {
        bytes.extend(edit(u32::try_from(record).unwrap(), 2));
        bytes.extend([&change(0, 1, 1)[..], &[STATE, 0]].concat());
        bytes.extend(change(1, 1, 1));
        bytes.extend([&[SPLICE, NOTES, 0, 0][..], &size(text.len()), text.as_bytes()].concat());
    }
    bytes
}

/// Bytes that announce more than a device may send, with the bound that they break.
fn over_bounds() -> Vec<(&'static str, Vec<u8>)> {
    let (states, state_bytes) = many(&[STATE, 0]);
    let (nulls, null_bytes) = many(&[NULL]);
    let (references, reference_bytes) = many(&[0, 1]);
    let (changes, change_bytes) = many(&change(1, 1, 0));
    let (edits, edit_bytes) = many(&edit(1, 0));
    let head = |changes| [front(), vec![1], edit(1, changes)].concat();
    let full = [&change(1, 1, CHANGE_OPS_MAX)[..], &[STATE, 0].repeat(CHANGE_OPS_MAX)].concat();
    vec![
        ("names in a change set", [vec![ROWS], size(nulls), null_bytes.clone()].concat()),
        ("actors in a change set", [&[ROWS, 0][..], &size(references), &reference_bytes].concat()),
        ("edits in a change set", [front(), size(edits), edit_bytes].concat()),
        ("sections in an edit", [head(changes), change_bytes].concat()),
        (
            "dependencies of a change",
            [&head(1)[..], &[1, 0, 1, 0], &size(references), &reference_bytes].concat(),
        ),
        ("operations in a change", [head(1), change(1, 1, states), state_bytes].concat()),
        ("operations in a change set", [head(40), full.repeat(40)].concat()),
        (
            "operations in a change set",
            single(&[&[LIST_INSERT, TAGS, 0][..], &size(nulls), &null_bytes].concat()),
        ),
        (
            "operations in a change set",
            single(&[&[PUT, TAGS, LIST][..], &size(nulls), &null_bytes].concat()),
        ),
        ("operations in a change set", lists()),
        ("operations in a change set", map()),
    ]
}

#[cfg_attr(test, test)]
pub(crate) fn what_is_over_a_bound_is_refused_by_its_name() {
    let mut server = Server::new();
    for (bound, bytes) in over_bounds() {
        let error = decode_edits(&bytes).unwrap_err().to_string();
        assert!(error.contains(&format!(" {bound}, at most ")), "{bound}: {error}");
        let answer = server.push(signed(&server.key, &server.organization, body_of(&bytes, None)));
        assert!(matches!(answer, Answer::Refused), "{bound}: {answer:?}");
    }
    // At the bound, and one past it.
    let empty = |names: usize, actors: usize| {
        let front = [size(names), vec![0; names], size(actors), [0; 9].repeat(actors)].concat();
        decode_edits(&[&[ROWS], &front[..], &[0]].concat())
    };
    assert!(empty(CHANGE_SET_NAMES_MAX, CHANGE_SET_ACTORS_MAX).is_ok());
    assert!(empty(CHANGE_SET_NAMES_MAX + 1, 0).is_err());
    assert!(empty(0, CHANGE_SET_ACTORS_MAX + 1).is_err());
    let sections = |count| {
        let changes = change(1, 1, 0).repeat(count);
        decode_edits(&[front(), vec![1], edit(1, count), changes].concat())
    };
    assert!(sections(EDIT_SECTIONS_MAX).is_ok());
    assert!(sections(EDIT_SECTIONS_MAX + 1).is_err());
    let values = |count: usize| {
        let op = [&[LIST_INSERT, TAGS, 0][..], &size(count), &vec![NULL; count]].concat();
        decode_edits(&single(&op))
    };
    assert!(values(CHANGE_SET_OPS_MAX - 1).is_ok());
    assert!(values(CHANGE_SET_OPS_MAX).is_err());
}

/// All that keeps to the bounds is carried out before its digest can be seen to be wrong.
#[cfg_attr(test, test)]
pub(crate) fn what_keeps_to_every_bound_is_judged() {
    let (photo, photo_bytes) = many(&[7]);
    let most = 500;
    for (name, bytes) in [
        ("a text as long as a change set", long_text(None)),
        ("a text as long as a change", long_text(Some(CHANGE_PLACES_MAX))),
        ("texts of many records", records()),
        ("splices", filled(200, &[SPLICE, NOTES, 0, 0, 1, b'x'])),
        ("increments", filled(most, &[INCREMENT, VISITS, 2])),
        ("insertions", filled(300, &[LIST_INSERT, TAGS, 0, 1, NULL])),
        ("puts", filled(most, &[MAP_PUT, SIZES, 3, b'a', b'b', b'c', NULL])),
        ("bytes", single(&[&[PUT, PHOTO, BYTES][..], &size(photo), &photo_bytes].concat())),
    ] {
        let mut server = Server::new();
        assert!(bytes.len() <= CHANGE_SET_BYTES_MAX, "{name}: {} bytes", bytes.len());
        let edits = decode_edits(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let answer = server.push(signed(&server.key, &server.organization, body_of(&bytes, None)));
        assert!(matches!(answer, Answer::Refused | Answer::Judged(_)), "{name}: {answer:?}");
        let answer = server.push_edits(edits);
        assert!(matches!(answer, Answer::Judged(_)), "{name}: {answer:?}");
    }
}

/// Frames that a reader turns into as many things as it can.
#[cfg_attr(test, test)]
pub(crate) fn frames_of_the_greatest_size_are_read_or_refused() {
    for tag in 0..12_u8 {
        for piece in [&[0][..], &[1], &[1, 0], &[0, 0, 1], &[1, 1, b'x']] {
            let count = (FRAME_BYTES_MAX - 16) / piece.len();
            let frame = [&[PROTOCOL_VERSION, tag][..], &size(count), &piece.repeat(count)].concat();
            drop(decode_message::<ToServer>(&frame));
            drop(decode_message::<ToDevice>(&frame));
        }
    }
}
