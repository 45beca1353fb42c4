//! A keystroke trace as a file says it: one object, in the form in which such traces are published. What one
//! author types without a break becomes a commit.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::trace::{Commit, Step, Trace};
use crate::limits::REPLAY_EDITS_MAX;

/// What the record is called.
const NAME: &str = "text";
/// A break is made after so many keystrokes at the latest.
const TYPED_AT_ONCE: u64 = 1_000;
/// By which a trace of keystrokes is told, where it cannot be read.
const TXNS: &[u8] = b"\"txns\"";

/// Fields that are not named here are for people.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keystrokes {
    #[serde(default)]
    start_content: String,
    end_content: String,
    txns: Vec<Keystroke>,
}

/// Of one that names neither parents nor an author, all that comes before it are the parents, and the author is
/// the same.
#[derive(Deserialize)]
struct Keystroke {
    parents: Option<Vec<usize>>,
    #[serde(default)]
    agent: u64,
    /// Where, how much is taken away there, and what is put there, one after another. Places are in
    /// characters.
    patches: Vec<(u32, u32, String)>,
}

/// What a line says, as far as it tells a trace of keystrokes from a commit.
#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "txns")]
    _txns: IgnoredAny,
}

/// Whether a line is meant to be a trace of keystrokes: also one that was cut off.
pub(super) fn is_one(line: &[u8]) -> bool {
    let is_whole = serde_json::from_slice::<IgnoredAny>(line).is_ok();
    let names_them = || line.windows(TXNS.len()).any(|it| it == TXNS);
    if is_whole { serde_json::from_slice::<Kind>(line).is_ok() } else { names_them() }
}

/// Reads a trace of keystrokes.
///
/// # Errors
/// It is none, or too much; the error says what is wrong.
pub(super) fn read(text: &[u8]) -> Result<Trace, String> {
    let read: Keystrokes = serde_json::from_slice(text)
        .map_err(|error| format!("this is no trace of keystrokes: {error}"))?;
    let edits: usize = read.txns.iter().map(|it| it.patches.len()).sum();
    if edits.max(read.txns.len()) > REPLAY_EDITS_MAX {
        return Err(format!(
            "a trace of keystrokes has at most {REPLAY_EDITS_MAX}, this one {edits}"
        ));
    }
    let children = children(&read.txns)?;
    let mut runs = Runs::new(read.start_content);
    for (at, keystroke) in read.txns.into_iter().enumerate() {
        runs.add(at, keystroke, &children);
    }
    let (authors, records) = (runs.authors.len().max(1), vec![NAME.into()]);
    Ok(Trace { commits: runs.commits, authors, records, ending: Some(read.end_content) })
}

impl Keystroke {
    /// What it builds on, where it is the one `at` this place.
    fn parents(&self, at: usize) -> Vec<usize> {
        self.parents.clone().unwrap_or_else(|| at.checked_sub(1).into_iter().collect())
    }
}

/// How many build on each.
fn children(keystrokes: &[Keystroke]) -> Result<Vec<usize>, String> {
    let mut children = vec![0; keystrokes.len()];
    for (at, keystroke) in keystrokes.iter().enumerate() {
        for parent in keystroke.parents(at) {
            let known = children.get_mut(parent).filter(|_| parent < at).ok_or_else(|| {
                format!("keystroke {at} has the parent {parent}, which does not come before it")
            })?;
            *known += 1;
        }
    }
    Ok(children)
}

/// Keystrokes by commits.
struct Runs {
    /// The first makes the text; those of the keystrokes come after it.
    commits: Vec<Commit>,
    /// By their numbers.
    authors: Vec<u64>,
    /// Of each keystroke, the number of its commit.
    of: Vec<usize>,
}

impl Runs {
    fn new(start: String) -> Self {
        let mut first = commit(0, 0, Vec::new());
        first.work.push((0, vec![Step::Begin(start)]));
        Self { commits: vec![first], authors: Vec::new(), of: Vec::new() }
    }

    fn add(&mut self, at: usize, keystroke: Keystroke, children: &[usize]) {
        let author = self.author(keystroke.agent);
        let parents = keystroke.parents(at);
        let run = self.goes_on(author, &parents, children).unwrap_or_else(|| {
            let mut on: Vec<_> =
                parents.iter().filter_map(|it| self.of.get(*it).copied()).collect();
            on.sort_unstable();
            on.dedup();
            let on = if on.is_empty() { vec![0] } else { on };
            self.commits.push(commit(at as u64 + 1, author, on));
            self.commits.len() - 1
        });
        self.of.push(run);
        let Some(commit) = self.commits.get_mut(run) else { return };
        commit.edits += keystroke.patches.len() as u64;
        let splice = |(at, delete, insert)| Step::Splice { at, delete, insert };
        let steps = keystroke.patches.into_iter().map(splice);
        match commit.work.first_mut() {
            Some((_, all)) => all.extend(steps),
            None => commit.work.push((0, steps.collect())),
        }
    }

