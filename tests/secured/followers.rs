//! Records that follow an owner who moves to another business unit: one entry of the log, and of that
//! nothing for those who read none of them.

use tidegate::codec::{Entry, ToDevice, decode_message};
use tidegate::model::{RecordId, RecordState, Sequence, TableName};
use tidegate::store::verify;
use tidegate::sync::replica::{Draft, Intent};
use tidegate::sync::{EntryKind, LogEntry, ReplicaStore as _, ServerStore as _};

use crate::cases::record;
use crate::net::{Net, columns, text};

const SCHEMA: &str = r#"
[[table]]
id = "visit"
ownership = "user_owned"
columns = [{ id = "place", type = "text" }, { id = "note", type = "rich_text" }]
"#;

const POLICY: &str = r#"
[[business_unit]]
id = "root"
[[business_unit]]
id = "north"
parent = "root"
[[business_unit]]
id = "south"
parent = "root"
[[user]]
id = "boss"
business_unit = "root"
roles = ["system_administrator"]
[[user]]
id = "ann"
business_unit = "south"
roles = ["clerk"]
[[user]]
id = "idle"
business_unit = "south"
roles = ["clerk"]
[[user]]
id = "nora"
business_unit = "north"
roles = ["neighbour"]
[[user]]
id = "sue"
business_unit = "south"
roles = ["neighbour"]
[[user]]
id = "otto"
business_unit = "root"
roles = ["auditor"]
[[role]]
id = "clerk"
[role.rights.visit]
create = "user"
read = "user"
write = "user"
[[role]]
id = "neighbour"
[role.rights.visit]
read = "business_unit"
write = "business_unit"
[[role]]
id = "auditor"
[role.rights.visit]
read = "organization"
write = "organization"
delete = "organization"
"#;

/// More than are in a page.
const MANY: usize = 1_000;

pub(crate) fn visit() -> TableName {
    "visit".parse().unwrap()
}

/// Ann, in the south, owns so many records.
pub(crate) fn visits(count: usize) -> (Net, usize) {
    let mut net = Net::new(SCHEMA, POLICY, None, None);
    let ann = net.enroll("ann");
    let draft = |number: usize| {
        let columns = columns([("place", text(&format!("place {number}")))]);
        let intent = Intent::Create { owner: None, columns };
        Draft { table: visit(), record: record(number), intent }
    };
    net.commit(ann, (0..count).map(draft).collect(), false);
    net.settle();
    (net, ann)
}

fn head(net: &Net) -> Sequence {
    net.store.meta().unwrap().head
}

/// How many records the last entry of the log moved.
#[track_caller]
fn followers(net: &Net) -> usize {
    let before = Sequence(head(net).0 - 1);
    let log: Vec<LogEntry> = net.store.log_after(before, 1).unwrap();
    let EntryKind::Move(moved) = &log[0].kind else { panic!("{log:?}") };
    moved.len()
}

/// What the pages say that a device received since then.
fn told(net: &Net, at: usize, since: usize) -> Vec<Entry> {
    let messages = net.devices[at].received.iter().skip(since);
    let pages = messages.filter_map(|bytes| match decode_message(bytes).unwrap() {
        ToDevice::Page(page) => Some(page.entries),
        _ => None,
    });
    pages.flatten().collect()
}

fn received(net: &Net, at: usize) -> usize {
    net.devices[at].received.len()
}

fn held(net: &Net, at: usize) -> Vec<RecordId> {
    let ids = net.devices[at].store.confirmed_ids().unwrap();
    ids.into_iter().map(|(_, record)| record).collect()
}

/// The device holds all records of the server, equal to the bit.
#[track_caller]
pub(crate) fn assert_equal(net: &Net, at: usize) {
    let all = net.store.scan(None, usize::MAX).unwrap();
    assert_eq!(held(net, at).len(), all.len(), "device {at}");
    for theirs in all {
        let (table, id) = (theirs.record().table(), theirs.record().id());
        let ours = net.devices[at].store.confirmed(table, id).unwrap().unwrap();
        assert_eq!(ours.record().header(), theirs.record().header(), "device {at}: {id}");
        let heads = |of: &tidegate::gate::Confirmed| of.record().document_heads().unwrap();
        assert_eq!(heads(&ours), heads(&theirs), "device {at}: {id}");
        let known = theirs.version()..=head(net);
        assert!(known.contains(&ours.version()), "device {at}: {id}");
    }
}

