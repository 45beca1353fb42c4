//! What an operator does, as docs/operate.md says: check, watch, back up, restore, replace keys.

use std::fs;

use serde_json::Value;
use tidegate::model::TableName;
use tidegate::store::RedbReplica;
use tidegate::sync::{ReplicaBatch, ReplicaStore as _};

use crate::table::{Mistake, check};
use crate::world::World;

/// How each thing is, by `serve --check-config`.
#[track_caller]
fn states(world: &World, code: i32) -> Vec<(String, String, String)> {
    let outcome = world.run(&["serve", "acme", "--check-config", "--json"]);
    assert_eq!(outcome.code, Some(code), "{outcome:?}");
    let answer: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let text = |item: &Value, key: &str| item[key].as_str().unwrap().to_owned();
    let items = answer["items"].as_array().unwrap().iter();
    items.map(|it| (text(it, "what"), text(it, "state"), text(it, "says"))).collect()
}

const THINGS: &[&str] = &[
    "configuration",
    "organization key",
    "server key",
    "TLS key",
    "certificate",
    "schema",
    "policy",
    "organization",
    "data file",
];

#[test]
fn check_config_says_of_each_thing_how_it_is_and_changes_nothing() {
    let world = World::new();
    world.init("acme", &[]);
    let before = world.files("acme");
    let fine = states(&world, 0);
    assert_eq!(fine.iter().map(|it| it.0.as_str()).collect::<Vec<_>>(), THINGS);
    assert!(fine.iter().all(|it| it.1 == "fine"), "{fine:?}");
    assert!(world.files("acme") == before, "nothing is changed");
    // Beside a server that runs, and goes on.
    let mut server = world.serve("acme");
    let (_, state, says) = states(&world, 0).pop().unwrap();
    assert_eq!((state.as_str(), says.as_str()), ("fine", "in use: a server is running"));
    world.enroll("acme", "alice", "alice");
    assert_eq!(server.interrupt(), Some(0));
    let (_, _, says) = states(&world, 0).pop().unwrap();
    assert!(says.starts_with("a server's file"), "{says}");

    let cases: [(&str, &str, &str, &[&str], &str); 6] = [
        ("tidegate.toml", "page_bytes = ", "page_byte = ", &["configuration"], "`page_byte`"),
        ("tidegate.toml", "addresses = [\"", "addresses = [\" ", &["configuration"], "addresses"),
        ("tidegate.toml", "server.redb", "none/server.redb", &["data file"], "folder"),
        ("server.key", "tidegate-key-1", "tidegate-key-2", &["server key"], "no key file"),
        ("schema.toml", "type = \"date\"", "type = \"dat\"", &["schema"], "schema.toml:18"),
        ("policy.toml", "parent = \"root\"", "parent = \"rot\"", &["policy"], "policy.toml:10"),
    ];
    for (file, from, to, wrong, words) in cases {
        let path = format!("acme/{file}");
        let good = world.read(&path);
        world.replace(&path, from, to);
        let found = states(&world, 2);
        let bad: Vec<_> = found.iter().filter(|it| it.1 == "wrong").collect();
        assert_eq!(bad.iter().map(|it| it.0.as_str()).collect::<Vec<_>>(), wrong, "{to}");
        assert!(bad[0].2.contains(words), "{to}: {bad:?}");
        world.write(&path, good);
    }
    // Several at once are told at once.
    world.replace("acme/policy.toml", "create = ", "creat = ");
    fs::remove_file(world.path("acme/tls.key")).unwrap();
    fs::write(world.path("acme/server.redb"), "title,status\n").unwrap();
    let found = states(&world, 2);
    let of = |state: &str| -> Vec<_> {
        found.iter().filter(|it| it.1 == state).map(|it| it.0.as_str()).collect()
    };
    assert_eq!(of("wrong"), ["TLS key", "policy", "data file"]);
    assert_eq!(of("not_checked"), ["certificate", "organization"]);
    let words = ["cannot start from acme", "tls.key is missing", "TLS key, policy, data file"];
    check(&world, &[("as text", &["serve", "acme", "--check-config"], 2, &words)]);
}

