//! Whether a server's file is what it should be, by meaning.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use redb::ReadTransaction;

use super::check::found_along;
use super::snapshot::rebuild;
use super::tables::{
    ADMITTED, AUTHOR, BUCKET, CODE, COUNT, DEVICE, DEVICE_KEY, ERASED, LOG, META, META_KEY,
    ORGANIZATION, PAST_STANDING, PLACE, POLICY, PROFILES, PURGE, Place, RECORD, REFUSED,
    REFUSED_EDIT, RUN, SCHEMA, SIZE, STANDING, STRAND,
};
use crate::gate::{Confirmed, Follow, can_end_with, replay};
use crate::model::{DeviceNumber, Edit, EditId, RecordId, Sequence, Size, SizeByState, TableName};
use crate::store::fence::fenced;
use crate::store::survey::Survey;
use crate::sync::{EntryKind, StoreError};

/// What the log did to each record, in its order.
type Steps = BTreeMap<RecordId, Vec<(Sequence, Step)>>;

/// What an entry of the log did to a record.
enum Step {
    /// The edit that is there.
    Edit,
    /// It followed its owner. The entry is as large as the records are many.
    Follow(Rc<Follow>),
}

/// Where runs of dropped edits end, by the device and part that they are of and where they begin.
type Runs = BTreeMap<(DeviceNumber, u32), BTreeMap<u64, u64>>;

/// Goes over all tables. What cannot be read is told once, and not held against what refers to it
/// more than that.
pub(in crate::store) fn verify(tx: &ReadTransaction, survey: &mut Survey<'_>) {
    survey.expect(&META, tx);
    survey.expect(&LOG, tx);
    survey.expect(&RECORD, tx);
    survey.expect(&PLACE, tx);
    survey.expect(&STRAND, tx);
    survey.expect(&BUCKET, tx);
    survey.expect(&COUNT, tx);
    survey.expect(&SIZE, tx);
    survey.expect(&ADMITTED, tx);
    survey.expect(&RUN, tx);
    survey.expect(&AUTHOR, tx);
    survey.expect(&REFUSED, tx);
    survey.expect(&REFUSED_EDIT, tx);
    survey.expect(&DEVICE, tx);
    survey.expect(&DEVICE_KEY, tx);
    survey.expect(&CODE, tx);
    survey.expect(&STANDING, tx);
    survey.expect(&PAST_STANDING, tx);
    survey.expect(&ERASED, tx);
    survey.expect(&PURGE, tx);
    survey.expect(&SCHEMA, tx);
    survey.expect(&POLICY, tx);
    survey.expect(&ORGANIZATION, tx);
    survey.expect(&PROFILES, tx);
    let runs = runs(tx, survey);
    let (floor, mut steps) = log(tx, survey, &runs);
    erased(tx, survey, floor, &mut steps);
    records(tx, survey, floor, steps);
    devices(tx, survey);
    refused(tx, survey);
    survey.each(&PURGE, tx, |_, _, _| {});
    survey.each(&STANDING, tx, |_, _, _| {});
    survey.each(&SCHEMA, tx, |_, _, _| {});
    survey.each(&PAST_STANDING, tx, |_, _, _| {});
    survey.each(&POLICY, tx, |_, _, _| {});
    survey.each(&PROFILES, tx, |_, _, _| {});
    survey.each(&ORGANIZATION, tx, |survey, name, row| {
        if row.is_removal() || row.name() != name {
            survey.misfit(&ORGANIZATION, &name, format!("it holds `{}`", row.name()));
        }
    });
}

fn runs(tx: &ReadTransaction, survey: &mut Survey<'_>) -> Runs {
    let mut runs = Runs::new();
    survey.each(&RUN, tx, |survey, (row, first), last| {
        let before = runs.entry(row).or_default();
        let is_apart = before
            .last_key_value()
            .is_none_or(|(_, end)| end.checked_add(1).is_some_and(|next| first > next));
        if last < first || !is_apart {
            survey.misfit(&RUN, &(row, first), format!("it does not end at {last}, or is no run"));
        }
        before.insert(first, last);
    });
    runs
}

