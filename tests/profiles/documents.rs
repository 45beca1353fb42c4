//! Documents of profiles: what is read, and what each mistake is answered with.

use std::sync::Arc;

use serde_json::json;
use tidegate::limits::{PROFILE_AUDIENCES_MAX, PROFILE_RELATED_MAX, PROFILES_MAX};
use tidegate::model::{Audience, Match, Profiles, RowRule, Schema};
use tidegate::policy::{
    DocumentError, Format, PolicyDocument, read_policy, read_profiles, read_profiles_as,
};
use tidegate::scope::CheckedProfile;

const SCHEMA: &str = r#"
[[table]]
id = "customer"
ownership = "user_owned"
columns = [
  { id = "status", type = "text" },
  { id = "remarks", type = "text", group = "remarks" },
  { id = "parent", type = "lookup", table = "customer" },
]
[[table]]
id = "work_order"
ownership = "user_owned"
columns = [
  { id = "status", type = "text" },
  { id = "customer", type = "lookup", table = "customer" },
]
[[table]]
id = "product"
ownership = "organization_owned"
columns = [{ id = "name", type = "text" }]
[[system_table]]
id = "user"
[[view]]
id = "orders"
table = "work_order"
columns = ["status"]
"#;

const PROFILES: &str = r#"[[profile]]
id = "sales"
app = "field"
for = ["role:seller", "team:pilot", "user:ann"]
budget = 200_000_000
depth = 2
views = ["orders"]
[[profile.table]]
id = "customer"
rows = ["mine", "my_teams"]
filter = "status <> 'closed'"
related = ["work_order.customer", "parent"]
match = "any"
groups = ["remarks"]
interval = 5
priority = 1
needs = ["user"]
[[profile.table]]
id = "work_order"
rows = ["my_business_units"]
related = ["customer"]
match = "all"
[[profile.table]]
id = "user"
related = ["work_order.owner"]
[[profile]]
id = "rest"
for = ["organization"]
[[profile.table]]
id = "product"
rows = ["all"]
groups = []
"#;

const RULES: &str = r#"
[[business_unit]]
id = "north"
[[user]]
id = "ann"
business_unit = "north"
[[team]]
id = "pilot"
kind = "access"
[[role]]
id = "seller"
"#;

pub(crate) fn schema() -> Arc<Schema> {
    Arc::new(tidegate::read_schema(SCHEMA, "schema.toml").unwrap())
}

fn rules() -> PolicyDocument {
    read_policy(RULES, "policy.toml", Some(&schema()), None).unwrap()
}

fn read(text: &str) -> Result<Profiles, DocumentError> {
    let rules = rules();
    let (policy, organization) = (Some(&rules.policy), rules.organization.as_ref());
    read_profiles(text, "profiles.toml", &schema(), policy, organization)
}

#[test]
fn a_document_says_what_it_says() {
    let profiles = read(PROFILES).unwrap();
    let [sales, rest] = &profiles.list[..] else { panic!("{profiles:?}") };
    assert_eq!((sales.id.as_str(), sales.app.as_ref().unwrap().as_str()), ("sales", "field"));
    let audiences: Vec<_> = sales.audiences.iter().map(ToString::to_string).collect();
    assert_eq!(audiences, ["role:seller", "team:pilot", "user:ann"]);
    assert_eq!((sales.budget, sales.depth), (Some(200_000_000), 2));
    let customer = sales.table(&"customer".parse().unwrap()).unwrap();
    assert_eq!(customer.rows, [RowRule::Mine, RowRule::MyTeams].into());
    assert_eq!(customer.filter.as_deref(), Some("status <> 'closed'"));
    assert_eq!(customer.related, ["work_order.customer", "parent"]);
    assert_eq!((customer.matching, customer.interval), (Some(Match::Any), Some(5)));
    assert_eq!(customer.groups, Some(["remarks".parse().unwrap()].into()));
    assert_eq!((customer.priority, customer.needs.len()), (1, 1));
    assert_eq!((&rest.audiences[..], &rest.app), (&[Audience::Organization][..], &None));
    assert_eq!((rest.budget, rest.depth, &rest.views), (None, 3, &None));
    let product = &rest.tables[0];
    assert_eq!((product.interval, product.priority, product.matching), (None, 100, None));
    assert!(product.groups.as_ref().is_some_and(std::collections::BTreeSet::is_empty));
}

#[test]
fn json_of_the_same_shape_says_the_same() {
    let text = json!({ "profile": [
        { "id": "rest", "for": ["organization"], "budget": null, "table": [
            { "id": "product", "rows": ["all"], "groups": [] },
        ] },
    ] });
    let json = read_profiles(&text.to_string(), "profiles.json", &schema(), None, None).unwrap();
    let toml = read(PROFILES).unwrap();
    assert_eq!(json.list[0], toml.list[1]);
    let wrong = text.to_string().replace("product", "prodct");
    let error = read_profiles_as(Format::Json, &wrong, "x", &schema(), None, None).unwrap_err();
    assert!(error.to_string().starts_with("x: profile[0].table[0].id: profile `rest`"), "{error}");
}

