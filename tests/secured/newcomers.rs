//! Who may read something from now on gets what it holds, and not what was there before: by a role, a
//! column permission, a hire or a move as well as by a share.

use std::collections::BTreeSet;
use std::fs;

use tidegate::codec::ToServer;
use tidegate::model::{RecordId, Section, TableName, User, Value};
use tidegate::sync::replica::{Draft, Intent};
use tidegate::sync::{ReplicaStore as _, ServerStore as _};

use crate::cases::{Case, generated, record};
use crate::followers::{assert_equal, visit, visits};
use crate::needles::Needles;
use crate::net::{Net, columns, text, told};

const OLD: &str = "overwritten-0915-77a1c3f2";
const NEW: &str = "remaining-0916-5e9d2b10";
const OWN: &str = "unsent-0917-c04f66d8";

/// More than begin anew in one step.
const MANY: usize = tidegate::limits::BEGUN_AT_ONCE_MAX + 50;

/// A column of a record is written over.
fn write_over(net: &mut Net, at: usize, table: &TableName, record: RecordId, column: &str) {
    for value in [OLD, NEW] {
        net.set(at, table, record, columns([(column, text(value))]));
        net.settle();
    }
}

/// A user who may do nothing, or has the one role there is.
fn hire(net: &mut Net, user: &str, has_role: bool) {
    net.change_all(|_, people, _| {
        let roles = BTreeSet::from(["clerk".parse().unwrap()]);
        let user_row = User {
            name: None,
            business_unit: "root".parse().unwrap(),
            manager: None,
            position: None,
            roles: if has_role { roles } else { BTreeSet::new() },
            disabled: false,
        };
        people.users.insert(user.parse().unwrap(), user_row);
    });
}

fn give_role(net: &mut Net, user: &str) {
    net.change_all(|_, people, _| {
        let user = people.users.get_mut(user).unwrap();
        user.roles.insert("clerk".parse().unwrap());
    });
}

/// That a device has never had a byte of what was written over, and has what it was written over with.
#[track_caller]
fn assert_without_past(net: &Net, at: usize) {
    let received = told(&net.devices[at].received);
    Needles::of(&[NEW]).assert_all_in(&received, "what it received");
    Needles::of(&[OLD]).assert_none_in(&received, "what it received");
    for (file, bytes) in net.bytes_of(at) {
        Needles::of(&[OLD]).assert_none_in(&bytes, &file);
    }
}

/// The twin: a device that could read it all along was sent that.
#[track_caller]
fn assert_with_past(net: &Net, at: usize) {
    Needles::of(&[OLD]).assert_all_in(&told(&net.devices[at].received), "what it received");
}

/// What a device has of a record is as on the server, to the bit, and nothing is left to send.
#[track_caller]
fn assert_same(net: &Net, at: usize, table: &TableName, record: RecordId) {
    let theirs = net.store.record(record).unwrap().unwrap().record().document_heads().unwrap();
    let ours = net.devices[at].store.confirmed(table, record).unwrap().unwrap();
    let ours = ours.record().document_heads().unwrap();
    for (section, heads) in &theirs {
        let is_secured = matches!(section, Section::Secured(_));
        match ours.get(section) {
            Some(own) => assert_eq!(own, heads, "device {at}: {section:?}"),
            None => assert!(is_secured, "device {at} lacks {section:?}"),
        }
    }
    assert!(net.devices[at].store.quarantine().unwrap().is_empty(), "device {at}");
}

/// How many changes a section has on the server.
fn changes(net: &Net, record: RecordId, section: &Section) -> usize {
    let held = net.store.record(record).unwrap().unwrap();
    held.record().section(section).unwrap().changes().len()
}

/// A profile that takes nothing of others, for Eve.
const MINE: &str = r#"
[[profile]]
id = "mine"
for = ["user:eve"]
[[profile.table]]
id = "person"
rows = ["mine"]
"#;

const ALL: &str = r#"
[[profile]]
id = "all"
for = ["organization"]
[[profile.table]]
id = "person"
rows = ["all"]
"#;

