//! TLS 1.3 with raw public keys (RFC 7250) on both sides, Ed25519 only.
//!
//! The verifiers take any Ed25519 key, and insist on the handshake signature: after the handshake
//! each side knows that the peer holds the key it showed. Whether that key is the right one is
//! for the session to say.
//!
//! One set of these objects serves every connection of an endpoint: rustls offers a session again
//! only under the very same verifier and resolver (by `Arc`).

use std::sync::Arc;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring as provider};
use rustls::pki_types::{
    CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, ServerSessionMemoryCache};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error,
    PeerIncompatible, ServerConfig, SignatureScheme,
};

use super::NetError;
use crate::codec::{PublicKey, SecretKey};
use crate::limits::RESUMABLE_SESSIONS_MAX;

/// The application protocol. A change that older programs cannot follow gets another number.
pub(super) const ALPN: &[u8] = b"tidegate/1";

/// SubjectPublicKeyInfo of an Ed25519 key (RFC 8410) up to the key's 32 bytes.
const SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// PKCS#8 version 1 of an Ed25519 key (RFC 8410) up to the seed's 32 bytes.
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// The TLS side of a client, with the sessions that it can resume. Cheap to clone; clones share these.
#[derive(Clone)]
pub struct ClientTls(pub(super) Arc<QuicClientConfig>);

impl ClientTls {
    /// One that holds this key, and has no session to resume.
    ///
    /// # Errors
    /// The key does not fit.
    pub fn new(key: &SecretKey) -> Result<Self, NetError> {
        client(key).map(Self)
    }
}

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientTls").finish_non_exhaustive()
    }
}

fn client(key: &SecretKey) -> Result<Arc<QuicClientConfig>, NetError> {
    let provider = Arc::new(provider::default_provider());
    let verifier = Arc::new(AnyEd25519 { algorithms: provider.signature_verification_algorithms });
    let resolver = Arc::new(AlwaysResolvesClientRawPublicKeys::new(certified_key(key, &provider)?));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(resolver);
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.enable_early_data = true;
    // The name only tells the sessions of different servers apart on this side.
    config.enable_sni = false;
    let config = QuicClientConfig::try_from(config).map_err(|e| NetError::Tls(e.to_string()))?;
    Ok(Arc::new(config))
}

/// The TLS side of a server.
pub(super) fn server(key: &SecretKey) -> Result<Arc<QuicServerConfig>, NetError> {
    let provider = Arc::new(provider::default_provider());
    let verifier = Arc::new(AnyEd25519 { algorithms: provider.signature_verification_algorithms });
    let resolver = Arc::new(AlwaysResolvesServerRawPublicKeys::new(certified_key(key, &provider)?));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![ALPN.to_vec()];
    // QUIC allows 0 or this. Early data needs sessions kept here (not in the ticket); each can be
    // resumed once, so that a recorded first flight is not taken a second time.
    config.max_early_data_size = u32::MAX;
    config.session_storage = ServerSessionMemoryCache::new(RESUMABLE_SESSIONS_MAX);
    // A device has one connection at a time, and gets a new ticket with each.
    config.send_tls13_tickets = 1;
    let config = QuicServerConfig::try_from(config).map_err(|e| NetError::Tls(e.to_string()))?;
    Ok(Arc::new(config))
}

/// The key that the peer showed, once it is known.
pub(super) fn peer_key(connection: &quinn::Connection) -> Option<PublicKey> {
    let shown = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    ed25519_key(shown.first()?)
}

fn certified_key(key: &SecretKey, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, Error> {
    let pkcs8 = [&PKCS8_PREFIX[..], key.seed()].concat();
    let signer = provider.key_provider.load_private_key(PrivatePkcs8KeyDer::from(pkcs8).into())?;
    let spki = [&SPKI_PREFIX[..], key.public().as_bytes()].concat();
    Ok(Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki)], signer)))
}

/// The key within a SubjectPublicKeyInfo, if it is Ed25519.
fn ed25519_key(spki: &[u8]) -> Option<PublicKey> {
    spki.strip_prefix(&SPKI_PREFIX)?.try_into().ok().map(PublicKey)
}

/// Takes any Ed25519 key that signs the handshake.
#[derive(Debug)]
struct AnyEd25519 {
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyEd25519 {
    fn check_key(shown: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<(), Error> {
        match ed25519_key(shown) {
            Some(_) if others.is_empty() => Ok(()),
            _ => Err(CertificateError::BadEncoding.into()),
        }
    }

    fn check_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature_with_raw_key(
            message,
            &SubjectPublicKeyInfoDer::from(shown.as_ref()),
            signature,
            &self.algorithms,
        )
    }
}

impl ServerCertVerifier for AnyEd25519 {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Self::check_key(shown, others).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _shown: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls13RequiredForQuic.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, shown, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for AnyEd25519 {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Self::check_key(shown, others).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _shown: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls13RequiredForQuic.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, shown, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
