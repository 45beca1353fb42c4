//! The network shell: QUIC endpoints whose identity is an Ed25519 key, and streams of frames.
//!
//! It knows who the peer is (which key it holds), not whether that one is welcome: the session
//! above compares the key with a server certificate or with the registry of devices.

mod connection;
mod connection_ids;
mod dial;
mod endpoint;
mod error;
mod frame;
mod ground;
mod incoming;
mod key_store;
mod options;
mod probe;
mod race;
mod session;
pub mod system;
mod tls;

pub use connection::{Connection, Traffic};
pub use dial::{Dialled, EarlyConnection};
pub use endpoint::Endpoint;
pub use error::NetError;
pub use frame::{FrameReceiver, FrameSender};
pub use ground::Ground;
pub use incoming::{EarlyPeer, Incoming};
pub use key_store::{FileKeyStore, KeyStore, KeyStoreError};
pub use options::TransportOptions;
pub use session::{FirstWords, SessionStream};
pub use tls::ClientTls;