/// Story: Eve may read from now on, and her profile takes nothing of it. Another one does, and before the scan
/// came to the record it was edited. She was sent what it had held before: she could have had it by her rights.
#[test]
fn who_takes_a_table_along_late_gets_rows_and_not_what_they_held_before() {
    let mut case = generated(3);
    let Case { net, table, writer, other, .. } = &mut case;
    hire(net, "eve", false);
    net.set_profiles(&[MINE, ALL].concat());
    let eve = net.enroll("eve");
    write_over(net, *writer, table, record(2), "note");
    give_role(net, "eve");
    net.settle();
    assert!(net.devices[eve].store.confirmed_ids().unwrap().is_empty());
    net.set_page(1);
    net.set_profiles(ALL);
    net.set(*writer, table, record(2), columns([("grade", text("meanwhile"))]));
    net.deliver(*writer, 1);
    net.settle();
    assert_eq!(net.row(eve, table, record(2)).get("grade"), Some(&text("meanwhile")));
    assert_without_past(net, eve);
    assert_same(net, eve, table, record(2));
    assert_with_past(net, *other);
}

#[test]
fn who_is_given_a_role_gets_rows_and_not_what_they_held_before() {
    for away in [false, true] {
        let mut case = generated(3);
        let Case { net, table, writer, reader, other, .. } = &mut case;
        hire(net, "eve", false);
        let eve = net.enroll("eve");
        write_over(net, *writer, table, record(0), "note");
        write_over(net, *writer, table, record(1), "note");
        net.part(*reader);
        net.set(*reader, table, record(0), columns([("grade", text(OWN))]));
        if away {
            net.part(eve);
        }
        give_role(net, "eve");
        if away {
            net.connect(eve);
        }
        net.settle();
        assert_eq!(net.row(eve, table, record(0)).get("note"), Some(&text(NEW)));
        assert_without_past(net, eve);
        assert_with_past(net, *other);
        // Who could read it goes on with it, and what was written meanwhile counts.
        net.connect(*reader);
        net.settle();
        for at in [*writer, *reader, *other, eve] {
            assert_eq!(net.row(at, table, record(0)).get("grade"), Some(&text(OWN)));
            (0..3).for_each(|number| assert_same(net, at, table, record(number)));
        }
    }
}

#[test]
fn who_is_given_a_column_by_a_profile_gets_its_values_and_not_what_was_there_before() {
    let mut case = generated(3);
    let Case { net, table, writer, reader, other, .. } = &mut case;
    write_over(net, *writer, table, record(0), "pay");
    net.set(*writer, table, record(0), columns([("note", text("another"))]));
    net.settle();
    net.part(*reader);
    net.set(*reader, table, record(0), columns([("bonus", text(OWN))]));
    let main = changes(net, record(0), &Section::Main);
    assert!(main > 1);
    net.profile("personnel", "ben", true);
    net.settle();
    assert_eq!(net.row(*other, table, record(0)).get("pay"), Some(&text(NEW)));
    assert_without_past(net, *other);
    // What they could read before stays as it is, and is written anew for nobody.
    assert_eq!(changes(net, record(0), &Section::Main), main);
    net.connect(*reader);
    net.settle();
    assert_with_past(net, *reader);
    for at in [*writer, *reader, *other] {
        assert_eq!(net.row(at, table, record(0)).get("bonus"), Some(&text(OWN)));
        assert_same(net, at, table, record(0));
    }
    // And to each who may not, nothing of it.
    let eve = {
        hire(net, "eve", true);
        net.enroll("eve")
    };
    assert_eq!(net.row(eve, table, record(0)).get("pay"), None);
    Needles::of(&[NEW]).assert_none_in(&told(&net.devices[eve].received), "what it received");
}

