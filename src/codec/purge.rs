//! What a device states of what it purged.

use serde::{Deserialize, Serialize};

use super::{Context, DecodeError, Digest, PublicKey, SecretKey, Signature, SignatureError};
use crate::limits::PURGE_RECEIPT_BYTES_MAX;
use crate::model::{DeviceNumber, LogEpoch, Sequence, Timestamp};

const VERSION: u8 = 1;

/// A device's statement: of what my user may not read any more, as the server told it up to here, my
/// file holds no byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeReceipt {
    /// The organization that it is for.
    pub organization: PublicKey,
    /// The device whose key signs.
    pub device: DeviceNumber,
    /// The life of the log.
    pub epoch: LogEpoch,
    /// All that the server told up to here was carried out before.
    pub sequence: Sequence,
    /// The standing that the device's rows answer to.
    pub standing: Option<Digest>,
    /// When, by the device's clock.
    pub at: Timestamp,
}

/// A receipt as it travels and is kept: bytes, and the signature over them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct SignedPurgeReceipt {
    body: Vec<u8>,
    signature: Signature,
}

/// Why a receipt is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PurgeReceiptError {
    /// It is too long, or not in the form of one.
    #[error("not a receipt of a purge: {0}")]
    Decode(#[from] DecodeError),
    /// Another key signed it, or the bytes changed on the way.
    #[error("{0}")]
    Signature(#[from] SignatureError),
}

impl PurgeReceipt {
    /// Writes the receipt and signs it with the device's key.
    ///
    /// # Errors
    /// None in practice: a receipt can always be written.
    pub fn sign(&self, key: &SecretKey) -> Result<SignedPurgeReceipt, DecodeError> {
        let body = postcard::to_extend(self, vec![VERSION])?;
        let signature = key.sign(Context::Purge, &body);
        Ok(SignedPurgeReceipt { body, signature })
    }
}

impl SignedPurgeReceipt {
    /// Verifies the signature, then reads the receipt.
    ///
    /// # Errors
    /// `key` did not sign it, or it is not in the form of a receipt.
    pub fn open(&self, key: &PublicKey) -> Result<PurgeReceipt, PurgeReceiptError> {
        let (length, most) = (self.body.len(), PURGE_RECEIPT_BYTES_MAX);
        DecodeError::bound("bytes in a receipt of a purge", length, most)?;
        key.verify(Context::Purge, &self.body, &self.signature)?;
        let Some((&found, payload)) = self.body.split_first() else {
            return Err(DecodeError::Value("the receipt is empty".into()).into());
        };
        if found != VERSION {
            let what = "a receipt of a purge";
            return Err(DecodeError::Version { what, found, known: VERSION }.into());
        }
        let (receipt, rest) = postcard::take_from_bytes(payload).map_err(DecodeError::from)?;
        if rest.is_empty() {
            Ok(receipt)
        } else {
            Err(DecodeError::TrailingBytes(rest.len()).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt() -> PurgeReceipt {
        PurgeReceipt {
            organization: SecretKey::from_seed([1; 32]).public(),
            device: DeviceNumber(u32::MAX),
            epoch: LogEpoch(u64::MAX),
            sequence: Sequence(u64::MAX),
            standing: Some(Digest([7; 16])),
            at: Timestamp::from_millis(1_767_225_600_000).unwrap(),
        }
    }

    #[test]
    fn a_receipt_is_read_by_its_key_and_no_other() {
        let key = SecretKey::from_seed([2; 32]);
        let signed = receipt().sign(&key).unwrap();
        assert!(signed.body.len() <= PURGE_RECEIPT_BYTES_MAX);
        assert_eq!(signed.open(&key.public()), Ok(receipt()));
        let other = SecretKey::from_seed([3; 32]).public();
        assert!(matches!(signed.open(&other), Err(PurgeReceiptError::Signature(_))));
    }

    #[test]
    fn bytes_that_are_no_receipt_are_named() {
        let key = SecretKey::from_seed([2; 32]);
        let sign = |body: Vec<u8>| {
            let signature = key.sign(Context::Purge, &body);
            SignedPurgeReceipt { body, signature }.open(&key.public()).unwrap_err().to_string()
        };
        let mut body = receipt().sign(&key).unwrap().body;
        body.push(0);
        assert!(sign(body.clone()).contains("1 bytes"), "{}", sign(body.clone()));
        body[0] = 9;
        assert!(sign(body).contains('9'));
        assert!(sign(Vec::new()).contains("empty"));
        let most = PURGE_RECEIPT_BYTES_MAX;
        assert!(!sign(vec![VERSION; most]).contains(&most.to_string()));
        assert!(sign(vec![VERSION; most + 1]).contains(&most.to_string()));
    }
}
