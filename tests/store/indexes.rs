//! Indexes hold what the rows say, whatever happened to these and however the indexes were built.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use tidegate::model::{Columns, Header, RecordId, Schema, Sequence, TableName, Value};
use tidegate::store::RedbReplica;
use tidegate::sync::{ReplicaBatch, ReplicaMeta, ReplicaStore as _, StoredRow};

use crate::data::{Rng, column, id, table};

const TABLES: [&str; 3] = ["order", "customer", "territory"];

/// Indexes that a schema may declare of orders; and the customers have one of their own.
const INDEXES: [&str; 6] = [
    r#"["name"]"#,
    r#"["amount", "name"]"#,
    r#"["customer"]"#,
    r#"["customer.name"]"#,
    r#"["customer.territory.number", "amount"]"#,
    r#"["id"]"#,
];

fn schema(indexes: &[&str]) -> Schema {
    let text = format!(
        r#"
        [[table]]
        id = "order"
        ownership = "organization_owned"
        indexes = [{}]
        columns = [
          {{ id = "name", type = "text" }},
          {{ id = "amount", type = "integer" }},
          {{ id = "customer", type = "lookup", table = "customer" }},
        ]
        [[table]]
        id = "customer"
        ownership = "organization_owned"
        indexes = [["name"]]
        columns = [
          {{ id = "name", type = "text" }},
          {{ id = "territory", type = "lookup", table = "territory" }},
        ]
        [[table]]
        id = "territory"
        ownership = "organization_owned"
        columns = [{{ id = "number", type = "integer" }}]
        "#,
        indexes.join(", ")
    );
    tidegate::read_schema(&text, "schema.toml").unwrap()
}

fn some_indexes(rng: &mut Rng) -> Schema {
    let some: Vec<_> = INDEXES.into_iter().filter(|_| !rng.one_in(3)).collect();
    schema(&some)
}

fn declare(store: &mut RedbReplica, schema: Schema) {
    let meta = ReplicaMeta { schema, ..store.meta().unwrap() };
    store.commit(ReplicaBatch { meta: Some(meta), ..ReplicaBatch::default() }).unwrap();
}

/// Of orders there are many, and many of a name; what they look up is few, and not always there.
fn record(rng: &mut Rng, of: &str) -> RecordId {
    match of {
        "order" => id(100 + rng.next() % 300),
        "customer" => id(10 + rng.next() % 6),
        _ => id(rng.next() % 3),
    }
}

fn columns(rng: &mut Rng, of: &str) -> Columns {
    let mut columns = Columns::new();
    let mut set = |name: &str, value| columns.insert(column(name), value);
    if of != "territory" && !rng.one_in(8) {
        set("name", Value::Text(rng.pick(&["a", "b", "\0", "ab"]).into()));
    }
    match of {
        "order" => {
            set("amount", Value::Integer(rng.next().cast_signed() % 3));
            if !rng.one_in(5) {
                set("customer", Value::Lookup(record(rng, "customer")));
            }
        }
        "customer" => {
            set("territory", Value::Lookup(record(rng, "territory")));
        }
        _ => {
            set("number", Value::Integer(rng.next().cast_signed() % 3));
        }
    }
    columns
}

type Rows = BTreeMap<(TableName, RecordId), StoredRow>;

fn batch(rng: &mut Rng, rows: &mut Rows) -> ReplicaBatch {
    let mut batch = ReplicaBatch::default();
    for _ in 0..rng.below(80) {
        let of = rng.pick(&["order", "order", "order", "order", "customer", "territory"]);
        let place = (table(of), record(rng, of));
        let columns = columns(rng, of);
        let row = StoredRow {
            header: Header::default(),
            columns,
            pending: rng.one_in(2),
            version: Sequence(1),
        };
        let row = (!rng.one_in(4)).then_some(row);
        match &row {
            Some(row) => drop(rows.insert(place.clone(), row.clone())),
            None => drop(rows.remove(&place)),
        }
        batch.rows.push((place.0, place.1, row));
    }
    batch
}

/// All rows that each index of a table holds, in its order.
fn contents(store: &RedbReplica, of: &str) -> BTreeMap<String, Vec<RecordId>> {
    let snapshot = store.snapshot().unwrap();
    let all = [(Vec::new(), vec![u8::MAX])];
    let indexes = snapshot.indexes(&table(of)).unwrap();
    let read = indexes.into_iter().map(|(number, shape)| {
        let (index, mut ids) = (snapshot.index(number).unwrap(), Vec::new());
        let mut take = |id| {
            ids.push(id);
            Ok(ControlFlow::Continue(()))
        };
        index.walk(&all, false, None, &mut take).unwrap();
        assert_eq!(index.count(&all).unwrap(), ids.len() as u64);
        (shape.to_string(), ids)
    });
    read.collect()
}

fn build(store: &mut RedbReplica, at_most: usize) {
    while store.build_indexes(at_most).unwrap() {}
    assert_eq!(store.snapshot().unwrap().index_progress().unwrap(), []);
}

