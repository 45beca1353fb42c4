//! A device holds as many bytes as its user's profile gives it: a scan stops there, and what is to leave
//! leaves all the same.

use tidegate::model::Size;
use tidegate::sync::replica::{Draft, Event, Intent};

use crate::net::{columns, text};
use crate::taken::{ALL, MINE, Shop, id, table};

const ORDERS: u8 = 60;

/// A hundred times as long as a key.
fn long() -> String {
    "a long title ".repeat(100)
}

/// Ann has some long orders, which a new device of hers takes a few at a time.
fn shop(budget: &str) -> Shop {
    let mut shop = Shop::new(&MINE.replace("depth = 2", budget));
    let create = |number: u8| Draft {
        table: table("order"),
        record: id(100 + number),
        intent: Intent::Create {
            columns: columns([("title", text(&long()))]),
            owner: Some("user:ann".parse().unwrap()),
        },
    };
    shop.net.commit(shop.boss, (0..ORDERS).map(create).collect(), false);
    shop.net.settle();
    shop.net.set_page(2);
    shop.ann = shop.net.add_device("ann");
    shop.net.connect(shop.ann);
    shop.net.settle();
    shop
}

fn size(shop: &mut Shop) -> Size {
    let at = shop.ann;
    shop.net.machine(at).meta().size()
}

fn spent(shop: &Shop) -> usize {
    let events = shop.net.devices[shop.ann].events.iter();
    events.filter(|event| matches!(event, Event::BudgetSpent { .. })).count()
}

fn set_budget(shop: &mut Shop, budget: &str) {
    shop.net.set_profiles(&[&MINE.replace("depth = 2", budget), ALL].concat());
    shop.net.settle();
}

#[test]
fn a_scan_stops_at_the_page_with_which_the_budget_is_spent_and_goes_on_when_there_is_more() {
    let mut all = shop("depth = 2");
    let whole = size(&mut all);
    assert_eq!((whole.records, spent(&all)), (u64::from(ORDERS) + 3, 0));
    let mut shop = shop("depth = 2\nbudget = 20_000");
    let page = 2 * (whole.bytes / u64::from(ORDERS));
    let held = size(&mut shop);
    assert!((20_000..20_000 + 2 * page).contains(&held.bytes), "{held:?}");
    assert_eq!(spent(&shop), 1);
    let at = shop.ann;
    assert!(shop.net.machine(at).is_up_to_date(), "nothing more is to come");
    // It stays so in further sessions, and others' changes come to what is here.
    shop.net.part(at);
    shop.net.set(shop.boss, &table("order"), id(1), columns([("title", text("new"))]));
    shop.net.settle();
    shop.net.connect(at);
    shop.net.settle();
    assert!(size(&mut shop).records <= held.records + 1);
    assert!(shop.net.machine(at).is_up_to_date());
    let before = shop.held();
    // More comes by itself, and nothing comes again.
    shop.told();
    set_budget(&mut shop, "depth = 2\nbudget = 40_000");
    let more = size(&mut shop);
    assert!((40_000..40_000 + 2 * page).contains(&more.bytes), "{more:?}");
    let told = shop.told();
    let again = told.iter().filter_map(tidegate::codec::Entry::place);
    assert_eq!(again.filter(|(_, id)| before.contains(id)).count(), 0);
    set_budget(&mut shop, "depth = 2\nbudget = 1_000_000");
    assert_eq!(shop.held(), all.held());
}

#[test]
fn what_may_not_be_read_any_more_leaves_though_the_budget_is_spent() {
    let mut shop = shop("depth = 2\nbudget = 20_000");
    assert_eq!(spent(&shop), 1);
    let held = shop.held();
    let first = (0..ORDERS).map(|it| id(100 + it)).find(|it| held.contains(it)).unwrap();
    assert!(held.contains(&id(11)), "a line of an order of hers");
    // Nobody but their owners reads orders from now on, and this one is another's.
    let to = "user:boss".parse().unwrap();
    let draft = Draft { table: table("order"), record: first, intent: Intent::Assign(to) };
    let at = shop.ann;
    shop.net.part(at);
    shop.net.commit(shop.boss, vec![draft], false);
    shop.net.change_policy(|policy| {
        use tidegate::model::{Depth, Right};
        let role = policy.roles.get_mut("seller").unwrap();
        role.rights.get_mut("order").unwrap().insert(Right::Read, Depth::User);
        role.rights.remove("line");
    });
    shop.net.connect(at);
    shop.net.settle();
    let left = shop.held();
    assert!(!left.contains(&first) && !left.contains(&id(11)), "{left:?}");
    assert!(shop.net.receipt(at).is_some(), "with every byte");
    assert!(shop.net.machine(at).is_up_to_date());
}

/// What is asked for by hand comes: its user says what there is to be room for.
#[test]
fn a_record_that_is_fetched_comes_though_the_budget_is_spent() {
    let mut shop = shop("depth = 2\nbudget = 20_000");
    let held = shop.held();
    let missing = (0..ORDERS).map(|it| id(100 + it)).find(|it| !held.contains(it)).unwrap();
    let at = shop.ann;
    shop.net.pin(at, &table("order"), missing);
    shop.net.settle();
    assert!(shop.held().contains(&missing));
    assert!(shop.net.machine(at).is_up_to_date());
    // What is released leaves room, and stays where the profile takes it and the scan was there.
    assert!(shop.net.release(at, &table("order"), missing));
    shop.net.settle();
    set_budget(&mut shop, "depth = 2");
    assert_eq!(shop.held().len(), usize::from(ORDERS) + 3);
}
