//! What the README tells a newcomer to do, and what comes of a refused edit.

use serde_json::json;

use crate::world::World;

#[test]
fn two_devices_edit_offline_and_end_equal() {
    let world = World::new();
    let made = world.init("acme", &[]);
    assert_eq!(made["administrator"], "admin");
    let view = "[[view]]\nid = \"all_orders\"\ntable = \"work_order\"\n\
                columns = [\"title\", \"customer.name as customer\", \"hours\"]\n\n[[view]]";
    world.replace("acme/schema.toml", "[[view]]", view);
    let mut server = world.serve("acme");
    let code = made["code"].as_str().unwrap();
    let office = world.device("office", &["enroll", code, "--json"]).json();
    assert_eq!((&office["user"], &office["device"]), (&json!("admin"), &json!(1)));
    world.write("customers.csv", "name,city\nAcme,Oslo\nBolt,\n\"Cee, Ltd\",Bergen\n");
    let imported = world.device("office", &["import", "customer", "customers.csv", "--json"]);
    assert_eq!(imported.json()["changed"], 3);
    let synced = world.sync("office");
    assert_eq!((&synced["admitted"], &synced["denied"]), (&json!(3), &json!(0)));
    for (user, device) in [("alice", "alice"), ("bob", "bob")] {
        assert_eq!(world.enroll("acme", user, device)["rows"], 3);
    }
    let customers = world.rows("alice", "customer");
    assert_eq!(customers, world.rows("office", "customer"));
    let acme = customers.values().find(|row| row["columns"]["name"] == "Acme").unwrap();
    let (acme, title) = (acme["id"].as_str().unwrap(), "title=Fix the pump");

    let customer = format!("customer={acme}");
    let (order, _) = world.edit("alice", "work_order", "new", &[title, &customer, "hours=1.50"]);
    world.sync("alice");
    world.sync("bob");

    // Without a server: reads and edits go on, and both change the same record.
    assert_eq!(server.interrupt(), Some(0));
    world.edit("alice", "work_order", &order, &["status=open", "due=2025-02-28"]);
    world.edit("bob", "work_order", &order, &["status=done", "hours=2.5"]);
    let shown = world.device("bob", &["show", "work_order", &order, "--json"]).json();
    assert_eq!(shown["pending"], true);
    assert_eq!(shown["columns"]["status"], "done");
    let confirmed = world.device("bob", &["show", "work_order", &order, "--json", "--confirmed"]);
    assert_eq!(confirmed.json()["columns"].get("status"), None);
    assert_eq!(world.status("alice")["pending"], 1);

    let _server = world.serve("acme");
    for device in ["alice", "bob", "alice"] {
        world.sync(device);
    }
    let (alice, bob) = (world.rows("alice", "work_order"), world.rows("bob", "work_order"));
    assert_eq!(alice, bob);
    let columns = &alice[&order]["columns"];
    assert_eq!((&columns["due"], &columns["hours"]), (&json!("2025-02-28"), &json!("2.5")));
    assert!(columns["status"] == "open" || columns["status"] == "done", "{columns}");
    assert_eq!(alice[&order]["owner"], "user:alice");
    assert_eq!(alice[&order]["pending"], false);

    // What is printed for people names the same.
    let text = world.device("bob", &["query", "work_order", "hours = 2.5"]).done();
    assert!(text.contains("Fix the pump") && text.ends_with("1 row"), "{text}");
    let open = ["query", "work_order", "hours > $least", "--bind", "least=2.5", "--count"];
    assert_eq!(world.device("bob", &open).done(), "0 rows");
    let plan = ["query", "work_order", "--order", "due desc", "--limit", "7", "--explain"];
    let text = world.device("bob", &plan).done();
    assert!(text.contains("go through the 1 rows of `work_order`"), "{text}");
    assert!(text.contains("sort by due desc, id, and keep the first 7"), "{text}");
    let view = world.device("bob", &["view", "open_orders", "--json"]).json_lines();
    let status = &columns["status"];
    assert_eq!(view.len(), usize::from(status != "done"), "{view:?}");
    let all = ["view", "all_orders", "title = $title", "--bind", "title=Fix the pump"];
    let text = world.device("bob", &all).done();
    assert!(
        text.starts_with("title         customer  hours\nFix the pump  Acme      2.5\n1 row"),
        "{text}"
    );
    let wrong = world.device("bob", &["view", "orders"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.stderr.contains("which has: all_orders, open_orders"), "{wrong:?}");
    let text = world.device("bob", &["status"]).done();
    assert!(text.contains("user bob") && text.contains("work_order: 1"), "{text}");

    world.device("alice", &["edit", "work_order", &order, "--delete"]).done();
    world.sync("alice");
    world.sync("bob");
    assert!(world.rows("bob", "work_order").is_empty());
}

/// A right is taken away between an edit and its sync.
#[test]
fn a_revoked_right_ends_in_quarantine_and_is_retried_or_discarded() {
    let world = World::new();
    world.init("acme", &[]);
    let mut server = world.serve("acme");
    world.enroll("acme", "alice", "alice");
    let (order, _) = world.edit("alice", "work_order", "new", &["title=Fix the pump"]);
    world.sync("alice");
    let write = "write = \"business_unit\"\n";
    let serve_with = |server: &mut crate::process::Running, from: &str, to: &str| {
        assert_eq!(server.interrupt(), Some(0));
        world.replace("acme/policy.toml", from, to);
        *server = world.serve_with("acme", &["--apply-files"]);
    };

    let (_, first) = world.edit("alice", "work_order", &order, &["status=open"]);
    let (_, second) = world.edit("alice", "work_order", &order, &["status=done"]);
    let (other, _) = world.edit("alice", "work_order", "new", &["title=Paint the gate"]);
    serve_with(&mut server, write, "write = \"none\"\n");
    let refused = world.device("alice", &["sync"]);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    for word in ["refused", "2 edits", "tidegate quarantine"] {
        assert!(refused.stderr.contains(word), "{word}: {refused:?}");
    }
    // Rolled back, and the rest went on.
    let rows = world.rows("alice", "work_order");
    assert_eq!(rows[&order]["columns"], json!({"title": "Fix the pump"}));
    assert_eq!(rows[&other]["pending"], false);
    let held = world.device("alice", &["quarantine", "--json"]).json();
    let edits: Vec<_> = held.as_array().unwrap().iter().map(|it| it["edit"].clone()).collect();
    assert_eq!(edits, [json!(first), json!(second)]);
    assert_eq!(held[0]["rule"], "no_privilege");
    assert_eq!(held[0]["right"], "write");
    assert_eq!(held[0]["record"], json!(order));
    assert_eq!(held[1]["edits"], json!(["status = done"]));
    assert!(world.device("alice", &["quarantine"]).done().contains("no_privilege"));

    // The device knows by now: it refuses by itself, and stores nothing.
    let denied = world.device("alice", &["edit", "work_order", &order, "status=open"]);
    assert_eq!(denied.code, Some(3), "{denied:?}");
    assert!(denied.stderr.contains("no right to write in `work_order`"), "{denied:?}");
    let still = world.device("alice", &["quarantine", "retry", &second]);
    assert_eq!(still.code, Some(3), "{still:?}");
    assert_eq!(world.status("alice")["quarantined"], 2);
    assert_eq!(world.status("alice")["pending"], 0);

    world.device("alice", &["quarantine", "discard", &first]).done();
    assert_eq!(world.status("alice")["quarantined"], 1);
    serve_with(&mut server, "write = \"none\"\n", write);
    // What the new grant allows is tried again by itself.
    assert_eq!(world.sync("alice")["admitted"], 1);
    assert_eq!(world.status("alice")["quarantined"], 0);
    world.enroll("acme", "bob", "bob");
    let rows = world.rows("bob", "work_order");
    assert_eq!(rows[&order]["columns"]["status"], "done");
    // For Bob the record began anew: he was not there before.
    world.sync("alice");
    assert_eq!(rows, world.rows("alice", "work_order"));
}

#[test]
fn a_refused_edit_is_mended_and_sent() {
    let world = World::new();
    world.init("acme", &[]);
    let _server = world.serve("acme");
    world.enroll("acme", "alice", "alice");
    let (order, _) = world.edit("alice", "work_order", "new", &["title=Fix the pump"]);
    world.sync("alice");
    let nobody = "customer=00000000-0000-4000-8000-000000000001";
    let (_, edit) = world.edit("alice", "work_order", &order, &[nobody]);
    assert_eq!(world.device("alice", &["sync"]).code, Some(3));
    assert!(world.device("alice", &["quarantine"]).done().contains("change of work_order"));

    let resubmit = |arguments: &[&str]| {
        let all: Vec<_> =
            ["quarantine", "resubmit", &edit].iter().chain(arguments).copied().collect();
        world.device("alice", &all)
    };
    for (arguments, code, told) in [
        (&[][..], 2, "--without"),
        (&["colour=red"][..], 2, "no column `colour`"),
        (&["customer="][..], 3, "nothing is left"),
        (&["--without", "customer"][..], 3, "nothing is left"),
    ] {
        let refused = resubmit(arguments);
        assert_eq!(refused.code, Some(code), "{refused:?}");
        assert!(refused.stderr.contains(told), "{told}: {refused:?}");
        assert_eq!(world.status("alice")["quarantined"], 1);
    }
    assert!(resubmit(&["--without", "customer", "status=done"]).done().contains("pending again"));
    assert_eq!(
        (&world.status("alice")["quarantined"], &world.status("alice")["pending"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(world.sync("alice")["admitted"], 1);
    assert_eq!(world.rows("alice", "work_order")[&order]["columns"]["status"], "done");
}
