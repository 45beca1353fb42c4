//! Tidegate on what people really edited: the countries history, and a paper as it was typed.

use std::collections::BTreeMap;
use std::path::Path;

use tidegate::model::{ColumnName, Json, Op, TableName, Value};
use tidegate::sync::replica::{Draft, Intent};
use tidegate::{Columns, RecordId};

use crate::Outcome;
use crate::ours::{Cost, Device, Place};
use crate::trace::{History, Typing, flatten};
use crate::work::{Edit, Work};

/// Strokes of one edit where they are sent at once.
const STROKES_EACH: usize = 5_000;

fn policy(users: &[String], table: &str) -> String {
    let user = |name: &String| {
        format!("[[user]]\nid = \"{name}\"\nbusiness_unit = \"root\"\nroles = [\"editor\"]\n")
    };
    let users: String = users.iter().map(user).collect();
    let all = ["create", "read", "write"].map(|right| format!("{right} = \"organization\"\n"));
    format!(
        "[[business_unit]]\nid = \"root\"\n\
         [[user]]\nid = \"root\"\nbusiness_unit = \"root\"\nroles = [\"system_administrator\"]\n\
         {users}[[role]]\nid = \"editor\"\n[role.rights.{table}]\n{}",
        all.concat()
    )
}

fn schema(table: &str, column: &str, kind: &str) -> String {
    format!(
        "[[table]]\nid = \"{table}\"\nownership = \"organization_owned\"\n\
         columns = [{{ id = \"{column}\", type = \"{kind}\" }}]\n"
    )
}

/// One device an author, each up to date before it commits and in a session after; then one that was there
/// from the start catches up with all of it.
pub(crate) async fn countries(dir: &Path, history: &History) -> Outcome<Cost> {
    let authors = 1 + history.commits.iter().map(|(author, _)| *author).max().unwrap_or_default();
    let mut users: Vec<_> = (0..authors).map(|author| format!("c{author:02}")).collect();
    users.push("late".to_owned());
    let place = Place::start(dir, &schema("country", "data", "json"), &policy(&users, "country"))?;
    let mut devices = Vec::new();
    for user in &users {
        devices.push(place.enroll(user).await?);
    }
    let late = devices.pop().ok_or("the late one is there")?;
    let late = (late.beyond_idle().await?, &late);
    let (mut uplink, mut edits) = (0, history.work.edits.as_slice());
    let mut is_there = vec![false; history.work.ids.len()];
    for (author, count) in &history.commits {
        let device = devices.get(*author).ok_or("there is such an author")?;
        let (own, rest) = edits.split_at(*count);
        edits = rest;
        if own.is_empty() {
            continue;
        }
        let before = device.beyond_idle().await?;
        let mut drafts = Vec::new();
        for edit in own {
            let is_new =
                is_there.get_mut(edit.record).is_some_and(|it| !std::mem::replace(it, true));
            drafts.push(country_draft(&history.work, edit, is_new)?);
        }
        device.replica.commit(drafts).await?;
        uplink += before.session().await?;
    }
    let downlink = late.0.session().await?;
    for device in devices.iter().chain([late.1]) {
        device.session().await?;
        check_countries(device, history)?;
    }
    let cost = Cost { downlink, uplink, handshake: Some(late.0.idle) };
    place.stop().await;
    Ok(cost)
}

fn country_draft(work: &Work, edit: &Edit, is_new: bool) -> Outcome<Draft> {
    let table: TableName = "country".parse()?;
    let column: ColumnName = "data".parse()?;
    let record = RecordId::from_bytes(work.id(edit.record));
    let intent = if is_new {
        let leaves = edit.puts.iter().filter_map(|put| Some((put.column, put.value.as_ref()?)));
        let mut whole = leaves.map(|(at, leaf)| (work.column(at), leaf));
        let whole = whole.try_fold(Json::default(), |json, (path, leaf)| json.with(path, leaf))?;
        let columns = [(column, Value::Json(whole))].into_iter().collect();
        Intent::Create { owner: None, columns }
    } else {
        let ops = edit.puts.iter().map(|put| {
            let (column, path) = (column.clone(), work.column(put.column).to_owned());
            match &put.value {
                Some(leaf) => Op::JsonPut { column, path, leaf: leaf.to_string() },
                None => Op::JsonRemove { column, path },
            }
        });
        Intent::Ops(ops.collect())
    };
    Ok(Draft { table, record, intent })
}

