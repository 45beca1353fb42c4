//! The life of a device: it is opened, crashes, is put back from a copy, and is copied.

use std::collections::{BTreeMap, BTreeSet};

use tidegate::codec::{EnrollCode, EnrollTerms, PublicKey, SecretKey, ServerCertificate, ToDevice};
use tidegate::model::{Columns, EditId, Op, RecordId, Seen, Sequence, Timestamp, UserId};
use tidegate::sync::replica::{Output, Purpose, ReplicaMachine, SessionError};
use tidegate::sync::server::ConnectionId;
use tidegate::sync::{Purge, Quarantined, ReplicaStore as _, StoreError};

use crate::disk::{Key, ReplicaDisk, ReplicaFile};
use crate::fault::{FETCHES_SINCE, Fault};
use crate::links::{End, Link};
use crate::people::{USERS, name, schema};
use crate::planted::Planted;
use crate::profiles::APPS;
use crate::world::{Check, START_MILLIS, World};

/// Whether an edit is in one place in the end, and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Once {
    #[default]
    Exactly,
    /// A copy of the file was made while it was on its way: each goes its own.
    AtLeast,
    /// The file that held it was put back to an older copy.
    Perhaps,
}

/// An edit that an app made, and where its operations must be found in the end.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) ops: Vec<Op>,
    pub(crate) creates: bool,
    pub(crate) record: RecordId,
    /// Operations that the user threw away, or tried again under another id.
    pub(crate) dealt_with: Vec<Op>,
    pub(crate) once: Once,
}

pub(crate) struct Device {
    pub(crate) user: UserId,
    pub(crate) key: SecretKey,
    code: EnrollCode,
    /// Whether it works before it is enrolled.
    starts_alone: bool,
    /// How far its clock is off.
    pub(crate) skew: i64,
    pub(crate) disk: ReplicaDisk,
    pub(crate) machine: Option<ReplicaMachine>,
    pub(crate) link: Option<u64>,
    /// The life of the server that greeted this life of the device: they can resume a connection.
    pub(crate) greeted: Option<u64>,
    pub(crate) made: BTreeMap<EditId, Made>,
    pub(crate) admitted: Vec<(EditId, Sequence)>,
    /// Entries of which it told, and that are not in quarantine: to be accounted for.
    pub(crate) passed: Vec<Quarantined>,
    /// A copy of its file, to be put back, and the edits that were made by then.
    copy: Option<(ReplicaFile, BTreeSet<EditId>)>,
    /// Whether another file has its key, or had: edits of the two do not know each other.
    pub(crate) is_copied: bool,
    /// What of its file is not what it should be, until it is rechecked. Its user waits for that.
    pub(crate) rotten: BTreeSet<Key>,
    /// The highest serial of a certificate that it has seen.
    pub(crate) seen_serial: u64,
    /// Records that its user ever fetched or tried to.
    pub(crate) fetched: BTreeSet<RecordId>,
    /// Sheets that its user opened, as they were then.
    pub(crate) forms: BTreeMap<Key, (Seen, Columns)>,
    /// Planted: the first privileges that it was given.
    pub(crate) first_grant: Option<Vec<u8>>,
    /// Planted: the entropy of every life, and a copy of the file.
    frozen: Option<([u8; 32], ReplicaFile)>,
}

/// Someone who has the keys of the server that were replaced.
#[derive(Debug, Clone)]
pub(crate) struct Impostor {
    pub(crate) certificate: Vec<u8>,
    pub(crate) tls: PublicKey,
}

impl World {
    pub(crate) fn new_device(&mut self) -> Device {
        let user: UserId = name(self.rng.pick(&USERS[..3]).unwrap());
        let code = self.mint_code(&user);
        let frozen = (self.planted == Some(Planted::ReusesActors))
            .then(|| (self.rng.seed(), ReplicaFile::default()));
        let hour = i64::try_from(self.rng.below(7_200_000)).unwrap() - 3_600_000;
        Device {
            user,
            key: SecretKey::from_seed(self.rng.seed()),
            code,
            starts_alone: self.rng.chance(30),
            skew: if self.faults.has(Fault::SkewedClocks) { hour } else { 0 },
            disk: ReplicaDisk { planted: self.planted, ..ReplicaDisk::default() },
            machine: None,
            link: None,
            greeted: None,
            made: BTreeMap::new(),
            admitted: Vec::new(),
            passed: Vec::new(),
            copy: None,
            is_copied: false,
            rotten: BTreeSet::new(),
            seen_serial: 0,
            fetched: BTreeSet::new(),
            forms: BTreeMap::new(),
            first_grant: None,
            frozen,
        }
    }

