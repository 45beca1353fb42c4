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

fn order(owner: &str, unit: &str) -> Value {
    json!({"owner": owner, "business_unit": unit})
}

fn with(mut record: Value, key: &str, value: Value) -> Value {
    record[key] = value;
    record
}

fn shared(owner: &str, unit: &str, to: &str, rights: &[&str]) -> Value {
    with(order(owner, unit), "shares", json!([{"to": to, "rights": rights}]))
}

fn case(user: &str, op: &str, record: Value) -> Value {
    json!({"user": user, "op": op, "table": "order", "record": record})
}

/// What a row shows, the rule that denies it (none: allowed), and the case.
type Row = (&'static str, &'static str, Value);

fn check(policy: &Value, rows: Vec<Row>) {
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

const OK: &str = "";

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

#[test]
fn create() {
    let create = |user: &str, owner: &str, unit: &str| case(user, "create", order(owner, unit));
    let link = |user: &str, key: &str, target: Value| {
        with(create(user, &format!("user:{user}"), "north"), "lookups", json!({key: target}))
    };
    let mine =
        |user: &str| json!({"table": "order", "record": order(&format!("user:{user}"), "north")});
    let theirs = json!({"table": "order", "record": order("user:dora", "south")});
    let columns = |user: &str, columns: &[&str]| {
        with(create(user, &format!("user:{user}"), "north"), "columns", json!(columns))
    };
    check(
        &policy(),
        vec![
            ("for itself", OK, create("bea", "user:bea", "north")),
            ("no holding", "no_privilege", create("reader", "user:reader", "north")),
            ("wrong unit", "wrong_business_unit", create("bea", "user:bea", "south")),
            ("for another out of depth", "out_of_depth", create("bea", "user:emil", "north")),
            ("for another in depth", OK, create("emil", "user:bea", "north")),
            ("for another without assign", "no_privilege", create("maker", "user:bea", "north")),
            ("for itself without assign", OK, create("maker", "user:maker", "north")),
            ("for its team, which is another", OK, create("crewman", "team:crew", "north")),
            ("for one who cannot read", "owner_cannot_read", create("emil", "user:blind", "north")),
            ("for a disabled one", "owner_cannot_read", create("emil", "user:off", "north")),
            ("for a team without read", "owner_cannot_read", create("gus", "team:other", "south")),
            (
                "for a team whose member alone can read",
                "owner_cannot_read",
                create("gus", "team:carls", "south"),
            ),
            ("the hierarchy gives no create", "out_of_depth", create("ann", "user:bea", "north")),
            ("a lookup set", OK, link("bea", "b", mine("bea"))),
            ("a lookup set without append", "no_privilege", link("writer", "b", mine("writer"))),
            ("a lookup of null sets nothing", OK, link("writer", "b", Value::Null)),
            ("a looked-up record out of reach", "out_of_depth", link("bea", "b", theirs)),
            (
                "a looked-up record by way 3",
                OK,
                link(
                    "bea",
                    "b",
                    json!({"table": "order", "record":
            shared("user:dora", "south", "user:bea", &["read", "append_to"])}),
                ),
            ),
            (
                "a looked-up record, read alone",
                "out_of_depth",
                link(
                    "bea",
                    "b",
                    json!({"table": "order",
            "record": shared("user:dora", "south", "user:bea", &["read"])}),
                ),
            ),
            (
                "a looked-up record of another table",
                "no_privilege",
                link("bea", "a", json!({"table": "country", "record": {}})),
            ),
            ("a secured column", "no_column_permission", columns("emil", &["title", "cost"])),
            ("a secured column, permitted", OK, columns("hr", &["title", "cost"])),
            ("read alone does not create", "no_column_permission", columns("hr", &["born"])),
            (
                "permission by an access team",
                OK,
                with(create("ann", "user:ann", "root"), "columns", json!(["cost"])),
            ),
            (
                "column before unit",
                "no_column_permission",
                with(create("bea", "user:bea", "south"), "columns", json!(["cost"])),
            ),
            (
                "administrator, wrong unit",
                "wrong_business_unit",
                create("admin", "user:bea", "south"),
            ),
            ("write is not needed", OK, create("maker", "user:maker", "north")),
        ],
    );
    let country = |user: &str, extra: Value| {
        let mut it = json!({"user": user, "op": "create", "table": "country", "record": {}});
        it["columns"] = extra;
        it
    };
    check(
        &policy(),
        vec![
            ("organization-owned", OK, country("gus", json!([]))),
            (
                "organization-owned, secured",
                "no_column_permission",
                country("gus", json!(["rank"])),
            ),
            ("organization-owned, administrator", OK, country("admin", json!(["rank"]))),
        ],
    );
}

#[test]
fn write() {
    let base = |user: &str| case(user, "write", order(&format!("user:{user}"), "north"));
    let write = |user: &str, new: Value, old: Value| {
        with(with(base(user), "lookups", json!({"b": new})), "old_lookups", json!({"b": old}))
    };
    let to = |record: Value| json!({"table": "order", "record": record});
    let mine = to(order("user:bea", "north"));
    let theirs = to(order("user:dora", "south"));
    let reordered = serde_json::from_str::<Value>(
        r#"{"record":{"business_unit":"south","owner":"user:dora"},"table":"order"}"#,
    )
    .unwrap();
    check(
        &policy(),
        vec![
            ("no columns", OK, base("bea")),
            ("no columns, no right", "no_privilege", base("maker")),
            ("a lookup to its own", OK, write("bea", mine.clone(), Value::Null)),
            ("a lookup to another's", "out_of_depth", write("bea", theirs.clone(), Value::Null)),
            ("from another's", "out_of_depth", write("bea", mine.clone(), theirs.clone())),
            ("cleared from another's", "out_of_depth", write("bea", Value::Null, theirs.clone())),
            ("cleared from its own", OK, write("bea", Value::Null, mine.clone())),
            (
                "clearing needs append",
                "no_privilege",
                write("writer", Value::Null, to(order("user:writer", "north"))),
            ),
            ("unchanged", OK, write("bea", reordered, theirs.clone())),
            ("unchanged null without append", OK, write("writer", Value::Null, Value::Null)),
            (
                "an empty list of shares is a change",
                "out_of_depth",
                write(
                    "bea",
                    to(with(order("user:dora", "south"), "shares", json!([]))),
                    theirs.clone(),
                ),
            ),
            (
                "not in lookups: unchanged",
                OK,
                with(base("bea"), "old_lookups", json!({"b": theirs})),
            ),
            (
                "a secured column",
                "no_column_permission",
                with(base("bea"), "columns", json!(["cost"])),
            ),
            (
                "a column share",
                OK,
                with(
                    case(
                        "bea",
                        "write",
                        with(
                            order("user:bea", "north"),
                            "column_shares",
                            json!([{"to": "user:bea", "column": "cost", "read": false, "update": true}]),
                        ),
                    ),
                    "columns",
                    json!(["cost"]),
                ),
            ),
            (
                "a column share of the other permission",
                "no_column_permission",
                with(
                    case(
                        "bea",
                        "write",
                        with(
                            order("user:bea", "north"),
                            "column_shares",
                            json!([{"to": "user:bea", "column": "cost", "read": true, "update": false}]),
                        ),
                    ),
                    "columns",
                    json!(["cost"]),
                ),
            ),
        ],
    );
}

#[test]
fn a_write_names_its_denied_columns_in_the_order_given_where_the_row_rights_hold() {
    let mut judge = judge_of(&policy());
    let mut answer =
        |case: &Value| serde_json::to_string(&judge.answer(case.to_string().as_bytes())).unwrap();
    let case = |user: &str| {
        with(
            case(user, "write", order("user:bea", "north")),
            "columns",
            json!(["cost", "x", "born"]),
        )
    };
    assert_eq!(
        answer(&case("bea")),
        r#"{"allowed":false,"rule":"no_column_permission","denied_columns":["cost","born"]}"#
    );
    assert_eq!(
        answer(&case("hr")),
        r#"{"allowed":false,"rule":"no_column_permission","denied_columns":["born"]}"#
    );
    assert_eq!(answer(&case("dora")), r#"{"allowed":false,"rule":"out_of_depth"}"#);
    assert_eq!(answer(&case("admin")), r#"{"allowed":true}"#);
}

#[test]
fn the_other_edits() {
    let on = |user: &str, op: &str, owner: &str, unit: &str| case(user, op, order(owner, unit));
    let assign = |user: &str, owner: &str, unit: &str, to: &str| {
        with(on(user, "assign", owner, unit), "to", json!(to))
    };
    let column = |user: &str, column: &str| {
        with(on(user, "read_column", &format!("user:{user}"), "north"), "column", json!(column))
    };
    check(
        &policy(),
        vec![
            ("delete", OK, on("bea", "delete", "user:bea", "north")),
            (
                "delete without the right",
                "no_privilege",
                on("maker", "delete", "user:maker", "north"),
            ),
            ("undelete", OK, on("bea", "undelete", "user:bea", "north")),
            (
                "undelete, wrong unit",
                "wrong_business_unit",
                on("bea", "undelete", "user:bea", "south"),
            ),
            ("undelete needs no assign", OK, on("maker", "undelete", "user:bea", "north")),
            (
                "undelete, for one who cannot read",
                OK,
                on("emil", "undelete", "user:blind", "north"),
            ),
            ("undelete, no way 4", "out_of_depth", on("ann", "undelete", "user:bea", "north")),
            ("assign", OK, assign("bea", "user:bea", "north", "user:emil")),
            ("assign to the present owner", OK, assign("bea", "user:bea", "north", "user:bea")),
            (
                "assign a record of another",
                "out_of_depth",
                assign("bea", "user:emil", "north", "user:bea"),
            ),
            (
                "assign by a share",
                OK,
                with(
                    case(
                        "bea",
                        "assign",
                        shared("user:emil", "north", "user:bea", &["assign", "read", "write"]),
                    ),
                    "to",
                    json!("user:bea"),
                ),
            ),
            (
                "assign by a share without write",
                "out_of_depth",
                with(
                    case(
                        "bea",
                        "assign",
                        shared("user:emil", "north", "user:bea", &["assign", "read"]),
                    ),
                    "to",
                    json!("user:bea"),
                ),
            ),
            (
                "assign to one who cannot read",
                "owner_cannot_read",
                assign("bea", "user:bea", "north", "user:none"),
            ),
            (
                "assign to a disabled one",
                "owner_cannot_read",
                assign("bea", "user:bea", "north", "user:off"),
            ),
            ("assign to a team that can read", OK, assign("bea", "user:bea", "north", "team:solo")),
            (
                "assign to one who reads through a team",
                OK,
                assign("bea", "user:bea", "north", "user:crewman"),
            ),
            (
                "assign to a team of administrators",
                OK,
                assign("bea", "user:bea", "north", "team:admins"),
            ),
            ("a given unit is taken as true", OK, on("bea", "delete", "user:bea", "south")),
            ("an ordinary column", OK, column("bea", "title")),
            ("a secured column", "no_column_permission", column("bea", "cost")),
            ("a secured column, permitted", OK, column("hr", "cost")),
            ("a secured column, no row", "no_privilege", column("none", "cost")),
        ],
    );
}

#[test]
fn sharing() {
    let share = |user: &str, record: Value, to: &str, rights: &[&str]| {
        with(with(case(user, "share", record), "to", json!(to)), "rights", json!(rights))
    };
    let by_bea = || order("user:bea", "north");
    let column = |user: &str, record: Value, read: bool, update: bool| {
        let mut it = case(user, "share_column", record);
        it["to"] = json!("user:emil");
        it["column"] = json!("cost");
        it["read"] = json!(read);
        it["update"] = json!(update);
        it
    };
    let had = |read: bool| {
        with(
            by_bea(),
            "column_shares",
            json!([{"to": "user:emil", "column": "cost", "read": read, "update": false}]),
        )
    };
    check(
        &policy(),
        vec![
            ("what one has", OK, share("bea", by_bea(), "user:dora", &["read", "delete"])),
            ("no share right", "no_privilege", share("maker", by_bea(), "user:dora", &["read"])),
            (
                "what one has not here",
                "cannot_give_right",
                share("sharer", by_bea(), "user:dora", &["read", "write"]),
            ),
            (
                "what one has not at all",
                "cannot_give_right",
                share("sharer", by_bea(), "user:dora", &["assign"]),
            ),
            (
                "what it had already",
                OK,
                share(
                    "sharer",
                    shared("user:bea", "north", "user:dora", &["write"]),
                    "user:dora",
                    &["write"],
                ),
            ),
            (
                "what another had",
                "cannot_give_right",
                share(
                    "sharer",
                    shared("user:bea", "north", "user:emil", &["write"]),
                    "user:dora",
                    &["write"],
                ),
            ),
            (
                "taking away",
                OK,
                share(
                    "sharer",
                    shared("user:bea", "north", "user:dora", &["write"]),
                    "user:dora",
                    &[],
                ),
            ),
            (
                "what one has by a share",
                OK,
                share(
                    "sharer",
                    shared("user:bea", "north", "user:sharer", &["write"]),
                    "user:dora",
                    &["write"],
                ),
            ),
            (
                "a column, not permitted",
                "cannot_give_right",
                column("sharer", by_bea(), true, false),
            ),
            ("a column, permitted", OK, column("hr", by_bea(), true, true)),
            ("a column, what it had", OK, column("sharer", had(true), true, false)),
            (
                "a column, more than it had",
                "cannot_give_right",
                column("sharer", had(true), true, true),
            ),
            ("a column, taking away", OK, column("sharer", had(true), false, false)),
            (
                "a column, by a column share",
                OK,
                column(
                    "sharer",
                    with(
                        by_bea(),
                        "column_shares",
                        json!([{"to": "user:sharer", "column": "cost", "read": true, "update": true}]),
                    ),
                    true,
                    true,
                ),
            ),
            ("a column, no share right", "no_privilege", column("maker", by_bea(), false, false)),
            (
                "giving update does not need write",
                OK,
                column(
                    "sharer",
                    with(
                        by_bea(),
                        "column_shares",
                        json!([{"to": "user:sharer", "column": "cost", "read": false, "update": true}]),
                    ),
                    false,
                    true,
                ),
            ),
        ],
    );
}
