//! What was so at any time: logs of lives that a restore ended are gone from the server, and
//! devices have seen them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidegate::model::{Change, ChangeRef, RecordId, Section, Sequence};

use crate::disk::{Deed, Key};
use crate::people::People;
use crate::world::{Check, World};

#[derive(Default)]
pub(crate) struct Ever {
    /// All rules that were in force.
    pub(crate) truths: Vec<People>,
    /// All that was in a log.
    pub(crate) log: Vec<Deed>,
    /// Records that were erased.
    pub(crate) erased: BTreeSet<RecordId>,
    /// The highest floor of a log that a restore ended.
    pub(crate) floor: Sequence,
    /// How much of the present log is in `log`.
    followed: usize,
    /// Of each name one change, and what it was in other lives of the log.
    changes: BTreeMap<(RecordId, Section, ChangeRef), Vec<Arc<Change>>>,
}

impl Ever {
    /// The server was restored: so many entries of its log are left.
    pub(crate) fn go_back(&mut self, left: usize, floor: Sequence) {
        self.floor = self.floor.max(floor);
        self.followed = self.followed.min(left);
    }
}

impl World {
    /// No two changes that ever counted have one actor and number in a section.
    pub(crate) fn follow_log(&mut self) -> Check {
        let deeds = &self.disk.file.deeds;
        for (at, entry) in deeds.iter().enumerate().skip(self.ever.followed) {
            for change in &entry.edit.changes {
                let key = (entry.edit.record, change.section.clone(), change.id);
                let known = self.ever.changes.entry(key).or_default();
                if known.contains(change) {
                    continue;
                }
                let in_this_life = || {
                    let earlier =
                        deeds[..at].iter().filter(|it| it.edit.record == entry.edit.record);
                    let mut changes = earlier.flat_map(|it| &it.edit.changes);
                    changes.any(|it| it.section == change.section && it.id == change.id)
                };
                if !known.iter().all(|it| is_blind_twin(it, change)) || in_this_life() {
                    let id = entry.edit.id;
                    return Err(format!(
                        "{id} has another change of one actor and number: {change:?}, not {known:?}"
                    ));
                }
                known.push(Arc::clone(change));
            }
            self.ever.log.push(entry.clone());
        }
        self.ever.followed = self.disk.file.deeds.len();
        Ok(())
    }

    /// What a device takes for confirmed is what the server admitted, change by change.
    pub(crate) fn check_confirmed(&self, at: usize, key: &Key) -> Check {
        let Some((_, edit)) = self.devices[at].disk.file.confirmed.get(key) else { return Ok(()) };
        for change in &edit.changes {
            let place = (edit.record, change.section.clone(), change.id);
            if !self.ever.changes.get(&place).is_some_and(|known| known.contains(change)) {
                let (table, id) = key;
                return Err(format!(
                    "device {at} takes for confirmed what never counted: {table} {id} {change:?}"
                ));
            }
        }
        Ok(())
    }
}

/// Whether two changes are one that its author, who may not read the column, wrote on nothing: the
/// server says what it builds on, and in another life of the log that is something else.
fn is_blind_twin(known: &Change, change: &Change) -> bool {
    let is_secured = matches!(change.section, Section::Secured(_));
    is_secured && Change { deps: change.deps.clone(), ..known.clone() } == *change
}
