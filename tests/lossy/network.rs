//! A network in memory, and the time: sockets and timers for quinn.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncTimer, AsyncUdpSocket, Runtime, UdpPoller};
use tokio::time::{Instant, Sleep, sleep_until};

/// Numbers from a seed (splitmix64).
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let it = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let it = (it ^ (it >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        it ^ (it >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(crate) fn millis(&mut self, below: u64) -> Duration {
        Duration::from_millis(self.below(below))
    }
}

/// What the network does to packets. It never looks into them.
#[derive(Debug)]
pub(crate) struct Faults {
    /// Of a hundred packets so many are lost, and so many come twice.
    loss: u64,
    doubled: u64,
    delay: Duration,
    /// And up to so much more, so that one overtakes another.
    jitter_millis: u64,
    /// Nothing gets through from one address to another for a time.
    cuts: Vec<Cut>,
}

#[derive(Debug)]
struct Cut {
    address: SocketAddr,
    from: Duration,
    to: Duration,
    /// Whether only what comes from the address is lost.
    one_way: bool,
}

impl Faults {
    /// Faults for these addresses within the first half minute.
    pub(crate) fn draw(chance: &mut Chance, addresses: &[SocketAddr]) -> Self {
        let cut = |address: &SocketAddr, chance: &mut Chance| {
            let from = chance.millis(20_000);
            let to = from + chance.millis(15_000);
            Cut { address: *address, from, to, one_way: chance.below(2) == 0 }
        };
        Self {
            loss: chance.below(20),
            doubled: chance.below(10),
            delay: chance.millis(60),
            jitter_millis: 1 + chance.below(80),
            cuts: addresses.iter().map(|it| cut(it, chance)).collect(),
        }
    }

    /// A line on which nothing goes wrong, and that takes so long.
    pub(crate) fn none(delay: Duration) -> Self {
        Self { loss: 0, doubled: 0, delay, jitter_millis: 1, cuts: Vec::new() }
    }

    fn is_cut(&self, from: SocketAddr, to: SocketAddr, at: Duration) -> bool {
        self.cuts.iter().any(|cut| {
            let its = from == cut.address || (to == cut.address && !cut.one_way);
            its && cut.from <= at && at < cut.to
        })
    }
}

/// A packet that was sent, as an observer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    at: Duration,
    from: SocketAddr,
    to: SocketAddr,
    pub(crate) bytes: usize,
    pub(crate) copies: u64,
}

#[derive(Debug, Default)]
struct Mailbox {
    /// By the time at which they arrive.
    packets: BTreeMap<(Instant, u64), (SocketAddr, Vec<u8>)>,
    reader: Option<Waker>,
}

/// The network, and what was sent on it.
#[derive(Debug)]
pub(crate) struct Network {
    begun: Instant,
    faults: Faults,
    chance: Chance,
    mailboxes: BTreeMap<SocketAddr, Mailbox>,
    sent: u64,
    pub(crate) packets: Vec<Packet>,
}

impl Network {
    pub(crate) fn new(faults: Faults, chance: Chance) -> Arc<Mutex<Self>> {
        let (mailboxes, packets) = Default::default();
        let begun = Instant::now();
        Arc::new(Mutex::new(Self { begun, faults, chance, mailboxes, sent: 0, packets }))
    }

    /// From now on nothing comes to this address or from it.
    pub(crate) fn cut(&mut self, address: SocketAddr) {
        let from = self.begun.elapsed();
        self.faults.cuts.push(Cut { address, from, to: Duration::MAX, one_way: false });
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let now = Instant::now();
        let at = now - self.begun;
        let Faults { loss, doubled, delay, jitter_millis, .. } = self.faults;
        // As many draws for each packet, whatever becomes of it.
        let (lost, twice) = (self.chance.below(100) < loss, self.chance.below(100) < doubled);
        let jitter = [(); 2].map(|()| self.chance.millis(jitter_millis));
        let copies = match (lost || self.faults.is_cut(from, to, at), twice) {
            (true, _) => 0,
            (false, false) => 1,
            (false, true) => 2,
        };
        self.packets.push(Packet { at, from, to, bytes: bytes.len(), copies });
        // To an address that nobody has, it is lost too.
        let Some(mailbox) = self.mailboxes.get_mut(&to) else { return };
        for jitter in jitter.into_iter().take(usize::try_from(copies).unwrap()) {
            self.sent += 1;
            let arrives = now + delay + jitter;
            mailbox.packets.insert((arrives, self.sent), (from, bytes.to_vec()));
        }
        if let Some(reader) = mailbox.reader.take() {
            reader.wake();
        }
    }
}

/// A socket on the network.
#[derive(Debug)]
pub(crate) struct Socket {
    network: Arc<Mutex<Network>>,
    address: SocketAddr,
    next: Mutex<Pin<Box<Sleep>>>,
}

impl Socket {
    pub(crate) fn new(network: &Arc<Mutex<Network>>, address: SocketAddr) -> Arc<Self> {
        network.lock().unwrap().mailboxes.insert(address, Mailbox::default());
        let next = Mutex::new(Box::pin(sleep_until(Instant::now())));
        Arc::new(Self { network: Arc::clone(network), address, next })
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let mut network = self.network.lock().unwrap();
        network.send(self.address, transmit.destination, transmit.contents);
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut network = self.network.lock().unwrap();
        let mailbox = network.mailboxes.get_mut(&self.address).unwrap();
        mailbox.reader = Some(context.waker().clone());
        loop {
            let Some(first) = mailbox.packets.first_entry() else { return Poll::Pending };
            let (arrives, _) = *first.key();
            if arrives <= Instant::now() {
                let (from, bytes) = first.remove();
                buffers[0][..bytes.len()].copy_from_slice(&bytes);
                meta[0] = RecvMeta::default();
                (meta[0].addr, meta[0].len, meta[0].stride) = (from, bytes.len(), bytes.len());
                return Poll::Ready(Ok(1));
            }
            let mut next = self.next.lock().unwrap();
            next.as_mut().reset(arrives);
            if Future::poll(next.as_mut(), context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// There is always room.
#[derive(Debug)]
struct Writable;

impl UdpPoller for Writable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The runtime's clock, which a test pauses.
#[derive(Debug)]
pub(crate) struct Paused;

impl Runtime for Paused {
    fn new_timer(&self, at: std::time::Instant) -> Pin<Box<dyn AsyncTimer>> {
        Box::pin(sleep_until(at.into()))
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        tokio::spawn(future);
    }

    fn wrap_udp_socket(&self, _: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }
}
