//! A server and two devices in one thread, each with its file on a disk whose power may go, and
//! the script of a session: edits, transactions, sync, denial, grant, retry, restarts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidegate::codec::{EnrollCode, EnrollTerms, PublicKey, SecretKey, ServerCertificate, ToServer};
use tidegate::gate::Roster;
use tidegate::model::{
    BusinessUnit, Columns, Depth, Edit, EditId, Inheritance, Op, Organization, Policy, RecordId,
    Right, Role, SYSTEM_ADMINISTRATOR, Schema, Sequence, TableName, Timestamp, User, Value,
};
use tidegate::sync::replica::{
    Draft, EditError, Event, Intent, Output, Purpose, ReplicaMachine, SessionError,
};
use tidegate::sync::server::{
    ConnectionId, Identity, Output as ServerOutput, Rules, ServerMachine,
};
use tidegate::sync::{LogEntry, Quarantined, ReplicaStore as _, ServerStore as _};

use crate::data::{column, id};
use crate::disk::Disk;
use crate::replicas;
use crate::watched::{Watched, WatchedReplica, WatchedServer};

/// 2026-01-01.
const START_MILLIS: i64 = 1_767_225_600_000;
/// The parts of a world: two devices, and the server behind them.
pub(crate) const SERVER: usize = 2;
const USERS: [&str; 2] = ["ann", "bob"];

/// What happens in a session.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A device makes edits, as one transaction where it says so.
    Edit(usize, Vec<(u64, Intent)>, bool),
    /// A device connects, and all is sent, judged and received that there is.
    Sync(usize),
    /// Whether workers may write.
    Allow(bool),
    /// All that a device has in quarantine is tried again, or thrown away.
    Retry(usize),
    Discard(usize),
    /// A part is closed in good order, and opened.
    Restart(usize),
    /// A backup of the server is made, of all that it has.
    BackUp,
}

fn visit() -> TableName {
    replicas::table().id
}

fn text(name: &str, text: &str) -> Columns {
    [(column(name), Value::Text(text.into()))].into()
}

fn splice(at: u32, insert: &str) -> Op {
    Op::Splice { column: column("notes"), at, delete: 0, insert: insert.into() }
}

/// A morning of two people: every kind of batch and commit is in it.
pub(crate) fn script() -> Vec<Step> {
    use Step::{Allow, BackUp, Discard, Edit, Restart, Retry, Sync};
    let create = |name: &str| Intent::Create { owner: None, columns: text("name", name) };
    let set = |to: &str| Intent::Set(text("name", to));
    let tags = Op::ListInsert { column: column("tags"), at: 0, values: vec![Value::Integer(1)] };
    let size = Op::MapPut { column: column("sizes"), key: "a".into(), value: Value::Integer(2) };
    let count = Op::Increment { column: column("visits"), by: 3 };
    vec![
        Edit(0, vec![(1, create("alone"))], false),
        Sync(0),
        Sync(1),
        Edit(0, vec![(2, create("two")), (3, create("three")), (2, set("two, again"))], true),
        Edit(0, vec![(1, Intent::Ops(vec![splice(0, "hello"), count.clone()]))], false),
        Sync(0),
        Sync(1),
        // Both at once, and apart.
        Edit(0, vec![(1, Intent::Ops(vec![splice(5, " from ann"), tags.clone()]))], false),
        Edit(1, vec![(1, Intent::Ops(vec![splice(0, "bob: "), size, count]))], false),
        Edit(1, vec![(4, create("of bob")), (2, set("of both"))], true),
        Restart(1),
        Sync(1),
        Sync(0),
        // What may not be any more: refused, tried again when it may, or thrown away.
        Edit(1, vec![(2, set("denied"))], false),
        Edit(1, vec![(1, Intent::Ops(vec![splice(0, "no: ")]))], false),
        Allow(false),
        Restart(SERVER),
        Sync(1),
        Allow(true),
        BackUp,
        Sync(1),
        Retry(1),
        Sync(1),
        Allow(false),
        Edit(1, vec![(3, set("denied for good"))], false),
        Sync(1),
        Discard(1),
        Allow(true),
        Edit(0, vec![(3, Intent::Delete)], false),
        Restart(0),
        Edit(0, vec![(1, Intent::Ops(vec![tags]))], false),
        Sync(0),
        Sync(1),
        BackUp,
        Sync(0),
    ]
}