#[test]
fn what_happens_is_logged_without_contents_and_secrets() {
    let world = World::new();
    world.init("acme", &[]);
    world.replace("acme/tidegate.toml", "level = \"warn\"", "level = \"debug\"");
    world.replace("acme/tidegate.toml", "format = \"text\"", "format = \"json\"");
    let mut server = world.serve("acme");
    let code = world.code("acme", "alice");
    world.device("alice", &["enroll", &code, "--json"]).done();
    world.edit("alice", "work_order", "new", &["title=Confidential"]);
    world.sync("alice");
    assert_ne!(world.device("bob", &["enroll", &code]).code, Some(0));
    assert_eq!(server.interrupt(), Some(0));
    let log = server.stderr();
    let lines: Vec<Value> = log.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    let find = |message: &str| {
        let found = lines.iter().find(|it| it["message"] == message);
        found.unwrap_or_else(|| panic!("no `{message}` in:\n{log}"))
    };
    let start = find("serving");
    assert!(start["data"].as_str().unwrap().ends_with("server.redb"));
    assert!(start["organization"].is_string() && start["policy_epoch"] == 1, "{start}");
    let here = find("a device is here");
    assert_eq!((&here["device"], &here["user"]), (&1.into(), &"alice".into()));
    assert_eq!(find("judged")["admitted"], 1);
    assert!(find("refused")["refusal"].as_str().unwrap().contains("used before"));
    find("a device has left");
    find("stopped");
    let keys =
        ["organization.key", "server.key", "tls.key"].map(|it| world.read(&format!("acme/{it}")));
    for secret in keys.iter().map(|key| key.trim()).chain(["Confidential", code.as_str()]) {
        assert!(!log.contains(secret), "{secret}");
    }
}

#[test]
fn the_environment_says_what_is_logged_before_the_configuration_does() {
    let world = World::new();
    world.init("acme", &[]);
    world.replace("acme/tidegate.toml", "level = \"warn\"", "level = \"debug\"");
    let log = |filter: &str| {
        let args = ["serve", "acme", "--json"];
        let mut server = world.start_with(&args, ("TIDEGATE_LOG", filter));
        assert!(server.next_line().is_some());
        assert_eq!(server.interrupt(), Some(0));
        server.stderr()
    };
    assert_eq!(log("error"), "");
    // Empty is as if it were not set.
    for filter in ["", "info"] {
        let log = log(filter);
        assert!(log.contains("serving") && log.contains("stopped"), "{filter}: {log}");
        assert!(!log.contains('\x1b'), "colours, and no terminal: {log:?}");
    }
}

/// The drill of docs/operate.md: the folder is lost, and nothing that was acknowledged is.
#[test]
fn the_drill_brings_everything_back() {
    let world = World::new();
    world.init("acme", &[]);
    let server = world.serve("acme");
    world.enroll("acme", "alice", "alice");
    world.edit("alice", "work_order", "new", &["title=Before"]);
    world.sync("alice");
    drop(server);
    let made = world.run(&["backup", "acme", "backups", "--json"]).json();
    let backup = made["backup"].as_str().unwrap();
    let server = world.serve("acme");
    let (after, _) = world.edit("alice", "work_order", "new", &["title=After"]);
    world.sync("alice");
    world.edit("alice", "work_order", &after, &["status=open"]);
    drop(server);
    fs::remove_dir_all(world.path("acme")).unwrap();

    world.run(&["verify", &format!("{backup}/server.redb")]).done();
    world.run(&["verify", backup]).done();
    world.run(&["restore", backup, "acme"]).done();
    world.run(&["serve", "acme", "--check-config"]).done();
    let _server = world.serve("acme");
    let report = world.sync("alice");
    assert_eq!(report["denied"], 0, "{report}");
    assert_eq!(world.status("alice")["pending"], 0);
    world.enroll("acme", "bob", "bob");
    // For Bob the record began anew: he was not there before.
    world.sync("alice");
    let (alice, bob) = (world.rows("alice", "work_order"), world.rows("bob", "work_order"));
    assert_eq!(alice.len(), 2);
    assert_eq!(alice, bob);
}

