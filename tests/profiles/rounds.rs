//! What rounds mean, case by case.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate::gate::{Roster, Standing};
use tidegate::model::{Header, RecordId, Timestamp, Value};
use tidegate::policy::{read_policy, read_profiles};
use tidegate::scope::{Candidate, CheckedProfile};

use super::memory::{Memory, id};

const SCHEMA: &str = r#"
[[table]]
id = "store"
ownership = "user_owned"
columns = [
  { id = "open", type = "boolean" },
  { id = "above", type = "lookup", table = "store" },
]
[[table]]
id = "visit"
ownership = "user_owned"
columns = [
  { id = "store", type = "lookup", table = "store" },
  { id = "due", type = "timestamp" },
]
[[table]]
id = "tag"
ownership = "organization_owned"
columns = [{ id = "name", type = "text" }]
[[table]]
id = "store_tag"
ownership = "organization_owned"
columns = [
  { id = "store", type = "lookup", table = "store" },
  { id = "tag", type = "lookup", table = "tag" },
]
"#;

const RULES: &str = r#"
[[business_unit]]
id = "north"
[[user]]
id = "ann"
business_unit = "north"
roles = ["reader"]
[[user]]
id = "ben"
business_unit = "north"
[[role]]
id = "reader"
rights.store = { read = "user" }
rights.visit = { read = "business_unit" }
rights.tag = { read = "organization" }
rights.store_tag = { read = "organization" }
"#;

/// Stores 1 to 4, each below the one before; visit 11 of store 1 and 12 of store 4; tag 21 on the stores
/// 1 and 3 by 31 and 32.
struct World {
    memory: Memory,
}

fn owned(owner: &str) -> Header {
    let owner = format!("user:{owner}").parse().unwrap();
    Header { owner: Some((owner, "north".parse().unwrap())), ..Header::default() }
}

impl World {
    fn new() -> Self {
        let mut world = Self { memory: Memory::default() };
        for number in 1..=4 {
            let above = if number == 1 { Value::Null } else { Value::Lookup(id(number - 1)) };
            let open = Value::Boolean(number != 3);
            world.add("store", number, owned("ann"), &[("above", above), ("open", open)]);
        }
        for (number, store, due) in [(11, 1, 60_000), (12, 4, 120_000)] {
            let due = Value::Timestamp(Timestamp::from_millis(due).unwrap());
            let store = Value::Lookup(id(store));
            world.add("visit", number, owned("ben"), &[("store", store), ("due", due)]);
        }
        world.add("tag", 21, Header::default(), &[]);
        for (number, store) in [(31, 1), (32, 3)] {
            let columns = [("store", Value::Lookup(id(store))), ("tag", Value::Lookup(id(21)))];
            world.add("store_tag", number, Header::default(), &columns);
        }
        world
    }

    fn add(&mut self, table: &str, number: u64, header: Header, columns: &[(&str, Value)]) {
        let columns = columns.iter().map(|(id, value)| (id.parse().unwrap(), value.clone()));
        let columns = columns.collect();
        self.memory.add(table, Candidate { id: id(number), header, columns });
    }

    fn taken_at(&self, tables: &str, depth: u32, millis: i64) -> BTreeMap<RecordId, u32> {
        let schema = Arc::new(tidegate::read_schema(SCHEMA, "schema.toml").unwrap());
        let rules = read_policy(RULES, "policy.toml", Some(&schema), None).unwrap();
        let roster = Roster::new(Arc::new(rules.policy), Arc::new(rules.organization.unwrap()));
        let standing = Standing::resolve(&roster, &"ann".parse().unwrap()).unwrap();
        let text =
            format!("[[profile]]\nid = \"p\"\nfor = [\"organization\"]\ndepth = {depth}\n{tables}");
        let profiles = read_profiles(&text, "profiles.toml", &schema, None, None).unwrap();
        let profile = Arc::new(CheckedProfile::new(&schema, &profiles.list[0]).unwrap());
        let now = Timestamp::from_millis(millis).unwrap();
        let bound = profile.bind(&Arc::new(standing), now).unwrap();
        bound.taken(&self.memory).unwrap().into_values().flatten().collect()
    }

    fn taken(&self, tables: &str, depth: u32) -> BTreeMap<RecordId, u32> {
        self.taken_at(tables, depth, 0)
    }
}

fn table(id: &str, more: &str) -> String {
    format!("[[profile.table]]\nid = \"{id}\"\n{more}\n")
}

fn rounds(all: &[(u64, u32)]) -> BTreeMap<RecordId, u32> {
    all.iter().map(|(number, round)| (id(*number), *round)).collect()
}

/// Due visits.
const VISITS: &str = "rows = [\"all\"]\nfilter = \"due < now() + interval '2 minutes'\"";

