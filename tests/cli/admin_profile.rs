//! Offline profiles drafted, published, promoted and rolled back from the command line.

use serde_json::{Value, json};

use crate::process::{Outcome, Running};
use crate::world::World;

const PROFILES: &str = r#"[[profile]]
id = "field"
for = ["role:technician"]
[[profile.table]]
id = "work_order"
rows = ["mine"]
[[profile.table]]
id = "customer"
related = ["work_order.customer"]
"#;

/// A server, and the administrator's device `office`.
fn begin() -> (World, Running) {
    let world = World::new();
    let made = world.init("acme", &[]);
    let server = world.serve("acme");
    let code = made["code"].as_str().unwrap();
    world.device("office", &["enroll", code, "--json"]).json();
    world.write("profiles.toml", PROFILES);
    (world, server)
}

fn profile(world: &World, action: &[&str]) -> Outcome {
    world.device("office", &[&["admin", "profile"], action].concat())
}

fn json_of(world: &World, action: &[&str]) -> Value {
    profile(world, &[action, &["--json"]].concat()).json()
}

#[track_caller]
fn refused(outcome: &Outcome, why: &str) {
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains(why), "{outcome:?}");
}

/// The numbers of draft, pilot and what is in force.
fn numbers(info: &Value) -> [Option<u64>; 3] {
    ["draft", "pilot", "in_force"].map(|key| info[key]["version"].as_u64())
}

#[test]
fn a_draft_goes_to_a_pilot_group_then_to_all_and_back() {
    let (world, server) = begin();
    assert_eq!(numbers(&json_of(&world, &["list"])), [None; 3]);
    let text = profile(&world, &["list"]).done();
    assert_eq!(text.trim(), "in force  nothing: everyone takes all that they may read");
    refused(&profile(&world, &["publish"]), "there is no draft");
    refused(&profile(&world, &["promote"]), "there is nothing to promote");
    refused(&profile(&world, &["rollback"]), "there is nothing to roll back to");

    let text = profile(&world, &["draft", "profiles.toml"]).done();
    assert!(text.contains("version 1 is the draft"), "{text}");
    assert!(profile(&world, &["publish"]).done().contains("version 1 counts for everyone"));

    world.replace("profiles.toml", "rows = [\"mine\"]", "rows = [\"all\"]");
    let info = json_of(&world, &["draft", "profiles.toml"]);
    assert_eq!(numbers(&info), [Some(2), None, Some(1)]);
    let draft = &info["draft"];
    assert_eq!((&draft["by"], &draft["file"]), (&json!("admin"), &json!("profiles.toml")));
    assert_eq!(draft["profiles"], json!(["field"]));
    let pilot = |who: &str| profile(&world, &["publish", "--pilot", "user:alice", "--pilot", who]);
    refused(&pilot("team:ghosts"), "there is no `team:ghosts`");
    refused(&pilot("organization"), "a pilot group is some users");
    let wrong = pilot("alice");
    assert!(wrong.code == Some(2) && wrong.stderr.contains("user:ID"), "{wrong:?}");
    assert!(pilot("user:bob").done().contains("version 2 counts for user:alice, user:bob"));
    let info = json_of(&world, &["list"]);
    assert_eq!(numbers(&info), [None, Some(2), Some(1)]);
    assert_eq!(info["pilot_group"], json!(["user:alice", "user:bob"]));

    // Nothing of it is forgotten while the server is down.
    drop(server);
    let _server = world.serve("acme");
    world.replace("profiles.toml", "rows = [\"all\"]", "rows = [\"my_teams\"]");
    profile(&world, &["draft", "profiles.toml"]).done();
    refused(&profile(&world, &["publish"]), "version 2 is with a pilot group");
    assert!(profile(&world, &["promote"]).done().contains("version 2 counts for everyone"));
    let info = json_of(&world, &["list"]);
    assert_eq!(numbers(&info), [Some(3), None, Some(2)]);
    assert_eq!(info["before"], json!([null, info["before"][1]]));
    assert_eq!(info["before"][1]["version"], 1);
    assert!(profile(&world, &["rollback"]).done().contains("version 1 counts for everyone"));
    assert!(profile(&world, &["rollback"]).done().contains("nothing is published"));
    assert_eq!(numbers(&json_of(&world, &["list"])), [Some(3), None, None]);
}

