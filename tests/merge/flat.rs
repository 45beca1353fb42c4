//! Flattened changes: values that say what the changes of a record say, and the changes made of them
//! again.

use std::sync::Arc;

use tidegate::crdt::Record;
use tidegate::model::{
    ActorId, Change, Columns, DeviceNumber, Edit, EditId, Flat, Json, Op, RecordId, RecordState,
    Timestamp, Value,
};

use crate::generations::generation;
use crate::replicas::{Replica, Rng, column, table};

fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).unwrap()
}

fn changes(record: &Record) -> Vec<Arc<Change>> {
    record.to_edit().changes
}

/// What is kept beside the values, as bytes and read again.
fn flatten(record: &Record) -> Option<Flat> {
    let flat = Flat::of(&changes(record), record.header(), record.columns())?;
    Some(postcard::from_bytes(&postcard::to_stdvec(&flat).unwrap()).unwrap())
}

fn values() -> Columns {
    Columns::from([
        (column("name"), Value::Text("Pump 7".into())),
        (column("photo"), Value::Bytes(vec![0, 255, 7])),
        (column("notes"), Value::RichText("Straße 7 🚰".into())),
        (column("visits"), Value::Counter(-3)),
        (column("tags"), Value::List(vec![Value::Text("a".into()), Value::Integer(2)])),
        (column("sizes"), Value::Map([("k".to_owned(), Value::Boolean(true))].into())),
        (
            column("more"),
            Value::Json(Json::new(&serde_json::json!({ "a": [1, { "b": null }] })).unwrap()),
        ),
        (column("secret"), Value::RichText("hush".into())),
    ])
}

/// A record with these values, made at once as an app makes one.
fn made(values: &Columns) -> Record {
    let id = EditId { device: DeviceNumber(7), counter: 1, part: 0 };
    let actor = ActorId { device: DeviceNumber(7), incarnation: 0x0102_0304_0506_0708 };
    let mut ops = vec![Op::State(RecordState::Active)];
    for (column, value) in values {
        ops.extend(Op::difference(column, &Value::Null, value));
    }
    let mut record = Record::new(table().id, RecordId::from_bytes([9; 16]));
    let edit = record.author(&table(), id, actor, time(1_700_000_000_123), ops);
    record.merge(&edit).unwrap();
    assert_eq!(record.columns(), values);
    record
}

#[track_caller]
fn assert_comes_back(record: &Record) {
    let flat = flatten(record).expect("its values say it all");
    let again = flat.changes(record.header(), record.columns());
    assert_eq!(again, Some(changes(record)));
}

/// What the heads of each section are, for as long as files hold what was flattened by layout 1.
#[track_caller]
fn assert_golden(record: &Record, golden: &[(&str, &str)]) {
    let flat = flatten(record).expect("its values say it all");
    let changes = flat.changes(record.header(), record.columns()).unwrap();
    let whole = Edit { changes, ..record.to_edit() };
    let heads = Record::from_edit(&whole).unwrap().document_heads().unwrap();
    let heads: Vec<_> = heads
        .into_iter()
        .map(|(section, heads)| {
            (format!("{section:?}"), data_encoding::HEXLOWER.encode(&heads[0].0))
        })
        .collect();
    let heads: Vec<_> = heads.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(heads, golden);
}

#[test]
fn a_record_made_at_once_is_its_values() {
    let record = made(&values());
    assert_comes_back(&record);
    assert_golden(
        &record,
        &[
            ("Header", "8942d2e642184a50269abe062616354f240aaae736d329ce45b330426e63f59a"),
            ("Main", "40b6d5302a4820dc67f97a36f118e18719865a5e7bcf47e26fd07e4888dbfa67"),
            (
                "Secured(\"secret\")",
                "a3fe0496a8fe3ab1782bfdab8ef5816fb6c928fb81d33d73bab1bbb94b96a479",
            ),
            (
                "Group(\"media\")",
                "a9b0f03b6538bd8eb8f38a66cc9bc5b13946be14de975a2c9f15463e2849b882",
            ),
        ],
    );
}

#[test]
fn a_new_generation_is_its_values() {
    let mut record = made(&values());
    let edit = generation(&record, 3);
    record.merge(&edit).unwrap();
    assert_comes_back(&record);
    assert_golden(
        &record,
        &[
            ("Header", "8942d2e642184a50269abe062616354f240aaae736d329ce45b330426e63f59a"),
            ("Main", "4db7d56571cc51b020ce8c3a3a31fc4e3d58f859135b5e16cc4c5d1ac450ddb8"),
            (
                "Secured(\"secret\")",
                "257c4fb7a9a61378a9b3f7aa7c766304278d2e031f9595934493be64daa55449",
            ),
            (
                "Group(\"media\")",
                "2e08071045e07635502aae82529de6d51bb80ed0dd084a6106583784b78fa82b",
            ),
        ],
    );
}

#[test]
fn generations_of_random_records_come_back() {
    for seed in 0..300 {
        let mut rng = Rng(seed);
        let mut replica = Replica::new(1);
        replica.write(vec![Op::State(RecordState::Active)]);
        for _ in 0..20 {
            let op = replica.random_op(&mut rng, None);
            replica.write(vec![op]);
        }
        let edit = generation(&replica.record, seed);
        replica.record.merge(&edit).unwrap();
        println!("seed {seed}");
        assert_comes_back(&replica.record);
    }
}

/// What was written over is in the changes and not in the values.
#[test]
fn a_record_with_a_past_is_not_flattened() {
    let mut replica = Replica::new(1);
    let put =
        |text: &str| vec![Op::Put { column: column("name"), value: Value::Text(text.into()) }];
    replica.write([vec![Op::State(RecordState::Active)], put("old")].concat());
    assert_comes_back(&replica.record);
    replica.write(put("new"));
    assert_eq!(flatten(&replica.record), None);
}

/// The other's values are as equal as they are, and do not say the same.
#[test]
fn what_equals_a_value_and_is_another_is_not_taken_for_it() {
    let (mut minus, mut plus) = (values(), values());
    minus.insert(column("tags"), Value::List(vec![Value::Float(-0.0)]));
    plus.insert(column("tags"), Value::List(vec![Value::Float(0.0)]));
    let record = made(&minus);
    assert_eq!(*record.columns(), plus);
    assert_eq!(Flat::of(&changes(&record), record.header(), &plus), None);
    plus.insert(column("tags"), Value::List(vec![Value::Float(0.5)]));
    assert_comes_back(&made(&plus));
}

#[test]
fn what_is_flattened_by_a_layout_to_come_is_not_guessed() {
    let record = made(&values());
    let flat = flatten(&record).unwrap();
    let mut bytes = postcard::to_stdvec(&flat).unwrap();
    assert_eq!(bytes[0], 1);
    bytes[0] = 2;
    let flat: Flat = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(flat.changes(record.header(), record.columns()), None);
}
