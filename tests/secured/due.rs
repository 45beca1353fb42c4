//! How old the rows of each table are, and when they are older than the profile lets them get.

use std::time::Duration;

use tidegate::model::Timestamp;

use crate::net::now;
use crate::taken::{MINE, Shop, table};

const MINUTE_MILLIS: i64 = 60_000;

fn later(minutes: i64) -> Timestamp {
    now().plus_millis(minutes * MINUTE_MILLIS)
}

/// Each table of ann's profile may get so old, in minutes.
fn shop(intervals: &[&str]) -> Shop {
    let mut rest = MINE;
    let mut text = String::new();
    for interval in intervals {
        let (before, after) = rest.split_once("[[profile.table]]\n").unwrap();
        text.extend([before, "[[profile.table]]\n", interval]);
        rest = after;
    }
    Shop::new(&(text + rest))
}

#[test]
fn a_table_is_due_when_it_is_as_old_as_its_interval_also_after_a_restart() {
    let mut shop = shop(&["interval = 60\n", "interval = 30\n", "interval = 90\n"]);
    let at = shop.ann;
    for is_anew in [false, true] {
        if is_anew {
            shop.net.restart(at);
        }
        let machine = shop.net.machine(at);
        let synced = &machine.meta().synced;
        assert_eq!(synced.get(&table("order")), Some(&now()), "{synced:?}");
        let due = |minutes| machine.due_in(later(minutes)).map(|due| due.as_secs() / 60);
        assert_eq!([due(0), due(10), due(30), due(31)], [Some(30), Some(20), Some(0), Some(0)]);
        assert_eq!(machine.due_in(later(-1)), Some(Duration::ZERO), "the clock was set back");
    }
}

#[test]
fn a_device_stays_connected_where_some_table_may_not_get_old() {
    let mut shop = shop(&["interval = 60\n", "", "interval = 90\n"]);
    let at = shop.ann;
    assert_eq!(shop.net.machine(at).due_in(later(0)), None);
}
