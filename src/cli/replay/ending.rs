//! What a replay ends with: whether all replicas are equal, and how they differ from what is expected.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value as Json;
use tokio::task::spawn_blocking;

use super::plan::Conflicts;
use super::trace::Trace;
use super::world::{NAME, TABLE, TEXT, VALUE, World};
use crate::cli::CliError;
use crate::limits::{REPLAY_AT_ONCE, REPLAY_LINE_BYTES_MAX};
use crate::model::{self, TableName, Value};
use crate::replica::Replica;

/// By the names of records: the leaves of each, by their JSON pointers.
type Leaves = BTreeMap<String, BTreeMap<String, String>>;

/// So many rows are read at a time.
const ROWS_READ: usize = 1_000;

/// The records of a replica.
pub(super) struct State(Leaves);

/// A text is one leaf.
fn whole(text: &str) -> BTreeMap<String, String> {
    [(String::new(), text.to_owned())].into()
}

impl State {
    /// What a trace of keystrokes says that there is in the end.
    pub(super) fn of_text(trace: &Trace) -> Option<Self> {
        let (name, text) = (trace.records.first()?, trace.ending.as_ref()?);
        Some(Self([(name.clone(), whole(text))].into()))
    }

    /// All rows of a replica, and a digest over these.
    fn of(replica: &Replica) -> Result<(Self, blake3::Hash), CliError> {
        let table: TableName = TABLE.parse().map_err(CliError::run)?;
        let (mut leaves, mut digest) = (Leaves::new(), blake3::Hasher::new());
        let mut after = None;
        loop {
            let rows = replica.list(&table, after, ROWS_READ).map_err(CliError::run)?;
            for row in &rows {
                let columns: BTreeMap<_, _> =
                    row.columns.iter().map(|(id, value)| (id.as_str(), value.to_json())).collect();
                let text = serde_json::to_vec(&columns).map_err(CliError::run)?;
                digest.update(row.id.as_bytes());
                digest.update(&(text.len() as u64).to_le_bytes());
                digest.update(&text);
                let held = match (row.get(VALUE), row.get(TEXT)) {
                    (Value::Json(json), _) => json.leaves().clone(),
                    (_, Value::RichText(text)) => whole(text),
                    _ => BTreeMap::new(),
                };
                leaves.insert(row.get(NAME).to_string(), held);
            }
            match rows.last() {
                Some(last) => after = Some(last.id),
                None => return Ok((Self(leaves), digest.finalize())),
            }
        }
    }
}

/// Brings every device up to date. Returns what the first holds, and how many hold something else.
pub(super) async fn gather(
    world: &mut World,
    authors: usize,
    mut done: impl FnMut(usize),
) -> Result<(State, usize), CliError> {
    let mut first: Option<(State, blake3::Hash)> = None;
    let mut different = 0;
    for from in (0..authors).step_by(REPLAY_AT_ONCE) {
        let these = from..authors.min(from + REPLAY_AT_ONCE);
        world.sync_all(these.clone()).await?;
        let mut states = Vec::with_capacity(these.len());
        for author in these {
            let replica = world.device(author)?;
            states.push(spawn_blocking(move || State::of(&replica)));
        }
        for (place, state) in states.into_iter().enumerate() {
            let (state, digest) = state.await.map_err(CliError::run)??;
            match &first {
                None => first = Some((state, digest)),
                Some((_, held)) => different += usize::from(*held != digest),
            }
            done(from + place + 1);
        }
    }
    let (state, _) = first.ok_or_else(|| CliError::Run("nobody is there".into()))?;
    Ok((state, different))
}

/// A leaf that is not as expected.
pub(super) struct Difference {
    pub(super) record: String,
    pub(super) path: String,
    pub(super) expected: Option<String>,
    pub(super) found: Option<String>,
    /// What the trace calls the commits that wrote there side by side.
    pub(super) commits: BTreeSet<u64>,
}

impl Difference {
    /// Whether it is an object that lost its last entry: what is kept are entries (ADR 0018).
    pub(super) fn is_emptied(&self) -> bool {
        self.found.is_none() && self.expected.as_deref() == Some("{}")
    }
}

/// How a replay's records compare with those that are expected.
pub(super) struct Comparison {
    pub(super) leaves: usize,
    pub(super) differences: Vec<Difference>,
}

/// The records that are expected: one JSON object of them, by name.
pub(super) fn expected(path: &Path) -> Result<State, CliError> {
    let told = |error: String| CliError::Input(format!("{}: {error}", path.display()));
    let length = std::fs::metadata(path).map_err(|error| told(error.to_string()))?.len();
    if length > REPLAY_LINE_BYTES_MAX as u64 {
        return Err(told(format!(
            "it has {length} bytes, at most {REPLAY_LINE_BYTES_MAX} are read"
        )));
    }
    let text = std::fs::read(path).map_err(|error| told(error.to_string()))?;
    let records: BTreeMap<String, Json> = serde_json::from_slice(&text).map_err(|error| {
        told(format!("this is no JSON object of records by their names: {error}"))
    })?;
    let leaves = |(name, value): (String, Json)| {
        let json = model::Json::new(&value);
        let json = json.map_err(|error| told(format!("record `{name}`: {error}")))?;
        Ok((name, json.leaves().clone()))
    };
    Ok(State(records.into_iter().map(leaves).collect::<Result<_, CliError>>()?))
}

/// Compares leaf by leaf; conflicts explain differences.
pub(super) fn compare(
    trace: &Trace,
    conflicts: &Conflicts,
    expected: &State,
    found: &State,
) -> Comparison {
    let nothing = BTreeMap::new();
    let numbers: BTreeMap<_, _> =
        trace.records.iter().enumerate().map(|(number, name)| (name, number)).collect();
    let mut differences = Vec::new();
    let names: BTreeSet<_> = expected.0.keys().chain(found.0.keys()).collect();
    for name in names {
        let want = expected.0.get(name).unwrap_or(&nothing);
        let have = found.0.get(name).unwrap_or(&nothing);
        let paths: BTreeSet<_> = want.keys().chain(have.keys()).collect();
        for path in paths {
            if want.get(path) != have.get(path) {
                let clash = numbers.get(name).map(|number| clash(conflicts, *number, path));
                let id = |commit: usize| trace.commits.get(commit).map(|commit| commit.id);
                differences.push(Difference {
                    record: name.clone(),
                    path: path.clone(),
                    expected: want.get(path).cloned(),
                    found: have.get(path).cloned(),
                    commits: clash.into_iter().flatten().filter_map(id).collect(),
                });
            }
        }
    }
    Comparison { leaves: expected.0.values().map(BTreeMap::len).sum(), differences }
}

/// The commits that wrote side by side at a pointer, above it or below it.
fn clash(conflicts: &Conflicts, record: usize, path: &str) -> BTreeSet<usize> {
    let of_record = conflicts.range((record, String::new())..);
    let of_record = of_record.take_while(|((other, _), _)| *other == record);
    let is_below = |lower: &str, upper: &str| {
        lower.strip_prefix(upper).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let there = of_record.filter(|((_, at), _)| is_below(at, path) || is_below(path, at));
    there.flat_map(|(_, commits)| commits.iter().copied()).collect()
}
