//! The small world: what there is, what can happen, and what happens then.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;

use tidegate::codec::{
    EnrollCode, EnrollTerms, SecretKey, ServerCertificate, ToDevice, ToServer, decode_message,
    encode_message,
};
use tidegate::gate::Roster;
use tidegate::model::{Columns, EditId, Op, RecordId, TableName, Timestamp, Value};
use tidegate::policy::{Format, read_policy_as};
use tidegate::read_schema;
use tidegate::sync::Quarantined;
use tidegate::sync::replica::{Draft, Event, Intent, Output, Purpose, ReplicaMachine};
use tidegate::sync::server::{
    ConnectionId, Identity, Output as ServerOutput, Rules, ServerMachine,
};

use crate::memory::{MemoryReplica, MemoryServer};

/// The devices: Ann's, and that of Bob, who loses a right.
pub(crate) const ANN: usize = 0;
pub(crate) const BOB: usize = 1;

/// How often a device connects at most.
const CONNECTS_MAX: u8 = 2;

const SCHEMA: &str = r#"
[[table]]
id = "note"
ownership = "user_owned"
columns = [{ id = "text", type = "text" }, { id = "visits", type = "counter" }]
"#;

const POLICY: &str = r#"
[[business_unit]]
id = "all"
[[user]]
id = "ann"
business_unit = "all"
roles = ["editor"]
[[user]]
id = "bob"
business_unit = "all"
roles = ["editor"]
[[role]]
id = "editor"
[role.rights.note]
create = "organization"
read = "organization"
write = "organization"
[[role]]
id = "reader"
[role.rights.note]
read = "organization"
"#;

/// What Bob loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    Write,
    Read,
}

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// A device makes its next edit.
    Edit(usize),
    Connect(usize),
    /// The next message of a device arrives at the server.
    Up(usize),
    /// The next message for a device arrives there.
    Down(usize),
    /// The server judges what has arrived.
    Judge,
    /// Bob loses a right.
    Revoke,
    /// A connection is gone, and all that was on its way.
    Cut(usize),
    /// The process of a device ends, and another takes up its file.
    CrashDevice(usize),
    /// That of the server.
    CrashServer,
}

pub(crate) struct Device {
    pub(crate) machine: ReplicaMachine,
    pub(crate) store: MemoryReplica,
    key: SecretKey,
    code: EnrollCode,
    up: VecDeque<Vec<u8>>,
    down: VecDeque<Vec<u8>>,
    connection: Option<ConnectionId>,
    connects: u8,
    /// The edits that it made.
    pub(crate) made: Vec<EditId>,
    /// What its app was told of them.
    pub(crate) admitted: Vec<EditId>,
    pub(crate) denied: Vec<Quarantined>,
}

pub(crate) struct World {
    pub(crate) loss: Loss,
    server: ServerMachine,
    pub(crate) store: MemoryServer,
    identity: Identity,
    pub(crate) devices: [Device; 2],
    connections: u64,
    /// Something arrived that was not judged.
    unjudged: bool,
    pub(crate) revoked: bool,
    faults: u8,
    lives: u8,
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000).unwrap()
}

fn tls() -> SecretKey {
    SecretKey::from_seed([3; 32])
}

pub(crate) fn table() -> TableName {
    "note".parse().unwrap()
}

pub(crate) fn record() -> RecordId {
    RecordId::from_bytes([7; 16])
}

fn rules(loss: Option<Loss>) -> Rules {
    let schema = read_schema(SCHEMA, "schema.toml").unwrap();
    let roles = match loss {
        None => "[\"editor\"]",
        Some(Loss::Write) => "[\"reader\"]",
        Some(Loss::Read) => "[]",
    };
    // Bob's are the last.
    let (before, behind) = POLICY.rsplit_once("[\"editor\"]").unwrap();
    let text = [before, roles, behind].concat();
    let document = read_policy_as(Format::Toml, &text, "policy.toml", Some(&schema), None).unwrap();
    let organization = Arc::new(document.organization.unwrap());
    Rules::new(schema, Roster::new(Arc::new(document.policy), organization)).unwrap()
}

