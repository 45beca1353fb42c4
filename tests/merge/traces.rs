//! Texts as people really typed them, keystroke by keystroke.
//!
//! The traces are not in the repository: where `../shared/data/text` is absent, the tests say so.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;
use tidegate::codec::{decode_records_up_to, encode_edits};
use tidegate::crdt::{Document, Record};
use tidegate::model::{
    ActorId, Change, ChangeRef, DeviceNumber, Edit, EditId, Op, Section, Timestamp, Value,
};

use crate::replicas::{Replica, column, table};

#[derive(Deserialize)]
pub(crate) struct Trace {
    #[serde(rename = "endContent")]
    pub(crate) end: String,
    pub(crate) txns: Vec<Txn>,
}

#[derive(Deserialize)]
pub(crate) struct Txn {
    #[serde(default)]
    pub(crate) parents: Vec<usize>,
    #[serde(default)]
    pub(crate) agent: u32,
    pub(crate) patches: Vec<(u32, u32, String)>,
    /// Of a trace that was made here.
    #[serde(skip)]
    pub(crate) id: Option<ChangeRef>,
}

pub(crate) fn trace(name: &str) -> Option<Trace> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/text/").to_owned() + name;
    let Ok(file) = std::fs::File::open(&file) else {
        println!("skipped: {file} is not there");
        return None;
    };
    let mut json = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut json).unwrap();
    Some(serde_json::from_str(&json).unwrap())
}

pub(crate) fn splices(patches: &[(u32, u32, String)]) -> Vec<Op> {
    let splice = |(at, delete, insert): &(u32, u32, String)| Op::Splice {
        column: column("notes"),
        at: *at,
        delete: *delete,
        insert: insert.clone(),
    };
    patches.iter().map(splice).collect()
}

pub(crate) fn text(record: &Record) -> &str {
    match &record.columns()[&column("notes")] {
        Value::RichText(text) => text,
        other => panic!("{other:?}"),
    }
}

/// The whole of a trace in a build that is made for it; else so many of its edits.
pub(crate) fn part(edits: usize) -> usize {
    let all = std::env::var_os("TIDEGATE_WHOLE_TRACES").is_some() || !cfg!(debug_assertions);
    if all { usize::MAX } else { edits }
}

fn arrives(record: &Record) {
    let start = Instant::now();
    let bytes = encode_edits(&[record.to_edit()]).unwrap();
    let edits = decode_records_up_to(&bytes, 1).unwrap();
    let other = Record::from_edit(&edits[0]).unwrap();
    println!("  sent as {} bytes, there after {:?}", bytes.len(), start.elapsed());
    assert_eq!(other.columns(), record.columns());
    let start = Instant::now();
    assert_eq!(other.document_heads().unwrap(), record.document_heads().unwrap());
    println!("  replayed twice in {:?}", start.elapsed());
}

#[test]
fn a_paper_typed_by_one_device_arrives_as_it_is() {
    let Some(trace) = trace("automerge-paper.json.gz") else { return };
    let mut author = Replica::new(1);
    let start = Instant::now();
    let patches: Vec<_> = trace.txns.into_iter().flat_map(|txn| txn.patches).collect();
    let patches = &patches[..patches.len().min(part(5_000))];
    for batch in patches.chunks(100) {
        author.write(splices(batch));
    }
    println!("{} edits typed in {:?}", patches.len(), start.elapsed());
    if part(0) > 0 {
        assert_eq!(text(&author.record), trace.end);
    }
    arrives(&author.record);
}

#[test]
fn friends_who_write_at_once_end_with_one_text() {
    let Some(trace) = trace("friendsforever.json.gz") else { return };
    let mut seqs = [0_u64; 8];
    let mut changes: Vec<Change> = Vec::new();
    let txns = &trace.txns[..trace.txns.len().min(part(500))];
    for txn in txns {
        let agent = usize::try_from(txn.agent).unwrap();
        seqs[agent] += 1;
        let actor = ActorId { device: DeviceNumber(txn.agent + 1), incarnation: 1 };
        let mut deps: Vec<ChangeRef> = txn.parents.iter().map(|at| changes[*at].id).collect();
        deps.sort_unstable();
        changes.push(Change {
            section: Section::Main,
            id: ChangeRef { actor, seq: seqs[agent] },
            time: Timestamp::default(),
            deps,
            ops: splices(&txn.patches),
        });
    }
    let start = Instant::now();
    let document = Document::replay(Section::Main, &changes).unwrap();
    println!("{} changes of two authors in {:?}", changes.len(), start.elapsed());
    let changes = changes.into_iter().map(Arc::new).collect();
    let id = EditId { device: DeviceNumber(1), counter: 1, part: 0 };
    let empty = Replica::new(1).record;
    let edit = Edit { id, table: table().id, record: empty.id(), atomic: 0, changes };
    let mut record = empty;
    record.merge(&edit).unwrap();
    assert_eq!(document.columns().unwrap(), *record.columns());
    if part(0) > 0 {
        assert_eq!(text(&record), trace.end);
    }
    arrives(&record);
}
