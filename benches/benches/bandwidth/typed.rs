//! The same typing in other systems.

use automerge::sync::State;
use automerge::transaction::Transactable as _;
use automerge::{ActorId, AutoCommit, ObjType, ROOT, ReadDoc as _};
use loro::{ExportMode, LoroDoc};
use serde_json::json;
use yrs::{ClientID, Doc, GetString as _, OffsetKind, Options, Text as _, Transact as _};

use crate::Outcome;
use crate::rivals::{Taken, client, length, small, talk};
use crate::trace::Typing;

/// Every system's bytes where the text travels every so many keystrokes.
pub(crate) fn all(typing: &Typing, each: usize) -> Outcome<Vec<Taken>> {
    let (raw, synced) = automerge(typing, each)?;
    let (yrs, loro) = (yrs_updates(typing, each)?, loro_updates(typing, each)?);
    let (operations, packed, documents) = json_operations(typing, each)?;
    Ok(vec![
        ("automerge changes", raw),
        ("automerge sync::State", synced),
        ("yrs updates", yrs),
        ("loro updates", loro),
        ("json operations", operations),
        ("json operations + zstd -19", packed),
        ("couchdb-style documents", documents),
    ])
}

fn automerge(typing: &Typing, each: usize) -> Outcome<(u64, u64)> {
    let mut ours = AutoCommit::new().with_actor(ActorId::from(client(1).to_be_bytes().repeat(2)));
    let text = ours.put_object(ROOT, "text", ObjType::Text)?;
    ours.commit();
    let mut theirs = ours.fork().with_actor(ActorId::from(client(2).to_be_bytes().repeat(2)));
    let mut states = (State::new(), State::new());
    talk((&mut ours, &mut states.0), (&mut theirs, &mut states.1))?;
    let (mut raw, mut synced) = (0, 0);
    for strokes in typing.patches.chunks(each) {
        for (at, out, put) in strokes {
            ours.splice_text(&text, *at, isize::try_from(*out)?, put)?;
        }
        ours.commit();
        let mut change = ours.get_last_local_change().ok_or("no change was made")?;
        raw += length(&change.bytes());
        synced += talk((&mut ours, &mut states.0), (&mut theirs, &mut states.1))?;
    }
    same("automerge", &theirs.text(&text)?, typing)?;
    Ok((raw, synced))
}

fn yrs_updates(typing: &Typing, each: usize) -> Outcome<u64> {
    let options = Options {
        client_id: ClientID::new(client(1)),
        offset_kind: OffsetKind::Utf16,
        ..Options::default()
    };
    let doc = Doc::with_options(options);
    let text = doc.get_or_insert_text("text");
    let mut bytes = 0;
    for strokes in typing.patches.chunks(each) {
        let mut tx = doc.transact_mut();
        for (at, out, put) in strokes {
            // The paper has no character of more than one UTF-16 unit; what it reads as is checked.
            if *out > 0 {
                text.remove_range(&mut tx, u32::try_from(*at)?, u32::try_from(*out)?);
            }
            if !put.is_empty() {
                text.insert(&mut tx, u32::try_from(*at)?, put);
            }
        }
        bytes += length(&tx.encode_update_v1());
    }
    same("yrs", &text.get_string(&doc.transact()), typing)?;
    Ok(bytes)
}

fn loro_updates(typing: &Typing, each: usize) -> Outcome<u64> {
    let doc = LoroDoc::new();
    doc.set_peer_id(client(1))?;
    let text = doc.get_text("text");
    let mut bytes = 0;
    for strokes in typing.patches.chunks(each) {
        let before = doc.oplog_vv();
        for (at, out, put) in strokes {
            if *out > 0 {
                text.delete(*at, *out)?;
            }
            if !put.is_empty() {
                text.insert(*at, put)?;
            }
        }
        doc.commit();
        bytes += length(&doc.export(ExportMode::updates(&before))?);
    }
    same("loro", &text.to_string(), typing)?;
    Ok(bytes)
}

/// Operations, those compressed as they travel, and the whole document each time.
fn json_operations(typing: &Typing, each: usize) -> Outcome<(u64, u64, u64)> {
    let (mut operations, mut packed, mut documents) = (0, 0, 0);
    let mut text: Vec<char> = Vec::new();
    for strokes in typing.patches.chunks(each) {
        let line = format!("{}\n", json!(strokes)).into_bytes();
        operations += length(&line);
        packed += small(&line)?;
        for (at, out, put) in strokes {
            text.splice(*at..at + out, put.chars());
        }
        let whole = text.iter().collect::<String>();
        documents +=
            length(json!({ "_id": "paper", "_rev": "1-", "text": whole }).to_string().as_bytes());
    }
    Ok((operations, packed, documents))
}

fn same(who: &str, text: &str, typing: &Typing) -> Outcome<()> {
    if text == typing.text() { Ok(()) } else { Err(format!("{who} has another text").into()) }
}
