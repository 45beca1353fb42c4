//! One record, one table, one app: what a device takes besides its profile, from the command line.

use serde_json::json;

use crate::world::World;

/// Alice's devices that are the app `field` take her own work orders, and are to hold a few bytes.
const PROFILES: &str = r#"[[profile]]
id = "own"
app = "field"
for = ["user:alice"]
budget = 1_000_000
[[profile.table]]
id = "work_order"
rows = ["mine"]
interval = 30
[[profile]]
id = "all"
for = ["organization"]
[[profile.table]]
id = "work_order"
rows = ["all"]
[[profile.table]]
id = "customer"
rows = ["all"]
"#;

#[test]
fn a_device_says_its_app_fetches_a_record_and_releases_it() {
    let world = World::new();
    let made = world.init("acme", &[]);
    let _server = world.serve("acme");
    let code = made["code"].as_str().unwrap();
    world.device("office", &["enroll", code, "--json"]).json();
    world.write("profiles.toml", PROFILES);
    world.device("office", &["admin", "profile", "draft", "profiles.toml"]).done();
    world.device("office", &["admin", "profile", "publish"]).done();
    world.enroll("acme", "bob", "bob");
    let (order, _) = world.edit("bob", "work_order", "new", &["title=Replace pump"]);
    world.sync("bob");
    let (customer, _) = world.edit("office", "customer", "new", &["name=Acme"]);
    world.sync("office");

    let code = world.code("acme", "alice");
    world.device("alice", &["enroll", &code, "--app", "field", "--json"]).json();
    assert_eq!(world.rows("alice", "work_order").len(), 0);
    let status = world.status("alice");
    let profile = json!({ "id": "own", "budget": 1_000_000, "intervals": { "work_order": 30 } });
    assert_eq!((&status["profile"], &status["fetched"]), (&profile, &json!(0)));
    let synced = status["synced"].as_object().unwrap();
    assert!(synced.keys().eq(["customer", "work_order"]), "{status}");
    let at = synced["work_order"].as_str().unwrap();
    let text = world.device("alice", &["status"]).done();
    assert!(text.contains(&format!("work_order: 0 rows, 0 B, synced {at}")), "{text}");

    // It comes, is kept up to date by every sync, and goes.
    let row = world.device("alice", &["fetch", "work_order", &order, "--json"]).json();
    assert_eq!(row["columns"]["title"], "Replace pump");
    world.edit("bob", "work_order", &order, &["title=Repair pump"]);
    world.sync("bob");
    world.device("alice", &["sync", "--table", "work_order"]).done();
    let shown = world.device("alice", &["show", "work_order", &order]).done();
    assert!(shown.contains("Repair pump"), "{shown}");
    let status = world.device("alice", &["status"]).done();
    assert!(status.contains("profile own:") && status.contains("fetched records: 1"), "{status}");
    world.device("alice", &["release", "work_order", &order]).done();
    world.sync("alice");
    assert_eq!(world.rows("alice", "work_order").len(), 0);
    let again = world.device("alice", &["release", "work_order", &order]);
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.stderr.contains("was not fetched"), "{again:?}");

    // What is not there, and what is another table's, is refused in the same words.
    for id in ["00000000-0000-7000-8000-000000000000", customer.as_str()] {
        let missing = world.device("alice", &["fetch", "work_order", id]);
        assert_eq!(missing.code, Some(2), "{missing:?}");
        let why = format!("there is no record {id} in table `work_order` that this user may read");
        assert!(missing.stderr.contains(&why), "{missing:?}");
    }
    let wrong = world.device("alice", &["fetch", "nothing", &order]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("there is no table"), "{wrong:?}");

    // The app is kept, until the device is another one.
    world.device("alice", &["sync", "--app", "office", "--json"]).json();
    assert_eq!(world.rows("alice", "work_order").len(), 1);
    assert_eq!(world.status("alice")["profile"]["id"], "all");
    world.sync("alice");
    assert_eq!(world.status("alice")["profile"]["id"], "all");
}