fn is_dropped(runs: &Runs, edit: EditId) -> bool {
    let before = runs.get(&(edit.device, edit.part)).map(|row| row.range(..=edit.counter));
    let last = before.and_then(|mut before| before.next_back());
    last.is_some_and(|(_, last)| *last >= edit.counter)
}

fn log(tx: &ReadTransaction, survey: &mut Survey<'_>, runs: &Runs) -> (Sequence, Steps) {
    let (mut head, mut floor) = (None, Sequence(0));
    survey.each(&META, tx, |_, _, meta| (head, floor) = (Some(meta.head), meta.floor));
    let mut steps = Steps::new();
    let (mut ids, mut in_strands) = (BTreeMap::new(), 0);
    let mut next = Sequence(floor.0.saturating_add(1));
    survey.each(&LOG, tx, |survey, sequence, logged| {
        if sequence <= floor {
            survey.misfit(&LOG, &sequence, "it is below the floor of the log");
        }
        // From behind, where the pages lead no further, gaps were told already.
        if sequence > next {
            let (from, to) = (next.0, sequence.0 - 1);
            survey.found(LOG.name(), None, format!("the entries {from} to {to} are missing"));
        }
        next = next.max(Sequence(sequence.0 + 1));
        let entry = logged.at(sequence);
        match fenced(|| found_along(tx, &entry)) {
            Ok(strands) => in_strands += strands,
            Err(_) => survey.misfit(&LOG, &sequence, "it is not found in one of its strands"),
        }
        match entry.kind {
            EntryKind::Edit { edit, .. } => {
                if let Some(other) = ids.insert(edit.id, sequence) {
                    let problem = format!("edit {} is in the log at {other} already", edit.id);
                    survey.misfit(&LOG, &sequence, problem);
                }
                if is_dropped(runs, edit.id) {
                    let problem = format!("edit {} was in the log before", edit.id);
                    survey.misfit(&LOG, &sequence, problem);
                }
                steps.entry(edit.record).or_default().push((sequence, Step::Edit));
            }
            EntryKind::Move(moved) => {
                for leg in &moved.legs {
                    let follow = Rc::new(moved.follow(leg, entry.at));
                    for follower in &leg.followers {
                        let step = Step::Follow(Rc::clone(&follow));
                        steps.entry(follower.record).or_default().push((sequence, step));
                    }
                }
            }
        }
    });
    let last = Sequence(next.0 - 1);
    match head {
        Some(head) if head != last => {
            let problem = format!("it says that the log ends at {head}, it ends at {last}");
            survey.misfit(&META, &META_KEY.to_owned(), problem);
        }
        None if last > Sequence(0) => survey.found(META.name(), None, "it is empty"),
        _ => {}
    }
    let mut places = 0;
    survey.each(&STRAND, tx, |_, _, ()| places += 1);
    if places > in_strands {
        let problem = format!("it has {places} places, the log makes {in_strands}");
        survey.found(STRAND.name(), None, problem);
    }
    survey.each(&ADMITTED, tx, |survey, edit, sequence| {
        if ids.remove(&edit) != Some(sequence) {
            survey.misfit(&ADMITTED, &edit, format!("it is not in the log at {sequence}"));
        }
    });
    for (edit, sequence) in ids {
        survey.misfit(&LOG, &sequence, format!("it is not found by its edit id {edit}"));
    }
    for steps in steps.values_mut() {
        steps.sort_by_key(|(sequence, _)| *sequence);
    }
    (floor, steps)
}

/// Takes the entries of erased records out of those that make others, and looks whether they are
/// empty.
fn erased(tx: &ReadTransaction, survey: &mut Survey<'_>, floor: Sequence, steps: &mut Steps) {
    survey.each(&ERASED, tx, |survey, record, erased| {
        let logged = steps.remove(&record).unwrap_or_default();
        let is_said = match logged.last() {
            Some((last, _)) => *last == erased.sequence,
            None => erased.sequence <= floor,
        };
        if erased.record != record || !is_said {
            let problem = format!("its last entry in the log is not at {}", erased.sequence);
            survey.misfit(&ERASED, &record, problem);
        }
        for (sequence, _) in logged.into_iter().filter(|it| matches!(it.1, Step::Edit)) {
            let edit = edit_at(tx, sequence);
            if edit.is_ok_and(|edit| !edit.changes.is_empty()) {
                survey.misfit(&LOG, &sequence, "it holds what was erased");
            }
        }
    });
}

