//! What was not sent when the right to read went away: it goes to quarantine before the rest goes,
//! with the user's own values only.

use std::fs;

use tidegate::model::{ColumnName, Op, RecordId, Value};
use tidegate::sync::ReplicaStore as _;
use tidegate::sync::replica::{Draft, Event, Intent};

use crate::cases::{Case, generated, person, record};
use crate::needles::{Needles, tables_with};
use crate::net::{Net, columns, text};

const STORY: &str = "the story that others wrote";
const DIARY: &str = "the diary that others wrote";
const OWN: [&str; 4] =
    ["own-name-6b43a9b5", "own-story-8d265d3b", "own-pay-1f83d9ab", "own-diary-5be0cd19"];

fn write_into(net: &mut Net, at: usize, column: &str, place: u32, insert: &str) {
    let (column, insert): (ColumnName, _) = (column.parse().unwrap(), insert.to_owned());
    let splice = Op::Splice { column, at: place, delete: 3, insert };
    let draft = Draft { table: person(), record: row(), intent: Intent::Ops(vec![splice]) };
    net.commit(at, vec![draft], false);
}

fn row() -> RecordId {
    record(0)
}

/// Ben may read the secured columns, and edits a record while away: a plain and a secured value, and
/// places in the middle of texts of others. What others wrote is among the needles.
fn edits_away() -> (Case, Needles) {
    let mut case = generated(3);
    let Case { net, needles, writer, other, .. } = &mut case;
    for (column, written) in [("story", STORY), ("diary", DIARY)] {
        let splice = Op::Splice {
            column: column.parse().unwrap(),
            at: 0,
            delete: 0,
            insert: written.into(),
        };
        let draft = Draft { table: person(), record: row(), intent: Intent::Ops(vec![splice]) };
        net.commit(*writer, vec![draft], false);
    }
    needles.add_text(DIARY);
    net.profile("personnel", "ben", true);
    net.settle();
    needles.assert_all_in(&fs::read(&net.devices[*other].path).unwrap(), "before");
    net.part(*other);
    net.set(*other, &person(), row(), columns([("name", text(OWN[0]))]));
    write_into(net, *other, "story", 7, OWN[1]);
    net.set(*other, &person(), row(), columns([("pay", text(OWN[2]))]));
    write_into(net, *other, "diary", 7, OWN[3]);
    (case, Needles::of(&OWN))
}

fn meet(case: &mut Case) {
    case.net.connect(case.other);
    case.net.settle();
}

/// Where in the events of the device the first refusal is, and the purge.
fn told(case: &Case) -> (Option<usize>, Option<usize>) {
    let place = |is: fn(&Event) -> bool| case.net.devices[case.other].events.iter().position(is);
    (place(|it| matches!(it, Event::Denied(_))), place(|it| matches!(it, Event::Purged)))
}

#[test]
fn unsent_edits_of_a_row_out_of_reach_are_kept_with_own_values_alone() {
    let (mut case, own) = edits_away();
    let others = Needles::of(&[STORY, "what everybody reads"]);
    others.assert_all_in(&fs::read(&case.net.devices[case.other].path).unwrap(), "before");
    case.net.profile("personnel", "ben", false);
    case.net.change_policy(|policy| policy.roles.clear());
    meet(&mut case);
    let Case { net, needles, other, .. } = &case;
    let device = &net.devices[*other];
    assert!(device.store.confirmed_ids().unwrap().is_empty());
    assert_eq!(device.store.quarantine().unwrap().len(), OWN.len());
    assert!(device.store.pending_on(row()).unwrap().is_empty());
    for (file, bytes) in net.bytes_of(*other) {
        needles.assert_none_in(&bytes, &file);
        others.assert_none_in(&bytes, &file);
        own.assert_all_in(&bytes, &file);
        assert_eq!(tables_with(&own, &bytes), ["quarantine-2"]);
    }
    // It may be told first that nothing is left for it: what it sent by names of its former schema it is asked for
    // again.
    let (denied, purged) = told(&case);
    assert!(denied.is_some() && purged.is_some(), "{denied:?} {purged:?}");
    // At no moment was an edit neither pending nor in quarantine.
    let caught = device.caught.as_ref().unwrap();
    own.assert_all_in(caught, "the file that a crash before the purge leaves");
    assert!(net.receipt(*other).is_some());
}

/// The twin: who may read and write the row still has all of it admitted.
#[test]
fn unsent_edits_of_a_row_within_reach_count() {
    let (mut case, own) = edits_away();
    meet(&mut case);
    let Case { net, reader, other, .. } = &case;
    assert!(net.devices[*other].store.quarantine().unwrap().is_empty());
    own.assert_all_in(&fs::read(&net.devices[*reader].path).unwrap(), "the reader's file");
    assert_eq!(told(&case), (None, None));
}

/// Ben may not read the secured columns any more, and set them still. So many edits are sent before
/// he hears of it.
fn update_alone(sent_before: usize) -> Case {
    let (mut case, _) = edits_away();
    case.net.set_push_window(case.other, sent_before);
    case.net.profile("personnel", "ben", false);
    case.net.profile("writers", "ben", true);
    meet(&mut case);
    let Case { net, needles, reader, other, .. } = &case;
    for at in [*reader, *other] {
        assert_eq!(net.row(at, &person(), row()).get("name"), Some(&text(OWN[0])), "device {at}");
    }
    // A value that is set needs nothing that was there.
    assert_eq!(net.row(*reader, &person(), row()).get("pay"), Some(&text(OWN[2])));
    assert!(net.devices[*other].store.pending_on(row()).unwrap().is_empty());
    for (file, bytes) in net.bytes_of(*other) {
        needles.assert_none_in(&bytes, &file);
        assert_eq!(tables_with(&Needles::of(&[OWN[2]]), &bytes), Vec::<String>::new(), "{file}");
    }
    case
}

fn diary(case: &Case) -> Value {
    case.net.row(case.reader, &person(), row())["diary"].clone()
}

#[test]
fn a_place_in_a_text_that_became_hidden_has_no_meaning() {
    let case = update_alone(1);
    assert_eq!(diary(&case), Value::RichText(DIARY.into()));
    let held = case.net.devices[case.other].store.quarantine().unwrap();
    let ops: Vec<_> =
        held.iter().flat_map(|it| &it.ops).map(|op| (op.column(), op.name())).collect();
    assert_eq!(ops, [(Some(&"diary".parse().unwrap()), "splice")]);
    let told = held[0].denial.to_string();
    assert!(told.contains("what it was written on may not be read any more"), "{told}");
}

/// Story: an edit was on its way when the device heard that its user may not read the text any more.
/// It went to quarantine, and was admitted all the same: tried again, it would have counted twice.
#[test]
fn an_edit_that_was_on_its_way_when_its_text_became_hidden_counts_once() {
    let case = update_alone(4);
    assert_eq!(diary(&case), Value::RichText(format!("the dia{}that others wrote", OWN[3])));
    assert!(case.net.devices[case.other].store.quarantine().unwrap().is_empty());
}
