//! A few replicas of one record, and random edits of it.

use std::sync::Arc;

use tidegate::crdt::Record;
use tidegate::model::{
    ActorId, Change, Column, ColumnName, ColumnType, Columns, DeviceNumber, EditId, Op, Ownership,
    RecordId, Section, Table, TableName, Timestamp, Value,
};

pub(crate) const TYPES: [(&str, ColumnType); 8] = [
    ("name", ColumnType::Text),
    ("photo", ColumnType::Bytes),
    ("notes", ColumnType::RichText),
    ("visits", ColumnType::Counter),
    ("tags", ColumnType::List),
    ("sizes", ColumnType::Map),
    ("more", ColumnType::Json),
    ("secret", ColumnType::RichText),
];

pub(crate) fn column(name: &str) -> ColumnName {
    ColumnName::new(name).unwrap()
}

/// A table with a column of each type; two are in a group, and the last is secured.
pub(crate) fn table() -> Table {
    let column = |(name, column_type): (&str, ColumnType)| Column {
        secured: name == "secret",
        group: ["photo", "sizes"].contains(&name).then(|| "media".parse().unwrap()),
        ..Column::new(column(name), column_type)
    };
    let columns = TYPES.into_iter().map(column).collect();
    Table::new(TableName::new("visit").unwrap(), Ownership::OrganizationOwned, columns)
}

/// A small generator, so that a failure is its seed.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    pub(crate) fn place(&mut self, bound: usize) -> u32 {
        u32::try_from(self.below(bound)).unwrap()
    }

    pub(crate) fn text(&mut self, chars_max: usize) -> String {
        let chars = ['a', 'b', 'ß', '\u{301}', '語', '🦀', '\n', ' '];
        (0..self.below(chars_max + 1)).map(|_| chars[self.below(chars.len())]).collect()
    }

    pub(crate) fn item(&mut self) -> Value {
        match self.below(4) {
            0 => Value::Integer(i64::from(self.place(9))),
            1 => Value::Text(self.text(3).into()),
            2 => Value::Null,
            _ => Value::Boolean(true),
        }
    }
}

/// One device's state of the record.
#[derive(Clone)]
pub(crate) struct Replica {
    pub(crate) record: Record,
    pub(crate) actor: ActorId,
    edits: u64,
}

impl Replica {
    pub(crate) fn new(device: u32) -> Self {
        let actor = ActorId { device: DeviceNumber(device), incarnation: u64::from(device) * 7 };
        let record = Record::new(table().id, RecordId::from_bytes([1; 16]));
        Self { record, actor, edits: 0 }
    }

    /// Writes operations on what the replica holds.
    pub(crate) fn write(&mut self, ops: Vec<Op>) -> Vec<Arc<Change>> {
        self.edits += 1;
        let id = EditId { device: self.actor.device, counter: self.edits, part: 0 };
        let time = Timestamp::from_millis(1_700_000_000_000).unwrap();
        let edit = self.record.author(&table(), id, self.actor, time, ops);
        self.record.merge(&edit).unwrap();
        edit.changes
    }

    /// Takes over everything that another replica holds.
    pub(crate) fn merge(&mut self, other: &Self) {
        let mut edit = other.record.to_edit();
        edit.changes.retain(|change| !self.record.holds(&change.section, change.id));
        self.record.merge(&edit).unwrap();
    }

    /// A random operation on one of the columns, or on `only`.
    pub(crate) fn random_op(&self, rng: &mut Rng, only: Option<&str>) -> Op {
        let (name, column_type) = match only {
            Some(only) => *TYPES.iter().find(|(name, _)| *name == only).unwrap(),
            None => TYPES[rng.below(TYPES.len())],
        };
        random_op(rng, &column(name), column_type, self.record.columns())
    }
}

pub(crate) fn random_op(
    rng: &mut Rng,
    column: &ColumnName,
    column_type: ColumnType,
    columns: &Columns,
) -> Op {
    let now = columns.get(column);
    let column = column.clone();
    match column_type {
        ColumnType::Text => Op::Put { column, value: Value::Text(rng.text(4).into()) },
        ColumnType::Bytes => {
            Op::Put { column, value: Value::Bytes(rng.next().to_le_bytes().to_vec()) }
        }
        ColumnType::RichText => {
            let length = match now {
                Some(Value::RichText(text)) => text.chars().count(),
                _ => 0,
            };
            let at = rng.place(length + 1);
            let delete = rng.place((length - usize::try_from(at).unwrap()).min(3) + 1);
            Op::Splice { column, at, delete, insert: rng.text(4) }
        }
        ColumnType::Counter if rng.below(8) == 0 => {
            Op::Put { column, value: Value::Counter(i64::from(rng.place(50))) }
        }
        ColumnType::Counter => Op::Increment { column, by: i64::from(rng.place(20)) - 10 },
        ColumnType::List => random_list_op(rng, column, now),
        ColumnType::Map => {
            let key = ["a", "b", "ü"][rng.below(3)].to_owned();
            match rng.below(3) {
                0 => Op::MapRemove { column, key },
                _ => Op::MapPut { column, key, value: rng.item() },
            }
        }
        ColumnType::Json => {
            let path = ["", "/a", "/a/b", "/a/b/c", "/ü"][rng.below(5)].to_owned();
            match rng.below(3) {
                0 => Op::JsonRemove { column, path },
                _ => Op::JsonPut { column, path, leaf: rng.item().to_json().to_string() },
            }
        }
        other => panic!("no {other} in the table"),
    }
}

fn random_list_op(rng: &mut Rng, column: ColumnName, now: Option<&Value>) -> Op {
    let length = match now {
        Some(Value::List(items)) => items.len(),
        _ => 0,
    };
    match rng.below(4) {
        0 if length > 0 => Op::ListSet { column, at: rng.place(length), value: rng.item() },
        1 if length > 0 => {
            let at = rng.place(length);
            let count = rng.place((length - usize::try_from(at).unwrap()).min(2) + 1);
            Op::ListRemove { column, at, count }
        }
        _ => {
            let values = (0..rng.below(3)).map(|_| rng.item()).collect();
            Op::ListInsert { column, at: rng.place(length + 1), values }
        }
    }
}

/// What Automerge itself says of the record's columns, with no plain values in between.
pub(crate) fn replayed(record: &Record) -> Columns {
    let mut columns = Columns::new();
    for section in record.sections().map(|it| it.0).filter(|it| **it != Section::Header) {
        columns.extend(record.document(section).unwrap().columns().unwrap());
    }
    columns
}
