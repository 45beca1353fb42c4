//! Glossary and threat model are filled in, and the tests that they name exist.

use std::collections::BTreeSet;

use crate::links::prose;
use crate::tokens::tokens;
use crate::{File, assert_one, assert_tidy, file, files};

/// The nouns that the code and the documents use in one meaning each.
const NOUNS: &[&str] = &[
    "Ability",
    "Actor",
    "Adopt",
    "Applied",
    "Atomic edit",
    "Attestation",
    "Author",
    "Bookmark",
    "Bucket",
    "Business unit",
    "Change",
    "Change set",
    "Column permission",
    "Confirmed",
    "Court",
    "Denial",
    "Depth",
    "Desk",
    "Device key",
    "Digest",
    "Directory",
    "Draft",
    "Edit",
    "Edit id",
    "Effect",
    "Environment",
    "Explanation",
    "Filter",
    "Folder",
    "Frame",
    "Gate",
    "Generation",
    "Grant",
    "Header",
    "Hidden",
    "History",
    "Holding",
    "Home",
    "Intent",
    "Ledger",
    "Log",
    "Log epoch",
    "Machine",
    "Move",
    "Notice",
    "Offline profile",
    "Organization key",
    "Orphaned",
    "Owner",
    "Page",
    "Pending",
    "Policy",
    "Policy epoch",
    "Principal",
    "Purge",
    "Purge receipt",
    "Quarantine",
    "Query",
    "Rebase",
    "Receipt",
    "Record",
    "Replica",
    "Remedy",
    "Repair",
    "Requirement",
    "Retry",
    "Right",
    "Roster",
    "Rules",
    "Ruling",
    "Scan",
    "Schema",
    "Scope",
    "Section",
    "Sequence",
    "Server key",
    "Session",
    "Share",
    "Snapshot",
    "Source",
    "Split",
    "Standing",
    "Totals",
    "Turn",
    "Turning",
    "Verdict",
    "Verification",
    "Version",
    "Wanted",
    "Watermark",
    "Way",
    "Window",
    "Wish",
];

/// Fewer words do not explain a noun.
const WORDS_MIN: usize = 8;
/// The issues that a row can be planned in.
const ISSUES: std::ops::RangeInclusive<u32> = 1..=8;
const COLUMNS: &[&str] = &["attack", "defence", "test"];

/// What is wrong with a glossary of `### Noun` headings, each followed by its meaning.
fn glossary_problems(glossary: &File, nouns: &[&str]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for entry in glossary.text.split("\n### ").skip(1) {
        let (noun, meaning) = entry.split_once('\n').unwrap_or((entry, ""));
        let meaning = meaning.split("\n#").next().unwrap_or_default().trim();
        let sentence = meaning.ends_with(['.', ')']) && meaning.contains('.');
        if meaning.split_whitespace().count() < WORDS_MIN || !sentence {
            problems.push(format!("{}: `{noun}` is not explained by a sentence", glossary.path));
        }
        if !seen.insert(noun) {
            problems.push(format!("{}: `{noun}` is explained twice", glossary.path));
        }
    }
    let absent = nouns.iter().filter(|noun| !seen.contains(**noun));
    problems.extend(absent.map(|noun| format!("{}: no entry `### {noun}`", glossary.path)));
    problems
}

/// The cells of a table's row.
fn cells(line: &str) -> Vec<&str> {
    line.trim().trim_matches('|').split('|').map(str::trim).collect()
}

/// What is wrong with the table of attacks, given the names of all functions.
fn threat_problems(model: &File, functions: &BTreeSet<String>) -> Vec<String> {
    let lines = prose(&model.text).collect::<Vec<_>>();
    let is_head = |line: &str| line.starts_with('|') && cells(line).ends_with(COLUMNS);
    let mut rows = 0;
    let mut problems = Vec::new();
    for (at, (_, head)) in lines.iter().enumerate().filter(|(_, (_, line))| is_head(line)) {
        let width = cells(head).len();
        for (line, row) in lines[at + 2..].iter().take_while(|(_, line)| line.starts_with('|')) {
            rows += 1;
            let found = row_problems(&cells(row), width, functions);
            problems
                .extend(found.iter().map(|problem| format!("{}:{line}: {problem}", model.path)));
        }
    }
    if rows == 0 {
        problems.push(format!("{}: no row under a table's head {COLUMNS:?}", model.path));
    }
    problems
}

