//! Policy and schema documents: what is read, and what each mistake is answered with.

use serde_json::{Value, json};
use tidegate::model::{ColumnType, Depth, HierarchyModel, Inheritance, Ownership, Right};
use tidegate::policy::{
    DocumentError, Format, policy_digest, read_policy, read_policy_as, read_schema, read_schema_as,
    schema_digest,
};

use crate::twins::policy;

/// The example of the specification, made whole.
const POLICY: &str = r#"[[business_unit]]
id = "root"
[[business_unit]]
id = "north"
parent = "root"
[[position]]
id = "lead"
[[position]]
id = "rep"
parent = "lead"
[[user]]
id = "bob"
business_unit = "root"
[[user]]
id = "alice"
business_unit = "north"
manager = "bob"
position = "rep"
roles = ["technician"]
disabled = false
[[team]]
id = "crew-7"
kind = "owner"
business_unit = "north"
members = ["alice"]
roles = ["crew"]
[[team]]
id = "friends"
kind = "access"
members = ["alice"]
[[role]]
id = "technician"
inheritance = "direct"
[role.rights.work_order]
create = "user"
read = "business_unit"
[[role]]
id = "crew"
inheritance = "team_only"
[[column_security]]
id = "payroll"
users = ["bob"]
teams = ["crew-7"]
[column_security.columns."work_order.cost"]
read = true
create = false
update = true
[[table]]
id = "work_order"
ownership = "user_owned"
secured = ["cost"]
lookups = { customer = "customer" }
[[table]]
id = "customer"
ownership = "organization_owned"
[hierarchy]
model = "manager"
depth = 3
exclude = ["customer"]
"#;

#[test]
fn the_example_of_the_specification_is_read() {
    let document = read_policy(POLICY, "policy.toml", None, None).unwrap();
    let role = &document.policy.roles["technician"];
    assert_eq!(role.inheritance, Inheritance::Direct);
    let table = "work_order".parse().unwrap();
    assert_eq!(role.depth(&table, Right::Read), Depth::BusinessUnit);
    assert_eq!(role.depth(&table, Right::Write), Depth::None);
    assert_eq!(document.policy.roles["crew"].inheritance, Inheritance::TeamOnly);
    assert_eq!(document.policy.hierarchy.model, HierarchyModel::Manager);
    assert_eq!(document.policy.hierarchy.depth, 3);
    assert!(document.policy.column_security["payroll"].columns["work_order"]["cost"].update);
    let organization = document.organization.unwrap();
    assert_eq!(organization.users["alice"].manager, Some("bob".parse().unwrap()));
    assert!(organization.teams["friends"].business_unit().is_none());
    assert_eq!(document.tables["work_order"].ownership, Ownership::UserOwned);
    assert_eq!(document.tables["work_order"].lookups["customer"].as_str(), "customer");
}

#[test]
fn users_teams_and_units_may_be_called_something() {
    let mut named = POLICY.to_owned();
    for (id, name) in [("root", "Acme"), ("bob", "Bob Brown"), ("friends", "The friends")] {
        let key = format!("id = \"{id}\"");
        named = named.replacen(&key, &format!("{key}\nname = \"{name}\""), 1);
    }
    let people = read_policy(&named, "policy.toml", None, None).unwrap().organization.unwrap();
    let called = [
        people.business_units["root"].name.as_ref(),
        people.users["bob"].name.as_ref(),
        people.teams["friends"].name.as_ref(),
    ];
    assert_eq!(called.map(|it| it.unwrap().as_str()), ["Acme", "Bob Brown", "The friends"]);
    assert_eq!(people.users["alice"].name, None);
    let nameless = named.replacen("\"Bob Brown\"", "\"\"", 1);
    let error = read_policy(&nameless, "policy.toml", None, None).unwrap_err().to_string();
    assert!(error.contains("`name`") && error.contains("empty"), "{error}");
}

