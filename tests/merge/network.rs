//! Two devices and a server as machines, every message as its bytes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tidegate::codec::{
    EnrollCode, EnrollTerms, PublicKey, SecretKey, ServerCertificate, ToDevice, ToServer,
    decode_message, encode_message,
};
use tidegate::crdt::Record;
use tidegate::gate::Roster;
use tidegate::model::{
    BusinessUnit, BusinessUnitId, Columns, Op, Organization, Policy, RecordId,
    SYSTEM_ADMINISTRATOR, Schema, Timestamp, User, UserId, Value,
};
use tidegate::sync::replica::{Draft, Intent, Output, Purpose, ReplicaMachine};
use tidegate::sync::server::{
    ConnectionId, HistoryBounds, Identity, LogBounds, Output as ServerOutput, PageBounds, Rules,
    ServerMachine,
};
use tidegate::sync::{ReplicaStore as _, ServerStore as _};

use crate::memory::{MemoryReplica, MemoryServer};
use crate::replicas::{column, table};

pub(crate) struct Device {
    machine: ReplicaMachine,
    pub(crate) store: MemoryReplica,
    key: PublicKey,
    code: EnrollCode,
    up: VecDeque<Vec<u8>>,
    down: VecDeque<Vec<u8>>,
    connection: Option<ConnectionId>,
}

pub(crate) struct Network {
    server: ServerMachine,
    store: MemoryServer,
    tls: PublicKey,
    pub(crate) devices: Vec<Device>,
    connections: u64,
    /// Bytes of messages to the server, and from it.
    pub(crate) wire: (usize, usize),
    /// Someone means harm: a session may end, and a device may be refused an edit.
    hostile: bool,
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000).unwrap()
}

pub(crate) fn record() -> RecordId {
    RecordId::from_bytes([1; 16])
}

fn rules() -> Rules {
    let unit: BusinessUnitId = "all".parse().unwrap();
    let user = User {
        name: None,
        business_unit: unit.clone(),
        manager: None,
        position: None,
        roles: BTreeSet::from([SYSTEM_ADMINISTRATOR.parse().unwrap()]),
        disabled: false,
    };
    let organization = Organization {
        business_units: BTreeMap::from([(unit, BusinessUnit { name: None, parent: None })]),
        positions: BTreeMap::new(),
        users: BTreeMap::from([("ann".parse().unwrap(), user)]),
        teams: BTreeMap::new(),
    };
    let schema = Schema { tables: BTreeMap::from([(table().id, table())]), ..Schema::default() };
    Rules::new(schema, Roster::new(Policy::default().into(), organization.into())).unwrap()
}

impl Network {
    /// Devices that are enrolled and have the record, with no text in it.
    pub(crate) fn new(devices: u8) -> Self {
        let (organization, key) = (SecretKey::from_seed([1; 32]), SecretKey::from_seed([2; 32]));
        let tls = SecretKey::from_seed([3; 32]).public();
        let certificate = ServerCertificate::issue(&organization, key.public(), tls, 1, now());
        let device = |number: u8| {
            let user: UserId = "ann".parse().unwrap();
            let terms = EnrollTerms {
                addresses: vec!["server.example:4433".into()],
                organization: organization.public(),
                user,
                nonce: [number; 8],
                expires: now().plus_millis(1_000_000),
            };
            let own = SecretKey::from_seed([10 + number; 32]);
            let store = MemoryReplica::default();
            Device {
                key: own.public(),
                machine: ReplicaMachine::open(&store, own, [20 + number; 32]).unwrap(),
                store,
                code: EnrollCode::mint(&key, terms).unwrap(),
                up: VecDeque::new(),
                down: VecDeque::new(),
                connection: None,
            }
        };
        let devices = (0..devices).map(device).collect();
        let certificate = certificate.to_bytes();
        let identity = Identity { organization: organization.public(), key, certificate };
        let mut store = MemoryServer::default();
        let mut server =
            ServerMachine::open(&mut store, identity, rules(), now(), [4; 32]).unwrap();
        server.set_backed_up(&mut store, None).unwrap();
        let mut net =
            Self { server, store, tls, devices, connections: 0, wire: (0, 0), hostile: false };
        for at in 0..net.devices.len() {
            net.connect(at);
            net.settle();
        }
        let create = Intent::Create { owner: None, columns: Columns::new() };
        net.commit(0, create);
        net.settle();
        (0..net.devices.len()).for_each(|at| net.part(at));
        net.wire = (0, 0);
        net
    }

    /// Sends at most so many entries of the log at a time.
    pub(crate) fn set_page(&mut self, looks: usize) {
        self.server.set_page_bounds(PageBounds::of(looks));
    }

