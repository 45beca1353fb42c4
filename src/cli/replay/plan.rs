//! What each commit of a trace was made on, record by record: the edits of it that its author had
//! seen, and those that were made side by side with it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::trace::{Commit, Step, Trace};
use crate::model::Json;

/// What all commits do, in the order of the trace.
pub(super) struct Plan {
    /// Of each commit, in the order of its work.
    pub(super) tasks: Vec<Vec<Task>>,
    /// Entries that several wrote without knowing of each other.
    pub(super) conflicts: Conflicts,
}

/// What a commit does to a record.
pub(super) struct Task {
    pub(super) record: usize,
    /// Which of the record's tasks it is, from 0.
    pub(super) number: usize,
    /// Those of the record's tasks that it is made on.
    pub(super) on: Vec<usize>,
}

/// By record and JSON pointer: the commits that wrote there side by side, and not the same.
pub(super) type Conflicts = BTreeMap<(usize, String), BTreeSet<usize>>;

/// The newest tasks of each record, as some commit left them.
type View = BTreeMap<usize, Vec<usize>>;

/// What is written at a JSON pointer: a leaf, by a hash of it; `None`: what is there is taken away.
type Writes = BTreeMap<String, Option<u64>>;

/// A task, as others build on it.
struct Node {
    commit: usize,
    on: Vec<usize>,
    /// How many tasks lead to it, it included.
    leading: usize,
    /// Whether the record is there after it.
    exists: bool,
    writes: Writes,
}

/// The tasks of one record.
#[derive(Default)]
struct Line(Vec<Node>);

impl Line {
    /// The tasks that do not lead to any of these, the latest first.
    fn beside(&self, on: &[usize]) -> Vec<usize> {
        let mut wanted: BTreeSet<usize> = on.iter().copied().collect();
        let mut beside = Vec::new();
        for (at, node) in self.0.iter().enumerate().rev() {
            if let (Some(first), 1) = (wanted.first().copied(), wanted.len())
                && self.0.get(first).is_some_and(|it| it.leading == first + 1)
            {
                // All that came before it leads to it.
                beside.extend((first + 1..=at).rev());
                return beside;
            }
            if wanted.remove(&at) {
                wanted.extend(&node.on);
            } else {
                beside.push(at);
            }
        }
        beside
    }

    /// These, without those that lead to others of them.
    fn newest(&self, mut tasks: Vec<usize>) -> Vec<usize> {
        tasks.sort_unstable();
        tasks.dedup();
        let Some(lowest) = tasks.first().copied().filter(|_| tasks.len() > 1) else { return tasks };
        let on =
            |task: usize| self.0.get(task).into_iter().flat_map(|node| node.on.iter().copied());
        let mut open: BTreeSet<usize> = tasks.iter().flat_map(|task| on(*task)).collect();
        let mut older = BTreeSet::new();
        while let Some(task) = open.pop_last().filter(|task| *task >= lowest) {
            older.insert(task);
            open.extend(on(task));
        }
        tasks.retain(|task| !older.contains(task));
        tasks
    }

    fn exists(&self, on: &[usize]) -> bool {
        on.iter().any(|task| self.0.get(*task).is_some_and(|node| node.exists))
    }
}

impl Plan {
    /// # Errors
    /// A commit edits a record that is not there in what its parents merge to, or writes what cannot
    /// be a value; the error names the line.
    pub(super) fn of(trace: &Trace) -> Result<Self, String> {
        let mut planner = Planner::new(trace);
        let mut tasks = Vec::with_capacity(trace.commits.len());
        for (number, commit) in trace.commits.iter().enumerate() {
            let own = planner.plan(number, commit);
            tasks.push(own.map_err(|error| format!(":{}: {error}", commit.line))?);
        }
        Ok(Self { tasks, conflicts: planner.conflicts })
    }
}

struct Planner<'a> {
    trace: &'a Trace,
    lines: Vec<Line>,
    /// As commits left all, while others are to build on them.
    views: BTreeMap<usize, View>,
    /// How many commits are still to build on each.
    children: Vec<usize>,
    conflicts: Conflicts,
}

impl<'a> Planner<'a> {
    fn new(trace: &'a Trace) -> Self {
        let mut children = vec![0; trace.commits.len()];
        for parent in trace.commits.iter().flat_map(|commit| &commit.parents) {
            if let Some(count) = children.get_mut(*parent) {
                *count += 1;
            }
        }
        let lines = trace.records.iter().map(|_| Line::default()).collect();
        Self { trace, lines, views: BTreeMap::new(), children, conflicts: Conflicts::new() }
    }

