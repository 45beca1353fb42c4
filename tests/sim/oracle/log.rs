//! The log, and what the server makes of it.

use std::collections::BTreeSet;

use tidegate::gate::Confirmed;
use tidegate::model::{DeviceNumber, Edit, Sequence};

use crate::device::Device;
use crate::fault::Fault;
use crate::judge::Judge;
use crate::merge::parts;
use crate::planted::Planted;
use crate::privileges::Facts;
use crate::world::{Check, World};

impl World {
    /// The log has no gaps and each edit once; each was allowed where it stands; the records are
    /// what the log makes of them; what was acknowledged is in it.
    pub(super) fn check_log(&self) -> Check {
        self.check_erased()?;
        let mut judge = Judge::default();
        for (place, entry) in (1..).zip(&self.disk.file.history) {
            if entry.sequence != Sequence(place) {
                return Err(format!("place {place} of the log holds {}", entry.sequence));
            }
        }
        let mut seen = 0;
        // A server with other rules on purpose has other people.
        let follows_people = !self.planted.is_some_and(Planted::changes_people);
        for entry in &self.disk.file.deeds {
            let place = entry.sequence;
            let epoch = entry.epoch.0;
            let truth = self.truths.get(&epoch);
            let truth = truth.ok_or_else(|| format!("{place}: no policy of epoch {epoch}"))?;
            if entry.edit.changes.is_empty() {
                judge.erase(entry.sequence, &entry.edit)?;
                continue;
            }
            if entry.edit.id.device == DeviceNumber(0) {
                judge.of_server(truth, entry.sequence, &entry.edit)?;
                continue;
            }
            if epoch != seen && follows_people {
                // The rows were right before anything was judged by these rules.
                judge.check_people(truth).map_err(|e| format!("log {place}: {e}"))?;
                seen = epoch;
            }
            let device = self.disk.file.devices.get(&entry.edit.id.device);
            let device = device.ok_or("an edit of no device")?;
            let user = &device.user;
            let of_key = |it: &&Device| it.key.public() == device.key;
            let mut authors = self.devices.iter().filter(of_key).peekable();
            // The device that means harm makes what it likes.
            if authors.peek().is_some() && !authors.any(|it| it.made.contains_key(&entry.edit.id)) {
                return Err(format!("log {place}: {} was made by nobody", entry.edit.id));
            }
            judge
                .admit(truth, user, entry.sequence, &entry.edit)
                .map_err(|e| format!("log {place}, edit {} of {user}: {e}", entry.edit.id))?;
        }
        for group in self.disk.file.deeds.chunk_by(|a, b| a.edit.is_bound_to(&b.edit)) {
            let all = group[0].edit.atomic.max(1) as usize;
            let in_order = (0..).zip(group).all(|(part, entry)| entry.edit.id.part == part);
            if group[0].edit.atomic > 0 && (group.len() != all || !in_order) {
                return Err(format!("{} of {all} parts of {}", group.len(), group[0].edit.id));
            }
        }
        for confirmed in self.disk.file.confirmed() {
            let record = confirmed.record();
            let naive = judge.record(record.id()).ok_or("a record that the log does not know")?;
            same_record(&confirmed, naive).map_err(|e| format!("server, {}: {e}", record.id()))?;
        }
        for device in &self.devices {
            for (edit, sequence) in &device.admitted {
                // Of what was dropped it is told that it is not behind the floor.
                let place = judge.place(*edit);
                let floor = self.ever.floor.max(self.disk.file.meta.floor);
                let dropped = *sequence <= floor && place < Some(*sequence);
                if place.is_none() || (place != Some(*sequence) && !dropped) {
                    return Err(format!("{edit} was acknowledged at {sequence}, and is not there"));
                }
            }
        }
        if follows_people && self.disk.file.rules.is_some() {
            judge.check_people(&self.people)?;
        }
        if let Some((_, organization)) = &self.disk.file.rules {
            judge.check_units(organization)?;
        }
        judge.check_parts()?;
        let numbers = self.devices.iter().filter(|device| device.is_copied);
        let numbers = numbers.filter_map(|device| device.disk.file.meta.enrolment.as_ref());
        let mut careless: BTreeSet<_> = numbers.map(|it| it.device).collect();
        careless.extend(self.byzantine.as_ref().map(|it| it.number));
        let leaves_groups_out = self.faults.has(Fault::ProfileChanges);
        judge.check_order(
            &careless,
            &self.carried,
            &self.tried_again,
            &self.formed,
            leaves_groups_out,
        )
    }

    /// What was erased is nowhere: its places in the log are empty and the others are not, no refused
    /// edit of it is left from before, and no device keeps anything for the server.
    fn check_erased(&self) -> Check {
        let file = &self.disk.file;
        let behind = file.history.iter().filter(|entry| entry.sequence > file.meta.floor);
        if file.log.len() != behind.clone().count() {
            return Err("the log lost a place".into());
        }
        for (entry, was) in file.log.iter().zip(behind) {
            let mut expected = was.clone();
            if expected.edit().is_some_and(|edit| file.erased.contains_key(&edit.record)) {
                expected.empty();
            }
            if *entry != expected {
                return Err(format!("{} of the log is {entry:?}", was.sequence));
            }
        }
        for record in file.erased.keys() {
            let has_ops = |edit: &Edit| edit.record == *record && edit.ops().next().is_some();
            if file.tables.contains_key(record) || file.refused.iter().any(|it| has_ops(&it.edit)) {
                return Err(format!("{record} was erased, and is there"));
            }
            for at in (0..self.devices.len()).filter(|at| self.may_connect(*at)) {
                let held = &self.devices[at].disk.file;
                let kept = held.kept.values().map(|kept| kept.edit.record);
                let pending = held.pending.values().map(|edit| edit.record);
                let refused = held.quarantine.iter().map(|entry| entry.record);
                if kept.chain(pending).chain(refused).any(|it| it == *record) {
                    return Err(format!("device {at} has an edit of {record}, which was erased"));
                }
            }
        }
        Ok(())
    }
}

fn same_record(confirmed: &Confirmed, naive: &crate::merge::Naive) -> Check {
    let record = confirmed.record();
    if Facts::from(record.header()) != naive.facts() || record.header().state != naive.state() {
        return Err(format!("header {:?}, not {:?}", record.header(), naive.facts()));
    }
    if parts(record.columns()) != naive.columns() {
        return Err(format!("columns {:?}, not {:?}", record.columns(), naive.columns()));
    }
    Ok(())
}
