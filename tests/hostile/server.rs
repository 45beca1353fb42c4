//! A server in memory with one enrolled device, whose owner means harm.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use tidegate::codec::{
    ChangeSet, Context, HashesDigest, IdsDigest, PublicKey, Resume, SchemaMark, SecretKey,
    ServerCertificate, SignedChangeSet, ToDevice, ToServer,
};
use tidegate::crdt::Document;
use tidegate::gate::Roster;
use tidegate::model::{
    BusinessUnit, DeviceNumber, Edit, Organization, Policy, SYSTEM_ADMINISTRATOR, Schema,
    Timestamp, User, Verdict,
};
use tidegate::sync::server::{ConnectionId, HistoryBounds, Identity, Output, Rules, ServerMachine};
use tidegate::sync::{Commit, DeviceRow, Operation, ServerStore as _};

use crate::memory::MemoryServer;
use crate::replicas::table;

/// What a change set came to.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The session ended, or it is not in the form of a change set.
    Refused,
    /// Judged: what the device is told beside the log.
    Judged(Vec<Verdict>),
}

pub(crate) struct Server {
    pub(crate) key: SecretKey,
    pub(crate) store: MemoryServer,
    machine: ServerMachine,
    pub(crate) organization: PublicKey,
    now: Timestamp,
    connections: u64,
}

pub(crate) fn schema() -> Schema {
    Schema { tables: [(table().id, table())].into(), ..Schema::default() }
}

/// Bytes with the device's signature over them, whatever they are.
pub(crate) fn signed(key: &SecretKey, organization: &PublicKey, body: Vec<u8>) -> SignedChangeSet {
    let signature = key.sign(Context::ChangeSet, &[organization.as_bytes(), &body[..]].concat());
    let bytes = postcard::to_stdvec(&(body, signature)).unwrap();
    postcard::from_bytes(&bytes).unwrap()
}

#[derive(Serialize)]
struct Body<'a>(u8, DeviceNumber, HashesDigest, Option<IdsDigest>, Option<SchemaMark>, &'a [u8]);

/// A change set's body around what claims to be edits, with the names of this schema.
pub(crate) fn body_of(edits: &[u8], schema: Option<SchemaMark>) -> Vec<u8> {
    let body = Body(4, DeviceNumber(1), HashesDigest([0; 8]), None, schema, edits);
    postcard::to_stdvec(&body).unwrap()
}

impl Server {
    pub(crate) fn new() -> Self {
        let seed = |number| SecretKey::from_seed([number; 32]);
        let (organization, own, key) = (seed(1), seed(2), seed(3));
        let now = Timestamp::from_millis(1_700_000_100_000).unwrap();
        let tls = seed(4).public();
        let certificate = ServerCertificate::issue(&organization, own.public(), tls, 1, now);
        let identity = Identity {
            organization: organization.public(),
            key: own,
            certificate: certificate.to_bytes(),
        };
        let user = User {
            name: None,
            business_unit: "acme".parse().unwrap(),
            manager: None,
            position: None,
            roles: BTreeSet::from([SYSTEM_ADMINISTRATOR.parse().unwrap()]),
            disabled: false,
        };
        let people = Organization {
            business_units: [("acme".parse().unwrap(), BusinessUnit { name: None, parent: None })]
                .into(),
            users: [("eve".parse().unwrap(), user)].into(),
            ..Organization::default()
        };
        let roster = Roster::new(Arc::new(Policy::default()), Arc::new(people));
        let schema = schema();
        let rules = Rules::new(schema, roster).unwrap();
        let mut store = MemoryServer::default();
        let meta = store.meta().unwrap();
        let device = DeviceRow {
            number: DeviceNumber(1),
            key: key.public(),
            user: "eve".parse().unwrap(),
            name: "hers".into(),
            revoked: false,
            purged: None,
        };
        let operations = vec![Operation::PutDevice(device)];
        store.commit(Commit { expected: meta.clone(), meta, operations }).unwrap();
        let mut machine = ServerMachine::open(&mut store, identity, rules, now, [9; 32]).unwrap();
        // What is written here is of 1970: it shall be judged and nothing else.
        let age = std::time::Duration::MAX;
        machine.set_history_bounds(HistoryBounds { age, ..HistoryBounds::default() });
        let organization = organization.public();
        Self { key, store, machine, organization, now, connections: 0 }
    }

    /// What the server makes of these bytes as a frame from the device.
    pub(crate) fn push(&mut self, set: SignedChangeSet) -> Answer {
        self.connections += 1;
        let id = ConnectionId(self.connections);
        self.machine.connected(id, self.key.public());
        let hello = ToServer::Hello(Box::<Resume>::default());
        self.machine.received(&mut self.store, self.now, id, hello).unwrap();
        self.machine.received(&mut self.store, self.now, id, ToServer::Push(set)).unwrap();
        self.machine.rule(&mut self.store, self.now).unwrap();
        let mut answer = Answer::Judged(Vec::new());
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Close(..) => answer = Answer::Refused,
                Output::Send(_, ToDevice::Verdicts(verdicts)) => {
                    answer = Answer::Judged(verdicts.into_iter().map(|(_, it)| it).collect());
                }
                Output::Send(..) | Output::LookOn(_) => {}
            }
        }
        self.machine.disconnected(id);
        answer
    }

    /// These edits, signed and with the digest that they should have, if there is one: as a device
    /// sends them that keeps to the form.
    pub(crate) fn push_edits(&mut self, edits: Vec<Edit>) -> Answer {
        let hashes = self.digest(&edits);
        let device = DeviceNumber(1);
        let set = ChangeSet { device, edits, hashes };
        match set.sign(&self.key, &self.organization) {
            Ok(set) => self.push(set),
            Err(_) => Answer::Refused,
        }
    }

    fn digest(&self, edits: &[Edit]) -> HashesDigest {
        let mut documents = std::collections::BTreeMap::new();
        let mut hashes = Vec::new();
        for edit in edits {
            for change in &edit.changes {
                let document = documents
                    .entry((edit.record, change.section.clone()))
                    .or_insert_with(|| match self.store.record(edit.record).unwrap() {
                        Some(confirmed) => confirmed.record().document(&change.section).unwrap(),
                        None => Document::new(change.section.clone()),
                    });
                hashes.extend(document.apply(change));
            }
        }
        HashesDigest::of(hashes)
    }
}
