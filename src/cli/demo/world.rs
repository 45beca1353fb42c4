//! A server and its devices in a temporary folder.

use std::collections::BTreeMap;
use std::path::Path;

use tempfile::TempDir;

use super::cast::{Cast, Rows, Source};
use crate::cli::CliError;
use crate::codec::{EnrollCode, EnrollTerms, SecretKey, ServerCertificate};
use crate::crdt::ChangeHash;
use crate::gate::Roster;
use crate::limits::ENROLL_CODE_LASTS_MILLIS;
use crate::model::{Policy, RecordId, Section, TableName, UserId};
use crate::net::{FileKeyStore, Traffic, system};
use crate::replica::{Import, ImportReport, ImportSource, Replica, SyncReport};
use crate::server::{Server, ServerOptions};
use crate::sync::server::{Identity, Rules};

pub(super) struct Device {
    pub(super) name: &'static str,
    pub(super) replica: Replica,
    pub(super) traffic: Traffic,
}

pub(super) struct World {
    dir: TempDir,
    server: Server,
    key: SecretKey,
    organization: SecretKey,
}

impl World {
    pub(super) fn start(cast: &Cast) -> Result<Self, CliError> {
        let dir = tempfile::tempdir().map_err(CliError::run)?;
        let fresh = || system::seed().map(SecretKey::from_seed).map_err(CliError::run);
        let (organization, key, tls_key) = (fresh()?, fresh()?, fresh()?);
        let (server_key, tls) = (key.public(), tls_key.public());
        let certificate =
            ServerCertificate::issue(&organization, server_key, tls, 1, system::now()).to_bytes();
        let server = Server::start(ServerOptions {
            listen: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
            file: &dir.path().join("server.redb"),
            identity: Identity {
                organization: organization.public(),
                key: key.clone(),
                certificate,
            },
            tls_key,
            rules: rules(cast, &cast.policy)?,
        })
        .map_err(CliError::run)?;
        Ok(Self { dir, server, key, organization })
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Enrols a new device of `user`.
    pub(super) async fn enroll(
        &self,
        name: &'static str,
        user: &UserId,
    ) -> Result<Device, CliError> {
        let random = system::seed().map_err(CliError::run)?;
        let mut nonce = [0; 8];
        nonce.copy_from_slice(random.split_at(8).0);
        let terms = EnrollTerms {
            addresses: vec![self.server.local_addr().map_err(CliError::run)?.to_string()],
            organization: self.organization.public(),
            user: user.clone(),
            nonce,
            expires: system::now().plus_millis(ENROLL_CODE_LASTS_MILLIS),
        };
        let code = EnrollCode::mint(&self.key, terms).map_err(CliError::run)?;
        let path = self.path().join(format!("{}.redb", name.replace(' ', "-")));
        let keys = FileKeyStore::new(path.with_extension("key"));
        let replica = Replica::builder(&path).key_store(keys).open().map_err(CliError::run)?;
        let report = replica.enroll(&code, name).await.map_err(CliError::run)?;
        Ok(Device { name, replica, traffic: report.traffic })
    }

    pub(super) async fn set_policy(&self, cast: &Cast, policy: &Policy) -> Result<(), CliError> {
        self.server.set_rules(rules(cast, policy)?).await.map_err(CliError::run)
    }

    pub(super) async fn stop(self) {
        self.server.stop().await;
    }
}

fn rules(cast: &Cast, policy: &Policy) -> Result<Rules, CliError> {
    let roster = Roster::new(policy.clone().into(), cast.organization.clone().into());
    Rules::new(cast.schema.clone(), roster).map_err(CliError::run)
}

impl Device {
    pub(super) async fn sync(&mut self) -> Result<SyncReport, CliError> {
        let report = self.replica.sync().await.map_err(CliError::run)?;
        self.traffic.sent_bytes += report.traffic.sent_bytes;
        self.traffic.received_bytes += report.traffic.received_bytes;
        Ok(report)
    }

    pub(super) async fn import(&self, source: &Source) -> Result<ImportReport, CliError> {
        let import = Import {
            table: source.table.clone(),
            rename: source.rename.iter().cloned().collect(),
            ignore: Vec::new(),
        };
        let report = match &source.rows {
            Rows::File(path) => {
                let file = std::fs::File::open(path)
                    .map_err(|error| CliError::Input(format!("{}: {error}", path.display())))?;
                let rows = ImportSource::Csv(std::io::BufReader::new(file));
                self.replica.import(&import, rows, |_| {}).await
            }
            Rows::JsonLines(bytes) => {
                let rows = ImportSource::JsonLines(bytes.as_slice());
                self.replica.import(&import, rows, |_| {}).await
            }
        };
        let report = report.map_err(CliError::input)?;
        match report.bad_lines.first() {
            Some(bad) => {
                let (table, line, error) = (&source.table, bad.line, &bad.error);
                Err(CliError::Input(format!("{table}, line {line}: {error}")))
            }
            None => Ok(report),
        }
    }

    /// The heads of all confirmed records, each rebuilt as Automerge documents.
    pub(super) fn heads(&self) -> Result<Heads, CliError> {
        let ids = self.replica.confirmed_ids().map_err(CliError::run)?;
        let heads = |(table, id): (TableName, RecordId)| {
            let heads = self.replica.heads(&table, id).map_err(CliError::run)?;
            Ok(((table, id), heads))
        };
        ids.into_iter().map(heads).collect()
    }
}

pub(super) type Heads = BTreeMap<(TableName, RecordId), BTreeMap<Section, Vec<ChangeHash>>>;
