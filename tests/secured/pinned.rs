//! Records that a device fetched by hand: they come whatever its profile takes, stay up to date, and leave
//! when they are released; and nobody learns by asking for one whether it is there.

use std::collections::BTreeSet;

use tidegate::codec::{Entry, ToDevice, ToServer, decode_message};
use tidegate::limits::PINS_MAX;
use tidegate::model::{ColumnName, Depth, RecordId, Right, Value};
use tidegate::sync::replica::{Draft, Intent, PinError};

use crate::net::{columns, text, unnumbered};
use crate::taken::{ALL, MINE, Shop, id, ids, table};

/// A profile of which nothing leads to orders of others.
fn shop() -> Shop {
    let mut shop = Shop::new(MINE);
    shop.told();
    shop
}

fn rename(shop: &mut Shop, order: u8, title: &str) {
    let columns = columns([("title", text(title))]);
    shop.net.set(shop.boss, &table("order"), id(order), columns);
    shop.net.settle();
}

fn reconnect(shop: &mut Shop) {
    shop.net.part(shop.ann);
    shop.net.connect(shop.ann);
    shop.net.settle();
}

fn pin(shop: &mut Shop, name: &str, record: u8) {
    shop.net.pin(shop.ann, &table(name), id(record));
    shop.net.settle();
}

fn release(shop: &mut Shop, name: &str, record: u8) {
    assert!(shop.net.release(shop.ann, &table(name), id(record)));
    shop.net.settle();
}

/// Of a right on orders users have it at this depth.
fn read_orders(shop: &mut Shop, depth: &str) {
    let depth = if depth == "user" { Depth::User } else { Depth::Organization };
    shop.net.change_policy(|policy| {
        let role = policy.roles.get_mut("seller").unwrap();
        let rights = role.rights.get_mut("order").unwrap();
        rights.insert(Right::Read, depth);
    });
    shop.net.settle();
}

#[test]
fn a_record_outside_of_the_profile_comes_alone_and_is_kept_up_to_date_until_it_is_released() {
    let mut shop = shop();
    pin(&mut shop, "order", 2);
    let told = shop.told();
    assert!(matches!(told.as_slice(), [Entry::Whole { .. }]), "{told:?}");
    assert_eq!(shop.held(), ids(&[1, 11, 21, 2]), "it leads to no line");
    rename(&mut shop, 2, "while it is pinned");
    let told = shop.told();
    assert!(matches!(told.as_slice(), [Entry::Edit { .. }]), "{told:?}");
    let row = shop.net.row(shop.ann, &table("order"), id(2));
    assert_eq!(row.get("title"), Some(&text("while it is pinned")));
    reconnect(&mut shop);
    assert_eq!(shop.told(), [], "it is there");
    release(&mut shop, "order", 2);
    assert_eq!(shop.held(), ids(&[1, 11, 21]));
    rename(&mut shop, 2, "when it is released");
    let told = shop.told();
    assert!(matches!(told.as_slice(), [Entry::Gone { .. }]), "{told:?}");
    assert!(!shop.net.release(shop.ann, &table("order"), id(2)), "it is not pinned");
    let receipt = shop.net.receipt(shop.ann);
    assert!(receipt.is_some(), "not a byte of it is left");
}

#[test]
fn what_the_profile_takes_stays_when_it_is_released() {
    let mut shop = shop();
    pin(&mut shop, "order", 1);
    // Nothing that is pinned leaves with what led to it.
    pin(&mut shop, "product", 21);
    shop.own(1, "user:boss");
    assert_eq!(shop.held(), ids(&[1, 21]));
    shop.own(1, "user:ann");
    assert_eq!(shop.held(), ids(&[1, 11, 21]));
    release(&mut shop, "order", 1);
    release(&mut shop, "product", 21);
    assert_eq!(shop.held(), ids(&[1, 11, 21]));
    shop.own(1, "user:boss");
    assert_eq!(shop.held(), ids(&[]));
}