fn rules(workers_write: bool) -> Rules {
    let mut rights =
        BTreeMap::from([(Right::Create, Depth::Organization), (Right::Read, Depth::Organization)]);
    if workers_write {
        rights.insert(Right::Write, Depth::Organization);
    }
    let rights = BTreeMap::from([(visit(), rights)]);
    let worker = Role { inheritance: Inheritance::Direct, rights };
    let mut policy = Policy::default();
    policy.roles.insert("worker".parse().unwrap(), worker);
    let user = |role: &str| User {
        name: None,
        business_unit: "acme".parse().unwrap(),
        manager: None,
        position: None,
        roles: BTreeSet::from([role.parse().unwrap()]),
        disabled: false,
    };
    let people = Organization {
        business_units: [("acme".parse().unwrap(), BusinessUnit { name: None, parent: None })]
            .into(),
        users: [
            (USERS[0].parse().unwrap(), user(SYSTEM_ADMINISTRATOR)),
            (USERS[1].parse().unwrap(), user("worker")),
        ]
        .into(),
        ..Organization::default()
    };
    Rules::new(schema(), Roster::new(Arc::new(policy), Arc::new(people))).unwrap()
}

fn schema() -> Schema {
    Schema { tables: [(visit(), replicas::table())].into(), ..Schema::default() }
}

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

fn device_key(at: usize) -> SecretKey {
    key(10 + u8::try_from(at).unwrap())
}

fn time(now: i64) -> Timestamp {
    Timestamp::from_millis(now).unwrap()
}

/// What the devices' users were told, and so must hold.
#[derive(Debug, Default, Clone)]
pub(crate) struct Told {
    /// Edits that were made.
    made: Vec<(usize, EditId)>,
    /// Where an edit lies in the log.
    admitted: Vec<(EditId, Sequence)>,
    /// Edits that were tried again or thrown away.
    dealt_with: BTreeSet<(usize, EditId)>,
    pub(crate) denied: usize,
    /// Refused edits that were pending again by themselves.
    pub(crate) reconsidered: usize,
}

pub(crate) struct World {
    pub(crate) devices: [WatchedReplica; 2],
    pub(crate) server: WatchedServer,
    machines: [Option<ReplicaMachine>; 2],
    judge: Option<ServerMachine>,
    identity: Identity,
    workers_write: bool,
    now: i64,
    lives: u8,
    connections: u64,
    pub(crate) told: Told,
}

impl World {
    pub(crate) fn new(replica: &[u8], server: &[u8]) -> Self {
        let certificate =
            ServerCertificate::issue(&key(1), key(2).public(), tls(), 1, time(START_MILLIS));
        let identity = Identity {
            organization: key(1).public(),
            key: key(2),
            certificate: certificate.to_bytes(),
        };
        let device = || Watched::holding(replica.to_vec());
        Self {
            devices: [device(), device()],
            server: Watched::holding(server.to_vec()),
            machines: [None, None],
            judge: None,
            identity,
            workers_write: true,
            now: START_MILLIS,
            lives: 0,
            connections: 0,
            told: Told::default(),
        }
    }

    /// The same world as everyone's file has it: nobody has it open.
    pub(crate) fn copy(&self) -> Self {
        Self {
            devices: [self.devices[0].copy(), self.devices[1].copy()],
            server: self.server.copy(),
            machines: [None, None],
            judge: None,
            identity: self.identity.clone(),
            told: self.told.clone(),
            ..*self
        }
    }

    pub(crate) fn open_all(&mut self) {
        self.open(SERVER);
        self.open(0);
        self.open(1);
    }

