//! The server role: the machine of [`crate::sync::server`] on a redb file behind a QUIC socket.
//!
//! A [`Home`] is the folder that `tidegate init` makes; a [`Server`] runs in any process.
//!
#![cfg_attr(feature = "client", doc = "```")]
#![cfg_attr(not(feature = "client"), doc = "```ignore")]
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! use tidegate::Replica;
//! use tidegate::server::{Home, InitOptions};
//!
//! // The tables and people of the walk-through, on a free port.
//! let listen = Some("127.0.0.1:0".parse()?);
//! let options = InitOptions { listen, ..InitOptions::default() };
//! let home = Home::init(&folder.path().join("server"), &options)?;
//! let server = home.serve(home.rules()?)?;
//!
//! let administrator = home.administrators()?.pop().ok_or("there is one")?;
//! let address = server.local_addr()?.to_string();
//! let code = home.enroll_code_at(vec![address], &administrator, 60_000)?;
//! let app = Replica::builder(folder.path().join("field.redb")).open()?;
//! app.enroll(&code, "office").await?;
//! assert_eq!(app.user(), Some(administrator));
//! server.stop().await;
//! # Ok(())
//! # }
//! ```

mod backup;
mod check;
mod closed;
mod compare;
mod config;
mod credit;
mod documents;
mod engine;
mod estimate;
mod home;
mod inbox;
mod keys;
mod knocks;
mod offenders;
mod outbound;
mod patience;
mod retention;
mod rotate;
mod suggest;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::codec::{Inquiry, SecretKey, ToServer, decode_message};
use crate::gate::Roster;
use crate::limits::ASKED_AT_ONCE_MAX;
use crate::model::{Organization, Policy, PublishedProfiles, Schema};
use crate::net::{
    EarlyPeer, Endpoint, FrameReceiver, Incoming, NetError, SessionStream, TransportOptions, system,
};
use crate::store::{OpenError, RedbServer, ServerReader};
use crate::sync::server::{ConnectionId, Identity, PageBounds, Rules, RulesError, ServerMachine};
use crate::sync::{RefusedEdit, ServerStore as _, StoreError};

use engine::{Engine, Event, Question};
use inbox::{Inbox, Sender, Stopped};
use knocks::Knocks;
use patience::Waited;

pub use crate::store::BackupError;
pub use backup::{BackupReport, RestoreReport, restore};
pub use check::{CheckItem, CheckResult, check_folder};
pub use compare::compare;
pub use config::{Config, Limits, Log, LogFormat, LogLevel, OrganizationFiles, Retention};
pub use engine::Status;
pub use estimate::estimate;
pub use home::{Home, HomeError, InitOptions};
pub use rotate::RotateReport;
pub use suggest::suggest;

use home::ORGANIZATION_KEY;

/// Why a server does not start, or cannot answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Its file cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its file cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its socket cannot be opened.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The system has no randomness or no thread to give.
    #[error("the system refuses: {0}")]
    System(#[from] std::io::Error),
    /// A backup cannot be made.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The folder of a server or backup cannot be used.
    #[error(transparent)]
    Home(Box<HomeError>),
    /// A backup belongs elsewhere.
    #[error(
        "{} is a backup of another organization than the server in {}", .0.display(), .1.display()
    )]
    OtherOrganization(std::path::PathBuf, std::path::PathBuf),
    /// Other rules cannot be put in force.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// It cannot be told how much profiles take.
    #[error(transparent)]
    Estimate(#[from] crate::sync::server::EstimateError),
    /// The tables that it is given do not fit the policy in force.
    #[error("the policy in force does not fit the schema: {0}")]
    Schema(crate::policy::Mistake),
    /// It has stopped.
    #[error("the server has stopped")]
    Stopped,
}

impl From<HomeError> for ServerError {
    fn from(error: HomeError) -> Self {
        Self::Home(Box::new(error))
    }
}

/// What a server needs to start.
#[derive(Debug)]
pub struct ServerOptions<'a> {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its file.
    pub file: &'a Path,
    /// Who it is.
    pub identity: Identity,
    /// The key of its socket, which the certificate names.
    pub tls_key: SecretKey,
    /// What it judges by.
    pub rules: Rules,
    /// Whether a file that has rules goes on with those, which administrators may have changed.
    pub goes_on: bool,
}

/// The rules of before.
fn go_on(
    given: &Rules,
    held: Option<Schema>,
    policy: Policy,
    organization: Organization,
) -> Result<Rules, ServerError> {
    if held.as_ref().is_some_and(|held| held != given.schema()) {
        tracing::warn!(
            "the schema's file says otherwise than the schema in force: `tidegate admin schema apply` \
             puts it in force, or `serve --apply-files` all files"
        );
    }
    let schema = held.unwrap_or_else(|| given.schema().clone());
    crate::policy::check_policy(&policy, &schema.facts(), Some(&organization))
        .map_err(ServerError::Schema)?;
    Ok(Rules::new(schema, Roster::new(Arc::new(policy), Arc::new(organization)))?)
}

