//! Each denial beside its allowed twin: the smallest difference that turns the answer.

use serde_json::{Value, json};

use crate::compare::judge_of;
use crate::naive::Naive;

/// One organization in which every way and rule can be shown.
///
/// Units: `root` over `north` over `north-1`, and `south`. Managers: `carl` reports to `bea`, `bea`
/// to `ann`; `dora` (south) to `ann`. Positions: `lead` over `rep` over `trainee`.
pub(crate) fn policy() -> Value {
    let depth = |depth: &str| {
        json!({"order": {
            "create": depth, "read": depth, "write": depth, "delete": depth, "append": depth,
            "append_to": depth, "assign": depth, "share": depth,
        }})
    };
    let rights = |value: Value| json!({"order": value});
    json!({
        "business_unit": [
            {"id": "root"}, {"id": "north", "parent": "root"},
            {"id": "north-1", "parent": "north"}, {"id": "south", "parent": "root"},
        ],
        "position": [
            {"id": "lead"}, {"id": "rep", "parent": "lead"}, {"id": "trainee", "parent": "rep"},
        ],
        "user": [
            {"id": "ann", "business_unit": "root", "roles": ["by_user"]},
            {"id": "bea", "business_unit": "north", "manager": "ann", "roles": ["by_user"]},
            {"id": "carl", "business_unit": "north-1", "manager": "bea", "disabled": true},
            {"id": "dora", "business_unit": "south", "manager": "ann", "roles": ["by_unit"]},
            {"id": "emil", "business_unit": "north", "roles": ["by_unit"]},
            {"id": "fay", "business_unit": "north", "roles": ["by_tree"]},
            {"id": "gus", "business_unit": "south", "roles": ["by_all"]},
            {"id": "none", "business_unit": "north"},
            {"id": "crewman", "business_unit": "south"},
            {"id": "loner", "business_unit": "south"},
            {"id": "admin", "business_unit": "south", "roles": ["system_administrator"]},
            {"id": "deputy", "business_unit": "south"},
            {"id": "reader", "business_unit": "north", "roles": ["reads"]},
            {"id": "sharer", "business_unit": "north", "roles": ["shares"]},
            {"id": "writer", "business_unit": "north", "roles": ["no_append"]},
            {"id": "maker", "business_unit": "north", "roles": ["no_assign"]},
            {"id": "off", "business_unit": "north", "roles": ["by_all"], "disabled": true},
            {"id": "hr", "business_unit": "north", "roles": ["by_all"]},
            {"id": "blind", "business_unit": "north", "roles": ["no_read"]},
        ],
        "team": [
            {"id": "crew", "kind": "owner", "business_unit": "north", "roles": ["by_user"],
                "members": ["crewman", "ann"]},
            {"id": "solo", "kind": "owner", "business_unit": "north", "roles": ["team_only"],
                "members": ["loner"]},
            {"id": "other", "kind": "owner", "business_unit": "south", "members": ["loner"]},
            {"id": "admins", "kind": "owner", "business_unit": "north",
                "roles": ["system_administrator"], "members": ["deputy"]},
            {"id": "group", "kind": "access", "members": ["ann", "reader"]},
            {"id": "carls", "kind": "owner", "business_unit": "south", "members": ["carl"]},
            {"id": "carl-friends", "kind": "access", "members": ["carl", "bea"]},
        ],
        "role": [
            {"id": "by_user", "rights": depth("user")},
            {"id": "by_unit", "rights": depth("business_unit")},
            {"id": "by_tree", "rights": depth("parent_child")},
            {"id": "by_all", "rights": {
                "order": depth("organization")["order"], "country": depth("organization")["order"],
            }},
            {"id": "team_only", "inheritance": "team_only", "rights": depth("user")},
            {"id": "reads", "rights": rights(json!({"read": "user", "write": "none"}))},
            {"id": "shares", "rights": rights(json!(
                {"read": "business_unit", "share": "business_unit", "write": "user"}))},
            {"id": "no_append", "rights": rights(json!(
                {"create": "user", "read": "organization", "write": "user",
                 "append_to": "organization"}))},
            {"id": "no_assign", "rights": rights(json!(
                {"create": "business_unit", "read": "business_unit"}))},
            {"id": "no_read", "rights": rights(json!({"write": "organization"}))},
        ],
        "column_security": [
            {"id": "costs", "users": ["hr"], "teams": ["group"],
                "columns": {"order.cost": {"read": true, "create": true, "update": true}}},
            {"id": "born", "users": ["hr"], "columns": {"order.born": {"read": true}}},
        ],
        "table": [
            {"id": "order", "ownership": "user_owned", "secured": ["cost", "born"],
                "lookups": {"b": "order", "a": "country"}},
            {"id": "country", "ownership": "organization_owned", "secured": ["rank"]},
            {"id": "log", "ownership": "user_owned"},
        ],
        "hierarchy": {"model": "manager", "depth": 2, "exclude": ["log"]},
    })
}

