//! A server's folder: its keys, its configuration, what it judges by.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Server, ServerError, ServerOptions};
use crate::codec::{
    CertificateError, EnrollCode, EnrollTerms, MintError, PublicKey, SecretKey, ServerCertificate,
};
use crate::gate::Roster;
use crate::limits::DOCUMENT_BYTES_MAX;
use crate::model::UserId;
use crate::net::{FileKeyStore, KeyStore as _, KeyStoreError, system};
use crate::policy::{
    CsvError, CsvFile, DocumentError, read_organization_csv, read_policy, read_schema,
};
use crate::sync::StoreError;
use crate::sync::server::{Identity, Rules};

const CONFIG: &str = "tidegate.toml";
const ORGANIZATION_KEY: &str = "organization.key";
const SERVER_KEY: &str = "server.key";
const TLS_KEY: &str = "tls.key";
const CERTIFICATE: &str = "server.certificate";
const DATA: &str = "server.redb";

const DEFAULT_SCHEMA: &str = include_str!("default/schema.toml");
const DEFAULT_POLICY: &str = include_str!("default/policy.toml");

/// Why a server's folder cannot be made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HomeError {
    /// There is a server in the folder.
    #[error("{} holds a server already; choose another folder", .0.display())]
    Taken(PathBuf),
    /// There is none.
    #[error("{} holds no server; make one with `tidegate init {}`", .0.display(), .0.display())]
    Missing(PathBuf),
    /// A file cannot be read or written.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A document is longer than [`DOCUMENT_BYTES_MAX`].
    #[error("{}: a document has at most {DOCUMENT_BYTES_MAX} bytes", .0.display())]
    TooLong(PathBuf),
    /// The configuration is not one.
    #[error("{}: {error}", .path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its line.
        error: Box<toml::de::Error>,
    },
    /// A key file cannot be used.
    #[error(transparent)]
    Key(#[from] KeyStoreError),
    /// The certificate does not fit the keys.
    #[error("{}: {error}", .path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: CertificateError,
    },
    /// Schema or policy have a mistake.
    #[error("{0}")]
    Document(Box<DocumentError>),
    /// The organization's files have a mistake.
    #[error("{0}")]
    Organization(Box<CsvError>),
    /// Nobody says who the people are.
    #[error(
        "{}: the policy declares no organization, and `organization` in {CONFIG} names no files for it", .0.display()
    )]
    NoOrganization(PathBuf),
    /// A user is not there.
    #[error("there is no user `{0}` in the organization; known are: {1}")]
    NoSuchUser(UserId, String),
    /// An enrolment code cannot be made.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// Memory for the rules cannot be had.
    #[error(transparent)]
    Rules(#[from] StoreError),
}

impl From<DocumentError> for HomeError {
    fn from(error: DocumentError) -> Self {
        Self::Document(Box::new(error))
    }
}

impl From<CsvError> for HomeError {
    fn from(error: CsvError) -> Self {
        Self::Organization(Box::new(error))
    }
}

/// `tidegate.toml`. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the server listens.
    pub listen: SocketAddr,
    /// Where devices find it; enrolment codes carry these.
    pub addresses: Vec<String>,
    /// The schema document, from the folder.
    pub schema: PathBuf,
    /// The policy document, from the folder.
    pub policy: PathBuf,
    /// Files of the organization, where the policy document does not declare it.
    pub organization: Option<OrganizationFiles>,
}

/// Where the organization is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganizationFiles {
    /// A CSV file with the columns `id` and `parent`.
    pub business_units: PathBuf,
    /// A CSV file with the columns `login`, `business_unit`, `manager` and `roles`.
    pub users: PathBuf,
}

