//! Every link within the documents leads somewhere.

use std::path::{Component, Path, PathBuf};

use crate::{File, assert_one, assert_tidy, files, root};

/// The lines outside of fenced code, numbered from 1.
pub(crate) fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(at, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((at + 1, line))
    })
}

/// The targets of `[text](target)` in a line, code spans apart.
fn targets(line: &str) -> Vec<&str> {
    let outside = line.split('`').step_by(2);
    let links = outside.flat_map(|part| part.split("](").skip(1));
    links.filter_map(|rest| rest.split(')').next()).collect()
}

/// The anchor that a heading gets.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn has_anchor(text: &str, anchor: &str) -> bool {
    prose(text).any(|(_, line)| line.starts_with('#') && slug(line) == anchor)
}

/// `path` without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

/// The links of `file` that lead nowhere; `read` gives a file's text; a folder has none.
fn link_problems(file: &File, read: impl Fn(&Path) -> Option<String>) -> Vec<String> {
    let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
    let mut problems = Vec::new();
    for (line, text) in prose(&file.text) {
        for target in targets(text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let found = if path.is_empty() {
                Some(file.text.clone())
            } else {
                read(&plain(&folder.join(path)))
            };
            let leads = found.is_some_and(|text| anchor.is_empty() || has_anchor(&text, anchor));
            if !leads {
                problems.push(format!("{}:{line}: `{target}` leads nowhere", file.path));
            }
        }
    }
    problems
}

fn in_repository(path: &Path) -> Option<String> {
    let path = root().join(path);
    path.exists().then(|| std::fs::read_to_string(&path).unwrap_or_default())
}

#[test]
fn links_lead_somewhere() {
    let roots = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].map(crate::file);
    let docs = files("docs", ".md");
    let all = roots.iter().chain(&docs);
    assert_tidy(&all.flat_map(|file| link_problems(file, in_repository)).collect::<Vec<_>>());
}

#[test]
fn a_dead_link_is_found() {
    let read = |path: &Path| match path.to_str().unwrap() {
        "README.md" => Some("# Tidegate\n\n## Two words, more\n".to_owned()),
        "docs/adr" => Some(String::new()),
        _ => None,
    };
    let check = |text: &str| {
        let file = File { path: "docs/a.md".to_owned(), text: format!("# Here\n\n{text}\n") };
        link_problems(&file, read)
    };
    assert_one(&check("[a](b.md)"), &["docs/a.md:3", "`b.md`"]);
    assert_one(&check("[a](../README.md#absent)"), &["docs/a.md:3", "#absent"]);
    assert_one(&check("[a](#there)"), &["docs/a.md:3", "#there"]);
    assert_one(&check("[a](../README.md) and [b](c.md)"), &["c.md"]);
    let live = "[a](../README.md#two-words-more) [b](adr) [c](#here) [d](https://example.org/x) \
        `[e](f.md)`\n```\n[g](h.md)\n```";
    assert_tidy(&check(live));
}
