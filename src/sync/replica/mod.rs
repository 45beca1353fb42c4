//! A device's side: local edits, and the session in which they are judged and others' arrive.

mod actors;
mod arrival;
mod budget;
mod column_ops;
mod commit;
mod desk;
mod directory;
mod due;
mod enrolment;
mod erase;
mod kept;
mod ledger;
mod passed;
mod pins;
mod purge;
mod push;
mod quarantine;
mod rebase;
mod receive;
mod recheck;
mod reconsider;
mod seen;
mod session;
mod split;
mod stems;
mod unjudged;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::codec::{AdminAnswer, AdminRequest, Lexicon, SecretKey, ToServer};
use crate::crdt::{Documents, Record};
use crate::gate::Standing;
use crate::limits::{COMPARED_GRAIN_MAX, PUSH_WINDOW_EDITS};
use crate::model::{
    ActorId, AppName, DeviceNumber, Edit, EditId, Ledger, PolicyEpoch, RecordId, Sequence,
    TableName, Timestamp, UserId,
};
use crate::sync::{
    Entropy, Grant, Quarantined, ReplicaBatch, ReplicaMeta, ReplicaStore, StoreError,
};

pub use arrival::Arrival;
pub use commit::{Draft, EditError, Intent};
pub use desk::{replay, seen};
pub use directory::DeviceDirectory;
pub use enrolment::SignOutError;
pub use pins::PinError;
pub use quarantine::Amendment;
pub use recheck::RecheckReport;
pub use session::{Purpose, SessionError};

use actors::Actors;
use recheck::Recheck;
use session::Session;

/// How far a copy's edit ids are from the original's, at least: more than a device ever makes.
const COPY_LEAP_MIN: u64 = 1 << 40;

/// What the machine wants done, or tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send this to the server.
    Send(ToServer),
    /// End the session; nothing more can come of it.
    Close(SessionError),
    /// Tell the app.
    Event(Event),
    /// The answer to [`ReplicaMachine::administer`] of this number.
    Answer(u32, AdminAnswer),
}

/// What an app may want to know.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The device is enrolled.
    Enrolled {
        /// Its number.
        device: DeviceNumber,
        /// Its user.
        user: UserId,
    },
    /// The session is open: the server accepted the device.
    Open,
    /// An edit of this device counts.
    Admitted {
        /// Which.
        edit: EditId,
        /// Its place in the log; where that was dropped, a later one.
        sequence: Sequence,
    },
    /// An edit of this device, or part of it, does not count; it is in quarantine. Of a record that
    /// was erased nothing is: such an entry names no operations.
    Denied(Quarantined),
    /// A refused edit of this device, or what of it was refused, left quarantine by itself: it may
    /// be allowed now. It is pending again.
    Reconsidered {
        /// The refused edit.
        edit: EditId,
        /// What it is now: another one where a server had refused it.
        again: EditId,
    },
    /// So many admitted edits are no longer kept although no backup of the server is known to hold
    /// them: they would be lost if it were restored from an older one.
    NotKept {
        /// How many.
        edits: u64,
    },
    /// A row changed, came or went.
    Changed {
        /// Its table.
        table: TableName,
        /// The record.
        record: RecordId,
    },
    /// A scan brings rows, as in a first sync: a page of it is here.
    Arriving(Arrival),
    /// So far is a recheck.
    Rechecking(RecheckReport),
    /// A recheck is done: what is confirmed here is what the server says.
    Rechecked(RecheckReport),
    /// The device holds as many bytes as its user's offline profile gives it. What a scan has left to bring
    /// comes when that profile or its budget is another one.
    BudgetSpent {
        /// How many it holds.
        bytes: u64,
        /// How many it may.
        budget: u64,
    },
    /// The server sent another schema.
    SchemaChanged,
    /// The user's privileges changed.
    GrantChanged,
    /// The user's offline profile, its budget or its intervals changed.
    ProfileChanged,
    /// Of what the user may not read any more, and of what was discarded, no byte is left in the
    /// file.
    Purged,
    /// Everything is sent and judged, and all that the server has for this device is here.
    UpToDate,
}

