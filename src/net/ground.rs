//! What an endpoint stands on: a socket, a clock and where chance comes from.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use quinn::{AsyncUdpSocket, EndpointConfig, Runtime, ServerConfig};

use super::NetError;

/// A socket and a clock that are not the system's, so that a test can lose packets and repeat itself.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub struct Ground {
    /// Where packets come and go.
    pub socket: Arc<dyn AsyncUdpSocket>,
    /// Timers, tasks and the time.
    pub runtime: Arc<dyn Runtime>,
    /// What decides where chance does; `None`: the system's randomness.
    pub seed: Option<[u8; 32]>,
}

impl Ground {
    pub(super) fn endpoint(
        self,
        config: EndpointConfig,
        server: Option<ServerConfig>,
    ) -> Result<quinn::Endpoint, NetError> {
        let Self { socket, runtime, seed: _ } = self;
        let unknown = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let address = socket.local_addr().unwrap_or(unknown);
        quinn::Endpoint::new_with_abstract_socket(config, server, socket, runtime)
            .map_err(|e| NetError::bind(address, e))
    }
}