    /// A code of the server's key of this moment.
    pub(crate) fn mint_code(&mut self, user: &UserId) -> EnrollCode {
        let mut nonce = [0; 8];
        nonce.copy_from_slice(&self.rng.next().to_le_bytes());
        let terms = EnrollTerms {
            addresses: vec!["server.example:4433".into()],
            organization: self.identity.organization,
            user: user.clone(),
            nonce,
            expires: Timestamp::from_millis(START_MILLIS * 2).unwrap(),
        };
        EnrollCode::mint(&self.identity.key, terms).unwrap()
    }

    /// Those who are not enrolled yet are given codes of the new key.
    pub(crate) fn renew_codes(&mut self) {
        for at in 0..self.devices.len() {
            if self.devices[at].disk.file.meta.enrolment.is_none() {
                let user = self.devices[at].user.clone();
                self.devices[at].code = self.mint_code(&user);
            }
        }
    }

    pub(crate) fn crash_device(&mut self, at: usize) -> Check {
        self.note(|| format!("device {at} crashes"));
        self.figures.crashes += 1;
        self.stop_device(at);
        let device = &mut self.devices[at];
        if let Some((_, copy)) = &mut device.frozen {
            std::mem::swap(copy, &mut device.disk.file);
        }
        if self.rng.chance(70) { self.open_device(at) } else { Ok(()) }
    }

    fn stop_device(&mut self, at: usize) {
        self.drop_link(at);
        let device = &mut self.devices[at];
        device.machine = None;
        device.disk.crash();
    }

    /// Whether its power went; then it is gone.
    pub(crate) fn lost_power(&mut self, at: usize) -> Check<bool> {
        if !self.devices[at].disk.faults.is_off.get() {
            return Ok(false);
        }
        self.figures.power_cuts += 1;
        self.stop_device(at);
        self.note(|| format!("device {at} lost its power"));
        if self.rng.chance(70) {
            self.open_device(at)?;
        }
        Ok(true)
    }

    pub(crate) fn open_device(&mut self, at: usize) -> Check {
        let drawn = self.rng.seed();
        let device = &mut self.devices[at];
        if device.machine.is_some() {
            return Ok(());
        }
        device.greeted = None;
        // As a file that is opened does.
        if device.disk.file.meta.purge == Purge::Due && device.disk.rewrite().is_err() {
            return Ok(());
        }
        let seed = device.frozen.as_ref().map_or(drawn, |(seed, _)| *seed);
        match ReplicaMachine::open(&device.disk, device.key.clone(), seed) {
            Ok(mut machine) => {
                machine.set_push_window([1, 3, 1_000][self.rng.below(3)]);
                machine.set_compared_grain([1, 3, 1_000][drawn[0] as usize % 3]);
                // An update makes another app of it, or one that does not say which.
                if self.seed >= FETCHES_SINCE && self.rng.chance(30) {
                    machine.set_app(name(self.rng.pick(&APPS).unwrap()));
                }
                if device.starts_alone && machine.meta().enrolment.is_none() {
                    // Where it cannot be written it is given again at the next start.
                    let _ = machine.set_local_schema(&mut device.disk, schema());
                }
                let is_rotten = !device.rotten.is_empty();
                device.machine = Some(machine);
                if is_rotten {
                    self.recheck(at);
                }
            }
            Err(StoreError::Damaged(text)) => return Err(format!("device {at}: damaged: {text}")),
            Err(_) => {}
        }
        Ok(())
    }

    pub(crate) fn connect(&mut self, at: usize) -> Check {
        self.open_device(at)?;
        let impostor = self.impostor.clone().filter(|_| !self.calm && self.rng.chance(20));
        let device = &mut self.devices[at];
        let (Some(server), Some(machine)) = (&mut self.server, &mut device.machine) else {
            return Ok(());
        };
        if device.link.is_some() {
            return Ok(());
        }
        let purpose = if machine.meta().enrolment.is_some() {
            Purpose::Sync
        } else {
            Purpose::Enroll { code: Box::new(device.code.clone()), name: format!("device {at}") }
        };
        if let Some(impostor) = impostor
            && machine.meta().enrolment.is_some()
        {
            return self.meet_impostor(at, &impostor);
        }
        let is_known = matches!(purpose, Purpose::Sync) && device.greeted == Some(self.server_life);
        machine.connected(purpose, self.tls).map_err(|e| format!("device {at}: {e}"))?;
        self.next_link += 1;
        let id = self.next_link;
        device.link = Some(id);
        // Not each that could be resumed is.
        let resumes = is_known && id.is_multiple_of(2);
        if resumes {
            server.connected_again(ConnectionId(id), device.key.public());
        } else {
            server.connected(ConnectionId(id), device.key.public());
        }
        let life = self.server_life;
        self.links.insert(id, Link { serial: self.serial, life, ..Link::new(End::Device(at)) });
        self.note(|| format!("device {at} connects as {id}"));
        if resumes {
            self.resume(at)?;
        }
        self.drain_server()
    }

