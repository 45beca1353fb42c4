//! The small world: what there is, what can happen, and what happens then.

use std::rc::Rc;

use tidegate::codec::{
    SecretKey, ServerCertificate, ToDevice, ToServer, decode_message, encode_message,
};
use tidegate::model::{Columns, Op, RecordId, TableName, Timestamp, Value};
use tidegate::sync::replica::{Draft, Event, Intent, Output, Purpose, ReplicaMachine};
use tidegate::sync::server::{
    ConnectionId, Identity, Output as ServerOutput, Rules, ServerMachine,
};

use crate::device::Device;
use crate::memory::MemoryServer;
use crate::rules::{Loss, rules};
use crate::shared::{Digest, Shared};

/// The devices: Ann's, and that of Bob, who loses a right.
pub(crate) const ANN: usize = 0;
pub(crate) const BOB: usize = 1;

/// How often a device connects at most.
const CONNECTS_MAX: u8 = 2;

/// How the world begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// Both devices are connected, and up to date.
    Connected,
    /// Neither is, and each connects when it likes: much more can happen.
    Apart,
}

/// What fails, once: a world for each, for what cannot fail is reached in fewer ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fails {
    /// A device or its connection.
    Device(usize),
    /// The server.
    Server,
}

impl Fails {
    pub(crate) const ALL: [Self; 3] = [Self::Device(ANN), Self::Device(BOB), Self::Server];
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

/// The server and its file.
#[derive(Debug, Clone)]
pub(crate) struct Hub {
    machine: ServerMachine,
    pub(crate) store: MemoryServer,
    /// Something arrived that was not judged.
    unjudged: bool,
    lives: u8,
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) loss: Loss,
    fails: Fails,
    identity: Rc<Identity>,
    pub(crate) hub: Shared<Hub>,
    pub(crate) devices: [Shared<Device>; 2],
    pub(crate) revoked: bool,
    faults: u8,
}

/// How many edits a device makes.
fn edits(at: usize) -> usize {
    if at == ANN { 1 } else { 2 }
}

