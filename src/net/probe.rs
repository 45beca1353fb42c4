//! Whether the machine at an address says that nobody listens there.

use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::UdpSocket;

/// Ends when the system is told so (by ICMP); else never. A QUIC socket talks to many, and is told
/// nothing: so this asks from a socket of its own, with one byte that no server answers.
pub(super) async fn nobody_listens(target: SocketAddr) {
    match ask(target).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        // A firewall, or a system that does not tell: the handshake will show.
        _ => pending().await,
    }
}

async fn ask(target: SocketAddr) -> io::Result<usize> {
    let own = match target {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(own).await?;
    socket.connect(target).await?;
    socket.send(&[0]).await?;
    socket.recv(&mut [0]).await
}