/// Rules as they were before are not the same as rules that never changed.
#[test]
fn what_was_written_while_a_column_was_taken_away_comes_without_its_past() {
    let mut case = generated(3);
    let Case { net, table, writer, reader, other, .. } = &mut case;
    net.profile("personnel", "ben", true);
    net.settle();
    for at in [*reader, *other] {
        net.part(at);
        net.set(at, table, record(at), columns([("grade", text(OWN))]));
    }
    net.profile("personnel", "ben", false);
    write_over(net, *writer, table, record(0), "pay");
    net.profile("personnel", "ben", true);
    net.connect(*reader);
    net.connect(*other);
    net.settle();
    assert_without_past(net, *other);
    assert_with_past(net, *reader);
    for at in [*writer, *reader, *other] {
        assert_eq!(net.row(at, table, record(0)).get("pay"), Some(&text(NEW)));
        assert_eq!(net.row(at, table, record(*other)).get("grade"), Some(&text(OWN)));
        (0..3).for_each(|number| assert_same(net, at, table, record(number)));
    }
}

#[test]
fn what_was_written_while_a_role_was_taken_away_comes_without_its_past() {
    let mut case = generated(3);
    let Case { net, table, writer, other, .. } = &mut case;
    hire(net, "eve", true);
    let eve = net.enroll("eve");
    net.part(eve);
    net.part(*other);
    net.set(eve, table, record(1), columns([("grade", text(OWN))]));
    hire(net, "eve", false);
    write_over(net, *writer, table, record(1), "note");
    let intent = Intent::Create { owner: None, columns: columns([("name", text(OLD))]) };
    net.commit(*writer, vec![Draft { table: table.clone(), record: record(9), intent }], false);
    net.set(*writer, table, record(9), columns([("name", text(NEW))]));
    net.settle();
    give_role(net, "eve");
    // What is done from now on is told as it is done.
    net.set(*writer, table, record(2), columns([("grade", text("a grade"))]));
    net.settle();
    let head = net.store.meta().unwrap().head;
    net.connect(eve);
    net.settle();
    assert!(net.store.meta().unwrap().head > head, "it began anew");
    net.connect(*other);
    net.settle();
    assert_without_past(net, eve);
    assert_eq!(net.row(eve, table, record(2)).get("grade"), Some(&text("a grade")));
    for at in [*writer, *other, eve] {
        assert_eq!(net.row(at, table, record(1)).get("grade"), Some(&text(OWN)));
        assert_eq!(net.row(at, table, record(1)).get("note"), Some(&text(NEW)));
        (0..3).for_each(|number| assert_same(net, at, table, record(number)));
    }
}

#[test]
fn who_is_hired_gets_many_rows_without_their_past_and_the_next_costs_nothing() {
    let mut case = generated(MANY);
    let Case { net, table, writer, other, .. } = &mut case;
    for value in [OLD, NEW] {
        for number in 0..MANY {
            net.set(*writer, table, record(number), columns([("note", text(value))]));
        }
        net.settle();
    }
    hire(net, "eve", true);
    let eve = net.enroll("eve");
    assert_without_past(net, eve);
    assert_with_past(net, *other);
    for number in 0..MANY {
        assert_eq!(net.row(eve, table, record(number)).get("note"), Some(&text(NEW)));
        assert_same(net, eve, table, record(number));
        assert_same(net, *other, table, record(number));
    }
    let head = net.store.meta().unwrap().head;
    hire(net, "eva", true);
    let eva = net.enroll("eva");
    assert_eq!(net.row(eva, table, record(0)).get("note"), Some(&text(NEW)));
    assert_eq!(net.store.meta().unwrap().head, head, "nothing had a past any more");
}

#[test]
fn what_a_move_brings_into_reach_comes_without_its_past() {
    for away in [false, true] {
        let (mut net, ann) = visits(20);
        let [nora, sue, otto] = ["nora", "sue", "otto"].map(|user| net.enroll(user));
        (0..20).for_each(|number| write_over(&mut net, ann, &visit(), record(number), "place"));
        net.part(otto);
        let note = |text: &str| {
            let column = "note".parse().unwrap();
            vec![tidegate::model::Op::Splice { column, at: 0, delete: 0, insert: text.into() }]
        };
        let intent = Intent::Ops(note(OWN));
        net.commit(otto, vec![Draft { table: visit(), record: record(3), intent }], false);
        if away {
            net.part(nora);
        }
        net.move_user("ann", "north");
        net.settle();
        if away {
            net.connect(nora);
            net.settle();
        }
        net.connect(otto);
        net.settle();
        assert_without_past(&net, nora);
        assert_with_past(&net, sue);
        for at in [ann, nora, otto] {
            let note = Value::RichText(OWN.into());
            assert_eq!(net.row(at, &visit(), record(3)).get("note"), Some(&note));
            assert_equal(&net, at);
        }
    }
}

