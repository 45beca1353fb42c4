//! One attempt to connect, and the connection that sends before its handshake is over.

use std::net::SocketAddr;
use std::time::Duration;

use quinn::{ConnectError, TransportErrorCode};
use tokio::time::timeout;

use super::probe::nobody_listens;
use super::{Connection, FrameReceiver, FrameSender, NetError};

/// What an attempt to connect needs.
#[derive(Debug, Clone)]
pub(super) struct Dial {
    pub(super) endpoint: quinn::Endpoint,
    pub(super) config: quinn::ClientConfig,
    pub(super) address: String,
    pub(super) name: String,
    pub(super) waits: Duration,
    /// Whether the system may know that nobody listens.
    pub(super) asks: bool,
}

impl Dial {
    pub(super) fn start(&self, target: SocketAddr) -> Result<quinn::Connecting, NetError> {
        self.endpoint.connect_with(self.config.clone(), target, &self.name).map_err(|e| match e {
            ConnectError::EndpointStopping => NetError::Closed,
            // An IPv6 address on a system without IPv6, or port 0.
            ConnectError::InvalidRemoteAddress(_) => NetError::Address(self.address.clone()),
            other => NetError::Transport(other.to_string()),
        })
    }

    pub(super) async fn finish(
        &self,
        connecting: quinn::Connecting,
        target: SocketAddr,
    ) -> Result<Connection, NetError> {
        let outcome = tokio::select! {
            biased;
            outcome = timeout(self.waits, connecting) => outcome,
            () = nobody_listens(target), if self.asks => {
                return Err(NetError::NobodyListens(self.address.clone()));
            }
        };
        match outcome {
            Ok(Ok(connection)) => Connection::new(connection),
            Ok(Err(error)) => Err(self.explain(error)),
            Err(_) => Err(self.unreachable()),
        }
    }

    pub(super) async fn full(self, target: SocketAddr) -> Result<Connection, NetError> {
        self.finish(self.start(target)?, target).await
    }

    fn explain(&self, error: quinn::ConnectionError) -> NetError {
        use quinn::ConnectionError as E;
        match error {
            E::TimedOut => self.unreachable(),
            E::ConnectionClosed(close)
                if close.error_code == TransportErrorCode::CONNECTION_REFUSED =>
            {
                NetError::Busy(self.address.clone())
            }
            other => other.into(),
        }
    }

    fn unreachable(&self) -> NetError {
        NetError::Unreachable { address: self.address.clone(), waited: self.waits }
    }
}

/// What [`Endpoint::connect_early`](super::Endpoint::connect_early) came to.
#[derive(Debug)]
pub enum Dialled {
    /// A session is being resumed; it sends already.
    Early(EarlyConnection),
    /// There was none to resume.
    Full(Connection),
}

/// A connection that sends before the handshake is over. Somebody who recorded what is sent now
/// might send it again: only requests that change nothing belong here.
pub struct EarlyConnection {
    pub(super) inner: quinn::Connection,
    accepted: quinn::ZeroRttAccepted,
    dial: Box<Dial>,
    target: SocketAddr,
}

impl EarlyConnection {
    pub(super) fn new(
        inner: quinn::Connection,
        accepted: quinn::ZeroRttAccepted,
        dial: Dial,
        target: SocketAddr,
    ) -> Self {
        Self { inner, accepted, dial: Box::new(dial), target }
    }

    /// Opens a stream. It stays in use after [`Self::confirmed`], unless the server refused what
    /// was sent early.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn open(&self) -> Result<(FrameSender, FrameReceiver), NetError> {
        let (send, receive) = self.inner.open_bi().await?;
        Ok((FrameSender::new(send), FrameReceiver::new(receive)))
    }

    /// Waits until the handshake is over; also says whether the server took what was sent early.
    /// If not, streams opened so far fail with [`NetError::EarlyRefused`]: open one again.
    ///
    /// # Errors
    /// Those of [`Endpoint::connect`](super::Endpoint::connect).
    pub async fn confirmed(self) -> Result<(Connection, bool), NetError> {
        let outcome = tokio::select! {
            biased;
            outcome = timeout(self.dial.waits, self.accepted) => outcome,
            () = nobody_listens(self.target), if self.dial.asks => {
                return Err(NetError::NobodyListens(self.dial.address));
            }
        };
        let Ok(accepted) = outcome else { return Err(self.dial.unreachable()) };
        if let Some(error) = self.inner.close_reason() {
            return Err(self.dial.explain(error));
        }
        Ok((Connection::new(self.inner)?, accepted))
    }
}

impl std::fmt::Debug for EarlyConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EarlyConnection").field("inner", &self.inner).finish_non_exhaustive()
    }
}
