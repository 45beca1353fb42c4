//! What each edit needs, each denial beside its allowed twin.

use serde_json::{Value, json};

use crate::compare::judge_of;
use crate::twins::{OK, case, check, order, policy, shared, with};

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
        ],
    );
}

#[test]
fn sharing_a_column() {
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
