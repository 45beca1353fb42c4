//! Columns that become secured when they hold values already, and back; and what others may read of a
//! record from now on.

use std::fs;

use tidegate::model::{ColumnPermissions, Op, Principal, Schema, TableName, Value};
use tidegate::sync::replica::{Draft, Intent};
use tidegate::sync::{ReplicaStore as _, ServerStore as _};

use crate::cases::{Case, generated, person, record};
use crate::needles::Needles;
use crate::net::{Net, columns, sections, text, told};

const OLD: &str = "overwritten-0815-77a1c3f2";
const NEW: &str = "remaining-0816-5e9d2b10";
const OWN: &str = "unsent-0817-c04f66d8";

fn needle(of: &str) -> Needles {
    let mut needles = Needles::default();
    needles.add_text(of);
    needles
}

fn secure(net: &mut Net, secured: bool) {
    net.change_rules(|_, schema| set_secured(schema, secured));
}

fn set_secured(schema: &mut Schema, secured: bool) {
    let table = schema.tables.get_mut(&person()).unwrap();
    let column = table.columns.iter_mut().find(|it| it.id.as_str() == "grade").unwrap();
    column.secured = secured;
}

fn grade(net: &Net, at: usize, table: &TableName) -> Option<Value> {
    net.row(at, table, record(0)).get("grade").cloned()
}

/// A column that everybody reads, with a value that was overwritten.
fn graded() -> Case {
    let mut case = generated(3);
    let Case { net, table, writer, other, .. } = &mut case;
    for value in [OLD, NEW] {
        net.set(*writer, table, record(0), columns([("grade", text(value))]));
        net.settle();
    }
    assert_eq!(grade(net, *other, table), Some(text(NEW)));
    case
}

#[test]
fn a_column_that_becomes_secured_leaves_the_devices_of_those_who_may_not_read_it() {
    for away in [false, true] {
        let mut case = graded();
        let Case { net, table, writer, other, .. } = &mut case;
        needle(OLD).assert_all_in(&fs::read(&net.devices[*other].path).unwrap(), "before");
        if away {
            net.part(*other);
        }
        secure(net, true);
        net.settle();
        if away {
            net.connect(*other);
            net.settle();
        }
        // It stays with who may read it.
        assert_eq!(grade(net, *writer, table), Some(text(NEW)));
        assert_eq!(grade(net, *other, table), None, "away: {away}");
        for (file, bytes) in net.bytes_of(*other) {
            needle(OLD).assert_none_in(&bytes, &file);
            needle(NEW).assert_none_in(&bytes, &file);
        }
        // What is beside it goes on.
        net.set(*other, table, record(0), columns([("note", text("after"))]));
        net.settle();
        assert_eq!(net.row(*writer, table, record(0)).get("note"), Some(&text("after")));
        net.set(*writer, table, record(0), columns([("grade", text("hidden"))]));
        net.settle();
        assert_eq!(grade(net, *other, table), None);

        // And back.
        secure(net, false);
        net.settle();
        assert_eq!(grade(net, *other, table), Some(text("hidden")));
        needle(NEW).assert_none_in(&fs::read(&net.devices[*other].path).unwrap(), "what was");
    }
}

#[test]
fn edits_from_before_a_column_was_secured_count_where_they_may() {
    let mut case = graded();
    let Case { net, table, writer, other, .. } = &mut case;
    net.part(*other);
    let both = columns([("grade", text(OWN)), ("note", text("from before"))]);
    let edit = net.set(*other, table, record(0), both.clone());
    // Nobody ever set it there: nothing moves.
    net.set(*other, table, record(1), both);
    secure(net, true);
    net.settle();
    net.connect(*other);
    net.settle();
    for number in [0, 1] {
        let row = net.row(*writer, table, record(number));
        assert_eq!(row.get("note"), Some(&text("from before")), "record {number}");
        assert_ne!(row.get("grade"), Some(&text(OWN)), "record {number}");
    }
    let held = net.devices[*other].store.quarantine().unwrap();
    assert_eq!(held.len(), 2);
    assert_eq!(held[0].edit, edit);
    assert!(held.iter().all(|entry| entry.ops.len() == 1));
}

/// The twin: who may set it has set it.
#[test]
fn edits_from_before_a_column_was_secured_count_as_a_whole_where_they_may() {
    let mut case = graded();
    let Case { net, table, writer, reader, .. } = &mut case;
    net.part(*writer);
    let both = columns([("grade", text(OWN)), ("note", text("from before"))]);
    net.set(*writer, table, record(0), both.clone());
    net.set(*writer, table, record(1), both);
    secure(net, true);
    net.settle();
    net.connect(*writer);
    net.settle();
    for number in [0, 1] {
        let row = net.row(*writer, table, record(number));
        assert_eq!(row.get("grade"), Some(&text(OWN)), "record {number}");
        let row = net.row(*reader, table, record(number));
        assert_eq!(row.get("note"), Some(&text("from before")), "record {number}");
    }
    assert!(net.devices[*writer].store.quarantine().unwrap().is_empty());
}

