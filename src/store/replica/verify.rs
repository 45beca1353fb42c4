//! Whether a replica's file is what it should be, by meaning.

use std::collections::{BTreeMap, BTreeSet};

use redb::ReadTransaction;

use super::index;
use super::tables::{
    HISTORY, KEPT, META, MOVED, PENDING, PENDING_RECORD, Part, Place, QUARANTINE, QUARANTINE_EDIT,
    QUARANTINE_RECORD, ROW, ROW_COUNT, SIZES_KEY,
};
use crate::gate::Confirmed;
use crate::model::{EditId, RecordId, Size, TableName};
use crate::store::fence::fenced;
use crate::store::survey::Survey;
use crate::sync::replica::replay;
use crate::sync::{Grant, Pending, Turn};

/// What is pending, as its own table has it: the indexes are compared with this.
#[derive(Default)]
struct PendingEdits {
    by_record: BTreeMap<Place, Vec<Pending>>,
    turns: BTreeMap<EditId, (Turn, RecordId)>,
}

/// What is confirmed.
#[derive(Default)]
struct Held {
    places: BTreeSet<Place>,
    /// How much that is by table, as far as it can be read.
    sizes: BTreeMap<TableName, Size>,
}

/// Goes over all tables. What cannot be read is told once, and not held against what refers to it
/// more than that.
pub(in crate::store) fn verify(tx: &ReadTransaction, survey: &mut Survey<'_>) {
    survey.expect(&META, tx);
    survey.expect(&ROW, tx);
    survey.expect(&ROW_COUNT, tx);
    survey.expect(&HISTORY, tx);
    survey.expect(&PENDING, tx);
    survey.expect(&MOVED, tx);
    survey.expect(&PENDING_RECORD, tx);
    survey.expect(&QUARANTINE, tx);
    survey.expect(&QUARANTINE_EDIT, tx);
    survey.expect(&QUARANTINE_RECORD, tx);
    survey.expect(&KEPT, tx);
    survey.expect(&index::INDEX, tx);
    survey.expect(&index::BLOCK, tx);
    meta(tx, survey);
    let pending = pending(tx, survey);
    let held = history(tx, survey, &pending);
    rows(tx, survey, &pending, &held.places);
    sizes(tx, survey, &held.sizes);
    quarantine(tx, survey);
    kept(tx, survey);
    index::verify(tx, survey);
}

fn meta(tx: &ReadTransaction, survey: &mut Survey<'_>) {
    survey.each(&META, tx, |survey, name, part: Part| {
        if part.name() != name {
            survey.misfit(&META, &name, format!("it holds the part `{}`", part.name()));
        }
        if let Part::Grant(Some(grant), _) = part
            && let Err(error) = Grant::from_store(&grant)
        {
            survey.misfit(&META, &name, error.to_string());
        }
    });
}

fn pending(tx: &ReadTransaction, survey: &mut Survey<'_>) -> PendingEdits {
    let mut found = PendingEdits::default();
    survey.each(&PENDING, tx, |survey, turn, pending| {
        let edit = match fenced(|| pending.edit(turn, &ROW.read(tx)?)) {
            Ok(edit) => edit,
            Err(error) => return survey.misfit(&PENDING, &turn, error.to_string()),
        };
        if found.turns.insert(edit.id, (turn, edit.record)).is_some() {
            survey.misfit(&PENDING, &turn, format!("edit {} is pending twice", edit.id));
        }
        let place = (edit.table.clone(), edit.record);
        found.by_record.entry(place).or_default().push(Pending { turn, edit });
    });
    let mut moved = BTreeMap::new();
    survey.each(&MOVED, tx, |survey, edit, turn| {
        if turn == Turn::first(edit) || found.turns.get(&edit).is_none_or(|(at, _)| *at != turn) {
            survey.misfit(&MOVED, &edit, "it leads to no such pending edit");
        }
        moved.insert(edit, turn);
    });
    let mut by_record = BTreeSet::new();
    survey.each(&PENDING_RECORD, tx, |_, key, ()| {
        by_record.insert(key);
    });
    for (edit, (turn, record)) in &found.turns {
        if moved.get(edit).copied().unwrap_or(Turn::first(*edit)) != *turn {
            survey.misfit(&PENDING, turn, "it is not found by its edit id");
        }
        if !by_record.remove(&(*record, *turn)) {
            survey.misfit(&PENDING, turn, "it is not found by its record");
        }
    }
    for key in by_record {
        survey.misfit(&PENDING_RECORD, &key, "it leads to no such pending edit");
    }
    found
}

/// Compares each record's row with what its history and the edits pending on it make.
fn history(tx: &ReadTransaction, survey: &mut Survey<'_>, pending: &PendingEdits) -> Held {
    let mut held = Held::default();
    survey.each(&HISTORY, tx, |survey, place, history| {
        match fenced(|| history.confirmed(&place, &ROW.read(tx)?)) {
            Ok(confirmed) => {
                row(tx, survey, &place, Some(&confirmed), pending);
                let size = held.sizes.entry(place.0.clone()).or_default();
                *size = size.plus(confirmed.size_of(|_| true));
            }
            Err(error) => survey.misfit(&HISTORY, &place, error.to_string()),
        }
        held.places.insert(place);
    });
    held
}

