//! `tidegate gate check`, through the binary.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use crate::organization::adventure_works;
use crate::twins::policy;

fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    // A command that refuses its policy does not read its cases.
    let _ = writer.join().unwrap();
    output
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

const CASES: &str = r#"{"user":"bea","op":"read","table":"order","record":{"owner":"user:bea","business_unit":"north"}}
no case

{"user":"bea","op":"write","table":"order","columns":["cost"],"record":{"owner":"user:bea","business_unit":"north"}}
{"user":"zoe","op":"read","table":"order","record":{"owner":"user:bea","business_unit":"north"}}"#;

const ANSWERS: &str = r#"{"allowed":true}
{"allowed":false,"rule":"malformed"}
{"allowed":false,"rule":"malformed"}
{"allowed":false,"rule":"no_column_permission","denied_columns":["cost"]}
{"allowed":false,"rule":"unknown_user"}
"#;

#[test]
fn answers_each_line_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("policy.json"), policy().to_string()).unwrap();
    std::fs::write(path("cases.jsonl"), CASES).unwrap();
    let (policy, cases) = (path("policy.json"), path("cases.jsonl"));
    for json in [&[][..], &["--json"]] {
        let mut arguments = vec!["gate", "check", "--policy", &policy, "--cases", &cases];
        arguments.extend(json);
        let output = run(&arguments, b"");
        assert_eq!(text(&output.stdout), ANSWERS);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    }
    // A final line end adds no line, and lines may end as on Windows.
    let windows = format!("{}\r\n", CASES.replace('\n', "\r\n"));
    let arguments = ["gate", "check", "--policy", &policy, "--cases", "-"];
    assert_eq!(text(&run(&arguments, windows.as_bytes()).stdout), ANSWERS);
    assert_eq!(text(&run(&arguments, b"").stdout), "");
}

#[test]
fn a_line_over_the_bound_is_malformed_and_the_next_is_judged() {
    use tidegate::limits::CASE_BYTES_MAX;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.json");
    std::fs::write(&path, policy().to_string()).unwrap();
    let case = CASES.lines().next().unwrap();
    let padded = |bytes: usize| format!("{}{case}", " ".repeat(bytes - case.len()));
    let lines = [&padded(CASE_BYTES_MAX), &padded(CASE_BYTES_MAX + 1), &padded(3 << 20), case];
    let cases = lines.map(|line| format!("{line}\n")).concat();
    let arguments = ["gate", "check", "--policy", path.to_str().unwrap(), "--cases", "-"];
    let output = run(&arguments, cases.as_bytes());
    let (allowed, malformed) = ("{\"allowed\":true}", "{\"allowed\":false,\"rule\":\"malformed\"}");
    let expected = format!("{allowed}\n{malformed}\n{malformed}\n{allowed}\n");
    assert_eq!(text(&output.stdout), expected);
}

#[test]
fn input_that_is_refused_as_a_whole_ends_with_2_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("good.json"), policy().to_string()).unwrap();
    std::fs::write(path("bad.toml"), "[[role]]\nid = \"a\"\nid2 = \"b\"\n").unwrap();
    std::fs::write(path("nobody.toml"), "[[role]]\nid = \"a\"\n").unwrap();
    std::fs::write(path("latin.toml"), b"# caf\xe9\n").unwrap();
    let (good, absent) = (path("good.json"), path("absent"));
    let rows = [
        (path("bad.toml"), "-".into(), format!("{}:3: unknown key `id2`", path("bad.toml"))),
        (absent.clone(), "-".into(), format!("cannot read {absent}")),
        (good.clone(), absent.clone(), format!("cannot read {absent}")),
        (path("nobody.toml"), "-".into(), "no business unit".into()),
        (path("latin.toml"), "-".into(), "not UTF-8".into()),
        (good, directory.path().to_str().unwrap().into(), "cannot read".into()),
    ];
    for (policy, cases, message) in rows {
        let arguments = ["gate", "check", "--policy", &policy, "--cases", &cases];
        let output = run(&arguments, b"");
        assert_eq!(output.status.code(), Some(2), "{message}");
        let stderr = text(&output.stderr);
        assert!(stderr.starts_with("error: ") && stderr.contains(&message), "{message}: {stderr}");
        let output = run(&[&arguments[..], &["--json"]].concat(), b"");
        let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
        assert!(error["error"].as_str().unwrap().contains(&message), "{error}");
    }
    assert_eq!(run(&["gate", "check"], b"").status.code(), Some(2));
    assert_eq!(run(&["gate", "check", "--help"], b"").status.code(), Some(0));
}

