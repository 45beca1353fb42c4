//! How much profiles would take, told from the command line before they are published.

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

/// A server with three customers, for two of which alice has three orders, and bob one for the third.
fn begin() -> (World, Running) {
    let world = World::new();
    let made = world.init("acme", &[]);
    let server = world.serve("acme");
    let code = made["code"].as_str().unwrap();
    world.device("office", &["enroll", code, "--json"]).json();
    let customers = ["Acme", "Bolt", "Crane"]
        .map(|name| world.edit("office", "customer", "new", &[&format!("name={name}")]).0);
    world.sync("office");
    for (device, orders) in [("alice", &[0, 0, 1][..]), ("bob", &[2][..])] {
        world.enroll("acme", device, device);
        for at in orders {
            let customer = format!("customer={}", customers[*at]);
            world.edit(device, "work_order", "new", &["title=Pump", &customer]);
        }
        world.sync(device);
    }
    world.write("profiles.toml", PROFILES);
    (world, server)
}

fn estimate(world: &World, more: &[&str]) -> Outcome {
    world.device("office", &[&["admin", "profile", "estimate"], more].concat())
}

/// Rows by themselves and by each relationship, of each table.
fn rows(estimate: &Value) -> Value {
    let tables = estimate["tables"].as_array().unwrap().iter();
    tables
        .map(|table| {
            let related = table["related"].as_array().unwrap().iter();
            let related = related.map(|it| json!([it["by"], it["rows"]])).collect::<Vec<_>>();
            json!([table["table"], table["by_itself"]["rows"], related])
        })
        .collect()
}

fn bytes(of: &Value) -> u64 {
    of["bytes"].as_u64().unwrap()
}

#[test]
fn rows_and_bytes_are_told_for_each_user_with_what_each_relationship_adds() {
    let (world, server) = begin();
    let all = ["profiles.toml", "--user", "alice", "--user", "bob", "--json"];
    let found = estimate(&world, &all).json();
    let [alice, bob] = found.as_array().unwrap().as_slice() else { panic!("{found}") };
    assert_eq!((&alice["user"], &alice["profile"]), (&json!("alice"), &json!("field")));
    let by = "work_order.customer";
    assert_eq!(rows(alice), json!([["work_order", 3, []], ["customer", 0, [[by, 2]]]]));
    assert_eq!(rows(bob), json!([["work_order", 1, []], ["customer", 0, [[by, 1]]]]));
    assert_eq!((&alice["rows"], &alice["over_budget"]), (&json!(5), &json!(false)));
    let of_tables: u64 = alice["tables"].as_array().unwrap().iter().map(bytes).sum();
    assert!(bytes(alice) == of_tables && bytes(alice) > bytes(bob), "{found}");
    // Without a profile they would have what they may read; that is what a device has now.
    world.write("none.toml", "");
    let none = estimate(&world, &["none.toml", "--user", "alice", "--json"]).json();
    world.sync("alice");
    assert_eq!(rows(&none[0]), json!([["customer", 3, []], ["work_order", 4, []]]));
    assert_eq!(world.rows("alice", "work_order").len(), 4);
    assert_eq!((&none[0]["profile"], &none[0]["budget"]), (&json!(null), &json!(null)));
    // Whom no profile is for takes nothing; and without a user each profile is told for its first.
    let admin = estimate(&world, &["profiles.toml", "--user", "admin", "--json"]).json();
    assert_eq!((&admin[0]["rows"], &admin[0]["profile"]), (&json!(0), &json!("nothing")));
    let first = estimate(&world, &["profiles.toml", "--json"]).json();
    assert_eq!(first, json!([alice]));
    let text = estimate(&world, &["profiles.toml"]).done();
    let line = text.lines().find(|line| line.contains(by)).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[..5], ["alice", "field", "customer", by, "2"], "{text}");

    // The same of the folder, the file and a backup, when the server does not run.
    let of_file =
        |data: &str| world.run(&[&["profile", "estimate"], &all[..], &["--data", data]].concat());
    let running = of_file("acme");
    assert!(running.code == Some(1) && running.stderr.contains("server.redb"), "{running:?}");
    drop(server);
    for data in ["acme", "acme/server.redb"] {
        assert_eq!(of_file(data).json(), found);
    }
    let ghost = ["profile", "estimate", "profiles.toml", "--data", "acme", "--user", "ghost"];
    let ghost = world.run(&ghost);
    assert!(
        ghost.code == Some(2) && ghost.stderr.contains("there is no user `ghost`"),
        "{ghost:?}"
    );
}

#[test]
fn a_profile_over_its_budget_is_refused_with_the_figures() {
    let (world, server) = begin();
    let needed = bytes(&estimate(&world, &["profiles.toml", "--json"]).json()[0]);
    let budget = |bytes: u64| {
        let document = PROFILES.replace("for =", &format!("budget = {bytes}\nfor ="));
        world.write("profiles.toml", document);
        world.device("office", &["admin", "profile", "draft", "profiles.toml"]).done();
    };
    let publish =
        |more: &[&str]| world.device("office", &[&["admin", "profile", "publish"], more].concat());
    budget(needed - 1);
    let figures = format!(
        "profile `field` takes for alice 5 rows with {needed} bytes, over its budget of {}: \
         `work_order` 3 rows with ",
        needed - 1
    );
    for refused in [estimate(&world, &[]), publish(&[]), publish(&["--pilot", "user:alice"])] {
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(&figures), "{refused:?}");
    }
    let listed = world.device("office", &["admin", "profile", "list", "--json"]).json();
    assert_eq!((&listed["pilot"], &listed["in_force"]), (&json!(null), &json!(null)));
    // It is enough for bob; and what is enough for alice is for all.
    publish(&["--pilot", "user:bob"]).done();
    let promoted = world.device("office", &["admin", "profile", "promote"]);
    assert!(promoted.code == Some(2) && promoted.stderr.contains(&figures), "{promoted:?}");
    world.device("office", &["admin", "profile", "rollback"]).done();
    budget(needed);
    estimate(&world, &[]).done();
    publish(&[]).done();
    drop(server);
    let data = ["profile", "estimate", "profiles.toml", "--data", "acme"];
    world.run(&data).done();
    world.replace("profiles.toml", &format!("budget = {needed}"), "budget = 7");
    let refused = world.run(&data);
    assert!(refused.code == Some(2) && refused.stderr.contains("over its budget of 7"));
}

