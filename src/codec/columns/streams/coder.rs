//! A range coder: what is one of some takes what that choice takes, be it a part of a bit.
//!
//! All that was written is a place on a line, and each choice goes on with a part of what is left of the
//! line. How many bytes it takes depends on how probable choices were, never on which they are.

/// Parts of a whole are at most so many.
pub(super) const PARTS_MAX: u64 = 1 << 32;
/// What is left of the line is never less, of 64 bits.
const LEAST: u64 = 1 << 56;
/// Bytes of which a reader looks at one more than there is: those of 64 bits but one.
const AHEAD: usize = 7;
/// The most bits that are one choice.
const BITS_MAX: u8 = 32;
/// Lengths of numbers of 64 bits in bits.
const LENGTHS: u64 = 65;

/// Choices that are written.
#[derive(Debug)]
pub(super) struct Encoder {
    out: Vec<u8>,
    low: u64,
    range: u64,
}

impl Encoder {
    pub(super) fn new() -> Self {
        Self { out: Vec::new(), low: 0, range: u64::MAX }
    }

    /// Goes on with `size` parts from `start` on, of so many.
    pub(super) fn put(&mut self, (start, size): (u64, u64), parts: u64) {
        let unit = self.range / parts.clamp(1, PARTS_MAX);
        self.advance(unit.wrapping_mul(start));
        self.range = unit.wrapping_mul(size);
        while self.range < LEAST && self.range > 0 {
            let [first, ..] = self.low.to_be_bytes();
            self.out.push(first);
            self.low <<= 8;
            self.range <<= 8;
        }
    }

    /// One of so many.
    pub(super) fn put_one_of(&mut self, number: u64, of: u64) {
        self.put((number, 1), of);
    }

    /// The last `bits` of a number.
    pub(super) fn put_bits(&mut self, number: u128, bits: u8) {
        let mut left = bits;
        while left > 0 {
            let taken = left.min(BITS_MAX);
            left -= taken;
            let part = (number >> left) & ((1 << taken) - 1);
            self.put_one_of(u64::try_from(part).unwrap_or(0), 1 << taken);
        }
    }

    /// A number that is small more often than not.
    pub(super) fn put_number(&mut self, number: u64) {
        let length = u64::BITS - number.leading_zeros();
        self.put_one_of(length.into(), LENGTHS);
        // Its first bit is known.
        self.put_bits(number.into(), u8::try_from(length.saturating_sub(1)).unwrap_or(0));
    }

    pub(super) fn put_signed(&mut self, number: i64) {
        self.put_number(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    fn advance(&mut self, by: u64) {
        let (low, carries) = self.low.overflowing_add(by);
        self.low = low;
        if carries {
            for byte in self.out.iter_mut().rev() {
                *byte = byte.wrapping_add(1);
                if *byte != 0 {
                    break;
                }
            }
        }
    }

    /// The bytes. A reader takes those behind them for zeros.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.range != u64::MAX {
            self.advance(LEAST - 1);
            let [first, ..] = self.low.to_be_bytes();
            self.out.push(first);
        }
        self.out
    }
}