pub(crate) fn order(owner: &str, unit: &str) -> Value {
    json!({"owner": owner, "business_unit": unit})
}

pub(crate) fn with(mut record: Value, key: &str, value: Value) -> Value {
    record[key] = value;
    record
}

pub(crate) fn shared(owner: &str, unit: &str, to: &str, rights: &[&str]) -> Value {
    with(order(owner, unit), "shares", json!([{"to": to, "rights": rights}]))
}

pub(crate) fn case(user: &str, op: &str, record: Value) -> Value {
    let mut case = json!({"user": user, "op": op, "table": "order"});
    case["record"] = record;
    case
}

/// What a row shows, the rule that denies it (none: allowed), and the case.
pub(crate) type Row = (&'static str, &'static str, Value);

pub(crate) fn check(policy: &Value, rows: Vec<Row>) {
    let mut judge = judge_of(policy);
    for (what, rule, case) in rows {
        let line = case.to_string();
        let answer = serde_json::to_value(judge.answer(line.as_bytes())).unwrap();
        let found = answer["rule"].as_str().unwrap_or("");
        assert_eq!(found, rule, "{what}: {line}");
        assert_eq!(answer["allowed"], rule.is_empty(), "{what}");
        assert_eq!(answer, Naive { policy }.answer(&line), "{what}: the model differs: {line}");
    }
}

pub(crate) const OK: &str = "";

#[test]
fn ways_1_and_2_ownership_and_role_depth() {
    let read = |user: &str, owner: &str, unit: &str| case(user, "read", order(owner, unit));
    check(
        &policy(),
        vec![
            ("no holding", "no_privilege", read("none", "user:none", "north")),
            ("its own", OK, read("bea", "user:bea", "north")),
            ("its own, in any unit", OK, read("bea", "user:bea", "south")),
            ("user depth, another's", "out_of_depth", read("bea", "user:emil", "north")),
            ("unit depth, another's", OK, read("emil", "user:bea", "north")),
            ("unit depth, unit below", "out_of_depth", read("emil", "user:carl", "north-1")),
            ("tree depth, unit below", OK, read("fay", "user:carl", "north-1")),
            ("tree depth, unit beside", "out_of_depth", read("fay", "user:dora", "south")),
            ("tree depth, unit above", "out_of_depth", read("fay", "user:ann", "root")),
            ("organization depth", OK, read("gus", "user:carl", "north-1")),
            ("a team's", OK, read("crewman", "team:crew", "north")),
            (
                "a team's role reaches the member's own",
                OK,
                read("crewman", "user:crewman", "south"),
            ),
            (
                "a team's role, another team's",
                "out_of_depth",
                read("crewman", "team:carls", "south"),
            ),
            ("own role reaches the user's teams'", OK, read("ann", "team:crew", "north")),
            ("team_only reaches the team's", OK, read("loner", "team:solo", "north")),
            ("team_only, the member's own", "out_of_depth", read("loner", "user:loner", "south")),
            (
                "team_only, the member's other team",
                "out_of_depth",
                read("loner", "team:other", "south"),
            ),
            ("administrator", OK, read("admin", "user:carl", "north-1")),
            ("administrator through a team", OK, read("deputy", "user:carl", "north-1")),
            ("holds nothing while disabled", "disabled_user", read("off", "user:off", "north")),
            ("nobody of that name", "unknown_user", read("zoe", "user:bea", "north")),
            ("depth is measured from the team's unit", OK, read("crewman", "team:crew", "root")),
        ],
    );
    let country =
        |user: &str| json!({"user": user, "op": "read", "table": "country", "record": {}});
    check(
        &policy(),
        vec![
            ("organization-owned, organization depth", OK, country("gus")),
            ("organization-owned, no holding", "no_privilege", country("emil")),
        ],
    );
    let mut lesser = policy();
    lesser["role"][3]["rights"]["country"]["read"] = json!("parent_child");
    check(
        &lesser,
        vec![
            ("organization-owned, a lesser depth", "out_of_depth", country("gus")),
            ("organization-owned, administrator", OK, country("admin")),
        ],
    );
}

