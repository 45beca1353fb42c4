//! A UDP socket that makes or takes connections.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::{EndpointConfig, VarInt};
use quinn_proto::RandomConnectionIdGenerator;
use ring::hmac;

use super::connection_ids::KnownIds;
use super::dial::{Dial, Dialled, EarlyConnection};
use super::ground::any_port;
use super::{
    ClientTls, Connection, Ground, Incoming, NetError, TransportOptions, race, system, tls,
};
use crate::codec::SecretKey;
use crate::limits::HANDSHAKES_MAX;

const RESET_LABEL: &str = "tidegate 2026 quic stateless reset key";
const CONNECTION_ID_LABEL: &str = "tidegate 2026 quic connection id key";
/// A device has few connections at once, and each packet to it begins with the id of one. There are some, as
/// its endpoint tells by them what comes for the next connection from what is late for the last one.
const DEVICE_CONNECTION_ID_BYTES: usize = 2;

/// A UDP socket with a key. It makes connections if it is a client's, takes them if a server's.
///
/// Made and used within a tokio runtime. Clones share the socket and the sessions to resume: keep
/// one endpoint for all connections of a program.
#[derive(Debug, Clone)]
pub struct Endpoint {
    inner: quinn::Endpoint,
    role: Role,
}

#[derive(Clone)]
enum Role {
    Client { tls: ClientTls, asks: bool },
    Server { handshake_timeout: Duration },
}

impl std::fmt::Debug for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Client { .. } => "Client",
            Self::Server { .. } => "Server",
        })
    }
}

impl Endpoint {
    /// Listens on `address` (port 0: any free one, see [`Self::local_addr`]) with this TLS key.
    ///
    /// # Errors
    /// The port is in use ([`NetError::PortInUse`]), or the address cannot be listened on.
    pub fn server(
        address: SocketAddr,
        tls_key: &SecretKey,
        options: TransportOptions,
    ) -> Result<Self, NetError> {
        let socket = UdpSocket::bind(address).map_err(|e| NetError::bind(address, e))?;
        let ground = Ground::on(socket).map_err(|e| NetError::bind(address, e))?;
        Self::server_on(ground, tls_key, options)
    }

    /// As [`Self::server`], on another ground than the system's.
    ///
    /// # Errors
    /// The socket has no address, or an option does not fit.
    #[doc(hidden)]
    pub fn server_on(
        ground: Ground,
        tls_key: &SecretKey,
        options: TransportOptions,
    ) -> Result<Self, NetError> {
        let mut server = quinn::ServerConfig::with_crypto(tls::server(tls_key)?);
        server
            .transport_config(options.to_quinn()?)
            .max_incoming(HANDSHAKES_MAX)
            .incoming_buffer_size(64 << 10)
            .incoming_buffer_size_total(16 << 20);
        // The same keys after a restart: the server knows a connection id of its former life, and
        // devices learn at once that their connection is gone.
        let reset_key = hmac::Key::new(hmac::HMAC_SHA256, &tls_key.derive(RESET_LABEL));
        let seed = ground.seed.map_or_else(system::seed, Ok)?;
        let ids = KnownIds::new(tls_key.derive(CONNECTION_ID_LABEL), seed);
        let mut config = EndpointConfig::new(Arc::new(reset_key));
        config.cid_generator(move || Box::new(ids.clone())).rng_seed(ground.seed);
        let inner = ground.endpoint(config, Some(server))?;
        let role = Role::Server { handshake_timeout: options.handshake_timeout };
        Ok(Self { inner, role })
    }

    /// An endpoint that connects to servers, on any free port.
    ///
    /// # Errors
    /// The system gives no UDP socket.
    pub fn client(key: &SecretKey) -> Result<Self, NetError> {
        Self::client_with(ClientTls::new(key)?)
    }

    /// As [`Self::client`], with the key and the sessions of another.
    ///
    /// # Errors
    /// The system gives no UDP socket.
    pub fn client_with(tls: ClientTls) -> Result<Self, NetError> {
        let role = Role::Client { tls, asks: true };
        let config = client_config(EndpointConfig::default());
        Ok(Self { inner: Ground::on(any_port()?)?.endpoint(config, None)?, role })
    }

    /// As [`Self::client`], on another ground than the system's.
    ///
    /// # Errors
    /// The socket has no address.
    #[doc(hidden)]
    pub fn client_on(ground: Ground, key: &SecretKey) -> Result<Self, NetError> {
        // Nobody but the system could say that nobody listens.
        let role = Role::Client { tls: ClientTls::new(key)?, asks: false };
        let reset_key = hmac::Key::new(hmac::HMAC_SHA256, &key.derive(RESET_LABEL));
        let mut config = client_config(EndpointConfig::new(Arc::new(reset_key)));
        config.rng_seed(ground.seed);
        Ok(Self { inner: ground.endpoint(config, None)?, role })
    }

