//! A server and three devices: their machines on the real transport.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tidegate::codec::{
    EnrollCode, EnrollTerms, PublicKey, SecretKey, ServerCertificate, ToDevice, ToServer,
    decode_message, encode_message,
};
use tidegate::gate::Roster;
use tidegate::model::{Columns, DeviceNumber, EditId, Op, RecordId, TableName, Timestamp, Value};
use tidegate::net::{
    Dialled, Endpoint, FirstWords, Ground, Incoming, NetError, SessionStream, TransportOptions,
};
use tidegate::policy::{Format, read_policy_as};
use tidegate::read_schema;
use tidegate::sync::replica::{Draft, Event, Intent, Output, Purpose, ReplicaMachine};
use tidegate::sync::server::{
    ConnectionId, Identity, Output as ServerOutput, Rules, ServerMachine,
};
use tidegate::sync::{EntryKind, ReplicaStore as _, ServerStore as _};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep};

use crate::memory::{MemoryReplica, MemoryServer};
use crate::network::{Chance, Faults, Network, Packet, Paused, Socket};

/// The key of the server's socket.
const TLS: u8 = 103;
const USERS: [&str; 3] = ["ann", "bob", "cyd"];
/// Records that each device makes, and times that it counts up what all share.
const EDITS: u8 = 6;
/// By then all must have settled.
const PATIENCE: Duration = Duration::from_secs(600);

const SCHEMA: &str = r#"
[[table]]
id = "note"
ownership = "user_owned"
columns = [{ id = "text", type = "text" }, { id = "visits", type = "counter" }]
"#;

fn policy() -> String {
    let user = |it: &&str| {
        format!("[[user]]\nid = \"{it}\"\nbusiness_unit = \"all\"\nroles = [\"editor\"]\n")
    };
    let users: String = USERS.iter().map(user).collect();
    format!(
        "[[business_unit]]\nid = \"all\"\n{users}[[role]]\nid = \"editor\"\n[role.rights.note]\n\
         create = \"organization\"\nread = \"organization\"\nwrite = \"organization\"\n"
    )
}

fn options() -> TransportOptions {
    TransportOptions {
        idle_timeout: Duration::from_secs(6),
        keep_alive: Some(Duration::from_secs(2)),
        ..TransportOptions::live()
    }
}

fn table() -> TableName {
    "note".parse().unwrap()
}

/// What all count up.
fn shared() -> RecordId {
    RecordId::from_bytes([77; 16])
}

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

/// What came of a world, or of several.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) packets: Vec<Packet>,
    pub(crate) sessions: usize,
    pub(crate) spoken: usize,
    pub(crate) simulated: Duration,
}

impl Report {
    pub(crate) fn add(&mut self, other: &Self) {
        self.packets.extend_from_slice(&other.packets);
        self.sessions += other.sessions;
        self.spoken += other.spoken;
        self.simulated += other.simulated;
    }
}

/// The server's machine, for its connections.
struct Hub {
    begun: Instant,
    machine: ServerMachine,
    store: MemoryServer,
    ways: BTreeMap<ConnectionId, mpsc::UnboundedSender<(Vec<u8>, bool)>>,
    connections: u64,
}

fn now(begun: Instant) -> Timestamp {
    let millis = i64::try_from(begun.elapsed().as_millis()).unwrap();
    Timestamp::from_millis(1_767_225_600_000 + millis).unwrap()
}

impl Hub {
    fn connect(
        &mut self,
        key: PublicKey,
        is_greeted: bool,
        way: mpsc::UnboundedSender<(Vec<u8>, bool)>,
    ) -> ConnectionId {
        self.connections += 1;
        let id = ConnectionId(self.connections);
        self.ways.insert(id, way);
        if is_greeted {
            self.machine.connected_again(id, key);
        } else {
            self.machine.connected(id, key);
        }
        self.drain();
        id
    }

    fn received(&mut self, id: ConnectionId, message: ToServer) {
        let now = now(self.begun);
        self.machine.received(&mut self.store, now, id, message).unwrap();
        self.machine.rule(&mut self.store, now).unwrap();
        self.drain();
    }

    fn writable(&mut self, id: ConnectionId) {
        self.machine.writable(&self.store, id).unwrap();
        self.drain();
    }