    pub(crate) fn disk(&self, part: usize) -> &Disk {
        if part == SERVER { &self.server.disk } else { &self.devices[part].disk }
    }

    /// One step of the script, on what the one before left.
    pub(crate) fn step(&mut self, step: &Step) {
        self.now += 1_000;
        match step {
            Step::Edit(at, drafts, atomic) => self.edit(*at, drafts, *atomic),
            Step::Sync(at) => self.sync(*at),
            Step::Retry(at) => self.deal_with_quarantine(*at, true),
            Step::Discard(at) => self.deal_with_quarantine(*at, false),
            Step::Restart(part) => {
                self.close(*part);
                self.open(*part);
            }
            Step::Allow(write) => {
                self.workers_write = *write;
                let (machine, now) = (self.judge.as_mut().unwrap(), time(self.now));
                let result = machine.set_rules(&mut self.server, now, rules(*write));
                self.look(SERVER, result.is_ok());
            }
            Step::BackUp => {
                let machine = self.judge.as_mut().unwrap();
                let head = machine.meta().head;
                let result = machine.set_backed_up(&mut self.server, Some(head));
                self.look(SERVER, result.is_ok());
            }
        }
    }

    fn seed(&mut self) -> [u8; 32] {
        self.lives += 1;
        [self.lives; 32]
    }

    fn close(&mut self, part: usize) {
        if part == SERVER {
            self.judge = None;
            self.server.close();
        } else {
            self.machines[part] = None;
            self.devices[part].close();
        }
    }

    /// Opens a part that is closed; where the power goes meanwhile, once more.
    fn open(&mut self, part: usize) {
        let seed = self.seed();
        let opened = if part == SERVER {
            self.server.open() && {
                let (identity, rules) = (self.identity.clone(), rules(self.workers_write));
                let now = time(self.now);
                let machine = ServerMachine::open(&mut self.server, identity, rules, now, seed);
                self.judge = machine.ok();
                self.judge.is_some()
            }
        } else {
            self.devices[part].open() && {
                let store = &mut self.devices[part];
                let machine = ReplicaMachine::open(store, device_key(part), seed);
                self.machines[part] = machine.ok();
                self.machines[part].as_mut().is_some_and(|machine| {
                    let is_new = machine.meta().enrolment.is_none();
                    !is_new || machine.set_local_schema(store, schema()).is_ok()
                })
            }
        };
        self.look(part, opened);
    }

    /// Sees whether the power is gone: then it comes back, and the part opens what is left.
    fn look(&mut self, part: usize, went_well: bool) -> bool {
        let dark =
            if part == SERVER { self.server.is_dark() } else { self.devices[part].is_dark() };
        assert!(went_well || dark, "part {part} fails with its power on");
        if dark {
            self.close(part);
            if part == SERVER {
                self.server.power_on();
            } else {
                self.devices[part].power_on();
            }
            self.open(part);
        }
        dark
    }

    fn edit(&mut self, at: usize, drafts: &[(u64, Intent)], atomic: bool) {
        let draft = |(record, intent): &(u64, Intent)| Draft {
            table: visit(),
            record: id(*record),
            intent: intent.clone(),
        };
        let drafts = drafts.iter().map(draft).collect();
        let machine = self.machines[at].as_mut().unwrap();
        let result = machine.commit(&mut self.devices[at], time(self.now), drafts, atomic);
        let went_well = match &result {
            Ok(ids) => {
                self.told.made.extend(ids.iter().map(|id| (at, *id)));
                true
            }
            // What it was to change was never made.
            Err(error) => !matches!(error, EditError::Store(_)),
        };
        self.drain(at);
        self.look(at, went_well);
    }