#[test]
fn pinned_records_stay_over_other_profiles_restarts_and_copies_of_the_file() {
    let mut shop = shop();
    pin(&mut shop, "order", 2);
    pin(&mut shop, "line", 12);
    let (without, _) = MINE.split_once("[[profile.table]]\nid = \"line\"").unwrap();
    shop.net.set_profiles(&[without, ALL].concat());
    shop.net.settle();
    assert_eq!(shop.held(), ids(&[1, 2, 12]));
    shop.net.restart(shop.ann);
    shop.net.connect(shop.ann);
    shop.net.settle();
    assert_eq!(shop.held(), ids(&[1, 2, 12]));
    // Also where both begin anew, and the device with a copy of its file.
    shop.net.restart_server();
    let backup = std::fs::read(&shop.net.devices[shop.ann].path).unwrap();
    shop.net.restore(shop.ann, &backup);
    for at in [shop.boss, shop.ann] {
        shop.net.connect(at);
    }
    shop.net.settle();
    assert_eq!(shop.held(), ids(&[1, 2, 12]));
    rename(&mut shop, 2, "after all that");
    let row = shop.net.row(shop.ann, &table("order"), id(2));
    assert_eq!(row.get("title"), Some(&text("after all that")));
    release(&mut shop, "line", 12);
    assert_eq!(shop.held(), ids(&[1, 2]));
}

#[test]
fn a_pinned_record_goes_and_comes_with_the_privilege_to_read_it() {
    for is_away in [false, true] {
        let mut shop = shop();
        pin(&mut shop, "order", 2);
        for (depth, held) in [("user", &[1, 11, 21][..]), ("organization", &[1, 11, 21, 2])] {
            if is_away {
                shop.net.part(shop.ann);
            }
            read_orders(&mut shop, depth);
            if is_away {
                shop.net.connect(shop.ann);
                shop.net.settle();
            }
            assert_eq!(shop.held(), ids(held), "{depth}, away: {is_away}");
        }
    }
}

/// Whether it is not there, of another table, or not for her: she is told the same.
#[test]
fn who_asks_for_a_record_does_not_learn_whether_there_is_one() {
    let answers = |name: &str, record: u8, depth: &str| {
        let mut shop = shop();
        read_orders(&mut shop, depth);
        shop.net.devices[shop.ann].received.clear();
        pin(&mut shop, name, record);
        let received = std::mem::take(&mut shop.net.devices[shop.ann].received);
        let is_it = |place: Option<(_, RecordId)>| place.is_some_and(|(_, it)| it == id(record));
        let without_id = |bytes: &Vec<u8>| match unnumbered(bytes) {
            ToDevice::Page(mut page) => {
                for entry in &mut page.entries {
                    if let Entry::Gone { record: it, table: name, .. } = entry {
                        assert!(*it == id(record));
                        (*it, *name) = (id(0), table("order"));
                    }
                }
                assert!(!page.entries.iter().any(|it| is_it(it.place())), "{page:?}");
                format!("{page:?}")
            }
            other => format!("{other:?}"),
        };
        let told: Vec<_> = received.iter().map(without_id).collect();
        assert_eq!(shop.held(), ids(&[1, 11, 21]));
        told
    };
    let hidden = answers("order", 2, "user");
    assert!(hidden.iter().any(|it| it.contains("Gone")), "{hidden:?}");
    assert_eq!(hidden, answers("order", 77, "user"), "there is none");
    assert_eq!(hidden, answers("order", 12, "user"), "it is of another table");
}

#[test]
fn what_is_asked_for_by_hand_comes_before_the_rest_of_a_first_sync() {
    let mut shop = shop();
    let create = |number: u8| Draft {
        table: table("order"),
        record: id(number),
        intent: Intent::Create {
            columns: columns([("title", text("one of many"))]),
            owner: Some("user:ann".parse().unwrap()),
        },
    };
    shop.net.commit(shop.boss, (100..200).map(create).collect(), false);
    shop.net.settle();
    shop.net.set_page(1);
    let new = shop.net.add_device("ann");
    shop.ann = new;
    shop.net.connect(new);
    for _ in 0..30 {
        shop.net.deliver(new, 1);
    }
    let before = shop.held().len();
    assert!((1..100).contains(&before), "{before} of a hundred");
    shop.net.pin(new, &table("product"), id(22));
    for _ in 0..6 {
        shop.net.deliver(new, 1);
    }
    assert!(shop.held().contains(&id(22)));
    assert!(shop.net.machine(new).is_answered(&table("product"), id(22)));
    assert!(shop.held().len() < before + 10);
    shop.net.settle();
    assert_eq!(shop.held().len(), 104);
}

