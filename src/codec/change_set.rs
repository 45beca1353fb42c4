//! Change sets: the unit that a device signs and sends.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::edits::{Stemmed, decode_for, encode_for};
use super::{
    Context, DecodeError, IdsDigest, Lexicon, PublicKey, SchemaMark, SecretKey, Signature,
    SignatureError, Stem,
};
use crate::crdt::ChangeHash;
use crate::limits::{CHANGE_SET_BYTES_MAX, CHANGE_SET_EDITS_MAX};
use crate::model::{DeviceNumber, Edit, RecordId};

const VERSION: u8 = 5;

/// One digest (BLAKE3, 8 bytes) over the hashes of all changes of a change set, in order: whoever rebuilds them
/// knows that they came out as at their author's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HashesDigest(pub [u8; 8]);

impl HashesDigest {
    /// The digest of these hashes.
    #[must_use]
    pub fn of(changes: impl IntoIterator<Item = ChangeHash>) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("tidegate 2026 digest of change hashes");
        for hash in changes {
            hasher.update(&hash.0);
        }
        let mut digest = [0; 8];
        digest.copy_from_slice(hasher.finalize().as_bytes().split_at(8).0);
        Self(digest)
    }
}

/// Edits of one device, on their way to the server.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeSet {
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
    device: DeviceNumber,
    hashes: HashesDigest,
    /// Of the records of all edits, where some are named by stems.
    ids: Option<IdsDigest>,
    /// Whose names are told by their numbers.
    schema: Option<SchemaMark>,
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
    /// It names records by stems by which they are not found here, or says by number what is in a schema that is
    /// not the one of here: whoever made it is to name all of it whole.
    #[error(
        "it names a record by a part of its id that is not of one record here, or a column by its number in another schema"
    )]
    Unclear,
}

impl ChangeSet {
    /// Writes the change set and signs it with the device's key, for this organization: no other accepts
    /// it.
    ///
    /// # Errors
    /// It is larger than [`CHANGE_SET_BYTES_MAX`].
    pub fn sign(
        &self,
        key: &SecretKey,
        organization: &PublicKey,
    ) -> Result<SignedChangeSet, DecodeError> {
        self.sign_in_short(key, organization, &[], &Lexicon::default())
    }

    /// As [`Self::sign`], for a reader who has these names, and for whom so many bits of the id of each edit's
    /// record are enough.
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub fn sign_in_short(
        &self,
        key: &SecretKey,
        organization: &PublicKey,
        bits: &[u8],
        lexicon: &Lexicon,
    ) -> Result<SignedChangeSet, DecodeError> {
        let has_stems = bits.iter().any(|bits| *bits < Stem::WHOLE);
        let records = self.edits.iter().map(|edit| edit.record);
        let body = postcard::to_stdvec(&Body {
            version: VERSION,
            device: self.device,
            hashes: self.hashes,
            ids: IdsDigest::of(records).filter(|_| has_stems),
            schema: lexicon.mark(),
            edits: encode_for(&self.edits, bits, lexicon)?,
        })?;
        DecodeError::bound("bytes in a change set", body.len(), CHANGE_SET_BYTES_MAX)?;
        let signature = key.sign(Context::ChangeSet, &signed(organization, &body));
        Ok(SignedChangeSet { body, signature })
    }
}

/// What a device signs. Whoever verifies knows its organization: it is not sent.
fn signed(organization: &PublicKey, body: &[u8]) -> Vec<u8> {
    [organization.as_bytes(), body].concat()
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
    /// `key` did not sign it for this organization, or it is not in the form of a change set.
    pub fn open(
        &self,
        key: &PublicKey,
        organization: &PublicKey,
    ) -> Result<ChangeSet, ChangeSetError> {
        self.open_in_short(key, organization, |_| None, |_, _| None)
    }

    /// As [`Self::open`], where names may be told by their numbers in a schema: `names` has those of one; and
    /// records by stems: `find` tells which one of its table an edit means.
    ///
    /// # Errors
    /// As [`Self::open`]; or it is another schema, a record is not found, or is another than its author meant.
    pub fn open_in_short(
        &self,
        key: &PublicKey,
        organization: &PublicKey,
        names: impl FnOnce(SchemaMark) -> Option<Arc<Lexicon>>,
        mut find: impl FnMut(&Edit, Stem) -> Option<RecordId>,
    ) -> Result<ChangeSet, ChangeSetError> {
        key.verify(Context::ChangeSet, &signed(organization, &self.body), &self.signature)?;
        let Body { device, hashes, ids, schema, edits, .. } = self.body()?;
        let lexicon = match schema {
            None => Arc::default(),
            Some(mark) => names(mark).ok_or(ChangeSetError::Unclear)?,
        };
        let Stemmed { mut edits, bits } = decode_for(&edits, CHANGE_SET_EDITS_MAX, &lexicon)?;
        let mut has_stems = false;
        for (edit, bits) in edits.iter_mut().zip(bits).filter(|(_, bits)| *bits < Stem::WHOLE) {
            has_stems = true;
            let found = find(edit, Stem::of(edit.record, bits));
            edit.record = found.ok_or(ChangeSetError::Unclear)?;
        }
        if has_stems && IdsDigest::of(edits.iter().map(|edit| edit.record)) != ids {
            return Err(ChangeSetError::Unclear);
        }
        Ok(ChangeSet { device, edits, hashes })
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