/// A running server. It stops when it is dropped or told to.
#[derive(Debug)]
pub struct Server {
    endpoint: Arc<Endpoint>,
    reader: ServerReader,
    inbox: Inbox,
    stopping: Arc<AtomicBool>,
    engine: Option<std::thread::JoinHandle<()>>,
    accepting: tokio::task::JoinHandle<()>,
    tidying: Option<tokio::task::JoinHandle<()>>,
}

impl Server {
    /// Opens the file and the socket and starts to serve. Needs a tokio runtime.
    ///
    /// # Errors
    /// The file or the socket cannot be opened; the error names which and what to do.
    pub fn start(options: ServerOptions<'_>) -> Result<Self, ServerError> {
        Self::start_within(options, Limits::default())
    }

    /// As [`Self::start`], within other limits.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_within(options: ServerOptions<'_>, limits: Limits) -> Result<Self, ServerError> {
        let store = RedbServer::open_or_create_within(options.file, limits.cache_bytes())?;
        Self::start_on(store, options, limits)
    }

    /// As [`Self::start_within`], on a file that is thrown away in the end: what is acknowledged may be lost
    /// when the machine stops.
    #[cfg(feature = "cli")]
    pub(crate) fn start_scratch(
        options: ServerOptions<'_>,
        limits: Limits,
    ) -> Result<Self, ServerError> {
        Self::start_on(RedbServer::scratch(options.file)?, options, limits)
    }

    fn start_on(
        mut store: RedbServer,
        options: ServerOptions<'_>,
        limits: Limits,
    ) -> Result<Self, ServerError> {
        let (seed, reader) = (system::seed()?, store.reader());
        let held = if options.goes_on { store.rules()? } else { None };
        let rules = match held {
            Some((policy, organization)) => {
                go_on(&options.rules, store.schema()?, policy, organization)?
            }
            None => options.rules,
        };
        let (organization, now) = (options.identity.organization, system::now());
        let mut machine = ServerMachine::open(&mut store, options.identity, rules, now, seed)?;
        let bytes = limits.page_bytes.into();
        machine.set_page_bounds(PageBounds { bytes, ..PageBounds::default() });
        machine.set_history_bounds(limits.history());
        machine.set_estimate_records(limits.estimate_records.into());
        let transport = TransportOptions::server();
        let endpoint = Arc::new(Endpoint::server(options.listen, &options.tls_key, transport)?);
        let meta = machine.meta();
        tracing::info!(
            address = %endpoint.local_addr()?,
            data = %options.file.display(),
            %organization,
            policy_epoch = meta.policy_epoch.0,
            head = meta.head.0,
            "serving"
        );
        let inbox = Inbox::new();
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let engine = Engine::new(machine, store, inbox.clone());
        let engine = std::thread::Builder::new()
            .name("tidegate-server".into())
            .spawn(move || engine.run(&stop))?;
        let accepting = tokio::spawn(accept(Arc::clone(&endpoint), inbox.clone(), limits));
        let (engine, tidying) = (Some(engine), None);
        Ok(Self { endpoint, reader, inbox, stopping, engine, accepting, tidying })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn local_addr(&self) -> Result<SocketAddr, ServerError> {
        Ok(self.endpoint.local_addr()?)
    }

    /// From now on judges by other rules; the offline profiles stay, unless the rules bring a document.
    ///
    /// # Errors
    /// The rules cannot be noted durably, or a record cannot follow the schema; the old ones stay in
    /// force.
    pub async fn set_rules(&self, rules: Rules) -> Result<(), ServerError> {
        let (done, result) = oneshot::channel();
        self.tell(Event::SetRules { rules: Box::new(rules), done })?;
        result.await.map_err(|_| ServerError::Stopped)??;
        tracing::info!("judging by other rules");
        Ok(())
    }

    /// From now on goes by these offline profiles.
    ///
    /// # Errors
    /// They cannot be kept durably, or one that somebody goes by does not fit the schema; all stays as it
    /// is.
    pub async fn set_profiles(&self, published: PublishedProfiles) -> Result<(), ServerError> {
        let (done, result) = oneshot::channel();
        self.tell(Event::SetProfiles { published: Box::new(published), done })?;
        Ok(result.await.map_err(|_| ServerError::Stopped)??)
    }

    /// How it is doing.
    ///
    /// # Errors
    /// It has stopped.
    pub async fn status(&self) -> Result<Status, ServerError> {
        let (answer, result) = oneshot::channel();
        self.tell(Event::Ask(Question::Status(answer)))?;
        result.await.map_err(|_| ServerError::Stopped)
    }

    /// Up to `limit` refused edits, oldest first.
    ///
    /// # Errors
    /// It has stopped, or its file cannot be read.
    pub async fn refused(&self, limit: usize) -> Result<Vec<RefusedEdit>, ServerError> {
        let (answer, result) = oneshot::channel();
        self.tell(Event::Ask(Question::Refused { limit, answer }))?;
        Ok(result.await.map_err(|_| ServerError::Stopped)??)
    }

    /// Stops: what was acknowledged is written already.
    pub async fn stop(mut self) {
        self.halt();
        if let Some(engine) = self.engine.take() {
            let _ = tokio::task::spawn_blocking(move || engine.join()).await;
        }
        self.endpoint.close("the server stops").await;
        tracing::info!("stopped");
    }

    fn tell(&self, event: Event) -> Result<(), ServerError> {
        self.inbox.wish(event).map_err(|_| ServerError::Stopped)
    }

    fn halt(&self) {
        self.accepting.abort();
        if let Some(tidying) = &self.tidying {
            tidying.abort();
        }
        self.stopping.store(true, Ordering::Release);
        // Wakes the engine, unless it has stopped.
        let _ = self.inbox.wish(Event::Stop);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.halt();
    }
}

