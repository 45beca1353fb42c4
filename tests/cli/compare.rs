//! What views show with a profile, told before it is published, beside what they show on a device then.

use serde_json::{Value, json};

use crate::world::World;

const PROFILES: &str = r#"[[profile]]
id = "field"
for = ["role:technician"]
[[profile.table]]
id = "work_order"
rows = ["mine"]
needs = ["customer"]
[[profile.table]]
id = "customer"
rows = ["all"]
filter = "name <> 'Bolt'"
"#;

/// A view's rows on a device: title and customer.
fn shown(world: &World, device: &str) -> Vec<(String, Value)> {
    let rows = world.device(device, &["view", "open_orders", "--json"]).json_lines();
    let row = |row: &Value| {
        let (title, customer) = (row["columns"]["title"].as_str(), &row["columns"]["customer"]);
        (title.unwrap().to_owned(), customer.clone())
    };
    rows.iter().map(row).collect()
}

#[test]
fn each_row_that_a_view_shows_otherwise_is_named_with_the_reason() {
    let world = World::new();
    let made = world.init("acme", &[]);
    let server = world.serve("acme");
    world.device("office", &["enroll", made["code"].as_str().unwrap(), "--json"]).json();
    let customers = ["Acme", "Bolt"]
        .map(|name| world.edit("office", "customer", "new", &[&format!("name={name}")]).0);
    world.sync("office");
    let mut orders = Vec::new();
    for (device, title, at) in [("alice", "one", 0), ("alice", "two", 1), ("bob", "three", 0)] {
        if !world.path(&format!("{device}.redb")).exists() {
            world.enroll("acme", device, device);
        }
        let (title, customer) = (format!("title={title}"), format!("customer={}", customers[at]));
        orders.push(world.edit(device, "work_order", "new", &[&title, &customer]).0);
        world.sync(device);
    }
    world.sync("alice");
    let before = shown(&world, "alice");
    assert_eq!(before.len(), 3, "{before:?}");
    drop(server);

    world.write("profiles.toml", PROFILES);
    let compare = ["profile", "compare", "profiles.toml", "--data", "acme", "--user", "alice"];
    let told = world.run(&compare);
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.stderr.contains("profiles.toml: 3 differences"), "{told:?}");
    for line in [
        format!("view `open_orders`: `work_order` {} is not there on the device", orders[2]),
        format!("view `open_orders`: `work_order` {} `customer` is unknown in place of", orders[1]),
        format!("form: `work_order` {} lacks what its form needs", orders[1]),
        format!("the profile does not take `customer` {}", customers[1]),
        "of 5 rows that views show and forms open, 3 differ".to_owned(),
    ] {
        assert!(told.stdout.contains(&line), "{line}: {told:?}");
    }
    let told = world.run(&[&compare[..], &["--json"]].concat());
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    let (user, differing) = (&told[0]["user"], &told[0]["differing"]);
    assert_eq!((user, differing), (&json!("alice"), &json!(3)));
    let missing = told[0]["differences"].as_array().unwrap();
    let missing = missing.iter().find(|it| it["how"] == "missing").unwrap();
    assert_eq!(missing["why"], json!([{ "leaves_out": "row" }]));

    // So it is on the device, when the profile is in force.
    let _server = world.serve("acme");
    world.device("office", &["admin", "profile", "draft", "profiles.toml"]).done();
    world.device("office", &["admin", "profile", "publish"]).done();
    world.sync("alice");
    let mut after = shown(&world, "alice");
    after.sort_by(|one, other| one.0.cmp(&other.0));
    let titles: Vec<_> = after.iter().map(|(title, _)| title.as_str()).collect();
    assert_eq!(titles, ["one", "two"]);
    assert_eq!(after[0].1, json!("Acme"));
    assert_ne!(after[1].1, json!("Bolt"));
}

#[test]
fn a_profile_with_all_that_views_show_has_no_difference() {
    let world = World::new();
    let made = world.init("acme", &[]);
    let server = world.serve("acme");
    world.device("office", &["enroll", made["code"].as_str().unwrap(), "--json"]).json();
    let (customer, _) = world.edit("office", "customer", "new", &["name=Bolt"]);
    let set = [String::from("title=one"), format!("customer={customer}")];
    world.edit("office", "work_order", "new", &[&set[0], &set[1]]);
    world.sync("office");
    drop(server);
    let all = PROFILES.replace("role:technician", "organization").replace("\"mine\"", "\"all\"");
    world.write("profiles.toml", all.replace("filter = \"name <> 'Bolt'\"\n", ""));
    let compare = ["profile", "compare", "profiles.toml", "--data", "acme", "--user", "admin"];
    let told = world.run(&compare).done();
    assert!(told.contains("admin: of 2 rows that views show and forms open, 0 differ"), "{told}");
    let none = world.run(&[&compare[..5], &["--user", "ghost"]].concat());
    assert_eq!(none.code, Some(2), "{none:?}");
}

/// A view waits for its parameter, and is named until it has one.
#[test]
fn a_view_with_parameters_is_compared_with_what_they_are_bound_to() {
    let world = World::new();
    let made = world.init("acme", &[]);
    let view = "[[view]]\nid = \"named\"\ntable = \"customer\"\ncolumns = [\"name\"]\nfilter = \
                \"name = $name\"\n";
    world.write("acme/schema.toml", world.read("acme/schema.toml") + view);
    let server = world.serve("acme");
    world.device("office", &["enroll", made["code"].as_str().unwrap(), "--json"]).json();
    for name in ["Acme", "Bolt"] {
        world.edit("office", "customer", "new", &[&format!("name={name}")]);
    }
    world.sync("office");
    drop(server);
    world.write("profiles.toml", PROFILES.replace("role:technician", "organization"));
    let compare = |more: &[&str]| {
        let all = ["profile", "compare", "profiles.toml", "--data", "acme", "--user", "admin"];
        world.run(&[&all[..], more].concat())
    };
    let told = compare(&[]).done();
    let skipped = "admin: view `named` is not compared: `$name` has no value";
    assert!(told.contains(skipped) && told.contains("of 0 rows"), "{told}");
    let told = compare(&["--bind", "name=Acme"]).done();
    assert!(!told.contains("not compared") && told.contains("of 1 row "), "{told}");
    let told = compare(&["--bind", "name=Bolt"]);
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.stdout.contains("view `named`: `customer`"), "{told:?}");
    let ghost = compare(&["--bind", "ghost=1"]);
    let why = "no view has a parameter `$ghost`; known are: name";
    assert!(ghost.code == Some(2) && ghost.stderr.contains(why), "{ghost:?}");
}
