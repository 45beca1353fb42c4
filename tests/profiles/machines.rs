//! A server and devices of a random world: their machines, with stores in memory.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use tidegate::codec::{
    EnrollCode, EnrollTerms, PublicKey, SecretKey, ServerCertificate, ToDevice, ToServer,
    decode_message, encode_message,
};
use tidegate::gate::{Confirmed, Roster};
use tidegate::model::{DocumentText, RecordId, RecordState, Right, Sequence, Timestamp, Value};
use tidegate::policy::{read_policy, read_profiles};
use tidegate::store::{RedbReplica, RedbServer};
use tidegate::sync::replica::{Output, Purpose, ReplicaMachine};
use tidegate::sync::server::{
    ConnectionId, Identity, Output as ServerOutput, PageBounds, Rules, ServerMachine,
};
use tidegate::sync::{LogEntry, ServerStore as _};

use super::naive::{Held, Rec, World};
use super::planted::Planted;

/// Who may do everything, and takes all along.
pub(crate) const ROOT: &str = "root0";
const BEGINNING: i64 = 1_763_631_012_345;
const RECORDS_MAX: usize = 10_000;

pub(crate) fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).unwrap()
}

/// The rules of a world, in which who reads does more, and each own table has a column group.
fn rules(world: &World) -> Rules {
    let due = "{ id = \"due\", type = \"timestamp\" }";
    let note = "{ id = \"note\", type = \"text\", group = \"notes\" }";
    let schema = world.schema().replace(due, &format!("{due}, {note}"));
    let schema = tidegate::read_schema(&schema, "schema.toml").unwrap();
    let mut policy: Json = serde_json::from_str(&world.policy()).unwrap();
    for role in policy["role"].as_array_mut().unwrap() {
        for (table, rights) in role["rights"].as_object_mut().unwrap() {
            let is_own = world.tables.iter().any(|it| it.id == *table && !it.is_system);
            let depth = rights["read"].clone();
            let more = ["create", "write", "delete", "append", "append_to", "assign", "share"];
            for right in more.into_iter().filter(|_| is_own) {
                rights[right] = depth.clone();
            }
        }
    }
    let security = policy["column_security"][0]["columns"].as_object_mut().unwrap();
    for permissions in security.values_mut() {
        *permissions = json!({ "read": true, "create": true, "update": true });
    }
    let policy = policy.to_string();
    let read = read_policy(&policy, "policy.json", Some(&schema), None).unwrap();
    let roster = Roster::new(Arc::new(read.policy), Arc::new(read.organization.unwrap()));
    Rules::new(schema, roster).unwrap()
}

pub(crate) struct Server {
    store: RedbServer,
    machine: ServerMachine,
    organization: PublicKey,
    key: SecretKey,
    tls: PublicKey,
    pub(crate) now: i64,
    /// How often rules or profiles were put in force.
    turns: u64,
}

impl Server {
    pub(crate) fn new(world: &World) -> Self {
        let [organization, key, tls] = [1, 2, 3].map(|number| SecretKey::from_seed([number; 32]));
        let (now, tls) = (time(BEGINNING), tls.public());
        let certificate = ServerCertificate::issue(&organization, key.public(), tls, 1, now);
        let (organization, certificate) = (organization.public(), certificate.to_bytes());
        let identity = Identity { organization, key: key.clone(), certificate };
        let mut store = RedbServer::in_memory().unwrap();
        let machine = ServerMachine::open(&mut store, identity, rules(world), now, [4; 32]);
        let mut machine = machine.unwrap();
        // Scans and logs of several pages.
        machine.set_page_bounds(PageBounds::of(3));
        Self { store, machine, organization, key, tls, now: BEGINNING, turns: 0 }
    }

    pub(crate) fn set_rules(&mut self, world: &World) {
        self.machine.set_rules(&mut self.store, time(self.now), rules(world)).unwrap();
        self.turns += 1;
    }

    pub(crate) fn publish(&mut self, text: &str) {
        let schema = self.machine.rules().shared_schema();
        let profiles = read_profiles(text, "profiles.toml", schema, None, None).unwrap();
        let mut published = self.machine.rules().profiles().clone();
        let document = DocumentText { file: "profiles.toml".into(), text: text.into() };
        published.draft(document, profiles, None, time(self.now));
        published.publish(None).unwrap();
        self.machine.set_profiles(&mut self.store, time(self.now), published).unwrap();
        self.turns += 1;
    }

    fn all(&self) -> Vec<Confirmed> {
        self.store.scan(None, RECORDS_MAX).unwrap()
    }

    pub(crate) fn ids(&self, table: &str) -> Vec<RecordId> {
        let of_table = self.all().into_iter().filter(|it| it.record().table().as_str() == table);
        of_table.map(|it| it.record().id()).collect()
    }

    pub(crate) fn record(&self, id: RecordId) -> Confirmed {
        self.store.record(id).unwrap().unwrap()
    }

    /// The log behind a place.
    pub(crate) fn log_after(&self, after: Sequence) -> Vec<LogEntry> {
        self.store.log_after(after, RECORDS_MAX).unwrap()
    }

