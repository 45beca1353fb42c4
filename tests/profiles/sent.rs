//! What records are said to be in a page of rows, beside what the codec makes of them.

use std::sync::Arc;

use tidegate::codec::encode_rows;
use tidegate::model::{
    ActorId, Change, ChangeRef, ColumnPermissions, DeviceNumber, Edit, EditId, Json, Op, PageBytes,
    RecordId, RecordState, Right, Rights, Section, Timestamp, Value,
};

use super::rng::Rng;

const CASES: u64 = 500;
/// What an entry of a page is, beside its record: its kind and its place in the log.
const ENTRY_BYTES: usize = 9;

fn number(rng: &mut Rng) -> u64 {
    let bits = rng.below(64);
    let low = rng.below(usize::MAX) as u64;
    low & ((1 << bits) - 1)
}

fn text(rng: &mut Rng) -> String {
    "ä long text ".chars().cycle().take(rng.below(300)).collect()
}

fn value(rng: &mut Rng, depth: usize) -> Value {
    let signed = number(rng).cast_signed() - 1_000;
    let time = 1_763_631_012_345 - i64::try_from(rng.below(1 << 42)).unwrap();
    let more = if depth == 0 { 16 } else { 8 };
    match rng.below(more) {
        0 => Value::Null,
        1 => Value::Text(text(rng).into()),
        2 => Value::Integer(signed),
        3 => Value::Decimal(rust_decimal::Decimal::new(signed, 3)),
        4 => Value::Float(0.5),
        5 => Value::Boolean(true),
        6 => Value::Timestamp(Timestamp::from_millis(time).unwrap()),
        7 => Value::Bytes(text(rng).into_bytes()),
        8 => Value::Choice(text(rng).into()),
        9 => Value::Lookup(RecordId::from_bytes([7; 16])),
        10 => Value::RichText(text(rng)),
        11 => Value::Counter(signed),
        12 => Value::List((0..rng.below(200)).map(|_| value(rng, 1)).collect()),
        13 => Value::Map((0..rng.below(9)).map(|at| (format!("k{at}"), value(rng, 1))).collect()),
        14 => {
            Value::Json(Json::new(&serde_json::json!({ "a": { "b": text(rng) }, "c": 7 })).unwrap())
        }
        _ => Value::Date("2026-03-04".parse::<jiff::civil::Date>().unwrap().into()),
    }
}

fn op(rng: &mut Rng) -> Op {
    let column = ["name", "size", "more"][rng.below(3)].parse().unwrap();
    let owner = ["user:ann", "team:crew", "user:bo"][rng.below(3)].parse().unwrap();
    match rng.below(13) {
        0 => Op::Own { owner, business_unit: "north".parse().unwrap() },
        1 => Op::State(RecordState::Deleted),
        2 => Op::Share {
            to: "team:crew".parse().unwrap(),
            rights: Rights::from_iter([Right::Read, Right::Write]),
        },
        3 => Op::ShareColumn {
            column,
            to: "team:crew".parse().unwrap(),
            permissions: ColumnPermissions::READ,
        },
        4 => Op::Increment { column, by: number(rng).cast_signed() },
        5 => Op::ListSet { column, at: 0, value: value(rng, 1) },
        6 => Op::MapPut { column, key: text(rng), value: value(rng, 1) },
        7 => Op::MapRemove { column, key: text(rng) },
        8 => Op::JsonPut { column, path: text(rng), leaf: text(rng) },
        9 => Op::JsonRemove { column, path: text(rng) },
        _ => Op::Put { column, value: value(rng, 0) },
    }
}

fn record(rng: &mut Rng) -> Edit {
    let actors: Vec<_> = (0..2)
        .map(|_| ActorId {
            device: DeviceNumber(u32::try_from(rng.below(300)).unwrap()),
            incarnation: number(rng),
        })
        .collect();
    let sections = [
        Section::Header,
        Section::Main,
        Section::Secured("pay".parse().unwrap()),
        Section::Group("more".parse().unwrap()),
    ];
    let reference = |rng: &mut Rng| ChangeRef { actor: actors[rng.below(2)], seq: number(rng) };
    let start = 1_763_631_012_345;
    let changes = (0..=rng.below(6)).map(|at| {
        // The last as the first: how long after the record before it was made is not known.
        let later = if at == 0 { 0 } else { i64::try_from(number(rng) >> 24).unwrap() };
        let deps = (0..rng.below(3)).map(|_| reference(rng)).collect();
        Arc::new(Change {
            section: sections[rng.below(sections.len())].clone(),
            id: reference(rng),
            time: Timestamp::from_millis(start + later).unwrap(),
            deps,
            ops: (0..rng.below(6)).map(|_| op(rng)).collect(),
        })
    });
    let mut changes: Vec<_> = changes.collect();
    let last = Arc::make_mut(changes.last_mut().unwrap());
    last.time = Timestamp::from_millis(start).unwrap();
    let id = EditId { device: DeviceNumber(0), counter: 0, part: 0 };
    let (table, record) = ("thing".parse().unwrap(), RecordId::from_bytes([9; 16]));
    Edit { id, table, record, atomic: 0, changes }
}

/// The bytes of a page that holds these records, as rows.
fn page<'r>(records: impl IntoIterator<Item = &'r Edit>) -> u64 {
    let records: Vec<_> = records.into_iter().cloned().collect();
    (records.len() * ENTRY_BYTES + encode_rows(&records).unwrap().len()) as u64
}

#[test]
fn what_a_record_adds_to_a_page_that_has_it_is_what_it_is_said_to_be() {
    for seed in 0..CASES {
        let record = record(&mut Rng::new(seed));
        let added = page([&record, &record]) - page([&record]);
        let said = record.sent_bytes();
        // How many edits there are stands before them.
        assert!(added - said <= 1, "seed {seed}: {added} {said}: {record:?}");
    }
}

#[test]
fn what_records_add_to_a_page_is_all_of_it() {
    for seed in 0..CASES {
        let mut rng = Rng::new(seed);
        let records: Vec<_> = (0..rng.below(30)).map(|_| record(&mut rng)).collect();
        let mut bytes = PageBytes::default();
        let add = |it: &Edit| bytes.add(&it.table, it.changes.iter().map(AsRef::as_ref));
        let said: u64 = records.iter().map(add).sum();
        let found = page(&records) - page([]);
        // Three counts stand before what is counted.
        assert!(found - said <= 6, "seed {seed}: {found} {said}: {records:?}");
    }
}
