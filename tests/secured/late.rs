//! What comes when this device has forgotten, or given up, what it is about.

use tidegate::codec::{Entry, ToServer};
use tidegate::model::Value;
use tidegate::sync::replica::Event;
use tidegate::sync::{ReplicaBatch, ReplicaStore as _};

use crate::net::{columns, text};
use crate::taken::{MINE, Shop, id, table};

/// Orders 1 and 2 are Ann's; then order 1 is not any more, with what it led to. Whether her device wrote
/// its file anew.
fn order_leaves(shop: &mut Shop) -> bool {
    shop.net.devices[shop.ann].events.clear();
    shop.told();
    shop.own(1, "user:boss");
    let told = shop.told();
    assert!(told.iter().any(|it| matches!(it, Entry::Gone { .. })), "{told:?}");
    shop.net.devices[shop.ann].events.contains(&Event::Purged)
}

fn lose(shop: &mut Shop, places: &[(&str, u8)]) {
    let places = places.iter().map(|(name, number)| (table(name), id(*number)));
    let gone: Vec<_> = places.collect();
    let rows = gone.iter().map(|(table, id)| (table.clone(), *id, None)).collect();
    let batch = ReplicaBatch { gone, rows, ..ReplicaBatch::default() };
    shop.net.devices[shop.ann].store.commit(batch).unwrap();
}

/// Story: a damaged file had lost a record, and no recheck had noticed when the record left. Nothing was
/// purged then, and its bytes stayed in the file.
#[test]
fn bytes_of_what_a_damaged_file_lost_are_purged_when_it_leaves() {
    let mut shop = Shop::new(MINE);
    lose(&mut shop, &[("order", 1), ("line", 11), ("product", 21)]);
    assert!(order_leaves(&mut shop));
    assert!(shop.net.receipt(shop.ann).is_some());
}

/// The twins: what is here is purged, and where nothing leaves nothing is written anew.
#[test]
fn what_is_here_is_purged_when_it_leaves_and_what_never_was_here_is_not() {
    let mut shop = Shop::new(MINE);
    assert!(order_leaves(&mut shop));
    shop.net.devices[shop.ann].events.clear();
    // It is not hers, and was not when she asked.
    shop.net.pin(shop.ann, &table("order"), id(99));
    shop.net.settle();
    assert!(matches!(shop.told().as_slice(), [Entry::Gone { .. }]));
    assert!(!shop.net.devices[shop.ann].events.contains(&Event::Purged));
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
