//! A port for a server that goes away and comes back where it was.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicU16, Ordering};

/// Ports below those that systems give away by themselves, so that no client of another test sits
/// on one while its server is down.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

pub(crate) fn free_port() -> u16 {
    static COUNT: AtomicU16 = AtomicU16::new(0);
    let size = PORTS.end - PORTS.start;
    // Test programs that run side by side start far from each other.
    let start = std::process::id().wrapping_mul(7_919) % u32::from(size);
    loop {
        let step = COUNT.fetch_add(1, Ordering::Relaxed);
        let offset = (start + u32::from(step)) % u32::from(size);
        let port = PORTS.start + u16::try_from(offset).unwrap();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
