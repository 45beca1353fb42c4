//! Offline profiles checked from the command line.

use crate::world::World;

const PROFILES: &str = r#"
[[profile]]
id = "field"
for = ["role:technician"]
[[profile.table]]
id = "work_order"
rows = ["mine"]
[[profile.table]]
id = "customer"
related = ["work_order.customer"]
"#;

fn world() -> World {
    let world = World::new();
    world.init("acme", &[]);
    world.write("profiles.toml", PROFILES);
    world
}

const CHECK: [&str; 5] = ["profile", "check", "profiles.toml", "--schema", "acme/schema.toml"];

#[test]
fn profiles_that_lack_nothing_are_counted() {
    let world = world();
    let told = world.run(&CHECK).done();
    assert_eq!(told.trim(), "profiles.toml: 1 profile with 2 tables");
    let json = world.run(&[&CHECK[..], &["--json"]].concat()).json();
    assert_eq!((&json["profiles"], &json["tables"]), (&1.into(), &2.into()));
    assert_eq!(json["mistakes"].as_array().unwrap().len(), 0);
    let rules = ["--policy", "acme/policy.toml"];
    world.run(&[&CHECK[..], &rules].concat()).done();
}

#[test]
fn all_that_profiles_lack_is_named() {
    let world = world();
    let without = PROFILES.split("[[profile.table]]\nid = \"customer\"").next().unwrap();
    let text = format!(
        "{without}[[profile]]\nid = \"late\"\nfor = [\"role:technician\"]\n[[profile.table]]\nid = \
         \"customer\"\nneeds = [\"work_order\"]\n"
    );
    world.write("profiles.toml", text);
    let refused = world.run(&CHECK);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    for told in [
        "profile `field`: view `open_orders`: `customer.name` is of the table `customer`, which is not",
        "profile `late`: table `customer` needs the table `work_order`",
        "profile `late`: nobody has it: `field` stands before it",
    ] {
        assert!(refused.stdout.contains(told), "{refused:?}");
    }
    assert!(refused.stderr.contains("profiles.toml: ") && refused.stderr.contains("mistakes"));
    let refused = world.run(&[&CHECK[..], &["--json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&refused.stdout).unwrap();
    let mistakes = json["mistakes"].as_array().unwrap();
    let view = mistakes.iter().find(|it| it["lack"] == "view_table").unwrap();
    assert_eq!((&view["view"], &view["profile"]), (&"open_orders".into(), &"field".into()));
    assert_eq!(view["table"], "customer");
    let late = mistakes.iter().find(|it| it["lack"] == "users").unwrap();
    assert_eq!((&late["profile"], &late["before"]), (&"late".into(), &"field".into()));
}

#[test]
fn a_document_that_names_what_is_not_there_is_refused_at_its_line() {
    let world = world();
    world.replace("profiles.toml", "role:technician", "role:techncian");
    world.run(&CHECK).done();
    let rules = ["--policy", "acme/policy.toml"];
    let refused = world.run(&[&CHECK[..], &rules].concat());
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("profiles.toml:4: profile `field`: `for`: there is no role"),
        "{refused:?}"
    );
    world.replace("profiles.toml", "work_order.customer", "work_order.client");
    let refused = world.run(&CHECK);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("profiles.toml:10: "), "{refused:?}");
}