#[test]
fn a_running_server_looks_at_no_more_records_than_it_may() {
    let (world, server) = begin();
    drop(server);
    world.replace("acme/tidegate.toml", "estimate_records = 200000", "estimate_records = 3");
    let server = world.serve("acme");
    // alice's three orders are all that has to be looked at, and bob's one is one too many.
    estimate(&world, &["profiles.toml", "--user", "alice"]).done();
    let refused = estimate(&world, &["profiles.toml", "--user", "alice", "--user", "bob"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let why = "4 records have to be looked at, and 3 at most while the server runs";
    assert!(refused.stderr.contains(why), "{refused:?}");
    // So it does not know of everyone whether they are over their budget, and says so.
    world.replace("profiles.toml", "for =", "budget = 1000000\nfor =");
    world.device("office", &["admin", "profile", "draft", "profiles.toml"]).done();
    let published = world.device("office", &["admin", "profile", "publish"]);
    assert_eq!(published.code, Some(0), "{published:?}");
    assert!(published.stderr.contains("note: for 1 user it was not looked"), "{published:?}");
    drop(server);
    let data = ["profile", "estimate", "profiles.toml", "--data", "acme", "--user", "bob"];
    world.run(&data).done();
}

#[test]
fn of_a_table_that_is_taken_whole_no_more_than_its_first_page_is_looked_at() {
    let (world, server) = begin();
    drop(server);
    world.replace("acme/tidegate.toml", "estimate_records = 200000", "estimate_records = 0");
    let _server = world.serve("acme");
    let whole = "[[profile]]\nid = \"all\"\nfor = [\"organization\"]\n[[profile.table]]\nid = \
                 \"customer\"\nrows = [\"all\"]\n";
    world.write("profiles.toml", whole);
    let found = estimate(&world, &["profiles.toml", "--user", "alice", "--json"]).json();
    assert_eq!(rows(&found[0]), json!([["customer", 3, []]]));
    world.write("profiles.toml", format!("{whole}filter = \"name = 'Bolt'\"\n"));
    let refused = estimate(&world, &["profiles.toml", "--user", "alice"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("3 records have to be looked at"));
}

/// What is deleted no profile takes, and who goes by none has it, so that who may can bring it back.
#[test]
fn deleted_records_count_only_where_they_are_sent() {
    let (world, _server) = begin();
    let customers = world.rows("office", "customer");
    let (bolt, _) = customers.iter().find(|(_, row)| row["columns"]["name"] == "Bolt").unwrap();
    world.device("office", &["edit", "customer", bolt, "--delete"]).done();
    world.sync("office");
    world.write("none.toml", "");
    world.write(
        "profiles.toml",
        "[[profile]]\nid = \"all\"\nfor = [\"organization\"]\n[[profile.table]]\nid = \
         \"customer\"\nrows = [\"all\"]\n",
    );
    let of_customers = |document: &str, user: &str| {
        let found = estimate(&world, &[document, "--user", user, "--json"]).json();
        let tables = found[0]["tables"].as_array().unwrap().clone();
        tables.into_iter().find(|it| it["table"] == "customer").unwrap()
    };
    let (all, some) = (of_customers("none.toml", "bob"), of_customers("profiles.toml", "bob"));
    assert_eq!((&all["rows"], &some["rows"]), (&json!(3), &json!(2)));
    // That is what arrives.
    let arrives = |device: &str, estimated: &Value| {
        let code = world.code("acme", "bob");
        world.device(device, &["enroll", &code, "--json"]).json();
        let arrived = world.status(device)["bytes"]["customer"].as_u64().unwrap();
        assert_eq!(world.rows(device, "customer").len(), 2, "{device}");
        // Beside names, actors and times of a page.
        let (least, most) = (bytes(estimated) / 2, bytes(estimated));
        assert!((least..=most).contains(&arrived), "{device}: {arrived} {estimated}");
        arrived
    };
    let whole = arrives("bob-all", &all);
    world.device("office", &["admin", "profile", "draft", "profiles.toml"]).done();
    world.device("office", &["admin", "profile", "publish"]).done();
    let taken = arrives("bob-some", &some);
    assert!(taken * 3 <= whole * 2 + whole / 4, "{taken} {whole}");
}

#[test]
fn a_server_that_never_ran_is_to_be_started_once() {
    let world = World::new();
    world.init("acme", &[]);
    world.write("profiles.toml", PROFILES);
    for what in ["estimate", "compare"] {
        let told = world.run(&["profile", what, "profiles.toml", "--data", "acme"]);
        assert_eq!(told.code, Some(2), "{told:?}");
        let why = "its server has never run: start it once with `tidegate serve`";
        assert!(told.stderr.contains("server.redb") && told.stderr.contains(why), "{told:?}");
    }
}
