//! Edits made as of what was seen.

use std::borrow::Cow;

use super::actors::{Actors, Unwritten};
use super::{EditError, Intent};
use crate::crdt::Record;
use crate::model::{Op, Table};

/// The state of a record that an edit is written on: what is there, or what was seen of it.
pub(super) fn written_on<'r>(
    visible: &'r Record,
    intent: &Intent,
) -> Result<Cow<'r, Record>, EditError> {
    let Intent::OpsOn(seen, _) = intent else { return Ok(Cow::Borrowed(visible)) };
    let elsewhere = || EditError::SeenElsewhere(visible.table().clone(), visible.id());
    visible.as_seen(seen)?.ok_or_else(elsewhere)
}

/// The sections in which this device wrote what was not seen: another actor writes there now, since
/// an actor is one line of history.
pub(super) fn unseen(
    actors: &Actors,
    table: &Table,
    visible: &Record,
    seen: &Record,
    ops: &[Op],
) -> Unwritten {
    let mut unseen = Unwritten::default();
    for section in ops.iter().map(|op| op.section(table)) {
        let actor = actors.of(&section);
        let last = |it: &Record| it.section(&section).map_or(0, |history| history.last_seq(actor));
        if last(visible) != last(seen) {
            unseen.note(&section);
        }
    }
    unseen
}
