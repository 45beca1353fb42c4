//! An edit history as a file says it: one commit a line, each after those that it builds on.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use flate2::bufread::GzDecoder;
use serde::Deserialize;
use serde_json::Value as Json;

use super::text;
use crate::cli::CliError;
use crate::cli::output::zstd_bytes;
use crate::limits::{
    BENCH_FILE_BYTES_MAX, REPLAY_AUTHORS_MAX, REPLAY_COMMITS_MAX, REPLAY_LINE_BYTES_MAX,
};
use crate::model::json_path;

/// How a gzip file begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What people did, one after another as far as they knew of each other.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// Each after its parents.
    pub(super) commits: Vec<Commit>,
    /// How many people they are by: numbers from 0.
    pub(super) authors: usize,
    /// The names of records: their numbers are those of the places here.
    pub(super) records: Vec<String>,
    /// What the text is in the end, by a trace of keystrokes.
    pub(super) ending: Option<String>,
}

/// What one author did on the merged state of some commits.
#[derive(Debug)]
pub(super) struct Commit {
    /// What the file calls it.
    pub(super) id: u64,
    /// The line that says it, from 1.
    pub(super) line: usize,
    /// The numbers of commits before it.
    pub(super) parents: Vec<usize>,
    /// Who.
    pub(super) author: usize,
    /// By record, in the order of their first edits; those of one record in order.
    pub(super) work: Vec<(usize, Vec<Step>)>,
    /// How many edits that are.
    pub(super) edits: u64,
}

