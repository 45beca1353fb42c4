//! Few edits as streams: what columns hold, one behind the other as a reader asks for it, each at the cost of
//! its choice.
//!
//! Columns of few things are mostly what says how they are written, and what fills their last byte. Here a
//! column says what it is like when it is asked for the first time, in some bits, and nothing is filled up.
//! There are two streams, that of ids and that of all else, so that both can be weighed. What is written is
//! what a reader of columns asks for, in the same order: it is the same reader.

mod coder;
mod letters;
mod model;
mod read;
mod write;

pub(super) use read::{Column, Streams};
pub(super) use write::{Order, write};

use super::weigh::purpose;
use crate::codec::weigh::For;

/// A text that was not there before; those that were are numbered from 1.
const NEW: i64 = 0;
/// Bits that say how many bits all stems begin with.
const SHARED_BITS: u8 = 7;
/// A column that is always there is as it mostly is: so many parts of
const USUAL: u64 = 3;
/// so many.
const USUAL_PARTS: u64 = 4;

/// Whether a column is in the stream of ids.
fn is_of_ids(at: usize) -> bool {
    at < super::fixed::COUNT && purpose(at) == For::Ids
}
