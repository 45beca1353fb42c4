//! How much profiles take of random worlds in a server's store, beside what they take of the same records
//! in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate::codec::encode_rows;
use tidegate::gate::{Attestation, RecordFacts, Roster, Standing, apply, can_read_column};
use tidegate::model::{
    ActorId, Change, ChangeRef, DeviceNumber, Edit, EditId, Op, PolicyEpoch, RecordState, Schema,
    Section, Sequence, Size, TableName, Timestamp,
};
use tidegate::policy::{read_policy, read_profiles};
use tidegate::scope::{Candidate, CheckedProfile};
use tidegate::store::RedbServer;
use tidegate::sync::server::{Estimator, Rules};
use tidegate::sync::{Commit, EntryKind, LogEntry, Operation, ServerMeta, ServerStore as _};

use super::drawn;
use super::memory::Memory;
use super::rng::Rng;

const CASES: u64 = 500;

/// The edit that makes a record.
fn edit(schema: &Schema, table: &TableName, it: &Candidate, number: u64) -> Edit {
    let mut ops = BTreeMap::from([(Section::Header, Vec::new()), (Section::Main, Vec::new())]);
    let header = ops.get_mut(&Section::Header).unwrap();
    header.extend(it.header.owner.clone().map(|(owner, business_unit)| {
        let business_unit = business_unit.clone();
        Op::Own { owner, business_unit }
    }));
    if header.is_empty() {
        header.push(Op::State(RecordState::Active));
    }
    let shares = it.header.shares.iter();
    header.extend(shares.map(|(to, rights)| Op::Share { to: to.clone(), rights: *rights }));
    if it.header.state == RecordState::Deleted {
        header.push(Op::State(RecordState::Deleted));
    }
    let declared = schema.table(table.as_str()).unwrap();
    for (column, value) in &it.columns {
        let section = declared.column(column.as_str()).unwrap().section();
        let put = Op::Put { column: column.clone(), value: value.clone() };
        ops.entry(section).or_default().push(put);
    }
    let actor = ActorId { device: DeviceNumber(1), incarnation: number };
    let change = |(section, ops)| {
        let id = ChangeRef { actor, seq: 1 };
        Arc::new(Change { section, id, time: Timestamp::default(), deps: Vec::new(), ops })
    };
    let changes = ops.into_iter().filter(|(_, ops)| !ops.is_empty()).map(change).collect();
    let id = EditId { device: DeviceNumber(1), counter: number, part: 0 };
    Edit { id, table: table.clone(), record: it.id, atomic: 0, changes }
}

/// A store with these records.
fn store(schema: &Schema, memory: &Memory) -> RedbServer {
    let mut store = RedbServer::in_memory().unwrap();
    let mut operations = Vec::new();
    for (number, (table, it)) in (1..).zip(memory.all()) {
        let edit = edit(schema, table, it, number);
        let sequence = Sequence(number);
        let admitted = Attestation::of_checked_server().admits(edit.clone(), sequence);
        let record = apply(None, &admitted).unwrap();
        let after = record.confirmed().record().header().clone();
        let kind = EntryKind::Edit { edit, before: Some(None), after, asked: None };
        let (at, epoch) = (Timestamp::default(), PolicyEpoch(1));
        let entry = Box::new(LogEntry { sequence, kind, at, epoch });
        operations.push(Operation::Append { entry, records: vec![record] });
    }
    let expected = ServerMeta::default();
    let head = Sequence(operations.len() as u64);
    let meta = ServerMeta { head, ..expected.clone() };
    store.commit(Commit { expected, meta, operations }).unwrap();
    store
}

#[test]
fn what_is_estimated_of_a_store_is_what_is_taken_of_its_records() {
    let (mut added, mut hidden) = (0, 0);
    for seed in 0..CASES {
        println!("seed {seed}");
        let mut rng = Rng::new(seed);
        let mut world = drawn::world(&mut rng);
        let schema = tidegate::read_schema(&world.schema(), "schema.toml").unwrap();
        let read = read_policy(&world.policy(), "policy.json", Some(&schema), None).unwrap();
        let roster = Roster::new(Arc::new(read.policy), Arc::new(read.organization.unwrap()));
        let user = world.user.parse().unwrap();
        let standing = Arc::new(Standing::resolve(&roster, &user).unwrap());
        let (schema, memory) = (Arc::new(schema), world.memory());
        let store = store(&schema, &memory);
        let rules = Rules::new(Schema::clone(&schema), roster).unwrap();
        let text = drawn::profile(&mut rng, &mut world);
        println!("{text}");
        let mut profiles = read_profiles(&text, "profiles.toml", &schema, None, None).unwrap();
        // Whomever it is for.
        profiles.list[0].audiences = vec!["organization".parse().unwrap()];
        let now = Timestamp::from_millis(world.now).unwrap();

        let estimator = Estimator::new(&store, &rules, now);
        let taking = estimator.taking(Some(&profiles), &user, None).unwrap();
        let found = estimator.estimate(&taking).unwrap();
        let checked = Arc::new(CheckedProfile::new(&schema, &profiles.list[0]).unwrap());
        let bound = checked.bind(&standing, now).unwrap();
        let taken = bound.taken(&memory).unwrap();
        for of_table in &found.tables {
            let table = &of_table.table;
            let ids = taken.get(table).into_iter().flatten();
            let mut entries = Vec::new();
            for (id, round) in ids {
                let record = store.record(*id).unwrap().unwrap();
                let facts = RecordFacts::of_header(record.record().header());
                let is_taken = |section: &Section| match section {
                    Section::Secured(column) => can_read_column(&standing, table, column, &facts),
                    section => checked.takes_section(table, section),
                };
                let (taken, all) = (record.changes(is_taken), record.changes(|_| true));
                hidden += u64::from(taken.count() < all.count());
                added += u64::from(*round > 0);
                let mut edit = record.to_edit();
                edit.changes.retain(|change| is_taken(&change.section));
                entries.push(edit);
            }
            let records = entries.len() as u64;
            // As rows, each with its kind and its place in the log.
            let bytes = |edits: &[Edit]| encode_rows(edits).unwrap().len() as u64;
            let bytes = 9 * records + bytes(&entries) - bytes(&[]);
            let wanted = Size { records, bytes };
            let total = of_table.total();
            assert_eq!(total.records, wanted.records, "{table}");
            // Three counts stand before what is counted.
            assert!(wanted.bytes - total.bytes <= 6, "{table}: {total:?} {wanted:?}");
        }
    }
    assert!(added > 0 && hidden > 0, "{added} {hidden}");
}
