//! What an endpoint stands on: a socket, a clock and where chance comes from.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use quinn::{AsyncUdpSocket, EndpointConfig, Runtime, ServerConfig, TokioRuntime};
use socket2::{Domain, Protocol, Socket, Type};

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
    /// The system's, on this socket.
    pub(super) fn on(socket: UdpSocket) -> io::Result<Self> {
        let runtime = TokioRuntime;
        let socket = runtime.wrap_udp_socket(socket)?;
        Ok(Self { socket, runtime: Arc::new(runtime), seed: None })
    }

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

/// A socket of a device's, on any free port.
pub(super) fn any_port() -> Result<UdpSocket, NetError> {
    let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    // Some systems have no IPv6.
    bind(both).or_else(|_| bind(v4)).map_err(|e| NetError::bind(v4, e))
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // Some systems would take it for IPv6 alone.
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}