#[test]
fn who_is_given_a_column_of_a_record_gets_its_value_and_not_what_was_there_before() {
    let mut case = generated(3);
    let Case { net, table, writer, reader, other, .. } = &mut case;
    for value in [OLD, NEW] {
        net.set(*writer, table, record(0), columns([("pay", text(value))]));
        net.settle();
    }
    let permissions = ColumnPermissions { read: true, create: false, update: false };
    let to = Principal::User("ben".parse().unwrap());
    let intent = Intent::ShareColumn { column: "pay".parse().unwrap(), to, permissions };
    net.commit(*writer, vec![Draft { table: table.clone(), record: record(0), intent }], false);
    net.settle();
    assert_eq!(net.row(*other, table, record(0)).get("pay"), Some(&text(NEW)));
    let received = told(&net.devices[*other].received);
    needle(NEW).assert_all_in(&received, "what came with the share");
    needle(OLD).assert_none_in(&received, "what came with the share");
    // Who could read it all the time got both.
    needle(OLD).assert_all_in(&told(&net.devices[*reader].received), "what the reader got");
}

#[test]
fn a_column_that_moves_to_a_group_and_out_of_it_stays_where_it_is_read() {
    let mut case = graded();
    let Case { net, table, writer, other, .. } = &mut case;
    let group = |net: &mut Net, group: Option<&str>| {
        net.change_rules(|_, schema| {
            let table = schema.tables.get_mut(&person()).unwrap();
            let column = table.columns.iter_mut().find(|it| it.id.as_str() == "grade").unwrap();
            column.group = group.map(|group| group.parse().unwrap());
        });
        net.settle();
    };
    for (name, value) in [(Some("school"), "one"), (Some("work"), "two"), (None, "three")] {
        group(net, name);
        assert_eq!(grade(net, *other, table), grade(net, *writer, table));
        net.set(*other, table, record(0), columns([("grade", text(value))]));
        net.settle();
        assert_eq!(grade(net, *writer, table), Some(text(value)), "{name:?}");
    }
    for at in [*writer, *other] {
        assert!(net.devices[at].store.quarantine().unwrap().is_empty());
    }
}

fn is_secured(net: &Net, at: usize, table: &TableName) -> bool {
    sections(net, at, table, record(0)).iter().any(|column| column.as_str() == "grade")
}

/// That the schema is refused as a whole, by this record and this much of a column.
#[track_caller]
fn assert_refused(net: &mut Net, told: &str) {
    let before = net.store.meta().unwrap();
    let live = net.try_schema(|schema| set_secured(schema, true)).unwrap_err();
    let text = live.to_string();
    let whole = format!(
        "columns of `person` in other sections than before (`secured` or `group`), and record {} cannot follow: {told}",
        record(0)
    );
    assert!(text.contains(&whole), "{text}");
    assert_eq!(net.store.meta().unwrap(), before);
    assert_eq!(net.try_restart(|schema| set_secured(schema, true)), Err(live));
    assert_eq!(net.store.meta().unwrap(), before);
    net.restart_server();
    (0..net.devices.len()).for_each(|at| net.connect(at));
    net.settle();
}

/// Nothing is moved by halves, and nothing seems to have moved: who secures a column would take for
/// hidden what is not.
#[test]
fn a_schema_that_a_record_is_too_large_to_follow_is_refused() {
    const LONG: usize = 400_000;
    let mut case = graded();
    let Case { net, table, writer, other, .. } = &mut case;
    let long = text(&"x".repeat(LONG));
    for name in ["name", "note", "grade"] {
        net.set(*writer, table, record(0), columns([(name, long.clone())]));
        net.settle();
    }
    let of = "holds 800064 bytes of values, 400032 of these in column `note`; no more than 786432";
    assert_refused(net, &format!("a section of it {of}"));
    // All goes on under the schema of before.
    assert_eq!(grade(net, *other, table), Some(long.clone()));
    assert!(!is_secured(net, *writer, table));
    net.set(*other, table, record(0), columns([("note", text("short"))]));
    net.settle();
    // Now it can follow.
    secure(net, true);
    net.settle();
    assert_eq!(grade(net, *writer, table), Some(long));
    assert!(is_secured(net, *writer, table));
    assert_eq!(grade(net, *other, table), None);
}

#[test]
fn a_schema_that_a_long_text_cannot_follow_is_refused_until_its_record_is_erased() {
    let mut case = graded();
    let Case { net, table, writer, other, .. } = &mut case;
    for _ in 0..2 {
        let insert = "x".repeat(100_000);
        let ops = vec![Op::Splice { column: "story".parse().unwrap(), at: 0, delete: 0, insert }];
        let intent = Intent::Ops(ops);
        net.commit(*writer, vec![Draft { table: table.clone(), record: record(0), intent }], false);
        net.settle();
    }
    let of = "200000 characters and items in texts and lists, 200000 of these in column `story`";
    assert_refused(net, &format!("a section of it holds {of}; no more than 131072"));
    net.erase(table, record(0));
    net.settle();
    secure(net, true);
    net.settle();
    assert_eq!(net.row(*other, table, record(1)).get("grade"), None);
}
