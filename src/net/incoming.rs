//! A connection from a device, before its handshake.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::timeout;

use super::{Connection, NetError, tls};

/// A device that knocks. Dropping it refuses it.
#[derive(Debug)]
pub struct Incoming {
    inner: quinn::Incoming,
    handshake_timeout: Duration,
}

impl Incoming {
    pub(super) fn new(inner: quinn::Incoming, handshake_timeout: Duration) -> Self {
        Self { inner, handshake_timeout }
    }

    /// Where it knocks from. Until the handshake anybody can claim any address.
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        let address = self.inner.remote_address();
        SocketAddr::new(address.ip().to_canonical(), address.port())
    }

    /// Turns it away; it is told to try later ([`NetError::Busy`]).
    pub fn refuse(self) {
        self.inner.refuse();
    }

    /// Does the handshake. The peer has proved its key when this returns.
    ///
    /// Not cancel-safe: dropping it drops the connection.
    ///
    /// # Errors
    /// The peer fails to prove its key, speaks another version, or takes too long.
    pub async fn handshake(self) -> Result<Connection, NetError> {
        let waits = self.handshake_timeout;
        let connecting = self.inner.accept()?;
        match timeout(waits, connecting).await {
            Ok(connection) => Connection::new(connection?),
            Err(_) => Err(NetError::TimedOut),
        }
    }

    /// Does the handshake, but returns as soon as the peer's key is known: at once where it
    /// resumes a session, whose early requests can then be answered one round trip sooner.
    ///
    /// Until [`EarlyPeer::established`] what has come may be a recording that somebody else sends
    /// again: answer requests that change nothing, and act on others only afterwards.
    ///
    /// Not cancel-safe: dropping it drops the connection.
    ///
    /// # Errors
    /// Those of [`Self::handshake`].
    pub async fn handshake_early(self) -> Result<(Connection, EarlyPeer), NetError> {
        let waits = self.handshake_timeout;
        let mut connecting = self.inner.accept()?;
        match timeout(waits, connecting.handshake_data()).await {
            Ok(seen) => drop(seen?),
            Err(_) => return Err(NetError::TimedOut),
        }
        let (inner, accepted) = connecting
            .into_0rtt()
            .map_err(|_| NetError::Setting("a client's endpoint takes no connections"))?;
        let mut early = EarlyPeer { inner: inner.clone(), accepted: Some(accepted), waits };
        if tls::peer_key(&inner).is_none() {
            early.established().await?;
        }
        Ok((Connection::new(inner)?, early))
    }
}

/// The rest of a handshake that was not waited for.
pub struct EarlyPeer {
    inner: quinn::Connection,
    accepted: Option<quinn::ZeroRttAccepted>,
    waits: Duration,
}

impl EarlyPeer {
    /// Waits until the peer has proved that it is there now. Returns at once from then on.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    /// The handshake failed or took too long.
    pub async fn established(&mut self) -> Result<(), NetError> {
        if let Some(accepted) = &mut self.accepted {
            if timeout(self.waits, accepted).await.is_err() {
                return Err(NetError::TimedOut);
            }
            self.accepted = None;
        }
        self.inner.close_reason().map_or(Ok(()), |error| Err(error.into()))
    }
}

impl std::fmt::Debug for EarlyPeer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let established = self.accepted.is_none();
        f.debug_struct("EarlyPeer").field("established", &established).finish_non_exhaustive()
    }
}
