//! What a replica knows of its server from sessions before, for as long as it is open: a session to resume,
//! and what the server would say first.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Shared, SyncError};
use crate::codec::{PublicKey, SecretKey, ToDevice, encode_message};
use crate::model::Spent;
use crate::net::{ClientTls, Connection, Endpoint, FirstWords, NetError};
use crate::sync::replica::{Output, Purpose};

/// What outlasts a session.
#[derive(Debug, Default)]
pub(super) struct Acquaintance(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    tls: Option<ClientTls>,
    server: Option<Greeted>,
}

/// A server that this device was greeted by.
#[derive(Debug, Clone)]
pub(super) struct Greeted {
    pub(super) address: String,
    pub(super) tls_key: PublicKey,
    answered: SocketAddr,
    certificate: Vec<u8>,
}

impl Acquaintance {
    fn with<T>(&self, look: impl FnOnce(&mut Known) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// An endpoint that resumes what others before it began.
    pub(super) fn endpoint(&self, key: &SecretKey) -> Result<Endpoint, NetError> {
        let tls = self.with(|known| match &known.tls {
            Some(tls) => Ok(tls.clone()),
            None => ClientTls::new(key).map(|tls| known.tls.insert(tls).clone()),
        })?;
        Endpoint::client_with(tls)
    }

    /// Notes who greeted, where, and how.
    pub(super) fn note(&self, address: &str, connection: &Connection, certificate: Vec<u8>) {
        let (tls_key, answered) = (connection.peer_key(), connection.remote_address());
        let server = Greeted { address: address.to_owned(), tls_key, answered, certificate };
        self.with(|known| known.server = Some(server));
    }

    /// It goes on as before.
    pub(super) fn keep(&self, server: &Greeted) {
        self.with(|known| known.server = Some(server.clone()));
    }

    /// The server that greeted last, once: who resumes in vain begins anew the next time.
    pub(super) fn take(&self) -> Option<Greeted> {
        self.with(|known| known.server.take())
    }
}

impl Shared {
    /// What this device answers to a greeting that it need not wait for, and what its bytes are for.
    pub(super) async fn first_words(
        self: &Arc<Self>,
        server: &Greeted,
    ) -> Result<(FirstWords, Spent), SyncError> {
        let (peer, now) = (server.tls_key, self.outside.now());
        let greeting = ToDevice::Greeting { certificate: server.certificate.clone() };
        let begun = self.with_core(move |core| {
            core.machine.connected(Purpose::Sync, peer)?;
            core.machine.received(&mut core.store, now, greeting)
        });
        begun.await?;
        let (mut frames, mut said) = (Vec::new(), Spent::default());
        for output in self.outputs() {
            match output {
                Output::Send(message) => {
                    let bytes = encode_message(&message)?;
                    said += message.weigh(&bytes);
                    frames.push(bytes);
                }
                Output::Event(event) => self.publish(vec![event]),
                Output::Close(error) => return Err(error.into()),
                Output::Answer(..) => {}
            }
        }
        Ok((FirstWords { frames, answered: server.answered }, said))
    }
}
