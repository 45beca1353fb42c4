//! How much comes at a time: little at first, then more, of which those who are connected have a share each.

use tidegate::codec::{ToDevice, decode_message};
use tidegate::sync::replica::{Draft, Intent};
use tidegate::sync::server::PageBounds;

use crate::net::{columns, text};
use crate::taken::{MINE, Shop, id, table};

const ORDERS: u8 = 100;

/// A new device of the boss that takes all along, beside so many that are connected: how many entries its pages
/// have.
fn pages(others: usize, bounds: PageBounds) -> Vec<usize> {
    let mut shop = Shop::new(MINE);
    let create = |number: u8| Draft {
        table: table("order"),
        record: id(100 + number),
        intent: Intent::Create { columns: columns([("title", text("bread"))]), owner: None },
    };
    shop.net.commit(shop.boss, (0..ORDERS).map(create).collect(), false);
    shop.net.settle();
    for at in 0..shop.net.devices.len() {
        shop.net.part(at);
    }
    for _ in 0..others {
        shop.net.enroll("boss");
    }
    shop.net.set_pages(bounds);
    let new = shop.net.add_device("boss");
    shop.net.connect(new);
    shop.net.settle();
    let messages = shop.net.devices[new].received.iter();
    let pages = messages.filter_map(|bytes| match decode_message(bytes).unwrap() {
        ToDevice::Page(page) => Some(page.entries.len()),
        _ => None,
    });
    pages.filter(|entries| *entries > 0).collect()
}

#[test]
fn pages_grow_in_a_session_and_those_who_are_connected_share_them() {
    let bounds = PageBounds { looks: 2, entries: 32, ..PageBounds::default() };
    let alone = pages(0, bounds);
    // Each is four times all that came before it, to the bound.
    assert_eq!(alone[..3], [2, 8, 32], "{alone:?}");
    assert!(alone[3..].iter().all(|entries| *entries <= 32), "{alone:?}");

    let with_another = pages(1, bounds);
    assert_eq!(with_another[..3], [2, 8, 16], "{with_another:?}");
    assert!(with_another.iter().all(|entries| *entries <= 16), "{with_another:?}");
    assert_eq!(with_another.iter().sum::<usize>(), alone.iter().sum::<usize>());

    // A share that is smaller than what is looked at in one go is that.
    let small = pages(1, PageBounds { entries: 3, ..bounds });
    assert!(small.iter().all(|entries| *entries <= 2), "{small:?}");
}

#[test]
fn a_page_aims_at_so_many_bytes() {
    let bounds = PageBounds { looks: 2, entries: 1_000, ..PageBounds::default() };
    let (large, little) = (pages(0, bounds), pages(0, PageBounds { bytes: 1_000, ..bounds }));
    assert!(large.iter().any(|entries| *entries > 32), "{large:?}");
    assert!(little.iter().all(|entries| *entries <= 32), "{little:?}");
}
