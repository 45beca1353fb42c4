//! The server of a replay, and a device for each author, in a temporary folder: nothing of it waits for the
//! disk.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;

use crate::cli::CliError;
use crate::codec::SecretKey;
use crate::limits::{ENROLL_CODE_LASTS_MILLIS, REPLAY_OPEN_MAX};
use crate::model::{Ledger, UserId};
use crate::replica::{KeyStore, KeyStoreError, Replica, SyncReport};
use crate::server::{Home, InitOptions, Limits, Server, ServerOptions};

/// The table of the records: their names, and what they are, a value or a text.
pub(super) const TABLE: &str = "record";
pub(super) const NAME: &str = "name";
pub(super) const VALUE: &str = "value";
pub(super) const TEXT: &str = "text";

const SCHEMA: &str = r#"
[[table]]
id = "record"
ownership = "organization_owned"
key = ["name"]
columns = [
  { id = "name", type = "text", required = true },
  { id = "value", type = "json" },
  { id = "text", type = "rich_text" },
]
"#;

/// Everybody may do everything with every record.
const POLICY: &str = r#"
[[business_unit]]
id = "root"
[[role]]
id = "author"
[role.rights.record]
create = "organization"
read = "organization"
write = "organization"
delete = "organization"
"#;

/// What devices put on the wire.
#[derive(Clone, Copy, Default)]
pub(super) struct OnWire {
    pub(super) sent_bytes: u64,
    pub(super) received_bytes: u64,
    /// What for.
    pub(super) ledger: Ledger,
}

impl OnWire {
    fn add(&mut self, report: &SyncReport) {
        self.sent_bytes += report.traffic.sent_bytes;
        self.received_bytes += report.traffic.received_bytes;
        self.ledger += report.ledger;
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            sent_bytes: self.sent_bytes - before.sent_bytes,
            received_bytes: self.received_bytes - before.received_bytes,
            ledger: self.ledger - before.ledger,
        }
    }
}

pub(super) struct World {
    dir: TempDir,
    home: Home,
    server: Server,
    /// Each author's device, where it is open.
    devices: Vec<Option<Replica>>,
    /// The key of each.
    keys: Vec<Key>,
    /// Whose devices are open, the one used last at the end.
    open: VecDeque<usize>,
    /// What devices put on the wire in all.
    pub(super) on_wire: OnWire,
    /// How many sessions they had.
    pub(super) sessions: u64,
}

/// The key of a device that is never the machine's: it is kept here alone.
#[derive(Clone, Default)]
struct Key(Arc<Mutex<Option<SecretKey>>>);

impl KeyStore for Key {
    fn load(&self) -> Result<Option<SecretKey>, KeyStoreError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn save(&self, key: &SecretKey) -> Result<(), KeyStoreError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
        Ok(())
    }
}

fn user(author: usize) -> Result<UserId, CliError> {
    format!("author-{author}").parse().map_err(CliError::run)
}

impl World {
    pub(super) fn start(authors: usize) -> Result<Self, CliError> {
        let dir = tempfile::tempdir().map_err(CliError::run)?;
        let mut policy = POLICY.to_owned();
        for author in 0..authors {
            let id = user(author)?;
            let entry = "business_unit = \"root\"\nroles = [\"author\"]";
            writeln!(policy, "[[user]]\nid = \"{id}\"\n{entry}").map_err(CliError::run)?;
        }
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).map(|()| path).map_err(CliError::run)
        };
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = InitOptions {
            listen: Some(listen),
            schema: Some(write("schema.toml", SCHEMA)?),
            policy: Some(write("policy.toml", &policy)?),
            ..InitOptions::default()
        };
        let home = Home::init(&dir.path().join("server"), &options).map_err(CliError::run)?;
        let options = ServerOptions {
            listen,
            file: &home.data_file(),
            identity: home.identity(),
            tls_key: home.tls_key().clone(),
            rules: home.rules().map_err(CliError::run)?,
            goes_on: false,
        };
        // All devices are at one address; and commits build on what is long past.
        let limits = Limits {
            handshakes_per_address: u32::MAX,
            history_changes: u32::MAX,
            history_days: 0,
            ..Limits::default()
        };
        let server = Server::start_scratch(options, limits).map_err(CliError::run)?;
        let devices = vec![None; authors];
        let keys = std::iter::repeat_with(Key::default).take(authors).collect();
        let (open, on_wire) = (VecDeque::new(), OnWire::default());
        Ok(Self { dir, home, server, devices, keys, open, on_wire, sessions: 0 })
    }

    /// Makes the author's device one of the organization. All are before anything is there: what a
    /// device could not read before comes to it without its history.
    pub(super) async fn enroll(&mut self, author: usize) -> Result<(), CliError> {
        let replica = self.device(author)?;
        let (user, address) = (user(author)?, self.server.local_addr().map_err(CliError::run)?);
        let addresses = vec![address.to_string()];
        let code = self.home.enroll_code_at(addresses, &user, ENROLL_CODE_LASTS_MILLIS);
        let report = replica.enroll(&code.map_err(CliError::run)?, user.as_str()).await;
        self.note(&replica, &report.map_err(CliError::run)?)
    }

    /// The author's device, open; the one that was used longest ago is closed.
    pub(super) fn device(&mut self, author: usize) -> Result<Replica, CliError> {
        if self.open.back() != Some(&author) {
            self.open.retain(|open| *open != author);
            self.open.push_back(author);
        }
        if self.open.len() > REPLAY_OPEN_MAX
            && let Some(longest) = self.open.pop_front()
            && let Some(device) = self.devices.get_mut(longest)
        {
            *device = None;
        }
        let path = self.dir.path().join(format!("{author}.redb"));
        let missing = || CliError::Run(format!("there is no author {author}"));
        let (Some(device), Some(key)) = (self.devices.get_mut(author), self.keys.get(author))
        else {
            return Err(missing());
        };
        if let Some(replica) = device {
            return Ok(replica.clone());
        }
        let builder = Replica::builder(path).scratch().key_store(key.clone());
        let replica = builder.open().map_err(CliError::run)?;
        Ok(device.insert(replica).clone())
    }

    /// Sends what is pending on the author's device, and fetches what there is.
    pub(super) async fn sync(&mut self, author: usize) -> Result<(), CliError> {
        let replica = self.device(author)?;
        let report = replica.sync().await.map_err(CliError::run)?;
        self.note(&replica, &report)
    }

    /// As [`Self::sync`], of several at once.
    pub(super) async fn sync_all(&mut self, authors: Range<usize>) -> Result<(), CliError> {
        let mut under_way = Vec::with_capacity(authors.len());
        for author in authors {
            let replica = self.device(author)?;
            let syncing = replica.clone();
            under_way.push((replica, tokio::spawn(async move { syncing.sync().await })));
        }
        for (replica, syncing) in under_way {
            let report = syncing.await.map_err(CliError::run)?;
            self.note(&replica, &report.map_err(CliError::run)?)?;
        }
        Ok(())
    }

    fn note(&mut self, replica: &Replica, report: &SyncReport) -> Result<(), CliError> {
        self.on_wire.add(report);
        self.sessions += 1;
        if report.totals.denied == 0 {
            return Ok(());
        }
        let refused = replica.quarantine().map_err(CliError::run)?;
        let why = refused.first().map_or("nobody knows why".into(), |it| it.denial.to_string());
        Err(CliError::Run(format!("the server refused an edit: {why}")))
    }

    pub(super) async fn stop(self) {
        drop(self.devices);
        self.server.stop().await;
    }
}