    /// Sections with more changes than these begin a new generation.
    pub(crate) fn set_generation_changes(&mut self, changes: usize) {
        self.server.set_history_bounds(HistoryBounds { changes, ..HistoryBounds::default() });
    }

    /// Sections with more heads than these begin a new generation.
    pub(crate) fn set_generation_heads(&mut self, heads: usize) {
        self.server.set_history_bounds(HistoryBounds { heads, ..HistoryBounds::default() });
    }

    /// The server drops all of the log that it may, but for so many entries.
    pub(crate) fn trim_log(&mut self, entries: u64) {
        let bounds = match entries {
            0 => LogBounds { before: Timestamp::MAX, entries },
            _ => LogBounds { before: Timestamp::MIN, entries },
        };
        while self.server.trim_log(&mut self.store, bounds).unwrap() {}
    }

    /// The places of the log that are there: behind the first, up to the second.
    pub(crate) fn log(&self) -> (u64, u64) {
        let meta = self.server.meta();
        assert_eq!(self.store.log.len() as u64, meta.head.0 - meta.floor.0);
        (meta.floor.0, meta.head.0)
    }

    /// The last place of the log that the device has.
    pub(crate) fn watermark(&self, at: usize) -> u64 {
        self.devices[at].store.meta.watermark.0
    }

    pub(crate) fn is_connected(&self, at: usize) -> bool {
        self.devices[at].connection.is_some()
    }

    fn commit(&mut self, at: usize, intent: Intent) {
        let Device { machine, store, .. } = &mut self.devices[at];
        let draft = Draft { table: table().id, record: record(), intent };
        let made = machine.commit(store, now(), vec![draft], false);
        assert!(self.hostile || made.is_ok(), "{made:?}");
        self.drain(at);
    }

    /// The device writes these operations in one commit.
    pub(crate) fn write(&mut self, at: usize, ops: Vec<Op>) {
        self.commit(at, Intent::Ops(ops));
    }

    pub(crate) fn connect(&mut self, at: usize) {
        self.connections += 1;
        let device = &mut self.devices[at];
        let purpose = match device.machine.meta().enrolment {
            Some(_) => Purpose::Sync,
            None => Purpose::Enroll { code: Box::new(device.code.clone()), name: "one".into() },
        };
        device.machine.connected(purpose, self.tls).unwrap();
        let id = ConnectionId(self.connections);
        device.connection = Some(id);
        self.server.connected(id, device.key);
        self.drain_server();
    }

    /// Cuts the connection: what is on its way is lost.
    pub(crate) fn part(&mut self, at: usize) {
        let device = &mut self.devices[at];
        device.machine.disconnected();
        device.up.clear();
        device.down.clear();
        if let Some(id) = device.connection.take() {
            self.server.disconnected(id);
        }
    }

    fn drain(&mut self, at: usize) {
        let device = &mut self.devices[at];
        let mut closes = false;
        while let Some(output) = device.machine.poll_output() {
            match output {
                Output::Send(message) => device.up.push_back(encode_message(&message).unwrap()),
                Output::Close(_) if self.hostile => closes = true,
                Output::Close(error) => panic!("device {at}: {error}"),
                Output::Event(_) | Output::Answer(..) => {}
            }
        }
        if closes {
            self.part(at);
        }
    }

    fn writable(&mut self, id: ConnectionId) {
        self.server.writable(&self.store, id).unwrap();
        self.server.rule(&mut self.store, now()).unwrap();
    }

