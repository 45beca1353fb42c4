//! The bytes of texts, each at the cost of how often it comes.

use super::coder::{Decoder, Encoder};
use super::model::log2;

const BYTES: usize = 256;
/// Bytes come equally often, or as often as they did.
const WAYS: u64 = 2;

/// Which bytes there are, and how often they came.
#[derive(Debug)]
pub(super) struct Letters {
    /// Each, and its parts of the whole.
    alphabet: Vec<(u8, u64)>,
    parts: u64,
    /// By how many parts one grows that came.
    more: u64,
}

impl Letters {
    /// Those of these bytes.
    pub(super) fn of<'t>(texts: impl Iterator<Item = &'t [u8]>) -> Self {
        let mut counts = [0_u64; BYTES];
        for byte in texts.flatten() {
            if let Some(count) = counts.get_mut(usize::from(*byte)) {
                *count += 1;
            }
        }
        let held = (0..=u8::MAX).zip(counts).filter(|(_, count)| *count > 0);
        let letters = Self::with(held.clone().map(|(byte, _)| byte).collect(), 0);
        // What it takes to count: as if each of so many had its part, and what was learnt was paid for.
        let counts: Vec<_> = held.map(|(_, count)| count).collect();
        let all: u64 = counts.iter().sum();
        let equal = float(all) * log2(letters.parts.saturating_sub(1));
        let counted: f64 = float(all) * log2(all.saturating_sub(1))
            - counts.iter().map(|count| float(*count) * log2(count - 1)).sum::<f64>();
        let learnt =
            float(letters.parts.saturating_sub(1)) / 2.0 * log2(all / letters.parts.max(1));
        Self { more: u64::from(counted + learnt < equal), ..letters }
    }

    fn with(alphabet: Vec<u8>, more: u64) -> Self {
        let parts = alphabet.len() as u64;
        Self { alphabet: alphabet.into_iter().map(|byte| (byte, 1)).collect(), parts, more }
    }

    /// How many follow each other, and how many are missing before the next ones.
    pub(super) fn put(&self, out: &mut Encoder) {
        out.put_one_of(self.more, WAYS);
        let bytes: Vec<_> = self.alphabet.iter().map(|(byte, _)| *byte).collect();
        let mut from = 0;
        for run in bytes.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
            let (Some(first), length) = (run.first(), run.len() as u64) else { continue };
            out.put_number(length);
            out.put_one_of(u64::from(*first) - from, BYTES as u64 - from);
            from = u64::from(*first) + length;
        }
        if from < BYTES as u64 {
            out.put_number(0);
        }
    }

    pub(super) fn read(input: &mut Decoder<'_>) -> Option<Self> {
        let more = input.one_of(WAYS)?;
        let (mut alphabet, mut from, all) = (Vec::new(), 0, BYTES as u64);
        while from < all {
            let length = input.number()?;
            if length == 0 {
                break;
            }
            let first = from + input.one_of(all - from)?;
            from = first.checked_add(length).filter(|end| *end <= all)?;
            alphabet.extend((first..from).map_while(|byte| u8::try_from(byte).ok()));
        }
        Some(Self::with(alphabet, more))
    }

    pub(super) fn put_next(&mut self, byte: u8, out: &mut Encoder) {
        let mut start = 0;
        for (letter, parts) in &mut self.alphabet {
            if *letter == byte {
                out.put((start, *parts), self.parts);
                *parts += self.more;
                self.parts += self.more;
                return;
            }
            start += *parts;
        }
    }

    pub(super) fn next(&mut self, input: &mut Decoder<'_>) -> Option<u8> {
        let at = input.part(self.parts)?;
        let mut start = 0;
        for (letter, parts) in &mut self.alphabet {
            if at < start + *parts {
                input.take((start, *parts), self.parts)?;
                *parts += self.more;
                self.parts += self.more;
                return Some(*letter);
            }
            start += *parts;
        }
        None
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &[u8]) -> usize {
        let mut out = Encoder::new();
        let mut letters = Letters::of([text].into_iter());
        letters.put(&mut out);
        for byte in text {
            letters.put_next(*byte, &mut out);
        }
        let bytes = out.finish();
        let mut input = Decoder::new(&bytes);
        let mut letters = Letters::read(&mut input).unwrap();
        let read: Vec<_> = text.iter().map_while(|_| letters.next(&mut input)).collect();
        assert_eq!(read, text);
        assert!(input.is_over());
        bytes.len()
    }

    #[test]
    fn bytes_come_back_at_the_cost_of_their_entropy() {
        let drawn = |at: u64| (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let of = |count: u64, byte: fn(u64) -> u8| {
            (0..count).map(|at| byte(drawn(at))).collect::<Vec<u8>>()
        };
        assert!(bytes(&[]) <= 2);
        assert!(bytes(b"a") <= 5 && bytes(b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") <= 5);
        // 3.32 bits each.
        assert!(bytes(&of(1_000, |it| it.to_le_bytes()[0] % 10 + b'0')) <= 416 + 4);
        // Half of them a bit, and the others 5.25.
        let skew =
            bytes(&of(
                1_000,
                |it| if it % 2 == 0 { b' ' } else { it.to_le_bytes()[1] % 19 + b'a' },
            ));
        assert!(skew <= 391 + 20, "{skew}");
        assert!(bytes(&of(5_000, |it| it.to_le_bytes()[0])) <= 5_000 + 4);
        bytes("Größe, Maß und mehr".as_bytes());
    }

    #[test]
    fn an_alphabet_that_goes_on_behind_the_last_byte_is_none() {
        let mut out = Encoder::new();
        out.put_one_of(0, WAYS);
        out.put_number(7);
        out.put_one_of(250, 256);
        let bytes = out.finish();
        assert!(Letters::read(&mut Decoder::new(&bytes)).is_none());
    }
}
