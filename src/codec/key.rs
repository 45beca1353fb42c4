//! Ed25519 keys and signatures, each signature under a label that says what it is for.
//!
//! What Ed25519 signs is always 32 bytes: BLAKE3 in its key derivation mode, with the label of the
//! [`Context`] as derivation context, over the bytes. So a signature made for one purpose never
//! verifies for another, and none can pass for a TLS handshake signature (whose input starts with
//! 64 spaces), although a device signs both with one key.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::BASE32_NOPAD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What a signature is for. The labels are part of the format: they never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Context {
    /// The organization binds a server's keys.
    ServerCertificate,
    /// A server states the privileges of a user on a device.
    Grant,
    /// A device states its edits.
    ChangeSet,
    /// A server refuses an edit for good.
    Denial,
    /// A server attests a page or a range of the log.
    Page,
    /// A device states what it purged.
    Purge,
}

impl Context {
    fn label(self) -> &'static str {
        match self {
            Self::ServerCertificate => "tidegate 2026 signature: server certificate",
            Self::Grant => "tidegate 2026 signature: grant",
            Self::ChangeSet => "tidegate 2026 signature: change set",
            Self::Denial => "tidegate 2026 signature: denial",
            Self::Page => "tidegate 2026 signature: page",
            Self::Purge => "tidegate 2026 signature: purge",
        }
    }

    fn digest(self, bytes: &[u8]) -> [u8; 32] {
        blake3::derive_key(self.label(), bytes)
    }
}

/// An Ed25519 key that can sign. Cloning shares it; `Debug` shows only the public half.
#[derive(Clone)]
pub struct SecretKey(Arc<Pair>);

struct Pair {
    seed: [u8; 32],
    signer: Ed25519KeyPair,
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.seed.fill(0);
        // Without this the compiler may leave out a write that nothing reads.
        std::hint::black_box(&self.seed);
    }
}

impl SecretKey {
    /// The key of this seed, which must come from a source of secret randomness.
    #[must_use]
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "ring refuses a seed only for its length, and the type fixes that"
    )]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let signer = Ed25519KeyPair::from_seed_unchecked(&seed).expect("a seed of 32 bytes");
        Self(Arc::new(Pair { seed, signer }))
    }

    /// The seed, to be kept where nobody else can read it.
    #[must_use]
    pub fn seed(&self) -> &[u8; 32] {
        &self.0.seed
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.signer.public_key().as_ref());
        PublicKey(bytes)
    }

    /// Signs `bytes` for one purpose.
    #[must_use]
    pub fn sign(&self, context: Context, bytes: &[u8]) -> Signature {
        let signature = self.0.signer.sign(&context.digest(bytes));
        let mut it = [0; 64];
        it.copy_from_slice(signature.as_ref());
        Signature(it)
    }

    /// Another secret, derived from this one for one purpose. `label` is a constant of the
    /// program, different for each purpose.
    pub(crate) fn derive(&self, label: &str) -> [u8; 32] {
        blake3::derive_key(label, &self.0.seed)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public())
    }
}

/// An Ed25519 public key. Its text form is 52 characters of lower-case base32.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// A signature does not fit the key, the purpose or the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not by {key} over these bytes as a {context:?}")]
pub struct SignatureError {
    /// The key that should have signed.
    pub key: PublicKey,
    /// What the signature should have been for.
    pub context: Context,
}

impl PublicKey {
    /// Whether this key signed `bytes` for this purpose.
    ///
    /// # Errors
    /// It did not.
    pub fn verify(
        &self,
        context: Context,
        bytes: &[u8],
        signature: &Signature,
    ) -> Result<(), SignatureError> {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(&context.digest(bytes), &signature.0)
            .map_err(|_| SignatureError { key: *self, context })
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// A text is no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a public key: expected 52 characters of a-z and 2-7")]
pub struct KeyTextError;

impl FromStr for PublicKey {
    type Err = KeyTextError;
    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        // Checked first: decoding allocates in proportion to the text.
        if text.len() != 52 {
            return Err(KeyTextError);
        }
        let bytes =
            BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| KeyTextError)?;
        bytes.try_into().map(Self).map_err(|_| KeyTextError)
    }
}

// Text where people read (JSON, TOML), 32 bytes where they do not (postcard).
impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
        } else {
            <[u8; 32]>::deserialize(deserializer).map(Self)
        }
    }
}

/// An Ed25519 signature. Made by [`SecretKey::sign`], checked by [`PublicKey::verify`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature(pub [u8; 64]);

impl Signature {
    /// The 64 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", data_encoding::HEXLOWER.encode(&self.0))
    }
}

// serde knows arrays up to 32; two halves take the same 64 bytes in postcard.
impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (mut low, mut high) = ([0; 32], [0; 32]);
        low.copy_from_slice(self.0.split_at(32).0);
        high.copy_from_slice(self.0.split_at(32).1);
        (low, high).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (low, high) = <([u8; 32], [u8; 32])>::deserialize(deserializer)?;
        let mut bytes = [0; 64];
        let (first, second) = bytes.split_at_mut(32);
        first.copy_from_slice(&low);
        second.copy_from_slice(&high);
        Ok(Self(bytes))
    }
}
