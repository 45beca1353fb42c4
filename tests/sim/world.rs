//! A world: one server, several devices, and everything that happens to them, from one seed.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate::codec::{EnrollCode, EnrollTerms, PublicKey, SecretKey, ServerCertificate};
use tidegate::model::{Edit, EditId, Op, RecordId, Sequence, Timestamp, UserId};
use tidegate::sync::replica::{Purpose, ReplicaMachine};
use tidegate::sync::server::{
    ConnectionId, HistoryBounds, Identity, LogBounds, PageBounds, RulesError, ServerMachine,
};
use tidegate::sync::{LogEntry, Purge, Quarantined, ReplicaStore as _, StoreError};

use crate::links::Link;
use crate::memory::{Fault, ReplicaDisk, ReplicaFile, ServerDisk};
use crate::people::{People, USERS, name, schema};
use crate::planted::Planted;
use crate::rng::Rng;

pub(crate) type Check<T = ()> = Result<T, String>;

/// 2026-01-01.
const START_MILLIS: i64 = 1_767_225_600_000;
const STEPS: usize = 350;

/// What a world went through.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    pub(crate) steps: u64,
    pub(crate) messages: u64,
    pub(crate) edits: u64,
    pub(crate) refused_here: u64,
    /// Shares of records and columns, and ends of such, that were admitted.
    pub(crate) shares: u64,
    /// What was put into texts and lists and onto counters, and admitted.
    pub(crate) parts: u64,
    pub(crate) admitted: u64,
    pub(crate) denied: u64,
    pub(crate) retried: u64,
    /// Refused edits that were pending again by themselves, as new ones.
    pub(crate) reconsidered: u64,
    pub(crate) cuts: u64,
    pub(crate) crashes: u64,
    pub(crate) store_faults: u64,
    pub(crate) rule_changes: u64,
    pub(crate) erased: u64,
    /// Times that entries of the log were dropped, or had been.
    pub(crate) trims: u64,
    /// Receipts that the server holds.
    pub(crate) purges: u64,
    pub(crate) log_epochs: u64,
    pub(crate) simulated_millis: u64,
}

impl Figures {
    pub(crate) fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.messages += other.messages;
        self.edits += other.edits;
        self.refused_here += other.refused_here;
        self.shares += other.shares;
        self.parts += other.parts;
        self.admitted += other.admitted;
        self.denied += other.denied;
        self.retried += other.retried;
        self.reconsidered += other.reconsidered;
        self.cuts += other.cuts;
        self.crashes += other.crashes;
        self.store_faults += other.store_faults;
        self.rule_changes += other.rule_changes;
        self.erased += other.erased;
        self.trims += other.trims;
        self.purges += other.purges;
        self.log_epochs += other.log_epochs;
        self.simulated_millis += other.simulated_millis;
    }
}

/// An edit that an app made, and where its operations must be found in the end.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) ops: Vec<Op>,
    pub(crate) creates: bool,
    pub(crate) record: RecordId,
    /// Operations that the user threw away, or tried again under another id.
    pub(crate) dealt_with: Vec<Op>,
}

