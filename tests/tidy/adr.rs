//! Each architecture decision record says what a reader will ask, on one page.

use crate::{File, assert_one, assert_tidy, files};

const HEADINGS: &[&str] = &["## Context", "## Decision", "## Alternatives", "## Consequences"];
/// About a page.
const LINES_MAX: usize = 60;

fn adr_problems(file: &File) -> Vec<String> {
    let mut problems = Vec::new();
    let mut say = |problem: String| problems.push(format!("{}: {problem}", file.path));
    let found: Vec<_> = file.text.lines().filter(|line| line.starts_with("## ")).collect();
    if found != HEADINGS {
        say(format!("expected the headings {HEADINGS:?}, found {found:?}"));
    }
    for section in file.text.split("\n## ").skip(1) {
        let (heading, body) = section.split_once('\n').unwrap_or((section, ""));
        if body.trim().is_empty() {
            say(format!("`{heading}` is empty"));
        }
    }
    let lines = file.text.lines().count();
    if lines > LINES_MAX {
        say(format!("{lines} lines are more than one page ({LINES_MAX})"));
    }
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let number = name.split('-').next().unwrap_or_default();
    if number.len() != 4 || !number.bytes().all(|digit| digit.is_ascii_digit()) {
        say("the name starts with no number of four digits".to_owned());
    } else if !file.text.starts_with(&format!("# {number}. ")) {
        say(format!("the title does not start with `# {number}. `"));
    }
    problems
}

fn numbering_problems(files: &[File]) -> Vec<String> {
    let number =
        |file: &File| file.path.rsplit('/').next().and_then(|name| name.get(..4)?.parse().ok());
    let numbers = files.iter().map(|file| (file, number(file)));
    let wrong = numbers.enumerate().filter(|(at, (_, number))| *number != Some(*at));
    wrong.map(|(at, (file, _))| format!("{}: expected number {at:04}", file.path)).collect()
}

#[test]
fn decision_records_are_complete() {
    let files = files("docs/adr", ".md");
    assert!(files.len() > 1, "docs/adr is empty");
    assert_tidy(&files.iter().flat_map(adr_problems).collect::<Vec<_>>());
    assert_tidy(&numbering_problems(&files));
}

fn sample(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

const GOOD: &str = "# 0007. A\n\n## Context\n\nb\n\n## Decision\n\nc\n\n## Alternatives\n\nd\n\n## Consequences\n\ne\n";

#[test]
fn an_incomplete_decision_record_is_found() {
    let path = "docs/adr/0007-a.md";
    assert_tidy(&adr_problems(&sample(path, GOOD)));
    let without = GOOD.replace("## Alternatives\n\nd\n\n", "");
    assert_one(&adr_problems(&sample(path, &without)), &[path, "## Alternatives"]);
    let empty = GOOD.replace("\n\nd\n", "\n");
    assert_one(&adr_problems(&sample(path, &empty)), &["`Alternatives` is empty"]);
    let long = format!("{GOOD}{}", "f\n".repeat(LINES_MAX));
    assert_one(&adr_problems(&sample(path, &long)), &["more than one page"]);
    assert_one(&adr_problems(&sample("docs/adr/0008-a.md", GOOD)), &["`# 0008. `"]);
    assert_one(&adr_problems(&sample("docs/adr/a.md", GOOD)), &["no number"]);
}

#[test]
fn a_gap_or_a_double_number_is_found() {
    let files = |names: &[&str]| names.iter().map(|name| sample(name, "")).collect::<Vec<_>>();
    assert_tidy(&numbering_problems(&files(&["docs/adr/0000-a.md", "docs/adr/0001-b.md"])));
    let gap = files(&["docs/adr/0000-a.md", "docs/adr/0002-b.md"]);
    assert_one(&numbering_problems(&gap), &["0002-b.md", "0001"]);
    let double = files(&["docs/adr/0000-a.md", "docs/adr/0000-b.md"]);
    assert_one(&numbering_problems(&double), &["0000-b.md", "0001"]);
}
