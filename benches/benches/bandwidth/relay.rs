//! A relay between devices and a server that counts the payload of the UDP packets it passes on: what a
//! connection costs that stays open is told by nobody else.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidegate_benches::Outcome;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// The largest packet.
const PACKET_BYTES_MAX: usize = 65_536;
/// A line on which nothing comes for so long is quiet: longer than any acknowledgement is put off.
const QUIET: Duration = Duration::from_millis(100);

/// Passes packets on until the runtime ends.
#[derive(Debug, Clone)]
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    bytes: Arc<AtomicU64>,
    passed: Arc<tokio::sync::Notify>,
}

impl Relay {
    pub(crate) async fn before(server: SocketAddr) -> Outcome<Self> {
        let front = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
        let relay =
            Self { address: front.local_addr()?, bytes: Arc::default(), passed: Arc::default() };
        let own = relay.clone();
        tokio::spawn(async move {
            if let Err(error) = own.pass(front, server).await {
                eprintln!("the relay ended: {error}");
            }
        });
        Ok(relay)
    }

    /// From devices to the server: each has a socket of its own there.
    async fn pass(&self, front: Arc<UdpSocket>, server: SocketAddr) -> Outcome<()> {
        let mut sockets: BTreeMap<SocketAddr, Arc<UdpSocket>> = BTreeMap::new();
        let mut packet = vec![0; PACKET_BYTES_MAX];
        loop {
            let (length, device) = front.recv_from(&mut packet).await?;
            let socket = if let Some(socket) = sockets.get(&device) {
                Arc::clone(socket)
            } else {
                let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
                socket.connect(server).await?;
                let (relay, front, back) = (self.clone(), Arc::clone(&front), Arc::clone(&socket));
                tokio::spawn(async move { relay.pass_back(&back, &front, device).await });
                sockets.insert(device, Arc::clone(&socket));
                socket
            };
            self.count(length);
            socket.send(packet.get(..length).unwrap_or_default()).await?;
        }
    }

    async fn pass_back(&self, back: &UdpSocket, front: &UdpSocket, device: SocketAddr) {
        let mut packet = vec![0; PACKET_BYTES_MAX];
        while let Ok(length) = back.recv(&mut packet).await {
            self.count(length);
            // A device that is gone hears nothing.
            let _ = front.send_to(packet.get(..length).unwrap_or_default(), device).await;
        }
    }

    fn count(&self, length: usize) {
        self.bytes.fetch_add(length as u64, Ordering::Relaxed);
        self.passed.notify_one();
    }

    /// All bytes so far, both ways, once the line is quiet.
    pub(crate) async fn bytes(&self) -> u64 {
        while timeout(QUIET, self.passed.notified()).await.is_ok() {}
        self.bytes.load(Ordering::Relaxed)
    }
}