#[test]
fn parents_are_taken_round_by_round_up_to_the_depth() {
    let world = World::new();
    let both = "related = [\"visit.store\", \"store.above\"]";
    let tables = [
        table("visit", "rows = [\"all\"]\nfilter = \"due > now() + interval '1 minute'\""),
        table("store", both),
    ];
    let tables = tables.concat();
    assert_eq!(world.taken(&tables, 0), rounds(&[(12, 0)]));
    assert_eq!(world.taken(&tables, 1), rounds(&[(12, 0), (4, 1)]));
    assert_eq!(world.taken(&tables, 3), rounds(&[(12, 0), (4, 1), (3, 2), (2, 3)]));
    assert_eq!(world.taken(&tables, 8), rounds(&[(12, 0), (4, 1), (3, 2), (2, 3), (1, 4)]));
}

#[test]
fn of_a_table_that_looks_itself_up_each_way_is_said_by_itself() {
    let world = World::new();
    let store = |related: &str| {
        let more = format!(
            "rows = [\"all\"]\nfilter = \"above is null or not open\"\nrelated = [{related}]\nmatch = \"any\""
        );
        table("store", &more)
    };
    let down = rounds(&[(1, 0), (2, 1), (3, 0), (4, 1)]);
    assert_eq!(world.taken(&store("\"above\""), 8), down);
    assert_eq!(world.taken(&store("\"store.above\""), 8), rounds(&[(1, 0), (2, 1), (3, 0)]));
}

#[test]
fn cycles_end() {
    let mut world = World::new();
    world.add("store", 1, owned("ann"), &[("above", Value::Lookup(id(4)))]);
    let tables = [table("visit", VISITS), table("store", "related = [\"visit.store\", \"above\"]")];
    let wanted = rounds(&[(11, 0), (1, 1), (2, 2), (3, 3), (4, 4)]);
    assert_eq!(world.taken(&tables.concat(), 8), wanted);
}

#[test]
fn many_to_many_goes_through_the_table_between() {
    let world = World::new();
    let tables = [
        table("visit", VISITS),
        table("store", "related = [\"visit.store\", \"store_tag.store\"]"),
        table("store_tag", "related = [\"store\", \"tag\"]"),
        table("tag", "related = [\"store_tag.tag\"]"),
    ];
    let wanted = rounds(&[(11, 0), (1, 1), (31, 2), (21, 3), (32, 4), (3, 5)]);
    assert_eq!(world.taken(&tables.concat(), 8), wanted);
}

#[test]
fn any_takes_what_one_of_them_says_and_all_what_both_say() {
    let world = World::new();
    let store = |how: &str| {
        let more = "rows = [\"mine\"]\nfilter = \"open\"\nrelated = [\"store_tag.store\"]";
        let tags = table("store_tag", "rows = [\"all\"]");
        [tags, table("store", &format!("{more}\nmatch = \"{how}\""))].concat()
    };
    let any = rounds(&[(31, 0), (32, 0), (1, 0), (2, 0), (4, 0), (3, 1)]);
    assert_eq!(world.taken(&store("any"), 3), any);
    assert_eq!(world.taken(&store("all"), 3), rounds(&[(31, 0), (32, 0), (1, 1)]));
}

#[test]
fn what_may_not_be_read_is_neither_taken_nor_a_step() {
    let tables = [table("visit", VISITS), table("store", "related = [\"visit.store\", \"above\"]")];
    let tables = tables.concat();
    let mut world = World::new();
    assert_eq!(world.taken(&tables, 8), rounds(&[(11, 0), (1, 1), (2, 2), (3, 3), (4, 4)]));
    // Of stores only one's own may be read.
    world.add("store", 2, owned("ben"), &[("above", Value::Lookup(id(1)))]);
    assert_eq!(world.taken(&tables, 8), rounds(&[(11, 0), (1, 1)]));
}

#[test]
fn what_may_not_be_read_decides_no_filter() {
    let visits = table("visit", "rows = [\"all\"]\nfilter = \"not (store.open = false)\"");
    let mut world = World::new();
    assert_eq!(world.taken(&visits, 0), rounds(&[(11, 0), (12, 0)]));
    let columns = [("open", Value::Boolean(true)), ("above", Value::Null)];
    world.add("store", 1, owned("ben"), &columns);
    assert_eq!(world.taken(&visits, 0), rounds(&[(12, 0)]));
}

#[test]
fn time_passes_by_the_minute() {
    let world = World::new();
    let visits = table("visit", "rows = [\"all\"]\nfilter = \"due < now()\"");
    for (millis, wanted) in [
        (60_000, rounds(&[])),
        (119_999, rounds(&[])),
        (120_000, rounds(&[(11, 0)])),
        (179_999, rounds(&[(11, 0)])),
        (180_000, rounds(&[(11, 0), (12, 0)])),
    ] {
        assert_eq!(world.taken_at(&visits, 0, millis), wanted, "{millis}");
    }
}

#[test]
fn a_table_without_rows_and_relationships_takes_none() {
    let world = World::new();
    let tables = [table("visit", VISITS), table("store", "")].concat();
    assert_eq!(world.taken(&tables, 8), rounds(&[(11, 0)]));
}