/// The server's file is what its log makes.
#[track_caller]
fn assert_sound(net: &Net) {
    net.store.check().unwrap();
    let copy = net.path("copy.redb");
    net.store.reader().backup(&copy).unwrap();
    let found = verify(&copy, &mut |_, _| {}).unwrap();
    assert!(found.findings.is_empty(), "{:?}", found.findings);
    std::fs::remove_file(copy).unwrap();
}

#[test]
fn an_owner_with_a_thousand_records_moves_in_one_entry_and_all_replicas_end_equal() {
    let (mut net, ann) = visits(MANY);
    let (here, away) = (net.enroll("otto"), net.enroll("otto"));
    net.part(away);
    // One is in the midst of its scan, and one begins it in the midst of what the others are told.
    net.set_page(300);
    let (early, late) = (net.add_device("otto"), net.add_device("otto"));
    net.connect(early);
    while held(&net, early).is_empty() {
        net.deliver(early, 1);
    }
    assert!(held(&net, early).len() < MANY);

    let (before, since) = (head(&net), received(&net, here));
    net.move_user("ann", "north");
    assert_eq!(head(&net), Sequence(before.0 + 1));
    assert_eq!(followers(&net), MANY);
    net.deliver(here, 3);
    net.connect(late);
    net.settle();
    net.connect(away);
    let last = net.enroll("otto");
    for at in [ann, here, away, early, late, last] {
        assert_equal(&net, at);
    }
    let row = net.devices[here].store.row(&visit(), record(7)).unwrap().unwrap();
    assert_eq!(row.header.owner.unwrap().1.as_str(), "north");

    // What was told is little more than which records they are.
    let entries = told(&net, here, since);
    assert!(entries.iter().all(|entry| matches!(entry, Entry::Moved { .. })), "{entries:?}");
    assert_eq!(entries.len(), MANY.div_ceil(300));
    let bytes: usize = net.devices[here].received.iter().skip(since).map(Vec::len).sum();
    assert!(bytes < 20 * MANY, "{bytes} bytes");

    // And back, told as a whole in pages as they usually are.
    net.set_page(tidegate::limits::PAGE_LOOKS_MAX);
    net.move_user("ann", "south");
    net.settle();
    for at in [ann, here, away, early, late, last] {
        assert_equal(&net, at);
    }
    assert_eq!(head(&net), Sequence(before.0 + 2));
    assert_sound(&net);
}

#[test]
fn a_move_takes_rows_from_some_and_brings_them_to_others() {
    let (mut net, _) = visits(20);
    let (nora, sue) = (net.enroll("nora"), net.enroll("sue"));
    let (nora_away, sue_away) = (net.enroll("nora"), net.enroll("sue"));
    net.part(nora_away);
    net.part(sue_away);
    assert_eq!((held(&net, nora).len(), held(&net, sue).len()), (0, 20));
    for (unit, of_nora, of_sue) in [("north", 20, 0), ("south", 0, 20), ("north", 20, 0)] {
        net.set_page(3);
        net.move_user("ann", unit);
        net.settle();
        assert_eq!((held(&net, nora).len(), held(&net, sue).len()), (of_nora, of_sue), "{unit}");
    }
    // Who was away for all of it.
    net.connect(nora_away);
    net.connect(sue_away);
    net.settle();
    assert_eq!((held(&net, nora_away).len(), held(&net, sue_away).len()), (20, 0));
    assert_equal(&net, nora);
    assert_equal(&net, nora_away);
    assert!(net.receipt(sue).is_some() && net.receipt(sue_away).is_some());
    assert_sound(&net);
}

