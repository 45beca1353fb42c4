//! One edit with a column that its author may set and one that the author may not set any more, and
//! what was built on it.

use std::fs;

use tidegate::sync::{Purge, ReplicaStore as _};

use crate::cases::{Case, generated, record};
use crate::needles::{Needles, tables_with};
use crate::net::{columns, text, told};

const FORBIDDEN: &str = "forbidden-4711-3b9aca07";

/// Offline, one edit sets an allowed and a secured column, and two edits follow on the row.
fn edits_offline(still_allowed: bool) -> (Case, Needles, tidegate::model::EditId) {
    let mut case = generated(3);
    let Case { net, table, other, .. } = &mut case;
    net.profile("personnel", "ben", true);
    net.settle();
    net.part(*other);
    let both = columns([("note", text("allowed")), ("pay", text(FORBIDDEN))]);
    let first = net.set(*other, table, record(0), both);
    net.set(*other, table, record(0), columns([("name", text("second"))]));
    net.set(*other, table, record(0), columns([("grade", text("third"))]));
    if !still_allowed {
        net.profile("personnel", "ben", false);
    }
    net.settle();
    net.connect(*other);
    net.settle();
    (case, Needles::of(&[FORBIDDEN]), first)
}

#[test]
fn the_allowed_part_and_what_follows_counts_and_the_forbidden_value_is_in_quarantine_alone() {
    let (mut case, needle, first) = edits_offline(false);
    let Case { net, needles, table, writer, reader, other, .. } = &mut case;
    for at in [*writer, *reader, *other] {
        let row = net.row(at, table, record(0));
        for (column, value) in [("note", "allowed"), ("name", "second"), ("grade", "third")] {
            assert_eq!(row.get(column), Some(&text(value)), "device {at}");
        }
        assert_ne!(row.get("pay"), Some(&text(FORBIDDEN)), "device {at}");
    }
    for at in [*writer, *reader] {
        for (file, bytes) in net.bytes_of(at) {
            needle.assert_none_in(&bytes, &file);
        }
        needle.assert_none_in(&told(&net.devices[at].received), "what others received");
    }
    let held = net.devices[*other].store.quarantine().unwrap();
    assert_eq!(held.iter().map(|entry| entry.edit).collect::<Vec<_>>(), [first]);
    assert_eq!(held[0].ops.len(), 1);
    assert!(net.devices[*other].store.pending_on(record(0)).unwrap().is_empty());
    let file = fs::read(&net.devices[*other].path).unwrap();
    assert_eq!(tables_with(&needle, &file), ["quarantine-2"]);
    needles.assert_none_in(&file, "the author's file");
    // The server has it in the list of what it refused, and nowhere in log and records.
    assert_eq!(tables_with(&needle, &net.bytes_of_server()), ["refused-2"]);

    // Discarded, it is nowhere after the next session.
    net.discard(*other, first);
    assert_eq!(net.devices[*other].store.meta().unwrap().purge, Purge::Due);
    net.part(*other);
    net.connect(*other);
    net.settle();
    for (file, bytes) in net.bytes_of(*other) {
        needle.assert_none_in(&bytes, &file);
    }
    let row = net.row(*other, table, record(0));
    assert_eq!(row.get("grade"), Some(&text("third")));
}

/// The twin: where the column may still be set, all of it counts, and the search finds it.
#[test]
fn what_may_be_set_counts_as_a_whole() {
    let (case, needle, _) = edits_offline(true);
    let Case { net, table, reader, other, .. } = &case;
    for at in [*reader, *other] {
        assert_eq!(net.row(at, table, record(0)).get("pay"), Some(&text(FORBIDDEN)), "device {at}");
        needle.assert_all_in(&fs::read(&net.devices[at].path).unwrap(), "a file");
        assert!(net.devices[at].store.quarantine().unwrap().is_empty());
    }
    assert_eq!(tables_with(&needle, &net.bytes_of_server()), ["log-3", "record-2"]);
}