impl World {
    /// Both devices are enrolled, hold one record of Ann's, and are not connected.
    pub(crate) fn new(loss: Loss) -> Self {
        let (organization, key) = (SecretKey::from_seed([1; 32]), SecretKey::from_seed([2; 32]));
        let certificate =
            ServerCertificate::issue(&organization, key.public(), tls().public(), 1, now());
        let certificate = certificate.to_bytes();
        let identity = Identity { organization: organization.public(), key, certificate };
        let mut store = MemoryServer::default();
        let mut server =
            ServerMachine::open(&mut store, identity.clone(), rules(None), now(), [4; 32]).unwrap();
        server.set_backed_up(&mut store, None).unwrap();
        let devices = ["ann", "bob"].map(|user| Device::new(&identity, user));
        let mut world = Self {
            loss,
            server,
            store,
            identity,
            devices,
            connections: 0,
            unjudged: false,
            revoked: false,
            faults: 0,
            lives: 0,
        };
        world.connect(ANN);
        world.deliver_all();
        let columns = Columns::from([("text".parse().unwrap(), Value::Text("first".into()))]);
        world.commit(ANN, Intent::Create { owner: None, columns });
        world.connect(BOB);
        world.deliver_all();
        for at in [ANN, BOB] {
            world.cut(at);
            let device = &mut world.devices[at];
            (device.connects, device.made, device.admitted) = Default::default();
        }
        world
    }

