//! A world: one server, several devices, and everything that happens to them, from one seed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidegate::codec::{Lexicon, PublicKey, SchemaMark, SecretKey, ServerCertificate};
use tidegate::model::{DeviceNumber, Edit, EditId, Op, RecordId, Timestamp};
use tidegate::sync::LogEntry;
use tidegate::sync::server::{Identity, PageBounds, ServerMachine};

use crate::byzantine::Byzantine;
use crate::device::{Device, Impostor};
use crate::disk::{ServerDisk, ServerFile};
use crate::fault::{BYZANTINE, Fault, Faults};
use crate::figures::Figures;
use crate::links::Link;
use crate::oracle::Ever;
use crate::people::People;
use crate::planted::Planted;
use crate::rng::Rng;

pub(crate) type Check<T = ()> = Result<T, String>;

/// 2026-01-01.
pub(crate) const START_MILLIS: i64 = 1_767_225_600_000;
const STEPS: usize = 500;

/// What goes on where nothing goes wrong: so often, with so many faults beside it.
const CALM: [(Act, usize); 8] = [
    (Act::DeliverUp, 9_000),
    (Act::DeliverDown, 9_000),
    (Act::Edit, 6_000),
    (Act::Rule, 4_500),
    (Act::Writable, 3_500),
    (Act::Connect, 2_500),
    (Act::Quarantine, 1_500),
    (Act::Rules, 200),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    DeliverUp,
    DeliverDown,
    Edit,
    Rule,
    Writable,
    Connect,
    Quarantine,
    Rules,
}

/// What a world is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// What may go wrong; `None`: the seed says so.
    pub(crate) faults: Option<Faults>,
    pub(crate) planted: Option<Planted>,
}

impl Plan {
    /// As the seed has it.
    pub(crate) fn of(seed: u64) -> Self {
        Self { seed, faults: None, planted: None }
    }
}

pub(crate) struct World {
    /// Of the step under way: how much one draws does not change the others.
    pub(crate) rng: Rng,
    steps: Rng,
    /// What may go wrong.
    pub(crate) faults: Faults,
    /// Whether the world knows of offline profiles.
    pub(crate) seed: u64,
    pub(crate) now: i64,
    /// How far the server's clock is off.
    pub(crate) skew: i64,
    pub(crate) people: People,
    /// What was true under each policy epoch.
    pub(crate) truths: BTreeMap<u64, People>,
    pub(crate) last_epoch: u64,
    /// What was so at any time.
    pub(crate) ever: Ever,
    pub(crate) server: Option<ServerMachine>,
    /// How often it was opened.
    pub(crate) server_life: u64,
    pub(crate) bounds: PageBounds,
    pub(crate) disk: ServerDisk,
    pub(crate) backup: Option<ServerFile>,
    pub(crate) organization: SecretKey,
    pub(crate) identity: Identity,
    pub(crate) tls: PublicKey,
    pub(crate) serial: u64,
    pub(crate) impostor: Option<Impostor>,
    pub(crate) devices: Vec<Device>,
    /// Those that were revoked, for good unless the server is restored.
    pub(crate) revoked: BTreeSet<DeviceNumber>,
    pub(crate) byzantine: Option<Byzantine>,
    /// Records that were edited as their user saw them some time before.
    pub(crate) formed: BTreeSet<RecordId>,
    /// Edits that somebody else than their author brought, or that came as if it had.
    pub(crate) carried: BTreeSet<EditId>,
    /// Edits that no server had refused when their device tried them again.
    pub(crate) tried_again: BTreeSet<EditId>,
    pub(crate) links: BTreeMap<u64, Link>,
    pub(crate) next_link: u64,
    /// What devices said in sessions that are over.
    pub(crate) old_sessions: Vec<(usize, Vec<Vec<u8>>)>,
    /// The names of all schemas that devices were sent.
    pub(crate) lexicons: BTreeMap<SchemaMark, Arc<Lexicon>>,
    trace: blake3::Hasher,
    prints: bool,
    pub(crate) figures: Figures,
    pub(crate) planted: Option<Planted>,
    /// No more faults: all is to settle.
    pub(crate) calm: bool,
    pub(crate) values: u64,
}

