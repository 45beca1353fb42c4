//! Files that lose, alter or double what they hold while nobody notices, until a recheck.

use std::sync::Arc;

use tidegate::gate::Confirmed;
use tidegate::model::{Edit, Op, Owner, Section, Sequence, Value};
use tidegate::sync::replica::{RecheckReport, replay};

use crate::disk::{Key, ReplicaFile};
use crate::fault::Fault;
use crate::people::name;
use crate::world::{Check, World};

/// Steps of the world while devices are rechecked.
const STEPS: usize = 100;

impl World {
    /// When all has settled, files rot, and all devices are rechecked while the world goes on.
    pub(crate) fn rot_all(&mut self) -> Check {
        if !self.faults.has(Fault::Rot) {
            return Ok(());
        }
        self.draw_step();
        for at in 0..self.devices.len() {
            if !self.may_connect(at) || !self.devices[at].disk.file.is_at_home() {
                continue;
            }
            for _ in 0..self.rng.below(4) {
                self.rot(at);
            }
            self.recheck(at);
            self.drain_device(at)?;
        }
        self.run_steps(STEPS)?;
        self.settle()?;
        self.check_all()
    }

    /// The device is to be rechecked, if it runs.
    pub(crate) fn recheck(&mut self, at: usize) {
        let time = self.device_time(at);
        let device = &mut self.devices[at];
        if let Some(machine) = &mut device.machine {
            machine.recheck(&mut device.disk, time);
        }
    }

    /// What a recheck did is what had rotted.
    pub(crate) fn note_rechecked(&mut self, at: usize, report: &RecheckReport) -> Check {
        self.figures.rechecks += 1;
        let mended = report.mended + report.purged + report.rows;
        self.figures.mended += mended;
        let rotten = std::mem::take(&mut self.devices[at].rotten);
        if rotten.is_empty() && mended > 0 && self.planted.is_none() {
            return Err(format!("device {at} mends what was right: {report:?}"));
        }
        Ok(())
    }

    fn rot(&mut self, at: usize) {
        let Some((key, what)) = self.rot_of(at) else { return };
        self.note(|| format!("device {at}: {what} of {key:?} rots"));
        self.figures.rotten += 1;
        self.devices[at].rotten.insert(key);
    }

    /// What is another thing from now on, and how.
    fn rot_of(&mut self, at: usize) -> Option<(Key, &'static str)> {
        let kind = self.rng.below(8);
        if kind == 0 {
            return self.double(at);
        }
        let file = &self.devices[at].disk.file;
        // Of what rots twice nobody might ever see that it was there.
        let rotten = &self.devices[at].rotten;
        let keys: Vec<_> =
            file.confirmed.keys().filter(|key| !rotten.contains(*key)).cloned().collect();
        let key = self.rng.pick(&keys)?.clone();
        let (version, mut edit) = file.confirmed[&key].clone();
        let other = file.rows.values().next().cloned();
        let file = &mut self.devices[at].disk.file;
        let what = match kind {
            1 => {
                file.confirmed.remove(&key);
                file.rows.remove(&key);
                return Some((key, "all"));
            }
            2 => {
                file.rows.remove(&key);
                return Some((key, "the row"));
            }
            3 => {
                file.rows.insert(key.clone(), other?);
                return Some((key, "the row"));
            }
            4 => {
                let version = Sequence(version.0 + (1 << 40));
                write(file, &key, version, edit)?;
                return Some((key, "the version"));
            }
            5 => {
                let sections = edit.changes.iter().map(|it| it.section.clone());
                let sections = sections.filter(|section| *section != Section::Header);
                let sections: Vec<_> = sections.collect();
                let lost = self.rng.pick(&sections)?.clone();
                edit.changes.retain(|change| change.section != lost);
                "a section"
            }
            _ => {
                let change = self.rng.below(edit.changes.len());
                let ops = &mut Arc::make_mut(&mut edit.changes[change]).ops;
                let changed = ops.iter_mut().map(alter).filter(|changed| *changed).count();
                if changed == 0 {
                    return None;
                }
                "a change"
            }
        };
        write(&mut self.devices[at].disk.file, &key, version, edit)?;
        Some((key, what))
    }

    /// A record is there that should not be.
    fn double(&mut self, at: usize) -> Option<(Key, &'static str)> {
        let file = &self.devices[at].disk.file;
        let key = |it: &Confirmed| (it.record().table().clone(), it.record().id());
        let all = self.disk.file.confirmed().filter(|it| !file.confirmed.contains_key(&key(it)));
        let all: Vec<_> = all.map(|it| (key(&it), it.version(), it.to_edit())).collect();
        let (key, version, edit) = self.rng.pick(&all)?.clone();
        let file = &mut self.devices[at].disk.file;
        let sections = edit.changes.iter().map(|change| (key.clone(), change.section.clone()));
        file.bytes.extend(sections);
        write(file, &key, version, edit)?;
        Some((key, "a double"))
    }
}

/// Says something else; tells whether it can.
fn alter(op: &mut Op) -> bool {
    match op {
        Op::Put { value: Value::Text(text), .. } => *text = format!("rotten {text}").into(),
        Op::Put { value: Value::Integer(number), .. } => *number ^= 1,
        Op::Own { owner, .. } => {
            let [one, two] = ["user:ann", "user:ben"].map(name::<Owner>);
            *owner = if *owner == one { two } else { one };
        }
        _ => return false,
    }
    true
}

/// The file holds this from now on, and shows it.
fn write(file: &mut ReplicaFile, key: &Key, version: Sequence, edit: Edit) -> Option<()> {
    let confirmed = Confirmed::from_stored(version, &edit).ok()?;
    let row = replay(&key.0, key.1, Some(&confirmed), &[]);
    file.confirmed.insert(key.clone(), (version, edit));
    match row {
        Some(row) => drop(file.rows.insert(key.clone(), row)),
        None => drop(file.rows.remove(key)),
    }
    Some(())
}