    fn author(&mut self, agent: u64) -> usize {
        self.authors.iter().position(|it| *it == agent).unwrap_or_else(|| {
            self.authors.push(agent);
            self.authors.len() - 1
        })
    }

    /// The commit with which a keystroke goes on: it builds on its last one and nothing else, as nobody else
    /// does, and both are by one author.
    fn goes_on(&self, author: usize, parents: &[usize], children: &[usize]) -> Option<usize> {
        let [parent] = parents else { return None };
        let run = *self.of.get(*parent)?;
        let commit = self.commits.get(run)?;
        let is_alone = children.get(*parent) == Some(&1);
        let has_room = commit.edits < TYPED_AT_ONCE;
        (is_alone && has_room && commit.author == author).then_some(run)
    }
}

/// One that does nothing yet; all are said by the first line.
fn commit(id: u64, author: usize, parents: Vec<usize>) -> Commit {
    Commit { id, line: 1, parents, author, work: Vec::new(), edits: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn splice(at: u32, delete: u32, insert: &str) -> Step {
        Step::Splice { at, delete, insert: insert.into() }
    }

    fn steps(commit: &Commit) -> Vec<&Step> {
        commit.work.iter().flat_map(|(_, steps)| steps).collect()
    }

    fn work(trace: &Trace) -> Vec<(usize, &[usize], Vec<&Step>)> {
        trace.commits.iter().map(|it| (it.author, it.parents.as_slice(), steps(it))).collect()
    }

    #[test]
    fn what_one_author_types_without_a_break_is_a_commit() {
        let text = r#"{"kind":"concurrent","endContent":"abc","txns":[
            {"parents":[],"agent":4,"patches":[[0,0,"a"]]},
            {"parents":[0],"agent":4,"patches":[[1,0,"x"],[1,1,"b"]]},
            {"parents":[1],"agent":9,"patches":[[2,0,"c"]]},
            {"parents":[1],"agent":4,"patches":[[0,1,""]]},
            {"parents":[2,3],"agent":4,"patches":[[0,0,"a"]]}]}"#;
        let trace = read(text.as_bytes()).unwrap();
        let steps = [
            Step::Begin(String::new()),
            splice(0, 0, "a"),
            splice(1, 0, "x"),
            splice(1, 1, "b"),
            splice(2, 0, "c"),
            splice(0, 1, ""),
            splice(0, 0, "a"),
        ];
        let [begin, typed @ .., by_other, beside, merged] = &steps;
        let expected: [(usize, &[usize], Vec<&Step>); 5] = [
            (0, &[], vec![begin]),
            (0, &[0], typed.iter().collect()),
            (1, &[1], vec![by_other]),
            (0, &[1], vec![beside]),
            (0, &[2, 3], vec![merged]),
        ];
        assert_eq!(work(&trace), expected);
        assert_eq!((trace.authors, trace.ending.as_deref()), (2, Some("abc")));
    }

    #[test]
    fn one_author_needs_no_parents_and_makes_a_break_now_and_then() {
        let typed: Vec<_> =
            (0..=TYPED_AT_ONCE).map(|at| format!(r#"{{"patches":[[{at},0,"x"]]}}"#)).collect();
        let text =
            format!(r#"{{"startContent":"y","endContent":"","txns":[{}]}}"#, typed.join(","));
        let trace = read(text.as_bytes()).unwrap();
        let edits: Vec<_> = trace.commits.iter().map(|it| it.edits).collect();
        assert_eq!(edits, [0, TYPED_AT_ONCE, 1]);
        assert_eq!(trace.commits[2].parents, [1]);
    }

    #[test]
    fn what_is_no_trace_of_keystrokes_is_refused() {
        for (text, told) in [
            ("{}", "missing field"),
            (r#"{"endContent":"","txns":[{"patches":[[-1,0,""]]}]}"#, "invalid value"),
            (
                r#"{"endContent":"","txns":[{"parents":[0],"patches":[]}]}"#,
                "keystroke 0 has the parent 0",
            ),
            (
                r#"{"endContent":"","txns":[{"parents":[5],"patches":[]}]}"#,
                "does not come before it",
            ),
        ] {
            let error = read(text.as_bytes()).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