fn fetch(table: &TableName) -> ToServer {
    ToServer::Fetch { table: table.clone(), record: record(19), pinned: false }
}

/// A device may ask for a record before the scan has come to it.
#[test]
fn a_record_that_is_asked_for_comes_without_its_past() {
    let mut case = generated(20);
    let Case { net, table, writer, .. } = &mut case;
    hire(net, "eve", false);
    let eve = net.enroll("eve");
    net.set_page(1);
    write_over(net, *writer, table, record(19), "note");
    give_role(net, "eve");
    net.say(eve, &fetch(table));
    // It is there before the scan, which sends a row at a time.
    net.deliver(eve, 5);
    assert_eq!(net.row(eve, table, record(19)).get("note"), Some(&text(NEW)));
    assert!(net.devices[eve].store.confirmed(table, record(15)).unwrap().is_none());
    net.settle();
    assert_without_past(net, eve);
    (0..20).for_each(|number| assert_same(net, eve, table, record(number)));
    // Who has it already gets it as it is.
    net.set(*writer, table, record(19), columns([("note", text("later"))]));
    net.settle();
    let head = net.store.meta().unwrap().head;
    net.say(eve, &fetch(table));
    net.settle();
    assert_eq!(net.store.meta().unwrap().head, head);
}

/// Nobody chose one of them: both are what the record holds.
#[test]
fn values_side_by_side_come_as_they_are() {
    let mut case = generated(2);
    let Case { net, table, writer, reader, .. } = &mut case;
    net.part(*reader);
    net.set(*reader, table, record(0), columns([("note", text(OLD))]));
    net.set(*writer, table, record(0), columns([("note", text(NEW))]));
    write_over(net, *writer, table, record(1), "note");
    net.connect(*reader);
    net.settle();
    hire(net, "eve", true);
    let eve = net.enroll("eve");
    let received = told(&net.devices[eve].received);
    Needles::of(&[OLD, NEW]).assert_all_in(&received, "what it received");
    for number in 0..2 {
        assert_same(net, eve, table, record(number));
    }
    assert_eq!(changes(net, record(1), &Section::Main), 1);
}

/// What a device waits for is erased meanwhile, or the device leaves, or the server dies.
#[test]
fn who_waits_for_what_goes_does_not_wait_for_ever() {
    let mut case = generated(3);
    let Case { net, table, writer, .. } = &mut case;
    hire(net, "eve", false);
    let eve = net.enroll("eve");
    (0..3).for_each(|number| write_over(net, *writer, table, record(number), "note"));
    give_role(net, "eve");
    net.erase(table, record(0));
    net.settle();
    assert_eq!(net.devices[eve].store.confirmed_ids().unwrap().len(), 2);
    assert_without_past(net, eve);
    let enrolled = |net: &mut Net, user: &str| {
        (1..3).for_each(|number| write_over(net, *writer, table, record(number), "note"));
        hire(net, user, false);
        let at = net.enroll(user);
        give_role(net, user);
        at
    };
    let left = enrolled(net, "eva");
    net.part(left);
    net.connect(left);
    net.settle();
    assert_without_past(net, left);
    let cut = enrolled(net, "evi");
    net.restart_server();
    (0..net.devices.len()).for_each(|at| net.connect(at));
    net.settle();
    assert_without_past(net, cut);
    for at in [eve, left, cut] {
        (1..3).for_each(|number| assert_same(net, at, table, record(number)));
        assert!(!fs::read(&net.devices[at].path).unwrap().is_empty());
    }
}