/// What a new server starts with.
#[derive(Debug, Clone, Default)]
pub struct InitOptions {
    /// Where it shall listen; default 127.0.0.1:4747.
    pub listen: Option<SocketAddr>,
    /// Where devices find it, if not where it listens.
    pub addresses: Vec<String>,
    /// A schema to start from; default: a small example.
    pub schema: Option<PathBuf>,
    /// A policy to start from; default: one that fits the example.
    pub policy: Option<PathBuf>,
    /// The organization's files, where the policy does not declare it.
    pub organization: Option<OrganizationFiles>,
    /// A user to add to these files, in the topmost business unit, who may do everything.
    pub administrator: Option<UserId>,
}

/// The users of a CSV file, and one more who may do everything.
fn with_administrator(
    units: &str,
    users: &str,
    administrator: &UserId,
) -> Result<String, HomeError> {
    let people = read_organization_csv(
        CsvFile { name: "business units", bytes: units.as_bytes() },
        CsvFile { name: "users", bytes: users.as_bytes() },
        None,
    )?;
    if people.users.contains_key(administrator) {
        return Ok(users.to_owned());
    }
    let root = people.business_units.iter().find(|(_, unit)| unit.parent.is_none());
    let root = root.map(|(id, _)| id.as_str()).unwrap_or_default();
    let header = users.lines().next().unwrap_or_default();
    let cell = |column: &str| match column.trim().trim_matches('"') {
        "login" => administrator.as_str().to_owned(),
        "business_unit" => root.to_owned(),
        "roles" => crate::model::SYSTEM_ADMINISTRATOR.to_owned(),
        _ => String::new(),
    };
    let row: Vec<_> = header.split(',').map(cell).collect();
    Ok(format!("{}\n{}\n", users.trim_end(), row.join(",")))
}

/// A server's folder.
#[derive(Debug)]
pub struct Home {
    dir: PathBuf,
    config: Config,
    organization: PublicKey,
    key: SecretKey,
    tls_key: SecretKey,
    certificate: Vec<u8>,
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> HomeError + '_ {
    move |error| HomeError::Io { path: path.to_owned(), error }
}

/// Reads a document of bounded length.
fn read(path: &Path) -> Result<String, HomeError> {
    let length = fs::metadata(path).map_err(io(path))?.len();
    if length > DOCUMENT_BYTES_MAX as u64 {
        return Err(HomeError::TooLong(path.to_owned()));
    }
    fs::read_to_string(path).map_err(io(path))
}