#[test]
fn toml_and_json_of_one_shape_are_one_policy() {
    let tree: toml::Value = toml::from_str(POLICY).unwrap();
    let json = serde_json::to_string(&tree).unwrap();
    let from_json = read_policy(&json, "policy.json", None, None).unwrap();
    let from_toml = read_policy(POLICY, "policy.toml", None, None).unwrap();
    assert_eq!(from_json, from_toml);
    assert_eq!(policy_digest(&from_json.policy), policy_digest(&from_toml.policy));
    let other = POLICY.replace("depth = 3", "depth = 4");
    let other = read_policy(&other, "policy.toml", None, None).unwrap();
    assert_ne!(policy_digest(&other.policy), policy_digest(&from_toml.policy));
}

/// (what is replaced, by what, the line of the error, what the message says)
const MISTAKES: [(&str, &str, u64, &[&str]); 44] = [
    ("id = \"bob\"", "id = \"bob\"\nnickname = \"b\"", 13, &["unknown key `nickname`", "manager"]),
    ("[hierarchy]", "[hierachy]", 56, &["unknown key `hierachy`", "hierarchy"]),
    (
        "parent = \"root\"",
        "parent = \"rot\"",
        5,
        &["`north`", "`parent`", "no business unit `rot`"],
    ),
    ("parent = \"root\"\n", "", 2, &["`root`", "`parent`", "second root beside `north`"]),
    (
        "id = \"root\"",
        "id = \"root\"\nparent = \"north\"",
        6,
        &["`parent`", "north > root > north"],
    ),
    (
        "id = \"north\"",
        "id = \"root\"",
        4,
        &["business unit `root`", "second time", "policy.toml:2"],
    ),
    ("id = \"lead\"", "id = \"lead\"\nparent = \"rep\"", 8, &["position", "`parent`", "cycle"]),
    ("parent = \"lead\"", "parent = \"boss\"", 10, &["`rep`", "`parent`", "no position `boss`"]),
    ("id = \"bob\"", "id = \"alice\"", 15, &["user `alice`", "second time", "policy.toml:12"]),
    (
        "business_unit = \"root\"",
        "business_unit = \"west\"",
        13,
        &["`bob`", "business unit `west`"],
    ),
    ("business_unit = \"root\"\n", "", 11, &["`business_unit` is missing"]),
    ("manager = \"bob\"", "manager = \"rob\"", 17, &["`alice`", "`manager`", "no user `rob`"]),
    ("manager = \"bob\"", "manager = \"alice\"", 17, &["`manager`", "cycle", "alice > alice"]),
    ("position = \"rep\"", "position = \"ceo\"", 18, &["`position`", "no position `ceo`"]),
    (
        "roles = [\"technician\"]",
        "roles = [\"boss\"]",
        19,
        &["`alice`", "`roles`", "no role `boss`"],
    ),
    ("disabled = false", "disabled = \"no\"", 20, &["`disabled` must be true or false", "text"]),
    ("members = [\"alice\"]", "members = [\"al\"]", 25, &["`crew-7`", "`members`", "no user `al`"]),
    ("members = [\"alice\"]", "members = \"alice\"", 25, &["`members` must be a list of texts"]),
    ("members = [\"alice\"]", "members = [7]", 25, &["`members` must be a text", "an integer"]),
    ("roles = [\"crew\"]", "roles = [\"crow\"]", 26, &["`crew-7`", "`roles`", "no role `crow`"]),
    ("kind = \"owner\"", "kind = \"squad\"", 23, &["`kind` cannot be `squad`", "owner, access"]),
    ("kind = \"owner\"\n", "", 21, &["`kind` is missing"]),
    ("kind = \"access\"", "kind = \"access\"\nroles = [\"crew\"]", 30, &["`roles`", "access team"]),
    ("kind = \"access\"", "kind = \"access\"\nbusiness_unit = \"north\"", 30, &["access team"]),
    ("kind = \"access\"", "kind = \"owner\"", 27, &["`business_unit` is missing"]),
    ("id = \"friends\"", "id = \"crew-7\"", 28, &["team `crew-7`", "second time"]),
    (
        "id = \"crew\"",
        "id = \"system_administrator\"",
        38,
        &["system_administrator", "predeclared"],
    ),
    ("id = \"crew\"", "id = \"technician\"", 38, &["role `technician`", "second time"]),
    ("create = \"user\"", "make = \"user\"", 35, &["unknown key `make`", "append_to"]),
    ("create = \"user\"", "create = \"mine\"", 35, &["`create` cannot be `mine`", "parent_child"]),
    ("rights.work_order", "rights.work", 34, &["role `technician`", "no table `work`"]),
    ("\"team_only\"", "\"teams\"", 39, &["`inheritance` cannot be `teams`", "team_only"]),
    ("users = [\"bob\"]", "users = [\"rob\"]", 42, &["column security `payroll`", "no user `rob`"]),
    ("teams = [\"crew-7\"]", "teams = [\"crew-8\"]", 43, &["`teams`", "no team `crew-8`"]),
    ("work_order.cost", "work_order.price", 44, &["`work_order.price` is not secured"]),
    ("work_order.cost", "order.cost", 44, &["no table `order`"]),
    ("work_order.cost", "cost", 44, &["TABLE.COLUMN"]),
    ("update = true", "write = true", 47, &["unknown key `write`", "read, create, update"]),
    ("\"user_owned\"", "\"owned\"", 50, &["`ownership` cannot be `owned`", "user_owned"]),
    ("customer = \"customer\"", "customer = \"client\"", 52, &["`lookups.customer`", "`client`"]),
    (
        "secured = [\"cost\"]",
        "secured = [\"cost\", \"customer\"]",
        51,
        &["`customer` cannot be secured"],
    ),
    ("depth = 3\n", "", 56, &["`depth` is missing"]),
    ("depth = 3", "depth = 0", 58, &["`depth` cannot be `0`"]),
    ("exclude = [\"customer\"]", "exclude = [\"audit\"]", 59, &["hierarchy: `exclude`", "`audit`"]),
];