    fn disconnected(&mut self, id: ConnectionId) {
        self.ways.remove(&id);
        self.machine.disconnected(id);
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                ServerOutput::Send(id, message) => {
                    let is_page = matches!(message, ToDevice::Page(_));
                    if let Some(way) = self.ways.get(&id) {
                        // A connection that ends has dropped its end.
                        let _ = way.send((encode_message(&message).unwrap(), is_page));
                    }
                }
                ServerOutput::LookOn(id) => self.machine.writable(&self.store, id).unwrap(),
                ServerOutput::Close(_, refusal) => panic!("no device does wrong: {refusal}"),
            }
        }
    }
}

type Shared<T> = Arc<Mutex<T>>;

fn lock<T>(shared: &Shared<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap()
}

async fn serve(endpoint: Endpoint, hub: Shared<Hub>) {
    while let Some(incoming) = endpoint.accept().await {
        let hub = Arc::clone(&hub);
        // However it ends: the device comes again.
        tokio::spawn(async move { drop(converse(incoming, hub).await) });
    }
}

async fn converse(incoming: Incoming, hub: Shared<Hub>) -> Result<(), NetError> {
    let (stream, mut early) = incoming.open_session().await?;
    let SessionStream { connection, mut sender, mut receiver, device_spoke, .. } = stream;
    let (way, mut messages) = mpsc::unbounded_channel();
    let id = lock(&hub).connect(connection.peer_key(), device_spoke, way);
    let talk = async {
        loop {
            tokio::select! {
                biased;
                Some((bytes, is_page)) = messages.recv() => {
                    sender.send(bytes).await?;
                    if is_page {
                        lock(&hub).writable(id);
                    }
                }
                frame = receiver.next() => match frame? {
                    Some(frame) => {
                        let message = decode_message::<ToServer>(&frame);
                        let message = message.expect("nothing is altered on the way");
                        if !message.may_be_early() {
                            early.established().await?;
                        }
                        lock(&hub).received(id, message);
                    }
                    None => return Ok(()),
                },
            }
        }
    };
    let ended = talk.await;
    lock(&hub).disconnected(id);
    ended
}

/// A device: its machine, and what its app did and was told.
struct Device {
    begun: Instant,
    machine: ReplicaMachine,
    store: MemoryReplica,
    code: EnrollCode,
    made: Vec<EditId>,
    admitted: Vec<EditId>,
    sessions: usize,
    /// Of them, such as began with what the device said.
    spoken: usize,
    /// The certificate of the server that greeted it.
    greeting: Option<Vec<u8>>,
    edited: Arc<Notify>,
}

impl Device {
    fn new(begun: Instant, identity: &Identity, number: u8, user: &str) -> Self {
        let terms = EnrollTerms {
            addresses: vec!["10.0.0.1:4747".into()],
            organization: identity.organization,
            user: user.parse().unwrap(),
            nonce: [number; 8],
            expires: now(begun).plus_millis(1_000_000_000),
        };
        let store = MemoryReplica::default();
        let machine = ReplicaMachine::open(&store, key(number), [number; 32]).unwrap();
        let code = EnrollCode::mint(&identity.key, terms).unwrap();
        let (made, admitted, greeting, edited) = Default::default();
        let (sessions, spoken) = (0, 0);
        Self { begun, machine, store, code, made, admitted, sessions, spoken, greeting, edited }
    }

    /// Makes an edit, if that can be made already.
    fn edit(&mut self, record: RecordId, intent: Intent) -> bool {
        if self.machine.meta().enrolment.is_none() {
            return false;
        }
        let draft = Draft { table: table(), record, intent };
        let made = self.machine.commit(&mut self.store, now(self.begun), vec![draft], false);
        self.made.extend(made.iter().flatten());
        self.edited.notify_one();
        made.is_ok()
    }

    /// What it answers to a greeting that it need not wait for.
    fn first_words(&mut self) -> Option<FirstWords> {
        let certificate = self.greeting.clone()?;
        self.machine.meta().enrolment.as_ref()?;
        self.machine.connected(Purpose::Sync, key(TLS).public()).unwrap();
        let greeting = ToDevice::Greeting { certificate };
        self.machine.received(&mut self.store, now(self.begun), greeting).unwrap();
        Some(FirstWords { frames: self.outputs(), answered: address(1) })
    }

