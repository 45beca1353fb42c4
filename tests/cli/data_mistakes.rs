//! What a user of a device can get wrong with records and files of records.

use serde_json::Value;

use crate::table::{Mistake, check};
use crate::world::World;

/// A device of `alice` that has a record, and a server that may be gone.
fn device() -> World {
    let world = World::new();
    world.init("acme", &[]);
    let _server = world.serve("acme");
    world.enroll("acme", "alice", "tidegate");
    world.edit("tidegate", "work_order", "new", &["title=Fix the pump"]);
    world
}

/// Makes the mistakes, and checks that the device is as it was.
#[track_caller]
fn check_harmless(world: &World, mistakes: &[Mistake<'_>]) {
    let state = || {
        let rows = world.rows("tidegate", "work_order");
        let names: Vec<_> = world.files("").into_keys().collect();
        (world.status("tidegate"), rows, names)
    };
    let before = state();
    check(world, mistakes);
    assert_eq!(state(), before);
}

const ABSENT: &str = "019a0000-0000-7000-8000-000000000000";

#[test]
fn a_mistake_in_an_edit_is_named_and_stores_nothing() {
    let world = device();
    let edit = ["edit", "work_order", "new", "title=x"];
    let with = |more| [edit.as_slice(), &[more]].concat();
    let rows: &[Mistake<'_>] = &[
        (
            "a wrong choice",
            &with("status=opne"),
            2,
            &["`opne`", "column `status`", "open, in_progress, done"],
        ),
        ("a wrong number", &with("hours=1,5"), 2, &["column `hours`", "`1,5`", "such as 12.50"]),
        ("a wrong date", &with("due=31.12.2025"), 2, &["column `due`", "`31.12.2025`"]),
        ("a wrong lookup", &with("customer=Acme"), 2, &["column `customer`", "`Acme`"]),
        (
            "an unknown column",
            &with("colour=red"),
            2,
            &["`work_order` has no column `colour`", "title, status, due"],
        ),
        ("no value", &with("status"), 2, &["`status`", "COLUMN=VALUE"]),
        ("an owner without kind", &with("--assign=bob"), 2, &["`bob`", "user:ID or team:ID"]),
        (
            "an unknown table",
            &["edit", "workorder", "new", "title=x"],
            2,
            &["no table `workorder`", "customer, work_order"],
        ),
        (
            "a bad id",
            &["edit", "work_order", "17", "title=x"],
            2,
            &["`17` is no record id", "a UUID, or `new`"],
        ),
        (
            "a record that is not there",
            &["edit", "work_order", ABSENT, "title=x"],
            2,
            &["no record", ABSENT, "`work_order`"],
        ),
        (
            "nothing to do",
            &["edit", "work_order", ABSENT],
            2,
            &["nothing to do", "COLUMN=VALUE", "--delete"],
        ),
        (
            "to delete and to set",
            &["edit", "work_order", ABSENT, "--delete", "title=x"],
            2,
            &["cannot be used with"],
        ),
        (
            "to delete what is new",
            &["edit", "work_order", "new", "--delete"],
            2,
            &["new record", "deleted"],
        ),
        (
            "a required column left out",
            &["edit", "work_order", "new", "hours=1"],
            3,
            &["denied", "`title`", "required"],
        ),
        (
            "a table that the user may not write",
            &["edit", "customer", "new", "name=x"],
            3,
            &["denied: no_privilege", "create in `customer`"],
        ),
        ("show: a bad id", &["show", "work_order", "17"], 2, &["'17'", "expected a UUID"]),
        (
            "show: no such record",
            &["show", "work_order", ABSENT],
            2,
            &["no record", ABSENT, "`work_order`"],
        ),
        ("retry what is not there", &["quarantine", "retry", "1-9"], 2, &["1-9", "quarantine"]),
        ("discard what is not there", &["quarantine", "discard", "1-9"], 2, &["edit 1-9"]),
        ("no edit id", &["quarantine", "retry", "x"], 2, &["`x` is not an edit id", "3-17"]),
    ];
    check_harmless(&world, rows);
}

#[test]
fn a_mistake_in_a_query_is_named_with_its_place() {
    let world = device();
    let rows: &[Mistake<'_>] = &[
        ("query: an unknown table", &["query", "orders"], 2, &["no table `orders`"]),
        (
            "query: an unknown column",
            &["query", "work_order", "colour = 'red'"],
            2,
            &["line 1, column 1", "no column `colour`", "title", "^"],
        ),
        (
            "query: a bad value",
            &["query", "work_order", "status = 'x'"],
            2,
            &["column 10", "`x`", "`status`"],
        ),
        (
            "query: a parameter without a value",
            &["query", "work_order", "status = $which"],
            2,
            &["`$which` has no value"],
        ),
        (
            "query: a parameter of another form",
            &["query", "work_order", "status = $which", "--bind", "which"],
            2,
            &["expected NAME=VALUE"],
        ),
        (
            "query: a bad order",
            &["query", "work_order", "--order", "title sideways"],
            2,
            &["column 7", "`sideways`"],
        ),
        ("query: a bad place", &["query", "work_order", "--after", "1"], 2, &["no bookmark"]),
    ];
    check_harmless(&world, rows);
}

#[test]
fn a_mistake_in_a_share_is_named_and_stores_nothing() {
    let world = device();
    let edit = ["edit", "work_order", "new", "title=x"];
    let with = |more| [edit.as_slice(), &[more]].concat();
    let rows: &[Mistake<'_>] = &[
        (
            "a share without rights",
            &with("--share=user:bob"),
            2,
            &["--share user:bob", "PRINCIPAL=RIGHT"],
        ),
        (
            "a share with what is no principal",
            &with("--share=bob=read"),
            2,
            &["`bob`", "user:ID, team:ID or organization"],
        ),
        (
            "a share of what is no right",
            &with("--share=user:bob=reed"),
            2,
            &["`reed` is no right to share", "read, write, delete"],
        ),
        (
            "a share of the right to create",
            &with("--share=user:bob=create"),
            2,
            &["`create` is no right to share"],
        ),
        (
            "no share to end",
            &with("--unshare=bob"),
            2,
            &["--unshare", "`bob`", "user:ID, team:ID or organization"],
        ),
        (
            "a share of a column that is not secured",
            &with("--share-column=title:user:bob=read"),
            2,
            &["`work_order` has no secured column `title`"],
        ),
        (
            "to delete and to share",
            &["edit", "work_order", ABSENT, "--delete", "--share=user:bob=read"],
            2,
            &["cannot be used with"],
        ),
    ];
    check_harmless(&world, rows);
}

#[test]
fn an_import_that_cannot_begin_is_refused_as_a_whole() {
    let world = device();
    world.write("good.csv", "title,status\nx,open\n");
    world.write("unknown.csv", "title,colour\nx,red\n");
    world.write("empty.csv", "");
    world.write("cut_header.csv", "title,\"status\nx,open\n");
    world.write("image.csv", [0xff, 0xd8, 0xff, 0xe0, 0x00, 0x10]);
    world.write("unknown.jsonl", "{\"title\":\"x\"}\n{\"title\":\"y\",\"colour\":\"red\"}\n");
    std::fs::create_dir(world.path("folder")).unwrap();
    let rows: &[Mistake<'_>] = &[
        (
            "an unknown column",
            &["import", "work_order", "unknown.csv"],
            2,
            &["unknown.csv: line 1", "no column `colour`", "title, status", "--ignore colour"],
        ),
        (
            "an unknown column in JSON",
            &["import", "work_order", "unknown.jsonl"],
            2,
            &["unknown.jsonl: line 2", "no column `colour`", "--rename colour=NAME"],
        ),
        (
            "a column renamed to none",
            &["import", "work_order", "good.csv", "--rename", "title=titel"],
            2,
            &["line 1", "no column `titel`", "--rename title=NAME"],
        ),
        (
            "a renamed column that the file has not",
            &["import", "work_order", "good.csv", "--rename", "name=title"],
            2,
            &["--rename name", "no column `name`", "title, status"],
        ),
        (
            "half a rename",
            &["import", "work_order", "good.csv", "--rename", "title"],
            2,
            &["--rename title", "NAME=COLUMN"],
        ),
        (
            "an unknown table",
            &["import", "orders", "good.csv"],
            2,
            &["no table `orders`", "customer, work_order"],
        ),
        ("a missing file", &["import", "work_order", "none.csv"], 2, &["none.csv", "No such file"]),
        ("a folder", &["import", "work_order", "folder"], 2, &["folder is a folder, not a file"]),
        ("an empty file", &["import", "work_order", "empty.csv"], 2, &["empty.csv", "header row"]),
        (
            "a header that is cut",
            &["import", "work_order", "cut_header.csv"],
            2,
            &["cut_header.csv: line 1", "quote is not closed"],
        ),
        (
            "a picture",
            &["import", "work_order", "image.csv"],
            2,
            &["image.csv: line 1", "not UTF-8 text"],
        ),
    ];
    check_harmless(&world, rows);
}

#[test]
fn bad_lines_are_reported_by_number_and_the_others_go_in() {
    let world = device();
    let files = [
        (
            "cells.csv",
            "title,status,hours,id\n\
             a,open,1.5,\nb,opne,1.5,\nc,open,x,\nd,open,,17\n,open,,\ne,,,\n",
            2,
            vec![
                (3, "`opne` is not a choice of column `status`"),
                (4, "column `hours`: `x` is no decimal"),
                (5, "column `id`: `17` is no UUID"),
                (6, "column `title` is required"),
            ],
        ),
        (
            "short.csv",
            "title,status\na,open\nb\nc,open,red\n\"d\ne\",done\n",
            2,
            vec![(3, "1 cells where the header has 2"), (4, "3 cells where the header has 2")],
        ),
        ("cut.csv", "status,title\nopen,a\nopen,\"b", 1, vec![(3, "a quote is not closed")]),
        (
            "lines.jsonl",
            "{\"title\":\"a\"}\nhello\n[1]\n\n{\"title\":[7]}\n{\"title\":\"b\"\n{\"title\":\"c\"}\n",
            2,
            vec![
                (2, "not a JSON object: expected value, at column 1"),
                (3, "not a JSON object: invalid type: sequence"),
                (5, "column `title`"),
                (6, "not a JSON object: EOF"),
            ],
        ),
    ];
    for (file, text, good, bad) in files {
        world.write(file, text);
        let before = world.rows("tidegate", "work_order").len();
        let outcome = world.run(&["import", "work_order", file, "--json"]);
        assert_eq!(outcome.code, Some(3), "{file}: {outcome:?}");
        let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(report["changed"], good, "{file}: {report}");
        assert_eq!(report["bad"], bad.len(), "{file}: {report}");
        for (at, (line, words)) in bad.iter().enumerate() {
            let found = &report["bad_lines"][at];
            assert_eq!(found["line"], *line, "{file}: {report}");
            assert!(found["error"].as_str().unwrap().contains(words), "{file}: {found}");
        }
        // An error is JSON too, and for people the lines are told on standard error.
        let error: Value = serde_json::from_str(&outcome.stderr).unwrap();
        assert!(error["error"].as_str().unwrap().contains("could not be imported"), "{error}");
        assert_eq!(world.rows("tidegate", "work_order").len(), before + good, "{file}");
        let outcome = world.run(&["import", "work_order", file]);
        let (line, words) = bad[0];
        let told = outcome.stderr.lines().next().unwrap();
        assert!(told.starts_with(&format!("{file}: line {line}: ")), "{told}");
        assert!(told.contains(words), "{told}");
    }
    // A row that the user may not write is a bad line.
    world.write("customers.csv", "name\nAcme\n");
    let outcome = world.run(&["import", "customer", "customers.csv"]);
    assert_eq!(outcome.code, Some(3));
    assert!(outcome.stderr.contains("line 2: denied: no_privilege"), "{outcome:?}");
    assert!(outcome.stdout.contains("0 rows imported"), "{outcome:?}");
}

#[test]
fn importing_again_changes_nothing() {
    let world = device();
    let id = "id,title,hours\n";
    world.write("orders.csv", format!("{id}{ABSENT},Paint,1.50\n"));
    let import = || world.run(&["import", "work_order", "orders.csv", "--json"]).json();
    assert_eq!(import()["changed"], 1);
    assert_eq!(import()["unchanged"], 1);
    world.write("orders.csv", format!("{id}{ABSENT},Paint,1.75\n"));
    assert_eq!(import()["changed"], 1);
    assert_eq!(world.rows("tidegate", "work_order")[ABSENT]["columns"]["hours"], "1.75");
}
