//! The bytes that are read, and how much memory may be filled with what they say.

use zstd::bulk::Decompressor;

use super::weight::allowance;
use crate::codec::DecodeError;

/// What is left of the bytes.
///
/// A few bytes can say a lot: a column that holds one value as often as it is asked, or what zstd
/// made of zeros. So whatever is made of them is charged first, and there is only so much for so
/// many bytes.
pub(super) struct Input<'a> {
    rest: &'a [u8],
    left: usize,
    allowed: usize,
    unpacker: Option<Decompressor<'static>>,
}

impl<'a> Input<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self::allowing(rest, allowance(rest.len()))
    }

    pub(super) fn allowing(rest: &'a [u8], allowed: usize) -> Self {
        Self { rest, left: allowed, allowed, unpacker: None }
    }

    /// Goes on with other bytes, and returns those that were left.
    pub(super) fn turn_to(&mut self, rest: &'a [u8]) -> &'a [u8] {
        std::mem::replace(&mut self.rest, rest)
    }

    /// What was charged so far.
    pub(super) fn charged(&self) -> usize {
        self.allowed - self.left
    }

    /// Called before so many bytes of memory are filled.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), DecodeError> {
        let what = "bytes that columns become";
        let left = self.left.checked_sub(bytes).ok_or_else(|| DecodeError::Bound {
            what,
            found: self.charged().saturating_add(bytes),
            max: self.allowed,
        })?;
        self.left = left;
        Ok(())
    }

    /// As [`Self::charge`], for so many things.
    pub(super) fn charge_each(&mut self, count: usize, bytes: usize) -> Result<(), DecodeError> {
        self.charge(count.saturating_mul(bytes))
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(ends)?;
        self.rest = rest;
        Ok(taken)
    }

    /// All that is left.
    pub(super) fn take_rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub(super) fn byte(&mut self) -> Result<u8, DecodeError> {
        let (byte, rest) = self.rest.split_first().ok_or_else(ends)?;
        self.rest = rest;
        Ok(*byte)
    }

    pub(super) fn varint(&mut self) -> Result<u64, DecodeError> {
        let (number, rest) = postcard::take_from_bytes(self.rest)?;
        self.rest = rest;
        Ok(number)
    }

    pub(super) fn signed(&mut self) -> Result<i64, DecodeError> {
        let (number, rest) = postcard::take_from_bytes(self.rest)?;
        self.rest = rest;
        Ok(number)
    }

    /// A length, or how many things there are.
    pub(super) fn size(&mut self) -> Result<usize, DecodeError> {
        Ok(usize::try_from(self.varint()?).unwrap_or(usize::MAX))
    }

    /// What a frame of zstd holds, which is exactly so much, and charged.
    pub(super) fn unpack(&mut self, frame: &[u8], length: usize) -> Option<Vec<u8>> {
        if self.unpacker.is_none() {
            self.unpacker = Decompressor::new().ok();
        }
        let mut bytes = Vec::with_capacity(length);
        let found = self.unpacker.as_mut()?.decompress_to_buffer(frame, &mut bytes).ok()?;
        (found == length && bytes.len() == length).then_some(bytes)
    }

    /// Nothing may be left.
    pub(super) fn finish(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(DecodeError::TrailingBytes(left)),
        }
    }
}

/// Something is asked for that is not there.
pub(super) fn ends() -> DecodeError {
    postcard::Error::DeserializeUnexpectedEnd.into()
}

/// What is there is not in the form of it.
pub(super) fn malformed(what: &str) -> DecodeError {
    DecodeError::Value(format!("{what} is not in its form"))
}

/// Appends a varint.
pub(super) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

/// Appends a signed varint.
pub(super) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_varint(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}