/// A session ends behind each of its messages, on either side.
#[test]
fn wherever_a_session_ends_a_device_holds_what_is_pinned_and_nothing_that_was_released() {
    for messages in 0..12 {
        let mut shop = shop();
        // It leaves the profile in between.
        shop.own(2, "user:ann");
        shop.net.part(shop.ann);
        shop.own(2, "user:boss");
        shop.net.connect(shop.ann);
        shop.net.pin(shop.ann, &table("order"), id(2));
        shop.net.pin(shop.ann, &table("product"), id(22));
        shop.net.deliver(shop.ann, messages);
        reconnect(&mut shop);
        assert_eq!(shop.held(), ids(&[1, 11, 21, 2, 22]), "after {messages} messages");
        shop.net.part(shop.ann);
        assert!(shop.net.release(shop.ann, &table("order"), id(2)));
        shop.own(2, "user:ann");
        shop.own(2, "user:boss");
        shop.net.connect(shop.ann);
        assert!(shop.net.release(shop.ann, &table("product"), id(22)));
        shop.net.deliver(shop.ann, messages);
        reconnect(&mut shop);
        assert_eq!(shop.held(), ids(&[1, 11, 21]), "after {messages} messages");
        assert!(shop.net.machine(shop.ann).is_up_to_date());
    }
}

#[test]
fn a_record_that_is_erased_is_pinned_no_longer() {
    let mut shop = shop();
    pin(&mut shop, "order", 2);
    shop.net.erase(&table("order"), id(2));
    shop.net.settle();
    assert_eq!(shop.held(), ids(&[1, 11, 21]));
    assert_eq!(shop.net.machine(shop.ann).meta().pins, BTreeSet::new());
}

#[test]
fn edits_of_a_pinned_record_count_as_those_of_any_other() {
    let mut shop = shop();
    pin(&mut shop, "order", 2);
    let title: ColumnName = "title".parse().unwrap();
    let columns = [(title, Value::Text("by ann".into()))].into_iter().collect();
    shop.net.set(shop.ann, &table("order"), id(2), columns);
    shop.net.settle();
    let row = shop.net.row(shop.boss, &table("order"), id(2));
    assert_eq!(row.get("title"), Some(&text("by ann")));
}

#[test]
fn so_many_records_are_pinned_and_no_more() {
    let mut shop = shop();
    let at = |number: usize| RecordId::from_bytes((number as u128).to_be_bytes());
    for number in 0..PINS_MAX {
        shop.net.pin(shop.ann, &table("order"), at(number));
    }
    shop.net.settle();
    let ann = shop.ann;
    let refused = {
        let device = &mut shop.net.devices[ann];
        device.try_pin(&table("order"), at(PINS_MAX)).unwrap_err()
    };
    assert_eq!(refused, PinError::TooMany);
    // As many are named in a greeting.
    reconnect(&mut shop);
    assert!(shop.net.machine(ann).is_up_to_date());
    assert!(shop.net.release(ann, &table("order"), at(0)));
    shop.net.pin(ann, &table("order"), at(PINS_MAX));
    shop.net.settle();
    assert_eq!(shop.net.machine(ann).meta().pins.len(), PINS_MAX);
}

/// Which app a device is decides which profile is its user's, also when it is another one the next time.
#[test]
fn a_profile_of_an_app_is_for_the_devices_that_say_they_are_that_app() {
    let of_app = MINE.replace("for = ", "app = \"field\"\nfor = ");
    let mut shop = Shop::new(&of_app);
    let all = ids(&[1, 2, 11, 12, 21, 22]);
    assert_eq!(shop.held(), all, "she goes by what is for everyone");
    for (app, held) in
        [("field", ids(&[1, 11, 21])), ("other", all.clone()), ("field", ids(&[1, 11, 21]))]
    {
        shop.net.machine(shop.ann).set_app(app.parse().unwrap());
        reconnect(&mut shop);
        assert_eq!(shop.held(), held, "{app}");
    }
    // It need not say so again.
    shop.net.restart(shop.ann);
    shop.net.connect(shop.ann);
    shop.net.settle();
    assert_eq!(shop.held(), ids(&[1, 11, 21]));
    // And says so when it enrols.
    let new = shop.net.add_device("ann");
    shop.net.machine(new).set_app("field".parse().unwrap());
    shop.ann = new;
    shop.net.connect(new);
    shop.net.settle();
    assert_eq!(shop.held(), ids(&[1, 11, 21]));
    let sent = &shop.net.devices[new].sent;
    assert!(sent.iter().any(|it| matches!(decode_message(it), Ok(ToServer::Enroll { .. }))));
}