    /// What can happen now.
    pub(crate) fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.faults == 0 {
            let connected = [ANN, BOB].into_iter().filter(|at| self.is_connected(*at));
            actions.extend(connected.map(Action::Cut));
            actions.extend([ANN, BOB].map(Action::CrashDevice));
            actions.push(Action::CrashServer);
        }
        if !self.revoked {
            actions.push(Action::Revoke);
        }
        for at in [ANN, BOB] {
            let device = &self.devices[at];
            let edits = if at == ANN { 1 } else { 2 };
            if device.made.len() < edits {
                actions.push(Action::Edit(at));
            }
            if !self.is_connected(at) && device.connects < CONNECTS_MAX {
                actions.push(Action::Connect(at));
            }
            if !device.up.is_empty() {
                actions.push(Action::Up(at));
            }
            if !device.down.is_empty() {
                actions.push(Action::Down(at));
            }
        }
        if self.unjudged {
            actions.push(Action::Judge);
        }
        actions
    }

    pub(crate) fn act(&mut self, action: Action) {
        match action {
            Action::Edit(at) => self.edit(at),
            Action::Connect(at) => self.connect(at),
            Action::Up(at) => self.up(at),
            Action::Down(at) => self.down(at),
            Action::Judge => self.judge(),
            Action::Revoke => {
                self.revoked = true;
                let rules = self.rules();
                self.server.set_rules(&mut self.store, now(), rules).unwrap();
                self.drain_server();
            }
            Action::Cut(at) => {
                self.faults += 1;
                self.cut(at);
            }
            Action::CrashDevice(at) => {
                self.faults += 1;
                self.cut(at);
                let device = &mut self.devices[at];
                device.machine =
                    ReplicaMachine::open(&device.store, device.key.clone(), [60; 32]).unwrap();
            }
            Action::CrashServer => {
                self.faults += 1;
                self.crash_server();
            }
        }
    }

    fn rules(&self) -> Rules {
        rules(Some(self.loss).filter(|_| self.revoked))
    }

    fn crash_server(&mut self) {
        self.cut(ANN);
        self.cut(BOB);
        self.lives += 1;
        let (identity, seed) = (self.identity.clone(), [100 + self.lives; 32]);
        let rules = self.rules();
        self.server = ServerMachine::open(&mut self.store, identity, rules, now(), seed).unwrap();
        self.unjudged = false;
    }

    fn is_connected(&self, at: usize) -> bool {
        self.devices[at].connection.is_some()
    }

    fn edit(&mut self, at: usize) {
        let put = |text: &str| Op::Put {
            column: "text".parse().unwrap(),
            value: Value::Text(text.into()),
        };
        let op = match (at, self.devices[at].made.len()) {
            (ANN, _) => put("by Ann"),
            (_, 0) => Op::Increment { column: "visits".parse().unwrap(), by: 1 },
            _ => put("by Bob"),
        };
        self.commit(at, Intent::Ops(vec![op]));
    }

    fn commit(&mut self, at: usize, intent: Intent) {
        let Device { machine, store, .. } = &mut self.devices[at];
        let draft = Draft { table: table(), record: record(), intent };
        // What is refused here, or of what is not there, is not made.
        if let Ok(made) = machine.commit(store, now(), vec![draft], false) {
            self.devices[at].made.extend(made);
        }
        self.drain(at);
    }

    fn connect(&mut self, at: usize) {
        self.connections += 1;
        let id = ConnectionId(self.connections);
        let device = &mut self.devices[at];
        device.connects += 1;
        let purpose = match device.machine.meta().enrolment {
            Some(_) => Purpose::Sync,
            None => Purpose::Enroll { code: Box::new(device.code.clone()), name: "it".into() },
        };
        device.machine.connected(purpose, tls().public()).unwrap();
        device.connection = Some(id);
        self.server.connected(id, device.key.public());
        self.drain_server();
    }

    fn cut(&mut self, at: usize) {
        let device = &mut self.devices[at];
        device.machine.disconnected();
        device.up.clear();
        device.down.clear();
        if let Some(id) = device.connection.take() {
            self.server.disconnected(id);
        }
        self.drain(at);
    }

    fn up(&mut self, at: usize) {
        let device = &mut self.devices[at];
        let (Some(bytes), Some(id)) = (device.up.pop_front(), device.connection) else { return };
        let message = decode_message::<ToServer>(&bytes).unwrap();
        self.unjudged |= matches!(message, ToServer::Push(_));
        self.server.received(&mut self.store, now(), id, message).unwrap();
        self.drain_server();
    }

    fn judge(&mut self) {
        self.unjudged = false;
        self.server.rule(&mut self.store, now()).unwrap();
        // No state of the world.
        self.server.take_work();
        self.drain_server();
    }

    fn down(&mut self, at: usize) {
        let Some(bytes) = self.devices[at].down.pop_front() else { return };
        let message = decode_message::<ToDevice>(&bytes).unwrap();
        let is_page = matches!(message, ToDevice::Page(_));
        let Device { machine, store, .. } = &mut self.devices[at];
        machine.received(store, now(), message).unwrap();
        self.drain(at);
        if let Some(id) = self.devices[at].connection.filter(|_| is_page) {
            self.server.writable(&self.store, id).unwrap();
            self.drain_server();
        }
    }

    fn drain(&mut self, at: usize) {
        let device = &mut self.devices[at];
        let mut closes = false;
        while let Some(output) = device.machine.poll_output() {
            match output {
                Output::Send(message) => device.up.push_back(encode_message(&message).unwrap()),
                Output::Close(_) => closes = true,
                Output::Event(Event::Admitted { edit, .. }) => device.admitted.push(edit),
                Output::Event(Event::Denied(entry)) => device.denied.push(entry),
                Output::Event(_) => {}
                Output::Answer(..) => panic!("an answer to nothing"),
            }
        }
        if closes {
            self.cut(at);
        }
    }

    fn drain_server(&mut self) {
        while let Some(output) = self.server.poll_output() {
            let of = |id, devices: &[Device; 2]| {
                devices.iter().position(|device| device.connection == Some(id))
            };
            match output {
                ServerOutput::Send(id, message) => {
                    if let Some(at) = of(id, &self.devices) {
                        self.devices[at].down.push_back(encode_message(&message).unwrap());
                    }
                }
                ServerOutput::LookOn(id) => self.server.writable(&self.store, id).unwrap(),
                ServerOutput::Close(id, _) => {
                    if let Some(at) = of(id, &self.devices) {
                        self.cut(at);
                    }
                }
            }
        }
    }

    fn deliver_all(&mut self) {
        loop {
            let before = self.devices.each_ref().map(|it| (it.up.len(), it.down.len()));
            for at in [ANN, BOB] {
                self.up(at);
                self.judge();
                self.down(at);
            }
            if before == [(0, 0); 2] {
                return;
            }
        }
    }

    /// No more faults, and all are connected, twice: what settled must stay.
    pub(crate) fn settle(&mut self) {
        for _ in 0..2 {
            for at in [ANN, BOB] {
                if !self.is_connected(at) {
                    self.connect(at);
                }
            }
            self.deliver_all();
            self.cut(ANN);
            self.cut(BOB);
        }
    }

    /// Names the state: two worlds with the same go on alike.
    pub(crate) fn digest(&self) -> blake3::Hash {
        let mut text = String::new();
        let Self { server, store, devices, unjudged, revoked, faults, .. } = self;
        write!(text, "{server:?}{store:?}{unjudged}{revoked}{faults}").unwrap();
        for device in devices {
            let Device { machine, store, up, down, connection, connects, made, .. } = device;
            let connection = connection.is_some();
            write!(text, "{machine:?}{store:?}{up:?}{down:?}{connection}{connects}{made:?}")
                .unwrap();
        }
        blake3::hash(text.as_bytes())
    }
}

impl Device {
    fn new(identity: &Identity, user: &str) -> Self {
        let number = user.as_bytes()[0];
        let terms = EnrollTerms {
            addresses: vec!["server.example:4433".into()],
            organization: identity.organization,
            user: user.parse().unwrap(),
            nonce: [number; 8],
            expires: now().plus_millis(1_000_000),
        };
        let key = SecretKey::from_seed([number; 32]);
        let store = MemoryReplica::default();
        let (up, down, made, admitted, denied) = Default::default();
        Self {
            machine: ReplicaMachine::open(&store, key.clone(), [number + 1; 32]).unwrap(),
            store,
            key,
            code: EnrollCode::mint(&identity.key, terms).unwrap(),
            up,
            down,
            connection: None,
            connects: 0,
            made,
            admitted,
            denied,
        }
    }
}
