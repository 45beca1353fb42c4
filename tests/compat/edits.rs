//! The edits in the files.

use std::sync::Arc;

use rust_decimal::Decimal;
use tidegate::model::{
    ActorId, Change, ChangeRef, ColumnPermissions, Date, DeviceNumber, Edit, EditId, Json, Op,
    RecordId, RecordState, Right, Rights, Section, Timestamp, Value,
};

const ACTOR: ActorId = ActorId { device: DeviceNumber(3), incarnation: 0x0123_4567_89ab_cdef };
const OTHER: ActorId = ActorId { device: DeviceNumber(9), incarnation: 77 };
const MILLIS: i64 = 1_763_000_000_000;

fn time(after: i64) -> Timestamp {
    Timestamp::from_millis(MILLIS + after).unwrap()
}

fn edit(counter: u64, record: u8, changes: Vec<Change>) -> Edit {
    Edit {
        id: EditId { device: ACTOR.device, counter, part: 0 },
        table: "order".parse().unwrap(),
        record: RecordId::from_bytes([record; 16]),
        atomic: 0,
        changes: changes.into_iter().map(Arc::new).collect(),
    }
}

fn values() -> Vec<Value> {
    let id = RecordId::from_bytes([1; 16]);
    vec![
        Value::Null,
        Value::Text("Æsop, a text of some length".into()),
        Value::Integer(-300),
        Value::Decimal("-12.50".parse().unwrap()),
        Value::Decimal(Decimal::MAX),
        Value::Float(0.25),
        Value::Boolean(true),
        Value::Timestamp(time(5)),
        Value::Date(Date::from_days(20_000).unwrap()),
        Value::Choice("open".into()),
        Value::Lookup(id),
        Value::Lookup(RecordId::from_bytes([200; 16])),
        Value::Bytes(vec![0, 1, 255]),
        Value::RichText("A long story".into()),
        Value::Counter(7),
        Value::List(vec![Value::Null, Value::Integer(1)]),
        Value::Map([("size".to_owned(), Value::Text("L".into()))].into()),
        Value::Json(Json::new(&serde_json::json!({ "a": [1, null], "b": { "c": "d" } })).unwrap()),
    ]
}

fn ops() -> Vec<Op> {
    let column = |name: &str| name.parse().unwrap();
    let list = column("list");
    vec![
        Op::Splice { column: column("notes"), at: 0, delete: 0, insert: "H".into() },
        Op::Splice { column: column("notes"), at: 1, delete: 0, insert: "é!".into() },
        Op::Splice { column: column("notes"), at: 2, delete: 1, insert: String::new() },
        Op::Increment { column: column("visits"), by: -2 },
        Op::ListInsert {
            column: list,
            at: 4,
            values: vec![Value::Boolean(false), Value::Text("x".into())],
        },
        Op::ListSet { column: column("list"), at: 5, value: Value::Integer(9) },
        Op::ListRemove { column: column("list"), at: 1, count: 3 },
        Op::MapPut { column: column("map"), key: "k".into(), value: Value::Null },
        Op::MapRemove { column: column("map"), key: "k".into() },
        Op::JsonPut { column: column("json"), path: "/a".into(), leaf: "[1]".into() },
        Op::JsonRemove { column: column("json"), path: "/b/c".into() },
    ]
}

/// Edits with every kind of operation, value and section.
pub(crate) fn of_every_kind() -> Vec<Edit> {
    let change = |section: Section, seq: u64, after: i64, deps: Vec<ChangeRef>, ops: Vec<Op>| {
        Change { section, id: ChangeRef { actor: ACTOR, seq }, time: time(after), deps, ops }
    };
    let own =
        Op::Own { owner: "user:ann".parse().unwrap(), business_unit: "north".parse().unwrap() };
    let share = Op::Share {
        to: "team:crew".parse().unwrap(),
        rights: Rights::from_iter([Right::Read, Right::Share]),
    };
    let share_column = Op::ShareColumn {
        column: "pay".parse().unwrap(),
        to: "organization".parse().unwrap(),
        permissions: ColumnPermissions::READ,
    };
    let put = |(at, value): (usize, Value)| Op::Put {
        column: format!("column {at}").parse().unwrap(),
        value,
    };
    let puts: Vec<_> = values().into_iter().enumerate().map(put).collect();
    let first = ChangeRef { actor: ACTOR, seq: 1 };
    let foreign = ChangeRef { actor: OTHER, seq: 40 };
    let pay = Section::Secured("pay".parse().unwrap());
    let media = Section::Group("media".parse().unwrap());
    let paid = Op::Put { column: "pay".parse().unwrap(), value: Value::Integer(1) };
    let mut edits = vec![
        edit(
            1,
            1,
            vec![
                change(Section::Header, 1, 0, Vec::new(), vec![own]),
                change(Section::Main, 1, 0, Vec::new(), puts),
            ],
        ),
        edit(
            2,
            1,
            vec![
                change(Section::Header, 2, 1_000, vec![first], vec![share, share_column]),
                change(Section::Main, 2, 1_000, vec![first, foreign], ops()),
                change(pay, 1, 1_000, Vec::new(), vec![paid]),
                change(media, 5, 1_000, vec![foreign], Vec::new()),
            ],
        ),
        edit(
            5,
            2,
            vec![change(
                Section::Header,
                1,
                -3,
                Vec::new(),
                vec![Op::State(RecordState::Active), Op::State(RecordState::Deleted)],
            )],
        ),
        edit(6, 3, Vec::new()),
    ];
    edits[1].atomic = 2;
    edits[1].id.part = 1;
    // Often enough that columns are shorter.
    let again = edits.clone();
    for round in 1..6 {
        for mut edit in again.iter().cloned() {
            edit.id.counter += 100 * round;
            edits.push(edit);
        }
    }
    edits
}

/// So many edits of two fields each, of records that build on what others did.
pub(crate) fn alike(count: u64) -> Vec<Edit> {
    (0..count)
        .map(|at| {
            let number = at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut id = [0x40; 16];
            id[..8].copy_from_slice(&number.to_be_bytes());
            let status = ["open", "waiting", "done"][usize::try_from(number >> 20).unwrap() % 3];
            let put = |column: &str, value| Op::Put { column: column.parse().unwrap(), value };
            let change = Change {
                section: Section::Main,
                id: ChangeRef { actor: ACTOR, seq: 1 },
                time: time(i64::try_from(at * 250 + number % 40).unwrap()),
                deps: vec![ChangeRef { actor: OTHER, seq: 1 + number % 2 }],
                ops: vec![
                    put("price", Value::Decimal(Decimal::new((number % 5_000).cast_signed(), 2))),
                    put("status", Value::Choice(status.into())),
                ],
            };
            let mut edit = edit(at + 1, 0, vec![change]);
            edit.record = RecordId::from_bytes(id);
            edit
        })
        .collect()
}
