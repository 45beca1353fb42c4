//! Bytes of which zstd makes less where it can.

use std::borrow::Cow;

use zstd::bulk::Compressor;

use super::input::{Input, malformed, put_varint};
use crate::codec::DecodeError;

/// Tells at little cost what shrinks at all,
const LEVEL_TRIED: i32 = 3;
/// and this one takes some 3% less room, and several times as long.
const LEVEL: i32 = 12;
/// It is for what shrinks by one part in so many.
const WORTH_PART: usize = 16;
/// It gains too little of fewer bytes.
const WORTH_FROM_BYTES: usize = 1_024;
/// What a frame of zstd begins with: we know what it is.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Nothing is gained of fewer bytes.
const PACKED_FROM_BYTES: usize = 32;

/// Writes bytes, and counts what their reader will need.
pub(super) struct Packer {
    /// Of each level, where one was needed.
    compressors: [(i32, Option<Compressor<'static>>); 2],
    /// Bytes that a reader is charged, so far.
    pub(super) charged: usize,
}

impl Packer {
    pub(super) fn new() -> Self {
        Self { compressors: [(LEVEL_TRIED, None), (LEVEL, None)], charged: 0 }
    }

    pub(super) fn charge_each(&mut self, count: usize, bytes: usize) {
        self.charged = self.charged.saturating_add(count.saturating_mul(bytes));
    }

    /// Appends bytes behind their number, as they are or smaller.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, bytes: &[u8]) {
        match self.pack(bytes) {
            Some(frame) if frame.len() + 2 < bytes.len() => {
                self.charge_each(1, bytes.len());
                put_varint(out, (bytes.len() as u64) << 1 | 1);
                put_varint(out, frame.len() as u64);
                out.extend_from_slice(&frame);
            }
            _ => self.write_plain(out, bytes),
        }
    }

    /// Appends bytes behind their number, as they are.
    pub(super) fn write_plain(&mut self, out: &mut Vec<u8>, bytes: &[u8]) {
        self.charge_each(1, bytes.len());
        put_varint(out, (bytes.len() as u64) << 1);
        out.extend_from_slice(bytes);
    }

    /// A frame without its first bytes.
    fn pack(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        if bytes.len() < PACKED_FROM_BYTES {
            return None;
        }
        let [tried, thorough] = &mut self.compressors;
        let mut frame = compress(tried, bytes)?;
        let is_worth_it =
            bytes.len() >= WORTH_FROM_BYTES && frame.len() < bytes.len() - bytes.len() / WORTH_PART;
        if is_worth_it && let Some(better) = compress(thorough, bytes) {
            frame = if better.len() < frame.len() { better } else { frame };
        }
        frame.drain(..MAGIC.len());
        Some(frame)
    }
}

fn compress(
    (level, compressor): &mut (i32, Option<Compressor<'static>>),
    bytes: &[u8],
) -> Option<Vec<u8>> {
    if compressor.is_none() {
        *compressor = Compressor::new(*level).ok();
    }
    let frame = compressor.as_mut()?.compress(bytes).ok()?;
    frame.starts_with(&MAGIC).then_some(frame)
}

/// What [`Packer::write`] wrote.
pub(super) fn read<'a>(input: &mut Input<'a>) -> Result<Cow<'a, [u8]>, DecodeError> {
    let header = input.size()?;
    let length = header >> 1;
    input.charge(length)?;
    if header & 1 == 0 {
        return Ok(Cow::Borrowed(input.take(length)?));
    }
    let packed = input.size()?;
    let frame = [&MAGIC, input.take(packed)?].concat();
    let bytes = input.unpack(&frame, length);
    Ok(Cow::Owned(bytes.ok_or_else(|| malformed("what zstd made smaller"))?))
}
