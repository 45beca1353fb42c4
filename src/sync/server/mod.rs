//! The server's side: orders what the gate admits, and tells each device what it may know.

mod admin;
mod answered;
mod bounds;
mod budget;
mod coming;
mod comparing;
mod connection;
mod downlink;
mod erase;
mod estimate;
mod filling;
mod first;
mod fit;
mod floor;
mod following;
mod generation;
mod ingress;
mod known;
mod lapse;
mod lexicons;
mod membership;
mod news;
mod owners;
mod pages;
mod past;
mod pins;
mod profiles;
mod publishing;
mod purged;
mod reader;
mod reading;
mod retention;
mod rules;
mod scanning;
mod state;
mod stems;
mod system_rows;
mod welcome;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::codec::{Digest, PublicKey, Refusal, SecretKey, SignedChangeSet, ToDevice, ToServer};
use crate::crdt::Documents;
use crate::gate::Standing;
use crate::limits::{ESTIMATE_RECORDS_DEFAULT, RESTORED_DEVICES_LEAP, RESTORED_DEVICES_LEAPS_MAX};
use crate::model::{
    ActorId, AppName, Denial, DeviceNumber, EditId, Intake, LogEpoch, PolicyEpoch, Schema,
    Sequence, TableName, Timestamp, UserId,
};
use crate::query::CheckedView;
use crate::sync::grant::{schema_digest, standing_digest};
use crate::sync::{Commit, Entropy, Operation, ServerMeta, ServerStore, StoreError};

pub use bounds::PageBounds;
pub use estimate::{EstimateError, Estimator, Taking};
pub use fit::SchemaMisfit;
pub use floor::LogBounds;
pub use generation::HistoryBounds;
pub use known::known;
pub use profiles::ProfileInForce;
pub use publishing::takers;
pub use rules::{Rules, RulesError};

use comparing::Comparing;
use connection::Connection;
use lexicons::Lexicons;
use owners::Owners;
use past::Waiting;
use reading::Recent;

/// Another server may be faster so many times before this one gives up for now.
const CONFLICTS_MAX: usize = 16;

/// Numbers the connections of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What the machine wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send this message. After a [`ToDevice::Page`] the machine waits for
    /// [`ServerMachine::writable`] before it sends the next.
    Send(ConnectionId, ToDevice),
    /// Call [`ServerMachine::writable`] when others had their turn: there is more to look at for
    /// this device, and nothing to send yet.
    LookOn(ConnectionId),
    /// Send the refusal, then close.
    Close(ConnectionId, Refusal),
}

/// Who the server is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The organization's key.
    pub organization: PublicKey,
    /// Signs grants; enrolment codes answer to it.
    pub key: SecretKey,
    /// The organization's statement about this key and the TLS key.
    pub certificate: Vec<u8>,
}

/// What names an edit of the server itself: no two lives of the log share a part.
fn server_edit(epoch: LogEpoch, sequence: Sequence) -> EditId {
    let part = u32::try_from(epoch.0 >> 32).unwrap_or_default();
    EditId { device: DeviceNumber::SERVER, counter: sequence.0, part }
}

/// A user's privileges at the moment.
#[derive(Debug)]
struct Resolved {
    standing: Result<Standing, Denial>,
    digest: Digest,
    /// Of the part of the schema that concerns the user. Itself it is made where it is sent.
    schema: Digest,
    /// What is taken of what may be read; `None`: all.
    profile: Option<ProfileInForce>,
}

impl Resolved {
    /// What a device is told of the profile.
    fn intake(&self) -> Option<Intake> {
        let profile = self.profile.as_ref()?.profile.profile();
        let knows = |table: &_| self.standing.as_ref().is_ok_and(|it| it.knows(table));
        Some(Intake::of(profile, knows))
    }
}

