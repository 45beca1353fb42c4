//! What must be true of the world once it has settled, whatever happened before.

use std::collections::BTreeSet;

use tidegate::model::{EditId, Value};
use tidegate::sync::{EntryKind, ReplicaStore as _, ServerStore as _};

use crate::rules::Loss;
use crate::world::{ANN, BOB, World, record, table};

/// Lets the world settle, and looks at what came of it.
pub(crate) fn settles(mut world: World) -> Result<(), String> {
    let revoked = world.revoked;
    world.settle();
    each_edit_counts_once_or_is_kept(&world)?;
    values_are_those_of_the_log(&world)?;
    devices_hold_what_the_server_holds(&world, revoked)
}

/// The edits in the log, by whom; each once.
fn logged(world: &World) -> Result<Vec<EditId>, String> {
    let edits = world.hub.store.log.iter().filter_map(|entry| match &entry.kind {
        EntryKind::Edit { edit, .. } => Some(edit.id),
        EntryKind::Move(_) => None,
    });
    let edits: Vec<_> = edits.collect();
    let once: BTreeSet<_> = edits.iter().collect();
    if once.len() == edits.len() {
        Ok(edits)
    } else {
        Err(format!("an edit is twice in {edits:?}"))
    }
}

fn each_edit_counts_once_or_is_kept(world: &World) -> Result<(), String> {
    let logged = logged(world)?;
    for (at, device) in world.devices.iter().enumerate() {
        let pending = device.store.pending.len();
        if pending > 0 {
            return Err(format!("device {at} has {pending} edits pending after all settled"));
        }
        let quarantine = device.store.quarantine().map_err(|error| error.to_string())?;
        for edit in &device.made {
            let counts = logged.contains(edit);
            let refused = quarantine.iter().any(|entry| entry.edit == *edit);
            if counts == refused {
                return Err(format!("{edit} of device {at} counts: {counts}, refused: {refused}"));
            }
            if at == ANN && refused {
                return Err(format!("{edit} of Ann, who may, is refused"));
            }
            if device.admitted.contains(edit) && !counts {
                return Err(format!("device {at} was told that {edit} counts, and it does not"));
            }
        }
    }
    Ok(())
}

/// A naive reading of the log: the last text that counts on top of all before, and one visit for
/// each increment.
fn values_are_those_of_the_log(world: &World) -> Result<(), String> {
    let logged = logged(world)?;
    let bobs = &world.devices[BOB].made;
    let visits = i64::from(bobs.first().is_some_and(|edit| logged.contains(edit)));
    let held = world.hub.store.record(record()).map_err(|error| error.to_string())?;
    let held = held.ok_or("the server has no record")?;
    let columns = held.record().columns();
    let found = match columns.get("visits") {
        Some(Value::Counter(visits)) => *visits,
        None => 0,
        other => return Err(format!("visits are {other:?}")),
    };
    if found != visits {
        return Err(format!("there are {found} visits, and {visits} were made that count"));
    }
    let texts = ["first", "by Ann", "by Bob"];
    let is_one = matches!(&columns["text"], Value::Text(text) if texts.contains(&text.as_str()));
    if is_one { Ok(()) } else { Err(format!("the text is {:?}", columns["text"])) }
}

fn devices_hold_what_the_server_holds(world: &World, revoked: bool) -> Result<(), String> {
    let held = world.hub.store.record(record()).map_err(|error| error.to_string())?;
    let held = held.ok_or("the server has no record")?;
    let heads = held.record().document_heads().map_err(|error| error.to_string())?;
    for (at, device) in world.devices.iter().enumerate() {
        let own = device.store.confirmed(&table(), record()).map_err(|error| error.to_string())?;
        let reads = !(at == BOB && revoked && world.loss == Loss::Read);
        match own {
            None if !reads => {}
            Some(own) if reads => {
                let own_heads = own.record().document_heads().map_err(|error| error.to_string())?;
                let row =
                    device.store.row(&table(), record()).map_err(|error| error.to_string())?;
                if own_heads != heads
                    || row.is_none_or(|row| row.columns != *held.record().columns())
                {
                    return Err(format!("device {at} holds something else than the server"));
                }
            }
            own => return Err(format!("device {at} reads: {reads}, and holds {own:?}")),
        }
    }
    Ok(())
}
