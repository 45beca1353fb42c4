//! Sharing from the command line.

use serde_json::json;

use crate::world::World;

#[test]
fn a_record_and_a_column_of_it_are_shared_and_shown_and_taken_back() {
    let world = World::new();
    world.init("acme", &[]);
    let cost = "{ id = \"cost\", type = \"decimal\", secured = true },\n";
    let hours = "  { id = \"hours\", type = \"decimal\" },\n";
    world.replace("acme/schema.toml", hours, &format!("{hours}  {cost}"));
    let _server = world.serve("acme");
    world.enroll("acme", "admin", "office");
    world.enroll("acme", "alice", "alice");

    // What is new can be shared at once.
    let made = ["title=Fix the pump", "cost=90", "--share=user:alice=read,write"];
    let (order, _) = world.edit("office", "work_order", "new", &made);
    world.sync("office");
    world.sync("alice");
    let row = &world.rows("alice", "work_order")[&order];
    assert_eq!(row["columns"], json!({"title": "Fix the pump"}));
    assert_eq!(row["shares"], json!([{"to": "user:alice", "rights": ["read", "write"]}]));

    let share = "--share-column=cost:user:alice=read";
    world.edit("office", "work_order", &order, &["status=open", share]);
    world.sync("office");
    world.sync("alice");
    let shown = world.device("alice", &["show", "work_order", &order, "--json"]).json();
    assert_eq!(shown["columns"]["cost"], "90");
    let column = json!({"to": "user:alice", "column": "cost", "read": true, "update": false});
    assert_eq!(shown["column_shares"], json!([column]));
    let text = world.device("alice", &["show", "work_order", &order]).done();
    assert!(text.contains("shared with user:alice: read, write"), "{text}");
    assert!(text.contains("cost shared with user:alice: read\n"), "{text}");

    // Who may not share is told why.
    let denied = world.device("alice", &["edit", "work_order", &order, "--share=user:bob=read"]);
    assert_eq!(denied.code, Some(3), "{denied:?}");
    assert!(denied.stderr.contains("no right to share in `work_order`"), "{denied:?}");

    let taken = ["--share-column=cost:user:alice="];
    world.edit("office", "work_order", &order, &taken);
    world.sync("office");
    world.sync("alice");
    let row = &world.rows("alice", "work_order")[&order];
    assert_eq!((&row["columns"]["cost"], &row["column_shares"]), (&json!(null), &json!([])));
    let same = world.device("office", &["edit", "work_order", &order, taken[0]]).done();
    assert!(same.contains("Nothing changes"), "{same}");

    world.edit("office", "work_order", &order, &["--unshare=user:alice"]);
    world.sync("office");
    world.sync("alice");
    assert!(world.rows("alice", "work_order").is_empty());
}
