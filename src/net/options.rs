//! How a connection treats the line: timeouts, keep-alive, packet size.

use std::sync::Arc;
use std::time::Duration;

use quinn::{IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};

use super::NetError;
use crate::limits::{RECEIVE_WINDOW_BYTES, STREAMS_MAX};

/// How a connection treats the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportOptions {
    /// How long to wait for the first contact, the search for the host's address not included.
    pub handshake_timeout: Duration,
    /// How long without a sign of the peer until the connection counts as lost. The smaller one
    /// of both sides holds.
    pub idle_timeout: Duration,
    /// After how much silence to send a sign of life; `None`: never. Less than the idle timeout
    /// of both sides, and less than the 30 s after which many routers forget a UDP flow.
    pub keep_alive: Option<Duration>,
    /// Whether to look for packets larger than 1,200 bytes: costs some 11 kB, pays from some
    /// hundred kB on.
    pub mtu_discovery: bool,
}

impl TransportOptions {
    /// For a session that ends when both sides have what they lack.
    #[must_use]
    pub const fn short() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            // A server that makes the device wait is no lost one.
            keep_alive: Some(Duration::from_secs(20)),
            mtu_discovery: false,
        }
    }

    /// For a connection that stays open and brings changes as they happen.
    #[must_use]
    pub const fn live() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            keep_alive: Some(Duration::from_secs(20)),
            mtu_discovery: false,
        }
    }

    /// For moving many records, such as a first sync.
    #[must_use]
    pub const fn bulk() -> Self {
        Self { mtu_discovery: true, ..Self::short() }
    }

    /// For a server: the devices decide how long to stay and send the signs of life.
    #[must_use]
    pub const fn server() -> Self {
        Self { keep_alive: None, ..Self::live() }
    }

    pub(super) fn to_quinn(self) -> Result<Arc<TransportConfig>, NetError> {
        let idle_timeout = IdleTimeout::try_from(self.idle_timeout)
            .map_err(|_| NetError::Setting("the idle timeout is too long"))?;
        let mut config = TransportConfig::default();
        config
            .max_idle_timeout(Some(idle_timeout))
            .keep_alive_interval(self.keep_alive)
            .mtu_discovery_config(self.mtu_discovery.then(MtuDiscoveryConfig::default))
            .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS_MAX))
            .max_concurrent_uni_streams(VarInt::from_u32(0))
            .stream_receive_window(VarInt::from_u32(RECEIVE_WINDOW_BYTES))
            .receive_window(VarInt::from_u32(RECEIVE_WINDOW_BYTES))
            // What waits beyond the peer's window is kept in our own queues, which are bounded.
            .send_window(u64::from(RECEIVE_WINDOW_BYTES))
            .datagram_receive_buffer_size(None);
        Ok(Arc::new(config))
    }
}