    /// Connects to `address`, `host:port`. Where the host has several network addresses they are
    /// tried a quarter of a second apart and the first that answers is taken.
    ///
    /// The server's key is proved when this returns; whether the *server* takes this side's key
    /// shows only with its first answer.
    ///
    /// Cancel-safe: dropping it gives up.
    ///
    /// # Errors
    /// The text is no address, the host is not found, nothing answers in time, the other side
    /// speaks another version or fails to prove its key, or this is a server's endpoint.
    pub async fn connect(
        &self,
        address: &str,
        options: TransportOptions,
    ) -> Result<Connection, NetError> {
        let dial = self.dial(address, options)?;
        let targets = race::resolve(address).await?;
        race::first_to_answer(targets, |target| dial.clone().full(target)).await
    }

    /// Connects like [`Self::connect`], but where a session can be resumed returns at once with a
    /// connection that already sends. Only one network address of a name is tried that way: the one that
    /// answered before, if it is among them, else the first.
    ///
    /// Cancel-safe: dropping it gives up.
    ///
    /// # Errors
    /// Those of [`Self::connect`].
    pub async fn connect_early(
        &self,
        address: &str,
        options: TransportOptions,
        answered: Option<SocketAddr>,
    ) -> Result<Dialled, NetError> {
        let dial = self.dial(address, options)?;
        let targets = race::resolve(address).await?;
        let before = targets.iter().find(|target| answered == Some(**target));
        if let Some(target) = before.or(targets.first()).copied() {
            match dial.start(target)?.into_0rtt() {
                Ok((inner, accepted)) => {
                    return Ok(Dialled::Early(EarlyConnection::new(inner, accepted, dial, target)));
                }
                Err(connecting) if targets.len() == 1 => {
                    return dial.finish(connecting, target).await.map(Dialled::Full);
                }
                // Not sent yet: the race below starts anew.
                Err(_) => {}
            }
        }
        race::first_to_answer(targets, |target| dial.clone().full(target)).await.map(Dialled::Full)
    }

    /// Waits for the next device; `None` when the endpoint is closed. The handshake is then to be
    /// done in a task of its own, so that a slow one holds up nobody.
    ///
    /// Cancel-safe.
    pub async fn accept(&self) -> Option<Incoming> {
        let inner = self.inner.accept().await?;
        let handshake_timeout = match self.role {
            Role::Server { handshake_timeout } => handshake_timeout,
            Role::Client { .. } => return None,
        };
        Some(Incoming::new(inner, handshake_timeout))
    }

    /// The address of the socket, with the port it has in fact.
    ///
    /// # Errors
    /// The system does not say.
    pub fn local_addr(&self) -> Result<SocketAddr, NetError> {
        Ok(self.inner.local_addr()?)
    }

    /// Moves to a new socket after the device's network has changed. Connections and streams go
    /// on; costs some 4 kB each.
    ///
    /// # Errors
    /// The system gives no socket; then the old one stays.
    pub fn rebind(&self) -> Result<(), NetError> {
        let address = self.local_addr()?;
        let socket = match self.role {
            Role::Client { .. } => any_port()?,
            Role::Server { .. } => {
                UdpSocket::bind(address).map_err(|e| NetError::bind(address, e))?
            }
        };
        Ok(self.inner.rebind(socket)?)
    }

    /// Closes every connection with code 0 and `reason`, takes no more, and waits until the peers
    /// have been told (up to a few round trips).
    ///
    /// Cancel-safe: the connections are closed at once, only the waiting is given up.
    pub async fn close(&self, reason: &str) {
        self.inner.close(VarInt::from_u32(0), reason.as_bytes());
        self.inner.wait_idle().await;
    }

    /// Waits until no connection is left.
    ///
    /// Cancel-safe.
    pub async fn wait_idle(&self) {
        self.inner.wait_idle().await;
    }

    /// Connections that are open now, handshakes included.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.inner.open_connections()
    }

    fn dial(&self, address: &str, options: TransportOptions) -> Result<Dial, NetError> {
        let Role::Client { tls, asks } = &self.role else {
            return Err(NetError::Setting("a server's endpoint makes no connections"));
        };
        let mut config = quinn::ClientConfig::new(tls.0.clone());
        config.transport_config(options.to_quinn()?);
        Ok(Dial {
            endpoint: self.inner.clone(),
            config,
            address: address.to_owned(),
            // Sessions to resume are kept by name; it is never sent, and any address has one.
            name: format!("{}.tidegate", blake3::hash(address.as_bytes()).to_hex().split_at(32).0),
            waits: options.handshake_timeout,
            asks: *asks,
        })
    }
}

fn client_config(mut config: EndpointConfig) -> EndpointConfig {
    let ids = || Box::new(RandomConnectionIdGenerator::new(DEVICE_CONNECTION_ID_BYTES)) as Box<_>;
    config.cid_generator(ids);
    config
}
