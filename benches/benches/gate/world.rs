//! A server's file with a hundred enrolled devices, each with a hundred records of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tidegate::codec::{
    ChangeSet, HashesDigest, PublicKey, Resume, SecretKey, ServerCertificate, SignedChangeSet,
    ToDevice, ToServer,
};
use tidegate::crdt::Record;
use tidegate::gate::Roster;
use tidegate::model::{
    ActorId, BusinessUnit, BusinessUnitId, Depth, DeviceNumber, Edit, EditId, Op, Organization,
    Owner, Policy, RecordId, Right, Role, Table, Timestamp, User, UserId, Value,
};
use tidegate::store::RedbServer;
use tidegate::sync::server::{ConnectionId, Identity, Output, Rules, ServerMachine};
use tidegate::sync::{Commit, DeviceRow, Operation, ServerStore as _};
use tidegate::{Schema, read_schema};
use tidegate_benches::order;

use crate::Outcome;

pub(crate) const DEVICES: u32 = 100;
pub(crate) const RECORDS: u32 = 100;
const SCHEMA: &str = r#"
[[table]]
id = "work_order"
ownership = "user_owned"
columns = [
  { id = "number", type = "integer", required = true },
  { id = "title", type = "text", required = true },
  { id = "status", type = "text" },
  { id = "city", type = "text" },
  { id = "note", type = "text" },
]
"#;

/// All on one moment: nothing that is measured depends on it.
pub(crate) fn now() -> Outcome<Timestamp> {
    Ok(Timestamp::from_millis(1_767_225_600_000).ok_or("a time")?)
}

fn seed(kind: u8, number: u32) -> [u8; 32] {
    let mut seed = [kind; 32];
    let (low, _) = seed.split_at_mut(4);
    low.copy_from_slice(&number.to_be_bytes());
    seed
}

/// A device, and what it knows of its records.
pub(crate) struct Device {
    pub(crate) number: DeviceNumber,
    pub(crate) key: SecretKey,
    pub(crate) user: UserId,
    pub(crate) records: Vec<Record>,
    organization: PublicKey,
    counter: u64,
}

impl Device {
    fn new(number: u32, organization: PublicKey) -> Outcome<Self> {
        Ok(Self {
            number: DeviceNumber(number),
            key: SecretKey::from_seed(seed(2, number)),
            user: format!("user{number}").parse()?,
            records: Vec::new(),
            organization,
            counter: 0,
        })
    }

    fn author(&mut self, table: &Table, record: &Record, ops: Vec<Op>) -> Outcome<Edit> {
        self.counter += 1;
        let id = EditId { device: self.number, counter: self.counter, part: 0 };
        let actor = ActorId { device: self.number, incarnation: 7 };
        Ok(record.author(table, id, actor, now()?, ops))
    }

    /// Edits with the digest that they must have, signed.
    fn sign(&self, made: Vec<(Record, Edit)>) -> Outcome<SignedChangeSet> {
        let mut hashes = Vec::new();
        let mut edits = Vec::new();
        for (record, edit) in made {
            for change in &edit.changes {
                hashes.push(record.document(&change.section)?.apply(change)?);
            }
            edits.push(edit);
        }
        let hashes = HashesDigest::of(hashes);
        Ok(ChangeSet { device: self.number, edits, hashes }.sign(&self.key, &self.organization)?)
    }

    /// All records of the device, new.
    fn create(&mut self, table: &Table) -> Outcome<SignedChangeSet> {
        let mut made = Vec::new();
        for n in 0..RECORDS {
            let it = order(self.number.0 * RECORDS + n);
            let id = RecordId::new(
                now()?,
                seed(3, self.number.0 * RECORDS + n).split_at(10).0.try_into()?,
            );
            let put = |column: &str, value| -> Outcome<Op> {
                Ok(Op::Put { column: column.parse()?, value })
            };
            let ops = vec![
                Op::Own { owner: Owner::User(self.user.clone()), business_unit: "root".parse()? },
                put("number", Value::Integer(it.number))?,
                put("title", Value::Text(it.title.into()))?,
                put("status", Value::Text(it.status.into()))?,
                put("city", Value::Text(it.city.into()))?,
                put("note", Value::Text(it.note.into()))?,
            ];
            let empty = Record::new(table.id.clone(), id);
            let edit = self.author(table, &empty, ops)?;
            self.records.push(Record::from_edit(&edit)?);
            made.push((empty, edit));
        }
        self.sign(made)
    }

    /// One field of one record, changed: a small change set.
    pub(crate) fn change(&mut self, table: &Table, n: usize) -> Outcome<SignedChangeSet> {
        let record = self.records.get(n).ok_or("a record")?.clone();
        let value = Value::Text(format!("city {n}").into());
        let ops = vec![Op::Put { column: "city".parse()?, value }];
        let edit = self.author(table, &record, ops)?;
        if let Some(record) = self.records.get_mut(n) {
            record.merge(&edit)?;
        }
        self.sign(vec![(record, edit)])
    }
}