/// What of the schema concerns someone who may do this: also tables of which a view of theirs shows
/// something, though all of that be hidden. A view is there for everyone, or for no one, of a table's users.
fn part_of(standing: Option<&Standing>, schema: &Schema) -> Schema {
    let is_own = |table: &TableName| standing.is_some_and(|standing| standing.holds_any(table));
    let mut views = schema.views.clone();
    views.retain(|_, view| is_own(&view.table));
    if views.is_empty() {
        return Schema { views, ..schema.part(is_own) };
    }
    let whole = Arc::new(schema.clone());
    let checked = views.values().filter_map(|view| CheckedView::new(&whole, view).ok());
    let shown: BTreeSet<_> =
        checked.flat_map(|it| it.tables().cloned().collect::<Vec<_>>()).collect();
    let part = schema.part(|table| is_own(table) || shown.contains(table));
    Schema { views, ..part }
}

/// A server's machine. See [`crate::sync`] for how it is driven.
///
/// After a number of events the shell calls [`Self::rule`] once: all change sets that arrived
/// meanwhile are judged, and written in one durable commit; and so is what must begin anew before
/// devices can be told more.
///
/// A copy is for who searches through what can happen, as one of a [`ReplicaMachine`](super::replica::ReplicaMachine).
#[derive(Debug, Clone)]
pub struct ServerMachine {
    identity: Identity,
    rules: Arc<Rules>,
    meta: ServerMeta,
    /// The store may hold another meta: it could not be read yet after a doubtful write.
    in_doubt: bool,
    connections: BTreeMap<ConnectionId, Connection>,
    queue: Vec<(ConnectionId, SignedChangeSet)>,
    work: Vec<(ConnectionId, u64)>,
    waiting: Waiting,
    resolved: BTreeMap<(UserId, Option<AppName>), Arc<Resolved>>,
    lexicons: Lexicons,
    outputs: VecDeque<Output>,
    page_bounds: PageBounds,
    history_bounds: HistoryBounds,
    /// How many records it looks at for an estimate.
    estimate_records: u64,
    /// Long texts that devices are editing.
    documents: Documents,
    /// Writes what nobody's device does.
    actor: ActorId,
    /// What devices were told of since the last commit.
    recent: Recent,
    owners: Owners,
}

impl ServerMachine {
    /// Takes up what the store holds. Other rules than last time start a new policy epoch.
    ///
    /// # Errors
    /// The store cannot be read or written, a record cannot follow the schema, or an offline profile does
    /// not fit it.
    pub fn open<S: ServerStore>(
        store: &mut S,
        identity: Identity,
        rules: Rules,
        now: Timestamp,
        seed: [u8; 32],
    ) -> Result<Self, RulesError> {
        let rules = rules.joining(store.profiles()?)?;
        let mut entropy = Entropy::new(seed);
        let actor = ActorId { device: DeviceNumber::SERVER, incarnation: entropy.next_u64() };
        let meta = store.meta()?;
        let mut machine = Self {
            identity,
            actor,
            recent: Recent::default(),
            owners: Owners::since(meta.head),
            rules: Arc::new(rules),
            meta,
            in_doubt: false,
            connections: BTreeMap::new(),
            queue: Vec::new(),
            work: Vec::new(),
            waiting: Waiting::default(),
            resolved: BTreeMap::new(),
            lexicons: Lexicons::default(),
            outputs: VecDeque::new(),
            documents: Documents::default(),
            page_bounds: PageBounds::default(),
            history_bounds: HistoryBounds::default(),
            estimate_records: ESTIMATE_RECORDS_DEFAULT.into(),
        };
        machine.until_certain(store, |machine, store| {
            let mut meta = machine.meta.clone();
            if meta.epoch != LogEpoch(0) {
                return Ok(());
            }
            meta.epoch = LogEpoch(entropy.next_u64() | 1);
            if meta.ended.is_empty() {
                // New: who runs it has to say that no backups are made.
                meta.backed_up = Some(Sequence(0));
            } else {
                // A backup: devices that enrolled after it was made have the next numbers, and so
                // have those of another life that began with the same backup.
                let leap = 1 + entropy.next_u64() % RESTORED_DEVICES_LEAPS_MAX;
                let leap = u32::try_from(leap).unwrap_or(1) * RESTORED_DEVICES_LEAP;
                meta.devices = meta.devices.saturating_add(leap);
            }
            machine.commit(store, meta, Vec::new())
        })?;
        machine.put_in_force(store, now)?;
        Ok(machine)
    }

