//! Edit histories played again: the real one, and a small one of which all is known.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value as Json, json};

use crate::process::{Outcome, run};

/// Two records, which three authors edit side by side.
fn history() -> Vec<Json> {
    let put = |record: &str, path: &[&str], value: Json| json!({ "record": record, "path": path, "op": "put", "value": value });
    let commit = |id: u64, parents: &[u64], author: u64, edits: Vec<Json>| json!({ "id": id, "parents": parents, "author": author, "time": id, "edits": edits });
    let create = |record: &str, value: Json| json!({ "record": record, "op": "create_record", "value": value });
    let a = create("a", json!({ "x": 1, "deep": { "y": 1, "z/": [1, { "b": 2 }] } }));
    let remove = json!({ "record": "a", "path": ["deep", "z/"], "op": "delete" });
    let delete = json!({ "record": "b", "op": "delete_record" });
    vec![
        commit(0, &[], 7, vec![a, create("b", json!("plain"))]),
        commit(1, &[0], 8, vec![put("a", &["x"], json!(2)), put("a", &["new"], json!({}))]),
        commit(2, &[0], 9, vec![put("a", &["x"], json!(3)), remove]),
        // Who merged both settles it.
        commit(3, &[1, 2], 8, vec![put("a", &["x"], json!(4))]),
        commit(4, &[0], 7, vec![put("a", &["deep", "y"], json!("ü")), delete.clone()]),
        commit(5, &[0], 9, vec![put("b", &[], json!("edited beside its deletion"))]),
        commit(6, &[3, 4, 5], 8, vec![]),
        commit(7, &[6], 7, vec![put("a", &["new", "list"], json!([null, 1.5]))]),
        // The same record is made on both sides, and in one more way by who knew of neither.
        commit(8, &[7], 8, vec![create("c", json!({ "from": 8, "same": true }))]),
        commit(9, &[7], 9, vec![create("c", json!({ "from": 9, "same": true, "more": null }))]),
        commit(10, &[8, 9], 7, vec![put("c", &["from"], json!("both")), delete]),
        commit(11, &[10], 9, vec![create("b", json!({ "again": true }))]),
    ]
}

fn expected() -> Json {
    json!({
        "a": { "x": 4, "deep": { "y": "ü" }, "new": { "list": [null, 1.5] } },
        "b": { "again": true },
        "c": { "from": "both", "same": true, "more": null },
    })
}

fn write(dir: &Path, name: &str, lines: impl IntoIterator<Item = Json>) -> PathBuf {
    let path = dir.join(name);
    let lines: String = lines.into_iter().map(|line| line.to_string() + "\n").collect();
    std::fs::write(&path, lines).unwrap();
    path
}

fn replay(dir: &Path, arguments: &[&str]) -> Outcome {
    run(dir, &[&["replay"], arguments].concat())
}

#[test]
fn what_was_concurrent_is_concurrent_again_and_all_replicas_end_as_expected() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "trace.jsonl", history());
    write(dir.path(), "final.json", [expected()]);
    let figures = replay(dir.path(), &["trace.jsonl", "--expect", "final.json", "--json"]).json();
    for (key, count) in [("commits", 12), ("authors", 3), ("edits", 16), ("records", 3)] {
        assert_eq!(figures[key], count, "{key}: {figures}");
    }
    assert_eq!(figures["replicas_equal"], true, "{figures}");
    let conflict = |record: &str, path: &str, commits: [u64; 2]| json!({ "record": record, "path": path, "commits": commits });
    let conflicts = [
        conflict("a", "/x", [1, 2]),
        conflict("b", "", [4, 5]),
        conflict("c", "/from", [8, 9]),
        conflict("c", "/more", [8, 9]),
    ];
    assert_eq!(figures["conflicts"], json!(conflicts), "{figures}");
    // Nothing but `c` is left of what was made on both sides.
    assert_eq!(figures["comparison"], json!({ "leaves": 7, "differences": [] }), "{figures}");
    for key in ["sent_bytes", "received_bytes", "entropy_bytes_by_edit", "sent_bytes_by_edit"] {
        assert!(figures[key].as_f64().unwrap() > 0.0, "{key}: {figures}");
    }
    for phase in [&figures, &figures["enrolment"], &figures["catching_up"]] {
        adds_up(phase);
    }
    let told = replay(dir.path(), &["trace.jsonl", "--expect", "final.json"]).done();
    for part in [
        "12 commits by 3 authors",
        "a/x: commits 1, 2",
        "3, all equal",
        "0 not as expected",
        "by purpose:\n  handshake ",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

/// Each byte has one purpose.
fn adds_up(phase: &Json) {
    for (way, bytes) in [("sent", "sent_bytes"), ("received", "received_bytes")] {
        let by_purpose = phase["ledger"][way].as_object().unwrap();
        let purposes =
            ["framing", "handshake", "ids", "quic", "session", "signatures", "values", "verdicts"];
        assert!(purposes.iter().all(|it| by_purpose.contains_key(*it)), "{phase}");
        let sum: u64 = by_purpose.values().map(|bytes| bytes.as_u64().unwrap()).sum();
        assert_eq!(sum, phase[bytes], "{phase}");
    }
}

#[test]
fn differences_are_listed_with_what_clashed_and_only_so_many_are_let_through() {
    let dir = tempfile::tempdir().unwrap();
    // Nobody settles what the two wrote into `x`.
    let mut open: Vec<Json> = history().into_iter().take(3).collect();
    open.push(json!({ "id": 3, "parents": [1, 2], "author": 8, "time": 3, "edits": [] }));
    write(dir.path(), "trace.jsonl", open);
    let wrong = json!({
        "a": { "x": "neither", "deep": { "y": 1 }, "new": {}, "never": 1 },
        "b": "plain",
    });
    write(dir.path(), "final.json", [wrong]);
    let run = |tolerance: &str| {
        let arguments = ["trace.jsonl", "--expect", "final.json", "--tolerance", tolerance];
        replay(dir.path(), &arguments)
    };
    let refused = run("1");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("2 differences, at most 1"), "{refused:?}");
    assert!(refused.stdout.contains("a/x: "), "{refused:?}");
    assert!(refused.stdout.contains("commits 1, 2 wrote there side by side"), "{refused:?}");
    let unexplained = "a/never: nothing in place of 1; nobody wrote there side by side";
    assert!(refused.stdout.contains(unexplained), "{refused:?}");
    assert!(run("2").done().contains("2 not as expected"));
}

