//! Edits of every kind, drawn from a seed: nothing of them has to make sense to a record.

use std::sync::Arc;

use rust_decimal::Decimal;
use tidegate::model::{
    ActorId, Change, ChangeRef, ColumnPermissions, Date, DeviceNumber, Edit, EditId, Json, Op,
    RecordId, RecordState, Right, Rights, Section, Timestamp, Value,
};

use crate::replicas::Rng;

/// Any number of 64 bits, small ones as often as large ones.
fn number(rng: &mut Rng) -> u64 {
    let bits = rng.below(65);
    if bits == 0 { 0 } else { rng.next() >> (64 - bits) }
}

fn signed(rng: &mut Rng) -> i64 {
    number(rng).cast_signed()
}

fn small(rng: &mut Rng) -> u32 {
    u32::try_from(number(rng) & 0xffff_ffff).unwrap()
}

fn text(rng: &mut Rng) -> String {
    let count = [0, 1, 5, 12, 40, 300][rng.below(6)];
    let letters: Vec<char> = "abc é雪\u{0} xyz".chars().collect();
    (0..count).map(|_| letters[rng.below(letters.len())]).collect()
}

fn timestamp(rng: &mut Rng) -> Timestamp {
    let time = Timestamp::from_millis(signed(rng) >> 12);
    time.unwrap_or([Timestamp::MIN, Timestamp::MAX][rng.below(2)])
}

fn id(rng: &mut Rng) -> RecordId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&rng.next().to_le_bytes());
    bytes[8..].copy_from_slice(&(rng.next() >> (rng.below(2) * 60)).to_le_bytes());
    RecordId::from_bytes(bytes)
}

fn decimal(rng: &mut Rng) -> Decimal {
    let scale = u32::try_from(rng.below(29)).unwrap();
    let (high, low) = (i128::from(signed(rng)) >> 32, i128::from(number(rng)));
    let digits = if rng.below(3) == 0 { high << 64 | low } else { signed(rng).into() };
    Decimal::try_from_i128_with_scale(digits, scale).unwrap_or(Decimal::ONE)
}

/// One that a list or map holds; `more`: any.
fn value(rng: &mut Rng, more: bool) -> Value {
    let items = |rng: &mut Rng| (0..rng.below(9)).map(|_| value(rng, false)).collect::<Vec<_>>();
    match rng.below(if more { 16 } else { 11 }) {
        0 => Value::Null,
        1 => Value::Text(text(rng).into()),
        2 => Value::Integer(signed(rng)),
        3 => Value::Decimal(decimal(rng)),
        4 => Value::Float([0.5, -0.0, f64::INFINITY, f64::from_bits(7)][rng.below(4)]),
        5 => Value::Boolean(rng.below(2) == 1),
        6 => Value::Timestamp(timestamp(rng)),
        7 => Value::Date(Date::from_days(i32::try_from(rng.below(40_000)).unwrap() - 9).unwrap()),
        8 => Value::Choice(["open", "done", ""][rng.below(3)].into()),
        9 => Value::Lookup(id(rng)),
        10 => Value::Bytes(text(rng).into_bytes()),
        11 => Value::RichText(text(rng)),
        12 => Value::Counter(signed(rng)),
        13 => Value::List(items(rng)),
        14 => Value::Map(
            items(rng).into_iter().map(|it| (format!("k{}", rng.below(99)), it)).collect(),
        ),
        _ => {
            let json = serde_json::json!({ "a": { "b": text(rng), "c/~": [null, 1] }, "d": {} });
            Value::Json(Json::new(&json).unwrap())
        }
    }
}

fn op(rng: &mut Rng, records: &[RecordId]) -> Op {
    let column = ["name", "size", "more", "é"][rng.below(4)].parse().unwrap();
    let to = ["user:ann", "team:crew", "organization"][rng.below(3)].parse().unwrap();
    match rng.below(20) {
        0 => Op::Own {
            owner: ["user:ann", "team:crew"][rng.below(2)].parse().unwrap(),
            business_unit: ["north", "south"][rng.below(2)].parse().unwrap(),
        },
        1 => Op::State([RecordState::Active, RecordState::Deleted][rng.below(2)]),
        2 => Op::Share { to, rights: Rights::from_iter([Right::Read, Right::Write]) },
        3 => Op::ShareColumn { column, to, permissions: ColumnPermissions::READ },
        4 => Op::Increment { column, by: signed(rng) },
        5 => {
            let (at, values) = (small(rng), (0..rng.below(5)).map(|_| value(rng, false)).collect());
            Op::ListInsert { column, at, values }
        }
        6 => Op::ListSet { column, at: small(rng), value: value(rng, true) },
        7 => Op::ListRemove { column, at: small(rng), count: small(rng) },
        8 => Op::MapPut { column, key: text(rng), value: value(rng, true) },
        9 => Op::MapRemove { column, key: text(rng) },
        10 => Op::JsonPut { column, path: text(rng), leaf: text(rng) },
        11 => Op::JsonRemove { column, path: text(rng) },
        12 | 13 => Op::Splice { column, at: small(rng), delete: small(rng) % 9, insert: text(rng) },
        14 => Op::Put { column, value: Value::Lookup(records[rng.below(records.len())]) },
        _ => Op::Put { column, value: value(rng, true) },
    }
}

/// So many edits of a few records, by a few authors. `wild`: numbers are any.
pub(crate) fn edits(rng: &mut Rng, count: usize, wild: bool) -> Vec<Edit> {
    let records: Vec<_> = (0..=rng.below(count.max(1))).map(|_| id(rng)).collect();
    let actors: Vec<_> = (0..=rng.below(4))
        .map(|device| ActorId {
            device: DeviceNumber(if wild { small(rng) } else { u32::try_from(device).unwrap() }),
            incarnation: rng.next(),
        })
        .collect();
    let sections = [
        Section::Header,
        Section::Main,
        Section::Secured("pay".parse().unwrap()),
        Section::Group("more".parse().unwrap()),
    ];
    let mut last: Vec<ChangeRef> = Vec::new();
    let mut edits = Vec::new();
    for at in 0..count {
        let mut changes = Vec::new();
        for _ in 0..rng.below(4) {
            let any = |rng: &mut Rng| ChangeRef {
                actor: actors[rng.below(actors.len())],
                seq: if wild { number(rng) } else { 1 + rng.below(5) as u64 },
            };
            let ref_of = any(rng);
            let deps = match rng.below(4) {
                0 => Vec::new(),
                1 | 2 if !last.is_empty() => vec![last[rng.below(last.len())]],
                _ => (0..rng.below(4)).map(|_| any(rng)).collect(),
            };
            last.push(ref_of);
            changes.push(Arc::new(Change {
                section: sections[rng.below(4)].clone(),
                id: ref_of,
                time: if wild {
                    timestamp(rng)
                } else {
                    Timestamp::from_millis(i64::try_from(at).unwrap()).unwrap()
                },
                deps,
                ops: (0..rng.below(5)).map(|_| op(rng, &records)).collect(),
            }));
        }
        let device = DeviceNumber(if wild { small(rng) } else { 3 });
        let counter = if wild { number(rng) } else { at as u64 };
        edits.push(Edit {
            id: EditId { device, counter, part: if wild { small(rng) } else { 0 } },
            table: ["order", "line"][rng.below(2)].parse().unwrap(),
            record: records[rng.below(records.len())],
            atomic: if wild { small(rng) } else { 0 },
            changes,
        });
    }
    edits
}