#[test]
fn the_organization_may_come_from_csv() {
    let Some(data) = adventure_works() else { return };
    let policy = data.join("policy.toml");
    let case = r#"{"user":"ken0","op":"read","table":"customer","record":{"owner":"user:david8","business_unit":"sales"}}"#;
    let arguments = [
        "gate",
        "check",
        "--policy",
        policy.to_str().unwrap(),
        "--cases",
        "-",
        "--organization",
        data.to_str().unwrap(),
    ];
    let output = run(&arguments, case.as_bytes());
    assert_eq!(text(&output.stdout), "{\"allowed\":true}\n", "{}", text(&output.stderr));
}

#[test]
fn explains_each_line_in_order_in_words_or_json() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("policy.json"), policy().to_string()).unwrap();
    std::fs::write(path("cases.jsonl"), CASES).unwrap();
    let (policy, cases) = (path("policy.json"), path("cases.jsonl"));
    let explain = |more: &[&str]| {
        let arguments = [&["gate", "explain", "--policy", &policy], more].concat();
        let output = run(&arguments, CASES.as_bytes());
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
        text(&output.stdout).to_owned()
    };
    let words = explain(&["--cases", &cases]);
    assert_eq!(words, explain(&["--cases", "-"]));
    let heads: Vec<_> = words.split("\n\n").map(|block| block.lines().next().unwrap()).collect();
    assert_eq!(heads.len(), 5);
    assert_eq!(heads[0], "bea may read a record of `order` that belongs to bea in `north`");
    assert!(heads[1].starts_with("Not a case: malformed: expected ident"), "{}", heads[1]);
    assert!(heads[3].ends_with(": no_column_permission"), "{}", heads[3]);

    // The answers of `check`, with more beside.
    let lines = explain(&["--cases", &cases, "--json"]);
    for (line, answer) in lines.lines().zip(ANSWERS.lines()) {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        let steps = line.as_object_mut().unwrap().remove("steps").unwrap();
        assert_eq!(steps.as_array().unwrap().is_empty(), line["rule"] == "malformed");
        line.as_object_mut().unwrap().remove("detail");
        assert_eq!(line, serde_json::from_str::<serde_json::Value>(answer).unwrap());
    }
    assert_eq!(lines.lines().count(), 5);

    // One case as an argument.
    let first = CASES.lines().next().unwrap();
    assert_eq!(explain(&[first]), format!("{}\n", words.split("\n\n").next().unwrap()));
}

#[test]
fn explain_has_the_errors_of_check() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("good.json"), policy().to_string()).unwrap();
    std::fs::write(path("bad.toml"), "[[role]]\nid = \"a\"\nid2 = \"b\"\n").unwrap();
    let (good, bad, absent) = (path("good.json"), path("bad.toml"), path("absent"));
    let rows: [(&[&str], String); 3] = [
        (&["--policy", &bad, "--cases", "-"], format!("{bad}:3: unknown key `id2`")),
        (&["--policy", &absent, "--cases", "-"], format!("cannot read {absent}")),
        (&["--policy", &good, "--cases", &absent], format!("cannot read {absent}")),
    ];
    for (arguments, message) in rows {
        let arguments = [&["gate", "explain"], arguments].concat();
        let output = run(&arguments, b"");
        assert_eq!(output.status.code(), Some(2), "{message}");
        let stderr = text(&output.stderr);
        assert!(stderr.starts_with("error: ") && stderr.contains(&message), "{message}: {stderr}");
        let output = run(&[&arguments[..], &["--json"]].concat(), b"");
        let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
        assert!(error["error"].as_str().unwrap().contains(&message), "{error}");
    }
    // Neither cases nor a case; and both.
    for more in [&[][..], &["--cases", "-", "{}"]] {
        let arguments = [&["gate", "explain", "--policy", good.as_str()], more].concat();
        assert_eq!(run(&arguments, b"").status.code(), Some(2));
    }
}
