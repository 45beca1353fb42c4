//! Judging from a standing alone, as a device or a peer does, and what the answers name.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tidegate::gate::{
    Action, Judgement, LookupChange, RecordFacts, Roster, Standing, Target, can_read, has_right,
    judge, judge_columns,
};
use tidegate::model::{
    BusinessUnitId, ColumnName, Depth, Owner, Principal, Right, Rights, Rule, TableFacts,
    TableName, UserId,
};
use tidegate::policy::{Format, read_policy_as};

use crate::compare::setting;
use crate::random::{Random, World};
use crate::twins::policy;

struct Stage {
    roster: Roster,
    tables: BTreeMap<TableName, TableFacts>,
}

impl Stage {
    fn new(policy: &Value) -> Self {
        let text = policy.to_string();
        let document = read_policy_as(Format::Json, &text, "p.json", None, None).unwrap();
        let organization = Arc::new(document.organization.unwrap());
        let roster = Roster::new(Arc::new(document.policy), organization);
        Self { roster, tables: document.tables }
    }

    /// The user's standing as it arrives on a device.
    fn standing(&self, user: &str) -> Standing {
        let standing = Standing::resolve(&self.roster, &user.parse().unwrap()).unwrap();
        postcard::from_bytes(&postcard::to_stdvec(&standing).unwrap()).unwrap()
    }

    fn table(&self, id: &str) -> &TableFacts {
        &self.tables[id]
    }
}

fn owner(text: &str) -> Owner {
    text.parse().unwrap()
}

fn unit(text: &str) -> BusinessUnitId {
    text.parse().unwrap()
}

#[test]
fn a_device_answers_as_the_server_does_or_says_that_it_cannot_know() {
    let seed = setting("TIDEGATE_SEED", 42);
    let (mut same, mut unknown) = (0_u32, 0_u32);
    for round in 0..60 {
        let mut random = Random(seed + round);
        let world = World::new(&mut random);
        let stage = Stage::new(&world.policy);
        for _ in 0..200 {
            let user: UserId = random.one(&world.users).parse().unwrap();
            let Ok(server) = Standing::resolve(&stage.roster, &user) else { continue };
            let device = stage.standing(user.as_str());
            assert_eq!(device, server);
            let table = stage.table(random.one(&world.tables).as_str());
            let record = world.record(&mut random, table.id.as_str(), false);
            let of = |key: &str| record[key].as_str().unwrap_or("user:nobody").to_owned();
            let (owned_by, in_unit) = (owner(&of("owner")), unit(&of("business_unit")));
            let mut shares: BTreeMap<Principal, Rights> = BTreeMap::new();
            for share in record["shares"].as_array().into_iter().flatten() {
                let to = share["to"].as_str().unwrap().parse().unwrap();
                let rights = share["rights"].as_array().unwrap().iter();
                let rights = rights.map(|it| Right::from_name(it.as_str().unwrap()).unwrap());
                shares.insert(to, rights.collect());
            }
            let facts = if table.is_user_owned() {
                RecordFacts { shares: &shares, ..RecordFacts::owned(&owned_by, &in_unit) }
            } else {
                RecordFacts::ORGANIZATION_OWNED
            };
            let to = owner(&format!("user:{}", random.one(&world.users)));
            let all = Right::ALL[1..].iter().copied().collect();
            let principal = Principal::Organization;
            let actions = [
                Action::Read,
                Action::Create { columns: &[], lookups: &[] },
                Action::Write { columns: &[], lookups: &[] },
                Action::Delete,
                Action::Undelete,
                Action::Assign { to: &to },
                Action::Share { to: &principal, rights: all },
                Action::Append,
                Action::AppendTo,
            ];
            let action = random.one(&actions);
            let truth = judge(&server, &stage.roster, table, action, &facts);
            let found = judge(&device, &device, table, action, &facts);
            assert_ne!(truth, Judgement::Unknown);
            if found == Judgement::Unknown {
                let about_others = matches!(
                    action,
                    Action::Create { .. } | Action::Undelete | Action::Assign { .. }
                );
                assert!(about_others, "{action:?} is about no other");
                unknown += 1;
            } else {
                assert_eq!(found, truth, "{user} {action:?} {record} {}", world.policy);
                same += 1;
            }
            assert_eq!(
                can_read(&device, &table.id, &facts),
                judge(&server, &stage.roster, table, &Action::Read, &facts).is_allowed()
            );
        }
    }
    assert!(same > 5_000 && unknown > 100, "{same} {unknown}");
}