impl World {
    pub(crate) fn new(plan: Plan) -> Check<Self> {
        let Plan { seed, faults, planted } = plan;
        let mut rng = Rng::new(seed);
        let organization = SecretKey::from_seed(rng.seed());
        let key = SecretKey::from_seed(rng.seed());
        let tls = SecretKey::from_seed(rng.seed()).public();
        let start = Timestamp::from_millis(START_MILLIS).unwrap();
        let certificate =
            ServerCertificate::issue(&organization, key.public(), tls, 1, start).to_bytes();
        let identity = Identity { organization: organization.public(), key, certificate };
        let people = People::draw(&mut rng);
        let mut drawn = Faults::draw(seed, &mut rng);
        for fault in planted.iter().flat_map(|planted| planted.needs()) {
            drawn = drawn.with(*fault);
        }
        let steps = Rng::new(rng.next());
        let mut world = Self {
            rng,
            steps,
            faults: faults.unwrap_or(drawn),
            seed,
            now: START_MILLIS,
            skew: 0,
            people,
            truths: BTreeMap::new(),
            last_epoch: 0,
            ever: Ever::default(),
            server: None,
            server_life: 0,
            bounds: PageBounds::default(),
            disk: ServerDisk::default(),
            backup: None,
            organization,
            identity,
            tls,
            serial: 1,
            impostor: None,
            devices: Vec::new(),
            revoked: BTreeSet::new(),
            byzantine: None,
            links: BTreeMap::new(),
            next_link: 0,
            old_sessions: Vec::new(),
            lexicons: BTreeMap::new(),
            trace: blake3::Hasher::new(),
            prints: std::env::var_os("TIDEGATE_SIM_TRACE").is_some(),
            formed: BTreeSet::new(),
            carried: BTreeSet::new(),
            tried_again: BTreeSet::new(),
            figures: Figures::default(),
            planted,
            calm: false,
            values: 0,
        };
        world.disk.planted = planted;
        for _ in 0..2 + world.rng.below(3) {
            let device = world.new_device();
            world.devices.push(device);
        }
        world.open_server()?;
        if BYZANTINE.iter().any(|fault| world.faults.has(*fault)) {
            world.enrol_byzantine()?;
        }
        Ok(world)
    }

    /// Runs the world, lets it settle, and looks at what came of it.
    pub(crate) fn run(&mut self) -> Check {
        self.note(|| format!("faults: {}", self.faults));
        self.run_steps(STEPS)?;
        self.settle()?;
        self.check_all()?;
        self.rot_all()?;
        // What settled stays as it is when everyone comes back.
        self.part_all();
        self.check_idle()?;
        self.settle()?;
        self.check_all()?;
        self.purge_all()?;
        self.check_purged()?;
        self.count();
        Ok(())
    }

    /// Whom something left again in one session waits before it purges again; in another one it does not.
    fn purge_all(&mut self) -> Check {
        let now = self.time();
        let mut machines = self.devices.iter().filter_map(|device| device.machine.as_ref());
        if machines.any(|machine| machine.purges_in(now).is_some()) {
            self.part_all();
            self.settle()?;
            self.check_all()?;
        }
        Ok(())
    }

    pub(crate) fn run_steps(&mut self, steps: usize) -> Check {
        for _ in 0..steps {
            self.draw_step();
            self.step()?;
            self.figures.steps += 1;
        }
        Ok(())
    }

    /// The next step draws from its own.
    pub(crate) fn draw_step(&mut self) {
        self.rng = Rng::new(self.steps.next());
    }