/// Compares each record with what its entries in the log make.
fn records(tx: &ReadTransaction, survey: &mut Survey<'_>, floor: Sequence, mut steps: Steps) {
    let mut places = BTreeMap::new();
    survey.each(&RECORD, tx, |survey, id, kept| {
        let logged = steps.remove(&id).unwrap_or_default();
        let confirmed = match fenced(|| rebuild(id, &kept)) {
            Ok(confirmed) => confirmed,
            Err(error) => return survey.misfit(&RECORD, &id, error.to_string()),
        };
        let record = confirmed.record();
        if record.id() != id {
            survey.misfit(&RECORD, &id, format!("it holds the record {}", record.id()));
        }
        places.insert((record.table().clone(), id), Place::of(&confirmed));
        // What cannot be read was told where the log was gone over.
        if is_made_by(tx, &confirmed, floor, logged) == Ok(false) {
            survey.misfit(&RECORD, &id, "it is not what its entries in the log make");
        }
    });
    let known: BTreeSet<_> = places.keys().map(|(_, id)| *id).collect();
    survey.each(&AUTHOR, tx, |survey, author, ()| {
        if !known.contains(&author.0) {
            survey.misfit(&AUTHOR, &author, "there is no such record");
        }
    });
    for id in steps.into_keys() {
        survey.misfit(&RECORD, &id, "it is not there, though the log has entries of it");
    }
    let mut counts: BTreeMap<TableName, u64> = BTreeMap::new();
    let mut buckets = BTreeSet::new();
    let mut sizes: BTreeMap<(TableName, String), SizeByState> = BTreeMap::new();
    for (at, place) in &places {
        for part in place.parts() {
            let size = sizes.entry((at.0.clone(), part)).or_default();
            *size = size.plus(place.size_by_state());
        }
        *counts.entry(at.0.clone()).or_default() += u64::from(place.is_active);
        buckets.extend(place.buckets.iter().map(|bucket| (bucket.clone(), at.clone())));
    }
    survey.each(&PLACE, tx, |survey, at, place| {
        if places.remove(&at) != Some(place) {
            survey.misfit(&PLACE, &at, "it does not fit the record");
        }
    });
    survey.each(&BUCKET, tx, |survey, at, ()| {
        if !buckets.remove(&at) {
            survey.misfit(&BUCKET, &at, "it does not fit the record");
        }
    });
    for at in buckets {
        survey.misfit(&BUCKET, &at, "it is not there, though the record is in it");
    }
    for place in places.into_keys() {
        survey.misfit(&RECORD, &place.1, "it is not found in the order of its table");
    }
    survey.each(&COUNT, tx, |survey, table, count| {
        let found = counts.remove(&table).unwrap_or(0);
        if found != count {
            let problem = format!("it says {count} records, there are {found}");
            survey.misfit(&COUNT, &table, problem);
        }
    });
    for (table, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        survey.misfit(&COUNT, &table, format!("it says no records, there are {count}"));
    }
    verify_sizes(tx, survey, sizes);
}

fn verify_sizes(
    tx: &ReadTransaction,
    survey: &mut Survey<'_>,
    mut sizes: BTreeMap<(TableName, String), SizeByState>,
) {
    survey.each(&SIZE, tx, |survey, part, size| {
        let found = sizes.remove(&part).unwrap_or_default();
        if found != size {
            let Size { records, bytes } = found.all();
            let deleted = found.deleted.records;
            let problem = format!(
                "it says otherwise than {records} records of {bytes} bytes, {deleted} of them deleted"
            );
            survey.misfit(&SIZE, &part, problem);
        }
    });
    for (part, size) in sizes {
        let records = size.all().records;
        survey.misfit(&SIZE, &part, format!("it says no records, there are {records}"));
    }
}