/// Choices that are read. `None`: nobody wrote such.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    bytes: &'a [u8],
    /// Bytes that were looked at, also of those behind the last.
    at: usize,
    code: u64,
    range: u64,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut decoder = Self { bytes, at: 0, code: 0, range: u64::MAX };
        for _ in 0..size_of::<u64>() {
            decoder.next_byte();
        }
        decoder
    }

    fn next_byte(&mut self) {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.code = self.code << 8 | u64::from(byte);
        self.at = self.at.saturating_add(1);
    }

    /// The part, of so many, that lies in what was chosen.
    pub(super) fn part(&self, parts: u64) -> Option<u64> {
        let part = self.code.checked_div(self.unit(parts))?;
        (part < parts).then_some(part)
    }

    fn unit(&self, parts: u64) -> u64 {
        self.range / parts.clamp(1, PARTS_MAX)
    }

    /// Goes on with what was chosen: the parts in which [`Self::part`] lies.
    pub(super) fn take(&mut self, (start, size): (u64, u64), parts: u64) -> Option<()> {
        let unit = self.unit(parts);
        self.code = self.code.checked_sub(unit.checked_mul(start)?)?;
        self.range = unit.checked_mul(size).filter(|range| *range > 0)?;
        while self.range < LEAST {
            self.next_byte();
            self.range <<= 8;
        }
        (self.at <= self.bytes.len() + AHEAD || self.range == u64::MAX).then_some(())
    }

    /// One of so many.
    pub(super) fn one_of(&mut self, of: u64) -> Option<u64> {
        let number = self.part(of)?;
        self.take((number, 1), of)?;
        Some(number)
    }

    /// A number of so many bits.
    pub(super) fn bits(&mut self, bits: u8) -> Option<u128> {
        let (mut number, mut left) = (0, bits);
        while left > 0 {
            let taken = left.min(BITS_MAX);
            left -= taken;
            number = number << taken | u128::from(self.one_of(1 << taken)?);
        }
        Some(number)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let length = u8::try_from(self.one_of(LENGTHS)?).ok()?;
        let Some(rest) = length.checked_sub(1) else { return Some(0) };
        Some(u64::try_from(self.bits(rest)?).ok()? | 1 << rest)
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// Whether all was read.
    pub(super) fn is_over(&self) -> bool {
        let is_untouched = self.range == u64::MAX;
        if is_untouched { self.bytes.is_empty() } else { self.at == self.bytes.len() + AHEAD }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is drawn: parts, and which of them; drawn again from the same seed.
    fn choices(seed: u64, count: u64) -> impl Iterator<Item = ((u64, u64), u64)> {
        (0..count).map(move |at| {
            let drawn = (seed + at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let drawn = (drawn ^ drawn >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let parts = [2, 3, 20, 36, 1_000, 99_999, PARTS_MAX - 1, PARTS_MAX]
                .get(usize::try_from(drawn % 8).unwrap())
                .copied()
                .unwrap();
            let start = match drawn % 5 {
                0 => parts - 1,
                1 => 0,
                _ => (drawn >> 13) % parts,
            };
            let size = 1 + (drawn >> 40) % (parts - start);
            ((start, size), parts)
        })
    }

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "what is counted is small")]
    fn choices_come_back_at_the_cost_of_their_parts() {
        for seed in 0..200 {
            let (mut encoder, mut bits) = (Encoder::new(), 0.0);
            for ((start, size), parts) in choices(seed, seed * 3) {
                encoder.put((start, size), parts);
                bits += (parts as f64 / size as f64).log2();
            }
            let bytes = encoder.finish();
            let cost = bytes.len() as f64 * 8.0;
            assert!((bits..bits + 17.0).contains(&cost), "seed {seed}: {bits} bits in {cost}");
            let mut decoder = Decoder::new(&bytes);
            for ((start, size), parts) in choices(seed, seed * 3) {
                let part = decoder.part(parts).unwrap();
                assert!((start..start + size).contains(&part), "seed {seed}");
                decoder.take((start, size), parts).unwrap();
            }
            assert!(decoder.is_over(), "seed {seed}");
        }
    }

    #[test]
    fn numbers_come_back() {
        let ends = [0, 1, 2, 127, 128, u64::MAX / 2, u64::MAX - 1, u64::MAX];
        let mut encoder = Encoder::new();
        for number in ends {
            encoder.put_number(number);
            encoder.put_signed(number.cast_signed());
            encoder.put_bits(u128::from(number) << 7 | 5, 71);
        }
        let bytes = encoder.finish();
        let mut decoder = Decoder::new(&bytes);
        for number in ends {
            assert_eq!(decoder.number(), Some(number));
            assert_eq!(decoder.signed(), Some(number.cast_signed()));
            assert_eq!(decoder.bits(71), Some(u128::from(number) << 7 | 5));
        }
        assert!(decoder.is_over());
    }

    #[test]
    fn nothing_is_no_bytes_and_what_is_cut_or_longer_is_found_out() {
        assert!(Encoder::new().finish().is_empty() && Decoder::new(&[]).is_over());
        assert!(!Decoder::new(&[0]).is_over());
        let mut encoder = Encoder::new();
        (0..100).for_each(|number| encoder.put_one_of(number % 10, 10));
        let bytes = encoder.finish();
        for length in 0..bytes.len() {
            let mut decoder = Decoder::new(&bytes[..length]);
            let read = (0..100).map_while(|_| decoder.one_of(10)).count();
            assert!(read < 100, "{length} of {} bytes", bytes.len());
        }
        let longer = [&bytes[..], &[0]].concat();
        let mut decoder = Decoder::new(&longer);
        assert_eq!((0..100).map_while(|_| decoder.one_of(10)).count(), 100);
        assert!(!decoder.is_over());
    }
}