    fn drain_server(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                ServerOutput::Send(id, message) => {
                    let to = self.devices.iter_mut().find(|it| it.connection == Some(id));
                    match to {
                        Some(to) => to.down.push_back(encode_message(&message).unwrap()),
                        None => assert!(self.hostile, "nobody is at {id:?}"),
                    }
                }
                ServerOutput::LookOn(id) => self.writable(id),
                ServerOutput::Close(id, _) if self.hostile => {
                    self.server.disconnected(id);
                    let of = self.devices.iter_mut().find(|it| it.connection == Some(id));
                    if let Some(of) = of {
                        (of.connection, of.up, of.down) = Default::default();
                        of.machine.disconnected();
                    }
                }
                ServerOutput::Close(_, refusal) => panic!("{refusal}"),
            }
        }
    }

    /// From now on anyone may send anything.
    pub(crate) fn let_harm_in(&mut self) {
        self.hostile = true;
    }

    /// What is on its way to the server from a device, or to it.
    pub(crate) fn on_the_way(&mut self, at: usize, up: bool) -> &mut VecDeque<Vec<u8>> {
        let device = &mut self.devices[at];
        if up { &mut device.up } else { &mut device.down }
    }

    /// Everything that a device sent arrives, and is judged.
    pub(crate) fn deliver_up(&mut self, at: usize) {
        while let Some(bytes) = self.devices[at].up.pop_front() {
            self.wire.0 += bytes.len();
            let message = decode_message::<ToServer>(&bytes);
            let (Some(id), Ok(message)) = (self.devices[at].connection, message) else {
                assert!(self.hostile, "an honest device sends what is no message");
                self.part(at);
                break;
            };
            self.server.received(&mut self.store, now(), id, message).unwrap();
        }
        self.server.rule(&mut self.store, now()).unwrap();
        self.drain_server();
    }

    /// One message arrives at a device; whether there was one, and whether it was a page.
    pub(crate) fn deliver_down(&mut self, at: usize) -> (bool, bool) {
        let Some(bytes) = self.devices[at].down.pop_front() else { return (false, false) };
        self.wire.1 += bytes.len();
        let Ok(message) = decode_message::<ToDevice>(&bytes) else {
            assert!(self.hostile, "an honest server sends what is no message");
            self.part(at);
            return (true, false);
        };
        let is_page = matches!(message, ToDevice::Page(_));
        let Device { machine, store, .. } = &mut self.devices[at];
        let taken = machine.received(store, now(), message);
        assert!(self.hostile || taken.is_ok(), "{taken:?}");
        self.drain(at);
        if let Some(id) = self.devices[at].connection.filter(|_| is_page) {
            self.writable(id);
            self.drain_server();
        }
        (true, is_page)
    }

    /// Delivers until nothing is under way.
    pub(crate) fn settle(&mut self) {
        while self.devices.iter().any(|it| !it.up.is_empty() || !it.down.is_empty()) {
            for at in 0..self.devices.len() {
                if self.devices[at].connection.is_some() {
                    self.deliver_up(at);
                    while self.deliver_down(at).0 {}
                }
            }
        }
    }

    /// A session in which what the device has written arrives at the server, and that is cut before
    /// anything of others arrives at the device.
    pub(crate) fn push(&mut self, at: usize) {
        self.connect(at);
        let is_open = |net: &Self| net.devices[at].up.len() > 1;
        // The greeting, and the welcome.
        self.deliver_down(at);
        self.deliver_up(at);
        while !is_open(self) && self.deliver_down(at).0 {}
        self.deliver_up(at);
        self.part(at);
    }

    /// A connected device hears what its session begins with, and no more.
    pub(crate) fn pull_welcome(&mut self, at: usize) {
        self.deliver_down(at);
        self.deliver_up(at);
        self.deliver_down(at);
    }

    pub(crate) fn holds_record(&self, at: usize) -> bool {
        self.devices[at].store.confirmed(&table().id, record()).unwrap().is_some()
    }

    /// A session in which nothing of the device arrives at the server, and that is cut once the
    /// device holds what it waits for.
    pub(crate) fn pull(&mut self, at: usize, is_enough: impl Fn(&Self) -> bool) {
        self.connect(at);
        self.deliver_down(at);
        self.deliver_up(at);
        while !is_enough(self) {
            assert!(self.deliver_down(at).0, "device {at} waits for what is not there");
        }
        self.part(at);
    }

    /// The record as the server has it.
    pub(crate) fn on_server(&self) -> Record {
        self.store.record(record()).unwrap().unwrap().record().clone()
    }

    /// The record as it is confirmed on a device.
    pub(crate) fn on_device(&self, at: usize) -> Record {
        self.devices[at].store.confirmed(&table().id, record()).unwrap().unwrap().record().clone()
    }

    /// All that a device shows of the record.
    pub(crate) fn columns(&self, at: usize) -> Columns {
        let row = self.devices[at].store.row(&table().id, record()).unwrap();
        row.map(|row| row.columns).unwrap_or_default()
    }

    /// What a device shows of a column.
    pub(crate) fn value(&self, at: usize, name: &str) -> Option<Value> {
        let row = self.devices[at].store.row(&table().id, record()).unwrap().unwrap();
        row.columns.get(&column(name)).cloned()
    }

    /// The text that a device shows.
    pub(crate) fn shown(&self, at: usize) -> String {
        let row = self.devices[at].store.row(&table().id, record()).unwrap().unwrap();
        match row.columns.get(&column("notes")) {
            Some(Value::RichText(text)) => text.clone(),
            None => String::new(),
            other => panic!("{other:?}"),
        }
    }
}