#[test]
fn a_document_is_checked_when_it_is_drafted_and_again_when_it_is_published() {
    let (world, _server) = begin();
    assert!(profile(&world, &["check", "profiles.toml"]).done().contains("1 profile"));
    refused(&profile(&world, &["check"]), "there is no draft of offline profiles");
    world.replace("profiles.toml", "role:technician", "role:techncian");
    let wrong = "profiles.toml:3: profile `field`: `for`: there is no role";
    refused(&profile(&world, &["check", "profiles.toml"]), wrong);
    refused(&profile(&world, &["draft", "profiles.toml"]), wrong);
    assert_eq!(numbers(&json_of(&world, &["list"])), [None; 3]);
    world.replace("profiles.toml", "role:techncian", "role:technician");
    profile(&world, &["draft", "profiles.toml"]).done();
    assert!(profile(&world, &["check"]).done().contains("profiles.toml: 1 profile"));

    // The column by which customers are taken is not there any more.
    let schema = world.read("acme/schema.toml");
    world.write("schema.toml", &schema);
    world.replace(
        "schema.toml",
        "id = \"customer\", type = \"lookup\"",
        "id = \"client\", type = \"lookup\"",
    );
    world.replace("schema.toml", "customer.name", "client.name");
    let apply = |file: &str| world.device("office", &["admin", "schema", "apply", file]);
    apply("schema.toml").done();
    let wrong =
        "profiles.toml:9: profile `field`: `table.customer.related`: `work_order.customer` is no";
    refused(&profile(&world, &["check"]), wrong);
    refused(&profile(&world, &["publish"]), wrong);
    assert_eq!(numbers(&json_of(&world, &["list"])), [Some(1), None, None]);
    world.write("schema.toml", &schema);
    apply("schema.toml").done();
    assert!(profile(&world, &["publish"]).done().contains("version 1 counts for everyone"));

    // And now the schema has to fit the profiles.
    world.replace(
        "schema.toml",
        "id = \"customer\", type = \"lookup\"",
        "id = \"client\", type = \"lookup\"",
    );
    world.replace("schema.toml", "customer.name", "client.name");
    for more in [&["--dry-run"][..], &[]] {
        let args = [&["admin", "schema", "apply", "schema.toml"], more].concat();
        let why =
            "version 1 of the offline profiles does not fit: profile `field`: table `customer`";
        refused(&world.device("office", &args), why);
    }
    profile(&world, &["rollback"]).done();
    apply("schema.toml").done();
}

#[test]
fn what_a_document_leaves_out_is_told_and_the_document_is_kept_as_it_was_written() {
    let (world, _server) = begin();
    let without = PROFILES.split("[[profile.table]]\nid = \"customer\"").next().unwrap();
    world.write("profiles.toml", format!("# For those outside.\n{without}"));
    let view = "profile `field`: view `open_orders`: `customer.name` is of the table `customer`";
    let checked = profile(&world, &["check", "profiles.toml"]);
    assert_eq!(checked.code, Some(2), "{checked:?}");
    assert!(checked.stdout.contains(view), "{checked:?}");
    let text = profile(&world, &["draft", "profiles.toml"]).done();
    assert!(text.contains(&format!("note: {view}")), "{text}");
    let shown = profile(&world, &["show", "1"]).done();
    assert_eq!(shown.trim_end(), world.read("profiles.toml").trim_end());
    refused(&profile(&world, &["show", "7"]), "there is no version 7");
    let shown = json_of(&world, &["show", "1"]);
    assert_eq!(shown["text"].as_str().unwrap(), world.read("profiles.toml"));
}

#[test]
fn only_an_administrator_changes_profiles() {
    let (world, _server) = begin();
    world.enroll("acme", "alice", "phone");
    for action in [&["list"][..], &["publish"], &["rollback"]] {
        let outcome = world.device("phone", &[&["admin", "profile"], action].concat());
        assert_eq!(outcome.code, Some(3), "{outcome:?}");
        assert!(outcome.stderr.contains("not a system_administrator"), "{outcome:?}");
    }
    json_of(&world, &["list"]);
}

#[test]
fn a_new_server_starts_with_the_profiles_of_its_folder_and_they_are_applied_when_asked() {
    let world = World::new();
    world.write("profiles.toml", PROFILES);
    let made = world.init("acme", &["--profiles", "profiles.toml"]);
    let code = made["code"].as_str().unwrap().to_owned();
    let server = world.serve("acme");
    world.device("office", &["enroll", &code, "--json"]).json();
    let info = json_of(&world, &["list"]);
    assert_eq!(numbers(&info), [None, None, Some(1)]);
    assert_eq!(info["in_force"]["by"], json!(null));
    drop(server);

    // Another document counts when it is asked for, once.
    world.replace("acme/profiles.toml", "id = \"field\"", "id = \"outside\"");
    let server = world.serve("acme");
    assert_eq!(json_of(&world, &["list"])["in_force"]["profiles"], json!(["field"]));
    drop(server);
    for _ in 0..2 {
        let _server = world.serve_with("acme", &["--apply-files"]);
        let info = json_of(&world, &["list"]);
        assert_eq!(numbers(&info), [None, None, Some(2)]);
        assert_eq!(info["in_force"]["profiles"], json!(["outside"]));
    }

    let check = || world.run(&["serve", "acme", "--check-config"]);
    assert!(check().done().contains("1 profiles"));
    world.replace("acme/profiles.toml", "role:technician", "role:techncian");
    let wrong = "profiles.toml:3: profile `outside`: `for`: there is no role";
    let told = check();
    assert!(told.code == Some(2) && told.stdout.contains(wrong), "{told:?}");
    let outcome = world.run(&["serve", "acme", "--apply-files"]);
    assert!(outcome.code == Some(2) && outcome.stderr.contains(wrong), "{outcome:?}");
}