/// A profile that takes the same lets everything stay where it is, whatever else it says.
#[test]
fn another_budget_or_interval_sends_no_row_again() {
    let mut shop = shop();
    let other = MINE.replace("depth = 2", "depth = 2\nbudget = 1_000_000");
    let other = other.replace("id = \"line\"", "id = \"line\"\ninterval = 30");
    shop.net.set_profiles(&[&other, ALL].concat());
    shop.net.settle();
    assert_eq!(shop.told(), []);
    let intake = shop.net.machine(shop.ann).meta().intake.clone().unwrap();
    assert_eq!((intake.budget, intake.tables["line"]), (Some(1_000_000), Some(30)));
}

/// In a first sync the table that is asked for comes at once, and nothing of it is missed or comes twice.
#[test]
fn a_table_that_is_asked_for_comes_before_all_others() {
    let mut shop = shop();
    let create = |number: u8| Draft {
        table: table("line"),
        record: id(number),
        intent: Intent::Create {
            columns: columns([("order", Value::Lookup(id(1))), ("product", Value::Lookup(id(22)))]),
            owner: None,
        },
    };
    shop.net.commit(shop.boss, (100..140).map(create).collect(), false);
    shop.net.settle();
    shop.net.set_page(2);
    for is_asked in [false, true] {
        let new = shop.net.add_device("ann");
        shop.ann = new;
        if is_asked {
            shop.net.machine(new).ask_first(table("product"));
        }
        shop.net.connect(new);
        let mut messages = 0;
        while !shop.held().is_superset(&ids(&[21, 22])) {
            shop.net.deliver(new, 1);
            messages += 1;
        }
        assert_eq!(shop.held().len() > 40, !is_asked, "{messages}: {:?}", shop.held());
        while is_asked && !shop.net.machine(new).is_first_here() {
            shop.net.deliver(new, 1);
        }
        assert!(!is_asked || shop.held().len() < 20, "{:?}", shop.held());
        let synced: Vec<_> = shop.net.machine(new).meta().synced.keys().cloned().collect();
        assert_eq!(synced, if is_asked { vec![table("product")] } else { vec![] });
        if is_asked {
            // Also what was looked at out of turn is kept up to date meanwhile.
            shop.net.set(shop.boss, &table("product"), id(21), columns([("name", text("new"))]));
        }
        shop.net.settle();
        assert_eq!(shop.held().len(), 44);
        let told = shop.told();
        let places: Vec<_> = told.iter().filter_map(Entry::place).map(|(_, id)| id).collect();
        let changes = usize::from(is_asked);
        assert_eq!(places.len(), 44 + changes, "each row once, and the change: {places:?}");
    }
    let row = shop.net.row(shop.ann, &table("product"), id(21));
    assert_eq!(row.get("name"), Some(&text("new")));
}

/// It can be asked for at any time, and sessions may end in the middle.
#[test]
fn asking_for_tables_first_leaves_no_row_out_wherever_sessions_end() {
    for messages in 0..14 {
        let mut shop = shop();
        shop.own(2, "user:ann");
        shop.net.set_page(1);
        let new = shop.net.add_device("ann");
        shop.ann = new;
        for name in ["product", "line", "order", "nothing", "product"] {
            shop.net.machine(new).ask_first(table(name));
            shop.net.connect(new);
            shop.net.deliver(new, messages);
            shop.net.machine(new).ask_first(table("order"));
            shop.net.deliver(new, messages);
            shop.own(1, if messages % 2 == 0 { "user:boss" } else { "user:ann" });
            shop.net.part(new);
        }
        shop.net.connect(new);
        shop.net.settle();
        let expected: &[u8] =
            if messages % 2 == 0 { &[2, 12, 22] } else { &[1, 2, 11, 12, 21, 22] };
        assert_eq!(shop.held(), ids(expected), "{messages} messages");
        assert!(shop.net.machine(new).is_first_here());
    }
}
