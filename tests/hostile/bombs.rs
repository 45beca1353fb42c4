//! Few bytes that claim to be much.

use std::collections::BTreeMap;

use tidegate::codec::{decode_edits, encode_edits};
use tidegate::limits::{
    BYTES_MAX, CHANGE_PLACES_MAX, COUNTER_SET_MAX, COUNTER_STEP_MAX, ITEM_BYTES_MAX,
    JSON_DEPTH_MAX, LIST_ITEMS_MAX, MAP_KEY_BYTES_MAX, RICH_TEXT_CHARS_MAX,
};
use tidegate::model::{EditId, Json, Op, RecordState, Value};

use crate::replicas::{Replica, column, table};
use crate::server::{Answer, Server};

/// A varint.
pub(crate) fn number(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        bytes.push(if number == 0 { low } else { low | 0x80 });
        if number == 0 {
            return bytes;
        }
    }
}

/// Operations that no column of the table takes.
pub(crate) fn misfits() -> Vec<Op> {
    let by = |by: u64| i64::try_from(by).unwrap();
    let column = column;
    let splice = |at, delete, insert: &str| Op::Splice {
        column: column("notes"),
        at,
        delete,
        insert: insert.into(),
    };
    let insert = |at, values| Op::ListInsert { column: column("tags"), at, values };
    let put = |key: String, value| Op::MapPut { column: column("sizes"), key, value };
    let json = |path: &str, leaf| Op::JsonPut { column: column("more"), path: path.into(), leaf };
    vec![
        splice(1, 0, "x"),
        splice(0, 1, ""),
        splice(u32::MAX, u32::MAX, ""),
        splice(0, u32::MAX, "x"),
        Op::Splice { column: column("visits"), at: 0, delete: 0, insert: "x".into() },
        Op::Splice { column: column("name"), at: 0, delete: 0, insert: "x".into() },
        Op::Splice { column: column("nothing"), at: 0, delete: 0, insert: "x".into() },
        Op::Increment { column: column("visits"), by: by(COUNTER_STEP_MAX) + 1 },
        Op::Increment { column: column("visits"), by: i64::MIN },
        Op::Increment { column: column("name"), by: 1 },
        Op::Put { column: column("visits"), value: Value::Counter(by(COUNTER_SET_MAX) + 1) },
        Op::Put { column: column("visits"), value: Value::Counter(i64::MIN) },
        Op::Put { column: column("visits"), value: Value::Integer(1) },
        Op::Put { column: column("visits"), value: Value::Null },
        Op::Put { column: column("notes"), value: Value::RichText("x".into()) },
        Op::Put { column: column("tags"), value: Value::List(Vec::new()) },
        Op::Put { column: column("sizes"), value: Value::Map(BTreeMap::new()) },
        Op::Put { column: column("photo"), value: Value::Bytes(vec![0; BYTES_MAX + 1]) },
        insert(1, vec![Value::Null]),
        insert(0, vec![Value::List(vec![Value::Null])]),
        insert(0, vec![Value::Choice("x".into())]),
        insert(0, vec![Value::Float(f64::NAN)]),
        insert(0, vec![Value::Null; LIST_ITEMS_MAX + 1]),
        insert(0, vec![Value::Text("x".repeat(ITEM_BYTES_MAX + 1).into())]),
        Op::ListSet { column: column("tags"), at: 0, value: Value::Null },
        Op::ListSet { column: column("tags"), at: u32::MAX, value: Value::Null },
        Op::ListRemove { column: column("tags"), at: 0, count: u32::MAX },
        Op::ListRemove { column: column("tags"), at: u32::MAX, count: u32::MAX },
        put("k".repeat(MAP_KEY_BYTES_MAX + 1), Value::Null),
        put("k".into(), Value::Counter(1)),
        Op::MapRemove { column: column("tags"), key: "k".into() },
        Op::MapPut { column: column("more"), key: "k".into(), value: Value::Null },
        Op::Put { column: column("more"), value: Value::Json(Json::default()) },
        json(&"/a".repeat(JSON_DEPTH_MAX + 1), "1".into()),
        json(&format!("/{}", "k".repeat(MAP_KEY_BYTES_MAX)), "1".into()),
        json("no pointer", "1".into()),
        json("/a", "[".repeat(ITEM_BYTES_MAX)),
        json("/a", format!("{}{}", "[".repeat(100), "]".repeat(100))),
        json("/a", "{\"b\":1}".into()),
        json("/a", "1e2".into()),
        json("/a", format!("\"{}\"", "x".repeat(ITEM_BYTES_MAX))),
        Op::JsonPut { column: column("sizes"), path: "/a".into(), leaf: "1".into() },
        Op::JsonRemove { column: column("sizes"), path: "/a".into() },
        Op::JsonRemove { column: column("more"), path: "~".into() },
        Op::State(RecordState::Active),
    ]
}

