//! Offline profiles of real people over real records: who ends up with which rows, and how many bytes were
//! foretold.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::adventure_works::{Record, TABLES, bring_in, data, take};
use crate::world::World;

/// A salesperson, a buyer, and personnel.
const PROFILES: &str = r#"
[[profile]]
id = "sales"
for = ["role:salesperson"]
[[profile.table]]
id = "customer"
rows = ["mine"]
[[profile.table]]
id = "store"
related = ["customer.store"]
[[profile.table]]
id = "territory"
related = ["customer.territory"]
[[profile.table]]
id = "product"
rows = ["all"]
priority = 200

[[profile]]
id = "buying"
for = ["role:buyer"]
depth = 2
[[profile.table]]
id = "purchase_order"
rows = ["my_business_unit"]
[[profile.table]]
id = "purchase_order_line"
related = ["purchase_order"]
[[profile.table]]
id = "product"
related = ["purchase_order_line.product"]
[[profile.table]]
id = "vendor"
related = ["purchase_order.vendor"]

[[profile]]
id = "personnel"
for = ["role:hr"]
[[profile.table]]
id = "employee"
rows = ["all"]
"#;

type Tables<'a> = BTreeMap<&'a str, Vec<Record>>;

/// What leads from records to others: these values of a column.
fn looked_up<'r>(records: &[&'r Record], column: &str) -> BTreeSet<&'r str> {
    records.iter().map(|it| it[column].as_str()).filter(|it| !it.is_empty()).collect()
}

/// The rows of each table that a user ends up with, by `id` of their CSV file, said plainly.
fn expected<'t>(tables: &'t Tables<'_>, user: &str) -> BTreeMap<&'static str, BTreeSet<&'t str>> {
    let ids = |records: &[&'t Record]| records.iter().map(|it| it["id"].as_str()).collect();
    let all = |table: &str| tables[table].iter().collect::<Vec<_>>();
    match user {
        "david8" => {
            let mine: Vec<_> = tables["customer"].iter().filter(|it| it["owner"] == user).collect();
            BTreeMap::from([
                ("customer", ids(&mine)),
                ("store", looked_up(&mine, "store")),
                ("territory", looked_up(&mine, "territory")),
                ("product", ids(&all("product"))),
            ])
        }
        // All who own orders and lines are of the one purchasing unit, and so is the user.
        "erin0" => {
            let (orders, lines) = (all("purchase_order"), all("purchase_order_line"));
            BTreeMap::from([
                ("purchase_order", ids(&orders)),
                ("purchase_order_line", ids(&lines)),
                ("product", looked_up(&lines, "product")),
                ("vendor", looked_up(&orders, "vendor")),
            ])
        }
        _ => BTreeMap::from([("employee", ids(&all("employee")))]),
    }
}

/// By what a row is called in its CSV file.
fn ids(world: &World, user: &str, table: &str) -> BTreeSet<String> {
    let rows = world.rows(user, table);
    let name = |(id, row): (&String, &Value)| match table {
        "territory" => row["columns"]["number"].to_string(),
        _ => id.clone(),
    };
    rows.iter().map(name).collect()
}

#[test]
fn profiles_bring_the_rows_that_they_say_and_the_bytes_that_were_estimated() {
    let Some(data) = data() else { return };
    let world = World::new();
    let tables: Tables<'_> =
        TABLES.iter().map(|(table, rows)| (*table, take(&world, &data, table, *rows))).collect();
    bring_in(&world, &data, &tables);
    world.write("profiles.toml", PROFILES);
    let users = ["david8", "erin0", "paula0"];
    let wanted = users.iter().flat_map(|user| ["--user", user]);
    let args = ["profile", "estimate", "profiles.toml", "--data", "aw", "--json"];
    let estimates = world.run(&args.into_iter().chain(wanted).collect::<Vec<_>>()).json();

    let _server = world.serve("aw");
    world.device("importer", &["admin", "profile", "draft", "profiles.toml"]).done();
    world.device("importer", &["admin", "profile", "publish"]).done();
    for (user, estimate) in users.iter().zip(estimates.as_array().unwrap()) {
        let enrolled = world.enroll("aw", user, user);
        let expected = expected(&tables, user);
        for (table, wanted) in &expected {
            let wanted = wanted.iter().map(|id| (*id).to_owned()).collect();
            assert_eq!(ids(&world, user, table), wanted, "{user}: {table}");
        }
        let rows: usize = expected.values().map(BTreeSet::len).sum();
        assert_eq!(estimate["user"], **user);
        assert_eq!((&estimate["rows"], &enrolled["rows"]), (&rows.into(), &rows.into()));
        let (foretold, session) = (estimate["bytes"].as_u64().unwrap(), &enrolled["session"]);
        let arrived = session["page_bytes"].as_u64().unwrap();
        println!(
            "{}: {rows} rows, {foretold} bytes estimated, {arrived} arrived in pages, {} over the wire",
            estimate["profile"], session["received_bytes"]
        );
        assert!(foretold.abs_diff(arrived) * 20 <= arrived, "{user}: {foretold} of {arrived}");
    }
}

#[test]
fn what_is_suggested_for_people_is_a_document_to_begin_with() {
    let Some(data) = data() else { return };
    let world = World::new();
    let tables: Tables<'_> =
        TABLES.iter().map(|(table, rows)| (*table, take(&world, &data, table, *rows))).collect();
    bring_in(&world, &data, &tables);
    for (role, user, narrowed) in [
        ("salesperson", "david8", "[[profile.table]]\nid = \"customer\""),
        ("buyer", "erin0", "id = \"purchase_order_line\""),
        ("hr", "paula0", "id = \"employee\""),
    ] {
        let group = format!("role:{role}");
        let suggest = ["profile", "suggest", "--for", &group, "--id", role, "--data", "aw"];
        let text = world.run(&suggest).done();
        println!("{text}");
        assert_eq!(text, world.run(&suggest).done());
        assert!(text.contains(narrowed) && text.contains("rows with "), "{text}");
        world.write("suggested.toml", &text);
        let check = ["profile", "check", "suggested.toml", "--schema", "aw/schema.toml"];
        let rules = ["--policy", "aw/policy.toml", "--organization", "aw"];
        world.run(&[&check[..], &rules].concat()).done();
        let estimate = ["profile", "estimate", "suggested.toml", "--data", "aw", "--user", user];
        println!("{}", world.run(&estimate).done());
    }
    // Without a server there are no figures, and the same may be read.
    let files =
        ["--schema", "aw/schema.toml", "--policy", "aw/policy.toml", "--organization", "aw"];
    let suggest = ["profile", "suggest", "--for", "role:hr"];
    let text = world.run(&[&suggest[..], &files].concat()).done();
    assert!(text.contains("was not known") && text.contains("id = \"employee\""), "{text}");
    let nobody = world.run(&[&["profile", "suggest", "--for", "user:ghost"][..], &files].concat());
    assert_eq!(nobody.code, Some(2), "{nobody:?}");
    let nobody = world.run(&["profile", "suggest", "--for", "team:none", "--data", "aw"]);
    assert!(nobody.code == Some(2) && nobody.stderr.contains("nobody is in team:none"));
}