    /// The device speaks first, as it knows what the server would.
    fn resume(&mut self, at: usize) -> Check {
        let time = self.device_time(at);
        let certificate = self.identity.certificate.clone();
        let device = &mut self.devices[at];
        let Some(machine) = &mut device.machine else { return Ok(()) };
        self.figures.spoke_first += 1;
        let _ = machine.received(&mut device.disk, time, ToDevice::Greeting { certificate });
        self.drain_device(at)
    }

    /// Whoever shows replaced keys is told nothing by a device that has seen the new ones.
    fn meet_impostor(&mut self, at: usize, impostor: &Impostor) -> Check {
        let time = self.device_time(at);
        let shown = ServerCertificate::from_bytes(&impostor.certificate).unwrap().serial();
        let device = &mut self.devices[at];
        let knows_better = device.seen_serial > shown;
        let machine = device.machine.as_mut().unwrap();
        machine.connected(Purpose::Sync, impostor.tls).map_err(|e| e.to_string())?;
        let greeting = ToDevice::Greeting { certificate: impostor.certificate.clone() };
        let _ = machine.received(&mut device.disk, time, greeting);
        let mut told = false;
        let mut events = Vec::new();
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Send(_) => told = true,
                Output::Event(event) => events.push(event),
                Output::Close(SessionError::OldCertificate { .. } | SessionError::Store(_)) => {}
                Output::Close(error) => return Err(format!("device {at}: {error}")),
                Output::Answer(..) => return Err("an answer to nothing".into()),
            }
        }
        machine.disconnected();
        for event in events {
            self.event(at, event)?;
        }
        if told && knows_better {
            return Err(format!("device {at} speaks to one who has the old keys"));
        }
        self.lost_power(at).map(drop)
    }

    /// A copy of the file is made, or is put back.
    pub(crate) fn restore_device(&mut self, at: usize) -> Check {
        let device = &mut self.devices[at];
        if !device.disk.file.is_at_home() || device.frozen.is_some() || !device.rotten.is_empty() {
            return Ok(());
        }
        let Some((copy, made)) = device.copy.take() else {
            let made = device.made.keys().copied().collect();
            device.copy = Some((device.disk.file.copy(), made));
            return Ok(());
        };
        self.note(|| format!("device {at} is put back to an older copy"));
        self.figures.restores += 1;
        self.stop_device(at);
        let device = &mut self.devices[at];
        device.disk.file = copy;
        device.seen_serial = device.disk.file.meta.serial;
        device.is_copied = true;
        device.passed.clear();
        for (id, edit) in &mut device.made {
            // What was settled in the copy already is as it was.
            if !made.contains(id) {
                edit.once = Once::Perhaps;
            } else if device.disk.file.holds(*id) {
                edit.once = edit.once.max(Once::AtLeast);
            }
        }
        Ok(())
    }

    /// A copy of the file is used beside it.
    pub(crate) fn clone_device(&mut self, at: usize) -> Check {
        let twin = &self.devices[at];
        let is_alone =
            !twin.disk.file.is_at_home() || twin.frozen.is_some() || !twin.rotten.is_empty();
        if is_alone || self.devices.iter().filter(|device| device.is_copied).count() > 1 {
            return Ok(());
        }
        self.note(|| format!("device {at} is copied"));
        self.figures.restores += 1;
        let mut twin = self.new_device();
        let device = &mut self.devices[at];
        twin.disk.file = device.disk.file.copy();
        twin.seen_serial = twin.disk.file.meta.serial;
        twin.disk.written.clone_from(&device.disk.written);
        (twin.user, twin.key) = (device.user.clone(), device.key.clone());
        (twin.is_copied, device.is_copied) = (true, true);
        for (id, made) in &mut device.made {
            if device.disk.file.holds(*id) {
                made.once = made.once.max(Once::AtLeast);
            }
        }
        twin.made.clone_from(&device.made);
        twin.fetched.clone_from(&device.fetched);
        self.devices.push(twin);
        Ok(())
    }
}
