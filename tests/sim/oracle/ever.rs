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
    changes: BTreeMap<(RecordId, Section, ChangeRef), Arc<Change>>,
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
        let new = self.disk.file.deeds.get(self.ever.followed..).unwrap_or_default();
        for entry in new {
            for change in &entry.edit.changes {
                let key = (entry.edit.record, change.section.clone(), change.id);
                let known = self.ever.changes.entry(key).or_insert_with(|| Arc::clone(change));
                if known != change {
                    let id = entry.edit.id;
                    return Err(format!("{id} has another change of one actor and number"));
                }
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
            if self.ever.changes.get(&place) != Some(change) {
                let (table, id) = key;
                return Err(format!(
                    "device {at} takes for confirmed what never counted: {table} {id} {change:?}"
                ));
            }
        }
        Ok(())
    }
}
