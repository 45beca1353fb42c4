//! Whether a server's folder is as it should be, thing by thing.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::documents::Document;
use super::home::{CERTIFICATE, CONFIG, ORGANIZATION, ORGANIZATION_KEY, SERVER_KEY, TLS_KEY};
use super::{Config, HomeError, OrganizationFiles, keys};
use crate::codec::{EnrollCode, EnrollTerms, PublicKey, SecretKey};
use crate::limits::ENROLL_CODE_LASTS_MILLIS;
use crate::model::{Organization, Policy, Schema, Timestamp};
use crate::policy::{read_organization_csv, read_policy, read_schema};
use crate::store::{FileKind, OpenError, look};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckItem {
    /// What it is.
    pub what: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// How it is.
    pub result: CheckResult,
}

/// How a thing is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckResult {
    /// Fine; with what it says.
    Fine(String),
    /// It has a mistake: the first one, with file, line and key.
    Wrong(String),
    /// What it depends on has a mistake.
    NotChecked(String),
}

impl CheckItem {
    /// Whether it has a mistake.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        matches!(self.result, CheckResult::Wrong(_))
    }
}

/// Looks at everything that a server needs to start from this folder: configuration, keys,
/// certificate, documents and data file. Nothing is written, and nobody is kept away from the data
/// file: a server may run, or start meanwhile. The socket is not tried.
#[must_use]
pub fn check_folder(dir: &Path) -> Vec<CheckItem> {
    let mut check = Check { dir, items: Vec::new() };
    let config = check.note("configuration", CONFIG, configuration(dir));
    check.keys();
    match config {
        Some(config) => {
            check.documents(&config);
            let path = dir.join(&config.data);
            let result = data_file(&path);
            check.items.push(CheckItem { what: "data file", path, result });
        }
        None => check.skip("schema, policy, organization, data file", CONFIG, CONFIG),
    }
    check.items
}

struct Check<'a> {
    dir: &'a Path,
    items: Vec<CheckItem>,
}

impl Check<'_> {
    /// Notes how a thing is, and gives it, if it is fine.
    fn note<T, E: Display>(
        &mut self,
        what: &'static str,
        name: impl AsRef<Path>,
        result: Result<(T, String), E>,
    ) -> Option<T> {
        let (it, result) = match result {
            Ok((it, says)) => (Some(it), CheckResult::Fine(says)),
            Err(error) => (None, CheckResult::Wrong(error.to_string())),
        };
        self.items.push(CheckItem { what, path: self.dir.join(name), result });
        it
    }

    fn skip(&mut self, what: &'static str, name: impl AsRef<Path>, because: &str) {
        let result = CheckResult::NotChecked(format!("{because} has a mistake"));
        self.items.push(CheckItem { what, path: self.dir.join(name), result });
    }

    fn keys(&mut self) {
        let dir = self.dir;
        let key = |name: &str| {
            keys::load_key(dir, name).map(|key| (key.public(), format!("{}", key.public())))
        };
        let offline = if dir.join(ORGANIZATION_KEY).exists() { "" } else { ", kept elsewhere" };
        let public = keys::organization(dir).map(|key| (key, format!("{key}{offline}")));
        let organization = self.note("organization key", ORGANIZATION, public);
        let server = self.note("server key", SERVER_KEY, key(SERVER_KEY));
        let tls = self.note("TLS key", TLS_KEY, key(TLS_KEY));
        let (Some(organization), Some(server), Some(tls)) = (organization, server, tls) else {
            return self.skip("certificate", CERTIFICATE, "a key");
        };
        self.note("certificate", CERTIFICATE, certificate(dir, &organization, server, tls));
    }

    fn documents(&mut self, config: &Config) {
        let dir = self.dir;
        let schema = schema(dir, config);
        let schema = self.note("schema", &config.schema, schema);
        let listed = config.organization.as_ref().map(|files| people(dir, files, None));
        let policy = match (&schema, &listed) {
            (None, _) => {
                self.skip("policy", &config.policy, "the schema");
                None
            }
            (_, Some(Err(_))) => {
                self.skip("policy", &config.policy, "the organization");
                None
            }
            (Some(schema), listed) => {
                let listed = listed.as_ref().and_then(|it| it.as_ref().ok());
                self.note("policy", &config.policy, policy(dir, config, schema, listed))
            }
        };
        let organization = self.organization(config, policy.as_ref());
        let Some(file) = &config.profiles else { return };
        let (Some(schema), Some((policy, _)), Some(people)) = (schema, policy, organization) else {
            return self.skip("offline profiles", file, "what they go by");
        };
        let read = Document::read(&dir.join(file))
            .and_then(|document| document.profiles(&schema, &policy, &people));
        let says = read.map(|(_, read)| ((), format!("{} profiles", read.list.len())));
        self.note("offline profiles", file, says);
    }

    fn organization(
        &mut self,
        config: &Config,
        policy: Option<&ReadPolicy>,
    ) -> Option<Organization> {
        let dir = self.dir;
        let (name, organization) = match (&config.organization, policy) {
            (Some(files), policy) => {
                let policy = policy.map(|(policy, _)| policy);
                (&files.users, people(dir, files, policy))
            }
            (None, Some((_, declared))) => {
                let missing = || HomeError::NoOrganization(dir.join(&config.policy));
                (&config.policy, declared.clone().ok_or_else(missing))
            }
            (None, None) => {
                self.skip("organization", &config.policy, "the policy");
                return None;
            }
        };
        let says = |it: Organization| {
            let says =
                format!("{} users in {} business units", it.users.len(), it.business_units.len());
            (it, says)
        };
        self.note("organization", name, organization.map(says))
    }
}

