//! What devices hold where an offline profile is in force, and how little of it is sent again.

use std::collections::BTreeSet;

use tidegate::codec::{Entry, ToDevice, decode_message};
use tidegate::model::{RecordId, SystemTable, TableName, Timestamp, Value};
use tidegate::sync::ReplicaStore as _;
use tidegate::sync::replica::{Draft, Intent};

use crate::net::{Net, columns, now, text};

const SCHEMA: &str = r#"
[[table]]
id = "order"
ownership = "user_owned"
columns = [{ id = "title", type = "text" }, { id = "due", type = "timestamp" }]
[[table]]
id = "line"
ownership = "organization_owned"
columns = [
    { id = "order", type = "lookup", table = "order" },
    { id = "product", type = "lookup", table = "product" },
    { id = "count", type = "integer" },
]
[[table]]
id = "product"
ownership = "organization_owned"
columns = [{ id = "name", type = "text" }]
[[system_table]]
id = "user"
"#;

const POLICY: &str = r#"
[[business_unit]]
id = "root"
[[user]]
id = "boss"
business_unit = "root"
roles = ["system_administrator"]
[[user]]
id = "ann"
business_unit = "root"
roles = ["seller"]
[[role]]
id = "seller"
rights.order = { create = "user", read = "organization", write = "organization" }
rights.line = { create = "organization", read = "organization", write = "organization" }
rights.product = { read = "organization" }
rights.user = { read = "organization" }
"#;

pub(crate) const MINE: &str = r#"
[[profile]]
id = "mine"
for = ["role:seller"]
depth = 2
[[profile.table]]
id = "order"
rows = ["mine"]
[[profile.table]]
id = "line"
related = ["order"]
[[profile.table]]
id = "product"
related = ["line.product"]
"#;

const DUE: &str = r#"
[[profile]]
id = "due"
for = ["role:seller"]
[[profile.table]]
id = "order"
rows = ["all"]
filter = "due > now() and due < now() + interval '2 days'"
"#;

const COLLEAGUES: &str = r#"
[[profile]]
id = "colleagues"
for = ["role:seller"]
[[profile.table]]
id = "user"
rows = ["all"]
[[profile.table]]
id = "order"
related = ["owner"]
"#;

/// Of everyone else.
pub(crate) const ALL: &str = r#"
[[profile]]
id = "all"
for = ["organization"]
[[profile.table]]
id = "order"
rows = ["all"]
[[profile.table]]
id = "line"
rows = ["all"]
[[profile.table]]
id = "product"
rows = ["all"]
"#;

const DAY: i64 = 24 * 3_600_000;

pub(crate) fn table(name: &str) -> TableName {
    name.parse().unwrap()
}

pub(crate) fn id(number: u8) -> RecordId {
    RecordId::new(Timestamp::default(), [number; 10])
}

/// Boss's device and Ann's: orders 1 of Ann and 2 of boss, with a line of a product each: 11 of 21, 12 of
/// 22.
pub(crate) struct Shop {
    pub(crate) net: Net,
    pub(crate) boss: usize,
    pub(crate) ann: usize,
}

impl Shop {
    pub(crate) fn new(profiles: &str) -> Self {
        let mut net = Net::new(SCHEMA, POLICY, None, None);
        net.set_profiles(&[profiles, ALL].concat());
        let (boss, ann) = (net.enroll("boss"), net.enroll("ann"));
        let create = |name: &str, record, owner: Option<&str>, columns| {
            let owner = owner.map(|it| it.parse().unwrap());
            Draft { table: table(name), record, intent: Intent::Create { columns, owner } }
        };
        let mut drafts = Vec::new();
        for (number, owner) in [(1, "user:ann"), (2, "user:boss")] {
            let due = now().plus_millis(i64::from(number) * 3 * DAY);
            let (order, product) = (id(number), id(20 + number));
            let title = text(&format!("order {number}"));
            let of_order = columns([("title", title), ("due", Value::Timestamp(due))]);
            drafts.push(create("order", order, Some(owner), of_order));
            drafts.push(create("product", product, None, columns([("name", text("chair"))])));
            let of_line = [("order", Value::Lookup(order)), ("product", Value::Lookup(product))];
            drafts.push(create("line", id(10 + number), None, columns(of_line)));
        }
        net.commit(boss, drafts, false);
        net.settle();
        Self { net, boss, ann }
    }

    pub(crate) fn own(&mut self, order: u8, owner: &str) {
        let intent = Intent::Assign(owner.parse().unwrap());
        let draft = Draft { table: table("order"), record: id(order), intent };
        self.net.commit(self.boss, vec![draft], false);
        self.net.settle();
    }

    /// The records that Ann's device holds.
    pub(crate) fn held(&self) -> BTreeSet<RecordId> {
        let ids = self.net.devices[self.ann].store.confirmed_ids().unwrap();
        ids.into_iter().map(|(_, id)| id).collect()
    }

    /// What it was told of records since the last time.
    pub(crate) fn told(&mut self) -> Vec<Entry> {
        let received = std::mem::take(&mut self.net.devices[self.ann].received);
        let pages = received.iter().filter_map(|bytes| match decode_message(bytes).unwrap() {
            ToDevice::Page(page) => Some(page.entries),
            _ => None,
        });
        pages.flatten().collect()
    }
}

pub(crate) fn ids(numbers: &[u8]) -> BTreeSet<RecordId> {
    numbers.iter().copied().map(id).collect()
}