pub(crate) struct Device {
    pub(crate) user: UserId,
    pub(crate) key: SecretKey,
    code: EnrollCode,
    /// Whether it works before it is enrolled.
    starts_alone: bool,
    /// How far its clock is off.
    skew: i64,
    pub(crate) disk: ReplicaDisk,
    pub(crate) machine: Option<ReplicaMachine>,
    pub(crate) link: Option<u64>,
    pub(crate) made: BTreeMap<EditId, Made>,
    pub(crate) admitted: Vec<(EditId, Sequence)>,
    /// Entries of which it told, and that are not in quarantine: to be accounted for.
    pub(crate) passed: Vec<Quarantined>,
    /// Planted: the entropy of every life, and a copy of the file.
    frozen: Option<([u8; 32], ReplicaFile)>,
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) now: i64,
    pub(crate) people: People,
    /// What was true under each policy epoch.
    pub(crate) truths: BTreeMap<u64, People>,
    last_epoch: u64,
    pub(crate) server: Option<ServerMachine>,
    pub(crate) disk: ServerDisk,
    identity: Identity,
    pub(crate) tls: PublicKey,
    pub(crate) devices: Vec<Device>,
    pub(crate) links: BTreeMap<u64, Link>,
    next_link: u64,
    trace: blake3::Hasher,
    prints: bool,
    pub(crate) figures: Figures,
    planted: Option<Planted>,
    /// No more faults: all is to settle.
    pub(crate) calm: bool,
    pub(crate) values: u64,
    /// How often what goes wrong goes wrong, in percent of the usual.
    wildness: usize,
    /// Whether owners move all the time: in the worlds of odd seeds.
    is_restless: bool,
}

impl World {
    pub(crate) fn new(seed: u64, planted: Option<Planted>) -> Check<Self> {
        let mut rng = Rng::new(seed);
        let organization = SecretKey::from_seed(rng.seed());
        let key = SecretKey::from_seed(rng.seed());
        let tls = SecretKey::from_seed(rng.seed()).public();
        let start = Timestamp::from_millis(START_MILLIS).unwrap();
        let certificate =
            ServerCertificate::issue(&organization, key.public(), tls, 1, start).to_bytes();
        let identity = Identity { organization: organization.public(), key, certificate };
        let people = People::draw(&mut rng);
        let drawn = [0, 20, 50, 100][rng.below(4)];
        let wildness = if planted.is_some() { 100 } else { drawn };
        let mut world = Self {
            rng,
            now: START_MILLIS,
            people,
            truths: BTreeMap::new(),
            last_epoch: 0,
            server: None,
            disk: ServerDisk::default(),
            identity,
            tls,
            devices: Vec::new(),
            links: BTreeMap::new(),
            next_link: 0,
            trace: blake3::Hasher::new(),
            prints: std::env::var_os("TIDEGATE_SIM_TRACE").is_some(),
            figures: Figures::default(),
            planted,
            calm: false,
            values: 0,
            wildness,
            is_restless: seed % 2 == 1,
        };
        world.disk.planted = planted;
        for _ in 0..2 + world.rng.below(3) {
            let device = world.new_device();
            world.devices.push(device);
        }
        world.open_server()?;
        Ok(world)
    }

    fn new_device(&mut self) -> Device {
        let user: UserId = name(self.rng.pick(&USERS[..3]).unwrap());
        let mut nonce = [0; 8];
        nonce.copy_from_slice(&self.rng.next().to_le_bytes());
        let terms = EnrollTerms {
            addresses: vec!["server.example:4433".into()],
            organization: self.identity.organization,
            user: user.clone(),
            nonce,
            expires: Timestamp::from_millis(START_MILLIS * 2).unwrap(),
        };
        let frozen = (self.planted == Some(Planted::ReusesActors))
            .then(|| (self.rng.seed(), ReplicaFile::default()));
        Device {
            user,
            key: SecretKey::from_seed(self.rng.seed()),
            code: EnrollCode::mint(&self.identity.key, terms).unwrap(),
            starts_alone: self.rng.chance(30),
            skew: i64::try_from(self.rng.below(7_200_000)).unwrap() - 3_600_000,
            disk: ReplicaDisk { planted: self.planted, ..ReplicaDisk::default() },
            machine: None,
            link: None,
            made: BTreeMap::new(),
            admitted: Vec::new(),
            passed: Vec::new(),
            frozen,
        }
    }