/// Its own device, and who reads some of the records, are told; nobody else.
#[test]
fn who_reads_none_of_the_records_is_told_nothing() {
    for page in [3, tidegate::limits::PAGE_LOOKS_MAX] {
        let (mut net, ann) = visits(50);
        let (idle, otto) = (net.enroll("idle"), net.enroll("otto"));
        let away = net.enroll("idle");
        net.set_page(page);
        net.part(away);
        let since = [ann, idle, away, otto].map(|at| received(&net, at));
        net.move_user("ann", "north");
        net.settle();
        net.connect(away);
        net.settle();
        let told = [(ann, 0), (idle, 1), (away, 2), (otto, 3)]
            .map(|(at, place)| told(&net, at, since[place]).len());
        assert!(told[0] > 0 && told[3] > 0, "{told:?}");
        assert_eq!((told[1], told[2]), (0, 0));
        // The grant, which has another policy epoch, and nothing beside it.
        let is_grant = |bytes: &Vec<u8>| matches!(decode_message(bytes), Ok(ToDevice::Grant(_)));
        let other = net.devices[idle].received.iter().skip(since[1]).filter(|it| !is_grant(it));
        assert_eq!(other.count(), 0);
        // Nothing in the log says more, either, of one who moves and owns nothing.
        let before = head(&net);
        net.move_user("idle", "north");
        assert_eq!(head(&net), before);
    }
}

#[test]
fn what_is_pending_on_a_record_that_moves_still_counts() {
    let (mut net, ann) = visits(4);
    let otto = net.enroll("otto");
    net.part(otto);
    net.set(otto, &visit(), record(0), columns([("place", text("set before"))]));
    let intent = Intent::Delete;
    net.commit(otto, vec![Draft { table: visit(), record: record(1), intent }], false);
    net.part(ann);
    net.set(ann, &visit(), record(2), columns([("place", text("by its owner"))]));
    net.move_user("ann", "north");
    net.connect(otto);
    net.connect(ann);
    net.settle();
    for at in [otto, ann] {
        assert_eq!(net.row(at, &visit(), record(0)).get("place"), Some(&text("set before")));
        assert_eq!(net.row(at, &visit(), record(2)).get("place"), Some(&text("by its owner")));
        assert!(net.devices[at].store.quarantine().unwrap().is_empty());
        assert_equal(&net, at);
    }
    let deleted = net.store.record(record(1)).unwrap().unwrap();
    assert_eq!(deleted.record().header().state, RecordState::Deleted);
    assert_eq!(deleted.record().header().owner.as_ref().unwrap().1.as_str(), "north");
    // Deleted or not: it follows.
    net.move_user("ann", "south");
    net.settle();
    assert_eq!(followers(&net), 4);
    assert_equal(&net, otto);
    assert_sound(&net);
}

#[test]
fn a_move_that_is_cut_in_the_midst_is_carried_out_once() {
    let (mut net, _) = visits(60);
    let otto = net.enroll("otto");
    net.set_page(7);
    for (unit, by_server) in [("north", false), ("south", true)] {
        net.move_user("ann", unit);
        net.deliver(otto, 5);
        let in_unit = |net: &Net| {
            let units = held(net, otto).into_iter().map(|id| {
                let row = net.devices[otto].store.row(&visit(), id).unwrap().unwrap();
                row.header.owner.unwrap().1.to_string()
            });
            units.filter(|held| held == unit).count()
        };
        let some = in_unit(&net);
        assert!(0 < some && some < 60, "{some}");
        // The watermark does not pass what is carried out by halves.
        assert!(net.devices[otto].store.meta().unwrap().watermark < head(&net));
        if by_server {
            net.restart_server();
        } else {
            net.restart(otto);
        }
        net.connect(otto);
        net.settle();
        assert_eq!(in_unit(&net), 60);
        assert_equal(&net, otto);
    }
}

/// Its entry of the log says so of a time at which those could not read it who had it before the move.
#[test]
fn a_record_that_left_with_a_move_and_was_erased_then_leaves_a_device_that_was_away() {
    let (mut net, ann) = visits(3);
    let (sue, otto) = (net.enroll("sue"), net.enroll("otto"));
    net.part(sue);
    net.part(otto);
    net.part(ann);
    net.move_user("ann", "north");
    net.erase(&visit(), record(1));
    net.connect(sue);
    net.connect(otto);
    net.connect(ann);
    net.settle();
    assert_eq!(held(&net, sue), []);
    assert_eq!(held(&net, otto), [record(0), record(2)]);
    assert_equal(&net, otto);
    assert_equal(&net, ann);
    assert_sound(&net);
}
