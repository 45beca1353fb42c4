//! A server's folder: its keys, its configuration, what it judges by.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::config::{Config, Limits, Log, OrganizationFiles, Retention};
use super::documents::Documents;
use super::keys::{Keys, fresh_key};
use super::{Server, ServerError, ServerOptions};
use crate::codec::{CertificateError, EnrollCode, EnrollTerms, MintError, PublicKey, SecretKey};
use crate::limits::{DOCUMENT_BYTES_MAX, ENROLL_CODE_LASTS_MILLIS};
use crate::model::{User, UserId};
use crate::net::{FileKeyStore, KeyStore as _, KeyStoreError, system};
use crate::policy::{CsvError, DocumentError};
use crate::store::{OpenError, RedbServer};
use crate::sync::server::{Identity, Rules, RulesError};
use crate::sync::{ServerStore as _, StoreError};

pub(super) const CONFIG: &str = "tidegate.toml";
pub(super) const ORGANIZATION: &str = "organization.pub";
pub(super) const ORGANIZATION_KEY: &str = "organization.key";
pub(super) const SERVER_KEY: &str = "server.key";
pub(super) const TLS_KEY: &str = "tls.key";
pub(super) const CERTIFICATE: &str = "server.certificate";
pub(super) const DATA: &str = "server.redb";

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
    /// What should be a folder is a file.
    #[error("{} is a file, not a folder; choose another name", .0.display())]
    NotAFolder(PathBuf),
    /// It listens everywhere, which is no address that a device could go to.
    #[error(
        "{0} stands for every address of this machine: say with --address HOST:PORT where devices \
         find it"
    )]
    NoAddress(SocketAddr),
    /// A key or the certificate is gone.
    #[error(
        "{} is missing, and nothing else can stand in for it: restore it from a backup, or make \
         a new server in another folder", .0.display()
    )]
    Gone(PathBuf),
    /// The organization's key is not where it was looked for.
    #[error(
        "{} is not there: say with --organization-key FILE where the organization's key is kept",
        .0.display()
    )]
    NoKeyFile(PathBuf),
    /// Another organization's key.
    #[error("that is the key of the organization {found}; this server is of {wanted}")]
    OtherOrganization {
        /// The key found.
        found: PublicKey,
        /// The key of this server's organization.
        wanted: PublicKey,
    },
    /// The organization's public key cannot be read.
    #[error("{}: {problem}", .path.display())]
    OrganizationKey {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A text is not UTF-8.
    #[error("{}:{line}: this is not UTF-8: save the file in that encoding", .path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A file cannot be read or written.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A document is longer than [`DOCUMENT_BYTES_MAX`].
    #[error(
        "{} is too long: a document has at most {DOCUMENT_BYTES_MAX} bytes", .0.display()
    )]
    TooLong(PathBuf),
    /// The configuration is not one.
    #[error("{}:{line}: {problem}", .path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, with the key.
        problem: String,
    },
    /// Addresses that no enrolment code can carry.
    #[error("{}: `addresses`: {error}", .path.display())]
    Addresses {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: MintError,
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
    /// The certificate is good, but names other keys.
    #[error(
        "{} is not for the keys in {SERVER_KEY} and {TLS_KEY}: restore all three from one backup, \
         or from the files of one serial beside them (NAME.retired-SERIAL)",
        .0.display()
    )]
    OtherKeys(PathBuf),
    /// Schema or policy have a mistake.
    #[error("{0}")]
    Document(Box<DocumentError>),
    /// The organization's files have a mistake.
    #[error("{0}")]
    Organization(Box<CsvError>),
    /// Nobody says who the people are.
    #[error(
        "{}: the policy declares no organization (business units and users), and no files are \
         given for it: see `tidegate init --help`, or `organization` in {CONFIG}", .0.display()
    )]
    NoOrganization(PathBuf),
    /// A file without rules.
    #[error(
        "{} is not there or holds nothing yet, for its server has never run: start it once with `tidegate \
         serve`, which puts schema, policy and people into it", .0.display()
    )]
    NeverRan(PathBuf),
    /// A user is not there.
    #[error("there is no user `{0}` in the organization; known are: {1}")]
    NoSuchUser(UserId, String),
    /// No view has such a parameter.
    #[error("no view has a parameter `${0}`; known are: {1}")]
    NoSuchParameter(String, String),
    /// A profile would be for nobody, or for who may read nothing.
    #[error("nobody is in {0} who may read anything")]
    Nobody(String),
    /// An enrolment code cannot be made.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// Memory for the rules cannot be had.
    #[error(transparent)]
    Rules(#[from] StoreError),
    /// The rules do not fit together.
    #[error(transparent)]
    Misfit(#[from] RulesError),
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
    /// Offline profiles to start with; default: none, devices take all that their users may read.
    pub profiles: Option<PathBuf>,
    /// The organization's files, where the policy does not declare it.
    pub organization: Option<OrganizationFiles>,
    /// A user to add to these files, in the topmost business unit, who may do everything.
    pub administrator: Option<UserId>,
}

/// A server's folder.
#[derive(Debug, Clone)]
pub struct Home {
    dir: PathBuf,
    config: Config,
    keys: Keys,
}

pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> HomeError + '_ {
    move |error| HomeError::Io { path: path.to_owned(), error }
}

