//! Administration of a running server from the command line.

use serde_json::json;

use crate::process::{Outcome, Running};
use crate::world::World;

/// A server, and the administrator's device `office`.
fn begin() -> (World, Running) {
    let world = World::new();
    let made = world.init("acme", &[]);
    let server = world.serve("acme");
    let code = made["code"].as_str().unwrap();
    world.device("office", &["enroll", code, "--json"]).json();
    (world, server)
}

fn failed(outcome: Outcome) -> (i32, String) {
    (outcome.code.unwrap(), outcome.stderr)
}

#[test]
fn people_are_hired_moved_and_let_go_while_the_server_runs() {
    let (world, mut server) = begin();
    let hire = [
        "admin",
        "user",
        "add",
        "cora",
        "--name",
        "Cora Cay",
        "--business-unit",
        "root",
        "--role",
        "technician",
    ];
    let text = world.device("office", &hire).done();
    assert!(text.contains("+ user cora `Cora Cay` in root, roles technician"), "{text}");
    world.enroll("acme", "cora", "cora");
    let note = |user: &str| {
        let made = world.run(&["enroll-code", "--dir", "acme", "--user", user]);
        assert_eq!(made.code, Some(0), "{made:?}");
        made.stderr
    };
    // Beside a running server only it knows who was added; a slip of the pen is pointed out.
    assert!(note("nobdy").contains("do not name `nobdy`"));
    assert_eq!(note("alice"), "");
    assert_eq!(server.interrupt(), Some(0));
    let _server = world.serve("acme");
    world.sync("cora");

    let (code, told) = failed(world.device("office", &hire));
    assert!(code == 2 && told.contains("`cora` is there already"), "{told}");
    let moved = ["admin", "user", "move", "cora", "--business-unit", "moon"];
    let (code, told) = failed(world.device("office", &moved));
    assert!(code == 2 && told.contains("moon") && told.contains("cora"), "{told}");
    let disable = ["admin", "user", "disable", "cora", "--json"];
    let answer = world.device("office", &disable).json();
    assert!(answer["policy_epoch"].is_u64(), "{answer}");
    assert_eq!(
        answer["changes"],
        json!(["~ user cora `Cora Cay` in root, roles technician, disabled"])
    );
    let (code, told) = failed(world.device("cora", &["admin", "devices"]));
    assert!(code == 3 && told.contains("not a system_administrator"), "{code} {told}");
    let again = world.device("office", &disable).json();
    assert_eq!(again, json!({ "changes": [], "policy_epoch": null }));

    let team = ["admin", "team", "add", "night", "--business-unit", "root", "--member", "bob"];
    let text = world.device("office", &team).done();
    assert!(text.contains("+ team night in root, roles none, members bob"), "{text}");
    let text = world.device("office", &["admin", "team", "remove", "night"]).done();
    assert!(text.contains("- team night"), "{text}");
}

#[test]
fn a_record_is_erased_by_an_administrator_alone() {
    let (world, _server) = begin();
    world.enroll("acme", "alice", "phone");
    let (gone, _) = world.edit("phone", "work_order", "new", &["title=The secret"]);
    let (stays, _) = world.edit("phone", "work_order", "new", &["title=The pump"]);
    world.sync("phone");
    let erase = |device: &str, record: &str| {
        world.device(device, &["admin", "erase", "work_order", record, "--json"])
    };
    let (code, told) = failed(erase("phone", &gone));
    assert!(code == 3 && told.contains("not a system_administrator"), "{code} {told}");
    let answer = erase("office", &gone).json();
    assert_eq!(answer, json!({ "erased": gone, "table": "work_order" }));
    world.sync("phone");
    assert_eq!(world.rows("phone", "work_order").into_keys().collect::<Vec<_>>(), [stays]);
    let (code, told) = failed(erase("office", "00000000-0000-0000-0000-000000000001"));
    assert!(code == 2 && told.contains("there is no record"), "{code} {told}");
}

