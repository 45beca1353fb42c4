//! What people really edited: the countries history, and a paper as it was typed. The files lie beside the
//! repository; where they are absent their cases are skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value as Json;
use tidegate::RecordId;
use tidegate::model::{TableName, Value};

use crate::Outcome;
use crate::work::{Edit, Put, Work};

/// The folder of the data sets, beside the repository.
fn shared(file: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(file);
    path.exists().then_some(path)
}

/// Edits of many people, step by step.
pub(crate) struct History {
    pub(crate) work: Work,
    /// Each commit's author, and how many of the edits are its own.
    pub(crate) commits: Vec<(usize, usize)>,
    /// Records that were there before each commit, and how many of those it edits.
    pub(crate) steps: Vec<(u64, u64)>,
    /// What each record holds at the end, by JSON pointer.
    pub(crate) last: Vec<BTreeMap<String, Json>>,
}

#[derive(Deserialize)]
struct Commit {
    author: usize,
    edits: Vec<Told>,
}

#[derive(Deserialize)]
struct Told {
    record: String,
    op: String,
    #[serde(default)]
    path: Vec<String>,
    #[serde(default)]
    value: Json,
}

#[derive(Default)]
struct Reader {
    numbers: BTreeMap<String, usize>,
    columns: Vec<String>,
    column_numbers: BTreeMap<String, usize>,
    states: Vec<BTreeMap<String, Json>>,
}

impl Reader {
    fn column(&mut self, pointer: &str) -> usize {
        if let Some(number) = self.column_numbers.get(pointer) {
            return *number;
        }
        let number = self.columns.len();
        self.columns.push(pointer.to_owned());
        self.column_numbers.insert(pointer.to_owned(), number);
        number
    }

    /// What an edit of the trace does to leaves.
    fn leaves(&mut self, told: &Told, record: usize) -> Vec<Put> {
        let path = told.path.iter().fold(String::new(), |path, name| path + "/" + &escaped(name));
        let mut new = BTreeMap::new();
        if matches!(told.op.as_str(), "create_record" | "put") {
            flatten(&path, &told.value, &mut new);
        }
        let Some(state) = self.states.get_mut(record) else { return Vec::new() };
        // All that is below it goes, and what stood where an object is now.
        let is_under = |at: &str, above: &str| {
            at == above || at.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
        };
        let gone = |at: &str| is_under(at, &path) || (!new.is_empty() && is_under(&path, at));
        let gone: Vec<_> =
            state.keys().filter(|at| gone(at) && !new.contains_key(*at)).cloned().collect();
        state.retain(|at, _| !gone.contains(at));
        new.retain(|at, value| state.insert(at.clone(), value.clone()).as_ref() != Some(value));
        let gone = gone.into_iter().map(|at| (at, None));
        let new = new.into_iter().map(|(at, value)| (at, Some(value)));
        gone.chain(new).map(|(at, value)| Put { column: self.column(&at), value }).collect()
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The leaves of a value: all but objects that hold something.
pub(crate) fn flatten(path: &str, value: &Json, into: &mut BTreeMap<String, Json>) {
    match value {
        Json::Object(entries) if !entries.is_empty() => {
            for (name, value) in entries {
                flatten(&format!("{path}/{}", escaped(name)), value, into);
            }
        }
        leaf => drop(into.insert(path.to_owned(), leaf.clone())),
    }
}

/// The countries history, its commits in the order of the file.
pub(crate) fn countries() -> Outcome<Option<History>> {
    let Some(path) = shared("edit-history/countries.jsonl") else { return Ok(None) };
    let table: TableName = "country".parse()?;
    let mut reader = Reader::default();
    let (mut ids, mut edits, mut commits, mut steps) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for line in BufReader::new(File::open(path)?).lines() {
        let commit: Commit = serde_json::from_str(&line?)?;
        let known = ids.len();
        let mut of_records: BTreeMap<usize, BTreeMap<usize, Option<Json>>> = BTreeMap::new();
        for told in &commit.edits {
            let next = reader.numbers.len();
            let record = *reader.numbers.entry(told.record.clone()).or_insert(next);
            if record == ids.len() {
                let key = Value::Text(told.record.as_str().into());
                ids.push(*RecordId::from_key(&table, &[key]).as_bytes());
                reader.states.push(BTreeMap::new());
            }
            let leaves = of_records.entry(record).or_default();
            leaves.extend(reader.leaves(told, record).into_iter().map(|it| (it.column, it.value)));
        }
        let edited: BTreeSet<_> = of_records.keys().copied().filter(|it| *it < known).collect();
        steps.push((known as u64, edited.len() as u64));
        let before = edits.len();
        for (record, leaves) in of_records {
            let puts: Vec<_> =
                leaves.into_iter().map(|(column, value)| Put { column, value }).collect();
            if !puts.is_empty() {
                edits.push(Edit { author: commit.author, record, puts });
            }
        }
        commits.push((commit.author, edits.len() - before));
    }
    let work = Work { columns: reader.columns, ids, known: Vec::new(), edits, is_live: false };
    Ok(Some(History { work, commits, steps, last: reader.states }))
}

/// A text as it was typed: where, how many characters went, and what came.
#[derive(Debug, Clone)]
pub(crate) struct Typing {
    pub(crate) patches: Vec<(usize, usize, String)>,
}

impl Typing {
    /// The text after it.
    pub(crate) fn text(&self) -> String {
        let mut text: Vec<char> = Vec::new();
        for (at, out, put) in &self.patches {
            let at = (*at).min(text.len());
            text.splice(at..(at + out).min(text.len()), put.chars());
        }
        text.into_iter().collect()
    }

    /// The first so many keystrokes.
    pub(crate) fn first(&self, count: usize) -> Self {
        Self { patches: self.patches.iter().take(count).cloned().collect() }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Paper {
    end_content: String,
    txns: Vec<Session>,
}

#[derive(Deserialize)]
struct Session {
    patches: Vec<(usize, usize, String)>,
}

/// The paper that Automerge's authors typed.
pub(crate) fn paper() -> Outcome<Option<Typing>> {
    let Some(path) = shared("text/automerge-paper.json.gz") else { return Ok(None) };
    let mut text = String::new();
    flate2::read::GzDecoder::new(File::open(path)?).read_to_string(&mut text)?;
    let paper: Paper = serde_json::from_str(&text)?;
    let patches = paper.txns.into_iter().flat_map(|session| session.patches).collect();
    let typing = Typing { patches };
    if typing.text() != paper.end_content {
        return Err("the paper does not read as its end says".into());
    }
    Ok(Some(typing))
}