fn row(
    tx: &ReadTransaction,
    survey: &mut Survey<'_>,
    place: &Place,
    confirmed: Option<&Confirmed>,
    pending: &PendingEdits,
) {
    let on_it = pending.by_record.get(place).map(Vec::as_slice).unwrap_or_default();
    let expected = replay(&place.0, place.1, confirmed, on_it);
    let problem = match (fenced(|| ROW.read(tx)?.get(place)), expected) {
        (Ok(found), expected) if found == expected => return,
        (Ok(Some(_)), Some(_)) => "it is not what its history and pending edits make",
        (Ok(Some(_)), None) => "it is there, though its history says that it should not be",
        (Ok(None), _) => "it is not there, though its history and pending edits make it",
        // Told where the table was gone over.
        (Err(_), _) => return,
    };
    survey.misfit(&ROW, place, problem);
}

fn rows(
    tx: &ReadTransaction,
    survey: &mut Survey<'_>,
    pending: &PendingEdits,
    held: &BTreeSet<Place>,
) {
    for place in pending.by_record.keys().filter(|place| !held.contains(place)) {
        row(tx, survey, place, None, pending);
    }
    let mut counts: BTreeMap<TableName, u64> = BTreeMap::new();
    survey.each(&ROW, tx, |survey, place, _| {
        if !held.contains(&place) && !pending.by_record.contains_key(&place) {
            survey.misfit(&ROW, &place, "nothing confirmed or pending makes it");
        }
        *counts.entry(place.0).or_default() += 1;
    });
    survey.each(&ROW_COUNT, tx, |survey, table, count| {
        let found = counts.remove(&table).unwrap_or(0);
        if found != count {
            survey.misfit(&ROW_COUNT, &table, format!("it says {count} rows, there are {found}"));
        }
    });
    for (table, count) in counts {
        survey.misfit(&ROW_COUNT, &table, format!("it says no rows, there are {count}"));
    }
}

/// Compares how much is said to be confirmed of each table with what is, where all of that can be read.
fn sizes(tx: &ReadTransaction, survey: &mut Survey<'_>, held: &BTreeMap<TableName, Size>) {
    let read: u64 = held.values().map(|size| size.records).sum();
    if fenced(|| HISTORY.read(tx)?.len()) != Ok(read) {
        return;
    }
    let told = match fenced(|| META.read(tx)?.get(&SIZES_KEY.to_owned())) {
        Ok(Some(Part::Sizes(told))) => told,
        Ok(_) => BTreeMap::new(),
        // Told where the table was gone over.
        Err(_) => return,
    };
    let tables: BTreeSet<_> = told.keys().chain(held.keys()).collect();
    for table in tables {
        let of = |sizes: &BTreeMap<_, _>| sizes.get(table).copied().unwrap_or_default();
        let (told, found): (Size, Size) = (of(&told), of(held));
        if told != found {
            let says = |size: Size| format!("{} records of {} bytes", size.records, size.bytes);
            let (told, found) = (says(told), says(found));
            let problem = format!("of table `{table}` it says {told}, there are {found}");
            survey.misfit(&META, &SIZES_KEY.to_owned(), problem);
        }
    }
}

fn quarantine(tx: &ReadTransaction, survey: &mut Survey<'_>) {
    let (mut entries, mut places) = (BTreeSet::new(), BTreeSet::new());
    survey.each(&QUARANTINE, tx, |_, number, entry| {
        entries.insert((entry.edit, number));
        places.insert((entry.record, number));
    });
    survey.each(&QUARANTINE_EDIT, tx, |survey, key, ()| {
        if !entries.remove(&key) {
            survey.misfit(&QUARANTINE_EDIT, &key, "it leads to no such refused edit");
        }
    });
    for (edit, number) in entries {
        survey.misfit(&QUARANTINE, &number, format!("it is not found by its edit id {edit}"));
    }
    survey.each(&QUARANTINE_RECORD, tx, |survey, key, ()| {
        if !places.remove(&key) {
            survey.misfit(&QUARANTINE_RECORD, &key, "it leads to no such refused edit");
        }
    });
    for (record, number) in places {
        survey.misfit(&QUARANTINE, &number, format!("it is not found by its record {record}"));
    }
}

fn kept(tx: &ReadTransaction, survey: &mut Survey<'_>) {
    let mut found = 0;
    survey.each(&KEPT, tx, |_, _, _| found += 1);
    let mut told = 0;
    let read = fenced(|| META.read(tx)?.get(&"kept".to_owned()));
    if let Ok(Some(Part::Kept(kept, _))) = read {
        told = kept.edits;
    }
    if found != told {
        let problem = format!("`{}` says {told} edits, there are {found}", META.name());
        survey.found(KEPT.name(), None, problem);
    }
}