#[test]
fn what_is_no_history_is_refused_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let first = history().remove(0);
    let commit = |parents: &[u64], edit: Json| json!({ "id": 1, "parents": parents, "author": 1, "time": 0, "edits": [edit] });
    let remove = |record: &str| json!({ "record": record, "op": "delete_record" });
    let put = |value: Json| json!({ "record": "a", "op": "put", "path": ["x"], "value": value });
    let deep = (0..40).fold(json!(1), |value, _| json!([value]));
    for (second, told) in [
        (commit(&[2], remove("a")), "which no line before says"),
        (commit(&[1], remove("a")), "which no line before says"),
        (commit(&[], remove("a")), "record `a`: it is not there"),
        (commit(&[0], remove("z")), "record `z`: it is not there"),
        (commit(&[0], put(deep)), "nested deeper"),
        (commit(&[0], json!({ "record": "a", "op": "move" })), "unknown variant `move`"),
        (json!("commit"), "no commit of an edit history"),
    ] {
        write(dir.path(), "trace.jsonl", [first.clone(), second]);
        let outcome = replay(dir.path(), &["trace.jsonl"]);
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        assert!(outcome.stderr.contains("trace.jsonl:2: "), "{told}: {outcome:?}");
        assert!(outcome.stderr.contains(told), "{told}: {outcome:?}");
    }
    write(dir.path(), "trace.jsonl", [first]);
    std::fs::write(dir.path().join("final.json"), "[1]").unwrap();
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&std::fs::read(dir.path().join("trace.jsonl")).unwrap()).unwrap();
    let packed = packed.finish().unwrap();
    std::fs::write(dir.path().join("whole.gz"), &packed).unwrap();
    assert_eq!(replay(dir.path(), &["whole.gz"]).code, Some(0));
    std::fs::write(dir.path().join("cut.gz"), &packed[..packed.len() / 2]).unwrap();
    for (arguments, told) in [
        (&["none.jsonl"][..], "none.jsonl"),
        (&["."], "give the path of a trace"),
        (&["cut.gz"], "cut.gz:1: "),
        (&["cut.gz"], "is cut off or damaged; get it again"),
        (&["trace.jsonl", "--expect", "none.json"], "none.json"),
        (&["trace.jsonl", "--expect", "final.json"], "no JSON object of records"),
        (&["trace.jsonl", "--tolerance", "1"], "--expect"),
    ] {
        let outcome = replay(dir.path(), arguments);
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        assert!(outcome.stderr.contains(told), "{told}: {outcome:?}");
    }
}

/// What two type beside each other, one after the other, and alone.
fn keystrokes(ending: &str) -> Json {
    let typed = |parents: &[usize], agent: u64, patch: (u32, u32, &str)| json!({ "parents": parents, "agent": agent, "patches": [patch] });
    let txns = [
        typed(&[], 3, (0, 0, "the text")),
        typed(&[0], 3, (8, 0, ".")),
        typed(&[1], 3, (0, 1, "T")),
        typed(&[1], 9, (4, 0, "other ")),
        typed(&[3], 9, (4, 5, "øther")),
        typed(&[2, 4], 9, (15, 0, "!")),
    ];
    json!({ "kind": "concurrent", "startContent": "", "endContent": ending, "txns": txns })
}

