//! Which room may use which, and what the pure rooms may not touch.

use crate::paths::{NamedPath, paths};
use crate::tokens::tokens;
use crate::{File, assert_one, assert_tidy, files};

/// A room of `src/` and the rooms that it may use. Arrows point up this list only.
/// `error` and `limits` are open to everyone, and the facade `lib.rs` may use all.
const ROOMS: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("error", &[]),
    ("model", &[]),
    ("query", &["model"]),
    ("crdt", &["model"]),
    ("gate", &["model", "crdt"]),
    ("codec", &["model", "crdt"]),
    ("scope", &["model", "gate", "query"]),
    ("policy", &["model", "query", "scope"]),
    ("sync", &["model", "policy", "query", "crdt", "gate", "codec", "scope"]),
    // The storage traits that the machines call are declared in `sync`: docs/adr/0008.
    ("store", &["model", "query", "codec", "gate", "sync"]),
    ("net", &["model", "codec"]),
    (
        "replica",
        &["model", "policy", "query", "crdt", "gate", "codec", "scope", "sync", "store", "net"],
    ),
    (
        "server",
        &["model", "policy", "query", "crdt", "gate", "codec", "scope", "sync", "store", "net"],
    ),
    ("kit", &["model", "policy", "gate", "codec", "sync", "store", "replica"]),
    ("web", &["server", "replica"]),
    (
        "cli",
        &[
            "model", "policy", "query", "crdt", "gate", "codec", "scope", "sync", "replica",
            "server", "web",
        ],
    ),
    ("main", &["cli"]),
];

/// Open to everyone.
const COMMON: &[&str] = &["error", "limits"];

/// The rooms that compile with `--no-default-features`.
const PURE: &[&str] =
    &["limits", "error", "model", "query", "crdt", "gate", "codec", "scope", "policy", "sync"];

/// What a pure room may not name: time, randomness, files, sockets and threads are arguments.
const IMPURE: &[&[&str]] = &[
    &["std", "fs"],
    &["std", "net"],
    &["std", "thread"],
    &["std", "process"],
    &["std", "env"],
    &["tokio"],
    &["quinn"],
    &["redb"],
    &["getrandom"],
];

/// Types whose `now` reads the clock.
const CLOCKS: &[&str] = &["Instant", "SystemTime", "Timestamp", "Zoned"];

/// The only room that names Automerge.
const AUTOMERGE_ROOM: &str = "crdt";

/// Who may attest that a server was checked, whose word then passes the gate: see `gate`.
const ATTESTATION: (&str, &[&str]) = ("of_checked_server", &["gate", "sync"]);

/// The room that a file of `src/` belongs to and how deep its module lies: `src/model/id.rs` is
/// in `model` at depth 2.
fn place(path: &str) -> (String, usize) {
    let inner = path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs");
    let mut parts: Vec<_> = inner.split('/').collect();
    parts.pop_if(|last| *last == "mod");
    let depth = if inner == "lib" || inner == "main" { 0 } else { parts.len() };
    (parts[0].to_owned(), depth)
}

/// What follows the root of the crate in `path`, where the path goes there: a room's name.
fn from_root<'a>(path: &'a NamedPath, room: &str, depth: usize) -> Option<&'a str> {
    if path.part(0) == Some("crate") || (room == "main" && path.part(0) == Some("tidegate")) {
        return Some(path.part(1).unwrap_or("crate"));
    }
    let start = usize::from(path.part(0) == Some("self"));
    let ups = path.parts.iter().skip(start).take_while(|part| *part == "super").count();
    (ups > 0 && ups == depth + path.depth).then(|| path.part(start + ups).unwrap_or("super"))
}

/// Why `room` may not use `target`.
fn arrow_problem(room: &str, target: &str) -> Option<String> {
    let Some((_, may_use)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        return Some(format!("`{room}` is no room: add it to ROOMS in tests/tidy/rooms.rs"));
    };
    if !ROOMS.iter().any(|(name, _)| *name == target) {
        return Some(format!("`crate::{target}` names no room: import from the room itself"));
    }
    let open = target == room || COMMON.contains(&target) || may_use.contains(&target);
    (!open).then(|| format!("{room} -> {target}: `{room}` may not use `{target}`"))
}

