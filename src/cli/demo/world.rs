//! A server and its devices in a temporary folder.

use std::collections::BTreeMap;
use std::path::Path;

use tempfile::TempDir;

use super::cast::{Cast, Rows, Source};
use crate::cli::CliError;
use crate::crdt::ChangeHash;
use crate::gate::Roster;
use crate::limits::ENROLL_CODE_LASTS_MILLIS;
use crate::model::{RecordId, Right, Section, TableName, UserId};
use crate::replica::{Import, ImportReport, ImportSource, Replica, SyncReport, Traffic};
use crate::server::{Home, Server};
use crate::sync::server::Rules;

pub(super) struct Device {
    pub(super) name: &'static str,
    pub(super) replica: Replica,
    pub(super) traffic: Traffic,
}

pub(super) struct World {
    dir: TempDir,
    home: Home,
    server: Server,
}

impl World {
    pub(super) fn start(cast: &Cast) -> Result<Self, CliError> {
        let dir = tempfile::tempdir().map_err(CliError::run)?;
        let home = Home::init(&dir.path().join("server"), &cast.init).map_err(CliError::input)?;
        let server = home.serve(home.rules().map_err(CliError::run)?).map_err(CliError::run)?;
        Ok(Self { dir, home, server })
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
        let address = self.server.local_addr().map_err(CliError::run)?.to_string();
        let code = self.home.enroll_code_at(vec![address], user, ENROLL_CODE_LASTS_MILLIS);
        let code = code.map_err(CliError::run)?;
        let path = self.path().join(format!("{}.redb", name.replace(' ', "-")));
        let replica = Replica::builder(&path).open().map_err(CliError::run)?;
        let report = replica.enroll(&code, name).await.map_err(CliError::run)?;
        Ok(Device { name, replica, traffic: report.traffic })
    }

    /// Takes the right `append` on the story's table from every role.
    pub(super) async fn take_right(&self, cast: &Cast) -> Result<(), CliError> {
        let rules = self.home.rules().map_err(CliError::run)?;
        let mut policy = rules.roster().policy().clone();
        for role in policy.roles.values_mut() {
            if let Some(rights) = role.rights.get_mut(&cast.table) {
                rights.remove(&Right::Append);
            }
        }
        let organization = rules.roster().organization().clone();
        let roster = Roster::new(policy.into(), organization.into());
        let rules = Rules::new(rules.schema().clone(), roster).map_err(CliError::run)?;
        self.server.set_rules(rules).await.map_err(CliError::run)
    }

    pub(super) async fn stop(self) {
        self.server.stop().await;
    }
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