impl Home {
    /// Makes a new server: the organization's key, the server's keys and certificate, the
    /// configuration. What is checked is checked before anything is written.
    ///
    /// # Errors
    /// The folder holds a server, or cannot be written; or schema, policy or organization have a
    /// mistake.
    pub fn init(dir: &Path, options: &InitOptions) -> Result<Self, HomeError> {
        if dir.join(CONFIG).exists() || dir.join(ORGANIZATION_KEY).exists() {
            return Err(HomeError::Taken(dir.to_owned()));
        }
        let schema = options.schema.as_deref().map_or_else(|| Ok(DEFAULT_SCHEMA.into()), read)?;
        let policy = options.policy.as_deref().map_or_else(|| Ok(DEFAULT_POLICY.into()), read)?;
        let people = match &options.organization {
            Some(files) => Some((read(&files.business_units)?, read(&files.users)?)),
            None => None,
        };
        fs::create_dir_all(dir).map_err(io(dir))?;
        let write = |name: &str, text: &[u8]| {
            let path = dir.join(name);
            fs::write(&path, text).map_err(io(&path))
        };
        let extension = |path: &Option<PathBuf>| match path.as_deref().and_then(Path::extension) {
            Some(extension) if extension == "json" => "json",
            _ => "toml",
        };
        let schema_file = PathBuf::from(format!("schema.{}", extension(&options.schema)));
        let policy_file = PathBuf::from(format!("policy.{}", extension(&options.policy)));
        write(&schema_file.to_string_lossy(), schema.as_bytes())?;
        write(&policy_file.to_string_lossy(), policy.as_bytes())?;
        let organization = match people {
            Some((units, users)) => {
                let (business_units, users_file) = ("business_unit.csv".into(), "user.csv".into());
                write("business_unit.csv", units.as_bytes())?;
                let users = match &options.administrator {
                    Some(administrator) => with_administrator(&units, &users, administrator)?,
                    None => users,
                };
                write("user.csv", users.as_bytes())?;
                Some(OrganizationFiles { business_units, users: users_file })
            }
            None => None,
        };
        let listen = options.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 4747)));
        let addresses = match options.addresses.as_slice() {
            [] => vec![listen.to_string()],
            given => given.to_vec(),
        };
        let config =
            Config { listen, addresses, schema: schema_file, policy: policy_file, organization };
        let home = Self::with_new_keys(dir, config)?;
        home.rules()?;
        let text = toml::to_string_pretty(&home.config).unwrap_or_default();
        write(CONFIG, format!("{CONFIG_HEAD}{text}").as_bytes())?;
        Ok(home)
    }

    fn with_new_keys(dir: &Path, config: Config) -> Result<Self, HomeError> {
        let fresh = |name: &str| -> Result<SecretKey, HomeError> {
            let path = dir.join(name);
            let key = SecretKey::from_seed(system::seed().map_err(io(&path))?);
            FileKeyStore::new(&path).save(&key)?;
            Ok(key)
        };
        let (organization, key, tls_key) =
            (fresh(ORGANIZATION_KEY)?, fresh(SERVER_KEY)?, fresh(TLS_KEY)?);
        let certificate = ServerCertificate::issue(
            &organization,
            key.public(),
            tls_key.public(),
            1,
            system::now(),
        )
        .to_bytes();
        let path = dir.join(CERTIFICATE);
        fs::write(&path, &certificate).map_err(io(&path))?;
        let organization = organization.public();
        Ok(Self { dir: dir.to_owned(), config, organization, key, tls_key, certificate })
    }

    /// Opens the folder of a server that was made before.
    ///
    /// # Errors
    /// It holds none; or a key, the certificate or the configuration is missing or wrong.
    pub fn open(dir: &Path) -> Result<Self, HomeError> {
        let path = dir.join(CONFIG);
        if !path.exists() {
            return Err(HomeError::Missing(dir.to_owned()));
        }
        let config = toml::from_str(&read(&path)?)
            .map_err(|error| HomeError::Config { path, error: Box::new(error) })?;
        let key = |name: &str| -> Result<SecretKey, HomeError> {
            let path = dir.join(name);
            let missing = || io(&path)(std::io::ErrorKind::NotFound.into());
            FileKeyStore::new(&path).load()?.ok_or_else(missing)
        };
        let (organization, server, tls_key) =
            (key(ORGANIZATION_KEY)?.public(), key(SERVER_KEY)?, key(TLS_KEY)?);
        let path = dir.join(CERTIFICATE);
        let bytes = fs::read(&path).map_err(io(&path))?;
        let certificate = ServerCertificate::from_bytes(&bytes)
            .and_then(|certificate| certificate.verify(&organization));
        certificate.map_err(|error| HomeError::Certificate { path, error })?;
        let dir = dir.to_owned();
        Ok(Self { dir, config, organization, key: server, tls_key, certificate: bytes })
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The organization's public key.
    #[must_use]
    pub fn organization(&self) -> PublicKey {
        self.organization
    }

    /// The server's file.
    #[must_use]
    pub fn data_file(&self) -> PathBuf {
        self.dir.join(DATA)
    }

    /// The key of its socket.
    #[must_use]
    pub fn tls_key(&self) -> &SecretKey {
        &self.tls_key
    }

    /// Who the server is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let (key, certificate) = (self.key.clone(), self.certificate.clone());
        Identity { organization: self.organization, key, certificate }
    }

    /// What it judges by: reads and checks schema, policy and organization.
    ///
    /// # Errors
    /// One of them has a mistake; the error names file, line and key.
    pub fn rules(&self) -> Result<Rules, HomeError> {
        let document = |path: &Path| {
            let path = self.dir.join(path);
            let text = read(&path)?;
            Ok::<_, HomeError>((text, path.to_string_lossy().into_owned()))
        };
        let (text, file) = document(&self.config.schema)?;
        let schema = read_schema(&text, &file)?;
        let (text, file) = document(&self.config.policy)?;
        let (policy, organization) = match &self.config.organization {
            None => {
                let read = read_policy(&text, &file, Some(&schema), None)?;
                let missing = || HomeError::NoOrganization(self.dir.join(&self.config.policy));
                (read.policy, read.organization.ok_or_else(missing)?)
            }
            Some(files) => {
                // The policy names users, and users name roles: each is checked against the other.
                let (units, units_file) = document(&files.business_units)?;
                let (users, users_file) = document(&files.users)?;
                let units = CsvFile { name: &units_file, bytes: units.as_bytes() };
                let users = CsvFile { name: &users_file, bytes: users.as_bytes() };
                let people = read_organization_csv(units, users, None)?;
                let read = read_policy(&text, &file, Some(&schema), Some(&people))?;
                read_organization_csv(units, users, Some(&read.policy))?;
                (read.policy, people)
            }
        };
        Ok(Rules::new(schema, Roster::new(Arc::new(policy), Arc::new(organization)))?)
    }

    /// Starts the server, judging by `rules`.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn serve(&self, rules: Rules) -> Result<Server, ServerError> {
        Server::start(ServerOptions {
            listen: self.config.listen,
            file: &self.data_file(),
            identity: self.identity(),
            tls_key: self.tls_key.clone(),
            rules,
        })
    }

    /// Makes an enrolment code for a user, good for so many milliseconds. It needs no running server, and works beside one.
    ///
    /// # Errors
    /// There is no such user, or it is disabled.
    pub fn enroll_code(&self, user: &UserId, lasts_millis: i64) -> Result<EnrollCode, HomeError> {
        self.enroll_code_at(self.config.addresses.clone(), user, lasts_millis)
    }

    /// As [`Self::enroll_code`], for a server that is found elsewhere than its configuration says.
    ///
    /// # Errors
    /// As [`Self::enroll_code`].
    pub fn enroll_code_at(
        &self,
        addresses: Vec<String>,
        user: &UserId,
        lasts_millis: i64,
    ) -> Result<EnrollCode, HomeError> {
        let rules = self.rules()?;
        let users = &rules.roster().organization().users;
        if users.get(user).is_none_or(|user| user.disabled) {
            let some: Vec<_> = users.keys().take(10).map(ToString::to_string).collect();
            let more = if users.len() > some.len() { ", ..." } else { "" };
            return Err(HomeError::NoSuchUser(user.clone(), some.join(", ") + more));
        }
        let random = system::seed().map_err(io(&self.dir))?;
        let mut nonce = [0; 8];
        nonce.copy_from_slice(random.split_at(8).0);
        let organization = self.organization;
        let expires = system::now().plus_millis(lasts_millis);
        let terms = EnrollTerms { addresses, organization, user: user.clone(), nonce, expires };
        Ok(EnrollCode::mint(&self.key, terms)?)
    }

    /// Users who may do everything: to whom the first code goes.
    ///
    /// # Errors
    /// As [`Self::rules`].
    pub fn administrators(&self) -> Result<Vec<UserId>, HomeError> {
        let rules = self.rules()?;
        let users = &rules.roster().organization().users;
        let may = |id: &&UserId| {
            let standing = crate::gate::Standing::resolve(rules.roster(), id);
            standing.is_ok_and(|standing| standing.is_administrator())
        };
        Ok(users.keys().filter(may).cloned().collect())
    }
}

const CONFIG_HEAD: &str = "\
# A Tidegate server. `tidegate serve DIR` reads this file when it starts.
# listen: the UDP address of its socket.  addresses: where devices find it (in enrolment codes).

";
