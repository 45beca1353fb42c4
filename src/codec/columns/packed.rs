//! Bytes of which zstd makes less where it can.

use std::borrow::Cow;

use zstd::bulk::Compressor;

use super::input::{Input, malformed, put_varint};
use crate::codec::DecodeError;

/// Higher ones take many times as long, and some 3% less room.
const LEVEL: i32 = 3;
/// What a frame of zstd begins with: we know what it is.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Nothing is gained of fewer bytes.
const PACKED_FROM_BYTES: usize = 32;

/// Writes bytes, and counts what their reader will need.
pub(super) struct Packer {
    compressor: Option<Compressor<'static>>,
    /// Bytes that a reader is charged, so far.
    pub(super) charged: usize,
}

impl Packer {
    pub(super) fn new() -> Self {
        Self { compressor: None, charged: 0 }
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
        if self.compressor.is_none() {
            self.compressor = Compressor::new(LEVEL).ok();
        }
        let mut frame = self.compressor.as_mut()?.compress(bytes).ok()?;
        if !frame.starts_with(&MAGIC) {
            return None;
        }
        frame.drain(..MAGIC.len());
        Some(frame)
    }
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