    /// Runs the world, lets it settle, and looks at what came of it.
    pub(crate) fn run(&mut self) -> Check {
        for _ in 0..STEPS {
            self.step()?;
            self.figures.steps += 1;
        }
        self.settle()?;
        self.check_all()?;
        // What settled stays as it is when everyone comes back.
        self.part_all();
        self.settle()?;
        self.check_all()?;
        self.check_purged()?;
        let is_share = |op: &&Op| matches!(op, Op::Share { .. } | Op::ShareColumn { .. });
        let shares = self.disk.file.deeds.iter().flat_map(|it| it.edit.ops()).filter(is_share);
        self.figures.shares = shares.count() as u64;
        let edits = self.disk.file.log.iter().filter_map(LogEntry::edit);
        let ops = edits.flat_map(Edit::ops);
        self.figures.parts = ops.filter(|op| op.merging_type().is_some()).count() as u64;
        self.figures.simulated_millis = u64::try_from(self.now - START_MILLIS).unwrap();
        Ok(())
    }

    pub(crate) fn trace(&self) -> String {
        self.trace.finalize().to_hex().to_string()
    }

    /// Prints what happens, where that is wanted.
    pub(crate) fn note(&self, text: impl FnOnce() -> String) {
        if self.prints {
            println!("{} {}", self.now - START_MILLIS, text());
        }
    }

    /// Adds to the digest of all that happens.
    pub(crate) fn digest(&mut self, bytes: &[u8]) {
        self.trace.update(&self.now.to_le_bytes());
        self.trace.update(bytes);
    }

    pub(crate) fn time(&self) -> Timestamp {
        Timestamp::from_millis(self.now).unwrap()
    }

    pub(crate) fn device_time(&self, device: usize) -> Timestamp {
        self.time().plus_millis(self.devices[device].skew)
    }

    fn step(&mut self) -> Check {
        self.now += i64::try_from(self.rng.below(2_000)).unwrap();
        if self.is_restless && self.rng.chance(6) {
            return self.change_rules(People::relocate);
        }
        let device = self.rng.below(self.devices.len());
        let wild = |weight: usize| weight * self.wildness;
        let (cuts, devices, server, restores) = (wild(7), wild(5), wild(3), wild(1));
        let (rules, faults) = (wild(4) + 200, wild(8));
        // Too many would leave nothing to look at.
        let (erasures, trims) = (60, 500);
        let calm = [9_000, 9_000, 6_000, 4_500, 3_500, 2_500].into_iter();
        let weights: Vec<_> = calm
            .chain([cuts, devices, server, rules, 1_500, faults, erasures, trims, restores])
            .collect();
        match self.rng.weighted(&weights) {
            0 => self.deliver_up_somewhere(),
            1 => self.deliver_down_somewhere(),
            2 => self.app_edits(device),
            3 => self.rule(),
            4 => self.writable_somewhere(),
            5 => self.connect(device),
            6 => {
                self.cut_somewhere();
                Ok(())
            }
            7 => self.crash_device(device),
            8 => self.crash_server(),
            9 => self.change_rules(People::change),
            10 => self.app_deals_with_quarantine(device),
            11 => {
                self.arm_fault(device);
                Ok(())
            }
            12 => self.erase_somewhere(),
            13 => self.trim_log(),
            _ => self.restore_server(),
        }
    }

    fn arm_fault(&mut self, device: usize) {
        let faults = [Fault::Io, Fault::AmbiguousMade, Fault::AmbiguousLost];
        let fault = *self.rng.pick(&faults).unwrap();
        let reads = u32::try_from(1 + self.rng.below(20)).unwrap();
        match self.rng.below(5) {
            0 => self.devices[device].disk.faults.commit = Some(fault),
            1 => self.devices[device].disk.faults.read.set(reads),
            2 => self.disk.faults.commit = Some(fault),
            3 => self.disk.faults.commit = Some(Fault::Conflict),
            _ => self.disk.faults.read.set(reads),
        }
        self.figures.store_faults += 1;
    }

    pub(crate) fn disarm_faults(&mut self) {
        self.disk.faults = crate::memory::Faults::default();
        for device in &mut self.devices {
            device.disk.faults = crate::memory::Faults::default();
        }
    }