/// What a server is made of.
pub(crate) struct World {
    pub(crate) schema: Schema,
    pub(crate) roster: Roster,
    pub(crate) identity: Identity,
    pub(crate) tls_key: SecretKey,
    pub(crate) devices: Vec<Device>,
}

fn roster() -> Outcome<Roster> {
    let root: BusinessUnitId = "root".parse()?;
    let role: tidegate::model::RoleId = "technician".parse()?;
    let rights = [Right::Create, Right::Read, Right::Write].map(|right| (right, Depth::User));
    let technician =
        Role { rights: [("work_order".parse()?, rights.into())].into(), ..Role::default() };
    let policy = Policy { roles: [(role.clone(), technician)].into(), ..Policy::default() };
    let user = User {
        name: None,
        business_unit: root.clone(),
        manager: None,
        position: None,
        roles: [role].into(),
        disabled: false,
    };
    let named = |n| Ok((format!("user{n}").parse()?, user.clone()));
    let people = Organization {
        business_units: [(root, BusinessUnit { name: None, parent: None })].into(),
        users: (1..=DEVICES).map(named).collect::<Outcome<BTreeMap<_, _>>>()?,
        ..Organization::default()
    };
    Ok(Roster::new(Arc::new(policy), Arc::new(people)))
}

impl World {
    /// A server's file in which the devices have their records, and nobody changed one yet.
    pub(crate) fn new(path: &Path) -> Outcome<(Self, Engine)> {
        let organization = SecretKey::from_seed(seed(1, 0));
        let (key, tls_key) = (SecretKey::from_seed(seed(1, 1)), SecretKey::from_seed(seed(1, 2)));
        let certificate =
            ServerCertificate::issue(&organization, key.public(), tls_key.public(), 1, now()?);
        let certificate = certificate.to_bytes();
        let identity = Identity { organization: organization.public(), key, certificate };
        let devices = (1..=DEVICES).map(|n| Device::new(n, organization.public()));
        let devices = devices.collect::<Outcome<Vec<_>>>()?;
        let schema = read_schema(SCHEMA, "schema.toml")?;
        let mut world = Self { schema, roster: roster()?, identity, tls_key, devices };
        let mut engine = world.engine(path)?;
        let table = world.table()?;
        let mut sets = Vec::new();
        for device in &mut world.devices {
            sets.push((device.number, device.create(&table)?));
        }
        engine.push(sets)?;
        Ok((world, engine))
    }

    pub(crate) fn table(&self) -> Outcome<Table> {
        Ok(self.schema.table("work_order").ok_or("a table")?.clone())
    }

    pub(crate) fn rules(&self) -> Outcome<Rules> {
        Ok(Rules::new(self.schema.clone(), self.roster.clone())?)
    }

    fn engine(&self, path: &Path) -> Outcome<Engine> {
        let mut store = RedbServer::create(path)?;
        let expected = store.meta()?;
        let mut meta = expected.clone();
        meta.devices = DEVICES;
        let row = |device: &Device| {
            Operation::PutDevice(DeviceRow {
                number: device.number,
                key: device.key.public(),
                user: device.user.clone(),
                name: "it".into(),
                revoked: false,
                purged: None,
            })
        };
        let operations = self.devices.iter().map(row).collect();
        store.commit(Commit { expected, meta, operations })?;
        let machine = ServerMachine::open(
            &mut store,
            self.identity.clone(),
            self.rules()?,
            now()?,
            seed(1, 3),
        )?;
        let mut engine = Engine { machine, store };
        for device in &self.devices {
            let id = ConnectionId(u64::from(device.number.0));
            engine.machine.connected(id, device.key.public());
            let hello = ToServer::Hello(Box::<Resume>::default());
            engine.machine.received(&mut engine.store, now()?, id, hello)?;
        }
        engine.settle()?;
        Ok(engine)
    }
}

/// Machine and store, driven as the server's engine drives them, on this thread.
pub(crate) struct Engine {
    pub(crate) machine: ServerMachine,
    pub(crate) store: RedbServer,
}

impl Engine {
    /// Takes what has arrived, judges and writes it in one durable commit, and carries out what
    /// comes of it.
    pub(crate) fn push(&mut self, sets: Vec<(DeviceNumber, SignedChangeSet)>) -> Outcome<()> {
        for (device, set) in sets {
            let id = ConnectionId(u64::from(device.0));
            self.machine.received(&mut self.store, now()?, id, ToServer::Push(set))?;
        }
        self.machine.rule(&mut self.store, now()?)?;
        self.settle()
    }

    /// Until there are no more pages to send. That devices take them is not measured here.
    fn settle(&mut self) -> Outcome<()> {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Send(id, ToDevice::Page { .. }) | Output::LookOn(id) => {
                    self.machine.writable(&self.store, id)?;
                    self.machine.rule(&mut self.store, now()?)?;
                }
                Output::Send(..) => {}
                Output::Close(_, refusal) => return Err(refusal.into()),
            }
        }
        Ok(())
    }
}
