//! A server and its devices in a temporary folder.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableHandle as _,
};
use tidegate::codec::EnrollCode;
use tidegate::gate::Roster;
use tidegate::model::{Columns, RecordId, Right, TableName, Value};
use tidegate::replica::{Replica, Row};
use tidegate::server::{Home, InitOptions, Limits, Server, ServerOptions};
use tidegate::sync::server::Rules;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::ports::free_port;

pub(crate) const HOUR: i64 = 3_600_000;

pub(crate) struct World {
    dir: tempfile::TempDir,
    pub(crate) home: Home,
    server: Option<Server>,
    address: SocketAddr,
}

pub(crate) fn orders() -> TableName {
    "work_order".parse().unwrap()
}

pub(crate) fn columns<const N: usize>(values: [(&str, &str); N]) -> Columns {
    let column = |(name, text): (&str, &str)| {
        let value = match name {
            "status" => Value::Choice(text.into()),
            _ => Value::Text(text.into()),
        };
        (name.parse().unwrap(), value)
    };
    values.into_iter().map(column).collect()
}

impl World {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("server");
        Home::init(&folder, &InitOptions::default()).unwrap();
        // Devices keep an index of orders.
        let schema = folder.join("schema.toml");
        let text = std::fs::read_to_string(&schema).unwrap();
        let id = "id = \"work_order\"\n";
        let text = text.replace(id, &format!("{id}indexes = [[\"status\"]]\n"));
        std::fs::write(&schema, text).unwrap();
        let home = Home::open(&folder).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut world = Self { dir, home, server: None, address };
        world.start_server();
        world
    }

    /// Starts the server where it was before.
    pub(crate) fn start_server(&mut self) {
        self.start_within(Limits::default());
    }

    pub(crate) fn start_within(&mut self, limits: Limits) {
        let options = ServerOptions {
            goes_on: false,
            listen: self.address,
            file: &self.home.data_file(),
            identity: self.home.identity(),
            tls_key: self.home.tls_key().clone(),
            rules: self.home.rules().unwrap(),
        };
        self.server = Some(Server::start_within(options, limits).unwrap());
    }

    pub(crate) async fn stop_server(&mut self) {
        self.server.take().unwrap().stop().await;
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    pub(crate) fn server_mut(&mut self) -> &mut Server {
        self.server.as_mut().unwrap()
    }

    pub(crate) fn dir_of_server(&self) -> PathBuf {
        self.path("server")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn code(&self, user: &str) -> EnrollCode {
        let address = vec![self.address.to_string()];
        self.home.enroll_code_at(address, &user.parse().unwrap(), HOUR).unwrap()
    }

    pub(crate) fn open(&self, name: &str) -> Replica {
        Replica::builder(self.path(name)).open().unwrap()
    }

    pub(crate) async fn enroll(&self, name: &str, user: &str) -> Replica {
        let replica = self.open(name);
        replica.enroll(&self.code(user), name).await.unwrap();
        replica
    }

    /// Takes a right on work orders from everyone whom a role gives it.
    pub(crate) async fn take_right(&self, right: Right) {
        let rules = self.home.rules().unwrap();
        let mut policy = rules.roster().policy().clone();
        for role in policy.roles.values_mut() {
            if let Some(rights) = role.rights.get_mut(&orders()) {
                rights.remove(&right);
            }
        }
        let organization = rules.roster().organization().clone();
        let roster = Roster::new(policy.into(), organization.into());
        let rules = Rules::new(rules.schema().clone(), roster).unwrap();
        self.server.as_ref().unwrap().set_rules(rules).await.unwrap();
    }
}

pub(crate) async fn add(replica: &Replica, title: &str) -> RecordId {
    let (id, _) = replica.insert(&orders(), columns([("title", title)])).await.unwrap();
    id
}

pub(crate) async fn set(replica: &Replica, id: RecordId, column: &str, text: &str) {
    let _ = replica.update(&orders(), id, columns([(column, text)])).await.unwrap();
}

/// All rows by id.
pub(crate) fn rows(replica: &Replica) -> BTreeMap<RecordId, Row> {
    let rows = replica.list(&orders(), None, 10_000).unwrap();
    rows.into_iter().map(|row| (row.id, row)).collect()
}

pub(crate) fn titles(replica: &Replica) -> Vec<String> {
    let mut titles: Vec<_> =
        rows(replica).values().map(|row| row.get("title").to_string()).collect();
    titles.sort();
    titles
}

/// Whether two replicas hold the same rows, and agree on each record to the bit.
pub(crate) fn assert_equal(one: &Replica, other: &Replica) {
    let ids = one.confirmed_ids().unwrap();
    assert_eq!(ids, other.confirmed_ids().unwrap());
    for (table, id) in ids {
        assert_eq!(one.heads(&table, id).unwrap(), other.heads(&table, id).unwrap(), "{id}");
    }
    let values = |replica: &Replica| -> Vec<_> {
        rows(replica).into_values().map(|row| (row.id, row.columns, row.header)).collect()
    };
    assert_eq!(values(one), values(other));
}

type Bytes = &'static [u8];

pub(crate) fn definition(name: &str) -> TableDefinition<'_, Bytes, Bytes> {
    TableDefinition::new(name)
}

/// Entries as bytes.
type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// What the tables of a file hold.
pub(crate) fn dump(path: &Path) -> BTreeMap<String, Entries> {
    let file = Database::open(path).unwrap();
    let tx = file.begin_read().unwrap();
    let names: Vec<_> = tx.list_tables().unwrap().map(|it| it.name().to_owned()).collect();
    let entries = |name: &String| {
        let table = tx.open_table(definition(name)).unwrap();
        let entries = table.iter().unwrap().map(|entry| {
            let (key, value) = entry.unwrap();
            (key.value().to_vec(), value.value().to_vec())
        });
        entries.collect()
    };
    names.iter().map(|name| (name.clone(), entries(name))).collect()
}

/// Writes a value as it is into a file that is closed; `None` removes it.
pub(crate) fn write_raw(path: &Path, table: &str, key: &[u8], value: Option<&[u8]>) {
    let file = Database::open(path).unwrap();
    let tx = file.begin_write().unwrap();
    {
        let mut table = tx.open_table(definition(table)).unwrap();
        match value {
            Some(value) => table.insert(key, value).unwrap(),
            None => table.remove(key).unwrap(),
        };
    }
    tx.commit().unwrap();
}

/// A value with the checksum that belongs to it, as `docs/format.md` says.
pub(crate) fn sealed(table: &str, key: &[u8], payload: &[u8]) -> Vec<u8> {
    let seed = xxh3_64_with_seed(key, xxh3_64(table.as_bytes()));
    let checksum = xxh3_64_with_seed(payload, seed).to_le_bytes();
    [&checksum[..4], payload].concat()
}