/// Whether these entries of the log make the record; or can be the last of those that do, where the
/// others were dropped.
fn is_made_by(
    tx: &ReadTransaction,
    confirmed: &Confirmed,
    floor: Sequence,
    logged: Vec<(Sequence, Step)>,
) -> Result<bool, StoreError> {
    let is_whole = match logged.first() {
        _ if floor == Sequence(0) => true,
        Some((first, _)) => makes_record(tx, *first)?,
        None => false,
    };
    if is_whole {
        return Ok(replayed(tx, logged)?.as_ref() == Some(confirmed));
    }
    let edits = logged.into_iter().map(|(sequence, step)| match step {
        Step::Edit => Ok((sequence, edit_at(tx, sequence)?)),
        Step::Follow(follow) => Ok((sequence, follow.edit_of(confirmed.record()))),
    });
    Ok(can_end_with(confirmed, floor, &edits.collect::<Result<Vec<_>, StoreError>>()?))
}

/// Whether there was no such record before the edit in this place of the log.
fn makes_record(tx: &ReadTransaction, sequence: Sequence) -> Result<bool, StoreError> {
    let entry = fenced(|| LOG.read(tx)?.expect(&sequence))?.at(sequence);
    Ok(matches!(entry.kind, EntryKind::Edit { before: Some(None), .. }))
}

/// What these entries of the log make of a record.
fn replayed(
    tx: &ReadTransaction,
    logged: Vec<(Sequence, Step)>,
) -> Result<Option<Confirmed>, StoreError> {
    let mut made: Option<Confirmed> = None;
    for (sequence, step) in logged {
        let edit = match (step, &made) {
            (Step::Edit, _) => Some(edit_at(tx, sequence)?),
            (Step::Follow(follow), Some(made)) => follow.edit(made.record()),
            (Step::Follow(_), None) => None,
        };
        // A record that could not follow will not be what is there.
        let Some(edit) = edit else { return Ok(None) };
        let next = replay(made, &edit, sequence);
        made = Some(next.map_err(|error| StoreError::Damaged(error.to_string()))?);
    }
    Ok(made)
}

/// The edit in this place of the log.
fn edit_at(tx: &ReadTransaction, sequence: Sequence) -> Result<Edit, StoreError> {
    let entry = fenced(|| LOG.read(tx)?.expect(&sequence))?.at(sequence);
    match entry.kind {
        EntryKind::Edit { edit, .. } => Ok(edit),
        EntryKind::Move(_) => Err(StoreError::Damaged(format!("{sequence} of the log is a move"))),
    }
}

fn refused(tx: &ReadTransaction, survey: &mut Survey<'_>) {
    let mut places = BTreeSet::new();
    survey.each(&REFUSED, tx, |_, number, refused| {
        places.insert((refused.edit.id, number));
    });
    survey.each(&REFUSED_EDIT, tx, |survey, place, ()| {
        if !places.remove(&place) {
            survey.misfit(&REFUSED_EDIT, &place, "it leads to no such refused edit");
        }
    });
    for (_, number) in places {
        survey.misfit(&REFUSED, &number, "it is not found by its edit id");
    }
}

fn devices(tx: &ReadTransaction, survey: &mut Survey<'_>) {
    let mut keys = BTreeMap::new();
    survey.each(&DEVICE, tx, |survey, number, device| {
        if device.number != number {
            survey.misfit(&DEVICE, &number, format!("it says that it is {}", device.number));
        }
        keys.insert(device.key, number);
    });
    survey.each(&DEVICE_KEY, tx, |survey, key, number| {
        if keys.remove(&key) != Some(number) {
            survey.misfit(&DEVICE_KEY, &key, "it leads to no such device");
        }
    });
    for number in keys.into_values() {
        survey.misfit(&DEVICE, &number, "it is not found by its key");
    }
    survey.each(&CODE, tx, |_, _, _| {});
}
