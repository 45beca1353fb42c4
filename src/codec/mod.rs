//! Bytes and back: keys and signatures, change sets, messages, versions.

mod change_set;
mod edits;
mod error;
mod message;

pub use change_set::{ChangeSet, ChangeSetError, HashesDigest, SignedChangeSet};
pub use edits::{decode_edits, decode_edits_up_to, encode_edits};
pub use error::DecodeError;
pub use message::{
    Digest, Entry, PROTOCOL_VERSION, Page, Refusal, Resume, ScanPlace, Scope, ToDevice, ToServer,
    decode_message, edit_digest, encode_message,
};