#[test]
fn an_out_of_depth_denial_names_right_table_and_the_nearest_depth_that_would_do() {
    let stage = Stage::new(&policy());
    let rows = [
        ("bea", "user:emil", "north", Rule::OutOfDepth, Depth::BusinessUnit),
        ("bea", "user:x", "north-1", Rule::OutOfDepth, Depth::ParentChild),
        ("bea", "user:dora", "south", Rule::OutOfDepth, Depth::Organization),
        // From the holder's unit, which is the team's.
        ("crewman", "user:emil", "north", Rule::OutOfDepth, Depth::BusinessUnit),
        ("none", "user:none", "north", Rule::NoPrivilege, Depth::User),
        ("none", "user:emil", "north", Rule::NoPrivilege, Depth::BusinessUnit),
        ("none", "user:dora", "south", Rule::NoPrivilege, Depth::Organization),
    ];
    for (user, owned_by, in_unit, rule, depth) in rows {
        let standing = stage.standing(user);
        let (owned_by, in_unit) = (owner(owned_by), unit(in_unit));
        let facts = RecordFacts::owned(&owned_by, &in_unit);
        let action = Action::Delete;
        let judged = judge(&standing, &standing, stage.table("order"), &action, &facts);
        let denial = judged.denial().unwrap();
        assert_eq!(denial.rule, rule, "{user} {owned_by}");
        assert_eq!(denial.right, Some(Right::Delete));
        assert_eq!(denial.table.as_ref().unwrap().as_str(), "order");
        assert_eq!(denial.needed, Some(depth), "{user} {owned_by}");
    }
    let facts = RecordFacts::ORGANIZATION_OWNED;
    let emil = stage.standing("emil");
    let judged = judge(&emil, &emil, stage.table("country"), &Action::Read, &facts);
    assert_eq!(judged.denial().unwrap().needed, Some(Depth::Organization));
}

#[test]
fn what_a_device_lacks_is_unknown_only_where_nothing_else_denies() {
    let stage = Stage::new(&policy());
    let emil = stage.standing("emil");
    let table = stage.table("order");
    let (bea, none) = (owner("user:bea"), owner("user:none"));
    let create = Action::Create { columns: &[], lookups: &[] };
    let north = unit("north");
    let facts = RecordFacts::owned(&bea, &north);
    assert_eq!(judge(&emil, &emil, table, &create, &facts), Judgement::Unknown);
    assert_eq!(judge(&emil, &stage.roster, table, &create, &facts), Judgement::Allowed);
    // The server knows more, and what a device can tell it tells.
    let facts = RecordFacts::owned(&none, &north);
    let judged = judge(&emil, &stage.roster, table, &create, &facts);
    assert_eq!(judged.denial().unwrap().rule, Rule::OwnerCannotRead);
    assert_eq!(judge(&emil, &emil, table, &create, &facts), Judgement::Unknown);
    let columns = [ColumnName::new("cost").unwrap()];
    let create = Action::Create { columns: &columns, lookups: &[] };
    let judged = judge(&emil, &emil, table, &create, &facts);
    assert_eq!(judged.denial().unwrap().rule, Rule::NoColumnPermission);
    // One's own unit and those of one's teams are known.
    let own = owner("user:emil");
    let south = unit("south");
    let create = Action::Create { columns: &[], lookups: &[] };
    let judged = judge(&emil, &emil, table, &create, &RecordFacts::owned(&own, &south));
    assert_eq!(judged.denial().unwrap().rule, Rule::WrongBusinessUnit);
    // Nobody of that name.
    let nobody = owner("user:nobody");
    let gus = stage.standing("gus");
    let judged = judge(&gus, &stage.roster, table, &create, &RecordFacts::owned(&nobody, &south));
    assert_eq!(judged.denial().unwrap().rule, Rule::WrongBusinessUnit);
}

#[test]
fn a_looked_up_record_that_is_missing_is_answered_like_one_out_of_reach() {
    let stage = Stage::new(&policy());
    let (table, bea) = (stage.table("order"), stage.standing("bea"));
    let (mine, theirs) = (owner("user:bea"), owner("user:dora"));
    let (north, south) = (unit("north"), unit("south"));
    let facts = RecordFacts::owned(&mine, &north);
    let hidden = RecordFacts::owned(&theirs, &south);
    let column = ColumnName::new("b").unwrap();
    let judged = |new: Target<'_>| {
        let change = LookupChange { column: &column, table: &table.id, old: Target::Nothing, new };
        let action = Action::Write { columns: &[], lookups: &[change] };
        judge(&bea, &bea, table, &action, &facts)
    };
    let missing = judged(Target::Missing);
    let mut out_of_reach = judged(Target::Record(hidden)).denial().unwrap().clone();
    // The nearest depth tells where the record is: it must not go to one who may not read it.
    out_of_reach.needed = None;
    assert_eq!(missing.denial(), Some(&out_of_reach));
    assert_eq!(out_of_reach.column, Some(column.clone()));
    assert_eq!(judged(Target::Unknown), Judgement::Unknown);
    assert_eq!(judged(Target::Record(facts)), Judgement::Allowed);
}

