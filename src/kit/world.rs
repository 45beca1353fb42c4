//! A run: one server, the devices, and what happens to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::device::{Clock, Device, time};
use super::drive::Driven;
use super::failure::Trouble;
use super::server::Server;
use super::step::{Deed, Fault, Faults, Step};
use super::story::Story;
use super::{Chance, Kit, Problem, Report};
use crate::model::{Rule, Timestamp};
use crate::replica::{EditError, Event};
use crate::sync::{Pending, Turn};

/// Virtual time begins at the start of 2026.
const START_MILLIS: i64 = 1_767_225_600_000;
/// So long a step takes at the most.
const STEP_MILLIS_MAX: usize = 600_000;
/// So far a clock may be off: up to a month.
const SKEWS_MILLIS: [i64; 5] = [0, 90_000, -3_600_000, 86_400_000, -2_592_000_000];
/// So many pending edits are looked through for those of a step that is told.
const PENDING_LOOKS_MAX: usize = 10_000;

pub(super) type Result<T = ()> = std::result::Result<T, Trouble>;

pub(super) struct World<'a> {
    pub(super) kit: &'a Kit,
    pub(super) clock: Clock,
    pub(super) server: Server,
    pub(super) devices: Vec<Device>,
    /// How many connections there were.
    pub(super) connections: u64,
    /// By which rules the server judges.
    rules: usize,
    pub(super) report: Report,
    pub(super) story: Option<Story>,
}

impl<'a> World<'a> {
    /// All devices are enrolled and hold what the first of them made; none is connected.
    pub(super) fn new(kit: &'a Kit, seed: u64, faults: &Faults) -> Result<Self> {
        let mut chance = Chance::new(seed);
        let clock: Clock = Arc::new(AtomicI64::new(START_MILLIS));
        let now = time(&clock, 0);
        let server = Server::new(kit, now, &mut chance).map_err(|it| Trouble::library(0, it))?;
        let mut devices = Vec::new();
        for (at, user) in kit.devices.iter().enumerate() {
            let code = server.mint_code(user, now, &mut chance);
            let code = code.map_err(|error| Trouble::library(at, error))?;
            let off = SKEWS_MILLIS.get(chance.below(SKEWS_MILLIS.len())).copied();
            let skew = off.filter(|_| faults.has(Fault::Skew)).unwrap_or_default();
            let own = Chance::new(chance.number());
            let device = Device::new(Arc::clone(&clock), skew, user.clone(), code, own);
            devices.push(device.map_err(|error| Trouble::library(at, error))?);
        }
        let report = Report { runs: 1, ..Report::default() };
        let (connections, rules, story) = (0, 0, None);
        let mut world = Self { kit, clock, server, devices, connections, rules, report, story };
        world.begin(&mut chance)?;
        Ok(world)
    }

    fn begin(&mut self, chance: &mut Chance) -> Result {
        self.settle()?;
        for (at, device) in self.devices.iter().enumerate() {
            if device.replica.user().is_none() {
                return Err(Trouble::library(at, "the device cannot be enrolled"));
            }
        }
        for (user, act) in &self.kit.first {
            let first = self.devices.iter().position(|device| device.user == *user);
            let (at, mut chance) = (first.unwrap_or_default(), Chance::new(chance.number()));
            let Some(device) = self.devices.get(at) else { continue };
            let driven = act(&device.replica, &mut chance, None);
            self.judge(at, "what is done first", driven)?;
            self.settle()?;
        }
        for at in 0..self.devices.len() {
            self.cut(at);
        }
        // What it took to begin does not count.
        self.report = Report { runs: 1, ..Report::default() };
        Ok(())
    }

    /// Carries out the steps, lets all settle, and looks at what came of it.
    pub(super) fn run(&mut self, steps: &[Step]) -> Result {
        for step in steps {
            self.step(step)?;
        }
        self.settle()?;
        for at in 0..self.devices.len() {
            self.check(at, true)?;
        }
        Ok(())
    }

    pub(super) fn report(mut self) -> Report {
        let passed = self.clock.load(Ordering::Relaxed).saturating_sub(START_MILLIS);
        self.report.millis = u64::try_from(passed).unwrap_or_default();
        self.report
    }

    /// The steps and the rows of a run that failed, and why it did.
    pub(super) fn end(self, mut trouble: Trouble) -> (Vec<String>, Vec<String>, Trouble) {
        let device = self.devices.get(trouble.device);
        let (Some(device), Some(mut story)) = (device, self.story) else {
            return (Vec::new(), Vec::new(), trouble);
        };
        let rows = story.rows(&device.replica);
        if let Problem::Broken { why, .. } | Problem::Failed { error: why, .. } =
            &mut trouble.problem
        {
            *why = story.named(why);
        }
        let steps = story.steps.iter().map(|step| story.named(step)).collect();
        (steps, rows, trouble)
    }

    pub(super) fn now(&self) -> Timestamp {
        time(&self.clock, 0)
    }

    pub(super) fn pass(&mut self, millis: usize) {
        let millis = i64::try_from(millis).unwrap_or_default();
        self.clock.fetch_add(millis, Ordering::Relaxed);
    }

    fn step(&mut self, step: &Step) -> Result {
        let mut chance = Chance::new(step.seed);
        self.pass(chance.below(STEP_MILLIS_MAX));
        // What is random in a step is so by the step alone.
        for (at, device) in self.devices.iter().enumerate() {
            device.set_chance(Chance::new(step.seed.wrapping_add(at as u64 + 1)));
        }
        if let Deed::Act { device, action, ends_after } = step.deed {
            self.act(step, device, action, ends_after, &mut chance)?;
            return self.check(device, false);
        }
        self.tell(&step.deed, &[], None);
        self.happen(&step.deed, &mut chance)
    }

