//! The tables of AdventureWorks as a first sync sends them: whole records, in the order of their ids.

use std::path::Path;
use std::sync::Arc;

use tidegate::model::{
    ActorId, Change, ChangeRef, DeviceNumber, Edit, EditId, Op, RecordId, Section, TableName,
    Timestamp,
};
use tidegate::read_schema;
use tidegate_benches::Outcome;
use tidegate_benches::adventure_works::{Source, TABLES};

const SCHEMA: &str = include_str!("../../../../src/cli/demo/adventureworks.toml");
const IMPORTER: ActorId = ActorId { device: DeviceNumber(1), incarnation: 0x5bd1_e995_9e37_79b9 };
const START_MILLIS: i64 = 1_763_000_000_000;
/// Rows that an import writes in one step, and how long it takes for them.
const STEP_ROWS: usize = 1_000;
const STEP_MILLIS: i64 = 40;

/// Each table with its records.
pub(crate) fn tables(scratch: &Path) -> Outcome<Vec<(&'static str, Vec<Edit>)>> {
    let source = Source::find(scratch)?;
    let schema = read_schema(SCHEMA, "schema.toml")?;
    let mut tables = Vec::new();
    for name in TABLES {
        let table = schema.table(name).ok_or("the schema has the table")?;
        let (columns, rows) = source.table(name)?;
        let mut records = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            let mut puts = Vec::new();
            let (mut id, mut owner) = (None, None);
            for (column, text) in columns.iter().zip(row) {
                match column.as_str() {
                    "id" => id = Some(text.parse::<RecordId>()?),
                    "owner" => owner = Some(format!("user:{text}").parse()?),
                    column => {
                        let column = table.column(column).ok_or("the table has the column")?;
                        let value = column.parse(&schema, text)?;
                        if !value.is_null() {
                            puts.push(Op::Put { column: column.id.clone(), value });
                        }
                    }
                }
            }
            puts.sort_by(|a, b| a.column().cmp(&b.column()));
            let owner = owner.ok_or("a row has an owner")?;
            let own = Op::Own { owner, business_unit: "sales".parse()? };
            let id = id.ok_or("a row has an id")?;
            records.push(record(&table.id, id, at, vec![own], puts));
        }
        records.sort_by_key(|record| record.record);
        tables.push((name, records));
    }
    Ok(tables)
}

fn record(table: &TableName, record: RecordId, at: usize, header: Vec<Op>, main: Vec<Op>) -> Edit {
    let step = i64::try_from(at / STEP_ROWS).unwrap_or_default();
    let time = Timestamp::from_millis(START_MILLIS + step * STEP_MILLIS).unwrap_or_default();
    let change = |section: Section, ops: Vec<Op>| {
        let id = ChangeRef { actor: IMPORTER, seq: 1 };
        Arc::new(Change { section, id, time, deps: Vec::new(), ops })
    };
    let changes = vec![change(Section::Header, header), change(Section::Main, main)];
    let id = EditId { device: DeviceNumber(0), counter: 0, part: 0 };
    Edit { id, table: table.clone(), record, atomic: 0, changes }
}