    fn count(&mut self) {
        let is_share = |op: &&Op| matches!(op, Op::Share { .. } | Op::ShareColumn { .. });
        let shares = self.disk.file.deeds.iter().flat_map(|it| it.edit.ops()).filter(is_share);
        self.figures.shares = shares.count() as u64;
        let ops = self.disk.file.log.iter().filter_map(LogEntry::edit).flat_map(Edit::ops);
        self.figures.parts = ops.filter(|op| op.merging_type().is_some()).count() as u64;
        let harmful = self.byzantine.as_ref().map(|it| it.number);
        let deeds = self.disk.file.deeds.iter();
        let admitted = deeds.filter(|deed| Some(deed.edit.id.device) == harmful).count();
        self.figures.byzantine_admitted = admitted as u64;
        self.figures.simulated_millis = u64::try_from(self.now - START_MILLIS).unwrap();
        self.figures.device_millis = self.figures.simulated_millis * self.devices.len() as u64;
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

    /// By the server's clock.
    pub(crate) fn time(&self) -> Timestamp {
        Timestamp::from_millis(self.now).unwrap().plus_millis(self.skew)
    }

    pub(crate) fn device_time(&self, device: usize) -> Timestamp {
        Timestamp::from_millis(self.now).unwrap().plus_millis(self.devices[device].skew)
    }

    fn step(&mut self) -> Check {
        self.now += i64::try_from(self.rng.below(2_000)).unwrap();
        self.end_silences()?;
        let known = |fault: &&Fault| fault.is_drawn(self.seed);
        let faults = Fault::ALL.iter().filter(known).map(|fault| fault.weight());
        let weights: Vec<_> = CALM.iter().map(|(_, weight)| *weight).chain(faults).collect();
        let drawn = self.rng.weighted(&weights);
        let result = match CALM.get(drawn) {
            Some((act, _)) => self.act(*act),
            // Kinds that are switched off are drawn, too: the others happen as they would.
            None => match Fault::ALL[drawn - CALM.len()] {
                fault if self.faults.has(fault) => self.strike(fault),
                _ => Ok(()),
            },
        };
        result?;
        self.check_queues()?;
        self.follow_log()
    }

    fn act(&mut self, act: Act) -> Check {
        let device = self.rng.below(self.devices.len());
        match act {
            Act::DeliverUp => self.deliver_up_somewhere(),
            Act::DeliverDown => self.deliver_down_somewhere(),
            Act::Edit => self.app_edits(device),
            Act::Rule if self.server.is_none() && self.rng.chance(20) => self.open_server(),
            Act::Rule => self.rule(),
            Act::Writable => self.writable_somewhere(),
            Act::Connect => self.connect(device),
            Act::Quarantine => self.app_deals_with_quarantine(device),
            Act::Rules if self.rng.chance(50) => self.change_rules(People::change_policy),
            Act::Rules => self.change_rules(People::change_organization),
        }
    }

    fn strike(&mut self, fault: Fault) -> Check {
        let device = self.rng.below(self.devices.len());
        match fault {
            Fault::Cuts => self.cut_somewhere(),
            Fault::OneWayCuts => self.silence_somewhere(),
            Fault::Delays => self.delay_somewhere(),
            Fault::AddressChanges => self.change_address(device),
            Fault::Replays => self.replay_somewhere(),
            Fault::DeviceCrashes => self.crash_device(device),
            Fault::ServerCrashes => self.crash_server(),
            Fault::PowerCuts => self.arm_power_cut(device),
            Fault::FullDisks => self.fill_disk(device),
            Fault::IoErrors => self.arm_io_error(device),
            Fault::AmbiguousCommits => self.arm_ambiguous(device),
            Fault::Conflicts => self.arm_conflict(),
            Fault::SkewedClocks | Fault::Rot => Ok(()),
            Fault::ClockJumps => self.set_clock(device),
            Fault::NewLives => self.begin_new_life(),
            Fault::ServerRestores => self.back_up_or_restore(),
            Fault::DeviceRestores => self.restore_device(device),
            Fault::DeviceClones => self.clone_device(device),
            Fault::PolicyChanges => self.change_rules(People::change_policy),
            Fault::OrganizationChanges => self.change_rules(People::change_organization),
            Fault::Reversals => self.take_back_rules(),
            Fault::Relocations => self.change_rules(People::relocate),
            Fault::SchemaChanges => self.change_rules(People::change_schema),
            Fault::KeyChanges => self.rotate_keys(),
            Fault::Trims => self.trim_log(),
            Fault::Erasures => self.erase_somewhere(),
            Fault::Revocations => self.revoke_somewhere(),
            Fault::ProfileChanges => self.change_profiles(),
            Fault::Fetches => self.app_fetches(device),
            harm => self.harm(harm),
        }
    }
}