#[test]
fn what_an_order_leads_to_comes_and_goes_with_its_owner() {
    let mut shop = Shop::new(MINE);
    assert_eq!(shop.held(), ids(&[1, 11, 21]));
    shop.told();
    shop.own(2, "user:ann");
    assert_eq!(shop.held(), ids(&[1, 11, 21, 2, 12, 22]));
    let told = shop.told();
    assert_eq!(told.iter().filter(|it| matches!(it, Entry::Whole { .. })).count(), 3, "{told:?}");
    assert_eq!(told.len(), 3, "nothing is told of what stays");
    shop.own(1, "user:boss");
    assert_eq!(shop.held(), ids(&[2, 12, 22]));
    let told = shop.told();
    assert!(told.iter().all(|it| matches!(it, Entry::Gone { .. })) && told.len() == 3, "{told:?}");
    // What she can read and does not take she is not told of, and what she takes she is.
    for (line, entries) in [(11, 0), (12, 1)] {
        let count = columns([("count", Value::Integer(7))]);
        shop.net.set(shop.boss, &table("line"), id(line), count);
        shop.net.settle();
        assert_eq!(shop.told().len(), entries, "line {line}");
    }
}

#[test]
fn a_device_that_was_away_is_told_of_the_difference_alone() {
    let mut shop = Shop::new(MINE);
    shop.told();
    shop.net.part(shop.ann);
    shop.own(2, "user:ann");
    shop.own(1, "user:boss");
    shop.own(1, "user:ann");
    let title = columns([("title", text("at last"))]);
    shop.net.set(shop.boss, &table("order"), id(1), title);
    shop.net.settle();
    // And a profile that leaves the products out.
    let (without, _) = MINE.rsplit_once("[[profile.table]]").unwrap();
    shop.net.set_profiles(&[without, ALL].concat());
    shop.net.connect(shop.ann);
    shop.net.settle();
    assert_eq!(shop.held(), ids(&[1, 11, 2, 12]));
    let row = shop.net.row(shop.ann, &table("order"), id(1));
    assert_eq!(row.get("title"), Some(&text("at last")));
    let told = shop.told();
    let again = told.iter().filter_map(Entry::place).filter(|(_, it)| *it == id(21));
    assert_eq!(again.count(), 3, "it left, came back, and is taken no more: {told:?}");
    shop.net.part(shop.ann);
    shop.net.connect(shop.ann);
    shop.net.settle();
    assert_eq!(shop.told(), []);
}

#[test]
fn tables_with_lower_priorities_come_first_also_after_a_cut() {
    let text = MINE.replace("id = \"product\"", "id = \"product\"\npriority = 1");
    let text = text.replace("id = \"line\"", "id = \"line\"\npriority = 200");
    for (profile, expected) in [(MINE, [11, 1, 21]), (&text, [21, 1, 11])] {
        let mut shop = Shop::new(profile);
        shop.net.set_page(1);
        let late = shop.net.add_device("ann");
        shop.ann = late;
        shop.net.connect(late);
        for messages in 1.. {
            (0..messages).for_each(|_| shop.net.deliver(late, 1));
            shop.net.part(late);
            if shop.held().len() == 3 {
                break;
            }
            assert!(messages < 100, "{:?}", shop.held());
            shop.net.connect(late);
        }
        let told = shop.told();
        let mut whole: Vec<_> = told.iter().filter_map(Entry::place).map(|(_, id)| id).collect();
        whole.dedup();
        assert_eq!(whole, expected.map(id));
    }
}

#[test]
fn what_was_taken_for_the_sake_of_an_erased_record_goes_with_it() {
    let mut shop = Shop::new(MINE);
    shop.net.erase(&table("line"), id(11));
    shop.net.settle();
    assert_eq!(shop.held(), ids(&[1]));
    // Also on a device that is away when it happens.
    shop.own(2, "user:ann");
    shop.net.part(shop.ann);
    shop.net.erase(&table("order"), id(2));
    shop.net.connect(shop.ann);
    shop.net.settle();
    assert_eq!(shop.held(), ids(&[1]));
}

/// What looks up a row of a system table has only its key.
#[test]
fn what_was_taken_for_the_sake_of_an_erased_user_goes_with_it() {
    let mut shop = Shop::new(COLLEAGUES);
    let user = |name: &str| SystemTable::User.record(name);
    let line = |orders: &[u8]| {
        let users = [user("ann"), user("boss")].into_iter().take(orders.len());
        orders.iter().map(|order| id(*order)).chain(users).collect::<BTreeSet<_>>()
    };
    shop.own(1, "user:ann");
    shop.own(2, "user:boss");
    shop.net.settle();
    assert_eq!(shop.held(), line(&[1, 2]));
    shop.net.erase(&table("user"), user("boss"));
    shop.net.settle();
    assert_eq!(shop.held(), line(&[1]));
    // Also on a device that is away when it happens.
    shop.net.part(shop.ann);
    shop.net.erase(&table("user"), user("ann"));
    shop.net.connect(shop.ann);
    shop.net.settle();
    assert_eq!(shop.held(), ids(&[]));
}

#[test]
fn rows_come_and_go_by_time_when_the_device_syncs() {
    let mut shop = Shop::new(DUE);
    assert_eq!(shop.held(), ids(&[]));
    for (days, expected) in [(2, &[1][..]), (1, &[]), (2, &[2]), (0, &[2]), (5, &[])] {
        shop.net.pass_days(days);
        shop.net.part(shop.ann);
        shop.net.connect(shop.ann);
        shop.net.settle();
        assert_eq!(shop.held(), ids(expected), "{days} days later");
    }
}
