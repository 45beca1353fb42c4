//! The organization from CSV, and the real one.

use std::path::PathBuf;
use std::sync::Arc;

use tidegate::gate::{CaseJudge, Roster, Standing};
use tidegate::model::{Organization, Policy};
use tidegate::policy::{CsvFile, PolicyDocument, read_organization_csv, read_policy};

const UNITS: &str = "id,name,parent\nroot,Root,\nnorth,North,root\n";
const USERS: &str = "login,title,business_unit,manager,roles\n\
    bob,Boss,root,,reads\nalice,\"Rep,\nfield\",north,bob,reads writes\neve,,north,alice,\n";

fn read(units: &str, users: &str, policy: Option<&Policy>) -> Result<Organization, String> {
    read_organization_csv(
        CsvFile { name: "business_unit.csv", bytes: units.as_bytes() },
        CsvFile { name: "user.csv", bytes: users.as_bytes() },
        policy,
    )
    .map_err(|error| error.to_string())
}

#[test]
fn an_organization_is_read_from_csv() {
    let organization = read(UNITS, USERS, None).unwrap();
    assert_eq!(organization.business_units.len(), 2);
    let alice = &organization.users["alice"];
    assert_eq!(alice.manager, Some("bob".parse().unwrap()));
    assert_eq!(alice.roles.len(), 2);
    assert!(organization.users["eve"].roles.is_empty());
    let disabled = USERS
        .replace("roles\n", "roles,disabled\n")
        .replace("reads\n", "reads,true\n")
        .replace("writes\n", "writes,false\n")
        .replace("alice,\n", "alice,,\n");
    let organization = read(UNITS, &disabled, None).unwrap();
    assert!(organization.users["bob"].disabled && !organization.users["alice"].disabled);
}

#[test]
fn each_mistake_in_csv_names_file_line_and_column() {
    let rows: [(&str, &str, &str, &[&str]); 13] = [
        ("id,name,parent", "id,name", "business_unit.csv:1: ", &["lacks the column `parent`"]),
        ("north,North", "north,North,x", "business_unit.csv:3: ", &["fields"]),
        (
            "north,North,root",
            "north,North,rot",
            "business_unit.csv:3: ",
            &["column `parent`", "no business unit `rot`"],
        ),
        (
            "north,North,root",
            "north,North,",
            "business_unit.csv:2: ",
            &["column `parent`", "second root beside `north`"],
        ),
        (
            "north,North,root",
            "root,North,root",
            "business_unit.csv:3: ",
            &["column `id`", "second time", "business_unit.csv:2"],
        ),
        ("north,North,root", ",North,root", "business_unit.csv:3: ", &["column `id`", "empty"]),
        ("login,title", "login,login", "user.csv:1: ", &["`login` twice"]),
        ("bob,Boss,root", "bob,Boss,west", "user.csv:2: ", &["column `business_unit`", "`west`"]),
        ("north,bob", "north,rob", "user.csv:3: ", &["column `manager`", "no user `rob`"]),
        ("root,,reads", "root,eve,reads", "user.csv:", &["column `manager`", "cycle"]),
        ("eve,,north", "bob,,north", "user.csv:5: ", &["column `login`", "second time"]),
        (
            "north,alice,\n",
            "north,alice,flies\n",
            "user.csv:5: ",
            &["column `roles`", "no role `flies`"],
        ),
        ("eve,,north", "e\u{7}ve,,north", "user.csv:5: ", &["column `login`", "control"]),
    ];
    let policy = "[[role]]\nid = \"reads\"\n[[role]]\nid = \"writes\"\n";
    let policy = read_policy(policy, "p.toml", None, None).unwrap().policy;
    assert!(read(UNITS, USERS, Some(&policy)).is_ok());
    for (text, replacement, place, parts) in rows {
        assert!(UNITS.contains(text) || USERS.contains(text), "{text}");
        let units = UNITS.replacen(text, replacement, 1);
        let users = USERS.replacen(text, replacement, 1);
        let error = read(&units, &users, Some(&policy)).unwrap_err();
        assert!(error.starts_with(place), "{replacement}: expected {place}, found: {error}");
        for part in parts {
            assert!(error.contains(part), "{replacement}: `{part}` is not in: {error}");
        }
    }
    let error = read("id,parent\n", USERS, None).unwrap_err();
    assert!(error.contains("no business unit"), "{error}");
    let error = read("", USERS, None).unwrap_err();
    assert!(error.contains("lacks the column `id`"), "{error}");
}