/// The document with one thing otherwise is refused, at this line, with these words.
#[track_caller]
fn refused(from: &str, to: &str, line: u64, told: &[&str]) {
    assert_eq!(PROFILES.matches(from).count(), 1, "{from}");
    let error = read(&PROFILES.replace(from, to)).unwrap_err().to_string();
    assert!(error.starts_with(&format!("profiles.toml:{line}: ")), "{error}");
    for told in told {
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn what_a_profile_names_is_there() {
    let of_sales = "profile `sales`: `table.customer";
    refused("id = \"product\"", "id = \"prodct\"", 30, &["profile `rest`", "no table `prodct`"]);
    refused("[\"user\"]", "[\"people\"]", 17, &[of_sales, "no table `people`"]);
    refused("[\"orders\"]", "[\"ordrs\"]", 7, &["`views`: there is no view `ordrs`"]);
    refused("[\"remarks\"]", "[\"notes\"]", 14, &[of_sales, "`notes` here; there are: remarks"]);
    refused("\"parent\"]", "\"parnt\"]", 12, &[".related`", "`parnt` is no lookup"]);
    refused("\"parent\"]", "\"status\"]", 12, &["`status` is no lookup"]);
    refused("\"parent\"]", "\"work_order.status\"]", 12, &["is no lookup"]);
    refused("\"parent\"]", "\"business_unit\"]", 12, &["is no lookup"]);
    refused("role:seller", "role:sellr", 4, &["profile `sales`: `for`", "no role `sellr`"]);
    refused("team:pilot", "team:pilots", 4, &["no team `pilots`"]);
    refused("user:ann", "user:anne", 4, &["no user `anne`"]);
    refused("user:ann", "ann", 4, &["expected role:ID, team:ID, user:ID or organization"]);
    // The role that is always there, and everyone, are.
    read(&PROFILES.replace("role:seller", "role:system_administrator")).unwrap();
    // Without a policy nobody knows who there is.
    let strange = PROFILES.replace("role:seller", "role:sellr").replace("user:ann", "user:anne");
    read_profiles(&strange, "profiles.toml", &schema(), None, None).unwrap();
}

#[test]
fn a_relationship_leads_from_a_table_that_is_taken_to_its_own() {
    refused("\"work_order.customer\"", "\"customer.parent\", \"customer.status\"", 12, &["lookup"]);
    read(&PROFILES.replace("\"work_order.customer\"", "\"customer.parent\"")).unwrap();
    refused(
        "[\"customer\"]",
        "[\"work_order.customer\"]",
        21,
        &["`work_order.customer` looks up `customer`, and not this table: say `customer`"],
    );
    refused("[\"work_order.owner\"]", "[\"work_order.customer\"]", 25, &["not this table"]);
    let alone =
        PROFILES.replace("[[profile.table]]\nid = \"user\"", "[[profile.table]]\nid = \"product\"");
    let error = read(&alone).unwrap_err().to_string();
    assert!(error.contains(":25: ") && error.contains("looks up `user`"), "{error}");
    let without = PROFILES.replace("\"work_order.customer\", ", "").replace(
        "id = \"work_order\"\nrows = [\"my_business_units\"]\nrelated = [\"customer\"]\nmatch = \"all\"",
        "id = \"product\"\nrows = [\"all\"]",
    );
    let error = read(&without).unwrap_err().to_string();
    assert!(error.contains("`work_order.owner` leads from `work_order`, of which"), "{error}");
}

#[test]
fn how_rows_and_relationships_go_together_is_said_where_both_are() {
    refused("match = \"any\"\n", "", 8, &["`table.customer.match`", "any", "all"]);
    refused("match = \"any\"", "match = \"both\"", 13, &["cannot be `both`; it can be: any, all"]);
    refused("related = [\"customer\"]\n", "", 21, &["one of them is not there"]);
    refused("rows = [\"my_business_units\"]\n", "", 21, &["one of them is not there"]);
    refused("rows = [\"mine\", \"my_teams\"]\n", "", 10, &["give these too"]);
    refused("rows = [\"all\"]", "rows = [\"mine\"]", 31, &["belong to nobody: they can be `all`"]);
    refused("rows = [\"all\"]", "rows = [\"yours\"]", 31, &["my_business_units"]);
}

#[test]
fn filters_fit_their_tables_and_leave_nothing_open() {
    refused(
        "status <> 'closed'",
        "stat <> 'closed'",
        11,
        &["line 1, column 1", "no column `stat`"],
    );
    refused("status <> 'closed'", "status <>", 11, &["expected an expression"]);
    refused("status <> 'closed'", "status = $wanted", 11, &["`$wanted`", "nobody binds"]);
    read(&PROFILES.replace("status <> 'closed'", "owner in my_reports()")).unwrap();
}

#[test]
fn numbers_and_counts_have_bounds() {
    refused("depth = 2", "depth = 9", 6, &["cannot be `9`; it can be: 0 to 8"]);
    refused("depth = 2", "depth = -1", 6, &["0 to 8"]);
    refused("interval = 5", "interval = 0", 15, &["1 to 1440"]);
    refused("interval = 5", "interval = 1441", 15, &["1 to 1440"]);
    refused("priority = 1", "priority = 1_000_001", 16, &["0 to 1000000"]);
    refused("200_000_000", "0", 5, &["a number of bytes from 1 on"]);
    for (from, to) in [("depth = 2", "depth = 8"), ("depth = 2", "depth = 0")] {
        read(&PROFILES.replace(from, to)).unwrap();
    }
    read(&PROFILES.replace("interval = 5", "interval = 1440")).unwrap();
    let many = |count: usize, text: &str| vec![format!("\"{text}\""); count].join(", ");
    let related = |count| PROFILES.replace("\"parent\"]", &format!("{}]", many(count, "parent")));
    read(&related(PROFILE_RELATED_MAX - 1)).unwrap();
    let error = read(&related(PROFILE_RELATED_MAX)).unwrap_err().to_string();
    assert!(error.contains(":12: ") && error.contains("33, at most 32"), "{error}");
    let people = |count| PROFILES.replace("\"user:ann\"", &many(count, "user:ann"));
    read(&people(PROFILE_AUDIENCES_MAX - 2)).unwrap();
    let error = read(&people(PROFILE_AUDIENCES_MAX - 1)).unwrap_err().to_string();
    assert!(error.contains(":4: ") && error.contains("at most 1000"), "{error}");
    let profile = |at| {
        format!(
            "[[profile]]\nid = \"p{at}\"\nfor = [\"organization\"]\n[[profile.table]]\nid = \"product\"\n"
        )
    };
    let profiles = |count| (0..count).map(profile).collect::<String>();
    read(&profiles(PROFILES_MAX)).unwrap();
    let error = read(&profiles(PROFILES_MAX + 1)).unwrap_err().to_string();
    assert!(error.contains("1001 profiles, at most 1000"), "{error}");
}

#[test]
fn a_profile_is_for_someone_takes_something_and_has_a_name_of_its_own() {
    refused("for = [\"organization\"]\n", "", 26, &["`for` is missing"]);
    refused("[\"organization\"]", "[]", 28, &["it is for nobody"]);
    refused("id = \"rest\"", "id = \"sales\"", 27, &["profile `sales`", "second time", ":2"]);
    refused("id = \"user\"", "id = \"customer\"", 24, &["`table.customer.id`", "already"]);
    refused("budget", "bugdet", 5, &["unknown key `bugdet`", "budget"]);
    refused("interval", "every", 15, &["unknown key `every`", "interval"]);
    let empty = "[[profile]]\nid = \"p\"\nfor = [\"organization\"]\n";
    let error = read(empty).unwrap_err().to_string();
    assert!(error.contains(":1: `table` is missing"), "{error}");
    let error = read(&format!("{empty}table = []")).unwrap_err().to_string();
    assert!(error.contains(":4: profile `p`: `table`: it takes no table"), "{error}");
}

/// Tables like those of AdventureWorks, as far as the documents speak of them.
const SHOP: &str = r#"
[[table]]
id = "customer"
ownership = "user_owned"
columns = [
  { id = "store", type = "lookup", table = "store" },
  { id = "territory", type = "lookup", table = "territory" },
]
[[table]]
id = "store"
ownership = "organization_owned"
columns = [{ id = "name", type = "text" }]
[[table]]
id = "territory"
ownership = "organization_owned"
columns = [{ id = "name", type = "text" }]
[[table]]
id = "product"
ownership = "organization_owned"
columns = [{ id = "name", type = "text" }]
[[table]]
id = "vendor"
ownership = "organization_owned"
columns = [{ id = "name", type = "text" }]
[[table]]
id = "purchase_order"
ownership = "user_owned"
columns = [
  { id = "status", type = "text" },
  { id = "order_date", type = "timestamp" },
  { id = "vendor", type = "lookup", table = "vendor" },
]
[[table]]
id = "purchase_order_line"
ownership = "user_owned"
columns = [
  { id = "purchase_order", type = "lookup", table = "purchase_order" },
  { id = "product", type = "lookup", table = "product" },
]
[[system_table]]
id = "user"
"#;

#[test]
fn the_examples_of_the_documentation_are_profiles_that_lack_nothing() {
    let text = include_str!("../../docs/profiles.md");
    let (_, examples) = text.split_once("## Examples").unwrap();
    let examples = examples.split("```toml").skip(1).map(|it| it.split("```").next().unwrap());
    let examples = examples.collect::<String>();
    let schema = Arc::new(tidegate::read_schema(SHOP, "schema.toml").unwrap());
    let profiles = read_profiles(&examples, "profiles.toml", &schema, None, None).unwrap();
    assert_eq!(profiles.list.len(), 2);
    assert_eq!(profiles.list.iter().map(|it| it.tables.len()).sum::<usize>(), 9);
    for profile in &profiles.list {
        assert_eq!(CheckedProfile::new(&schema, profile).unwrap().lacks(), []);
    }
}