#[test]
fn keystrokes_are_typed_again_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "plain.json", [keystrokes("The øther text.!")]);
    let text = std::fs::read(dir.path().join("plain.json")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, &text).unwrap();
    std::fs::write(dir.path().join("packed.json.gz"), packed.finish().unwrap()).unwrap();
    for name in ["plain.json", "packed.json.gz"] {
        let figures = replay(dir.path(), &[name, "--json"]).json();
        for (key, count) in [("commits", 5), ("authors", 2), ("edits", 6), ("records", 1)] {
            assert_eq!(figures[key], count, "{name}, {key}: {figures}");
        }
        assert_eq!(figures["replicas_equal"], true, "{name}: {figures}");
        assert_eq!(figures["comparison"], json!({ "leaves": 1, "differences": [] }), "{name}");
    }
}

#[test]
fn a_text_that_is_not_what_its_trace_says_is_told_and_so_is_a_broken_trace() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "other.json", [keystrokes("The øther text.")]);
    let refused = replay(dir.path(), &["other.json"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stdout.contains("The øther text.! in place of The øther text."), "{refused:?}");
    assert!(refused.stderr.contains("1 difference, at most 0"), "{refused:?}");

    write(dir.path(), "two.json", [keystrokes(""), keystrokes("")]);
    std::fs::write(dir.path().join("cut.json.gz"), [0x1f, 0x8b, 8, 0, 0]).unwrap();
    write(dir.path(), "none.json", [json!({ "txns": [] })]);
    std::fs::write(dir.path().join("cut.json"), r#"{"endContent":"","txns":[{"patches":"#).unwrap();
    for (name, told) in [
        ("two.json", ":2: a trace of keystrokes is one line"),
        ("cut.json.gz", "cut.json.gz:1: "),
        ("cut.json", "cut.json:1: this is no trace of keystrokes: EOF"),
        ("none.json", ":1: this is no trace of keystrokes: missing field `endContent`"),
    ] {
        let outcome = replay(dir.path(), &[name]);
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        assert!(outcome.stderr.contains(told), "{name}: {outcome:?}");
    }
}

/// Of the real history what was done to these records, with all merges: two were deleted and made again
/// elsewhere, one was deleted while somebody edited it.
const RECORDS: [&str; 3] = ["BES", "SHN", "KOS"];
/// By so many people there: each device takes its time.
const PEOPLE: u64 = 5;

#[test]
fn the_real_history_of_countries_merges_as_it_did() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/edit-history");
    let (all, last) = (data.join("countries.jsonl"), data.join("countries.final.json"));
    let Ok(history) = std::fs::read_to_string(&all) else {
        println!("skipped: no shared data");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let arguments = if std::env::var_os("TIDEGATE_ALL_ROWS").is_some() {
        [all, last].map(|path| path.to_str().unwrap().to_owned())
    } else {
        // All of it takes some minutes without optimization.
        let lines = history.lines().map(|line| of_records(serde_json::from_str(line).unwrap()));
        write(dir.path(), "trace.jsonl", lines);
        let mut expected: Json = serde_json::from_slice(&std::fs::read(last).unwrap()).unwrap();
        expected.as_object_mut().unwrap().retain(|name, _| RECORDS.contains(&name.as_str()));
        write(dir.path(), "final.json", [expected]);
        ["trace.jsonl", "final.json"].map(str::to_owned)
    };
    let [trace, last] = &arguments;
    let arguments = [trace, "--expect", last, "--tolerance", "10", "--json"];
    let figures = replay(dir.path(), &arguments).json();
    assert_eq!((&figures["commits"], &figures["replicas_equal"]), (&json!(458), &json!(true)));
    assert!(figures["comparison"]["leaves"].as_u64().unwrap() > 100, "{figures}");
    for difference in figures["comparison"]["differences"].as_array().unwrap() {
        let is_explained = difference["commits"] != json!([]) || difference["emptied"] == true;
        assert!(is_explained, "{difference}");
    }
}

/// A commit without what it did to other records. Whoever does nothing here needs no device.
fn of_records(mut commit: Json) -> Json {
    let edits = commit["edits"].as_array_mut().unwrap();
    edits.retain(|edit| RECORDS.contains(&edit["record"].as_str().unwrap()));
    let is_idle = edits.is_empty();
    let author = commit["author"].as_u64().unwrap() % PEOPLE;
    commit["author"] = json!(if is_idle { 0 } else { author });
    commit
}