fn import_problems(file: &File) -> Vec<String> {
    let (room, depth) = place(&file.path);
    if room == "lib" {
        return Vec::new();
    }
    let mut problems = Vec::new();
    for path in paths(&tokens(&file.text)) {
        // `pub(crate)` and `pub(super)` are no imports.
        if path.parts.len() == 1 && !path.import {
            continue;
        }
        let problem =
            from_root(&path, &room, depth).and_then(|target| arrow_problem(&room, target));
        problems.extend(problem.map(|problem| format!("{}:{}: {problem}", file.path, path.line)));
    }
    problems
}

fn impure(path: &NamedPath) -> bool {
    let clock =
        path.parts.windows(2).any(|two| CLOCKS.contains(&two[0].as_str()) && two[1] == "now");
    clock || IMPURE.iter().any(|start| path.starts_with(start) && names_crate(path))
}

/// Whether the path is a crate's: a lone name elsewhere than in an import is a variable.
fn names_crate(path: &NamedPath) -> bool {
    path.import || path.parts.len() > 1
}

fn purity_problems(file: &File) -> Vec<String> {
    let (room, _) = place(&file.path);
    let mut problems = Vec::new();
    for path in paths(&tokens(&file.text)) {
        let (at, named) = (format!("{}:{}", file.path, path.line), path.parts.join("::"));
        if PURE.contains(&room.as_str()) && impure(&path) {
            problems.push(format!("{at}: the pure room `{room}` names `{named}`"));
        }
        if room != AUTOMERGE_ROOM && path.starts_with(&["automerge"]) && names_crate(&path) {
            problems.push(format!("{at}: only `{AUTOMERGE_ROOM}` names automerge, not `{room}`"));
        }
    }
    problems
}

fn attestation_problems(file: &File) -> Vec<String> {
    let (room, _) = place(&file.path);
    let (name, may_name) = ATTESTATION;
    let named = tokens(&file.text).into_iter().filter(|token| token.text == name);
    named
        .filter(|_| !may_name.contains(&room.as_str()))
        .map(|token| format!("{}:{}: `{room}` may not name `{name}`", file.path, token.line))
        .collect()
}

/// Work that was left undone.
fn stub_problems(file: &File) -> Vec<String> {
    let tokens = tokens(&file.text);
    let stubs = tokens.windows(2).filter(|two| {
        matches!(two[0].text.as_str(), "todo" | "unimplemented") && two[1].text == "!"
    });
    let stubs = stubs.map(|two| (two[0].line, format!("`{}!`", two[0].text)));
    let marks = file.text.lines().enumerate().filter(|(_, line)| line.contains("FIXME"));
    let marks = marks.map(|(at, _)| (at + 1, "FIXME".to_owned()));
    stubs.chain(marks).map(|(line, what)| format!("{}:{line}: {what}", file.path)).collect()
}

#[test]
fn rooms_use_only_what_they_may() {
    assert_tidy(&files("src", ".rs").iter().flat_map(import_problems).collect::<Vec<_>>());
}

#[test]
fn pure_rooms_touch_no_outside_and_only_crdt_names_automerge() {
    assert_tidy(&files("src", ".rs").iter().flat_map(purity_problems).collect::<Vec<_>>());
}

#[test]
fn only_sync_attests_that_a_server_was_checked() {
    assert_tidy(&files("src", ".rs").iter().flat_map(attestation_problems).collect::<Vec<_>>());
}

#[test]
fn no_stubs_are_left() {
    assert_tidy(&files("src", ".rs").iter().flat_map(stub_problems).collect::<Vec<_>>());
}

#[test]
fn arrows_of_the_table_point_one_way() {
    for (at, (room, may_use)) in ROOMS.iter().enumerate() {
        for target in *may_use {
            let below = ROOMS[..at].iter().any(|(name, _)| name == target);
            assert!(below, "{room} -> {target}: `{target}` must come before `{room}`");
        }
    }
}

#[test]
fn replica_and_server_do_not_know_each_other() {
    assert!(arrow_problem("replica", "server").is_some());
    assert!(arrow_problem("server", "replica").is_some());
}

