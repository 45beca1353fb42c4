//! The thread that owns the machine and the store. All connections feed it; between two commits it
//! takes what has arrived of each, so that one durable write serves many devices and none of them waits
//! for what another sends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use super::credit::Credits;
use super::inbox::{Inbox, Nothing, Round, Turn};
use super::offenders::Offenders;
use super::outbound::Outbound;
use crate::codec::{PublicKey, Refusal, ToDevice, ToServer};
use crate::limits::{AT_WORK, CONNECTIONS_PER_DEVICE_MAX, ROUND_MESSAGES_MAX, WORK_LATE_PART};
use crate::model::{EditId, PublishedProfiles, Sequence, Timestamp, Verdict};
use crate::net::system;
use crate::sync::server::{ConnectionId, LogBounds, Output, Rules, RulesError, ServerMachine};
use crate::sync::{RefusedEdit, ServerMeta, ServerStore, StoreError};

/// What happens to the engine. A device that is greeted already has the server's certificate.
pub(super) enum Event {
    Connected { id: ConnectionId, key: PublicKey, is_greeted: bool, outbound: Outbound },
    Received { id: ConnectionId, message: ToServer },
    Invalid { id: ConnectionId, reason: String },
    TooSlow { id: ConnectionId, reason: &'static str },
    Writable { id: ConnectionId },
    Disconnected { id: ConnectionId },
    SetRules { rules: Box<Rules>, done: oneshot::Sender<Result<(), RulesError>> },
    SetProfiles { published: Box<PublishedProfiles>, done: oneshot::Sender<Result<(), RulesError>> },
    SetBackedUp { backed_up: Option<Sequence>, done: oneshot::Sender<Result<(), StoreError>> },
    ForgetRefused { before: Timestamp, done: oneshot::Sender<Result<bool, StoreError>> },
    TrimLog { bounds: LogBounds, done: oneshot::Sender<Result<bool, StoreError>> },
    Ask(Question),
    Stop,
}

impl Event {
    /// Whose it is.
    fn connection(&self) -> Option<ConnectionId> {
        match self {
            Self::Connected { id, .. }
            | Self::Received { id, .. }
            | Self::Invalid { id, .. }
            | Self::TooSlow { id, .. }
            | Self::Writable { id }
            | Self::Disconnected { id } => Some(*id),
            Self::SetRules { .. }
            | Self::SetProfiles { .. }
            | Self::SetBackedUp { .. }
            | Self::ForgetRefused { .. }
            | Self::TrimLog { .. }
            | Self::Ask(_)
            | Self::Stop => None,
        }
    }
}

/// What the server is asked about itself.
pub(super) enum Question {
    Status(oneshot::Sender<Status>),
    Refused { limit: usize, answer: oneshot::Sender<Result<Vec<RefusedEdit>, StoreError>> },
}

/// How a server is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What it knows of itself.
    pub meta: ServerMeta,
    /// Devices connected at the moment.
    pub connections: usize,
}

pub(super) struct Engine<S> {
    machine: ServerMachine,
    store: S,
    inbox: Inbox,
    devices: BTreeMap<ConnectionId, Connected>,
    offenders: Offenders,
    credits: Credits,
    /// When a device was last at work that is not late.
    at_work: Option<Duration>,
    /// Not before this the late ones have their turn again, while others are at work.
    late_due: Duration,
}

/// A connection of a device.
struct Connected {
    key: PublicKey,
    outbound: Outbound,
}

impl<S: ServerStore> Engine<S> {
    pub(super) fn new(machine: ServerMachine, store: S, inbox: Inbox) -> Self {
        Self {
            machine,
            store,
            inbox,
            devices: BTreeMap::new(),
            offenders: Offenders::default(),
            credits: Credits::default(),
            at_work: None,
            late_due: Duration::ZERO,
        }
    }

    /// Runs until it is told to stop.
    pub(super) fn run(mut self, stopping: &AtomicBool) {
        while !stopping.load(Ordering::Acquire) {
            let version = self.inbox.version();
            let now = system::uptime();
            match self.inbox.take(|id| self.turn(id, now), self.late_max(now)) {
                Ok(round) => self.round(round, stopping),
                Err(nothing) => self.inbox.wait(version, self.waits(&nothing, now)),
            }
        }
    }

