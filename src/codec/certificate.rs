//! How a device that knows only the organization's key comes to trust a server.
//!
//! ```text
//! offset  bytes
//!      0      1  version: 1
//!      1      8  serial, little-endian
//!      9      8  valid from, milliseconds since 1970, little-endian
//!     17     32  server key: signs grants, pages and denials
//!     49     32  TLS key: what the server shows in the handshake
//!     81     64  signature of the organization key over bytes 0 to 80
//! ```

use super::take;
use super::{Context, PublicKey, SecretKey, Signature};
use crate::model::Timestamp;

const VERSION: u8 = 1;
const SIGNED_BYTES: usize = 81;

/// A statement of the organization: this server key and this TLS key are my server's.
///
/// A server whose keys are replaced gets a certificate with a higher serial; a device that has
/// seen one refuses lower ones ([`Self::serial`]). So an old key is out of use at each device from
/// the first contact with the new one on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCertificate {
    serial: u64,
    valid_from: Timestamp,
    server_key: PublicKey,
    tls_key: PublicKey,
    signature: Signature,
}

/// Why bytes are no server certificate, or not this organization's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Too few or too many bytes.
    #[error("a server certificate has {} bytes, this one has {found}", ServerCertificate::BYTES)]
    Length {
        /// Bytes found.
        found: usize,
    },
    /// A version that this program does not know.
    #[error("server certificate of version {found}; this program reads version {VERSION}")]
    Version {
        /// The version found.
        found: u8,
    },
    /// The time is beyond what a [`Timestamp`] holds.
    #[error("the server certificate is valid from {millis} ms, which is no time")]
    Time {
        /// Milliseconds since 1970.
        millis: i64,
    },
    /// Another organization issued it, or somebody changed it.
    #[error("the server certificate is not signed by the organization key {organization}")]
    NotSigned {
        /// The key that should have signed.
        organization: PublicKey,
    },
}

impl ServerCertificate {
    /// Bytes of every server certificate.
    pub const BYTES: usize = SIGNED_BYTES + 64;

    /// Issues a certificate. `serial` is higher than that of any earlier certificate of this
    /// organization; `valid_from` is for people to read and decides nothing.
    #[must_use]
    pub fn issue(
        organization: &SecretKey,
        server_key: PublicKey,
        tls_key: PublicKey,
        serial: u64,
        valid_from: Timestamp,
    ) -> Self {
        let signed = signed_bytes(serial, valid_from, &server_key, &tls_key);
        let signature = organization.sign(Context::ServerCertificate, &signed);
        Self { serial, valid_from, server_key, tls_key, signature }
    }

    /// Whether the organization with this key issued it. Whoever holds a connection compares
    /// [`Self::tls_key`] with the key that the peer showed besides.
    ///
    /// # Errors
    /// It did not.
    pub fn verify(&self, organization: &PublicKey) -> Result<(), CertificateError> {
        let signed = signed_bytes(self.serial, self.valid_from, &self.server_key, &self.tls_key);
        organization
            .verify(Context::ServerCertificate, &signed, &self.signature)
            .map_err(|_| CertificateError::NotSigned { organization: *organization })
    }

    /// Orders the certificates of one organization.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// When it was issued, by the clock of whoever did. For people to read.
    #[must_use]
    pub fn valid_from(&self) -> Timestamp {
        self.valid_from
    }

    /// The key that signs grants, pages and denials.
    #[must_use]
    pub fn server_key(&self) -> PublicKey {
        self.server_key
    }

    /// The key that the server shows in the TLS handshake.
    #[must_use]
    pub fn tls_key(&self) -> PublicKey {
        self.tls_key
    }

    /// The bytes as drawn at the top of this module.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = signed_bytes(self.serial, self.valid_from, &self.server_key, &self.tls_key);
        bytes.extend_from_slice(&self.signature.0);
        bytes
    }

    /// Reads a certificate; who issued it is for [`Self::verify`] to say.
    ///
    /// # Errors
    /// The bytes have another length or version, or hold no time.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CertificateError> {
        let length = CertificateError::Length { found: bytes.len() };
        let mut rest = bytes;
        // The version first: another one may well have another length.
        let [found] = take::array(&mut rest).ok_or(length)?;
        if found != VERSION {
            return Err(CertificateError::Version { found });
        }
        if bytes.len() != Self::BYTES {
            return Err(length);
        }
        let serial = u64::from_le_bytes(take::array(&mut rest).ok_or(length)?);
        let millis = i64::from_le_bytes(take::array(&mut rest).ok_or(length)?);
        Ok(Self {
            serial,
            valid_from: Timestamp::from_millis(millis).ok_or(CertificateError::Time { millis })?,
            server_key: PublicKey(take::array(&mut rest).ok_or(length)?),
            tls_key: PublicKey(take::array(&mut rest).ok_or(length)?),
            signature: Signature(take::array(&mut rest).ok_or(length)?),
        })
    }
}

fn signed_bytes(
    serial: u64,
    valid_from: Timestamp,
    server_key: &PublicKey,
    tls_key: &PublicKey,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ServerCertificate::BYTES);
    bytes.push(VERSION);
    bytes.extend_from_slice(&serial.to_le_bytes());
    bytes.extend_from_slice(&valid_from.as_millis().to_le_bytes());
    bytes.extend_from_slice(&server_key.0);
    bytes.extend_from_slice(&tls_key.0);
    debug_assert_eq!(bytes.len(), SIGNED_BYTES);
    bytes
}
