//! The same edits of rows in other systems: what each would put on the wire, without any transport.

use std::collections::BTreeMap;

use automerge::sync::{Message, State, SyncDoc as _};
use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{ActorId, AutoCommit, ROOT, ScalarValue};
use loro::{ExportMode, LoroDoc, LoroValue};
use serde_json::{Value as Json, json};
use yrs::updates::decoder::Decode as _;
use yrs::{Any, Doc, Map as _, ReadTxn as _, StateVector, Transact as _, Update};

use crate::Outcome;
use crate::work::{Edit, Put, Work, id_text, row_operation};

/// What a system takes.
pub(crate) type Taken = (&'static str, u64);

/// The record that an update is of, where the update does not say it.
const ID_BYTES: u64 = 16;
/// When the first edit was made, and how much later each further one; seconds for those who count in them.
pub(crate) const BEGIN_MILLIS: u64 = 1_790_000_000_000;
const STEP_MILLIS: u64 = 1_700;

/// The writer of what all know.
const ORIGIN: usize = usize::MAX;

/// Every system's bytes for this work.
pub(crate) fn all(work: &Work) -> Outcome<Vec<Taken>> {
    let mut groups: BTreeMap<usize, Vec<(usize, &Edit)>> = BTreeMap::new();
    for (at, edit) in work.edits.iter().enumerate() {
        groups.entry(edit.record).or_default().push((at, edit));
    }
    let (mut raw, mut synced, mut yrs, mut loro, mut documents) = (0, 0, 0, 0, 0);
    for (record, edits) in &groups {
        let (changes, messages) = automerge(work, *record, edits)?;
        raw += changes;
        synced += messages;
        yrs += yrs_updates(work, *record, edits)?;
        loro += loro_updates(work, *record, edits)?;
        documents += document(work, *record, edits);
    }
    let (rows, packed) = row_operations(work)?;
    Ok(vec![
        ("automerge changes", raw),
        ("automerge sync::State", synced),
        ("yrs updates", yrs),
        ("loro updates", loro),
        ("json rows", rows),
        ("json rows + zstd -19", packed),
        ("couchdb-style documents", documents),
    ])
}

pub(crate) fn length(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}

/// 16 bytes that look random, for an author.
fn actor(author: usize) -> ActorId {
    let mixed = (author as u64 ^ 0x5DEE_CE66).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let low = (mixed ^ mixed >> 31).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ActorId::from((u128::from(mixed) << 64 | u128::from(low)).to_be_bytes().as_slice())
}

/// A leaf that is no scalar is the text of its JSON, in all systems.
fn scalar(value: &Json) -> ScalarValue {
    match value {
        Json::Null => ScalarValue::Null,
        Json::Bool(truth) => ScalarValue::Boolean(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => ScalarValue::Int(whole),
            None => ScalarValue::F64(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => ScalarValue::Str(text.as_str().into()),
        other => ScalarValue::Str(other.to_string().into()),
    }
}

fn puts_of_known(work: &Work, record: usize) -> Vec<Put> {
    let known = work.known(record).iter().enumerate();
    known.map(|(column, value)| Put { column, value: Some(value.clone()) }).collect()
}

fn put_all(doc: &mut AutoCommit, work: &Work, puts: &[Put], at: usize) -> Outcome<()> {
    for put in puts {
        match &put.value {
            Some(value) => doc.put(ROOT, work.column(put.column), scalar(value))?,
            None => doc.delete(ROOT, work.column(put.column))?,
        }
    }
    let seconds = (BEGIN_MILLIS + at as u64 * STEP_MILLIS) / 1_000;
    doc.commit_with(CommitOptions::default().with_time(i64::try_from(seconds)?));
    Ok(())
}

/// Changes as they are, each with the id of its document; and the sync protocol between two peers that
/// were equal before and know it, document by document.
fn automerge(work: &Work, record: usize, edits: &[(usize, &Edit)]) -> Outcome<(u64, u64)> {
    let mut ours = AutoCommit::new().with_actor(actor(ORIGIN));
    let known = puts_of_known(work, record);
    if !known.is_empty() {
        put_all(&mut ours, work, &known, 0)?;
    }
    let mut theirs = ours.fork().with_actor(actor(ORIGIN - 1));
    let mut states = (State::new(), State::new());
    talk((&mut ours, &mut states.0), (&mut theirs, &mut states.1))?;
    // A new session: what a peer writes down is what both have.
    let mut states = (State::decode(&states.0.encode())?, State::decode(&states.1.encode())?);
    let mut raw = 0;
    for (at, edit) in edits {
        ours.set_actor(actor(edit.author));
        put_all(&mut ours, work, &edit.puts, *at)?;
        let mut change = ours.get_last_local_change().ok_or("no change was made")?;
        raw += length(&change.bytes()) + ID_BYTES;
    }
    let messages = talk((&mut ours, &mut states.0), (&mut theirs, &mut states.1))?;
    Ok((raw, messages))
}

/// Sync messages until both are quiet, each with the id of its document; whoever lacks something asks first.
pub(crate) fn talk(
    (ours, our_state): (&mut AutoCommit, &mut State),
    (theirs, their_state): (&mut AutoCommit, &mut State),
) -> Outcome<u64> {
    let mut bytes = 0;
    let mut cost = |message: &Message| bytes += length(&message.clone().encode()) + ID_BYTES;
    loop {
        let down = theirs.sync().generate_sync_message(their_state);
        let is_quiet = down.is_none();
        if let Some(down) = down {
            cost(&down);
            ours.sync().receive_sync_message(our_state, down)?;
        }
        let up = ours.sync().generate_sync_message(our_state);
        if is_quiet && up.is_none() {
            break;
        }
        if let Some(up) = up {
            cost(&up);
            theirs.sync().receive_sync_message(their_state, up)?;
        }
    }
    if ours.get_heads() == theirs.get_heads() { Ok(bytes) } else { Err("not in sync".into()) }
}

fn any(value: &Json) -> Any {
    match value {
        Json::Null => Any::Null,
        Json::Bool(truth) => Any::Bool(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Any::from(whole),
            None => Any::from(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Any::String(text.as_str().into()),
        other => Any::String(other.to_string().into()),
    }
}

/// A client id as random as its own, of 53 bits as in Yjs.
pub(crate) fn client(author: usize) -> u64 {
    let id = actor(author).to_bytes().iter().take(8).fold(0, |id, byte| id << 8 | u64::from(*byte));
    id & ((1 << 53) - 1)
}

fn yrs_put(doc: &Doc, work: &Work, puts: &[Put]) -> Vec<u8> {
    let map = doc.get_or_insert_map("row");
    let mut tx = doc.transact_mut();
    for put in puts {
        match &put.value {
            Some(value) => drop(map.insert(&mut tx, work.column(put.column), any(value))),
            None => drop(map.remove(&mut tx, work.column(put.column))),
        }
    }
    tx.encode_update_v1()
}

fn yrs_updates(work: &Work, record: usize, edits: &[(usize, &Edit)]) -> Outcome<u64> {
    let doc = Doc::with_client_id(client(ORIGIN));
    yrs_put(&doc, work, &puts_of_known(work, record));
    let mut bytes = 0;
    for (_, edit) in edits {
        // A client id is chosen once for a document in memory.
        let author = Doc::with_client_id(client(edit.author));
        let all = doc.transact().encode_state_as_update_v1(&StateVector::default());
        author.transact_mut().apply_update(Update::decode_v1(&all)?)?;
        let update = yrs_put(&author, work, &edit.puts);
        bytes += length(&update) + ID_BYTES;
        doc.transact_mut().apply_update(Update::decode_v1(&update)?)?;
    }
    Ok(bytes)
}

fn loro_value(value: &Json) -> LoroValue {
    match value {
        Json::Null => LoroValue::Null,
        Json::Bool(truth) => LoroValue::Bool(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => LoroValue::I64(whole),
            None => LoroValue::Double(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => LoroValue::from(text.as_str()),
        other => LoroValue::from(other.to_string()),
    }
}

fn loro_put(doc: &LoroDoc, work: &Work, puts: &[Put]) -> Outcome<Vec<u8>> {
    let (map, before) = (doc.get_map("row"), doc.oplog_vv());
    for put in puts {
        match &put.value {
            Some(value) => map.insert(work.column(put.column), loro_value(value))?,
            None => map.delete(work.column(put.column))?,
        }
    }
    doc.commit();
    Ok(doc.export(ExportMode::updates(&before))?)
}

fn loro_updates(work: &Work, record: usize, edits: &[(usize, &Edit)]) -> Outcome<u64> {
    let doc = LoroDoc::new();
    doc.set_peer_id(client(ORIGIN))?;
    loro_put(&doc, work, &puts_of_known(work, record))?;
    let mut bytes = 0;
    for (_, edit) in edits {
        doc.set_peer_id(client(edit.author))?;
        bytes += length(&loro_put(&doc, work, &edit.puts)?) + ID_BYTES;
    }
    Ok(bytes)
}

/// Lines of row operations, and what zstd makes of them: of all at once, or of each where it travels alone.
fn row_operations(work: &Work) -> Outcome<(u64, u64)> {
    let (mut all, mut packed) = (Vec::new(), 0);
    for (at, edit) in work.edits.iter().enumerate() {
        let line = row_operation(work, edit, BEGIN_MILLIS + at as u64 * STEP_MILLIS);
        let line = format!("{line}\n").into_bytes();
        if work.is_live {
            packed += small(&line)?;
        }
        all.extend(line);
    }
    let packed = if work.is_live { packed } else { small(&all)? };
    Ok((length(&all), packed))
}

/// What `zstd -19` makes of it.
pub(crate) fn small(bytes: &[u8]) -> Outcome<u64> {
    Ok(length(&zstd::bulk::compress(bytes, 19)?))
}

/// The whole document, once, as it is after all of its edits.
fn document(work: &Work, record: usize, edits: &[(usize, &Edit)]) -> u64 {
    let mut fields = serde_json::Map::new();
    let known = puts_of_known(work, record);
    for put in known.iter().chain(edits.iter().flat_map(|(_, edit)| &edit.puts)) {
        match &put.value {
            Some(value) => drop(fields.insert(work.column(put.column).to_owned(), value.clone())),
            None => drop(fields.remove(work.column(put.column))),
        }
    }
    let revision = 1 + edits.len();
    let digest =
        format!("{:032x}", u128::from(client(record)) << 64 | u128::from(client(revision)));
    fields.insert("_id".to_owned(), id_text(work.id(record)).into());
    fields.insert("_rev".to_owned(), json!(format!("{revision}-{digest}")));
    length(Json::Object(fields).to_string().as_bytes())
}
