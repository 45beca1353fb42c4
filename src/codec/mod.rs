//! Bytes and back: keys and signatures, change sets, messages, versions.

mod edits;
mod error;

pub use edits::{decode_edits, decode_edits_up_to, encode_edits};
pub use error::DecodeError;