    /// What is to be sent now.
    fn outputs(&mut self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Send(message) => frames.push(encode_message(&message).unwrap()),
                Output::Close(error) => panic!("no server does wrong: {error}"),
                Output::Event(Event::Admitted { edit, .. }) => self.admitted.push(edit),
                Output::Event(Event::Denied(denied)) => panic!("all is allowed: {denied:?}"),
                Output::Event(_) | Output::Answer(..) => {}
            }
        }
        frames
    }
}

/// Connects again and again.
async fn stay(endpoint: Endpoint, device: Shared<Device>, mut chance: Chance) {
    loop {
        // However it ended.
        let _ = session(&endpoint, &device, false).await;
        lock(&device).machine.disconnected();
        sleep(Duration::from_millis(100) + chance.millis(400)).await;
    }
}

/// A session until it is lost, or until the device is up to date: says when it was.
async fn session(
    endpoint: &Endpoint,
    device: &Shared<Device>,
    ends: bool,
) -> Result<Instant, NetError> {
    let first = lock(device).first_words();
    let stream = endpoint.open_session("10.0.0.1:4747", options(), first).await?;
    let SessionStream { connection, mut sender, mut receiver, device_spoke, .. } = stream;
    let edited = {
        let mut device = lock(device);
        if !device_spoke {
            let purpose = match device.machine.meta().enrolment {
                Some(_) => Purpose::Sync,
                None => Purpose::Enroll { code: Box::new(device.code.clone()), name: "it".into() },
            };
            device.machine.connected(purpose, connection.peer_key()).unwrap();
        }
        device.sessions += 1;
        device.spoken += usize::from(device_spoke);
        Arc::clone(&device.edited)
    };
    loop {
        let frames = lock(device).outputs();
        for frame in frames {
            sender.queue(frame)?;
        }
        sender.flush().await?;
        if ends && lock(device).machine.is_up_to_date() {
            let at = Instant::now();
            // By then the server has offered another session to resume.
            sender.finish().await?;
            connection.close(0, "");
            return Ok(at);
        }
        tokio::select! {
            biased;
            frame = receiver.next() => {
                let Some(frame) = frame? else { return Ok(Instant::now()) };
                let message = decode_message::<ToDevice>(&frame).unwrap();
                let device = &mut *lock(device);
                if let ToDevice::Greeting { certificate } = &message {
                    device.greeting = Some(certificate.clone());
                }
                device.machine.received(&mut device.store, now(device.begun), message).unwrap();
            }
            () = edited.notified() => {}
        }
    }
}

/// What the app of a device does: it makes records, and counts up what all share.
async fn edit(device: Shared<Device>, number: u8, mut chance: Chance) {
    let text = |text: String| Columns::from([("text".parse().unwrap(), Value::Text(text.into()))]);
    let mut edits = Vec::new();
    if number == 1 {
        edits.push((shared(), Intent::Create { owner: None, columns: text("shared".into()) }));
    }
    for n in 0..EDITS {
        let record = RecordId::from_bytes([[number, n]; 8].concat().try_into().unwrap());
        let columns = text(format!("{number} {n}"));
        edits.push((record, Intent::Create { owner: None, columns }));
        let up = Op::Increment { column: "visits".parse().unwrap(), by: 1 };
        edits.push((shared(), Intent::Ops(vec![up])));
    }
    for (record, intent) in edits {
        sleep(chance.millis(3_000)).await;
        while !lock(&device).edit(record, intent.clone()) {
            sleep(Duration::from_millis(200)).await;
        }
    }
}

fn edits_of(number: u8) -> usize {
    usize::from(2 * EDITS) + usize::from(number == 1)
}

/// A server and devices on a network.
struct Office {
    begun: Instant,
    network: Shared<Network>,
    hub: Shared<Hub>,
    devices: Vec<(Endpoint, Shared<Device>)>,
}

fn address(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number], 4_747))
}

fn ground(network: &Shared<Network>, number: u8, seed: u8) -> Ground {
    let socket = Socket::new(network, address(number));
    Ground { socket, runtime: Arc::new(Paused), seed: Some([seed; 32]) }
}

/// What of the world with this seed is drawn for one purpose.
fn chance(seed: u64, number: u8, purpose: u64) -> Chance {
    Chance::new(seed * 1_000 + u64::from(number) * 10 + purpose)
}

