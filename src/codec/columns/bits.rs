//! Bits one behind the other.

use std::borrow::Cow;

/// Bits that are written, from the front of each byte.
#[derive(Debug, Default)]
pub(super) struct PutBits {
    pub(super) bytes: Vec<u8>,
    /// Of the last byte.
    used: u32,
}

impl PutBits {
    /// Appends the first `bits` of a number.
    pub(super) fn put(&mut self, number: u128, bits: u8) {
        let (mut rest, mut left) = (number, u32::from(bits));
        while left > 0 {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
                self.used = 0;
            }
            let taken = left.min(8 - self.used);
            // The first byte of what is left, of which so many bits are wanted.
            let [first, ..] = rest.to_be_bytes();
            let part = first >> (8 - taken);
            if let Some(last) = self.bytes.last_mut() {
                *last |= part << (8 - self.used - taken);
            }
            self.used += taken;
            left -= taken;
            rest = rest.checked_shl(taken).unwrap_or(0);
        }
    }
}

/// Bits that are read.
#[derive(Debug)]
pub(super) struct TakeBits<'a> {
    bytes: Cow<'a, [u8]>,
    at: usize,
}

impl<'a> TakeBits<'a> {
    pub(super) fn new(bytes: Cow<'a, [u8]>) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next so many bits, as the first of a number; `None`: there are not so many, or they are no number
    /// of 128 bits.
    pub(super) fn take(&mut self, bits: u8) -> Option<u128> {
        if u32::from(bits) > u128::BITS {
            return None;
        }
        let (mut number, mut left) = (0_u128, u32::from(bits));
        while left > 0 {
            let used = u32::try_from(self.at % 8).unwrap_or(0);
            let taken = left.min(8 - used);
            let byte = *self.bytes.get(self.at / 8)?;
            let part = (byte << used) >> (8 - taken);
            let done = u32::from(bits) - left;
            number |= u128::from(part) << (128 - done - taken);
            self.at += taken as usize;
            left -= taken;
        }
        Some(number)
    }

    /// Whether only bits are left that fill the last byte.
    pub(super) fn is_over(&self) -> bool {
        let filled =
            |byte: &u8| byte.checked_shl(u32::try_from(self.at % 8).unwrap_or(0)) == Some(0);
        self.at.div_ceil(8) == self.bytes.len()
            && (self.at.is_multiple_of(8) || self.bytes.last().is_some_and(filled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_back_as_they_were_put() {
        let number = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834_u128;
        for first in 0..=128_u8 {
            let lengths = [first, 1, 7, 8, 9, 20, 0, 127, 128, 3];
            let mut put = PutBits::default();
            for bits in lengths {
                put.put(number, bits);
            }
            let all: usize = lengths.iter().map(|bits| usize::from(*bits)).sum();
            assert_eq!(put.bytes.len(), all.div_ceil(8));
            let mut take = TakeBits::new(Cow::Borrowed(&put.bytes));
            for bits in lengths {
                let rest = u128::MAX.checked_shr(bits.into()).unwrap_or(0);
                assert_eq!(take.take(bits), Some(number & !rest), "{first} {bits}");
            }
            assert!(take.is_over());
            assert_eq!(take.take(8), None);
        }
    }

    #[test]
    fn what_fills_the_last_byte_is_nothing() {
        let over = |bytes: &[u8], bits| {
            let mut take = TakeBits::new(Cow::Borrowed(bytes));
            take.take(bits).unwrap();
            take.is_over()
        };
        assert!(over(&[0b1010_0000], 3) && over(&[7], 8) && over(&[], 0));
        assert!(!over(&[0b1010_0001], 3) && !over(&[7, 0], 8) && !over(&[7], 0));
    }
}
