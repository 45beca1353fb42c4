//! Bytes and back: keys and signatures, certificates, enrolment codes, change sets, messages.

mod admin;
mod at_most;
mod certificate;
mod change_set;
mod columns;
mod compare;
mod edits;
mod enroll_code;
mod entries;
mod error;
mod key;
mod lexicon;
mod message;
mod profiles;
mod purge;
mod read_rows;
mod rows;
mod stem;
mod take;
mod weigh;

pub use admin::{AdminAnswer, AdminRefusal, AdminRequest, DenialInfo, DeviceInfo, PurgeInfo};
pub use certificate::{CertificateError, ServerCertificate};
pub use change_set::{ChangeSet, ChangeSetError, HashesDigest, SignedChangeSet};
pub use compare::{RangeDigest, RangeSum, Stretch, record_digest};
pub use edits::{
    Form, decode_edits, decode_edits_up_to, decode_records_up_to, encode_edits, encode_edits_in,
};
pub use enroll_code::{EnrollCode, EnrollCodeError, EnrollTerms, MintError};
pub use error::DecodeError;
pub use key::{Context, KeyTextError, PublicKey, SecretKey, Signature, SignatureError};
pub use lexicon::{Lexicon, SchemaMark};
pub use message::{
    Admitted, Check, Digest, Entry, Inquiry, MovedLeg, PROTOCOL_VERSION, Page, Refusal, Resume,
    ScanPlace, Scope, Terms, ToDevice, ToServer, decode_message, encode_message,
};
pub use profiles::{ProfilesInfo, ProfilesRequest, VersionInfo};
pub use purge::{PurgeReceipt, PurgeReceiptError, SignedPurgeReceipt};
use read_rows::decode_rows;
pub use read_rows::decode_rows_up_to;
pub use rows::encode_rows;
pub use stem::{IdsDigest, Stem, telling_bits};