impl Office {
    fn open(faults: Faults, mut drawn: Chance) -> Self {
        let begun = Instant::now();
        let (organization, tls) = (key(101), key(TLS));
        let certificate =
            ServerCertificate::issue(&organization, key(102).public(), tls.public(), 1, now(begun));
        let identity = Identity {
            organization: organization.public(),
            key: key(102),
            certificate: certificate.to_bytes(),
        };
        let network = Network::new(faults, Chance::new(drawn.next()));
        let mut ground = |number| ground(&network, number, u8::try_from(drawn.below(256)).unwrap());
        let endpoint = Endpoint::server_on(ground(1), &tls, options()).unwrap();
        let mut store = MemoryServer::default();
        let mut machine =
            ServerMachine::open(&mut store, identity.clone(), rules(), now(begun), [4; 32])
                .unwrap();
        machine.set_backed_up(&mut store, None).unwrap();
        let ways = BTreeMap::new();
        let hub = Arc::new(Mutex::new(Hub { begun, machine, store, ways, connections: 0 }));
        tokio::spawn(serve(endpoint, Arc::clone(&hub)));

        let device = |(number, user)| {
            let device = Arc::new(Mutex::new(Device::new(begun, &identity, number, user)));
            (Endpoint::client_on(ground(number + 1), &key(number)).unwrap(), device)
        };
        let devices = (1..).zip(USERS).map(device).collect();
        Self { begun, network, hub, devices }
    }
}

/// Runs a world until all has settled, and looks at what came of it.
pub(crate) async fn run(seed: u64) -> Report {
    let mut drawn = Chance::new(seed);
    let cut: Vec<_> = (1..).zip(USERS).map(|(number, _)| address(number + 1)).collect();
    let faults = Faults::draw(&mut drawn, &cut);
    let Office { begun, network, hub, devices } = Office::open(faults, drawn);
    for (number, (endpoint, device)) in (1..).zip(&devices) {
        let of = |purpose| chance(seed, number, purpose);
        tokio::spawn(stay(endpoint.clone(), Arc::clone(device), of(1)));
        tokio::spawn(edit(Arc::clone(device), number, of(2)));
    }
    let devices: Vec<_> = devices.into_iter().map(|(_, device)| device).collect();
    while !has_settled(&hub, &devices) {
        assert!(begun.elapsed() < PATIENCE, "seed {seed} does not settle");
        sleep(Duration::from_millis(100)).await;
    }
    compare(seed, &hub, &devices);
    let sessions = devices.iter().map(|it| lock(it).sessions).sum();
    let spoken = devices.iter().map(|it| lock(it).spoken).sum();
    let packets = std::mem::take(&mut network.lock().unwrap().packets);
    Report { packets, sessions, spoken, simulated: begun.elapsed() }
}

/// What a session took.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) device_spoke: bool,
    pub(crate) took: Duration,
    /// Of packets both ways, until the line was quiet.
    pub(crate) bytes: usize,
}

/// A device enrols and comes again, so often, with nothing new; one way takes so long.
pub(crate) async fn visits(times: usize, delay: Duration) -> Vec<Visit> {
    let Office { network, devices, .. } = Office::open(Faults::none(delay), Chance::new(1));
    let [(endpoint, device), ..] = &devices[..] else { panic!("there are devices") };
    let mut visits = Vec::new();
    for _ in 0..times {
        let (begun, spoken) = (Instant::now(), lock(device).spoken);
        let took = session(endpoint, device, true).await.unwrap() - begun;
        lock(device).machine.disconnected();
        let device_spoke = lock(device).spoken > spoken;
        visits.push(Visit { device_spoke, took, bytes: passed(&network).await });
    }
    visits
}

/// A server that takes connections and says nothing, and somebody who connects.
fn silent(network: &Shared<Network>, options: TransportOptions) -> Endpoint {
    let server = Endpoint::server_on(ground(network, 1, 1), &key(TLS), options).unwrap();
    tokio::spawn(async move {
        while let Some(incoming) = server.accept().await {
            incoming.handshake().await.unwrap().closed().await;
        }
    });
    Endpoint::client_on(ground(network, 2, 2), &key(1)).unwrap()
}

