//! What comes when this device has forgotten, or given up, what it is about.

use tidegate::codec::ToServer;
use tidegate::model::{Op, Sequence, Value};
use tidegate::sync::replica::{Draft, Event, Intent};
use tidegate::sync::{EntryKind, KeptPlace, ReplicaBatch, ReplicaStore as _, ServerStore as _};

use crate::net::{columns, text};
use crate::taken::{MINE, Shop, id, table};

/// Story: a damaged file had lost a record, which left before a recheck noticed. Nothing was purged then, and
/// its bytes stayed in the file.
#[test]
fn a_recheck_ends_with_a_file_that_has_no_bytes_of_what_was_lost_and_left() {
    let mut shop = Shop::new(MINE);
    let gone: Vec<_> = [("order", 1), ("line", 11), ("product", 21)]
        .map(|(name, number)| (table(name), id(number)))
        .into();
    let rows = gone.iter().map(|(table, id)| (table.clone(), *id, None)).collect();
    let batch = ReplicaBatch { gone, rows, ..ReplicaBatch::default() };
    shop.net.devices[shop.ann].store.commit(batch).unwrap();
    shop.own(1, "user:boss");
    assert!(shop.net.receipt(shop.ann).is_none());
    shop.net.begin_recheck(shop.ann);
    shop.net.settle();
    assert!(shop.net.receipt(shop.ann).is_some());
}

/// The twin: what is here is purged when it leaves.
#[test]
fn what_is_here_is_purged_when_it_leaves() {
    let mut shop = Shop::new(MINE);
    shop.own(1, "user:boss");
    assert!(shop.net.receipt(shop.ann).is_some());
}

/// Ann edits a line and its order; what her device sends is lost, and the order leaves it before it can send
/// the second edit again.
fn given_up(shop: &mut Shop) -> ToServer {
    shop.net.part(shop.ann);
    shop.net.set(shop.ann, &table("line"), id(11), columns([("count", Value::Integer(3))]));
    shop.net.set(shop.ann, &table("order"), id(1), columns([("title", text("late"))]));
    shop.net.connect(shop.ann);
    let sent = shop.net.cut_at_push(shop.ann);
    shop.own(1, "user:boss");
    shop.net.set_push_window(shop.ann, 1);
    shop.net.connect(shop.ann);
    shop.net.settle();
    let refused = shop.net.devices[shop.ann].store.quarantine().unwrap();
    assert_eq!(refused.len(), 1);
    assert!(refused[0].denial.to_string().contains("not there (any more)"), "{refused:?}");
    sent
}

fn title(shop: &Shop) -> Value {
    shop.net.row(shop.boss, &table("order"), id(1))["title"].clone()
}

/// Story: an edit that its device had given up, because its record had left, counted when somebody else
/// brought what the device had signed. It stayed in quarantine, and tried again it would have counted twice.
#[test]
fn what_a_device_gave_up_and_somebody_else_brought_counts_and_leaves_quarantine() {
    for is_connected in [true, false] {
        let mut shop = Shop::new(MINE);
        let sent = given_up(&mut shop);
        if !is_connected {
            shop.net.part(shop.ann);
        }
        shop.net.devices[shop.ann].events.clear();
        shop.net.say(shop.boss, &sent);
        shop.net.settle();
        assert_eq!(title(&shop), text("late"));
        if !is_connected {
            shop.net.connect(shop.ann);
            shop.net.settle();
        }
        let device = &shop.net.devices[shop.ann];
        assert_eq!(device.store.quarantine().unwrap(), []);
        let admitted = |it: &&Event| matches!(it, Event::Admitted { .. });
        assert_eq!(device.events.iter().filter(admitted).count(), 1);
    }
}

/// The twin: what nobody brings stays in quarantine.
#[test]
fn what_a_device_gave_up_stays_in_quarantine_until_it_counts() {
    let mut shop = Shop::new(MINE);
    given_up(&mut shop);
    shop.net.part(shop.ann);
    shop.net.connect(shop.ann);
    shop.net.settle();
    assert_eq!(title(&shop), text("order 1"));
    assert_eq!(shop.net.devices[shop.ann].store.quarantine().unwrap().len(), 1);
}

/// How often Ann's edit of the title is in the log, where the server begins histories anew as well.
fn counts(shop: &Shop) -> usize {
    let log = shop.net.store.log_after(Sequence(0), usize::MAX).unwrap();
    let titles = |op: &Op| *op == Op::Put { column: "title".parse().unwrap(), value: text("late") };
    let edits = log.iter().filter_map(|entry| match &entry.kind {
        EntryKind::Edit { edit, .. } => Some(edit),
        EntryKind::Move(_) => None,
    });
    edits.filter(|edit| edit.id.device.0 > 0 && edit.ops().any(titles)).count()
}

/// Story: an edit that its device had given up was tried again under a new id when its record was there
/// again. Then somebody brought what the device had signed, and it counted twice.
#[test]
fn what_a_device_gave_up_and_tries_again_counts_once_whoever_brings_it() {
    for brought_first in [true, false] {
        let mut shop = Shop::new(MINE);
        let sent = given_up(&mut shop);
        if brought_first {
            shop.net.part(shop.ann);
            shop.net.say(shop.boss, &sent);
            shop.net.settle();
        }
        shop.own(1, "user:ann");
        if brought_first {
            shop.net.connect(shop.ann);
            shop.net.settle();
        } else {
            let tried =
                |it: &&Event| matches!(it, Event::Reconsidered { edit, again } if edit == again);
            let device = &shop.net.devices[shop.ann];
            assert_eq!(device.events.iter().filter(tried).count(), 1);
            shop.net.say(shop.boss, &sent);
            shop.net.settle();
        }
        assert_eq!((title(&shop), counts(&shop)), (text("late"), 1));
        assert_eq!(shop.net.devices[shop.ann].store.quarantine().unwrap(), []);
    }
}

/// Story: the parts of an atomic commit that somebody else brought were kept each as an edit of its own. To a
/// server that was restored without them the device sent one alone.
#[test]
fn parts_that_somebody_else_brought_are_kept_as_parts() {
    let mut shop = Shop::new(MINE);
    shop.net.back_up();
    let draft = |name: &str, number, column: (&str, Value)| Draft {
        table: table(name),
        record: id(number),
        intent: Intent::Set(columns([column])),
    };
    shop.net.part(shop.ann);
    shop.net.set(shop.ann, &table("line"), id(11), columns([("count", Value::Integer(3))]));
    let parts = vec![
        draft("line", 11, ("count", Value::Integer(4))),
        draft("order", 1, ("title", text("late"))),
    ];
    shop.net.commit(shop.ann, parts, true);
    shop.net.connect(shop.ann);
    let sent = shop.net.cut_at_push(shop.ann);
    shop.own(1, "user:boss");
    shop.net.set_push_window(shop.ann, 1);
    shop.net.connect(shop.ann);
    shop.net.settle();
    assert_eq!(shop.net.devices[shop.ann].store.quarantine().unwrap().len(), 2);
    shop.net.say(shop.boss, &sent);
    shop.net.settle();
    let store = &shop.net.devices[shop.ann].store;
    assert_eq!(store.quarantine().unwrap(), []);
    let kept = store.kept_after(KeptPlace::default(), usize::MAX).unwrap();
    assert_eq!(kept.iter().map(|it| it.pending.edit.atomic).collect::<Vec<_>>(), [0, 2, 2]);
}