#[test]
fn the_data_file_may_lie_elsewhere() {
    let world = World::new();
    world.init("acme", &[]);
    world.replace("acme/tidegate.toml", "server.redb", "data/rows.redb");
    let words = ["folder of acme/data/rows.redb is not there"];
    check(&world, &[("no folder", &["serve", "acme"], 1, &words)]);
    fs::create_dir(world.path("acme/data")).unwrap();
    let server = world.serve("acme");
    world.enroll("acme", "alice", "alice");
    world.edit("alice", "work_order", "new", &["title=x"]);
    world.sync("alice");
    drop(server);
    assert!(world.path("acme/data/rows.redb").exists());
    let made = world.run(&["backup", "acme", "backups", "--json"]).json();
    let backup = made["backup"].as_str().unwrap();
    world.run(&["verify", backup]).done();
    fs::remove_dir_all(world.path("acme")).unwrap();
    world.run(&["restore", backup, "acme"]).done();
    assert!(world.path("acme/data/rows.redb").exists());
    let _server = world.serve("acme");
    assert_eq!(world.sync("alice")["denied"], 0);
}

#[test]
fn keys_are_replaced_by_a_command() {
    let world = World::new();
    world.init("acme", &[]);
    world.init("other", &[]);
    let mut server = world.serve("acme");
    world.enroll("acme", "alice", "alice");
    let code = world.code("acme", "bob");
    let rotate = ["rotate-key", "acme"];
    let words = ["another process has acme/server.redb open"];
    check(&world, &[("it runs", &rotate, 1, &words)]);
    assert_eq!(server.interrupt(), Some(0));
    fs::rename(world.path("acme/organization.key"), world.path("offline.key")).unwrap();
    let before = world.files("acme");
    let with = |file| ["rotate-key", "acme", "--organization-key", file];
    let rows: &[Mistake<'_>] = &[
        ("kept elsewhere", &rotate, 2, &["organization.key is not there", "--organization-key"]),
        ("not there", &with("none.key"), 2, &["none.key is not there"]),
        ("another's", &with("other/organization.key"), 2, &["organization", "this server is of"]),
        ("no key", &with("acme/tidegate.toml"), 2, &["key file acme/tidegate.toml"]),
        ("no server", &["rotate-key", "none"], 2, &["none holds no server"]),
    ];
    check(&world, rows);
    assert!(world.files("acme") == before, "nothing is changed");

    let done = world.run(&[with("offline.key").as_slice(), &["--json"]].concat()).json();
    assert!(done["serial"].as_u64().unwrap() > 1, "{done}");
    let _server = world.serve("acme");
    world.sync("alice");
    let words = ["before its keys were replaced; ask for a new one"];
    check(&world, &[("an old code", &["enroll", &code, "--replica", "bob.redb"], 2, &words)]);
    world.enroll("acme", "bob", "bob");
}

/// A device that lost a row, as its file sees nothing of it: `recheck` has it again.
#[test]
fn a_replica_is_rechecked() {
    let world = World::new();
    world.init("acme", &[]);
    let _server = world.serve("acme");
    world.enroll("acme", "alice", "alice");
    let (id, _) = world.edit("alice", "work_order", "new", &["title=Lost"]);
    world.edit("alice", "work_order", "new", &["title=Kept"]);
    world.sync("alice");
    let report = world.device("alice", &["recheck", "--json"]).json();
    assert!(["mended", "purged", "rows"].iter().all(|it| report[it] == 0), "{report}");
    let compared = report["records"].as_u64().unwrap();
    {
        let mut store = RedbReplica::open(world.path("alice.redb")).unwrap();
        let (table, id) = ("work_order".parse::<TableName>().unwrap(), id.parse().unwrap());
        let (gone, rows) = (vec![(table.clone(), id)], vec![(table, id, None)]);
        store.commit(ReplicaBatch { gone, rows, ..ReplicaBatch::default() }).unwrap();
    }
    assert_eq!(world.rows("alice", "work_order").len(), 1);
    world.sync("alice");
    assert_eq!(world.rows("alice", "work_order").len(), 1, "catching up does not see it");
    let text = world.device("alice", &["recheck"]).done();
    assert!(text.contains(&format!("Compared {} record", compared - 1)), "{text}");
    assert!(text.contains("1 fetched again"), "{text}");
    assert_eq!(world.rows("alice", "work_order").len(), 2);
    let text = world.device("alice", &["recheck"]).done();
    assert!(text.contains("All is as on the server"), "{text}");
}
