//! Schemas compared, checked and put in force from the command line.

use crate::world::World;

const HOURS: &str = "{ id = \"hours\", type = \"decimal\" },";

#[test]
fn a_schema_is_compared_before_it_is_put_in_force() {
    let world = World::new();
    world.init("acme", &[]);
    world.write("new.toml", world.read("acme/schema.toml"));
    let hours = "{ id = \"hours\", name = \"Stunden\", type = \"text\" },";
    world.replace("new.toml", HOURS, hours);
    world.replace("new.toml", "\"in_progress\", ", "");
    let diff = ["schema", "diff", "acme/schema.toml", "new.toml"];
    let text = world.run(&diff).done();
    for told in [
        "~ column `work_order.hours` is called `Stunden`, no more `hours`: only what people see",
        "~ column `work_order.hours` becomes text, was decimal: values that are there",
        "~ column `work_order.status` has the choice `in_progress` no more: refused if",
    ] {
        assert!(text.contains(told), "{text}");
    }
    let json = world.run(&[&diff[..], &["--json"]].concat()).json();
    assert_eq!(json.as_array().unwrap().len(), 3);
    let retyped = json.as_array().unwrap().iter().find(|it| it["change"] == "retyped").unwrap();
    assert_eq!((&retyped["from"], &retyped["to"]), (&"decimal".into(), &"text".into()));
    assert!(retyped["means"].as_str().unwrap().contains("without loss"));
    let same = world.run(&["schema", "diff", "new.toml", "new.toml"]).done();
    assert_eq!(same, "nothing changes");

    assert!(world.run(&["schema", "check", "new.toml"]).done().contains("2 tables with 7 columns"));
    for (from, to, told) in [
        ("\"Stunden\"", "\"due\"", "column `due` is called so already"),
        (
            "type = \"text\" },\n  { id = \"cust",
            "type = \"text\", default = \"0\" },\n  { id = \"cust",
            "only a required column has one",
        ),
        (
            "type = \"date\"",
            "type = \"date\", required = true, default = \"soon\"",
            "`soon` is no date",
        ),
    ] {
        world.write("bad.toml", world.read("new.toml"));
        world.replace("bad.toml", from, to);
        let refused = world.run(&["schema", "check", "bad.toml"]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(
            refused.stderr.contains("bad.toml:") && refused.stderr.contains(told),
            "{refused:?}"
        );
    }
}

#[test]
fn a_schema_is_put_in_force_while_the_server_runs_and_stays_so() {
    let world = World::new();
    let made = world.init("acme", &[]);
    let mut server = world.serve("acme");
    world.device("office", &["enroll", made["code"].as_str().unwrap(), "--json"]).json();
    world.enroll("acme", "alice", "phone");
    let (order, _) = world.edit("phone", "work_order", "new", &["title=pump", "hours=1.5"]);
    world.sync("phone");
    world.write("new.toml", world.read("acme/schema.toml"));
    world.replace("new.toml", HOURS, "{ id = \"hours\", name = \"Stunden\", type = \"integer\" },");
    let apply = |more: &[&str]| {
        world.device("office", &[&["admin", "schema", "apply", "new.toml"], more].concat())
    };
    for more in [&["--dry-run"][..], &[]] {
        let refused = apply(more);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        for told in ["1 record of `work_order`", &order, "the decimal `1.5` is none without loss"] {
            assert!(refused.stderr.contains(told), "{refused:?}");
        }
    }
    world.edit("phone", "work_order", &order, &["hours=2"]);
    world.sync("phone");
    let text = apply(&["--dry-run"]).done();
    assert!(
        text.contains("becomes integer, was decimal") && text.contains("all records fit"),
        "{text}"
    );
    let answer = apply(&["--json"]).json();
    assert!(
        answer["policy_epoch"].is_u64() && answer["schema"].as_array().unwrap().len() == 2,
        "{answer}"
    );
    assert!(apply(&[]).done().contains("nothing changes"));

    // People see what the column is called, and may say so.
    world.sync("phone");
    let shown = world.device("phone", &["show", "work_order", &order]).done();
    assert!(shown.contains("  Stunden: 2\n"), "{shown}");
    world.edit("phone", "work_order", &order, &["Stunden=3"]);
    let csv = world.device("phone", &["export", "work_order", "--names"]).done();
    assert!(csv.lines().next().unwrap().contains(",Stunden,"), "{csv}");
    world.write("orders.csv", csv.replace(",3,", ",4,"));
    world.device("phone", &["import", "work_order", "orders.csv"]).done();
    let row = world.device("phone", &["show", "work_order", &order, "--json"]).json();
    assert_eq!(row["columns"]["hours"], 4);

    // The file of before is not in force any more, unless it is asked for.
    assert_eq!(server.interrupt(), Some(0));
    let mut server = world.serve("acme");
    world.sync("phone");
    let row = world.device("phone", &["show", "work_order", &order, "--json"]).json();
    assert_eq!(row["columns"]["hours"], 4);
    assert_eq!(server.interrupt(), Some(0));
    let _server = world.serve_with("acme", &["--apply-files"]);
    world.sync("phone");
    let row = world.device("phone", &["show", "work_order", &order, "--json"]).json();
    assert_eq!(row["columns"]["hours"], "4");
}

#[test]
fn a_table_goes_with_what_the_policy_says_of_it() {
    let world = World::new();
    let made = world.init("acme", &[]);
    let _server = world.serve("acme");
    world.device("office", &["enroll", made["code"].as_str().unwrap(), "--json"]).json();
    let schema = world.read("acme/schema.toml");
    let (first, orders) = schema.split_once("[[table]]\nid = \"customer\"").unwrap();
    let (_, orders) = orders.split_once("[[table]]").unwrap();
    world.write("less.toml", format!("{first}[[table]]{orders}"));
    let apply = |more: &[&str]| {
        world.device("office", &[&["admin", "schema", "apply", "less.toml"], more].concat())
    };
    // Another table looks it up.
    let refused = apply(&[]);
    assert!(
        refused.code == Some(2) && refused.stderr.contains("no table `customer`"),
        "{refused:?}"
    );
    world.replace(
        "less.toml",
        "  { id = \"customer\", type = \"lookup\", table = \"customer\" },\n",
        "",
    );
    // A view shows its columns.
    let refused = apply(&[]);
    assert!(
        refused.code == Some(2) && refused.stderr.contains("view `open_orders`"),
        "{refused:?}"
    );
    let less = world.read("less.toml");
    world.write("less.toml", less.split_once("[[view]]").unwrap().0);
    // The policy names it.
    let refused = apply(&[]);
    assert!(refused.code == Some(2) && refused.stderr.contains("`rights.customer`"), "{refused:?}");
    world.write("policy.toml", world.read("acme/policy.toml"));
    let rights = "[role.rights.customer]\nread = \"organization\"\nappend_to = \"organization\"\n";
    world.replace("policy.toml", rights, "");
    let text = apply(&["--policy", "policy.toml"]).done();
    assert!(text.contains("- table `customer` is removed") && text.contains("in force"), "{text}");
    world.sync("office");
    assert_eq!(world.device("office", &["query", "customer"]).done(), "0 rows");
}