#[test]
fn a_policy_is_shown_checked_and_applied_as_a_whole() {
    let (world, _server) = begin();
    let policy = world.read("acme/policy.toml");
    world.write("new.toml", &policy);
    world.replace("new.toml", "write = \"business_unit\"", "write = \"user\"");
    let apply = |more: &[&str]| {
        world.device("office", &[&["admin", "policy", "apply", "new.toml"], more].concat())
    };
    let text = apply(&["--dry-run"]).done();
    assert!(text.contains("was business_unit, becomes user"), "{text}");
    assert!(text.contains("nothing was changed"), "{text}");
    assert!(apply(&[]).done().contains("in force as policy epoch"));
    assert!(apply(&[]).done().contains("nothing changes"));
    // A document without people is checked against those of the server.
    world.write("roles.toml", "[[column_security]]\nid = \"pay\"\nteams = [\"ghosts\"]\n");
    let apply_roles = ["admin", "policy", "apply", "roles.toml"];
    let (code, told) = failed(world.device("office", &apply_roles));
    assert!(code == 2 && told.contains("roles.toml:3") && told.contains("ghosts"), "{told}");
    world.replace("new.toml", "write = \"user\"", "write = \"everywhere\"");
    let (code, told) = failed(apply(&[]));
    assert!(code == 2 && told.contains("new.toml") && told.contains("everywhere"), "{told}");
}

#[test]
fn people_are_imported_from_a_file_after_a_look() {
    let (world, _server) = begin();
    world.write(
        "users.csv",
        "login,name,business_unit,manager,roles\nadmin,,root,,system_administrator\n\
         dora,Dora Day,root,admin,technician\n",
    );
    let import = |more: &[&str]| {
        world.device("office", &[&["admin", "org", "import", "users.csv"], more].concat())
    };
    let text = import(&["--dry-run"]).done();
    assert!(
        text.contains("+ user dora `Dora Day` in root, roles technician, manager admin"),
        "{text}"
    );
    assert!(text.contains("~ user alice") && text.contains("disabled"), "{text}");
    assert!(text.contains("nothing was changed"), "{text}");
    import(&[]).done();
    world.enroll("acme", "dora", "dora");
    world.write("users.csv", "login,business_unit,manager,roles\nalice,root,,technician\n");
    let (code, told) = failed(import(&[]));
    assert!(code == 2 && told.contains("nobody would be"), "{told}");
    world.write("users.csv", "login,business_unit,manager,roles\nalice,root,nobody,technician\n");
    let (code, told) = failed(import(&[]));
    assert!(code == 2 && told.contains("users.csv:2") && told.contains("nobody"), "{told}");
}

#[test]
fn devices_are_listed_and_revoked_and_denials_told() {
    let (world, _server) = begin();
    world.enroll("acme", "alice", "alice");
    let devices = world.device("office", &["admin", "devices", "--json"]).json();
    let alice = &devices.as_array().unwrap()[1];
    assert_eq!((&alice["user"], &alice["number"]), (&json!("alice"), &json!(2)));
    assert_eq!(alice["state"], "away");
    assert!(world.device("office", &["admin", "denials"]).done().contains("No edit was refused"));
    let text = world.device("office", &["admin", "revoke", "2"]).done();
    assert!(text.contains("device 2 is revoked"), "{text}");
    let (code, told) = failed(world.device("alice", &["sync"]));
    assert!(code == 1 && told.contains("revoked"), "{told}");
    let (code, told) = failed(world.device("office", &["admin", "revoke", "9"]));
    assert!(code == 2 && told.contains("no device 9"), "{told}");
    assert!(world.device("office", &["admin", "devices"]).done().contains("2  alice  revoked"));
}

#[test]
fn what_a_device_purged_is_listed_beside_it() {
    let (world, _server) = begin();
    world.edit("office", "customer", "new", &["name=Acme"]);
    world.sync("office");
    world.enroll("acme", "alice", "alice");
    assert_eq!(world.rows("alice", "customer").len(), 1);
    let devices = || world.device("office", &["admin", "devices", "--json"]).json();
    assert_eq!(devices()[1]["purged"], json!(null));
    world.device("office", &["admin", "user", "disable", "alice"]).done();
    world.sync("alice");
    assert!(world.rows("alice", "customer").is_empty());
    let purged = &devices()[1]["purged"];
    assert_eq!(purged["covers_present"], true, "{purged}");
    assert!(purged["up_to"].as_u64() >= Some(1), "{purged}");
    let text = world.device("office", &["admin", "devices"]).done();
    assert!(text.contains("purged to present privileges, at "), "{text}");

    // What alice may do by now the device has not heard of.
    world.device("office", &["admin", "user", "enable", "alice"]).done();
    assert_eq!(devices()[1]["purged"]["covers_present"], false);
}
