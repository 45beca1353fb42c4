//! Every way for a case to be malformed, beside the well-formed case it comes from.

use serde_json::{Value, json};

use crate::compare::judge_of;
use crate::naive::Naive;
use crate::twins::policy;

fn base(op: &str) -> Value {
    let mut case = json!({
        "user": "admin", "op": op, "table": "order",
        "record": {"owner": "user:bea", "business_unit": "north"},
    });
    match op {
        "read_column" => case["column"] = json!("cost"),
        "assign" => case["to"] = json!("user:bea"),
        "share" => {
            case["to"] = json!("user:bea");
            case["rights"] = json!(["read"]);
        }
        "share_column" => {
            case["to"] = json!("user:bea");
            case["column"] = json!("cost");
        }
        _ => {}
    }
    case
}

const OPS: [&str; 11] = [
    "read",
    "delete",
    "undelete",
    "create",
    "write",
    "read_column",
    "assign",
    "share",
    "share_column",
    "append",
    "append_to",
];

/// (op, JSON pointer of an object, key, value in place of what is there; null: taken away).
fn mistakes() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let removed = Value::Null;
    let share = |to: &str, right: &str| json!([{"to": to, "rights": [right]}]);
    let column_share = |to: &str, column: &str| json!([{"to": to, "column": column, "read": true, "update": false}]);
    let target = |table: &str, record: Value| json!({"b": {"table": table, "record": record}});
    let order = json!({"owner": "user:bea", "business_unit": "north"});
    vec![
        ("read", "", "user", removed.clone()),
        ("read", "", "op", removed.clone()),
        ("read", "", "table", removed.clone()),
        ("read", "", "record", removed.clone()),
        ("read", "", "user", json!(7)),
        ("read", "", "op", json!("reed")),
        ("read", "", "table", json!("tabel")),
        ("read", "", "record", json!([])),
        ("read", "", "record", json!(["user:bea", "north"])),
        ("read", "", "columns", json!([])),
        ("read", "", "to", json!("user:bea")),
        ("read", "", "x", json!(1)),
        ("create", "", "old_lookups", json!({})),
        ("write", "", "column", json!("cost")),
        ("read", "/record", "owner", removed.clone()),
        ("read", "/record", "business_unit", removed.clone()),
        ("read", "/record", "owner", json!("organization")),
        ("read", "/record", "owner", json!("user:nobody")),
        ("read", "/record", "owner", json!("bea")),
        ("read", "/record", "owner", json!("team:group")),
        ("read", "/record", "owner", json!(null).take()),
        ("read", "/record", "business_unit", json!("west")),
        ("read", "/record", "shares", json!({})),
        ("read", "/record", "shares", share("user:nobody", "read")),
        ("read", "/record", "shares", share("user:bea", "create")),
        ("read", "/record", "shares", share("user:bea", "fly")),
        ("read", "/record", "shares", json!([{"to": "user:bea"}])),
        ("read", "/record", "shares", json!([{"to": "user:bea", "rights": [], "x": 1}])),
        ("read", "/record", "shares", json!([["user:bea", []]])),
        ("read", "/record", "column_shares", column_share("user:bea", "title")),
        ("read", "/record", "column_shares", column_share("user:nobody", "cost")),
        ("read", "/record", "column_shares", json!([{"to": "user:bea", "column": "cost"}])),
        ("read", "/record", "x", json!(1)),
        ("create", "/record", "shares", json!([])),
        ("create", "/record", "column_shares", json!([])),
        ("write", "", "columns", json!(["a"])),
        ("write", "", "columns", json!("cost")),
        ("write", "", "columns", json!([1])),
        ("read_column", "", "column", json!("b")),
        ("read_column", "", "column", removed.clone()),
        ("write", "", "lookups", json!({"cost": null})),
        ("write", "", "lookups", json!({"b": 1})),
        ("write", "", "lookups", target("country", json!({}))),
        ("write", "", "lookups", target("order", json!({}))),
        ("write", "", "lookups", json!({"b": {"table": "order", "record": order, "x": 1}})),
        ("write", "", "lookups", json!({"b": {"record": order}})),
        ("write", "", "lookups", json!([])),
        ("write", "", "old_lookups", json!({"z": null})),
        (
            "write",
            "",
            "old_lookups",
            target(
                "order",
                json!({"owner": "user:nobody",
            "business_unit": "north"}),
            ),
        ),
        ("assign", "", "to", json!("organization")),
        ("assign", "", "to", json!("team:group")),
        ("assign", "", "to", json!("user:nobody")),
        ("assign", "", "to", removed.clone()),
        ("assign", "", "table", json!("country")),
        ("share", "", "table", json!("country")),
        ("share", "", "rights", removed.clone()),
        ("share", "", "rights", json!(["create"])),
        ("share", "", "rights", json!(["fly"])),
        ("share", "", "to", json!("group")),
        ("share_column", "", "column", json!("title")),
        ("share_column", "", "column", json!("b")),
        ("share_column", "", "read", json!(1)),
        ("share_column", "", "to", removed),
    ]
}