fn sample(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn a_wrong_import_is_found_however_it_is_written() {
    let wrong = [
        "\nuse crate::store::Table;",
        "\nuse crate::{model::Value, store::Table};",
        "\nfn f() { crate::store::open() }",
        "\nuse super::super::store;",
        "\nmod m { use super::super::super::store::Table; }",
        "\npub use self::super::super::store;",
    ];
    for text in wrong {
        let problems = import_problems(&sample("src/gate/judge.rs", text));
        assert_one(&problems, &["src/gate/judge.rs:2", "gate -> store"]);
    }
    let problems = import_problems(&sample("src/main.rs", "fn main() { tidegate::replica::f() }"));
    assert_one(&problems, &["src/main.rs:1", "main -> replica"]);
}

#[test]
fn an_import_past_the_rooms_is_found() {
    let file = |text| sample("src/gate/mod.rs", text);
    assert_one(&import_problems(&file("use crate::Replica;")), &["`crate::Replica` names no room"]);
    assert_one(&import_problems(&file("use crate::*;")), &["`crate::*` names no room"]);
    assert_one(&import_problems(&file("use crate as here;")), &["names no room"]);
    assert_one(&import_problems(&file("use super::Replica;")), &["names no room"]);
    let stray = sample("src/attic/mod.rs", "use crate::model::Value;");
    assert_one(&import_problems(&stray), &["`attic` is no room"]);
}

#[test]
fn a_right_import_is_left_alone() {
    let right = "//! Not `crate::store`.\n\
        use crate::{error::Error, limits::NAME_BYTES_MAX, model::Value};\n\
        use super::privilege; use super::super::model::Value as V; use crate::gate::Judge;\n\
        pub(crate) fn f() {} pub(super) fn g() { \"crate::store\"; }\n\
        mod tests { use super::*; use super::super::judge; }";
    assert_tidy(&import_problems(&sample("src/gate/judge.rs", right)));
    assert_tidy(&import_problems(&sample("src/lib.rs", "pub use crate::replica::Replica;")));
    assert_tidy(&import_problems(&sample("src/cli/mod.rs", "use crate::server::Server;")));
}

#[test]
fn an_impure_name_in_a_pure_room_is_found() {
    let impure = [
        "use std::fs;",
        "use std::{fmt, net::IpAddr};",
        "fn f() { std::thread::sleep(d) }",
        "use tokio;",
        "fn f(x: quinn::Connection) {}",
        "use redb::Database;",
        "fn f() { Instant::now(); }",
        "fn f() { std::time::SystemTime::now(); }",
        "fn f() { jiff::Timestamp::now(); }",
    ];
    for text in impure {
        let problems = purity_problems(&sample("src/sync/peer.rs", text));
        assert_one(&problems, &["src/sync/peer.rs:1", "pure room `sync`"]);
        assert_tidy(&purity_problems(&sample("src/store/mod.rs", text)));
    }
    let pure = "use std::fmt; fn f(tokio: u8, now: Timestamp) { stdx::fs(); tokio + 1 }";
    assert_tidy(&purity_problems(&sample("src/sync/peer.rs", pure)));
}

#[test]
fn automerge_outside_its_room_is_found() {
    let named = "use automerge::ObjId;";
    let problems = purity_problems(&sample("src/store/mod.rs", named));
    assert_one(&problems, &["src/store/mod.rs:1", "only `crdt` names automerge"]);
    assert_tidy(&purity_problems(&sample("src/crdt/rebuild.rs", named)));
}

#[test]
fn an_attestation_elsewhere_is_found() {
    let text = "fn f() {\n    Attestation::of_checked_server() }";
    let problems = attestation_problems(&sample("src/replica/mod.rs", text));
    assert_one(&problems, &["src/replica/mod.rs:2", "`replica` may not name"]);
    assert_tidy(&attestation_problems(&sample("src/sync/replica.rs", text)));
}

#[test]
fn a_stub_is_found() {
    let file = |text| sample("src/gate/mod.rs", text);
    assert_one(&stub_problems(&file("fn f() {\n    todo!() }")), &["src/gate/mod.rs:2", "todo!"]);
    assert_one(&stub_problems(&file("unimplemented! {}")), &["unimplemented!"]);
    assert_one(&stub_problems(&file("// FIXME later")), &["FIXME"]);
    assert_tidy(&stub_problems(&file("fn todo() { \"todo!()\" }")));
}