/// Checks that each replacement in `text` is answered with its line and all parts of its message.
fn check_mistakes<T>(
    text: &str,
    file: &str,
    mistakes: &[(&str, &str, u64, &[&str])],
    read: impl Fn(&str) -> Result<T, DocumentError>,
) {
    let mut wrong = Vec::new();
    for (old, new, line, parts) in mistakes {
        assert!(text.contains(old), "{old}");
        let Err(error) = read(&text.replacen(old, new, 1)) else {
            wrong.push(format!("{new}: no error"));
            continue;
        };
        let (error, place) = (error.to_string(), format!("{file}:{line}: "));
        if !error.starts_with(&place) || !parts.iter().all(|part| error.contains(part)) {
            wrong.push(format!("{new}: expected {place}{parts:?}, found: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_mistake_in_a_policy_names_file_line_and_key() {
    check_mistakes(POLICY, "policy.toml", &MISTAKES, |text| {
        read_policy(text, "policy.toml", None, None)
    });
}

#[test]
fn what_is_no_toml_names_its_line() {
    let broken = POLICY.replacen("[[position]]", "[[position]", 1);
    let error = read_policy(&broken, "p.toml", None, None).unwrap_err().to_string();
    assert!(error.starts_with("p.toml:6: "), "{error}");
    let twice = POLICY.replacen("depth = 3", "depth = 3\ndepth = 4", 1);
    let error = read_policy(&twice, "p.toml", None, None).unwrap_err().to_string();
    assert!(error.starts_with("p.toml:59: ") && error.contains("duplicate"), "{error}");
}

#[test]
fn each_mistake_in_json_names_its_path() {
    let mistake = |change: &dyn Fn(&mut Value)| {
        let mut policy = policy();
        change(&mut policy);
        let text = policy.to_string();
        read_policy(&text, "policy.json", None, None).unwrap_err().to_string()
    };
    let rows: [(&str, String); 6] = [
        ("policy.json: user[1].manager: ", mistake(&|it| it["user"][1]["manager"] = json!("zoe"))),
        (
            "policy.json: role[0].rights.order.reed: ",
            mistake(&|it| it["role"][0]["rights"]["order"]["reed"] = json!("user")),
        ),
        (
            "policy.json: role[0].rights.order.read: ",
            mistake(&|it| it["role"][0]["rights"]["order"]["read"] = json!("all")),
        ),
        ("policy.json: team[0]: ", mistake(&|it| it["team"][0] = json!({"kind": "owner"}))),
        (
            "policy.json: column_security[1].columns.order.born: ",
            mistake(&|it| it["table"][0]["secured"] = json!(["cost"])),
        ),
        ("policy.json: hierarchy.depth: ", mistake(&|it| it["hierarchy"]["depth"] = json!(1.5))),
    ];
    for (place, error) in rows {
        assert!(error.starts_with(place), "expected {place}, found: {error}");
    }
    let twice = r#"{"role": [], "role": []}"#;
    let error = read_policy(twice, "p.json", None, None).unwrap_err().to_string();
    assert!(error.starts_with("p.json:1: ") && error.contains("`role` comes twice"), "{error}");
    let error = read_policy_as(Format::Json, "[]", "p", None, None).unwrap_err().to_string();
    assert!(error.contains("must be a table of keys"), "{error}");
    let deep = "[".repeat(100_000);
    assert!(read_policy_as(Format::Json, &deep, "p", None, None).is_err());
    let deep = format!("a = {deep}");
    assert!(read_policy_as(Format::Toml, &deep, "p", None, None).is_err());
}

#[test]
fn a_null_in_json_is_as_good_as_an_absent_key() {
    let given = policy();
    let mut nulls = given.clone();
    nulls["business_unit"][0]["parent"] = Value::Null;
    nulls["user"][0]["position"] = Value::Null;
    nulls["role"][0]["rights"]["country"] = Value::Null;
    let read = |policy: &Value| read_policy(&policy.to_string(), "p.json", None, None);
    assert_eq!(read(&nulls).unwrap(), read(&given).unwrap());
    nulls["user"][0]["business_unit"] = Value::Null;
    let error = read(&nulls).unwrap_err().to_string();
    assert_eq!(error, "p.json: user[0]: `business_unit` is missing");
    nulls["user"][0]["members"] = Value::Null;
    assert!(read(&nulls).is_err());
}

#[test]
fn an_organization_may_be_kept_elsewhere_but_not_twice() {
    let whole = read_policy(POLICY, "policy.toml", None, None).unwrap();
    let (_, proper) = POLICY.split_once("[[role]]").unwrap();
    let proper = format!("[[role]]{proper}");
    let alone = read_policy(&proper, "policy.toml", None, None).unwrap();
    assert_eq!(alone.organization, None);
    assert_eq!(alone.policy, whole.policy);
    let organization = whole.organization.unwrap();
    assert!(read_policy(&proper, "policy.toml", None, Some(&organization)).is_ok());
    let mut without_bob = organization.clone();
    without_bob.users.remove("bob");
    let error = read_policy(&proper, "policy.toml", None, Some(&without_bob)).unwrap_err();
    assert!(error.to_string().contains("no user `bob`"), "{error}");
    let error = read_policy(POLICY, "policy.toml", None, Some(&organization)).unwrap_err();
    assert!(error.to_string().contains("kept elsewhere"), "{error}");
}

const SCHEMA: &str = r#"[[table]]
id = "work_order"
ownership = "user_owned"
key = ["number"]
columns = [
  { id = "number", type = "integer", required = true },
  { id = "status", type = "choice", choices = ["open", "done"] },
  { id = "customer", type = "lookup", table = "customer" },
  { id = "cost", type = "decimal", secured = true },
]
[[table]]
id = "customer"
ownership = "organization_owned"
[[table.columns]]
id = "name"
type = "text"
[[view]]
id = "open"
table = "work_order"
columns = [
  "number",
  "customer.name as customer",
]
filter = "status = 'open' and cost > $least"
order = "number desc"
[[system_table]]
id = "user"
secured = ["position"]
[[system_table]]
id = "team"
"#;

#[test]
fn a_schema_is_read_and_gives_the_gate_its_facts() {
    let schema = read_schema(SCHEMA, "schema.toml").unwrap();
    let view = schema.view("open").unwrap();
    assert_eq!(view.columns, ["number", "customer.name as customer"]);
    assert_eq!(view.order.as_deref(), Some("number desc"));
    let user = schema.table("user").unwrap();
    assert!(user.is_system() && user.column("position").unwrap().secured);
    assert!(schema.table("business_unit").is_none());
    let table = schema.table("work_order").unwrap();
    assert_eq!(table.key[0].as_str(), "number");
    assert_eq!(table.column("status").unwrap().choices, ["open", "done"]);
    assert_eq!(table.column("cost").unwrap().column_type, ColumnType::Decimal);
    let facts = &schema.facts()["work_order"];
    assert!(facts.secured.contains("cost") && facts.secured.len() == 1);
    assert_eq!(facts.lookups["customer"].as_str(), "customer");
    let tree: toml::Value = toml::from_str(SCHEMA).unwrap();
    let json = serde_json::to_string(&tree).unwrap();
    let from_json = read_schema_as(Format::Json, &json, "schema").unwrap();
    assert_eq!(schema_digest(&from_json), schema_digest(&schema));
    // The schema's tables stand in for the policy's.
    let (policy, _) = POLICY.split_once("[[table]]").unwrap();
    let document = read_policy(policy, "policy.toml", Some(&schema), None).unwrap();
    assert_eq!(document.tables, schema.facts());
}

const SCHEMA_MISTAKES: [(&str, &str, u64, &[&str]); 39] = [
    (
        "id = \"customer\"\nowner",
        "id = \"work_order\"\nowner",
        12,
        &["table `work_order`", "second"],
    ),
    ("\"user_owned\"", "\"mine\"", 3, &["`ownership` cannot be `mine`"]),
    ("ownership = \"user_owned\"\n", "", 1, &["`ownership` is missing"]),
    ("key = [\"number\"]", "keys = [\"number\"]", 4, &["unknown key `keys`"]),
    ("key = [\"number\"]", "key = [\"nummer\"]", 4, &["`key`", "no column `nummer`"]),
    ("key = [\"number\"]", "key = [\"status\"]", 4, &["`status` is not required"]),
    ("key = [\"number\"]", "key = [\"number\", \"number\"]", 4, &["`number` comes twice"]),
    (", required = true", ", required = true, secured = true", 4, &["`number` is secured"]),
    (", required = true", ", required = true, group = \"g\"", 4, &["`number` is in a group"]),
    ("secured = true", "secured = true, group = \"g\"", 9, &["secured column", "not in a group"]),
    ("\"integer\", required", "\"float\", required", 4, &["`number` is a lookup, a float"]),
    ("\"integer\"", "\"int\"", 6, &["`type` cannot be `int`", "integer"]),
    ("id = \"status\"", "id = \"number\"", 7, &["column `number`", "second time"]),
    ("id = \"status\"", "id = \"owner\"", 7, &["column `owner`", "choose another name"]),
    (", choices = [\"open\", \"done\"]", "", 7, &["`choices` is missing"]),
    ("[\"open\", \"done\"]", "[\"open\", \"open\"]", 7, &["`choices`", "`open` comes twice"]),
    ("[\"open\", \"done\"]", "[]", 7, &["`choices`", "at least one"]),
    ("\"decimal\"", "\"decimal\", choices = [\"a\"]", 9, &["only a column of type `choice`"]),
    ("\"decimal\"", "\"decimal\", table = \"customer\"", 9, &["only a column of type `lookup`"]),
    ("table = \"customer\"", "table = \"client\"", 8, &["column `customer`", "no table `client`"]),
    ("table = \"customer\"", "table = \"customer\", secured = true", 8, &["cannot be secured"]),
    ("table = \"work_order\"", "table = \"order\"", 19, &["view `open`", "no table `order`"]),
    ("table = \"work_order\"\n", "", 17, &["`table` is missing"]),
    (
        "columns = [\n  \"number\"",
        "columns = []\nother = [\n  \"number\"",
        21,
        &["unknown key `other`", "id, table, columns, filter, order"],
    ),
    (
        "customer.name",
        "customer.nam",
        22,
        &["view `open`: `columns`", "table `customer` has no column `nam`"],
    ),
    ("customer.name", "status.name", 22, &["`status` of table `work_order` looks nothing up"]),
    ("as customer", "as number", 22, &["`number` is shown twice"]),
    ("customer.name as customer", "5", 22, &["view `open`", "`5` is no part of filters"]),
    ("\"customer.name as customer\"", "5", 22, &["`columns`", "a text"]),
    ("\"customer.name as", "\"business_unit.name as", 22, &["system table `business_unit`"]),
    ("id = \"customer\"\nowner", "id = \"team\"\nowner", 12, &["table `team`", "[[system_table]]"]),
    ("id = \"team\"", "id = \"teams\"", 30, &["cannot be `teams`", "user, team, business_unit"]),
    ("id = \"team\"", "id = \"user\"", 30, &["table `user`", "second time"]),
    ("[\"position\"]", "[\"manager\"]", 28, &["table `user`", "`manager` cannot be secured"]),
    ("[\"position\"]", "[\"key\"]", 28, &["`key` cannot be secured"]),
    ("[\"position\"]", "[\"pay\"]", 28, &["there is no column `pay`"]),
    ("'open'", "'opne'", 24, &["view `open`: `filter`", "column 10: `opne` is not a choice"]),
    ("number desc", "numbr desc", 25, &["view `open`: `order`", "no column `numbr`"]),
    (
        "filter = ",
        "[[view]]\nid = \"open\"\ntable = \"customer\"\ncolumns = [\"name\"]\nfilter = ",
        25,
        &["view `open`", "second time"],
    ),
];

#[test]
fn each_mistake_in_a_schema_names_file_line_and_key() {
    check_mistakes(SCHEMA, "schema.toml", &SCHEMA_MISTAKES, |text| {
        read_schema(text, "schema.toml")
    });
}

#[test]
fn documents_are_bounded() {
    use tidegate::limits::{
        COLUMNS_MAX, DOCUMENT_BYTES_MAX, TABLES_MAX, VIEW_COLUMNS_MAX, VIEWS_MAX,
    };
    let padded = |bytes: usize| format!("{SCHEMA}#{}", "x".repeat(bytes - SCHEMA.len() - 1));
    assert!(read_schema(&padded(DOCUMENT_BYTES_MAX), "s").is_ok());
    let error = read_schema(&padded(DOCUMENT_BYTES_MAX + 1), "s").unwrap_err();
    assert!(error.to_string().contains("at most 16777216"), "{error}");
    let columns = |count: usize| {
        let columns: Vec<Value> =
            (0..count).map(|n| json!({"id": format!("c{n}"), "type": "text"})).collect();
        json!({"table": [{"id": "t", "ownership": "user_owned", "columns": columns}]}).to_string()
    };
    assert!(read_schema(&columns(COLUMNS_MAX), "s.json").is_ok());
    let error = read_schema(&columns(COLUMNS_MAX + 1), "s.json").unwrap_err();
    assert!(error.to_string().contains("at most 1000"), "{error}");
    let tables = |count: usize| {
        let tables: Vec<Value> =
            (0..count).map(|n| json!({"id": format!("t{n}"), "ownership": "user_owned"})).collect();
        json!({"table": tables}).to_string()
    };
    assert!(read_schema(&tables(TABLES_MAX), "s.json").is_ok());
    assert!(read_schema(&tables(TABLES_MAX + 1), "s.json").is_err());
    let views = |views: usize, columns: usize| {
        let columns: Vec<_> = (0..columns).map(|n| format!("id as c{n}")).collect();
        let view = |n| json!({"id": format!("v{n}"), "table": "t", "columns": columns});
        let views: Vec<Value> = (0..views).map(view).collect();
        let table = json!({"id": "t", "ownership": "user_owned"});
        read_schema(&json!({"table": [table], "view": views}).to_string(), "s.json")
    };
    assert_eq!(views(VIEWS_MAX, 1).unwrap().views.len(), VIEWS_MAX);
    assert!(views(VIEWS_MAX + 1, 1).unwrap_err().to_string().contains("at most 1000"));
    assert!(views(1, 0).unwrap_err().to_string().contains("at least one column"));
    assert!(views(1, VIEW_COLUMNS_MAX).is_ok());
    assert!(views(1, VIEW_COLUMNS_MAX + 1).unwrap_err().to_string().contains("at most 256"));
}