    fn deal_with_quarantine(&mut self, at: usize, retries: bool) {
        for entry in self.devices[at].quarantine().unwrap() {
            let (machine, store) = (self.machines[at].as_mut().unwrap(), &mut self.devices[at]);
            let result = if retries {
                machine.retry(store, time(self.now), entry.edit).map(|ids| {
                    self.told.made.extend(ids.into_iter().map(|id| (at, id)));
                })
            } else {
                machine.discard(store, entry.edit).map_err(EditError::from)
            };
            // The device may not know yet that it may, or had it with the rest of its transaction.
            let refused = matches!(&result, Err(error) if !matches!(error, EditError::Store(_)));
            let dark = self.look(at, refused || result.is_ok());
            if self.devices[at].quarantine().unwrap().iter().all(|left| left.edit != entry.edit) {
                self.told.dealt_with.insert((at, entry.edit));
            }
            if dark {
                return;
            }
        }
    }

    /// What left quarantine by itself must be found as what is pending since then.
    fn note_reconsidered(&mut self, at: usize, before: &[Quarantined]) {
        let store = &self.devices[at];
        let after = store.quarantine().unwrap();
        let gone: Vec<_> = before.iter().filter(|entry| !after.contains(entry)).collect();
        if gone.is_empty() {
            return;
        }
        let pending = store.pending_after(tidegate::sync::Turn::default(), usize::MAX).unwrap();
        for entry in gone {
            let is_it = |edit: &Edit| edit.ops().cloned().eq(entry.ops.iter().cloned());
            let again = pending.iter().find(|it| it.edit.id > entry.edit && is_it(&it.edit));
            let again = again.unwrap_or_else(|| panic!("{entry:?} is nowhere in {pending:?}"));
            self.told.dealt_with.insert((at, entry.edit));
            self.told.made.push((at, again.edit.id));
            self.told.reconsidered += 1;
        }
    }

    /// A session from its beginning until nothing moves, or the power goes somewhere.
    fn sync(&mut self, at: usize) {
        self.connections += 1;
        let id = ConnectionId(self.connections);
        let machine = self.machines[at].as_mut().unwrap();
        let purpose = if machine.meta().enrolment.is_some() {
            Purpose::Sync
        } else {
            Purpose::Enroll { code: Box::new(code(at)), name: USERS[at].into() }
        };
        machine.connected(purpose, tls()).unwrap();
        self.judge.as_mut().unwrap().connected(id, device_key(at).public());
        while self.goes_on(at, id) {}
        // Whoever lost its power has forgotten the connection.
        if let Some(machine) = &mut self.machines[at] {
            machine.disconnected();
        }
        if let Some(judge) = &mut self.judge {
            judge.disconnected(id);
        }
    }

    /// One round of messages; whether there were any, and the power is on.
    fn goes_on(&mut self, at: usize, id: ConnectionId) -> bool {
        let up = self.drain(at);
        let now = time(self.now);
        let judge = self.judge.as_mut().unwrap();
        let mut result = Ok(());
        let mut moves = !up.is_empty();
        for message in up {
            result = result.and_then(|()| judge.received(&mut self.server, now, id, message));
        }
        let result = result.and_then(|()| judge.rule(&mut self.server, now));
        let mut down = Vec::new();
        let mut closed = None;
        while let Some(output) = judge.poll_output() {
            match output {
                ServerOutput::Send(_, message) => down.push(message),
                ServerOutput::LookOn(_) => moves = true,
                ServerOutput::Close(_, refusal) => closed = Some(refusal),
            }
        }
        assert!(closed.is_none() || result.is_err(), "{closed:?}");
        // What was said before the power went arrives.
        moves |= !down.is_empty();
        for message in down {
            let refused = self.devices[at].quarantine().unwrap();
            let machine = self.machines[at].as_mut().unwrap();
            let result = machine.received(&mut self.devices[at], now, message);
            let went_well = !matches!(&result, Err(SessionError::Store(_)));
            assert!(result.is_ok() || !went_well, "{result:?}");
            if !went_well {
                self.drain(at);
            }
            let dark = self.look(at, went_well);
            self.note_reconsidered(at, &refused);
            if dark {
                return false;
            }
        }
        if self.look(SERVER, result.is_ok()) {
            return false;
        }
        let result = self.judge.as_mut().unwrap().writable(&self.server, id);
        moves | !self.look(SERVER, result.is_ok()) && moves
    }