    fn plan(&mut self, number: usize, commit: &Commit) -> Result<Vec<Task>, String> {
        let mut view = self.merged(&commit.parents);
        let mut tasks = Vec::with_capacity(commit.work.len());
        for (record, steps) in &commit.work {
            let on = view.get(record).cloned().unwrap_or_default();
            let task = self.task(number, *record, on, steps).map_err(|error| {
                let name = self.trace.records.get(*record).map_or("", String::as_str);
                format!("commit {}, record `{name}`: {error}", commit.id)
            })?;
            view.insert(*record, vec![task.number]);
            tasks.push(task);
        }
        if self.children.get(number).is_some_and(|children| *children > 0) {
            self.views.insert(number, view);
        }
        Ok(tasks)
    }

    /// What these commits merge to.
    fn merged(&mut self, parents: &[usize]) -> View {
        let mut merged: Option<View> = None;
        for parent in parents {
            let is_last = self.children.get_mut(*parent).is_none_or(|children| {
                *children = children.saturating_sub(1);
                *children == 0
            });
            let view =
                if is_last { self.views.remove(parent) } else { self.views.get(parent).cloned() };
            let view = view.unwrap_or_default();
            merged = Some(match merged {
                None => view,
                Some(merged) => self.join(merged, view),
            });
        }
        merged.unwrap_or_default()
    }

    fn join(&self, mut one: View, other: View) -> View {
        for (record, tasks) in other {
            let own = one.entry(record).or_default();
            if *own != tasks {
                let both = own.iter().copied().chain(tasks).collect();
                *own = self.lines.get(record).map(|line| line.newest(both)).unwrap_or_default();
            }
        }
        one
    }

    fn task(
        &mut self,
        commit: usize,
        record: usize,
        on: Vec<usize>,
        steps: &[Step],
    ) -> Result<Task, String> {
        let line = self.lines.get_mut(record).ok_or("no such record")?;
        let (writes, exists) = written(steps, line.exists(&on))?;
        let beside = line.beside(&on);
        for other in beside.iter().filter_map(|at| line.0.get(*at)) {
            for path in clashes(&writes, &other.writes) {
                let commits = self.conflicts.entry((record, path)).or_default();
                commits.extend([other.commit, commit]);
            }
        }
        let number = line.0.len();
        let leading = number - beside.len() + 1;
        line.0.push(Node { commit, on: on.clone(), leading, exists, writes });
        Ok(Task { record, number, on })
    }
}

/// What steps write, and whether the record is there after them.
fn written(steps: &[Step], mut exists: bool) -> Result<(Writes, bool), String> {
    let mut writes = Writes::new();
    for step in steps {
        match step {
            Step::Create(value) => {
                put(&mut writes, "", value)?;
                exists = true;
            }
            Step::Begin(_) => exists = true,
            _ if !exists => {
                return Err("it is not there in what the commit's parents merge to".into());
            }
            Step::Put(path, value) => put(&mut writes, path, value)?,
            Step::Remove(path) => drop(writes.insert(path.clone(), None)),
            // Who writes side by side in a text writes both.
            Step::Splice { .. } => {}
            Step::Delete => {
                writes = Writes::from([(String::new(), None)]);
                exists = false;
            }
        }
    }
    Ok((writes, exists))
}

fn put(writes: &mut Writes, path: &str, value: &serde_json::Value) -> Result<(), String> {
    // What is below a value goes with it.
    writes.insert(path.to_owned(), None);
    let leaves = Json::default().with(path, value).map_err(|error| error.to_string())?;
    for (path, leaf) in leaves.leaves() {
        let mut hasher = DefaultHasher::new();
        leaf.hash(&mut hasher);
        writes.insert(path.clone(), Some(hasher.finish()));
    }
    Ok(())
}