pub(crate) fn now() -> Timestamp {
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

impl World {
    /// Both devices are enrolled, and hold one record of Ann's.
    pub(crate) fn new(loss: Loss, begin: Begin, fails: Fails) -> Self {
        let (organization, key) = (SecretKey::from_seed([1; 32]), SecretKey::from_seed([2; 32]));
        let certificate =
            ServerCertificate::issue(&organization, key.public(), tls().public(), 1, now());
        let certificate = certificate.to_bytes();
        let identity = Identity { organization: organization.public(), key, certificate };
        let mut store = MemoryServer::default();
        let mut machine =
            ServerMachine::open(&mut store, identity.clone(), rules(None), now(), [4; 32]).unwrap();
        machine.set_backed_up(&mut store, None).unwrap();
        let devices = ["ann", "bob"].map(|user| Shared::new(Device::new(&identity, user)));
        let mut world = Self {
            loss,
            fails,
            identity: Rc::new(identity),
            hub: Shared::new(Hub { machine, store, unjudged: false, lives: 0 }),
            devices,
            revoked: false,
            faults: 0,
        };
        world.connect(ANN);
        world.deliver_all();
        let columns = Columns::from([("text".parse().unwrap(), Value::Text("first".into()))]);
        world.commit(ANN, Intent::Create { owner: None, columns });
        world.connect(BOB);
        world.deliver_all();
        for at in [ANN, BOB] {
            if begin == Begin::Apart {
                world.cut(at);
                world.devices[at].connects = 0;
            }
            let device = &mut *world.devices[at];
            (device.made, device.admitted) = Default::default();
        }
        world
    }

    /// What can happen now.
    ///
    /// Where a message concerns the device alone to which it comes, and nothing else can happen to that
    /// device before, it makes no difference when it arrives: then it is all that is told. Each quiet world
    /// is reached so as it is without.
    pub(crate) fn actions(&self) -> Vec<Action> {
        if let Some(at) = [ANN, BOB].into_iter().find(|at| self.only_hears(*at)) {
            return vec![Action::Down(at)];
        }
        let mut actions = Vec::new();
        match self.fails {
            _ if self.faults > 0 => {}
            Fails::Device(at) => {
                actions.extend(self.is_connected(at).then_some(Action::Cut(at)));
                actions.push(Action::CrashDevice(at));
            }
            Fails::Server => actions.push(Action::CrashServer),
        }
        if !self.revoked {
            actions.push(Action::Revoke);
        }
        for at in [ANN, BOB] {
            let device = &self.devices[at];
            if device.made.len() < edits(at) {
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
        if self.hub.unjudged {
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
                let hub = &mut *self.hub;
                hub.machine.set_rules(&mut hub.store, now(), rules).unwrap();
                self.drain_server();
            }
            Action::Cut(at) => {
                self.faults += 1;
                self.cut(at);
            }
            Action::CrashDevice(at) => {
                self.faults += 1;
                self.cut(at);
                let device = &mut *self.devices[at];
                device.machine =
                    ReplicaMachine::open(&device.store, device.key.clone(), [60; 32]).unwrap();
            }
            Action::CrashServer => {
                self.faults += 1;
                self.crash_server();
            }
        }
    }

    fn only_hears(&self, at: usize) -> bool {
        let device = &self.devices[at];
        // After a page the server looks for more.
        let is_alone = |bytes: &Vec<u8>| !matches!(decode_message(bytes), Ok(ToDevice::Page(_)));
        let may_fail = self.faults == 0 && [Fails::Device(at), Fails::Server].contains(&self.fails);
        !may_fail && device.made.len() == edits(at) && device.down.front().is_some_and(is_alone)
    }

    fn rules(&self) -> Rules {
        rules(Some(self.loss).filter(|_| self.revoked))
    }

    fn crash_server(&mut self) {
        self.cut(ANN);
        self.cut(BOB);
        let (identity, rules) = (Identity::clone(&self.identity), self.rules());
        let hub = &mut *self.hub;
        hub.lives += 1;
        hub.unjudged = false;
        let seed = [100 + hub.lives; 32];
        hub.machine = ServerMachine::open(&mut hub.store, identity, rules, now(), seed).unwrap();
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
        let device = &mut *self.devices[at];
        let draft = Draft { table: table(), record: record(), intent };
        // What is refused here, or of what is not there, is not made.
        if let Ok(made) = device.machine.commit(&mut device.store, now(), vec![draft], false) {
            device.made.extend(made);
        }
        self.drain(at);
    }

    fn connect(&mut self, at: usize) {
        let device = &mut *self.devices[at];
        device.connects += 1;
        // The same whoever connects first.
        let id = ConnectionId(u64::from(device.connects) * 2 + at as u64);
        let purpose = match device.machine.meta().enrolment {
            Some(_) => Purpose::Sync,
            None => Purpose::Enroll { code: Box::new(device.code.clone()), name: "it".into() },
        };
        device.machine.connected(purpose, tls().public()).unwrap();
        device.connection = Some(id);
        self.hub.machine.connected(id, device.key.public());
        self.drain_server();
    }

    fn cut(&mut self, at: usize) {
        let device = &mut *self.devices[at];
        device.machine.disconnected();
        device.up.clear();
        device.down.clear();
        if let Some(id) = device.connection.take() {
            self.hub.machine.disconnected(id);
        }
        self.drain(at);
    }

    fn up(&mut self, at: usize) {
        let device = &mut *self.devices[at];
        let (Some(bytes), Some(id)) = (device.up.pop_front(), device.connection) else { return };
        let message = decode_message::<ToServer>(&bytes).unwrap();
        let hub = &mut *self.hub;
        hub.unjudged |= matches!(message, ToServer::Push(_));
        hub.machine.received(&mut hub.store, now(), id, message).unwrap();
        self.drain_server();
    }

    fn judge(&mut self) {
        let hub = &mut *self.hub;
        hub.unjudged = false;
        hub.machine.rule(&mut hub.store, now()).unwrap();
        // No state of the world.
        hub.machine.take_work();
        self.drain_server();
    }

    fn down(&mut self, at: usize) {
        let device = &mut *self.devices[at];
        let (Some(bytes), Some(id)) = (device.down.pop_front(), device.connection) else { return };
        let message = decode_message::<ToDevice>(&bytes).unwrap();
        let is_page = matches!(message, ToDevice::Page(_));
        device.machine.received(&mut device.store, now(), message).unwrap();
        self.drain(at);
        if is_page {
            let hub = &mut *self.hub;
            hub.machine.writable(&hub.store, id).unwrap();
            self.drain_server();
        }
    }

    fn drain(&mut self, at: usize) {
        let device = &mut *self.devices[at];
        while let Some(output) = device.machine.poll_output() {
            match output {
                Output::Send(message) => device.up.push_back(encode_message(&message).unwrap()),
                Output::Close(why) => panic!("a device hung up: {why:?}"),
                Output::Event(Event::Admitted { edit, .. }) => device.admitted.push(edit),
                Output::Event(_) => {}
                Output::Answer(..) => panic!("an answer to nothing"),
            }
        }
    }

    fn drain_server(&mut self) {
        let hub = &mut *self.hub;
        while let Some(output) = hub.machine.poll_output() {
            match output {
                ServerOutput::Send(id, message) => {
                    let mut to = self.devices.iter_mut().filter(|it| it.connection == Some(id));
                    let device = to.next().expect("the server knows who is there");
                    device.down.push_back(encode_message(&message).unwrap());
                }
                ServerOutput::LookOn(id) => hub.machine.writable(&hub.store, id).unwrap(),
                ServerOutput::Close(_, why) => panic!("the server hung up: {why:?}"),
            }
        }
    }

    /// What the network and the server do next when nothing else happens.
    fn on_its_way(&self) -> Option<Action> {
        let up = [ANN, BOB].into_iter().find(|at| !self.devices[*at].up.is_empty());
        let judge = self.hub.unjudged.then_some(Action::Judge);
        let down = [ANN, BOB].into_iter().find(|at| !self.devices[*at].down.is_empty());
        up.map(Action::Up).or(judge).or(down.map(Action::Down))
    }

    /// Nothing is on its way, and all is judged.
    pub(crate) fn is_quiet(&self) -> bool {
        self.on_its_way().is_none()
    }

    fn deliver_all(&mut self) {
        while let Some(action) = self.on_its_way() {
            self.act(action);
        }
    }

    /// No more faults, and all are connected, twice: what settled must stay.
    ///
    /// What is on its way arrives first, by actions of the world: a world settles as the one does that
    /// the first of them leads to. So who looks at all quiet worlds has seen all settle.
    pub(crate) fn settle(&mut self) {
        self.deliver_all();
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
    pub(crate) fn digest(&self) -> Digest {
        let [ann, bob] = self.devices.each_ref().map(Shared::digest);
        let rest = [u8::from(self.revoked), self.faults];
        let all = [&self.hub.digest()[..], &ann, &bob, &rest].concat();
        *blake3::hash(&all).as_bytes()
    }
}