    /// When a connection has its turn.
    fn turn(&self, id: ConnectionId, now: Duration) -> Turn {
        let Some(Connected { key, outbound }) = self.devices.get(&id) else { return Turn::Now };
        if outbound.is_filling() {
            return Turn::Held(None);
        }
        match self.credits.waits(key, now) {
            Some(waits) => Turn::Held(Some(waits)),
            None if self.credits.is_late(key, now) => Turn::Late,
            None => Turn::Now,
        }
    }

    fn others_work(&self, now: Duration) -> bool {
        self.at_work.is_some_and(|last| now < last + AT_WORK)
    }

    /// How many messages may be taken of the late ones.
    fn late_max(&self, now: Duration) -> usize {
        match () {
            () if !self.others_work(now) => ROUND_MESSAGES_MAX,
            () if now >= self.late_due => 1,
            () => 0,
        }
    }

    fn waits(&self, nothing: &Nothing, now: Duration) -> Option<Duration> {
        let late = nothing.late_waits.then(|| {
            let nobody = self.at_work.map_or(now, |last| last + AT_WORK);
            self.late_due.min(nobody).saturating_sub(now)
        });
        late.into_iter().chain(nothing.held).min()
    }

    fn round(&mut self, round: Round, stopping: &AtomicBool) {
        let begun = system::uptime();
        let mut last = begun;
        let mut keys = BTreeMap::new();
        // Their room is free again when they are judged.
        let mut rooms = Vec::new();
        let is_work = round.events.iter().any(|it| matches!(it.event, Event::Received { .. }));
        for waiting in round.events {
            if stopping.load(Ordering::Acquire) {
                return;
            }
            let (event, room) = waiting.open();
            rooms.push(room);
            let id = event.connection();
            let result = self.take(event);
            self.check(result);
            let now = system::uptime();
            if let Some((id, device)) = id.and_then(|id| Some((id, self.devices.get(&id)?))) {
                self.credits.work(device.key, now, now.saturating_sub(last));
                keys.insert(id, device.key);
            }
            last = now;
        }
        let head = self.machine.meta().head;
        let result = self.machine.rule(&mut self.store, system::now());
        self.check(result);
        let admitted = self.machine.meta().head.0.saturating_sub(head.0);
        let denied = self.carry_out();
        if admitted > 0 || denied > 0 {
            tracing::debug!(admitted, denied, "judged");
        }
        let now = system::uptime();
        self.charge(&keys, now, now.saturating_sub(last));
        if round.is_late {
            self.late_due = now + now.saturating_sub(begun) * (WORK_LATE_PART - 1);
        } else if is_work {
            self.at_work = Some(now);
        }
    }

    /// Charges the time of what was done for all of these together, by what each of them sent.
    fn charge(&mut self, keys: &BTreeMap<ConnectionId, PublicKey>, now: Duration, time: Duration) {
        let mut work = self.machine.take_work();
        if work.is_empty() {
            work.extend(keys.keys().map(|id| (*id, 1)));
        }
        let all: u64 = work.iter().map(|(_, work)| work).sum();
        for (id, work) in work {
            let Some(key) = keys.get(&id) else { continue };
            let nanos = time.as_nanos() * u128::from(work) / u128::from(all.max(1));
            let part = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            self.credits.work(*key, now, part);
        }
    }

    fn take(&mut self, event: Event) -> Result<(), StoreError> {
        match event {
            Event::Connected { id, key, is_greeted, outbound } => {
                if self.let_in(id, key, outbound) {
                    if is_greeted {
                        self.machine.connected_again(id, key);
                    } else {
                        self.machine.connected(id, key);
                    }
                }
            }
            Event::Received { id, message } => {
                self.machine.received(&mut self.store, system::now(), id, message)?;
            }
            Event::Writable { id } => self.machine.writable(&self.store, id)?,
            Event::Invalid { id, reason } => self.close(id, Refusal::Protocol(reason)),
            Event::TooSlow { id, reason } => self.close(id, Refusal::Trouble(reason.into())),
            Event::Disconnected { id } => {
                self.machine.disconnected(id);
                if self.devices.remove(&id).is_some() {
                    tracing::info!(connection = id.0, "a device has left");
                }
            }
            Event::SetRules { rules, done } => {
                let result = self.machine.set_rules(&mut self.store, system::now(), *rules);
                // Whoever asked may be gone.
                let _ = done.send(result);
            }
            Event::SetProfiles { published, done } => {
                let now = system::now();
                let _ = done.send(self.machine.set_profiles(&mut self.store, now, *published));
            }
            Event::SetBackedUp { backed_up, done } => {
                let _ = done.send(self.machine.set_backed_up(&mut self.store, backed_up));
            }
            Event::ForgetRefused { before, done } => {
                let _ = done.send(self.machine.forget_refused(&mut self.store, before));
            }
            Event::TrimLog { bounds, done } => {
                let _ = done.send(self.machine.trim_log(&mut self.store, bounds));
            }
            Event::Ask(Question::Status(answer)) => {
                let meta = self.machine.meta().clone();
                let _ = answer.send(Status { meta, connections: self.devices.len() });
            }
            Event::Ask(Question::Refused { limit, answer }) => {
                let _ = answer.send(self.store.refused(limit));
            }
            Event::Stop => {}
        }
        Ok(())
    }

