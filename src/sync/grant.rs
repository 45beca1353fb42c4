use serde::{Deserialize, Serialize};

use crate::codec::{Context, Digest, PublicKey, SecretKey, Signature, SignatureError};
use crate::gate::Standing;
use crate::model::{DeviceNumber, PolicyEpoch, Schema, Timestamp, UserId};
use crate::sync::StoreError;

const VERSION: u8 = 1;

/// A server's statement of one user's resolved privileges, bound to one device.
///
/// The device judges its own edits by it before they are stored. Its expiry limits what others
/// accept, never the device's own edits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// The device that it is for.
    pub device: DeviceNumber,
    /// The key of that device.
    pub key: PublicKey,
    /// Whose privileges these are.
    pub user: UserId,
    /// The policy that they were resolved from.
    pub epoch: PolicyEpoch,
    /// Until when others may rely on it.
    pub expires: Timestamp,
    /// The privileges; `None`: the user holds nothing (is disabled or unknown).
    pub standing: Option<Standing>,
}

#[derive(Serialize, Deserialize)]
struct Signed {
    version: u8,
    body: Vec<u8>,
    signature: Signature,
}

/// Why bytes are no grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// Not in the form of one, or of a version not known here.
    #[error("not a grant: {0}")]
    Form(String),
    /// Not signed by the server.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

impl From<postcard::Error> for GrantError {
    fn from(error: postcard::Error) -> Self {
        Self::Form(error.to_string())
    }
}

impl Grant {
    /// Writes and signs the grant.
    ///
    /// # Errors
    /// None in practice: a grant can always be written.
    pub fn sign(&self, server: &SecretKey) -> Result<Vec<u8>, GrantError> {
        let body = postcard::to_stdvec(self)?;
        let signature = server.sign(Context::Grant, &body);
        Ok(postcard::to_stdvec(&Signed { version: VERSION, body, signature })?)
    }

    /// Verifies and reads a grant that came from outside.
    ///
    /// # Errors
    /// `server` did not sign it, or it is none.
    pub fn open(bytes: &[u8], server: &PublicKey) -> Result<Self, GrantError> {
        let signed = Self::signed(bytes)?;
        server.verify(Context::Grant, &signed.body, &signed.signature)?;
        Ok(postcard::from_bytes(&signed.body)?)
    }

    /// Reads a grant that was verified before it was stored.
    ///
    /// # Errors
    /// It is none: the store is damaged.
    pub fn from_store(bytes: &[u8]) -> Result<Self, GrantError> {
        Ok(postcard::from_bytes(&Self::signed(bytes)?.body)?)
    }

    fn signed(bytes: &[u8]) -> Result<Signed, GrantError> {
        let signed: Signed = postcard::from_bytes(bytes)?;
        if signed.version != VERSION {
            return Err(GrantError::Form(format!("version {} is not known here", signed.version)));
        }
        Ok(signed)
    }

    /// Names the grant's content: what a device has already need not be sent again.
    ///
    /// # Errors
    /// None in practice.
    pub fn digest(&self) -> Result<Digest, GrantError> {
        // The expiry moves with the clock; what it says does not.
        let lasting = Self { expires: Timestamp::default(), ..self.clone() };
        Ok(Digest::of("grant", &postcard::to_stdvec(&lasting)?))
    }
}

/// Names a standing, and what a device's rows answer to.
///
/// # Errors
/// None in practice.
pub(super) fn standing_digest(
    standing: Option<&Standing>,
) -> Result<(Digest, Vec<u8>), GrantError> {
    let bytes = postcard::to_stdvec(&standing)?;
    Ok((Digest::of("standing", &bytes), bytes))
}

/// Names a schema.
///
/// # Errors
/// None in practice: a schema can always be written.
pub(super) fn schema_digest(schema: &Schema) -> Result<Digest, StoreError> {
    let bytes =
        postcard::to_stdvec(schema).map_err(|error| StoreError::Damaged(error.to_string()))?;
    Ok(Digest::of("schema", &bytes))
}