#[cfg_attr(test, test)]
pub(crate) fn counts_that_lie_cost_nothing() {
    let huge = [number(u64::from(u32::MAX)), number(u64::MAX), number(1 << 40)];
    for count in &huge {
        // Names, actors, edits: each list claims to be endless, and then ends.
        for front in [&[][..], &[0], &[0, 0]] {
            let mut bytes = front.to_vec();
            bytes.extend_from_slice(count);
            assert!(decode_edits(&bytes).is_err());
            bytes.extend_from_slice(&[0; 64]);
            assert!(decode_edits(&bytes).is_err());
        }
    }
}

#[cfg_attr(test, test)]
pub(crate) fn depth_is_refused_before_it_is_followed() {
    let mut device = Replica::new(1);
    let insert = |values| Op::ListInsert { column: column("tags"), at: 0, values };
    let id = EditId { device: device.actor.device, counter: 1, part: 0 };
    let flat = Value::List(vec![Value::Integer(77)]);
    device.write(vec![insert(vec![Value::Integer(77)])]);
    let now = tidegate::model::Timestamp::default();
    let edit = device.record.author(&table(), id, device.actor, now, vec![insert(vec![flat])]);
    let bytes = encode_edits(&[edit]).unwrap();
    // The tag and length of a list, once: as often as fits into a change set instead.
    let tag = postcard::to_stdvec(&Value::List(Vec::new())).unwrap()[0];
    let at = bytes.windows(2).rposition(|window| window == [tag, 1]).unwrap();
    let mut deep = bytes[..at].to_vec();
    deep.extend([tag, 1].repeat(500_000));
    deep.extend_from_slice(&bytes[at + 2..]);
    assert!(decode_edits(&deep).is_err());
    // The same as what an app would import.
    let column = table().column("tags").unwrap().clone();
    let json = "[".repeat(500_000);
    assert!(column.parse(&tidegate::model::Schema::default(), &json).is_err());
}

#[cfg_attr(test, test)]
pub(crate) fn a_text_cannot_grow_without_end() {
    let mut server = Server::new();
    let mut device = Replica::new(1);
    let mut counter = 0;
    let mut send = |device: &mut Replica, ops: Vec<Op>| {
        counter += 1;
        let id = EditId { device: device.actor.device, counter, part: 0 };
        let now = tidegate::model::Timestamp::default();
        let edit = device.record.author(&table(), id, device.actor, now, ops);
        let before = server.store.log.len();
        let answer = server.push_edits(vec![edit.clone()]);
        if server.store.log.len() > before {
            device.record.merge(&edit).unwrap();
            true
        } else {
            assert!(matches!(answer, Answer::Judged(_) | Answer::Refused));
            false
        }
    };
    assert!(send(&mut device, vec![Op::State(RecordState::Active)]));
    let chunk = "x".repeat(CHANGE_PLACES_MAX);
    let splice = |delete, insert: &str| Op::Splice {
        column: column("notes"),
        at: 0,
        delete,
        insert: insert.into(),
    };
    assert!(!send(&mut device, vec![splice(0, &chunk), splice(0, "y")]), "too much at once");
    for _ in 0..RICH_TEXT_CHARS_MAX / CHANGE_PLACES_MAX {
        assert!(send(&mut device, vec![splice(0, &chunk)]));
    }
    assert!(!send(&mut device, vec![splice(0, "y")]), "{RICH_TEXT_CHARS_MAX} are there already");
    // What takes some out first may put some in.
    assert!(send(&mut device, vec![splice(2, "yy")]));
    let most = u32::try_from(CHANGE_PLACES_MAX).unwrap();
    assert!(!send(&mut device, vec![splice(most, "y")]), "too much at once");
    assert!(send(&mut device, vec![splice(most, "")]));
}

#[cfg_attr(test, test)]
pub(crate) fn what_is_read_stays_near_what_was_sent() {
    // Each byte of a change set becomes at most so many in memory.
    assert!(size_of::<Op>() <= 96, "{}", size_of::<Op>());
    assert!(size_of::<Value>() <= 48, "{}", size_of::<Value>());
}
