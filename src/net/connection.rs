//! A connection to a peer whose key is known.

use std::net::SocketAddr;
use std::time::Duration;

use quinn::VarInt;

use super::error::cut_reason;
use super::{FrameReceiver, FrameSender, NetError, tls};
use crate::codec::PublicKey;

/// A connection to a peer that has proved that it holds [`Self::peer_key`].
///
/// Clones are handles to the same connection; when all of them and its streams are dropped, it is
/// closed with code 0.
#[derive(Debug, Clone)]
pub struct Connection {
    inner: quinn::Connection,
    peer_key: PublicKey,
    handshake: Traffic,
}

/// What a connection has put on the wire so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Bytes sent in UDP packets, without their IP and UDP headers (28 or 48 bytes each).
    pub sent_bytes: u64,
    /// Bytes received, counted likewise.
    pub received_bytes: u64,
    /// UDP packets sent.
    pub sent_packets: u64,
    /// UDP packets received.
    pub received_packets: u64,
}

impl Traffic {
    fn of(connection: &quinn::Connection) -> Self {
        let stats = connection.stats();
        Self {
            sent_bytes: stats.udp_tx.bytes,
            received_bytes: stats.udp_rx.bytes,
            sent_packets: stats.udp_tx.datagrams,
            received_packets: stats.udp_rx.datagrams,
        }
    }
}

impl Connection {
    /// Wraps a connection whose peer has shown its key.
    pub(super) fn new(inner: quinn::Connection) -> Result<Self, NetError> {
        if let Some(error) = inner.close_reason() {
            return Err(error.into());
        }
        let peer_key = tls::peer_key(&inner)
            .ok_or_else(|| NetError::Handshake("the peer showed no Ed25519 key".to_owned()))?;
        let handshake = Traffic::of(&inner);
        Ok(Self { inner, peer_key, handshake })
    }

    /// The key that the peer holds. Who that is, is for the caller to find out.
    #[must_use]
    pub fn peer_key(&self) -> PublicKey {
        self.peer_key
    }

    /// Where the peer is now; it may move during the connection.
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        let address = self.inner.remote_address();
        SocketAddr::new(address.ip().to_canonical(), address.port())
    }

    /// Opens a stream. The peer learns of it when the first frame is sent.
    ///
    /// Cancel-safe. Waits where the peer allows no more streams.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn open(&self) -> Result<(FrameSender, FrameReceiver), NetError> {
        let (send, receive) = self.inner.open_bi().await?;
        Ok((FrameSender::new(send), FrameReceiver::new(receive)))
    }

    /// Waits for the next stream that the peer opens.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn accept_stream(&self) -> Result<(FrameSender, FrameReceiver), NetError> {
        let (send, receive) = self.inner.accept_bi().await?;
        Ok((FrameSender::new(send), FrameReceiver::new(receive)))
    }

    /// What was put on the wire so far, the handshake included.
    #[must_use]
    pub fn stats(&self) -> Traffic {
        Traffic::of(&self.inner)
    }

    /// What was put on the wire until the peer's key was known. That is all of the handshake, but where a server
    /// resumes; and as much of what follows it as came in the same moment.
    #[must_use]
    pub fn handshake(&self) -> Traffic {
        self.handshake
    }

    /// The current estimate of the round trip.
    #[must_use]
    pub fn round_trip(&self) -> Duration {
        self.inner.rtt()
    }

    /// Closes the connection at once and tells the peer why. Data not yet delivered is lost:
    /// [`FrameSender::finish`] comes first. A reason over
    /// [`CLOSE_REASON_BYTES_MAX`](crate::limits::CLOSE_REASON_BYTES_MAX) is cut.
    pub fn close(&self, code: u32, reason: &str) {
        self.inner.close(VarInt::from_u32(code), cut_reason(reason).as_bytes());
    }

    /// Waits until the connection is closed, by whichever side, and says why.
    ///
    /// Cancel-safe.
    pub async fn closed(&self) -> NetError {
        self.inner.closed().await.into()
    }
}