impl Home {
    /// Makes a new server: the organization's key, the server's keys and certificate, the
    /// configuration. What is checked is checked before anything is written.
    ///
    /// # Errors
    /// The folder holds a server, or cannot be written; or schema, policy or organization have a
    /// mistake.
    pub fn init(dir: &Path, options: &InitOptions) -> Result<Self, HomeError> {
        if dir.exists() && !dir.is_dir() {
            return Err(HomeError::NotAFolder(dir.to_owned()));
        }
        if dir.join(CONFIG).exists() || dir.join(ORGANIZATION_KEY).exists() {
            return Err(HomeError::Taken(dir.to_owned()));
        }
        let documents = Documents::given(options)?;
        let listen = options.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 4747)));
        let addresses = match options.addresses.as_slice() {
            [] if listen.ip().is_unspecified() => return Err(HomeError::NoAddress(listen)),
            [] => vec![listen.to_string()],
            given => given.to_vec(),
        };
        let config = Config {
            listen,
            addresses,
            data: DATA.into(),
            schema: format!("schema.{}", documents.schema.extension()).into(),
            policy: format!("policy.{}", documents.policy.extension()).into(),
            profiles: documents
                .profiles
                .as_ref()
                .map(|document| format!("profiles.{}", document.extension()).into()),
            organization: documents.people.as_ref().map(|_| OrganizationFiles {
                business_units: "business_unit.csv".into(),
                users: "user.csv".into(),
            }),
            limits: Limits::default(),
            retention: Retention::default(),
            log: Log::default(),
        };
        let organization = fresh_key(dir)?;
        let keys = Keys::fresh(&organization, 1, dir)?;
        let home = Self { dir: dir.to_owned(), config, keys };
        let rules = documents.rules()?;
        let first = rules.roster().organization().users.keys().next();
        // A code is made only to see that it can be. (A port that the system will choose is not
        // known yet.)
        if let Some(user) = options.administrator.as_ref().or(first) {
            let addresses = match listen.port() {
                0 if options.addresses.is_empty() => vec!["localhost:1".into()],
                _ => home.config.addresses.clone(),
            };
            home.mint(
                Some(&rules.roster().organization().users),
                addresses,
                user,
                ENROLL_CODE_LASTS_MILLIS,
            )?;
        }
        home.write(&organization, &documents)?;
        Ok(home)
    }

    /// Writes a new server's folder; what makes it one comes last.
    fn write(&self, organization: &SecretKey, documents: &Documents) -> Result<(), HomeError> {
        fs::create_dir_all(&self.dir).map_err(io(&self.dir))?;
        let write = |name: &Path, bytes: &[u8]| {
            let path = self.dir.join(name);
            fs::write(&path, bytes).map_err(io(&path))
        };
        FileKeyStore::new(self.dir.join(ORGANIZATION_KEY)).save(organization)?;
        write(ORGANIZATION.as_ref(), format!("{}\n", organization.public()).as_bytes())?;
        self.keys.save(&self.dir)?;
        write(&self.config.schema, documents.schema.text.as_bytes())?;
        write(&self.config.policy, documents.policy.text.as_bytes())?;
        if let (Some(file), Some(document)) = (&self.config.profiles, &documents.profiles) {
            write(file, document.text.as_bytes())?;
        }
        if let (Some(files), Some((units, users))) = (&self.config.organization, &documents.people)
        {
            write(&files.business_units, units.text.as_bytes())?;
            write(&files.users, users.text.as_bytes())?;
        }
        write(CONFIG.as_ref(), self.config.to_text().as_bytes())
    }

    /// Opens the folder of a server that was made before.
    ///
    /// # Errors
    /// It holds none; or a key, the certificate or the configuration is missing or wrong.
    pub fn open(dir: &Path) -> Result<Self, HomeError> {
        let (config, keys) = (Config::of(dir)?, Keys::load(dir)?);
        Ok(Self { dir: dir.to_owned(), config, keys })
    }

    /// The folder.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The organization's public key.
    #[must_use]
    pub fn organization(&self) -> PublicKey {
        self.keys.organization
    }

    /// The serial of its certificate.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.keys.certificate.serial()
    }

    pub(super) fn set_keys(&mut self, keys: Keys) {
        self.keys = keys;
    }

    /// The server's file.
    #[must_use]
    pub fn data_file(&self) -> PathBuf {
        self.dir.join(&self.config.data)
    }

    /// The key of its socket.
    #[must_use]
    pub fn tls_key(&self) -> &SecretKey {
        &self.keys.tls
    }

    /// Who the server is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let (key, certificate) = (self.keys.server.clone(), self.keys.certificate.to_bytes());
        Identity { organization: self.keys.organization, key, certificate }
    }

    /// What it judges by: reads and checks schema, policy and organization.
    ///
    /// # Errors
    /// One of them has a mistake; the error names file, line and key.
    pub fn rules(&self) -> Result<Rules, HomeError> {
        Documents::of(&self.dir, &self.config)?.rules()
    }

    /// Starts the server. A new one judges by `rules`; one that ran before goes on with the policy
    /// and organization that were in force, and the tables of `rules`.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn serve(&self, rules: Rules) -> Result<Server, ServerError> {
        self.start(rules, true)
    }

    /// Starts the server, judging by `rules`, whatever was in force before.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn serve_by(&self, rules: Rules) -> Result<Server, ServerError> {
        self.start(rules, false)
    }

    fn start(&self, rules: Rules, goes_on: bool) -> Result<Server, ServerError> {
        let options = ServerOptions {
            goes_on,
            listen: self.config.listen,
            file: &self.data_file(),
            identity: self.identity(),
            tls_key: self.keys.tls.clone(),
            rules,
        };
        let mut server = Server::start_within(options, self.config.limits)?;
        server.keep_for(self.config.retention);
        Ok(server)
    }

    /// Makes an enrolment code for a user, good for so many milliseconds. It needs no running
    /// server, and works beside one.
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
        let users = self.users()?;
        self.mint(users.as_ref(), addresses, user, lasts_millis)
    }

    /// Whether there is a user of this name who can enrol; `None`: the folder's files name none, and
    /// the server, which is running, may know another.
    ///
    /// # Errors
    /// As [`Self::rules`].
    pub fn has_user(&self, user: &UserId) -> Result<Option<bool>, HomeError> {
        let can_enrol =
            |users: &BTreeMap<UserId, User>| users.get(user).is_some_and(|user| !user.disabled);
        Ok(match self.users()? {
            Some(users) => Some(can_enrol(&users)),
            None => can_enrol(&self.rules()?.roster().organization().users).then_some(true),
        })
    }

    /// The users in force; `None`: a running server has them, and says so itself when the code is
    /// used.
    fn users(&self) -> Result<Option<BTreeMap<UserId, User>>, HomeError> {
        let held = match RedbServer::open(self.data_file()) {
            Ok(store) => store.rules().ok().flatten(),
            Err(OpenError::InUse(_)) => return Ok(None),
            Err(_) => None,
        };
        Ok(Some(match held {
            Some((_, organization)) => organization.users,
            None => self.rules()?.roster().organization().users.clone(),
        }))
    }

    fn mint(
        &self,
        users: Option<&BTreeMap<UserId, User>>,
        addresses: Vec<String>,
        user: &UserId,
        lasts_millis: i64,
    ) -> Result<EnrollCode, HomeError> {
        if let Some(users) = users
            && users.get(user).is_none_or(|user| user.disabled)
        {
            let some: Vec<_> = users.keys().take(10).map(ToString::to_string).collect();
            let more = if users.len() > some.len() { ", ..." } else { "" };
            return Err(HomeError::NoSuchUser(user.clone(), some.join(", ") + more));
        }
        let random = system::seed().map_err(io(&self.dir))?;
        let mut nonce = [0; 8];
        nonce.copy_from_slice(random.split_at(8).0);
        let organization = self.keys.organization;
        let expires = system::now().plus_millis(lasts_millis);
        let terms = EnrollTerms { addresses, organization, user: user.clone(), nonce, expires };
        Ok(EnrollCode::mint(&self.keys.server, terms)?)
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