fn configuration(dir: &Path) -> Result<(Config, String), HomeError> {
    let config = Config::of(dir)?;
    // A code with these addresses is made only to see that it can be.
    if let Ok(user) = "someone".parse() {
        let expires = Timestamp::default().plus_millis(ENROLL_CODE_LASTS_MILLIS);
        let (addresses, organization) = (config.addresses.clone(), PublicKey([0; 32]));
        let terms = EnrollTerms { addresses, organization, user, nonce: [0; 8], expires };
        EnrollCode::mint(&SecretKey::from_seed([0; 32]), terms).map_err(|error| {
            let path = dir.join(CONFIG);
            HomeError::Addresses { path, error }
        })?;
    }
    let says = format!("listens on {}, found at {}", config.listen, config.addresses.join(", "));
    Ok((config, says))
}

fn certificate(
    dir: &Path,
    organization: &PublicKey,
    server: PublicKey,
    tls: PublicKey,
) -> Result<((), String), HomeError> {
    let certificate = keys::load_certificate(dir, organization)?;
    if (certificate.server_key(), certificate.tls_key()) != (server, tls) {
        return Err(HomeError::OtherKeys(dir.join(CERTIFICATE)));
    }
    let (serial, from) = (certificate.serial(), certificate.valid_from());
    Ok(((), format!("serial {serial}, issued at {from}")))
}

fn schema(dir: &Path, config: &Config) -> Result<(Schema, String), HomeError> {
    let document = Document::read(&dir.join(&config.schema))?;
    let schema = read_schema(&document.text, &document.name)?;
    let says = format!("{} tables", schema.tables.len());
    Ok((schema, says))
}

/// Business units and users from CSV; with a policy, their roles must be in it.
fn people(
    dir: &Path,
    files: &OrganizationFiles,
    policy: Option<&Policy>,
) -> Result<Organization, HomeError> {
    let units = Document::read(&dir.join(&files.business_units))?;
    let users = Document::read(&dir.join(&files.users))?;
    Ok(read_organization_csv(units.csv(), users.csv(), policy)?)
}

type ReadPolicy = (Policy, Option<Organization>);

fn policy(
    dir: &Path,
    config: &Config,
    schema: &Schema,
    people: Option<&Organization>,
) -> Result<(ReadPolicy, String), HomeError> {
    let document = Document::read(&dir.join(&config.policy))?;
    let read = read_policy(&document.text, &document.name, Some(schema), people)?;
    let says = format!("{} roles", read.policy.roles.len());
    Ok(((read.policy, read.organization), says))
}

fn data_file(path: &Path) -> CheckResult {
    match look(path) {
        Ok(FileKind::Server) => CheckResult::Fine("a server's file, in a format known here".into()),
        Ok(kind) => {
            let (path, found, wanted) = (path.to_owned(), kind, FileKind::Server);
            CheckResult::Wrong(OpenError::WrongKind { path, found, wanted }.to_string())
        }
        Err(OpenError::InUse(_)) => CheckResult::Fine("in use: a server is running".into()),
        Err(OpenError::NotFound(_)) => match path.parent() {
            Some(folder) if !folder.is_dir() => {
                CheckResult::Wrong(OpenError::NoFolder(path.to_owned()).to_string())
            }
            _ => CheckResult::Fine("not there yet: the first start makes it".into()),
        },
        Err(error) => CheckResult::Wrong(error.to_string()),
    }
}