#[test]
fn the_depth_of_a_teams_role_is_measured_from_the_team() {
    let mut policy = policy();
    policy["team"][0]["roles"] = json!(["by_unit"]);
    let read = |owner: &str, unit: &str| case("crewman", "read", order(owner, unit));
    check(
        &policy,
        vec![
            ("the team's unit", OK, read("user:bea", "north")),
            ("the member's unit", "out_of_depth", read("user:dora", "south")),
        ],
    );
}

#[test]
fn way_3_shares() {
    let read = |user: &str, record: Value| case(user, "read", record);
    let share = |to: &str, rights: &[&str]| shared("user:dora", "south", to, rights);
    let two = with(
        order("user:dora", "south"),
        "shares",
        json!([
            {"to": "user:bea", "rights": ["write"]},
            {"to": "organization", "rights": ["delete"]},
            {"to": "user:bea", "rights": ["read"]},
        ]),
    );
    check(
        &policy(),
        vec![
            ("to the user", OK, read("bea", share("user:bea", &["read"]))),
            ("to another", "out_of_depth", read("bea", share("user:emil", &["read"]))),
            ("another right", "out_of_depth", read("bea", share("user:bea", &["write"]))),
            ("to an owner team", OK, read("crewman", share("team:crew", &["read"]))),
            ("to an access team", OK, read("reader", share("team:group", &["read"]))),
            ("to a team of others", "out_of_depth", read("bea", share("team:group", &["read"]))),
            ("to the organization", OK, read("bea", share("organization", &["read"]))),
            ("no holding", "no_privilege", read("none", share("user:none", &["read"]))),
            (
                "no holding of that right",
                "no_privilege",
                case("reader", "write", share("user:reader", &["write"])),
            ),
            ("entries count together: read", OK, read("bea", two.clone())),
            ("entries count together: write", OK, case("bea", "write", two.clone())),
            ("entries count together: delete", OK, case("bea", "delete", two)),
        ],
    );
}