    fn happen(&mut self, deed: &Deed, chance: &mut Chance) -> Result {
        match *deed {
            Deed::Act { .. } => Ok(()),
            Deed::Sync { device, messages } => {
                self.connect(device)?;
                self.exchange(device, messages)?;
                self.react(device)?;
                self.check(device, false)
            }
            Deed::Cut { device } => {
                self.cut(device);
                Ok(())
            }
            Deed::Restart { device } => self.restart(device),
            Deed::RestartServer => {
                for at in 0..self.devices.len() {
                    self.cut(at);
                }
                self.report.restarts += 1;
                let (now, seed) = (self.now(), chance.seed());
                let begun = self.server.restart(self.kit, self.rules, now, seed);
                begun.map_err(|error| Trouble::library(0, error))
            }
            Deed::Change { rules } => {
                self.report.changes += u64::from(self.rules != rules);
                self.rules = rules;
                let now = self.now();
                let changed = self.server.change(self.kit, rules, now);
                changed.map_err(|error| Trouble::library(0, error))?;
                self.drain_server()
            }
        }
    }

    fn tell(&mut self, deed: &Deed, made: &[Pending], said: Option<&str>) {
        if let Some(story) = &mut self.story {
            story.tell(self.kit.describe(deed), made, said);
        }
    }

    fn restart(&mut self, at: usize) -> Result {
        self.cut(at);
        self.report.restarts += 1;
        let Some(device) = self.devices.get_mut(at) else { return Ok(()) };
        // What it would have told is told to nobody.
        device.events();
        device.replica.restart().map_err(|error| Trouble::library(at, error))
    }

    fn act(
        &mut self,
        step: &Step,
        at: usize,
        action: usize,
        ends_after: Option<usize>,
        chance: &mut Chance,
    ) -> Result {
        let (Some(device), Some(action)) = (self.devices.get(at), self.kit.actions.get(action))
        else {
            return Ok(());
        };
        self.report.actions += 1;
        let before = self.pending(at)?;
        let driven = (action.act)(&device.replica, chance, ends_after);
        let has_ended = matches!(driven, Driven::Ended);
        let judged = self.judge(at, &action.name, driven);
        let mut made = self.pending(at)?;
        made.retain(|pending| before.iter().all(|it| it.turn != pending.turn));
        self.tell(&step.deed, &made, judged.as_ref().ok().and_then(Option::as_deref));
        judged?;
        if has_ended {
            self.report.interrupted += 1;
            return self.restart(at);
        }
        // Its own edits are no news to the app.
        if let Some(device) = self.devices.get_mut(at) {
            device.events();
        }
        self.send(at)
    }

    /// What the app does by itself when a sync brought something.
    pub(super) fn react(&mut self, at: usize) -> Result {
        let Some(device) = self.devices.get_mut(at) else { return Ok(()) };
        let events = device.events();
        if events.is_empty() {
            return Ok(());
        }
        for event in &events {
            match event {
                Event::Admitted { .. } => self.report.admitted += 1,
                Event::Denied(_) => self.report.denied += 1,
                _ => {}
            }
        }
        for (name, react) in &self.kit.reactions {
            let Some(device) = self.devices.get(at) else { continue };
            self.report.reactions += 1;
            let driven = react(&device.replica, &events);
            self.judge(at, name, driven)?;
        }
        if let Some(device) = self.devices.get_mut(at) {
            device.events();
        }
        self.send(at)
    }

    /// Whether what the app did is fine; what it was refused.
    fn judge(&mut self, at: usize, name: &str, driven: Driven) -> Result<Option<String>> {
        let action = name.to_owned();
        let problem = match driven {
            Driven::Ended | Driven::Done(Ok(())) => return Ok(None),
            Driven::Done(Err(error)) => match refusal(error.as_ref()) {
                Some(refusal) => {
                    self.report.refused += 1;
                    let senseless =
                        matches!(refusal, EditError::Denied(it) if it.rule == Rule::Malformed);
                    self.report.malformed += u64::from(senseless);
                    return Ok(Some(refusal.to_string()));
                }
                None => Problem::Failed { action, error: error.to_string() },
            },
            Driven::Waits => Problem::Waits { action },
            Driven::Endless => Problem::Endless { action },
        };
        Err(Trouble { problem, device: at })
    }

    /// Looks at what must hold on a device: always, or when all has settled.
    fn check(&mut self, at: usize, has_settled: bool) -> Result {
        let Some(device) = self.devices.get(at) else { return Ok(()) };
        for invariant in self.kit.invariants.iter().filter(|it| it.always || has_settled) {
            self.report.checks += 1;
            if let Err(error) = (invariant.check)(&device.replica) {
                let (invariant, why) = (invariant.name.clone(), error.to_string());
                let problem = Problem::Broken { invariant, why };
                return Err(Trouble { problem, device: at });
            }
        }
        Ok(())
    }

    /// What is pending on a device, if that will be told.
    fn pending(&self, at: usize) -> Result<Vec<Pending>> {
        match self.devices.get(at).filter(|_| self.story.is_some()) {
            Some(device) => {
                let pending = device.replica.pending_after(Turn::default(), PENDING_LOOKS_MAX);
                pending.map_err(|error| Trouble::library(at, error))
            }
            None => Ok(Vec::new()),
        }
    }
}

/// What the app tells its user, and goes on after.
fn refusal<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a EditError> {
    let error = error.downcast_ref::<EditError>()?;
    let is_refusal = matches!(
        error,
        EditError::Denied(_)
            | EditError::NoSuchRecord(..)
            | EditError::Exists(..)
            | EditError::SeenElsewhere(..)
            | EditError::UnknownOwner(_)
    );
    is_refusal.then_some(error)
}