/// A device's machine. See [`crate::sync`] for how it is driven.
///
/// A copy goes on as the original would, and gives the same ids and numbers of changes: who searches through what
/// can happen goes several ways from one state, each with a store of its own. Nobody else drives both.
#[derive(Debug, Clone)]
pub struct ReplicaMachine {
    key: SecretKey,
    meta: ReplicaMeta,
    standing: Option<Standing>,
    /// The policy that the grant is of.
    epoch: PolicyEpoch,
    actors: Actors,
    /// What pending edits of a record were written on and is not there any more: refused while
    /// they have to wait before they are written anew. Kept in memory alone: after a restart they
    /// keep their places as numbers.
    past: BTreeMap<RecordId, Vec<Edit>>,
    /// Records with pending edits as they were when this device started anew, until these are
    /// written anew or settled. In memory alone, too.
    forgotten: BTreeMap<RecordId, Record>,
    /// Edits refused since it was opened, the latest last: some have left quarantine.
    refused: VecDeque<EditId>,
    /// Long texts that the user is editing.
    documents: Documents,
    /// The names of the schema that the server has sent.
    lexicon: Arc<Lexicon>,
    entropy: Entropy,
    session: Option<Session>,
    outputs: VecDeque<Output>,
    /// A step failed: what is remembered here may not be what the store holds.
    doubtful: bool,
    push_window: usize,
    /// Numbers what an administrator wants of the server.
    requests: u32,
    /// A recheck that is to be made, or is under way. In memory alone.
    recheck: Option<Recheck>,
    /// Of how many records it compares one digest at first.
    compared_grain: usize,
    /// Numbers them.
    rechecks: u32,
    /// What came of the last one.
    last_recheck: Option<(u32, RecheckReport)>,
    /// Which app it is, if the app says so.
    app: Option<AppName>,
    /// A table that is wanted before all others.
    first: Option<TableName>,
    /// When it was up to date last, as far as that was written since it was opened.
    synced_kept: Option<Timestamp>,
    /// What sessions took, as far as that is known to be written.
    ledger_kept: Ledger,
}

impl ReplicaMachine {
    /// Takes up what the store holds. `seed` must be fresh: it makes the actor of this life.
    ///
    /// # Errors
    /// The store cannot be read, or holds a grant that is none.
    pub fn open(
        store: &impl ReplicaStore,
        key: SecretKey,
        seed: [u8; 32],
    ) -> Result<Self, StoreError> {
        let meta = store.meta()?;
        let mut machine = Self {
            key,
            ledger_kept: meta.ledger,
            meta,
            standing: None,
            epoch: PolicyEpoch::default(),
            actors: Actors::new(ActorId { device: DeviceNumber(0), incarnation: 0 }),
            past: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            refused: VecDeque::new(),
            documents: Documents::default(),
            lexicon: Arc::default(),
            entropy: Entropy::new(seed),
            session: None,
            outputs: VecDeque::new(),
            doubtful: false,
            push_window: PUSH_WINDOW_EDITS,
            requests: 0,
            recheck: None,
            compared_grain: COMPARED_GRAIN_MAX,
            rechecks: 0,
            last_recheck: None,
            app: None,
            first: None,
            synced_kept: None,
        };
        machine.take_grant()?;
        machine.leave_copied_ids();
        machine.be_another();
        Ok(machine)
    }

    /// A copy goes on far from where it was made, at a place that no other copy chooses: what the
    /// original, or another copy, did since then has edit ids that must not be given again.
    fn leave_copied_ids(&mut self) {
        if std::mem::take(&mut self.meta.copied) {
            let leap = COPY_LEAP_MIN + self.entropy.next_u64() % COPY_LEAP_MIN;
            self.meta.counter = self.meta.counter.saturating_add(leap);
        }
    }

    /// Sends at most so many edits before it waits for their verdicts, at least one.
    pub fn set_push_window(&mut self, edits: usize) {
        self.push_window = edits.max(1);
    }

    /// Says which app it is: offline profiles can be for one. Where it is not said, it is the one that was
    /// said last. It counts from the next session on.
    pub fn set_app(&mut self, app: AppName) {
        self.app = Some(app);
    }

