//! What a user's own data costs on the wire, told from the command line.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::table::{Mistake, check};
use crate::world::World;

/// So many rows of five columns, one of them the same in all.
fn rows(count: u32) -> String {
    let mut text = "id,name,amount,day,\"a, b\"\n".to_owned();
    for n in 0..count {
        let (amount, day) = (n * 37 % 1_000, 1 + n % 28);
        writeln!(text, "{n:04},\"Person, {n}\",{amount}.50,2026-11-{day:02},").unwrap();
    }
    text
}

fn bench(world: &World, more: &[&str]) -> Value {
    world.run(&[&["bench", "bandwidth", "rows.csv", "--json"], more].concat()).json()
}

fn bytes(told: &Value, phase: &str, what: &str) -> f64 {
    told["phases"][phase][what].as_f64().unwrap()
}

#[test]
fn a_csv_file_is_measured_from_import_to_catch_up() {
    let world = World::new();
    let csv = rows(400);
    world.write("rows.csv", &csv);
    let told = bench(&world, &["--edits", "200", "--authors", "2", "--seed", "7"]);
    assert_eq!(told["csv_bytes"], csv.len());
    assert!(told["csv_zstd_bytes"].as_u64().unwrap() < csv.len() as u64 / 2, "{told}");
    assert_eq!((&told["rows"], &told["edits"]), (&json!(400), &json!(200)));
    // Leading zeros are no integer's, and `id` is a record's own.
    let types = json!({
        "column_1": "text", "name": "text", "amount": "decimal", "day": "date", "a, b": "text",
    });
    assert_eq!(told["columns"], types);
    // Rows and edits went where they should, at no less than what is in them, and not for ever.
    for (phase, what, least) in [
        ("import", "sent_bytes", 400.0),
        ("first_sync", "received_bytes", 400.0),
        ("push", "sent_bytes", 200.0),
        ("catch_up", "received_bytes", 200.0),
        ("idle", "sent_bytes", 1.0),
    ] {
        let found = bytes(&told, phase, what);
        assert!(found > least && found < 1e6, "{phase}: {told}");
    }
    for (phase, most) in [("first_sync", 1_000.0), ("catch_up", 1_000.0)] {
        let each = bytes(&told, phase, "each_bytes");
        assert!(each > 1.0 && each < most, "{phase}: {told}");
    }
}

#[test]
fn people_get_a_table_and_a_seed_says_what_is_edited() {
    let world = World::new();
    world.write("rows.csv", rows(50));
    let text =
        world.run(&["bench", "bandwidth", "rows.csv", "--edits", "10", "--seed", "3"]).done();
    for part in ["50 rows", "amount decimal", "zstd -19", "first sync of another device", "seed 3"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_trace_is_played_and_stands_beside_its_file() {
    let world = World::new();
    let create = json!({ "op": "create_record", "record": "it", "value": { "n": 0 } });
    let put = |n: u32| json!({ "op": "put", "record": "it", "path": ["n"], "value": n });
    let commit = |id: u32, parents: &[u32], author: u32, edit: Value| json!({ "id": id, "parents": parents, "author": author, "edits": [edit] });
    let commits =
        [commit(1, &[], 1, create), commit(2, &[1], 2, put(5)), commit(3, &[2], 1, put(6))];
    let text = commits.map(|commit| commit.to_string() + "\n").concat();
    world.write("trace.jsonl", &text);
    let told = world.run(&["bench", "bandwidth", "trace.jsonl", "--json"]).json();
    assert_eq!(told["json_bytes"], text.len());
    assert!(told["json_zstd_bytes"].as_u64().unwrap() < text.len() as u64, "{told}");
    assert_eq!((&told["commits"], &told["edits"]), (&json!(3), &json!(3)));
    assert!(told["sent_bytes"].as_u64().unwrap() > 0, "{told}");
    let text = world.run(&["bench", "bandwidth", "trace.jsonl"]).done();
    assert!(text.contains("as JSON") && text.contains("zstd -19"), "{text}");
}

#[test]
fn a_file_that_is_no_table_is_refused_with_what_to_do() {
    let world = World::new();
    world.write("empty.csv", "");
    world.write("head.csv", "a,b\n");
    world.write("uneven.csv", "a,b\n1,2\n1,2,3\n");
    world.write("latin.csv", b"a,b\n1,\xE9\n");
    world.write("twice.csv", "a,a\n1,2\n");
    world.write("same.csv", "a,b\n1,2\n1,2\n");
    world.write("rows.csv", rows(5));
    let of = |file: &'static str| ["bench", "bandwidth", file];
    let mistakes: &[Mistake<'_>] = &[
        ("no file", &of("absent.csv"), 2, &["absent.csv", "the path of a CSV file"]),
        ("an empty file", &of("empty.csv"), 2, &["empty.csv", "its first line names the columns"]),
        ("only a header", &of("head.csv"), 2, &["head.csv", "each line after the header is one"]),
        ("an uneven line", &of("uneven.csv"), 2, &["line 3", "3 fields", "2", "in quotes"]),
        ("no UTF-8", &of("latin.csv"), 2, &["line 2", "UTF-8"]),
        ("a name twice", &of("twice.csv"), 2, &["line 1", "`a`", "another name"]),
        ("nothing to edit", &of("same.csv"), 2, &["nothing to edit"]),
        (
            "more edits than rows",
            &["bench", "bandwidth", "rows.csv", "--edits", "6"],
            2,
            &["--edits 6", "rows.csv", "5"],
        ),
        (
            "authors of a trace",
            &["bench", "bandwidth", "trace.jsonl", "--authors", "2"],
            2,
            &["trace.jsonl", "leave out --edits, --authors and --seed"],
        ),
        (
            "no trace",
            &["bench", "bandwidth", "absent.json.gz"],
            2,
            &["absent.json.gz", "give the path of a trace"],
        ),
        (
            "no authors",
            &["bench", "bandwidth", "rows.csv", "--authors", "0"],
            2,
            &["--authors", "1..=100"],
        ),
    ];
    check(&world, mistakes);
}