#[test]
fn way_4_managers() {
    let on = |user: &str, op: &str, owner: &str, unit: &str| case(user, op, order(owner, unit));
    let share = |to: &str, right: &str| shared("user:gus", "south", to, &[right]);
    check(
        &policy(),
        vec![
            ("one level", OK, on("ann", "read", "user:bea", "north")),
            ("one level, write", OK, on("ann", "write", "user:bea", "north")),
            ("one level, append", OK, on("ann", "append", "user:bea", "north")),
            ("one level, append_to", OK, on("ann", "append_to", "user:bea", "north")),
            ("one level, delete", "out_of_depth", on("ann", "delete", "user:bea", "north")),
            ("two levels, disabled person", OK, on("ann", "read", "user:carl", "north-1")),
            ("two levels, write", "out_of_depth", on("ann", "write", "user:carl", "north-1")),
            ("one level, disabled person", OK, on("bea", "write", "user:carl", "north-1")),
            ("upwards", "out_of_depth", on("bea", "read", "user:ann", "root")),
            ("owned by the person's team", OK, on("bea", "read", "team:carls", "south")),
            ("shared to the person", OK, case("bea", "write", share("user:carl", "write"))),
            (
                "shared to the person, another right",
                "out_of_depth",
                case("bea", "write", share("user:carl", "read")),
            ),
            (
                "shared to an access team of the person",
                OK,
                case("ann", "read", share("team:carl-friends", "read")),
            ),
            (
                "never delete, though shared",
                "out_of_depth",
                case("ann", "delete", share("user:bea", "delete")),
            ),
            (
                "never share, though shared",
                "out_of_depth",
                with(
                    with(case("ann", "share", share("user:bea", "share")), "to", json!("user:ann")),
                    "rights",
                    json!([]),
                ),
            ),
        ],
    );
    let mut deeper = policy();
    deeper["hierarchy"]["depth"] = json!(1);
    check(
        &deeper,
        vec![("two levels at depth 1", "out_of_depth", on("ann", "read", "user:carl", "north-1"))],
    );
    let mut off = policy();
    off["hierarchy"] = json!({"model": "off"});
    check(&off, vec![("off", "out_of_depth", on("ann", "read", "user:bea", "north"))]);
    let mut excluded = policy();
    excluded["hierarchy"]["exclude"] = json!(["order"]);
    check(
        &excluded,
        vec![("an excluded table", "out_of_depth", on("ann", "read", "user:bea", "north"))],
    );
    let mut elsewhere = policy();
    elsewhere["user"][0]["business_unit"] = json!("north");
    check(
        &elsewhere,
        vec![
            ("a person in the manager's unit", OK, on("ann", "read", "user:bea", "north")),
            ("a person below the manager's unit", OK, on("ann", "read", "user:carl", "north-1")),
            ("a person elsewhere", "out_of_depth", on("ann", "read", "user:dora", "south")),
        ],
    );
    elsewhere["user"][1]["business_unit"] = json!("south");
    check(
        &elsewhere,
        vec![
            ("only the person's unit counts", OK, on("ann", "read", "user:carl", "north-1")),
            ("not the one between", "out_of_depth", on("ann", "read", "user:bea", "south")),
        ],
    );
    let mut unread = policy();
    unread["role"][0]["rights"]["order"]["read"] = json!("none");
    unread["team"][0]["roles"] = json!([]);
    check(
        &unread,
        vec![("no holding for read", "out_of_depth", on("ann", "write", "user:bea", "north"))],
    );
}

#[test]
fn way_4_positions() {
    let mut policy = policy();
    policy["hierarchy"]["model"] = json!("position");
    policy["user"][1]["position"] = json!("lead");
    policy["user"][0]["position"] = json!("lead");
    policy["user"][3]["position"] = json!("rep");
    policy["user"][2]["position"] = json!("trainee");
    let on = |user: &str, op: &str, owner: &str, unit: &str| case(user, op, order(owner, unit));
    check(
        &policy,
        vec![
            ("below, in any unit", OK, on("bea", "write", "user:dora", "south")),
            ("an equal position", "out_of_depth", on("bea", "read", "user:ann", "root")),
            ("two levels", OK, on("bea", "read", "user:carl", "north-1")),
            ("two levels, write", "out_of_depth", on("bea", "write", "user:carl", "north-1")),
            ("upwards", "out_of_depth", on("dora", "write", "user:bea", "north")),
            ("no position", "out_of_depth", on("emil", "read", "user:dora", "south")),
        ],
    );
}