#[test]
fn a_change_of_columns_is_judged_column_by_column() {
    let stage = Stage::new(&policy());
    let (table, bea) = (stage.table("order"), stage.standing("bea"));
    let (mine, theirs) = (owner("user:bea"), owner("user:dora"));
    let (north, south) = (unit("north"), unit("south"));
    let facts = RecordFacts::owned(&mine, &north);
    let hidden = RecordFacts::owned(&theirs, &south);
    let names = ["title", "cost", "b", "a"].map(|name| ColumnName::new(name).unwrap());
    let [title, cost, b, a] = &names;
    let lookups = [
        LookupChange {
            column: b,
            table: &table.id,
            old: Target::Nothing,
            new: Target::Record(hidden),
        },
        LookupChange { column: a, table: &table.id, old: Target::Nothing, new: Target::Unknown },
    ];
    let columns = [title.clone(), cost.clone()];
    let judged = judge_columns(&bea, &bea, table, &columns, &lookups, &facts);
    assert!(judged.row.is_allowed());
    let denied: Vec<(&str, Rule)> =
        judged.denied.iter().map(|(column, denial)| (column.as_str(), denial.rule)).collect();
    assert_eq!(denied, [("b", Rule::OutOfDepth), ("cost", Rule::NoColumnPermission)]);
    assert_eq!(judged.unknown, std::slice::from_ref(a));
    // The whole is denied by the first of these; the lookups come in byte order.
    let action = Action::Write { columns: &columns, lookups: &lookups };
    let whole = judge(&bea, &bea, table, &action, &facts);
    assert_eq!(whole.denial().unwrap().column.as_ref(), Some(b));
    let judged = judge_columns(&bea, &bea, table, &columns, &lookups, &hidden);
    assert_eq!(judged.row.denial().unwrap().rule, Rule::OutOfDepth);
    assert!(judged.denied.is_empty() && judged.unknown.is_empty());
}

#[test]
fn facts_that_cannot_be_give_nothing() {
    let stage = Stage::new(&policy());
    let (emil, own, north) = (stage.standing("emil"), owner("user:emil"), unit("north"));
    // An owner where the table knows none.
    let mut lesser = policy();
    lesser["role"][1]["rights"]["country"] = serde_json::json!({"read": "user"});
    let country = Stage::new(&lesser);
    let facts = RecordFacts::owned(&own, &north);
    let standing = country.standing("emil");
    let judged = judge(&standing, &standing, country.table("country"), &Action::Read, &facts);
    assert_eq!(judged.denial().unwrap().rule, Rule::OutOfDepth);
    // A column share with `create`.
    let cost = [ColumnName::new("cost").unwrap()];
    let shares = BTreeMap::from([(
        (cost[0].clone(), Principal::Organization),
        tidegate::model::ColumnPermissions::ALL,
    )]);
    let facts = facts.with_column_shares(&shares);
    let table = stage.table("order");
    let judged = |action: Action<'_>| judge(&emil, &emil, table, &action, &facts);
    let create = judged(Action::Create { columns: &cost, lookups: &[] });
    assert_eq!(create.denial().unwrap().rule, Rule::NoColumnPermission);
    assert!(judged(Action::Write { columns: &cost, lookups: &[] }).is_allowed());
    assert!(judged(Action::ReadColumn { column: &cost[0] }).is_allowed());
    // No owner where the table asks for one.
    let nobody = RecordFacts::ORGANIZATION_OWNED;
    let gus = stage.standing("gus");
    let create = Action::Create { columns: &[], lookups: &[] };
    let judged = judge(&gus, &stage.roster, table, &create, &nobody);
    assert_eq!(judged.denial().unwrap().rule, Rule::Malformed);
}

#[test]
fn a_standing_knows_its_user() {
    let stage = Stage::new(&policy());
    let ann = stage.standing("ann");
    assert_eq!(ann.user().as_str(), "ann");
    assert_eq!(ann.business_unit().unwrap().as_str(), "root");
    assert_eq!(ann.owner_teams().map(|(team, _)| team.as_str()).collect::<Vec<_>>(), ["crew"]);
    assert_eq!(ann.access_teams()[0].as_str(), "group");
    assert!(ann.is_member(&"group".parse().unwrap()) && !ann.is_member(&"solo".parse().unwrap()));
    assert!(!ann.is_administrator() && stage.standing("deputy").is_administrator());
    let (bea, north) = (owner("user:bea"), unit("north"));
    let facts = RecordFacts::owned(&bea, &north);
    let order = &stage.table("order").id;
    assert!(has_right(&ann, order, Right::Write, &facts));
    assert!(!has_right(&ann, order, Right::Delete, &facts));
}