    /// Sends pages of another size from now on.
    pub fn set_page_bounds(&mut self, bounds: PageBounds) {
        let (looks, rounds) = (bounds.looks.max(1), bounds.rounds.max(1));
        self.page_bounds = PageBounds { looks, rounds, ..bounds };
    }

    /// Keeps no longer histories than these, from now on.
    pub fn set_history_bounds(&mut self, bounds: HistoryBounds) {
        self.history_bounds = bounds;
    }

    /// Looks at so many records at most, from now on, to say how much profiles take.
    pub fn set_estimate_records(&mut self, most: u64) {
        self.estimate_records = most;
    }

    /// What the server knows of itself.
    #[must_use]
    pub fn meta(&self) -> &ServerMeta {
        &self.meta
    }

    /// Notes up to where a backup holds the log, and tells all devices: they need not keep their
    /// own edits up to there any more. `None`: no backups are made, they need not keep any.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn set_backed_up<S: ServerStore>(
        &mut self,
        store: &mut S,
        backed_up: Option<Sequence>,
    ) -> Result<(), StoreError> {
        self.until_certain(store, |machine, store| {
            if machine.meta.backed_up == backed_up {
                return Ok(());
            }
            let meta = ServerMeta { backed_up, ..machine.meta.clone() };
            machine.commit(store, meta, Vec::new())
        })?;
        let open = self.connections.iter().filter(|(_, it)| it.device.is_some());
        for id in open.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.send(id, ToDevice::BackedUp(backed_up));
        }
        Ok(())
    }

    /// The next thing to do; `None`: nothing until something happens.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Writes. Where another writer was faster, or it is not known whether this one wrote, what this
    /// machine remembers may be out of date, and is read before anything else is done.
    fn commit<S: ServerStore>(
        &mut self,
        store: &mut S,
        meta: ServerMeta,
        operations: Vec<Operation>,
    ) -> Result<(), StoreError> {
        self.recent = Recent::default();
        let owners = Owners::of(&operations);
        let expected = self.meta.clone();
        let result = store.commit(Commit { expected, meta: meta.clone(), operations });
        match &result {
            Ok(()) => {
                self.meta = meta;
                self.owners.add(owners);
            }
            Err(StoreError::Conflict | StoreError::Ambiguous(_)) => self.in_doubt = true,
            Err(_) => {}
        }
        result
    }

    /// Knows afterwards what the store holds.
    fn settle<S: ServerStore>(&mut self, store: &S) -> Result<(), StoreError> {
        if self.in_doubt {
            self.meta = store.meta()?;
            self.owners = Owners::since(self.meta.head);
            self.in_doubt = false;
        }
        Ok(())
    }

    /// Takes a step again until the store can say whether it was made. The step looks first
    /// whether it was.
    fn until_certain<S: ServerStore, T>(
        &mut self,
        store: &mut S,
        mut step: impl FnMut(&mut Self, &mut S) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        for _ in 0..CONFLICTS_MAX {
            self.settle(store)?;
            match step(self, store) {
                Err(StoreError::Conflict | StoreError::Ambiguous(_)) => {}
                result => return result,
            }
        }
        self.settle(store)?;
        step(self, store)
    }

    /// The policy epoch that stands for the rules by which it judges; `None`: another server has put
    /// others in force, and these are put in force again before anybody is told of an epoch.
    #[must_use]
    pub fn policy_epoch(&self) -> Option<PolicyEpoch> {
        (self.meta.rules == Some(self.rules.digest)).then_some(self.meta.policy_epoch)
    }

    /// The policy epoch to judge and to grant under.
    fn epoch(&self) -> Result<PolicyEpoch, StoreError> {
        self.policy_epoch().ok_or(StoreError::Conflict)
    }

    /// A device connected; `key` is the key that it holds.
    pub fn connected(&mut self, id: ConnectionId, key: PublicKey) {
        self.connected_again(id, key);
        let certificate = self.identity.certificate.clone();
        self.outputs.push_back(Output::Send(id, ToDevice::Greeting { certificate }));
    }

    /// A device connected that was greeted by this very server before, as the transport knows: it has the
    /// certificate.
    pub fn connected_again(&mut self, id: ConnectionId, key: PublicKey) {
        self.connections.insert(id, Connection::new(key));
    }

    /// A device is gone.
    pub fn disconnected(&mut self, id: ConnectionId) {
        self.connections.remove(&id);
        self.queue.retain(|(from, _)| *from != id);
        self.waiting.forget(id);
        self.outputs.retain(|output| match output {
            Output::Send(to, _) | Output::LookOn(to) | Output::Close(to, _) => *to != id,
        });
    }

    /// The last page is on its way, and there is room for more; or it is this device's turn again.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn writable<S: ServerStore>(
        &mut self,
        store: &S,
        id: ConnectionId,
    ) -> Result<(), StoreError> {
        self.settle(store)?;
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.writable = true;
        }
        self.pump(store, id)
    }

    /// A message arrived.
    ///
    /// # Errors
    /// The store cannot be read or written. What the device did wrong is answered to it.
    pub fn received<S: ServerStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        id: ConnectionId,
        message: ToServer,
    ) -> Result<(), StoreError> {
        self.settle(store)?;
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        match (connection.device.is_some(), message) {
            (false, ToServer::Hello(resume)) => self.hello(store, now, id, *resume),
            (false, ToServer::Enroll { code, name, app }) => {
                self.enroll(store, now, id, &code, name, app)
            }
            (true, ToServer::Push(set)) => {
                self.queue.push((id, set));
                Ok(())
            }
            (true, ToServer::Flush { number }) => {
                connection.flush = Some(number);
                if self.is_late(now, id) {
                    self.refresh(store, now, id)
                } else {
                    self.pump(store, id)
                }
            }
            (true, ToServer::Fetch { table, record, pinned }) => {
                self.fetch(store, id, (table, record), pinned)
            }
            (true, ToServer::Ask(edits)) => self.ask(store, id, edits),
            (true, ToServer::Admin { number, request }) => {
                self.admin(store, now, id, number, request)
            }
            (true, ToServer::First { table }) => self.first(store, id, table),
            (true, ToServer::Stored { bytes }) => self.stored(store, id, bytes),
            (true, ToServer::Compare { number, grain, stretches }) => {
                self.compare(store, id, Comparing::new(number, grain, stretches))
            }
            (true, ToServer::Purged(receipt)) => self.purged(store, id, &receipt),
            (_, message) => {
                let what = match message {
                    ToServer::Hello(_) | ToServer::Enroll { .. } => "a second greeting",
                    _ => "a message before the greeting",
                };
                self.refuse(id, Refusal::Protocol(what.into()));
                Ok(())
            }
        }
    }

    /// Ends a session.
    fn refuse(&mut self, id: ConnectionId, refusal: Refusal) {
        self.disconnected(id);
        self.outputs.push_back(Output::Close(id, refusal));
    }

    fn send(&mut self, id: ConnectionId, message: ToDevice) {
        self.outputs.push_back(Output::Send(id, message));
    }

    /// The user's privileges, and what is taken of them in an app, as the present rules have them.
    fn resolve(
        &mut self,
        user: &UserId,
        app: Option<&AppName>,
    ) -> Result<Arc<Resolved>, StoreError> {
        // Devices may say what they like: of apps that nobody knows one is as any other.
        let app = self.rules.profiling.known_app(app);
        let key = (user.clone(), app.cloned());
        if let Some(resolved) = self.resolved.get(&key) {
            return Ok(Arc::clone(resolved));
        }
        let schema = self.rules.schema();
        let standing = Standing::resolve(&self.rules.roster, user);
        let standing = standing.map(|standing| standing.within(schema));
        let (digest, _) = standing_digest(standing.as_ref().ok())
            .map_err(|error| StoreError::Damaged(error.to_string()))?;
        let schema = schema_digest(&part_of(standing.as_ref().ok(), schema))?;
        let profile = self.rules.profiling.of(&self.rules.roster, user, app);
        let resolved = Arc::new(Resolved { standing, digest, schema, profile });
        self.resolved.insert(key, Arc::clone(&resolved));
        Ok(resolved)
    }
}