/// Whether a connection for one session is there after so long, on which nothing was said; the line is cut
/// then or was not.
pub(crate) async fn is_there_after(silence: Duration, is_cut: bool) -> bool {
    let faults = Faults::none(Duration::from_millis(50));
    let network = Network::new(faults, Chance::new(1));
    let endpoint = silent(&network, TransportOptions::server());
    let options = TransportOptions::short();
    let connection = endpoint.connect("10.0.0.1:4747", options).await.unwrap();
    if is_cut {
        network.lock().unwrap().cut(address(1));
    }
    tokio::time::timeout(silence, connection.closed()).await.is_err()
}

/// The bytes of a connection that is resumed, and on which nothing is said.
pub(crate) async fn resumed(delay: Duration) -> usize {
    let network = Network::new(Faults::none(delay), Chance::new(1));
    let endpoint = silent(&network, options());
    let mut bytes = 0;
    for _ in 0..2 {
        let dialled = endpoint.connect_early("10.0.0.1:4747", options(), None).await.unwrap();
        let connection = match dialled {
            Dialled::Early(early) => early.confirmed().await.unwrap().0,
            Dialled::Full(connection) => connection,
        };
        // By then the server has offered another session to resume.
        sleep(3 * delay).await;
        connection.close(0, "");
        bytes = passed(&network).await;
    }
    bytes
}

/// The bytes of all packets so far, once the line is quiet; they are forgotten.
async fn passed(network: &Shared<Network>) -> usize {
    sleep(Duration::from_secs(60)).await;
    let packets = std::mem::take(&mut network.lock().unwrap().packets);
    packets.iter().map(|it| it.bytes).sum()
}

fn rules() -> Rules {
    let schema = read_schema(SCHEMA, "schema.toml").unwrap();
    let policy = policy();
    let policy = read_policy_as(Format::Toml, &policy, "policy.toml", Some(&schema), None).unwrap();
    let organization = Arc::new(policy.organization.unwrap());
    Rules::new(schema, Roster::new(Arc::new(policy.policy), organization)).unwrap()
}

/// All edits are made and answered, and each device has been told of all of them.
fn has_settled(hub: &Shared<Hub>, devices: &[Shared<Device>]) -> bool {
    let head = lock(hub).machine.meta().head;
    (1..).zip(devices).all(|(number, device)| {
        let device = lock(device);
        device.made.len() == edits_of(number)
            && device.store.pending.is_empty()
            && device.machine.meta().watermark == head
    })
}

fn compare(seed: u64, hub: &Shared<Hub>, devices: &[Shared<Device>]) {
    let hub = lock(hub);
    let logged: Vec<_> = hub
        .store
        .log
        .iter()
        .filter_map(|entry| match &entry.kind {
            // The server itself begins histories anew.
            EntryKind::Edit { edit, .. } => {
                Some(edit.id).filter(|it| it.device != DeviceNumber::SERVER)
            }
            EntryKind::Move(_) => None,
        })
        .collect();
    let once: BTreeSet<_> = logged.iter().copied().collect();
    assert_eq!(once.len(), logged.len(), "seed {seed}: an edit is in the log twice");
    let made: BTreeSet<_> = devices.iter().flat_map(|it| lock(it).made.clone()).collect();
    assert_eq!(once, made, "seed {seed}: the log has what was made, and nothing else");

    let visits = hub.store.record(shared()).unwrap().unwrap();
    let expected = i64::from(EDITS) * i64::try_from(USERS.len()).unwrap();
    assert_eq!(visits.record().columns()["visits"], Value::Counter(expected), "seed {seed}");
    for device in devices {
        let device = lock(device);
        let told: BTreeSet<_> = device.admitted.iter().copied().collect();
        assert_eq!(told, device.made.iter().copied().collect(), "seed {seed}: all are answered");
        assert_eq!(device.store.confirmed.len(), hub.store.records.len(), "seed {seed}");
        for (place, confirmed) in &device.store.confirmed {
            let (own, theirs) = (confirmed.record(), hub.store.records[place].record());
            assert_eq!(own.document_heads().unwrap(), theirs.document_heads().unwrap());
            assert_eq!(own.columns(), theirs.columns(), "seed {seed}");
            let row = device.store.row(&place.0, place.1).unwrap().unwrap();
            assert_eq!(row.columns, *theirs.columns(), "seed {seed}");
        }
    }
}