    /// All records, as the plain model has them.
    pub(crate) fn records(&self) -> Vec<Rec> {
        let plain = |confirmed: Confirmed| {
            let record = confirmed.record();
            let header = record.header();
            let shares = header.shares.iter().filter(|(_, rights)| rights.contains(Right::Read));
            let cells = record.columns().iter().filter_map(|(column, value)| {
                let held = match value {
                    Value::Null => Held::Null,
                    Value::Integer(number) => Held::Number(*number),
                    Value::Timestamp(time) => Held::Number(time.as_millis()),
                    Value::Text(text) => Held::Text(text.to_string()),
                    Value::Lookup(id) => Held::Id(*id),
                    _ => return None,
                };
                Some((column.to_string(), held))
            });
            let owner = header.owner.as_ref();
            Rec {
                table: record.table().to_string(),
                id: record.id(),
                owner: owner.map(|(owner, unit)| (owner.to_string(), unit.to_string())),
                shares: shares.map(|(to, _)| to.to_string()).collect(),
                is_deleted: header.state == RecordState::Deleted,
                cells: cells.collect(),
            }
        };
        self.all().into_iter().map(plain).collect()
    }
}

pub(crate) struct Device {
    pub(crate) user: String,
    pub(crate) store: RedbReplica,
    pub(crate) machine: ReplicaMachine,
    key: SecretKey,
    code: EnrollCode,
    sessions: u64,
    /// What the server's clock said when it was here last, and after how many turns that was.
    last: Option<(u64, i64)>,
}

impl Device {
    pub(crate) fn new(user: &str, number: u8, server: &Server) -> Self {
        let key = SecretKey::from_seed([100 + number; 32]);
        let store = RedbReplica::in_memory().unwrap();
        let machine = ReplicaMachine::open(&store, key.clone(), [number; 32]).unwrap();
        let terms = EnrollTerms {
            addresses: vec!["server.example:4433".into()],
            organization: server.organization,
            user: user.parse().unwrap(),
            nonce: [number; 8],
            expires: time(BEGINNING + 86_400_000),
        };
        let code = EnrollCode::mint(&server.key, terms).unwrap();
        Self { user: user.to_owned(), store, machine, key, code, sessions: 0, last: None }
    }

    /// What a server takes the time to be that does not see a minute end as long as all else is as it was.
    fn stale(&self, server: &Server) -> i64 {
        let last = self.last.filter(|(turns, _)| *turns == server.turns);
        last.map_or(server.now, |(_, now)| now)
    }

    /// One session, to its end, with a bug in it.
    pub(crate) fn sync(&mut self, server: &mut Server, planted: Option<Planted>) {
        let purpose = match &self.machine.meta().enrolment {
            Some(_) => Purpose::Sync,
            None => Purpose::Enroll { code: Box::new(self.code.clone()), name: "one".into() },
        };
        self.sessions += 1;
        let id = u64::from(self.key.public().as_bytes()[0]) << 32 | self.sessions;
        let is_stale = planted == Some(Planted::ForgetsTheMinute);
        let now = if is_stale { self.stale(server) } else { server.now };
        self.last = Some((server.turns, now));
        let (connection, now) = (ConnectionId(id), time(now));
        self.machine.connected(purpose, server.tls).unwrap();
        server.machine.connected(connection, self.key.public());
        let mut moved = true;
        while std::mem::take(&mut moved) {
            server.machine.rule(&mut server.store, now).unwrap();
            while let Some(output) = server.machine.poll_output() {
                moved = true;
                match output {
                    ServerOutput::Send(to, message) => {
                        let bytes = encode_message(&message).unwrap();
                        let message: ToDevice = decode_message(&bytes).unwrap();
                        let is_page = matches!(message, ToDevice::Page(_));
                        let message = match (planted, message) {
                            (Some(planted), ToDevice::Page(page)) => {
                                ToDevice::Page(planted.spoil(server, self, page))
                            }
                            (_, message) => message,
                        };
                        self.machine.received(&mut self.store, now, message).unwrap();
                        if is_page {
                            server.machine.writable(&server.store, to).unwrap();
                        }
                    }
                    ServerOutput::LookOn(to) => server.machine.writable(&server.store, to).unwrap(),
                    ServerOutput::Close(_, refusal) => panic!("{}: {refusal}", self.user),
                }
            }
            while let Some(output) = self.machine.poll_output() {
                moved = true;
                match output {
                    Output::Send(message) => {
                        let bytes = encode_message(&message).unwrap();
                        let message: ToServer = decode_message(&bytes).unwrap();
                        let arrived =
                            server.machine.received(&mut server.store, now, connection, message);
                        arrived.unwrap();
                    }
                    Output::Close(error) => panic!("{}: {error}", self.user),
                    Output::Event(_) | Output::Answer(..) => {}
                }
            }
        }
        assert!(self.machine.is_up_to_date(), "{}", self.user);
        self.machine.disconnected();
        server.machine.disconnected(connection);
    }
}