/// The pointers at which these did not write the same: that of the lower one, where one wrote below
/// the other.
fn clashes(one: &Writes, other: &Writes) -> BTreeSet<String> {
    let mut clashes = BTreeSet::new();
    for (path, leaf) in one {
        match other.get(path) {
            Some(theirs) if theirs != leaf => drop(clashes.insert(path.clone())),
            Some(_) => {}
            None => {
                let mut above = path.rmatch_indices('/').filter_map(|(at, _)| path.get(..at));
                let meets = |theirs: &Option<u64>| theirs.is_some() || leaf.is_some();
                if above.any(|above| other.get(above).is_some_and(meets)) {
                    clashes.insert(path.clone());
                }
            }
        }
        let below = format!("{path}/");
        let lower = other.range(below.clone()..).take_while(|(it, _)| it.starts_with(&below));
        for (lower, theirs) in lower {
            if !one.contains_key(lower) && (theirs.is_some() || leaf.is_some()) {
                clashes.insert(lower.clone());
            }
        }
    }
    clashes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A trace of one record `a`: each commit with its parents and steps.
    fn trace(commits: Vec<(&[usize], Vec<Step>)>) -> Trace {
        let commit = |(at, (parents, steps)): (usize, (&[usize], Vec<Step>))| Commit {
            id: at as u64,
            line: at + 1,
            parents: parents.to_vec(),
            author: at,
            edits: steps.len() as u64,
            work: if steps.is_empty() { Vec::new() } else { vec![(0, steps)] },
        };
        let commits: Vec<_> = commits.into_iter().enumerate().map(commit).collect();
        Trace { authors: commits.len(), commits, records: vec!["a".into()], ending: None }
    }

    fn put(path: &str, value: serde_json::Value) -> Step {
        Step::Put(path.into(), value)
    }

    fn on(plan: &Plan) -> Vec<Vec<usize>> {
        plan.tasks.iter().flatten().map(|task| task.on.clone()).collect()
    }

    #[test]
    fn a_task_is_made_on_the_newest_that_its_commit_builds_on() {
        let plan = Plan::of(&trace(vec![
            (&[], vec![Step::Create(json!({ "x": 1, "y": 1 }))]),
            (&[0], vec![put("/x", json!(2))]),
            (&[0], vec![put("/y", json!(2))]),
            (&[1], vec![]),
            (&[2, 3], vec![put("/x", json!(3))]),
            (&[1, 4], vec![put("/y", json!(3))]),
            (&[0], vec![put("/x", json!(4)), Step::Remove("/y".into())]),
            (&[5, 6], vec![]),
            (&[7], vec![Step::Delete]),
        ]))
        .unwrap();
        let newest: [&[usize]; 7] = [&[], &[0], &[0], &[1, 2], &[3], &[0], &[4, 5]];
        assert_eq!(on(&plan), newest);
        let conflicts: Vec<_> = plan.conflicts.iter().collect();
        let (x, y) = ((0, "/x".to_owned()), (0, "/y".to_owned()));
        let (by_x, by_y) = (BTreeSet::from([1, 4, 6]), BTreeSet::from([2, 5, 6]));
        assert_eq!(conflicts, [(&x, &by_x), (&y, &by_y)]);
    }

    #[test]
    fn what_is_written_at_one_place_above_or_below_another_clashes_unless_it_is_the_same() {
        let cases: [(Step, Step, &[&str]); 9] = [
            (put("/x", json!(1)), put("/x", json!(1)), &[]),
            (put("/x", json!(1)), put("/xx", json!(2)), &[]),
            (put("/x", json!(1)), put("/x", json!(null)), &["/x"]),
            (put("/x", json!(1)), Step::Remove("/x".into()), &["/x"]),
            (Step::Remove("/x".into()), Step::Remove("/x/y".into()), &[]),
            (put("/x/y", json!(1)), Step::Remove("/x".into()), &["/x/y"]),
            (put("/x", json!(1)), put("/x/y", json!(2)), &["/x/y"]),
            (put("/x", json!({ "y": 1, "z": 1 })), put("/x", json!({ "y": 2, "z": 1 })), &["/x/y"]),
            (put("/x/y", json!(1)), Step::Delete, &["/x/y"]),
        ];
        for (one, other, expected) in cases {
            let told = format!("{one:?} beside {other:?}");
            let plan = Plan::of(&trace(vec![
                (&[], vec![Step::Create(json!({ "x": { "y": 0 } }))]),
                (&[0], vec![one]),
                (&[0], vec![other]),
            ]));
            let conflicts = plan.unwrap().conflicts;
            let found: Vec<_> = conflicts.keys().map(|(_, path)| path.as_str()).collect();
            assert_eq!(found, expected, "{told}");
        }
    }

    #[test]
    fn a_record_is_edited_only_where_it_is() {
        for (commits, line) in [
            (vec![(&[][..], vec![put("/x", json!(1))])], ":1: "),
            (
                vec![
                    (&[][..], vec![Step::Create(json!(1))]),
                    (&[0][..], vec![Step::Delete]),
                    (&[1][..], vec![Step::Delete]),
                ],
                ":3: ",
            ),
            (vec![(&[][..], vec![Step::Create(json!(1))]), (&[][..], vec![Step::Delete])], ":2: "),
        ] {
            let error = Plan::of(&trace(commits)).err().unwrap();
            assert!(error.starts_with(line) && error.contains("record `a`"), "{error}");
        }
        // On one side it is there.
        let merged = trace(vec![
            (&[], vec![Step::Create(json!(1))]),
            (&[0], vec![Step::Delete]),
            (&[0], vec![put("", json!(2))]),
            (&[1, 2], vec![put("", json!(3))]),
            (&[3], vec![Step::Delete, Step::Create(json!(4))]),
        ]);
        assert!(Plan::of(&merged).is_ok());
    }
}