    /// The rules that the server is given; the true ones unless a bug is planted.
    fn rules_for(&self, people: &People) -> People {
        match self.planted {
            Some(Planted::SkipsTheGate) => people.permissive(),
            Some(Planted::LeaksSections) => people.open_columns(),
            _ => people.clone(),
        }
    }

    /// The server may have found that another policy epoch stands for its rules.
    pub(crate) fn follow_epoch(&mut self) -> Check {
        let epoch = self.server.as_ref().map(|server| server.meta().policy_epoch.0);
        if epoch.is_none_or(|epoch| epoch == self.last_epoch) { Ok(()) } else { self.note_truth() }
    }

    fn note_truth(&mut self) -> Check {
        let Some(server) = &self.server else { return Ok(()) };
        let epoch = server.meta().policy_epoch.0;
        self.last_epoch = epoch;
        match self.truths.insert(epoch, self.people.clone()) {
            Some(known) if known != self.people => {
                Err(format!("policy epoch {epoch} stands for two policies"))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn open_server(&mut self) -> Check {
        let rules = self.rules_for(&self.people).rules();
        let (now, seed) = (self.time(), self.rng.seed());
        let opened = ServerMachine::open(&mut self.disk, self.identity.clone(), rules, now, seed);
        match opened.map_err(of_store) {
            Ok(mut server) => {
                // Scans and logs of several pages, although the worlds are small.
                let looks = [1, 2, 4, 512][self.rng.below(4)];
                let (rounds, bytes) = (1 << self.rng.below(6), 100 << self.rng.below(8));
                server.set_page_bounds(PageBounds { looks, rounds, bytes });
                // Sections of a few changes begin new generations, in some worlds.
                server.set_history_bounds(HistoryBounds {
                    changes: [1, 2, 4, 512][self.rng.below(4)],
                    age: [
                        Duration::from_secs(60),
                        Duration::from_secs(600),
                        HistoryBounds::default().age,
                    ][self.rng.below(3)],
                });
                self.note(|| format!("server opens at {:?}", server.meta()));
                self.server = Some(server);
                self.note_truth()
            }
            Err(StoreError::Damaged(text)) => Err(format!("the server's file is damaged: {text}")),
            Err(_) => Ok(()),
        }
    }

    pub(crate) fn crash_server(&mut self) -> Check {
        self.note(|| "server crashes".into());
        self.figures.crashes += 1;
        self.server = None;
        self.disk.crash();
        for link in self.links.values_mut() {
            link.server_is_gone(&mut self.rng);
        }
        if self.rng.chance(80) { self.open_server() } else { Ok(()) }
    }

    /// The server is restored from a copy that happens to be up to date: a new life of the log.
    fn restore_server(&mut self) -> Check {
        self.crash_server()?;
        self.server = None;
        self.disk.file.meta.end_life();
        self.figures.log_epochs += 1;
        self.open_server()
    }

    fn change_rules(&mut self, change: fn(&mut People, &mut Rng) -> &'static str) -> Check {
        let mut next = self.people.clone();
        let what = change(&mut next, &mut self.rng);
        self.note(|| format!("rules: {what}"));
        self.figures.rule_changes += 1;
        let (time, given) = (self.time(), self.rules_for(&next));
        let Some(server) = &mut self.server else {
            self.people = next;
            return Ok(());
        };
        match server.set_rules(&mut self.disk, time, given.rules()) {
            Ok(()) => {
                self.people = next;
                self.note_truth()?;
                self.drain_server()
            }
            Err(error) => self.server_result(Err(of_store(error))),
        }
    }

    /// An administrator erases a record, or what was refused of one that was never made.
    fn erase_somewhere(&mut self) -> Check {
        let records = self.disk.file.tables.iter().map(|(record, table)| (table.clone(), *record));
        let refused = self.disk.file.refused.iter();
        let refused = refused.map(|refused| (refused.edit.table.clone(), refused.edit.record));
        let all: Vec<_> = records.chain(refused).collect();
        let Some((table, record)) = self.rng.pick(&all).cloned() else { return Ok(()) };
        let time = self.time();
        let Some(server) = &mut self.server else { return Ok(()) };
        let result = server.erase(&mut self.disk, time, &table, record);
        self.note(|| format!("{table} {record} is erased: {result:?}"));
        self.figures.erased += u64::from(result == Ok(true));
        self.server_result(result.map(drop))
    }

    /// The server drops entries of the log, those that were made before a moment of this life.
    fn trim_log(&mut self) -> Check {
        let span = usize::try_from(self.now - START_MILLIS).unwrap() + 2;
        let age = i64::try_from(self.rng.below(span)).unwrap();
        let before = self.time().plus_millis(-age);
        let entries = 1 << self.rng.below(9);
        let Some(server) = &mut self.server else { return Ok(()) };
        let result = server.trim_log(&mut self.disk, LogBounds { before, entries });
        let floor = server.meta().floor;
        self.note(|| format!("the log is trimmed to {floor}: {result:?}"));
        self.figures.trims += u64::from(result == Ok(false) && floor > Sequence(0));
        self.server_result(result.map(drop))
    }

    pub(crate) fn crash_device(&mut self, at: usize) -> Check {
        self.note(|| format!("device {at} crashes"));
        self.figures.crashes += 1;
        self.drop_link(at);
        let device = &mut self.devices[at];
        device.machine = None;
        if let Some((_, copy)) = &mut device.frozen {
            std::mem::swap(copy, &mut device.disk.file);
        }
        if self.rng.chance(70) { self.open_device(at) } else { Ok(()) }
    }

    pub(crate) fn open_device(&mut self, at: usize) -> Check {
        let drawn = self.rng.seed();
        let device = &mut self.devices[at];
        if device.machine.is_some() {
            return Ok(());
        }
        // As a file that is opened does.
        if device.disk.file.meta.purge == Purge::Due && device.disk.rewrite().is_err() {
            return Ok(());
        }
        let seed = device.frozen.as_ref().map_or(drawn, |(seed, _)| *seed);
        match ReplicaMachine::open(&device.disk, device.key.clone(), seed) {
            Ok(mut machine) => {
                machine.set_push_window([1, 3, 1_000][self.rng.below(3)]);
                if device.starts_alone && machine.meta().enrolment.is_none() {
                    // Where it cannot be written it is given again at the next start.
                    let _ = machine.set_local_schema(&mut device.disk, schema());
                }
                device.machine = Some(machine);
            }
            Err(StoreError::Damaged(text)) => return Err(format!("device {at}: damaged: {text}")),
            Err(_) => {}
        }
        Ok(())
    }

    pub(crate) fn connect(&mut self, at: usize) -> Check {
        self.open_device(at)?;
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
        machine.connected(purpose, self.tls).map_err(|e| format!("device {at}: {e}"))?;
        self.next_link += 1;
        let id = self.next_link;
        device.link = Some(id);
        server.connected(ConnectionId(id), device.key.public());
        self.links.insert(id, Link::new(at));
        self.note(|| format!("device {at} connects as {id}"));
        self.drain_server()
    }

    /// All connections end, in good order.
    fn part_all(&mut self) {
        for at in 0..self.devices.len() {
            self.drop_link(at);
        }
        for id in std::mem::take(&mut self.links).into_keys() {
            if let Some(server) = &mut self.server {
                server.disconnected(ConnectionId(id));
            }
        }
    }
}

/// Nothing is so large here that it could not follow.
fn of_store(error: RulesError) -> StoreError {
    match error {
        RulesError::Store(error) => error,
        other => StoreError::Damaged(other.to_string()),
    }
}
