//! What must be true of a world: all along, and when nothing moves any more.

mod ever;
mod log;
mod lost;
mod page;
mod past;
mod people;
mod rows;
mod scope;
mod wire;

use tidegate::sync::replica::Event;

use crate::device::Device;
use crate::world::{Check, World};

pub(crate) use ever::Ever;

/// Rounds after which a world that still moves never settles.
const ROUNDS_MAX: usize = 300;

impl World {
    pub(crate) fn event(&mut self, at: usize, event: Event) -> Check {
        self.note(|| format!("device {at} tells {event:?}"));
        let device = &mut self.devices[at];
        match event {
            Event::Admitted { edit, sequence } => {
                self.figures.admitted += 1;
                // In another life of the log, which ended meanwhile, places meant something else.
                if device.disk.file.meta.epoch == self.disk.file.meta.epoch {
                    device.admitted.push((edit, sequence));
                }
            }
            Event::Open => {
                let link = device.link.and_then(|id| self.links.get(&id));
                device.seen_serial = link.map_or(device.seen_serial, |link| link.serial);
            }
            Event::Denied(entry) => {
                self.figures.denied += 1;
                if !device.disk.file.quarantine.contains(&entry) {
                    device.passed.push(entry);
                }
            }
            Event::Rechecked(report) => self.note_rechecked(at, &report)?,
            _ => {}
        }
        Ok(())
    }

    /// No more faults; everyone is connected until nothing moves.
    pub(crate) fn settle(&mut self) -> Check {
        self.note(|| "settle".into());
        for at in 0..self.devices.len() {
            self.lost_power(at)?;
        }
        self.server_lost_power()?;
        self.disarm_faults();
        self.calm_network();
        // What is on its way may still be trouble, of when there was some.
        self.deliver_all()?;
        self.calm = true;
        for _ in 0..ROUNDS_MAX {
            self.now += 100;
            if self.server.is_none() {
                self.open_server()?;
            }
            let mut moves = self.deliver_all()?;
            self.rule()?;
            for at in 0..self.devices.len() {
                if self.devices[at].link.is_none() && self.may_connect(at) {
                    moves = true;
                    self.connect(at)?;
                }
            }
            moves |= self.deliver_all()?;
            if !moves {
                self.calm = false;
                return self.check_settled();
            }
        }
        Err("it never settles".into())
    }

    /// Whether the server lets it in: a user who is disabled cannot enrol, a device that was revoked
    /// stays out, and one that enrolled after the backup that was put back must do so again.
    pub(crate) fn may_connect(&self, at: usize) -> bool {
        let device = &self.devices[at];
        match device.disk.file.meta.enrolment {
            Some(_) => !self.is_revoked(at) && !self.is_unknown(at),
            None => !self.is_revoked(at) && !self.people.organization.users[&device.user].disabled,
        }
    }

    pub(crate) fn is_revoked(&self, at: usize) -> bool {
        let key = self.devices[at].key.public();
        self.disk.file.devices.values().any(|row| row.key == key && row.revoked)
    }

    /// Whether the server knows the device's key.
    pub(crate) fn is_known(&self, at: usize) -> bool {
        let key = self.devices[at].key.public();
        self.disk.file.devices.values().any(|row| row.key == key)
    }

    /// Whether the device is enrolled, and the server does not know it.
    pub(crate) fn is_unknown(&self, at: usize) -> bool {
        let device = &self.devices[at];
        let known = device.disk.file.meta.enrolment.as_ref().map(|enrolment| {
            let row = self.disk.file.devices.get(&enrolment.device);
            row.is_some_and(|row| row.key == device.key.public())
        });
        known == Some(false)
    }

    fn check_settled(&self) -> Check {
        for (at, device) in self.devices.iter().enumerate().filter(|(at, _)| self.may_connect(*at))
        {
            let machine = device.machine.as_ref().unwrap();
            if !machine.is_up_to_date() || !machine.is_first_here() {
                return Err(format!("device {at} waits for ever"));
            }
            if let Some(edit) = device.disk.file.pending.values().next() {
                return Err(format!("device {at}: {} stays pending", edit.id));
            }
        }
        Ok(())
    }

    pub(crate) fn check_all(&mut self) -> Check {
        if let Some(entry) = self.devices.iter().find_map(|device| device.passed.first()) {
            return Err(format!("{} is refused and not in quarantine", entry.edit));
        }
        self.follow_log()?;
        self.check_log()?;
        for at in 0..self.devices.len() {
            if self.may_connect(at) {
                self.check_convergence(at)?;
                self.check_grant(at)?;
            }
            self.check_nothing_lost(at).map_err(|e| format!("device {at}: {e}"))?;
            let Device { disk, rotten, .. } = &self.devices[at];
            for key in disk.file.rows.keys().filter(|key| !rotten.contains(*key)) {
                self.check_row(at, key)?;
            }
            for key in disk.file.confirmed.keys().filter(|key| !rotten.contains(*key)) {
                self.check_confirmed(at, key)?;
            }
        }
        Ok(())
    }
}
