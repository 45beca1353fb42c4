//! What edits cost as columns, beside what they say.

use std::sync::Arc;

use rust_decimal::Decimal;
use tidegate::codec::{decode_records_up_to, encode_edits};
use tidegate::model::{
    ActorId, Change, ChangeRef, DeviceNumber, Edit, EditId, Op, RecordId, Section, Timestamp, Value,
};

use crate::alone;
use crate::replicas::Rng;

/// Edits of one field each, by fifty authors, one edit every ten seconds, of records that an import
/// made: what is drawn is which record, which author, and the value.
fn edits(count: usize, value: impl Fn(&mut Rng) -> Value) -> Vec<Edit> {
    let mut rng = Rng(3);
    let importer = ActorId { device: DeviceNumber(1), incarnation: rng.next() };
    let actors: Vec<_> =
        (0..64).map(|it| ActorId { device: DeviceNumber(it), incarnation: rng.next() }).collect();
    (0..count)
        .map(|at| {
            let actor = actors[rng.below(actors.len())];
            let op = Op::Put { column: "field".parse().unwrap(), value: value(&mut rng) };
            let change = Change {
                section: Section::Main,
                id: ChangeRef { actor, seq: 1 },
                time: Timestamp::from_millis(
                    1_763_000_000_000 + 10_000 * i64::try_from(at).unwrap(),
                )
                .unwrap(),
                deps: vec![ChangeRef { actor: importer, seq: 1 }],
                ops: vec![op],
            };
            let mut id = [0; 16];
            id[..8].copy_from_slice(&rng.next().to_le_bytes());
            id[8..].copy_from_slice(&rng.next().to_le_bytes());
            Edit {
                id: EditId { device: DeviceNumber(0), counter: 0, part: 0 },
                table: "order".parse().unwrap(),
                record: RecordId::from_bytes(id),
                atomic: 0,
                changes: vec![Arc::new(change)],
            }
        })
        .collect()
}

/// Bits that one more edit takes beside its record's id of 128 bits and its author of 6.
fn bits_of_a_value(value: impl Fn(&mut Rng) -> Value) -> f64 {
    let bytes = |count| {
        let edits = edits(count, &value);
        let bytes = encode_edits(&edits).unwrap();
        assert!(decode_records_up_to(&bytes, count).unwrap() == edits);
        f64::from(u32::try_from(bytes.len()).unwrap())
    };
    (bytes(12_000) - bytes(4_000)) / 1_000.0 - 134.0
}

type Drawn = Box<dyn Fn(&mut Rng) -> Value>;

fn below(rng: &mut Rng, bound: usize) -> i64 {
    i64::try_from(rng.below(bound)).unwrap()
}

/// The entropy of what is drawn is known, and hardly more is written.
#[test]
fn a_value_takes_what_it_says() {
    let _turn = alone();
    let letters = |rng: &mut Rng| -> String {
        (0..10).map(|_| char::from(b'a' + u8::try_from(rng.below(16)).unwrap())).collect()
    };
    let cases: [(&str, f64, Drawn); 8] = [
        ("one value", 0.0, Box::new(|_| Value::Text("always the same".into()))),
        ("a truth", 1.0, Box::new(|rng| Value::Boolean(rng.below(2) == 1))),
        ("one of five texts", 2.33, {
            Box::new(|rng| Value::Choice(format!("choice {}", rng.below(5)).into()))
        }),
        ("below a thousand", 10.0, Box::new(|rng| Value::Integer(below(rng, 1_000) - 500))),
        ("cents", 17.0, { Box::new(|rng| Value::Decimal(Decimal::new(below(rng, 100_000), 2))) }),
        ("one of 100 sums", 6.7, {
            Box::new(|rng| Value::Integer(7_654_321 * below(rng, 100) % 99_999_989))
        }),
        ("nine of ten are 7", 0.47, {
            Box::new(|rng| Value::Integer(if rng.below(10) == 0 { 9 } else { 7 }))
        }),
        ("ten letters of 16", 40.0, Box::new(move |rng| Value::Text(letters(rng).into()))),
    ];
    for (what, entropy, value) in cases {
        let bits = bits_of_a_value(value);
        println!("{what}: {bits:.2} bits, {entropy} at the least");
        assert!(bits > entropy - 0.05 && bits < entropy * 1.05 + 0.1, "{what}: {bits} bits");
    }
}
