//! The habits of the house that neither the compiler nor clippy can check: which room may use
//! which, how large files and functions may grow, and that the documents are filled in and true.
//!
//! Each check is a function from text to a list of problems, so that it is itself tested with a
//! small bad example. A problem starts with the file and the line.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken tree should fail the test"
)]

use std::fs;
use std::path::{Path, PathBuf};

#[path = "tidy/adr.rs"]
mod adr;
#[path = "tidy/docs.rs"]
mod docs;
#[path = "tidy/links.rs"]
mod links;
#[path = "tidy/paths.rs"]
mod paths;
#[path = "tidy/rooms.rs"]
mod rooms;
#[path = "tidy/sizes.rs"]
mod sizes;
#[path = "tidy/tokens.rs"]
mod tokens;

/// A text file of this repository.
struct File {
    /// Relative to the repository, with `/` between the parts.
    path: String,
    text: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder` whose names end with `ending`, in the order of their paths.
fn files(folder: &str, ending: &str) -> Vec<File> {
    let root = root();
    let mut found = Vec::new();
    let mut open = vec![root.join(folder)];
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(read(&root, &path));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn read(root: &Path, path: &Path) -> File {
    let parts = path.strip_prefix(root).unwrap().iter().map(|part| part.to_str().unwrap());
    let name = parts.collect::<Vec<_>>().join("/");
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    File { path: name, text }
}

fn file(path: &str) -> File {
    let root = root();
    read(&root, &root.join(path))
}

#[track_caller]
fn assert_tidy(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// The check found exactly one problem, and it says all of `parts`.
#[track_caller]
fn assert_one(problems: &[String], parts: &[&str]) {
    assert_eq!(problems.len(), 1, "{problems:#?}");
    for part in parts {
        assert!(problems[0].contains(part), "{:?} does not say {part:?}", problems[0]);
    }
}

#[test]
fn readme_commands_are_what_the_checks_run() {
    let (readme, ci) = (file("README.md").text, file(".ci/run").text);
    for command in ["cargo run --release -- demo", "cargo test"] {
        assert!(readme.lines().any(|line| line.trim() == command), "README.md: no `{command}`");
        assert!(ci.contains(command), ".ci/run: no `{command}`");
    }
}
