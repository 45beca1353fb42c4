//! What views, forms and filters go by that a profile leaves out.

use std::fmt::Write as _;
use std::sync::Arc;

use tidegate::policy::read_profiles;
use tidegate::scope::CheckedProfile;

const SCHEMA: &str = r#"
[[table]]
id = "territory"
ownership = "organization_owned"
columns = [{ id = "name", type = "text" }]
[[table]]
id = "customer"
ownership = "user_owned"
columns = [
  { id = "name", type = "text" },
  { id = "remarks", type = "text", group = "more" },
  { id = "territory", type = "lookup", table = "territory" },
]
[[table]]
id = "work_order"
ownership = "user_owned"
columns = [
  { id = "title", type = "text" },
  { id = "customer", type = "lookup", table = "customer" },
  { id = "site", type = "lookup", table = "customer", group = "place" },
]
[[system_table]]
id = "user"
[[system_table]]
id = "team"
[[view]]
id = "orders"
table = "work_order"
columns = ["title", "customer.name as who", "site.remarks"]
filter = "customer.territory.name <> 'x'"
[[view]]
id = "owners"
table = "customer"
columns = ["owner.name", "name"]
order = "remarks"
[[view]]
id = "territories"
table = "territory"
columns = ["name"]
"#;

fn lacks(tables: &[&str]) -> Vec<String> {
    let schema = Arc::new(tidegate::read_schema(SCHEMA, "schema.toml").unwrap());
    let (first, tables) = tables.split_first().unwrap();
    let mut text = format!("[[profile]]\nid = \"p\"\nfor = [\"organization\"]\n{first}\n");
    for table in tables {
        writeln!(text, "[[profile.table]]\n{table}").unwrap();
    }
    let profiles = read_profiles(&text, "profiles.toml", &schema, None, None).unwrap();
    let checked = CheckedProfile::new(&schema, &profiles.list[0]).unwrap();
    checked.lacks().iter().map(ToString::to_string).collect()
}

const CUSTOMER: &str = "id = \"customer\"";
const ORDER: &str = "id = \"work_order\"";
const TERRITORY: &str = "id = \"territory\"";
const PEOPLE: [&str; 2] = ["id = \"user\"", "id = \"team\""];

#[test]
fn a_profile_with_all_that_its_views_show_lacks_nothing() {
    let all = ["", CUSTOMER, ORDER, TERRITORY, PEOPLE[0], PEOPLE[1]];
    assert_eq!(lacks(&all), [""; 0]);
    // Views of tables that are not taken are none of the app's, unless it is said that they are.
    assert_eq!(lacks(&["", TERRITORY]), [""; 0]);
    assert_eq!(lacks(&["views = [\"territories\"]", TERRITORY, CUSTOMER]), [""; 0]);
    let named = lacks(&["views = [\"territories\", \"orders\"]", TERRITORY]);
    assert_eq!(named, ["view `orders`: its table `work_order` is not in the profile"]);
}

#[test]
fn a_view_that_looks_up_what_is_not_taken_is_named_with_column_and_table() {
    let found = lacks(&["", ORDER]);
    let wanted = [
        ("customer.name", "customer"),
        ("customer.territory", "customer"),
        ("customer.territory.name", "territory"),
        ("site.remarks", "customer"),
    ];
    let wanted = wanted.map(|(column, table)| {
        format!("view `orders`: `{column}` is of the table `{table}`, which is not in the profile")
    });
    assert_eq!(found, wanted);
    // A record's owner is a user or a team.
    let found = lacks(&["views = [\"owners\"]", CUSTOMER, PEOPLE[0]]);
    let wanted = "view `owners`: `owner.name` is of the table `team`, which is not in the profile";
    assert_eq!(found, [wanted]);
}

#[test]
fn a_view_that_uses_a_group_that_is_left_out_is_named_with_column_and_group() {
    let without = "id = \"customer\"\ngroups = []";
    let found = lacks(&["", without, PEOPLE[0], PEOPLE[1]]);
    let wanted = "view `owners`: `remarks` is in the column group `more` of `customer`, which the \
                  profile leaves out";
    assert_eq!(found, [wanted]);
    assert_eq!(
        lacks(&["", "id = \"customer\"\ngroups = [\"more\"]", PEOPLE[0], PEOPLE[1]]),
        [""; 0]
    );
    // Also the lookup that leads on.
    let order = "id = \"work_order\"\ngroups = []";
    let found = lacks(&["views = [\"orders\"]", order, without, TERRITORY]);
    let columns =
        ["`site` is in the column group `place`", "`site.remarks` is in the column group"];
    assert_eq!(found.len(), 2, "{found:?}");
    for (found, column) in found.iter().zip(columns) {
        assert!(found.contains(column), "{found}");
    }
}

#[test]
fn what_forms_need_and_filters_ask_for_is_taken_too() {
    let needing = "id = \"territory\"\nneeds = [\"user\", \"team\"]";
    let found = lacks(&["", needing, PEOPLE[0]]);
    assert_eq!(found, ["table `territory` needs the table `team`, which is not in the profile"]);
    assert_eq!(lacks(&["", needing, PEOPLE[0], PEOPLE[1]]), [""; 0]);
    let asking = "id = \"customer\"\nrows = [\"all\"]\nfilter = \"territory.name = 'x'\"";
    let views = "views = []";
    let wanted = "the filter of `customer`: `territory.name` is of the table `territory`, which is \
                  not in the profile";
    assert_eq!(lacks(&[views, asking]), [wanted]);
    assert_eq!(lacks(&[views, asking, TERRITORY]), [""; 0]);
    let own = "id = \"customer\"\nrows = [\"all\"]\nfilter = \"territory is null\"";
    assert_eq!(lacks(&[views, own]), [""; 0]);
}
