//! What can go wrong on the network, in words that say what to do about it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::limits::{ADDRESS_BYTES_MAX, CLOSE_REASON_BYTES_MAX};

/// Why something on the network failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// Another program has the port.
    #[error(
        "UDP port {} is in use on {}: stop the program that has it (perhaps another server), or \
         choose another port", .0.port(), .0.ip()
    )]
    PortInUse(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot use {address}: {source}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A text is no address.
    #[error("`{0}` is no address: expected HOST:PORT of at most {ADDRESS_BYTES_MAX} bytes")]
    Address(String),
    /// No network address is known for the host.
    #[error("cannot find the host of `{address}`: {source}")]
    Resolve {
        /// The address asked for.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing came back.
    #[error(
        "no answer from {address} within {waited:?}: is the server running there, is this device \
         online, and does the network let UDP through?"
    )]
    Unreachable {
        /// The address asked for.
        address: String,
        /// How long we waited.
        waited: Duration,
    },
    /// The machine is there, and says that nobody listens on the port.
    #[error(
        "no answer from {0}: that machine says that nobody listens on the port; is the server \
         running there?"
    )]
    NobodyListens(String),
    /// The other side takes no connection now.
    #[error("{0} refuses new connections for now: try again later")]
    Busy(String),
    /// The two sides have no protocol version in common.
    #[error("the other side does not speak this version of the protocol: update the older one")]
    NoCommonProtocol,
    /// The peer did not prove its key, or this side's proof failed.
    #[error("the handshake failed: {0}")]
    Handshake(String),
    /// The peer closed the connection and said why.
    #[error("closed by the other side: {reason} (code {code})")]
    ClosedByPeer {
        /// The code it gave; 0 if it just went away.
        code: u64,
        /// The reason it gave, at most [`CLOSE_REASON_BYTES_MAX`] bytes, control characters
        /// replaced.
        reason: String,
    },
    /// This side closed the connection or the endpoint.
    #[error("the connection is closed")]
    Closed,
    /// Nothing was heard from the peer for the idle timeout.
    #[error("the connection was lost: nothing heard from the other side for too long")]
    TimedOut,
    /// The peer does not know the connection any more.
    #[error("the connection was lost: the other side has restarted")]
    PeerRestarted,
    /// The peer broke the rules of QUIC, or the connection failed below them.
    #[error("the connection failed: {0}")]
    Transport(String),
    /// A frame, announced or to be sent, is over the bound.
    #[error("a frame of {bytes} bytes is over the bound of {bound}")]
    FrameTooLarge {
        /// Its size.
        bytes: usize,
        /// The bound: [`FRAME_BYTES_MAX`](crate::limits::FRAME_BYTES_MAX), or less for a greeting.
        bound: usize,
    },
    /// The stream ended within a frame.
    #[error("the stream ended {got} bytes into a frame of {expected}, length included")]
    FrameTruncated {
        /// Bytes that came.
        got: usize,
        /// Bytes that the frame has, its length field included (that field's, where it is cut).
        expected: usize,
    },
    /// Frames are put into the queue faster than they are sent.
    #[error("{queued} bytes wait to be sent; {bytes} more are over the bound {bound}")]
    SendQueueFull {
        /// Bytes in the queue.
        queued: usize,
        /// Bytes of the frame that was refused.
        bytes: usize,
        /// The bound.
        bound: usize,
    },
    /// The peer gave up its half of the stream.
    #[error("the other side gave up the stream (code {code})")]
    StreamReset {
        /// The code it gave.
        code: u64,
    },
    /// The stream was finished by this side.
    #[error("the stream is finished")]
    StreamFinished,
    /// The server did not take what was sent before the handshake was over: send it again.
    #[error("what was sent early was not taken")]
    EarlyRefused,
    /// Keys or settings that the TLS library refuses.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
    /// A setting is out of range, or a call does not fit the endpoint.
    #[error("{0}")]
    Setting(&'static str),
    /// The system refused something else.
    #[error("network: {0}")]
    Io(#[from] io::Error),
}

/// TLS alert 120 as a QUIC error code.
const NO_APPLICATION_PROTOCOL: u64 = 0x100 + 120;
/// QUIC's CRYPTO_ERROR codes: a TLS alert each.
const CRYPTO_ERRORS: std::ops::RangeInclusive<u64> = 0x100..=0x1ff;

impl NetError {
    /// An error of binding to `address`.
    pub(super) fn bind(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::PortInUse(address),
            _ => Self::Bind { address, source },
        }
    }

    fn of_code(code: u64, reason: String) -> Self {
        match code {
            NO_APPLICATION_PROTOCOL => Self::NoCommonProtocol,
            code if CRYPTO_ERRORS.contains(&code) => Self::Handshake(reason),
            _ => Self::Transport(reason),
        }
    }
}

impl From<quinn::ConnectionError> for NetError {
    fn from(error: quinn::ConnectionError) -> Self {
        use quinn::ConnectionError as E;
        match error {
            E::VersionMismatch => Self::NoCommonProtocol,
            E::TransportError(ref e) => Self::of_code(e.code.into(), printable(&e.to_string())),
            E::ConnectionClosed(ref e) => {
                Self::of_code(e.error_code.into(), printable(&e.to_string()))
            }
            E::ApplicationClosed(e) => Self::ClosedByPeer {
                code: e.error_code.into_inner(),
                reason: printable(&String::from_utf8_lossy(&e.reason)),
            },
            E::Reset => Self::PeerRestarted,
            E::TimedOut => Self::TimedOut,
            E::LocallyClosed => Self::Closed,
            E::CidsExhausted => Self::Transport("no connection ids left".to_owned()),
        }
    }
}

impl From<quinn::ReadError> for NetError {
    fn from(error: quinn::ReadError) -> Self {
        use quinn::ReadError as E;
        match error {
            E::Reset(code) => Self::StreamReset { code: code.into_inner() },
            E::ConnectionLost(e) => e.into(),
            E::ZeroRttRejected => Self::EarlyRefused,
            E::ClosedStream | E::IllegalOrderedRead => Self::StreamFinished,
        }
    }
}

impl From<quinn::WriteError> for NetError {
    fn from(error: quinn::WriteError) -> Self {
        use quinn::WriteError as E;
        match error {
            E::Stopped(code) => Self::StreamReset { code: code.into_inner() },
            E::ConnectionLost(e) => e.into(),
            E::ZeroRttRejected => Self::EarlyRefused,
            E::ClosedStream => Self::StreamFinished,
        }
    }
}

impl From<rustls::Error> for NetError {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(error.to_string())
    }
}

/// What a peer said, safe for a terminal and a log line.
fn printable(text: &str) -> String {
    let head = cut_reason(text);
    head.chars().map(|it| if it.is_control() { '?' } else { it }).collect()
}

/// As much of a reason as fits the bound.
pub(super) fn cut_reason(text: &str) -> &str {
    let mut end = text.len().min(CLOSE_REASON_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.split_at(end).0
}