    /// What the device wants sent; it notes what the user is told.
    fn drain(&mut self, at: usize) -> Vec<ToServer> {
        let mut messages = Vec::new();
        while let Some(output) = self.machines[at].as_mut().unwrap().poll_output() {
            match output {
                Output::Send(message) => messages.push(message),
                Output::Close(error) => assert!(matches!(error, SessionError::Store(_)), "{error}"),
                Output::Event(Event::Admitted { edit, sequence, .. }) => {
                    self.told.admitted.push((edit, sequence));
                }
                Output::Event(Event::Denied { .. }) => self.told.denied += 1,
                Output::Event(_) | Output::Answer(..) => {}
            }
        }
        messages
    }

    /// Everyone comes back until nothing is left to do, and what was told holds.
    pub(crate) fn settle(&mut self) {
        for _ in 0..3 {
            self.sync(0);
            self.sync(1);
        }
        let log = self.server.log_after(Sequence(0), usize::MAX).unwrap();
        for (edit, sequence) in &self.told.admitted {
            let entry = log.iter().find(|entry| entry.sequence == *sequence);
            let found = entry.and_then(LogEntry::edit).map(|edit| edit.id);
            assert_eq!(found, Some(*edit), "told to be admitted");
        }
        let logged: Vec<_> = log.iter().filter_map(LogEntry::edit).map(|edit| edit.id).collect();
        assert_eq!(logged.iter().collect::<BTreeSet<_>>().len(), logged.len(), "admitted twice");
        for (at, made) in &self.told.made {
            let store = &self.devices[*at];
            let number = store.meta().unwrap().enrolment.unwrap().device;
            // What was made before enrolment has the device's number since.
            let edit = EditId { device: number, ..*made };
            let refused = store.quarantine().unwrap().iter().any(|entry| entry.edit == edit);
            let dealt_with = self.told.dealt_with.contains(&(*at, edit));
            let found = logged.contains(&edit) || refused || dealt_with;
            assert!(found, "device {at} lost {edit:?}");
        }
        self.assert_equal();
    }

    fn assert_equal(&self) {
        let records = self.server.scan(None, usize::MAX).unwrap();
        for (at, device) in self.devices.iter().enumerate() {
            assert_eq!(device.pending_after(tidegate::sync::Turn::default(), 1).unwrap(), []);
            let held = device.confirmed_ids().unwrap();
            assert_eq!(held.len(), records.len(), "device {at}");
            for confirmed in &records {
                let record = confirmed.record();
                let held = device.confirmed(record.table(), record.id()).unwrap().unwrap();
                assert_eq!(held.record().header(), record.header());
                assert_eq!(held.record().columns(), record.columns(), "device {at}");
                for section in record.sections().map(|it| it.0) {
                    assert_eq!(held.record().heads(section), record.heads(section));
                }
                let row = device.row(record.table(), record.id()).unwrap();
                let shown = row.map(|row| row.columns);
                let is_shown = record.is_active().then(|| record.columns().clone());
                assert_eq!(shown, is_shown, "device {at}");
            }
        }
    }
}

fn tls() -> PublicKey {
    key(3).public()
}

fn code(at: usize) -> EnrollCode {
    let terms = EnrollTerms {
        addresses: vec!["server.example:4433".into()],
        organization: key(1).public(),
        user: USERS[at].parse().unwrap(),
        nonce: u64::try_from(at).unwrap().to_le_bytes(),
        expires: time(START_MILLIS * 2),
    };
    EnrollCode::mint(&key(2), terms).unwrap()
}

/// The records of the script.
pub(crate) fn places() -> Vec<(TableName, RecordId)> {
    (1..=4).map(|n| (visit(), id(n))).collect()
}
