//! Numbers from 0 to a most, each at the cost of its choice: as digits of larger numbers.
//!
//! A truth takes a bit so, one of three things 1.6 bits, one of a thousand ten. As many digits are
//! in a group as make the most of whole bytes, at most eight.

use std::borrow::Cow;

/// How digits up to a most are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Groups {
    most: u64,
    digits: u32,
    bytes: usize,
}

/// The bytes of a number.
pub(super) fn bytes_of(number: u64) -> usize {
    (u64::BITS - number.leading_zeros()).div_ceil(8) as usize
}

impl Groups {
    /// The best there is for digits up to `most`.
    pub(super) fn of(most: u64) -> Self {
        let mut best = Self { most, digits: 1, bytes: bytes_of(most) };
        for digits in 2..=u64::BITS {
            let Some(bytes) = best.bytes_of_digits(digits) else { break };
            if bytes * (best.digits as usize) < best.bytes * digits as usize {
                best = Self { most, digits, bytes };
            }
        }
        best
    }

    /// The bytes of so many digits in one group; `None`: they do not fit.
    fn bytes_of_digits(self, digits: u32) -> Option<usize> {
        let power = (u128::from(self.most) + 1).checked_pow(digits)?;
        let largest = u64::try_from(power - 1).ok()?;
        Some(bytes_of(largest))
    }

    /// The bytes of so many digits.
    pub(super) fn cost(self, count: usize) -> usize {
        let digits = self.digits as usize;
        let last = u32::try_from(count % digits).unwrap_or(0);
        (count / digits) * self.bytes + self.bytes_of_digits(last).unwrap_or(self.bytes)
    }

    /// Appends digits, none of them larger than the most.
    pub(super) fn write(self, out: &mut Vec<u8>, numbers: &[u64]) {
        let base = self.most.wrapping_add(1);
        for group in numbers.chunks(self.digits as usize) {
            // The first digit is the lowest.
            let value = group
                .iter()
                .rev()
                .fold(0_u64, |value, digit| value.wrapping_mul(base).wrapping_add(*digit));
            let digits = u32::try_from(group.len()).unwrap_or(self.digits);
            let bytes = self.bytes_of_digits(digits).unwrap_or(self.bytes);
            out.extend(value.to_le_bytes().iter().take(bytes));
        }
    }
}

/// Digits out of bytes.
#[derive(Debug)]
pub(super) struct Digits<'a> {
    groups: Groups,
    bytes: Cow<'a, [u8]>,
    at: usize,
    value: u64,
    left: u32,
}

impl<'a> Digits<'a> {
    pub(super) fn new(most: u64, bytes: Cow<'a, [u8]>) -> Self {
        Self { groups: Groups::of(most), bytes, at: 0, value: 0, left: 0 }
    }

    /// The next digit; `None`: there is none, or a group is larger than its digits can make it.
    #[inline]
    pub(super) fn next(&mut self) -> Option<u64> {
        let most = self.groups.most;
        if most == 0 {
            return Some(0);
        }
        if self.left == 0 {
            self.next_group()?;
        }
        self.left -= 1;
        let Some(base) = most.checked_add(1) else {
            return Some(std::mem::take(&mut self.value));
        };
        let digit = self.value % base;
        self.value /= base;
        Some(digit)
    }

    fn next_group(&mut self) -> Option<()> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if self.value != 0 || rest.is_empty() {
            return None;
        }
        let (group, _) = rest.split_at(rest.len().min(self.groups.bytes));
        self.left = if group.len() == self.groups.bytes {
            self.groups.digits
        } else {
            // The last one: as many as there may be. Those that were not written are 0.
            let fit = |digits: &u32| self.groups.bytes_of_digits(*digits) == Some(group.len());
            (1..self.groups.digits).rev().find(fit)?
        };
        let mut bytes = [0; 8];
        bytes.iter_mut().zip(group).for_each(|(to, from)| *to = *from);
        self.value = u64::from_le_bytes(bytes);
        self.at += group.len();
        Some(())
    }

    /// Whether all was read.
    pub(super) fn is_over(&self) -> bool {
        self.at == self.bytes.len() && self.value == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_take_what_their_choice_takes() {
        // Bytes of 1,000 digits.
        for (most, bytes) in [
            (1, 125),
            (2, 200),
            (3, 250),
            (39, 667),
            (255, 1_000),
            (999, 1_250),
            (99_999, 2_334),
            (u64::MAX, 8_000),
        ] {
            let groups = Groups::of(most);
            assert_eq!(groups.cost(1_000), bytes, "up to {most}: {groups:?}");
        }
        assert_eq!(Groups::of(0).cost(1_000), 0);
    }

    #[test]
    fn what_is_written_is_read() {
        for most in [0, 1, 2, 3, 4, 6, 9, 254, 255, 256, 999, u64::MAX / 3, u64::MAX - 1, u64::MAX]
        {
            for count in 0..200_u64 {
                let digit = |at: u64| {
                    let drawn = at.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (at << 7);
                    if at.is_multiple_of(5) { most } else { drawn % most.max(1) }
                };
                let numbers: Vec<_> = (0..count).map(digit).collect();
                let mut bytes = Vec::new();
                Groups::of(most).write(&mut bytes, &numbers);
                assert_eq!(bytes.len(), Groups::of(most).cost(numbers.len()), "{most} {count}");
                let mut digits = Digits::new(most, Cow::Borrowed(&bytes));
                for number in numbers {
                    assert_eq!(digits.next(), Some(number), "up to {most}, of {count}");
                }
                assert!(digits.is_over());
            }
        }
    }

    #[test]
    fn a_group_that_is_too_large_is_no_group() {
        let mut digits = Digits::new(2, Cow::Borrowed(&[255; 8]));
        let read = std::iter::from_fn(|| digits.next()).count();
        assert!(read <= 40 && !digits.is_over());
        assert_eq!(Digits::new(999, Cow::Borrowed(&[])).next(), None);
    }
}