async fn accept(endpoint: Arc<Endpoint>, inbox: Inbox, limits: Limits) {
    let last = Arc::new(AtomicU64::new(0));
    let most = usize::try_from(limits.connections).unwrap_or(usize::MAX);
    let mut knocks = Knocks::new(limits.handshakes_per_address);
    let (mut full, mut busy) = (false, false);
    while let Some(incoming) = endpoint.accept().await {
        // Each once: who knocks in vain shall not fill the log.
        let was_full = std::mem::replace(&mut full, endpoint.open_connections() >= most);
        if full {
            if !was_full {
                tracing::warn!(most, "no more connections: devices are told to try later");
            }
            incoming.refuse();
            continue;
        }
        let from = incoming.remote_address().ip();
        let was_busy = std::mem::replace(&mut busy, !knocks.admit(from, system::uptime()));
        if busy {
            if !was_busy {
                tracing::warn!(%from, "too many handshakes: devices there are told to try later");
            }
            incoming.refuse();
            continue;
        }
        let (inbox, last) = (inbox.clone(), Arc::clone(&last));
        // A slow handshake holds up nobody.
        tokio::spawn(async move {
            if let Err(error) = serve(incoming, inbox, &last, limits).await {
                tracing::debug!(%error, "a connection ended or did not come about");
            }
        });
    }
}

async fn serve(
    incoming: Incoming,
    inbox: Inbox,
    last: &AtomicU64,
    limits: Limits,
) -> Result<(), NetError> {
    let (stream, mut early) = incoming.open_session().await?;
    let SessionStream { connection, sender, mut receiver, device_spoke, .. } = stream;
    let id = ConnectionId(last.fetch_add(1, Ordering::Relaxed));
    let (outbound, queue) = outbound::queue(limits.outbound_messages);
    let key = connection.peer_key();
    tracing::debug!(connection = id.0, %key, "connected");
    let patience = limits.patience();
    let events = inbox.sender(id);
    // Where the engine has stopped, the connection ends with its queue.
    let _ = events.tell(Event::Connected { id, key, is_greeted: device_spoke, outbound });
    let writing = tokio::spawn(queue.run(connection.clone(), sender, id, (inbox, patience)));
    let result = read((&mut receiver, &mut early), id, &events, patience).await;
    let _ = events.tell(Event::Disconnected { id });
    drop(connection);
    // The writer ends when the engine drops its end of the queue.
    let _ = writing.await;
    result
}

async fn read(
    (receiver, early): (&mut FrameReceiver, &mut EarlyPeer),
    id: ConnectionId,
    events: &Sender,
    patience: Duration,
) -> Result<(), NetError> {
    let mut waited = patience::greeting(receiver, patience).await;
    loop {
        let (event, bytes, goes_on) = match waited {
            Ok(Waited::Frame(frame)) => match decode_message::<ToServer>(&frame) {
                Ok(ToServer::Ask(edits)) if edits.len() > ASKED_AT_ONCE_MAX => {
                    early.established().await?;
                    if ask(edits, id, events, frame.len()).await.is_err() {
                        return Ok(());
                    }
                    waited = patience::frame(receiver, patience).await;
                    continue;
                }
                Ok(message) => {
                    if !message.may_be_early() {
                        early.established().await?;
                    }
                    (Event::Received { id, message }, frame.len(), true)
                }
                Err(error) => (Event::Invalid { id, reason: error.to_string() }, 0, false),
            },
            Ok(Waited::Finished) => return Ok(()),
            Ok(Waited::TooLong(reason)) => (Event::TooSlow { id, reason }, 0, false),
            Err(error @ NetError::FrameTooLarge { .. }) => {
                (Event::Invalid { id, reason: error.to_string() }, 0, false)
            }
            Err(error) => return Err(error),
        };
        if events.send(event, bytes).await.is_err() || !goes_on {
            return Ok(());
        }
        waited = patience::frame(receiver, patience).await;
    }
}

/// A long question is answered piece by piece, between which other devices have their turn. The device
/// takes each answer for itself.
async fn ask(
    edits: Vec<Inquiry>,
    id: ConnectionId,
    events: &Sender,
    bytes: usize,
) -> Result<(), Stopped> {
    let each = bytes / edits.len().div_ceil(ASKED_AT_ONCE_MAX).max(1);
    for piece in edits.chunks(ASKED_AT_ONCE_MAX) {
        let message = ToServer::Ask(piece.to_vec());
        events.send(Event::Received { id, message }, each).await?;
    }
    Ok(())
}
