//! Change sets: the unit that a device signs and sends.

use serde::{Deserialize, Serialize};

use super::{Context, DecodeError, PublicKey, SecretKey, Signature, SignatureError};
use super::{decode_edits, encode_edits};
use crate::crdt::ChangeHash;
use crate::limits::CHANGE_SET_BYTES_MAX;
use crate::model::{DeviceNumber, Edit};

const VERSION: u8 = 2;

/// One digest over the hashes of all changes of a change set, in order: whoever rebuilds them
/// knows that they came out as at their author's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HashesDigest(pub [u8; 16]);

impl HashesDigest {
    /// The digest of these hashes.
    #[must_use]
    pub fn of(changes: impl IntoIterator<Item = ChangeHash>) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("tidegate 2026 digest of change hashes");
        for hash in changes {
            hasher.update(&hash.0);
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(hasher.finalize().as_bytes().split_at(16).0);
        Self(digest)
    }
}

/// Edits of one device, on their way to the server.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeSet {
    /// The organization that they are for: no other accepts them.
    pub organization: PublicKey,
    /// The device whose key signs.
    pub device: DeviceNumber,
    /// The edits, in the order in which they were made.
    pub edits: Vec<Edit>,
    /// Over the hashes of their changes.
    pub hashes: HashesDigest,
}

/// A change set as it travels: bytes, and the signature over them.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct SignedChangeSet {
    body: Vec<u8>,
    signature: Signature,
}

#[derive(Serialize, Deserialize)]
struct Body {
    version: u8,
    organization: PublicKey,
    device: DeviceNumber,
    hashes: HashesDigest,
    edits: Vec<u8>,
}

/// Why a change set is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeSetError {
    /// It is too long, or not in the form of one.
    #[error("not a change set: {0}")]
    Decode(#[from] DecodeError),
    /// Another key signed it, or the bytes changed on the way.
    #[error("{0}")]
    Signature(#[from] SignatureError),
}

impl ChangeSet {
    /// Writes the change set and signs it with the device's key.
    ///
    /// # Errors
    /// It is larger than [`CHANGE_SET_BYTES_MAX`].
    pub fn sign(&self, key: &SecretKey) -> Result<SignedChangeSet, DecodeError> {
        let body = postcard::to_stdvec(&Body {
            version: VERSION,
            organization: self.organization,
            device: self.device,
            hashes: self.hashes,
            edits: encode_edits(&self.edits)?,
        })?;
        DecodeError::bound("bytes in a change set", body.len(), CHANGE_SET_BYTES_MAX)?;
        let signature = key.sign(Context::ChangeSet, &body);
        Ok(SignedChangeSet { body, signature })
    }
}

impl SignedChangeSet {
    /// The device that claims to have signed it, read before anything is verified: it tells which
    /// key to verify with.
    ///
    /// # Errors
    /// The bytes are no change set of a version known here.
    pub fn claimed_device(&self) -> Result<DeviceNumber, DecodeError> {
        Ok(self.body()?.device)
    }

    /// Verifies the signature, then reads the change set.
    ///
    /// # Errors
    /// `key` did not sign it, or it is not in the form of a change set.
    pub fn open(&self, key: &PublicKey) -> Result<ChangeSet, ChangeSetError> {
        key.verify(Context::ChangeSet, &self.body, &self.signature)?;
        let Body { organization, device, hashes, edits, .. } = self.body()?;
        Ok(ChangeSet { organization, device, hashes, edits: decode_edits(&edits)? })
    }

    /// How many bytes the edits and their envelope take.
    #[must_use]
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Whether there are none; a change set always has some.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    fn body(&self) -> Result<Body, DecodeError> {
        DecodeError::bound("bytes in a change set", self.body.len(), CHANGE_SET_BYTES_MAX)?;
        let (body, rest): (Body, _) = postcard::take_from_bytes(&self.body)?;
        if !rest.is_empty() {
            return Err(DecodeError::TrailingBytes(rest.len()));
        }
        if body.version != VERSION {
            let (found, known) = (body.version, VERSION);
            return Err(DecodeError::Version { what: "a change set", found, known });
        }
        Ok(body)
    }
}
