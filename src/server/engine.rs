//! The thread that owns the machine and the store. All connections feed it; between two commits it
//! takes whatever has arrived, so that one durable write serves many devices.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, oneshot};

use super::outbound::Outbound;
use crate::codec::{PublicKey, Refusal, ToDevice, ToServer};
use crate::model::{EditId, Sequence, Timestamp, Verdict};
use crate::net::system;
use crate::sync::server::{ConnectionId, Output, Rules, RulesError, ServerMachine};
use crate::sync::{RefusedEdit, ServerMeta, ServerStore, StoreError};

/// Events taken before what was pushed is judged and written.
const ROUND_EVENTS_MAX: usize = 1_024;

/// What happens to the engine.
pub(super) enum Event {
    Connected { id: ConnectionId, key: PublicKey, outbound: Outbound },
    Received { id: ConnectionId, message: ToServer },
    Invalid { id: ConnectionId, reason: String },
    Writable { id: ConnectionId },
    Disconnected { id: ConnectionId },
    SetRules { rules: Box<Rules>, done: oneshot::Sender<Result<(), RulesError>> },
    SetBackedUp { backed_up: Option<Sequence>, done: oneshot::Sender<Result<(), StoreError>> },
    ForgetRefused { before: Timestamp, done: oneshot::Sender<Result<bool, StoreError>> },
    Ask(Question),
    Stop,
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
    outbound: BTreeMap<ConnectionId, Outbound>,
    /// For whom the machine looks on when others had their turn.
    looking: VecDeque<ConnectionId>,
}

impl<S: ServerStore> Engine<S> {
    pub(super) fn new(machine: ServerMachine, store: S) -> Self {
        Self { machine, store, outbound: BTreeMap::new(), looking: VecDeque::new() }
    }

    /// Runs until it is told to stop, or nobody can tell it anything any more.
    pub(super) fn run(mut self, mut events: mpsc::Receiver<Event>, stopping: &AtomicBool) {
        while let Some(first) = self.next(&mut events) {
            let more = std::iter::from_fn(|| events.try_recv().ok()).take(ROUND_EVENTS_MAX);
            for event in std::iter::once(first).chain(more) {
                if stopping.load(Ordering::Acquire) {
                    return;
                }
                let result = self.take(event);
                self.check(result);
            }
            let head = self.machine.meta().head;
            let result = self.machine.rule(&mut self.store, system::now());
            self.check(result);
            let admitted = self.machine.meta().head.0.saturating_sub(head.0);
            let denied = self.carry_out();
            if admitted > 0 || denied > 0 {
                tracing::debug!(admitted, denied, "judged");
            }
        }
    }

    fn next(&mut self, events: &mut mpsc::Receiver<Event>) -> Option<Event> {
        match self.looking.pop_front() {
            Some(id) => Some(Event::Writable { id }),
            None => events.blocking_recv(),
        }
    }

    fn take(&mut self, event: Event) -> Result<(), StoreError> {
        match event {
            Event::Connected { id, key, outbound } => {
                self.outbound.insert(id, outbound);
                self.machine.connected(id, key);
            }
            Event::Received { id, message } => {
                self.machine.received(&mut self.store, system::now(), id, message)?;
            }
            Event::Writable { id } => self.machine.writable(&self.store, id)?,
            Event::Invalid { id, reason } => self.close(id, Refusal::Protocol(reason)),
            Event::Disconnected { id } => {
                self.machine.disconnected(id);
                if self.outbound.remove(&id).is_some() {
                    tracing::info!(connection = id.0, "a device has left");
                }
            }
            Event::SetRules { rules, done } => {
                let result = self.machine.set_rules(&mut self.store, system::now(), *rules);
                // Whoever asked may be gone.
                let _ = done.send(result);
            }
            Event::SetBackedUp { backed_up, done } => {
                let _ = done.send(self.machine.set_backed_up(&mut self.store, backed_up));
            }
            Event::ForgetRefused { before, done } => {
                let _ = done.send(self.machine.forget_refused(&mut self.store, before));
            }
            Event::Ask(Question::Status(answer)) => {
                let meta = self.machine.meta().clone();
                let _ = answer.send(Status { meta, connections: self.outbound.len() });
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
        for id in self.outbound.keys().copied().collect::<Vec<_>>() {
            self.close(id, Refusal::Trouble(error.to_string()));
        }
    }

    fn close(&mut self, id: ConnectionId, refusal: Refusal) {
        self.machine.disconnected(id);
        if let Some(outbound) = self.outbound.remove(&id) {
            outbound.close(refusal);
        }
    }

    /// Sends what the machine wants sent. Returns how many edits, or parts of edits, are denied in
    /// it.
    fn carry_out(&mut self) -> usize {
        let mut denied = 0;
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Send(id, message) => {
                    denied += note(id, &message);
                    let sent = self.outbound.get(&id).is_none_or(|it| it.send(&message));
                    if !sent {
                        self.close(id, Refusal::Trouble("this device reads too slowly".into()));
                    }
                }
                Output::LookOn(id) => self.looking.push_back(id),
                Output::Close(id, refusal) => {
                    tracing::info!(connection = id.0, %refusal, "refused");
                    self.close(id, refusal);
                }
            }
        }
        denied
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
