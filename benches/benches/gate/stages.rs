//! The way in of one change, stage by stage: each is timed alone, over many changes.

use std::hint::black_box;

use tidegate::codec::{
    ChangeSet, Context, SignedChangeSet, ToServer, decode_edits, decode_message, encode_edits,
    encode_message,
};
use tidegate::gate::{Admissible, Court, LookedUp, Ruling, Standing, apply, rule};
use tidegate::model::{Edit, Sequence};
use tidegate::sync::{Commit, EntryKind, LogEntry, Operation, ServerStore as _};

use crate::world::{Engine, World, now};
use crate::{Outcome, timed};

const CHANGES: usize = 2_000;
const LONE_COMMITS: usize = 100;

/// Prints a stage's time for one change.
fn stage<T>(what: &str, count: usize, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let (seconds, done) = timed(work)?;
    let count = u32::try_from(count)?;
    println!("  {what:<46} {:>9.1} us", seconds * 1e6 / f64::from(count));
    Ok(done)
}

pub(crate) fn run() -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    let (mut world, mut engine) = World::new(&dir.path().join("stages.redb"))?;
    let table = world.table()?;
    let mut sets = Vec::new();
    for n in 0..CHANGES {
        let device = world.devices.get_mut(n % 100).ok_or("a device")?;
        sets.push((device.key.public(), device.change(&table, n / 100)?));
    }
    let frames = sets.iter().map(|(_, set)| encode_message(&ToServer::Push(set.clone())));
    let frames = frames.collect::<Result<Vec<_>, _>>()?;
    let opened = sets.iter().map(|(key, set)| set.open(key, &world.identity.organization));
    let opened = opened.collect::<Result<Vec<_>, _>>()?;
    println!(
        "the way in of one change (one field of a record; {CHANGES} of them, in microseconds)"
    );
    decode(&frames, &opened)?;
    verify(&world, &sets, &frames)?;
    let edits: Vec<_> = opened.into_iter().flat_map(|set| set.edits).collect();
    let records = stage("read the record from the file", CHANGES, || {
        let read = edits.iter().map(|edit| engine.store.record(edit.record));
        Ok(read.collect::<Result<Option<Vec<_>>, _>>()?.ok_or("a record is missing")?)
    })?;
    stage("rebuild the document, apply the change", CHANGES, || {
        for (edit, confirmed) in edits.iter().zip(&records) {
            for change in &edit.changes {
                black_box(confirmed.record().document(&change.section)?.apply(change)?);
            }
        }
        Ok(())
    })?;
    let admissible = judge(&world, &edits, &records)?;
    let operations = merge(&engine, &edits, records, admissible)?;
    commit(&mut engine, operations)
}

fn decode(frames: &[Vec<u8>], opened: &[ChangeSet]) -> Outcome<()> {
    let encoded = opened.iter().map(|set| encode_edits(&set.edits));
    let encoded = encoded.collect::<Result<Vec<_>, _>>()?;
    stage("decode the frame, then the edits", CHANGES, || {
        for (frame, edits) in frames.iter().zip(&encoded) {
            black_box(decode_message::<ToServer>(frame)?);
            black_box(decode_edits(edits)?);
        }
        Ok(())
    })
}

/// A signature over as many bytes as a change set has.
fn verify(
    world: &World,
    sets: &[(tidegate::codec::PublicKey, SignedChangeSet)],
    frames: &[Vec<u8>],
) -> Outcome<()> {
    let key = &world.devices.first().ok_or("a device")?.key;
    let signed: Vec<_> = frames.iter().map(|it| (it, key.sign(Context::ChangeSet, it))).collect();
    let public = key.public();
    stage("verify the signature", CHANGES, || {
        for (bytes, signature) in &signed {
            public.verify(Context::ChangeSet, bytes, signature)?;
        }
        Ok(())
    })?;
    let (set, frame) = (sets.first().ok_or("a set")?, frames.first().ok_or("a frame")?);
    debug_assert!(!set.1.is_empty());
    println!("  (a frame has {} bytes)", frame.len());
    Ok(())
}

fn judge(
    world: &World,
    edits: &[Edit],
    records: &[tidegate::gate::Confirmed],
) -> Outcome<Vec<Admissible>> {
    let standings = world.devices.iter().map(|it| Standing::resolve(&world.roster, &it.user));
    let standings = standings.collect::<Result<Vec<_>, _>>().map_err(|it| it.to_string())?;
    let find = |_: &_, _| LookedUp::Unknown;
    stage("judge", CHANGES, || {
        let ruled = edits.iter().zip(records).map(|(edit, confirmed)| {
            let standing = standings.get(edit.id.device.0 as usize - 1).ok_or("a standing")?;
            let court = Court {
                schema: &world.schema,
                standing: Ok(standing),
                directory: &world.roster,
                find: &find,
            };
            match rule(&court, Some(confirmed.record()), edit) {
                Ruling::Admissible(admissible) => Ok(admissible),
                other => Err(format!("{other:?}").into()),
            }
        });
        ruled.collect::<Outcome<Vec<_>>>()
    })
}

fn merge(
    engine: &Engine,
    edits: &[Edit],
    records: Vec<tidegate::gate::Confirmed>,
    admissible: Vec<Admissible>,
) -> Outcome<Vec<Operation>> {
    let (head, at) = (engine.store.meta()?.head, now()?);
    let epoch = engine.store.meta()?.policy_epoch;
    stage("apply to confirmed state", CHANGES, || {
        let mut operations = Vec::new();
        let all = (head.0 + 1..).map(Sequence).zip(edits).zip(records).zip(admissible);
        for (((sequence, edit), confirmed), admissible) in all {
            let applied = apply(Some(confirmed), &admissible.at(sequence))?;
            let after = applied.confirmed().record().header().clone();
            let edit = edit.clone();
            let kind = EntryKind::Edit { edit, before: None, after, asked: None };
            let entry = Box::new(LogEntry { sequence, kind, at, epoch });
            operations.push(Operation::Append { entry, records: vec![applied] });
        }
        Ok(operations)
    })
}

/// Each durable, alone or with a thousand others.
fn commit(engine: &mut Engine, mut operations: Vec<Operation>) -> Outcome<()> {
    let grouped = operations.split_off(LONE_COMMITS);
    stage("commit, alone", LONE_COMMITS, || {
        for operation in operations {
            write(engine, vec![operation])?;
        }
        Ok(())
    })?;
    let count = grouped.len();
    let what = format!("commit, each of {count} in one");
    stage(&what, count, || write(engine, grouped))
}

fn write(engine: &mut Engine, operations: Vec<Operation>) -> Outcome<()> {
    let expected = engine.store.meta()?;
    let mut meta = expected.clone();
    meta.head.0 += u64::try_from(operations.len())?;
    Ok(engine.store.commit(Commit { expected, meta, operations })?)
}