/// The directory of real records; `None`, with a word about it, where it is not there.
pub(crate) fn adventure_works() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let directory = root.join("../shared/data/adventureworks");
    if directory.is_dir() {
        return Some(directory);
    }
    println!("skipped: no shared data");
    None
}

pub(crate) fn adventure_works_document() -> Option<PolicyDocument> {
    let directory = adventure_works()?;
    let bytes = |name: &str| std::fs::read(directory.join(name)).unwrap();
    let text = String::from_utf8(bytes("policy.toml")).unwrap();
    let policy = read_policy(&text, "policy.toml", None, None).unwrap().policy;
    let organization = read_organization_csv(
        CsvFile { name: "business_unit.csv", bytes: &bytes("business_unit.csv") },
        CsvFile { name: "user.csv", bytes: &bytes("user.csv") },
        Some(&policy),
    )
    .unwrap();
    let document = read_policy(&text, "policy.toml", None, Some(&organization)).unwrap();
    Some(PolicyDocument { organization: Some(organization), ..document })
}

#[test]
fn real_people_and_their_real_answers() {
    let Some(document) = adventure_works_document() else { return };
    let organization = document.organization.unwrap();
    assert_eq!(organization.business_units.len(), 23);
    assert_eq!(organization.users.len(), 290);
    let called = organization.business_units["adventure-works"].name.as_ref().unwrap();
    assert_eq!(called.as_str(), "Adventure Works");
    let roster = Roster::new(Arc::new(document.policy), Arc::new(organization));
    let mut bytes_max = 0;
    for user in roster.organization().users.keys() {
        let standing = Standing::resolve(&roster, user).unwrap();
        let bytes = postcard::to_stdvec(&standing).unwrap();
        assert_eq!(postcard::from_bytes::<Standing>(&bytes).unwrap(), standing);
        bytes_max = bytes_max.max(bytes.len());
    }
    println!("largest standing: {bytes_max} bytes");
    assert!(bytes_max < 4_096, "a standing travels in a grant: {bytes_max} bytes");
    let mut judge = CaseJudge::new(roster, document.tables);
    let mut rule = |user: &str, op: &str, table: &str, owner: &str, unit: &str| {
        let record = format!(r#"{{"owner":"user:{owner}","business_unit":"{unit}"}}"#);
        let case =
            format!(r#"{{"user":"{user}","op":"{op}","table":"{table}","record":{record}}}"#);
        judge.answer(case.as_bytes()).rule().map_or("", tidegate::model::Rule::as_str)
    };
    // A salesperson, the manager, the manager's manager and the top: the chain has depth 2.
    assert_eq!(rule("david8", "write", "customer", "david8", "sales"), "");
    assert_eq!(rule("david8", "read", "customer", "pamela0", "sales"), "out_of_depth");
    assert_eq!(rule("david8", "delete", "customer", "david8", "sales"), "no_privilege");
    assert_eq!(rule("stephen0", "write", "customer", "david8", "sales"), "");
    assert_eq!(rule("ken0", "read", "customer", "david8", "sales"), "");
    assert_eq!(rule("ken0", "write", "customer", "david8", "sales"), "no_privilege");
    assert_eq!(rule("erin0", "write", "purchase_order", "erin0", "purchasing"), "");
    assert_eq!(rule("erin0", "write", "purchase_order", "eric2", "purchasing"), "out_of_depth");
    // The table is excluded from the hierarchy: nobody's manager reads the pay.
    assert_eq!(rule("stephen0", "read", "employee", "david8", "sales"), "out_of_depth");
    assert_eq!(rule("paula0", "read", "employee", "david8", "sales"), "");
    assert_eq!(rule("josé1", "read", "employee", "josé1", "production"), "");
    let mut column = |user: &str| {
        let case = format!(
            r#"{{"user":"{user}","op":"read_column","table":"employee","column":"pay_rate_usd_per_hour","record":{{"owner":"user:{user}","business_unit":"sales"}}}}"#
        );
        judge.answer(case.as_bytes()).rule().map_or("", tidegate::model::Rule::as_str)
    };
    assert_eq!(column("paula0"), "");
    assert_eq!(column("david8"), "no_column_permission");
}