    /// After a failure of the store nothing is promised to anyone: all devices are sent away, and
    /// send again what was not acknowledged.
    fn check(&mut self, result: Result<(), StoreError>) {
        let Err(error) = result else { return };
        tracing::error!(%error, "the store failed; all devices are sent away");
        for id in self.devices.keys().copied().collect::<Vec<_>>() {
            self.close(id, Refusal::Trouble(error.to_string()));
        }
    }

    /// Whether the device need not come again later.
    fn let_in(&mut self, id: ConnectionId, key: PublicKey, outbound: Outbound) -> bool {
        if let Some(waits) = self.offenders.waits(&key, system::uptime()) {
            let seconds = u32::try_from(waits.as_secs() + 1).unwrap_or(u32::MAX);
            tracing::debug!(connection = id.0, seconds, "turned away");
            outbound.close(Refusal::Later { seconds });
            return false;
        }
        let same = self.devices.iter().filter(|(_, it)| it.key == key).map(|(id, _)| *id);
        let same: Vec<_> = same.collect();
        if let [oldest, ..] = same[..]
            && same.len() >= CONNECTIONS_PER_DEVICE_MAX
        {
            self.close(oldest, Refusal::Trouble("this device has too many connections".into()));
        }
        self.devices.insert(id, Connected { key, outbound });
        true
    }

    fn close(&mut self, id: ConnectionId, refusal: Refusal) {
        self.machine.disconnected(id);
        self.inbox.forget(id);
        let Some(Connected { key, outbound }) = self.devices.remove(&id) else { return };
        if let Refusal::Protocol(_) = refusal {
            let lasts = self.offenders.note(key, system::uptime());
            tracing::info!(connection = id.0, %key, ?lasts, "broke the protocol: turned away");
        }
        outbound.close(refusal);
    }

    /// Sends what the machine wants sent. Returns how many edits, or parts of edits, are denied in
    /// it.
    fn carry_out(&mut self) -> usize {
        let (mut denied, mut told) = (0, BTreeSet::new());
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Send(id, message) => {
                    let refused = note(id, &message);
                    denied += refused;
                    let Some(device) = self.devices.get_mut(&id) else { continue };
                    if refused > 0 {
                        self.credits.refused(device.key, system::uptime(), refused);
                    }
                    told.insert(id);
                    if !device.outbound.gather(&message) {
                        self.close(id, Refusal::Trouble("this device reads too slowly".into()));
                    }
                }
                Output::LookOn(id) => self.inbox.writable(id),
                Output::Close(id, refusal) => {
                    tracing::info!(connection = id.0, %refusal, "refused");
                    self.close(id, refusal);
                }
            }
        }
        for id in told {
            if let Some(device) = self.devices.get_mut(&id) {
                device.outbound.send();
            }
        }
        denied
    }
}

impl<S> Drop for Engine<S> {
    fn drop(&mut self) {
        // Nobody waits for it in vain, however it ended.
        self.inbox.close();
    }
}

/// Logs what is worth a line, and counts what is denied.
fn note(id: ConnectionId, message: &ToDevice) -> usize {
    match message {
        ToDevice::Welcome { device, user, resumed, .. } => {
            tracing::info!(connection = id.0, device = device.0, %user, resumed, "a device is here");
            0
        }
        ToDevice::Verdicts(verdicts) => {
            let denied =
                |it: &&(EditId, Verdict)| !matches!(it.1, Verdict::Admitted(_) | Verdict::Reauthor);
            verdicts.iter().filter(denied).count()
        }
        _ => 0,
    }
}
