//! A server's file with three hundred enrolled devices in offices of ten, and one that means harm.
//! Everything follows from numbers, so that processes agree without telling each other.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tidegate::codec::{
    ChangeSet, HashesDigest, PublicKey, SecretKey, ServerCertificate, SignedChangeSet,
};
use tidegate::crdt::Record;
use tidegate::gate::Roster;
use tidegate::model::{
    ActorId, BusinessUnit, BusinessUnitId, Depth, DeviceNumber, Edit, EditId, Op, Organization,
    Owner, Policy, RecordId, Right, Role, RoleId, Table, Timestamp, User, UserId, Value,
};
use tidegate::net::system;
use tidegate::read_schema;
use tidegate::store::RedbServer;
use tidegate::sync::server::{Identity, Rules};
use tidegate::sync::{Commit, DeviceRow, Operation, ServerStore as _};

use crate::Outcome;

/// Devices that mean no harm.
pub(crate) const DEVICES: u32 = 300;
/// Users of one business unit: they read each other's records.
const OFFICE: u32 = 10;
/// The one that does, in an office of its own: what it reads anew begins anew for those who write it,
/// and the devices here are too light to write their edits anew.
pub(crate) const HOSTILE: u32 = DEVICES + OFFICE;
const SCHEMA: &str = r#"
[[table]]
id = "work_order"
ownership = "user_owned"
columns = [
  { id = "title", type = "text", required = true },
  { id = "city", type = "text" },
]
"#;

fn seed(kind: u8, number: u32) -> [u8; 32] {
    let mut seed = [kind; 32];
    let (low, _) = seed.split_at_mut(4);
    low.copy_from_slice(&number.to_be_bytes());
    seed
}

/// The key of a device; of numbers beyond the last, of strangers.
pub(crate) fn key(number: u32) -> SecretKey {
    SecretKey::from_seed(seed(2, number))
}

fn user(number: u32) -> Outcome<UserId> {
    Ok(format!("user{number}").parse()?)
}

fn unit(number: u32) -> Outcome<BusinessUnitId> {
    Ok(format!("office{}", number / OFFICE).parse()?)
}

pub(crate) fn tls_key() -> SecretKey {
    SecretKey::from_seed(seed(1, 2))
}

fn organization() -> SecretKey {
    SecretKey::from_seed(seed(1, 0))
}

pub(crate) fn identity() -> Identity {
    let key = SecretKey::from_seed(seed(1, 1));
    let (organization, time) = (organization(), Timestamp::default());
    let certificate =
        ServerCertificate::issue(&organization, key.public(), tls_key().public(), 1, time);
    let certificate = certificate.to_bytes();
    Identity { organization: organization.public(), key, certificate }
}

pub(crate) fn rules() -> Outcome<Rules> {
    let root: BusinessUnitId = "root".parse()?;
    let role: RoleId = "technician".parse()?;
    let rights = [
        (Right::Create, Depth::User),
        (Right::Read, Depth::BusinessUnit),
        (Right::Write, Depth::User),
    ];
    let technician =
        Role { rights: [("work_order".parse()?, rights.into())].into(), ..Role::default() };
    let policy = Policy { roles: [(role.clone(), technician)].into(), ..Policy::default() };
    let mut units = BTreeMap::from([(root.clone(), BusinessUnit { name: None, parent: None })]);
    let mut users = BTreeMap::new();
    for number in 1..=HOSTILE {
        units.insert(unit(number)?, BusinessUnit { name: None, parent: Some(root.clone()) });
        let it = User {
            name: None,
            business_unit: unit(number)?,
            manager: None,
            position: None,
            roles: [role.clone()].into(),
            disabled: false,
        };
        users.insert(user(number)?, it);
    }
    let people = Organization { business_units: units, users, ..Organization::default() };
    let roster = Roster::new(Arc::new(policy), Arc::new(people));
    Ok(Rules::new(read_schema(SCHEMA, "schema.toml")?, roster)?)
}

/// Makes the server's file, in which all devices are enrolled.
pub(crate) fn make(path: &Path) -> Outcome<()> {
    let mut store = RedbServer::create(path)?;
    let expected = store.meta()?;
    let mut meta = expected.clone();
    meta.devices = HOSTILE;
    let row = |number| -> Outcome<Operation> {
        let (key, user, name) = (key(number).public(), user(number)?, "it".into());
        let number = DeviceNumber(number);
        let row = DeviceRow { number, key, user, name, revoked: false, purged: None };
        Ok(Operation::PutDevice(row))
    };
    let operations = (1..=HOSTILE).map(row).collect::<Outcome<_>>()?;
    Ok(store.commit(Commit { expected, meta, operations })?)
}

/// Writes as one device, and knows what it wrote.
pub(crate) struct Writer {
    number: u32,
    key: SecretKey,
    organization: PublicKey,
    table: Table,
    /// A life of the writer, so that no actor comes twice.
    life: u64,
    counter: u64,
}

impl Writer {
    pub(crate) fn new(number: u32, life: u64) -> Outcome<Self> {
        let schema = read_schema(SCHEMA, "schema.toml")?;
        let table = schema.table("work_order").ok_or("a table")?.clone();
        let (key, organization) = (key(number), organization().public());
        Ok(Self { number, key, organization, table, life, counter: life << 32 })
    }

    /// A record that a user has not made yet.
    pub(crate) fn empty(&self, n: u32) -> Record {
        let mut random = [0; 10];
        let bytes = [self.number.to_be_bytes(), n.to_be_bytes()].concat();
        random.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        Record::new(self.table.id.clone(), RecordId::new(Timestamp::default(), random))
    }

    /// The operations that make a record of this user.
    pub(crate) fn create(owner: u32) -> Outcome<Vec<Op>> {
        let title = Value::Text(format!("Order of {owner}").into());
        Ok(vec![
            Op::Own { owner: Owner::User(user(owner)?), business_unit: unit(owner)? },
            Op::Put { column: "title".parse()?, value: title },
        ])
    }

    /// The operations that set the city.
    pub(crate) fn change(&self) -> Outcome<Vec<Op>> {
        let value = Value::Text(format!("City {}", self.counter).into());
        Ok(vec![Op::Put { column: "city".parse()?, value }])
    }

    /// Writes one edit of a record.
    pub(crate) fn edit(&mut self, record: &Record, ops: Vec<Op>) -> Edit {
        self.counter += 1;
        let device = DeviceNumber(self.number);
        let id = EditId { device, counter: self.counter, part: 0 };
        let actor = ActorId { device, incarnation: self.life + 1 };
        record.author(&self.table, id, actor, system::now(), ops)
    }

    /// Signs edits, each of a record as it was before.
    pub(crate) fn sign(&self, made: Vec<(Record, Edit)>) -> Outcome<SignedChangeSet> {
        let (mut hashes, mut edits) = (Vec::new(), Vec::new());
        for (record, edit) in made {
            for change in &edit.changes {
                hashes.push(record.document(&change.section)?.apply(change)?);
            }
            edits.push(edit);
        }
        let hashes = HashesDigest::of(hashes);
        let device = DeviceNumber(self.number);
        Ok(ChangeSet { device, edits, hashes }.sign(&self.key, &self.organization)?)
    }
}