fn row_problems(cells: &[&str], width: usize, functions: &BTreeSet<String>) -> Vec<String> {
    if cells.len() != width || cells.iter().any(|cell| cell.is_empty()) {
        return vec![format!("{} filled cells are wanted", width)];
    }
    let Some(test) = cells.last() else { return Vec::new() };
    let planned = ISSUES.clone().any(|issue| test.contains(&format!("planned (issue {issue})")));
    let names: Vec<_> = test.split('`').skip(1).step_by(2).collect();
    if names.is_empty() && !planned {
        return vec!["names neither a `test` nor `planned (issue N)`".to_owned()];
    }
    let absent = names.iter().filter(|name| {
        let function = name.rsplit("::").next().unwrap_or_default();
        !functions.contains(function)
    });
    absent.map(|name| format!("there is no test `{name}`")).collect()
}

/// The names of all functions in these files.
fn functions(files: &[File]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files {
        let tokens = tokens(&file.text);
        let found = tokens.windows(2).filter(|two| two[0].text == "fn" && two[1].is_name());
        names.extend(found.map(|two| two[1].text.clone()));
    }
    names
}

#[test]
fn glossary_explains_every_noun() {
    assert_tidy(&glossary_problems(&file("docs/glossary.md"), NOUNS));
}

#[test]
fn threat_model_names_defence_and_test_of_every_attack() {
    let mut sources = files("src", ".rs");
    sources.extend(files("tests", ".rs"));
    sources.extend(files("fuzz/src", ".rs"));
    assert_tidy(&threat_problems(&file("docs/threat-model.md"), &functions(&sources)));
}

fn sample(text: &str) -> File {
    File { path: "docs/a.md".to_owned(), text: text.to_owned() }
}

#[test]
fn a_thin_glossary_is_found() {
    let good = "# Glossary\n\n### Author\n\nThe device key that signed a change, for a user.\n\n\
        ### Log\n\nThe order in which the server admitted the changes.\n";
    assert_tidy(&glossary_problems(&sample(good), &["Author", "Log"]));
    let absent = glossary_problems(&sample(good), &["Author", "Log", "Gate"]);
    assert_one(&absent, &["docs/a.md", "### Gate"]);
    let thin = good.replace("The order in which the server admitted the changes.", "An order.");
    assert_one(&glossary_problems(&sample(&thin), &[]), &["`Log` is not explained"]);
    let empty = good.replace("The device key that signed a change, for a user.", "");
    assert_one(&glossary_problems(&sample(&empty), &[]), &["`Author` is not explained"]);
    let twice = good.replace("### Log", "### Author");
    assert_one(&glossary_problems(&sample(&twice), &[]), &["`Author` is explained twice"]);
}

#[test]
fn a_thin_threat_model_is_found() {
    let functions = functions(&[sample("#[test]\nfn forged_is_refused() {}")]);
    let check = |rows: &str| {
        let text = format!("# T\n\n| attack | defence | test |\n|---|---|---|\n{rows}\n\nEnd.\n");
        threat_problems(&sample(&text), &functions)
    };
    assert_tidy(&check("| a | b | `gate::forged_is_refused` |\n| c | d | planned (issue 5) |"));
    assert_one(&check("| a | | `forged_is_refused` |"), &["docs/a.md:5", "3 filled cells"]);
    assert_one(&check("| a | b |"), &["3 filled cells"]);
    assert_one(&check("| a | b | `forged_is_lost` |"), &["docs/a.md:5", "`forged_is_lost`"]);
    assert_one(&check("| a | b | soon |"), &["neither"]);
    assert_one(&check("| a | b | planned (issue 9) |"), &["neither"]);
    assert_one(&check(""), &["no row"]);
}
