//! What is made of columns, as reader and writer count it: both the same, so that a writer knows what
//! a reader refuses.

use crate::limits::{
    COLUMNS_DECODED_BYTES_MAX, COLUMNS_DECODED_BYTES_MIN, COLUMNS_DECODED_TIMES,
    STREAMS_DECODED_BYTES_MAX,
};

/// Bytes of memory of an edit, without its changes.
pub(super) const EDIT: usize = 128;
/// Of a change, without what it builds on and does.
pub(super) const CHANGE: usize = 192;
/// Of a change that it builds on.
pub(super) const DEP: usize = 32;
/// Of an operation, without its text.
pub(super) const OP: usize = 112;
/// Of an id, and what finds it.
pub(super) const ID: usize = 64;
/// Of a name.
pub(super) const NAME: usize = 64;
/// Of an actor.
pub(super) const ACTOR: usize = 16;
/// Of a shape, and of operations of one kind in it.
pub(super) const SHAPE: usize = 96;
/// Of operations of one kind in a shape, and their columns.
pub(super) const RUN: usize = 64;
/// Of a column.
pub(super) const PART: usize = 768;
/// Times the bytes of values in postcard: a null is one byte, and a whole value in memory.
pub(super) const VALUES_TIMES: usize = 64;

/// How much may be made of so many bytes.
pub(super) fn allowance(bytes: usize) -> usize {
    let allowed =
        bytes.saturating_mul(COLUMNS_DECODED_TIMES).saturating_add(COLUMNS_DECODED_BYTES_MIN);
    allowed.min(COLUMNS_DECODED_BYTES_MAX)
}

/// As [`allowance`], of streams: each byte of a text takes a walk through its alphabet.
pub(super) fn allowance_streams(bytes: usize) -> usize {
    allowance(bytes).min(STREAMS_DECODED_BYTES_MAX)
}