/// One edit of a record.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    Create(Json),
    Delete,
    /// The JSON pointer of an entry, and its value.
    Put(String, Json),
    /// The JSON pointer of an entry.
    Remove(String),
    /// The record is a text, and begins with this.
    Begin(String),
    /// In a text: so many characters are taken away at a place, and others put there.
    Splice {
        at: u32,
        delete: u32,
        insert: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommitLine {
    id: u64,
    parents: Vec<u64>,
    author: u64,
    /// Seconds since 1970: for people.
    #[serde(rename = "time")]
    _time: Option<i64>,
    edits: Vec<EditLine>,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
enum EditLine {
    CreateRecord { record: String, value: Json },
    DeleteRecord { record: String },
    Put { record: String, path: Vec<String>, value: Json },
    Delete { record: String, path: Vec<String> },
}

impl EditLine {
    fn into_step(self) -> (String, Step) {
        let pointer = |path: Vec<String>| {
            path.iter().fold(String::new(), |above, name| json_path(&above, name))
        };
        match self {
            Self::CreateRecord { record, value } => (record, Step::Create(value)),
            Self::DeleteRecord { record } => (record, Step::Delete),
            Self::Put { record, path, value } => (record, Step::Put(pointer(path), value)),
            Self::Delete { record, path } => (record, Step::Remove(pointer(path))),
        }
    }
}

/// Numbers for what a file calls things.
#[derive(Default)]
struct Numbers {
    commits: BTreeMap<u64, usize>,
    authors: BTreeMap<u64, usize>,
    records: BTreeMap<String, usize>,
}

/// What a file says, packed with gzip or not.
fn unpacked(path: &Path) -> Result<Box<dyn BufRead>, CliError> {
    let told = |error: String| CliError::Input(format!("{}: {error}", path.display()));
    let missing = |error| told(format!("{error}: give the path of a trace"));
    let mut file = BufReader::new(std::fs::File::open(path).map_err(missing)?);
    let begin = file.fill_buf().map_err(missing)?;
    let is_packed = begin.starts_with(&GZIP);
    Ok(if is_packed { Box::new(BufReader::new(GzDecoder::new(file))) } else { Box::new(file) })
}

/// What is wrong with a file that ends, or goes wrong, in the middle.
fn unreadable(error: &std::io::Error) -> String {
    format!("{error}: the file is cut off or damaged; get it again")
}

/// How long a trace is as a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lengths {
    /// Bytes of JSON,
    pub(super) bytes: u64,
    /// and of them as `zstd -19` has it.
    pub(super) packed_bytes: u64,
}

impl Lengths {
    pub(super) fn of(path: &Path) -> Result<Self, CliError> {
        let told = |error: std::io::Error| {
            CliError::Input(format!("{}: {}", path.display(), unreadable(&error)))
        };
        let mut json = Vec::new();
        let read = unpacked(path)?.take(BENCH_FILE_BYTES_MAX + 1).read_to_end(&mut json);
        if read.map_err(told)? as u64 > BENCH_FILE_BYTES_MAX {
            let bound = BENCH_FILE_BYTES_MAX;
            let why = format!(
                "{}: the trace has more than {bound} bytes: give a part of it",
                path.display()
            );
            return Err(CliError::Input(why));
        }
        Ok(Self { bytes: json.len() as u64, packed_bytes: zstd_bytes(&json)? })
    }
}

impl Trace {
    /// Reads a trace, line by line.
    ///
    /// # Errors
    /// The file cannot be read, or a line is no commit, or too much; the error names the line.
    pub(super) fn open(path: &Path) -> Result<Self, CliError> {
        let told = |error: String| CliError::Input(format!("{}{error}", path.display()));
        Self::read(unpacked(path)?).map_err(told)
    }

    fn read(mut lines: impl BufRead) -> Result<Self, String> {
        let (mut trace, mut numbers) = (Self::default(), Numbers::default());
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let wrong = |error: String| format!(":{number}: {error}");
            let mut bounded = lines.by_ref().take(REPLAY_LINE_BYTES_MAX as u64 + 1);
            let read = bounded.read_until(b'\n', &mut line);
            if read.map_err(|error| wrong(unreadable(&error)))? == 0 {
                break;
            }
            if line.len() > REPLAY_LINE_BYTES_MAX {
                let bound = REPLAY_LINE_BYTES_MAX;
                return Err(wrong(format!("a line has at most {bound} bytes, this one has more")));
            }
            if trace.ending.is_some() && !line.trim_ascii().is_empty() {
                return Err(wrong("a trace of keystrokes is one line".into()));
            }
            if trace.commits.is_empty() && text::is_one(&line) {
                trace = text::read(&line).map_err(wrong)?;
            } else if !line.trim_ascii().is_empty() {
                trace.add(&line, number, &mut numbers).map_err(wrong)?;
            }
        }
        if trace.commits.is_empty() {
            return Err(": there is no commit in it".into());
        }
        trace.authors = trace.authors.max(numbers.authors.len());
        Ok(trace)
    }

    fn add(&mut self, line: &[u8], number: usize, numbers: &mut Numbers) -> Result<(), String> {
        let read: CommitLine = serde_json::from_slice(line).map_err(|error| {
            format!("this is no commit of an edit history, one JSON object in a line: {error}")
        })?;
        let id = read.id;
        if self.commits.len() == REPLAY_COMMITS_MAX {
            return Err(format!("a trace has at most {REPLAY_COMMITS_MAX} commits"));
        }
        let mut parents = Vec::with_capacity(read.parents.len());
        for parent in read.parents {
            let known = numbers.commits.get(&parent).ok_or_else(|| {
                format!(
                    "commit {id} has the parent {parent}, which no line before says: a commit comes \
                     after its parents"
                )
            })?;
            parents.push(*known);
        }
        parents.sort_unstable();
        parents.dedup();
        if numbers.commits.insert(id, self.commits.len()).is_some() {
            return Err(format!("commit {id} is there already: ids are for one commit each"));
        }
        let new = numbers.authors.len();
        let author = *numbers.authors.entry(read.author).or_insert(new);
        if numbers.authors.len() > REPLAY_AUTHORS_MAX {
            return Err(format!("a trace has at most {REPLAY_AUTHORS_MAX} authors"));
        }
        let edits = read.edits.len() as u64;
        let mut work: Vec<(usize, Vec<Step>)> = Vec::new();
        let mut places = BTreeMap::new();
        for edit in read.edits {
            let (name, step) = edit.into_step();
            let record = self.record(name, numbers);
            let place = *places.entry(record).or_insert(work.len());
            match work.get_mut(place) {
                Some((_, steps)) => steps.push(step),
                None => work.push((record, vec![step])),
            }
        }
        self.commits.push(Commit { id, line: number, parents, author, work, edits });
        Ok(())
    }

    fn record(&mut self, name: String, numbers: &mut Numbers) -> usize {
        if let Some(known) = numbers.records.get(&name) {
            return *known;
        }
        let new = self.records.len();
        self.records.push(name.clone());
        numbers.records.insert(name, new);
        new
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Trace, String> {
        Trace::read(text.as_bytes())
    }

    #[test]
    fn commits_are_numbered_and_their_edits_are_by_record() {
        let text = r#"{"id":7,"parents":[],"author":40,"time":1,"edits":[
            {"record":"a","op":"create_record","value":{"x/y":1}},
            {"record":"b","op":"create_record","value":null},
            {"record":"a","op":"put","path":["x/y","z"],"value":null},
            {"record":"b","op":"delete_record"}]}"#
            .replace('\n', "");
        let text = format!(
            "{text}\n\n{}\n",
            r#"{"id":3,"parents":[7,7],"author":4,"edits":[{"record":"a","op":"delete","path":[]}]}"#
        );
        let trace = read(&text).unwrap();
        assert_eq!(
            (trace.authors, trace.records.as_slice()),
            (2, ["a".into(), "b".into()].as_slice())
        );
        let [first, second] = trace.commits.as_slice() else { panic!("{trace:?}") };
        let a = vec![Step::Create(json!({ "x/y": 1 })), Step::Put("/x~1y/z".into(), json!(null))];
        let b = vec![Step::Create(json!(null)), Step::Delete];
        assert_eq!((first.edits, first.work.as_slice()), (4, [(0, a), (1, b)].as_slice()));
        assert_eq!((second.id, second.line, second.author), (3, 3, 1));
        assert_eq!(second.parents, [0]);
        assert_eq!(second.work, [(0, vec![Step::Remove(String::new())])]);
    }

    #[test]
    fn what_is_no_trace_is_told_with_its_line() {
        let commit = |id: u64, parents: &str, edits: &str| {
            format!(r#"{{"id":{id},"parents":[{parents}],"author":0,"time":0,"edits":[{edits}]}}"#)
        };
        let first = commit(0, "", "");
        for (second, told) in [
            ("{".to_owned(), "no commit"),
            ("[]".to_owned(), "no commit"),
            (commit(1, "2", ""), "has the parent 2"),
            (commit(1, "1", ""), "has the parent 1"),
            (commit(0, "", ""), "commit 0 is there already"),
            (commit(1, "\"0\"", ""), "invalid type"),
            (commit(1, "-1", ""), "invalid value"),
            (commit(1, "0", r#"{"record":"a","op":"swap"}"#), "unknown variant `swap`"),
            (commit(1, "0", r#"{"record":"a","op":"put","path":[]}"#), "missing field `value`"),
            (commit(1, "0", r#"{"record":"a","op":"delete","path":[1]}"#), "invalid type"),
            (commit(1, "0", r#"{"record":1,"op":"delete_record"}"#), "invalid type"),
            (commit(1, "0", r#"{"record":"a","op":"delete_record","x":1}"#), "unknown field `x`"),
        ] {
            let error = read(&format!("{first}\n{second}\n")).unwrap_err();
            assert!(error.starts_with(":2: ") && error.contains(told), "{second}: {error}");
        }
        assert_eq!(read("\n\n").unwrap_err(), ": there is no commit in it");
        let long = format!("{first}\n{}", " ".repeat(REPLAY_LINE_BYTES_MAX + 1));
        assert!(read(&long).unwrap_err().starts_with(":2: a line has at most"));
    }
}