/// A device has what the history comes to.
fn check_countries(device: &Device, history: &History) -> Outcome<()> {
    let table: TableName = "country".parse()?;
    for (record, right) in history.last.iter().enumerate() {
        let id = RecordId::from_bytes(history.work.id(record));
        let row = device.replica.get_confirmed(&table, id)?.ok_or("a country is missing")?;
        let Value::Json(json) = row.get("data") else { return Err("no JSON".into()) };
        let mut found = BTreeMap::new();
        flatten("", &json.to_value(), &mut found);
        // Nothing is left of a record that was deleted, and of one without leaves an empty object.
        found.retain(|path, _| !path.is_empty());
        if found != *right {
            return Err(format!("country {record} has other leaves").into());
        }
    }
    Ok(())
}

/// A writer and a reader of one text, both up to date.
async fn notebook(dir: &Path) -> Outcome<(Place, Device, Device, RecordId)> {
    let users = ["writer".to_owned(), "reader".to_owned()];
    let place = Place::start(dir, &schema("paper", "text", "rich_text"), &policy(&users, "paper"))?;
    let (writer, reader) = (place.enroll("writer").await?, place.enroll("reader").await?);
    let (record, _) = writer.replica.insert(&"paper".parse()?, Columns::default()).await?;
    writer.session().await?;
    reader.session().await?;
    Ok((place, writer, reader, record))
}

fn strokes(record: RecordId, patches: &[(usize, usize, String)]) -> Outcome<Draft> {
    let op = |(at, out, put): &(usize, usize, String)| {
        let (at, delete) = (u32::try_from(*at)?, u32::try_from(*out)?);
        Outcome::Ok(Op::Splice { column: "text".parse()?, at, delete, insert: put.clone() })
    };
    let ops = patches.iter().map(op).collect::<Outcome<_>>()?;
    Ok(Draft { table: "paper".parse()?, record, intent: Intent::Ops(ops) })
}

fn check_text(reader: &Device, record: RecordId, typing: &Typing) -> Outcome<()> {
    let row =
        reader.replica.get_confirmed(&"paper".parse()?, record)?.ok_or("the paper is there")?;
    match row.get("text") {
        Value::RichText(text) if *text == typing.text() => Ok(()),
        _ => Err("the reader has another text".into()),
    }
}

/// Typed on a connection that is open, every so many strokes an edit; the reader's is open, too.
pub(crate) async fn typed_live(dir: &Path, typing: &Typing, each: usize) -> Outcome<Cost> {
    let (place, writer, reader, record) = notebook(dir).await?;
    let guards = (writer.live().await?, reader.live().await?);
    let before = (writer.passed().await, reader.passed().await);
    for patches in typing.patches.chunks(each) {
        writer.settle(strokes(record, patches)?).await?;
    }
    let uplink = writer.passed().await - before.0;
    let downlink = reader.passed().await - before.1;
    check_text(&reader, record, typing)?;
    drop(guards);
    place.stop().await;
    Ok(Cost { downlink, uplink, handshake: None })
}

/// Typed apart, sent in one session; then the reader catches up.
pub(crate) async fn typed_at_once(dir: &Path, typing: &Typing) -> Outcome<Cost> {
    let (place, writer, reader, record) = notebook(dir).await?;
    let (up, down) = (writer.beyond_idle().await?, reader.beyond_idle().await?);
    for patches in typing.patches.chunks(STROKES_EACH) {
        writer.commit(strokes(record, patches)?).await?;
    }
    let (uplink, downlink) = (up.session().await?, down.session().await?);
    check_text(&reader, record, typing)?;
    let cost = Cost { downlink, uplink, handshake: Some(down.idle) };
    place.stop().await;
    Ok(cost)
}