fn rule(case: &str) -> String {
    let policy = policy();
    let answer = serde_json::to_value(judge_of(&policy).answer(case.as_bytes())).unwrap();
    answer["rule"].as_str().unwrap_or("").to_owned()
}

#[test]
fn each_op_has_a_well_formed_case() {
    for op in OPS {
        assert_eq!(rule(&base(op).to_string()), "", "{op}");
    }
}

#[test]
fn each_mistake_in_the_structure_is_malformed_before_the_user_is_looked_up() {
    let policy = policy();
    let mut judge = judge_of(&policy);
    for (op, at, key, value) in mistakes() {
        let mut case = base(op);
        let object = case.pointer_mut(at).unwrap().as_object_mut().unwrap();
        match value {
            Value::Null => drop(object.remove(key)),
            value => drop(object.insert(key.to_owned(), value)),
        }
        for user in ["admin", "nobody", "off"] {
            if case.get("user").is_some_and(Value::is_string) {
                case["user"] = json!(user);
            }
            let line = case.to_string();
            let answer = serde_json::to_value(judge.answer(line.as_bytes())).unwrap();
            assert_eq!(answer["rule"], "malformed", "{line}");
            assert_eq!(Naive { policy: &policy }.answer(&line)["rule"], "malformed", "{line}");
        }
    }
}

#[test]
fn an_organization_owned_record_has_no_owner_unit_or_shares() {
    let case = |record: Value| {
        json!({"user": "admin", "op": "read", "table": "country", "record": record}).to_string()
    };
    assert_eq!(rule(&case(json!({}))), "");
    let column_share =
        json!([{"to": "organization", "column": "rank", "read": true, "update": true}]);
    assert_eq!(rule(&case(json!({"column_shares": column_share}))), "");
    assert_eq!(rule(&case(json!({"shares": []}))), "malformed");
    assert_eq!(rule(&case(json!({"owner": "user:bea"}))), "malformed");
    assert_eq!(rule(&case(json!({"business_unit": "north"}))), "malformed");
}

#[test]
fn what_is_no_json_is_malformed() {
    let good = base("read").to_string();
    let twice = good.replacen("\"op\"", "\"user\":\"admin\",\"op\"", 1);
    let null = good.replacen("\"owner\":\"user:bea\"", "\"owner\":null", 1);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for line in [
        "",
        "   ",
        "{",
        "null",
        "[]",
        "7",
        "\"x\"",
        "{} {}",
        "{}",
        &twice,
        &null,
        &deep,
        &format!("{good},"),
        &good.replace('"', "'"),
        &format!("\u{feff}{good}"),
    ] {
        assert_eq!(rule(line), "malformed", "{line:.80}");
    }
    let mut judge = judge_of(&policy());
    let mut bytes = good.clone().into_bytes();
    assert!(judge.answer(&bytes).rule().is_none());
    let quote = bytes.iter().position(|byte| *byte == b'b').unwrap();
    bytes[quote] = 0xff;
    assert_eq!(judge.answer(&bytes).rule(), Some(tidegate::model::Rule::Malformed));
    // Escapes and white space are part of JSON.
    assert_eq!(
        rule(&good.replace("bea", "b\\u0065a").replace(':', " :\t").replace("user :\tb", "user:b")),
        ""
    );
}