    fn app(&self) -> Option<&AppName> {
        self.app.as_ref().or(self.meta.app.as_ref())
    }

    /// Asks for what there is of a table before all else, now or in the next session. All of it is here when
    /// [`Self::is_first_here`], and what was pending of any table is answered, as far as it was sent.
    pub fn ask_first(&mut self, table: TableName) {
        self.first = Some(table);
        self.send_first();
    }

    /// Whether a table that was asked for is here.
    #[must_use]
    pub fn is_first_here(&self) -> bool {
        self.first.is_none()
    }

    fn send_first(&mut self) {
        if self.is_open()
            && let Some(table) = self.first.clone()
        {
            self.outputs.push_back(Output::Send(ToServer::First { table }));
        }
    }

    /// What the device knows of itself.
    #[must_use]
    pub fn meta(&self) -> &ReplicaMeta {
        &self.meta
    }

    /// What the user may do, by the newest grant; `None` before enrolment and for a user who holds
    /// nothing.
    #[must_use]
    pub fn standing(&self) -> Option<&Standing> {
        self.standing.as_ref()
    }

    /// The next thing to do or to tell; `None`: nothing until something happens.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The next thing to tell the app, whatever else is to be done.
    pub fn poll_event(&mut self) -> Option<Event> {
        let at = self.outputs.iter().position(|output| matches!(output, Output::Event(_)))?;
        match self.outputs.remove(at) {
            Some(Output::Event(event)) => Some(event),
            _ => None,
        }
    }

    /// Whether a session is open: the server accepted the device.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let stage = self.session.as_ref().map(|session| &session.stage);
        matches!(stage, Some(session::Stage::Open { .. }))
    }

    /// Asks the server for what an administrator wants. The session must be open; the answer comes
    /// as [`Output::Answer`] of the number returned, unless the session ends before.
    ///
    /// # Errors
    /// No session is open.
    pub fn administer(&mut self, request: AdminRequest) -> Result<u32, SessionError> {
        if !self.is_open() {
            return Err(SessionError::NotOpen);
        }
        self.requests = self.requests.wrapping_add(1);
        let number = self.requests;
        self.outputs.push_back(Output::Send(ToServer::Admin { number, request }));
        Ok(number)
    }

    fn take_grant(&mut self) -> Result<(), StoreError> {
        (self.standing, self.epoch) = match &self.meta.grant {
            Some(bytes) => {
                let grant = Grant::from_store(bytes);
                let grant = grant.map_err(|error| StoreError::Damaged(error.to_string()))?;
                (grant.standing, grant.epoch)
            }
            None => (None, PolicyEpoch::default()),
        };
        Ok(())
    }

    /// After a failed step takes up what the store holds, as far as it can be read.
    fn recover(&mut self, store: &impl ReplicaStore) -> Result<(), StoreError> {
        if self.doubtful {
            self.meta = store.meta()?;
            self.take_grant()?;
            self.leave_copied_ids();
            self.be_another();
            self.doubtful = false;
        }
        Ok(())
    }

    /// Notes that a step failed.
    fn doubt(&mut self, store: &impl ReplicaStore) {
        self.doubtful = true;
        if let Err(error) = self.recover(store) {
            tracing::warn!(%error, "the store cannot be read after a failure; tried again later");
        }
    }

    /// Writes a batch.
    fn keep<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        batch: ReplicaBatch,
    ) -> Result<(), StoreError> {
        store.commit(batch).inspect_err(|_| self.doubt(store))
    }

    /// No two lives of a device, and no two ways of writing its pending edits, share an actor.
    fn fresh_actor(&mut self) -> ActorId {
        ActorId { device: self.device(), incarnation: self.entropy.next_u64() }
    }

    /// Writes as a fresh actor from now on.
    fn be_another(&mut self) {
        self.actors = Actors::new(self.fresh_actor());
    }

    fn device(&self) -> DeviceNumber {
        self.meta.enrolment.as_ref().map(|it| it.device).unwrap_or_default()
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn tell_changed(&mut self, changed: Vec<(TableName, RecordId)>) {
        for (table, record) in changed {
            self.tell(Event::Changed { table, record });
        }
    }
}