fn story(seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replica.redb");
    let mut rng = Rng(seed);
    let mut store = RedbReplica::create(&path).unwrap();
    let mut rows = Rows::new();
    for step in 0..30 {
        match rng.below(6) {
            0 => declare(&mut store, some_indexes(&mut rng)),
            1 => {
                let at_most = 1 + rng.below(90);
                for _ in 0..rng.below(9) {
                    store.build_indexes(at_most).unwrap();
                }
            }
            2 if rng.one_in(2) => {
                // As after a crash between two steps.
                drop(store);
                store = RedbReplica::open(&path).unwrap();
            }
            2 => store.rewrite().unwrap(),
            _ => {
                let batch = batch(&mut rng, &mut rows);
                store.commit(batch.clone()).unwrap();
                if rng.one_in(4) {
                    // Not known whether it was made: the machine makes it again.
                    store.commit(batch).unwrap();
                }
            }
        }
        // Each entry is what its row says, and none is missing of what was built.
        store.check().unwrap_or_else(|error| panic!("seed {seed}, step {step}: {error}"));
    }
    declare(&mut store, schema(&INDEXES));
    build(&mut store, 50);
    let mut fresh = RedbReplica::in_memory().unwrap();
    let all = rows.into_iter().map(|((table, id), row)| (table, id, Some(row))).collect();
    fresh.commit(ReplicaBatch { rows: all, ..ReplicaBatch::default() }).unwrap();
    declare(&mut fresh, schema(&INDEXES));
    build(&mut fresh, usize::MAX);
    for of in TABLES {
        let (kept, fresh) = (contents(&store, of), contents(&fresh, of));
        assert!(kept.keys().eq(fresh.keys()), "seed {seed}: {:?}", kept.keys());
        for (columns, ids) in kept {
            assert!(ids == fresh[&columns], "seed {seed}: {columns}");
        }
    }
    assert_eq!(contents(&store, "order").len(), INDEXES.len());
}

#[test]
fn an_index_is_what_a_fresh_build_makes() {
    (0..12).for_each(story);
}

#[test]
fn new_indexes_of_an_empty_table_need_no_building() {
    let mut store = RedbReplica::in_memory().unwrap();
    declare(&mut store, schema(&INDEXES));
    assert!(!store.build_indexes(1).unwrap());
    assert_eq!(contents(&store, "order").len(), INDEXES.len());
}

#[test]
fn building_goes_on_where_it_stopped_and_says_how_far_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replica.redb");
    let mut store = RedbReplica::create(&path).unwrap();
    let mut rows = Rows::new();
    let mut rng = Rng(5);
    while rows.keys().filter(|(of, _)| of.as_str() == "order").count() < 200 {
        store.commit(batch(&mut rng, &mut rows)).unwrap();
    }
    let orders = rows.keys().filter(|(of, _)| of.as_str() == "order").count() as u64;
    declare(&mut store, schema(&[r#"["name"]"#]));
    while store.snapshot().unwrap().indexes(&table("customer")).unwrap().is_empty() {
        assert!(store.build_indexes(60).unwrap());
    }
    let mut told = Vec::new();
    loop {
        let progress = store.snapshot().unwrap().index_progress().unwrap();
        let Some(progress) = progress.first() else { break };
        assert_eq!((progress.table.as_str(), progress.columns.as_str()), ("order", "name"));
        assert_eq!(progress.of, orders);
        told.push(progress.rows);
        // Queries do without it.
        assert_eq!(store.snapshot().unwrap().indexes(&table("order")).unwrap(), []);
        store.build_indexes(60).unwrap();
        drop(store);
        store = RedbReplica::open(&path).unwrap();
    }
    assert!(told.is_sorted() && told.len() > 3, "{told:?}");
    assert_eq!(contents(&store, "order")["name"].len() as u64, orders);
}

/// A key of very many rows, gone through from both ends and from the middle.
#[test]
fn rows_with_one_key_come_in_the_order_of_their_ids() {
    let mut store = RedbReplica::in_memory().unwrap();
    declare(&mut store, schema(&[r#"["name"]"#]));
    let mut rng = Rng(9);
    let mut ids: Vec<_> = (0..500).map(id).collect();
    for at in (1..ids.len()).rev() {
        ids.swap(at, rng.below(at + 1));
    }
    let name = |id: RecordId| if id.as_bytes()[15].is_multiple_of(7) { "b" } else { "a" };
    for part in ids.chunks(30) {
        let row = |id: &RecordId| {
            let columns = [(column("name"), Value::Text(name(*id).into()))].into();
            let (header, version) = (Header::default(), Sequence(0));
            (table("order"), *id, Some(StoredRow { header, columns, pending: false, version }))
        };
        let rows = part.iter().map(row).collect();
        store.commit(ReplicaBatch { rows, ..ReplicaBatch::default() }).unwrap();
    }
    store.check().unwrap();
    ids.sort_unstable();
    let of =
        |wanted: &str| ids.iter().copied().filter(|id| name(*id) == wanted).collect::<Vec<_>>();
    let (a, b) = (of("a"), of("b"));
    assert_eq!(contents(&store, "order")["name"], [&a[..], &b[..]].concat());
    let snapshot = store.snapshot().unwrap();
    let [(number, _)] = &snapshot.indexes(&table("order")).unwrap()[..] else { panic!() };
    let index = snapshot.index(*number).unwrap();
    let all = [(Vec::new(), vec![u8::MAX])];
    let walk = |descending, after: Option<(&str, RecordId)>| {
        let key = |text: &str| [&[2], text.as_bytes(), &[0, 0]].concat();
        let (mut found, after) = (Vec::new(), after.map(|(text, id)| (key(text), id)));
        let mut take = |id| {
            found.push(id);
            Ok(ControlFlow::Continue(()))
        };
        index.walk(&all, descending, after, &mut take).unwrap();
        found
    };
    assert_eq!(walk(true, None), [&b[..], &a[..]].concat());
    assert_eq!(walk(false, Some(("a", a[300]))), [&a[301..], &b[..]].concat());
    assert_eq!(walk(true, Some(("b", b[5]))), [&b[6..], &a[..]].concat());
    assert_eq!(walk(true, Some(("a", a[300]))), a[301..]);
    // Nobody has the name that lies between the two.
    assert_eq!(walk(false, Some(("aa", a[0]))), b);
    assert_eq!(walk(true, Some(("aa", a[0]))), a);
}
