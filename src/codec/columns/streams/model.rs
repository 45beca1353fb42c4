//! What a column of numbers is like, by which each of them takes what it takes.

use super::coder::{Decoder, Encoder, PARTS_MAX};

/// So many different numbers are told apart by how often they come.
const SEEN_MAX: usize = 64;
/// The ways to tell numbers, each of them of numbers or of their steps.
const WAYS: u64 = 6;
const ONE: u64 = 0;
const WITHIN: u64 = 1;
const SEEN: u64 = 2;
const STEPS: u64 = 3;
/// Bits that are told of how far numbers are apart: what is more is rounded up.
const ROUGH_BITS: u32 = 6;

/// How each number is told.
#[derive(Clone, Debug)]
pub(in crate::codec::columns) struct Model {
    way: Way,
    steps: Steps,
}

#[derive(Clone, Debug)]
enum Way {
    /// All are this one.
    One(i64),
    /// Any of these, one as often as another.
    Within(Within),
    /// The more often it came, the less it takes; new ones are any of these.
    Seen(Within, Seen),
}

/// Whether it is of numbers, or of their steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Steps {
    No,
    /// And this is the first number, which has none.
    From(i64),
    /// And this was the number before.
    Behind(i64),
}

impl Model {
    /// The one by which these take least.
    pub(super) fn of(numbers: &[i64]) -> Self {
        let (plain, cost) = Way::of(numbers);
        let pairs = numbers.iter().zip(numbers.iter().skip(1));
        let steps: Vec<_> = pairs.map(|(before, number)| number.wrapping_sub(*before)).collect();
        let (Some(first), false) = (numbers.first(), matches!(plain, Way::One(_))) else {
            return Self { way: plain, steps: Steps::No };
        };
        let (of_steps, cost_of_steps) = Way::of(&steps);
        if cost_of_steps + bits_of_signed(*first) < cost {
            return Self { way: of_steps, steps: Steps::From(*first) };
        }
        Self { way: plain, steps: Steps::No }
    }

    pub(super) const fn one(number: i64) -> Self {
        Self { way: Way::One(number), steps: Steps::No }
    }

    pub(super) fn put(&self, out: &mut Encoder) {
        let way = match &self.way {
            Way::One(_) => ONE,
            Way::Within(_) => WITHIN,
            Way::Seen(..) => SEEN,
        };
        match self.steps {
            Steps::No => out.put_one_of(way, WAYS),
            Steps::From(first) | Steps::Behind(first) => {
                out.put_one_of(way + STEPS, WAYS);
                out.put_signed(first);
            }
        }
        match &self.way {
            Way::One(number) => out.put_signed(*number),
            Way::Within(within) | Way::Seen(within, _) => within.put(out),
        }
    }

    pub(super) fn read(input: &mut Decoder<'_>) -> Option<Self> {
        let way = input.one_of(WAYS)?;
        let steps = if way >= STEPS { Steps::From(input.signed()?) } else { Steps::No };
        let way = match way % STEPS {
            ONE => Way::One(input.signed()?),
            WITHIN => Way::Within(Within::read(input)?),
            _ => Way::Seen(Within::read(input)?, Seen::default()),
        };
        Some(Self { way, steps })
    }

    /// Writes the next number.
    pub(super) fn put_next(&mut self, number: i64, out: &mut Encoder) {
        let told = match std::mem::replace(&mut self.steps, Steps::No) {
            Steps::No => number,
            Steps::From(_) => return self.steps = Steps::Behind(number),
            Steps::Behind(before) => {
                self.steps = Steps::Behind(number);
                number.wrapping_sub(before)
            }
        };
        match &mut self.way {
            Way::One(_) => {}
            Way::Within(within) => within.put_next(told, out),
            Way::Seen(within, seen) => {
                let (part, parts, is_new) = seen.parts_of(told);
                out.put(part, parts);
                if is_new {
                    within.put_next(told, out);
                }
                seen.note(told);
            }
        }
    }

    /// Reads the next number.
    #[inline]
    pub(super) fn next(&mut self, input: &mut Decoder<'_>) -> Option<i64> {
        if let Steps::From(first) = self.steps {
            self.steps = Steps::Behind(first);
            return Some(first);
        }
        let told = match &mut self.way {
            Way::One(number) => *number,
            Way::Within(within) => within.next(input)?,
            Way::Seen(within, seen) => {
                let told = match seen.next(input)? {
                    Told::Again(known) => known,
                    Told::New => within.next(input)?,
                };
                seen.note(told);
                told
            }
        };
        Some(match &mut self.steps {
            Steps::Behind(before) => {
                *before = before.wrapping_add(told);
                *before
            }
            _ => told,
        })
    }
}

impl Way {
    /// The one by which these take least, and the bits that they take.
    fn of(numbers: &[i64]) -> (Self, f64) {
        let first = numbers.first().copied().unwrap_or(0);
        if numbers.iter().all(|number| *number == first) {
            return (Self::One(first), bits_of_signed(first));
        }
        let within = Within::of(numbers);
        let cost = within.bits(numbers.len());
        let seen = Seen::bits(numbers, |new| within.bits(new));
        match seen.filter(|seen| *seen < cost) {
            Some(seen) => (Self::Seen(within, Seen::default()), seen),
            None => (Self::Within(within), cost),
        }
    }
}

/// Numbers from a least one to a most.
#[derive(Clone, Copy, Debug)]
struct Within {
    least: i64,
    most: u64,
}

impl Within {
    fn of(numbers: &[i64]) -> Self {
        let bounds = |(least, most): (i64, i64), it: &i64| (least.min(*it), most.max(*it));
        let (least, most) = numbers.iter().fold((i64::MAX, i64::MIN), bounds);
        let from =
            |least: i64| Self { least, most: rough(most.wrapping_sub(least).cast_unsigned()) };
        let exact = from(least);
        let from_zero = Self { least: 0, ..from(0) };
        // To say where they begin takes more now and then than what it spares.
        let is_shorter = from_zero.bits(numbers.len()) < exact.bits(numbers.len());
        if least >= 0 && is_shorter { from_zero } else { exact }
    }

    /// The bits of so many numbers, and of what says between which they are.
    fn bits(self, count: usize) -> f64 {
        bits_of_signed(self.least) + f64::from(ROUGH_BITS) * 2.0 + float(count) * log2(self.most)
    }

    fn put(self, out: &mut Encoder) {
        out.put_signed(self.least);
        let (length, first) = rough_parts(self.most);
        out.put_one_of(length.into(), u64::from(u64::BITS) + 1);
        out.put_bits(first.into(), bits_behind_first(length));
    }

    fn read(input: &mut Decoder<'_>) -> Option<Self> {
        let least = input.signed()?;
        let length = u32::try_from(input.one_of(u64::from(u64::BITS) + 1)?).ok()?;
        let first = u64::try_from(input.bits(bits_behind_first(length))?).ok()?;
        Some(Self { least, most: of_rough_parts(length, first) })
    }

    fn put_next(self, number: i64, out: &mut Encoder) {
        let offset = number.wrapping_sub(self.least).cast_unsigned();
        let (high, low) = (self.most >> 32, PARTS_MAX);
        if high == 0 {
            return out.put_one_of(offset, self.most + 1);
        }
        out.put_one_of(offset >> 32, high + 1);
        out.put_one_of(offset % low, low);
    }

    fn next(self, input: &mut Decoder<'_>) -> Option<i64> {
        let high = self.most >> 32;
        let offset = if high == 0 {
            input.one_of(self.most + 1)?
        } else {
            input.one_of(high + 1)? << 32 | input.one_of(PARTS_MAX)?
        };
        Some(self.least.wrapping_add_unsigned(offset))
    }
}

/// A number with all ones behind its first bits, not less than this.
fn rough(most: u64) -> u64 {
    let length = u64::BITS - most.leading_zeros();
    most | (1_u64.checked_shl(length.saturating_sub(ROUGH_BITS)).unwrap_or(0)).wrapping_sub(1)
}

/// The length of such a number in bits, and its first bits but for the very first.
fn rough_parts(most: u64) -> (u32, u64) {
    let length = u64::BITS - most.leading_zeros();
    let first = most >> length.saturating_sub(ROUGH_BITS);
    let behind = bits_behind_first(length);
    (length, first & ((1 << behind) - 1))
}

fn of_rough_parts(length: u32, first: u64) -> u64 {
    let Some(top) = length.checked_sub(1) else { return 0 };
    let behind = u32::from(bits_behind_first(length));
    let number = (1_u64 << top) | (first << (top - behind));
    rough(number)
}

/// How many of its bits are told.
fn bits_behind_first(length: u32) -> u8 {
    u8::try_from(length.clamp(1, ROUGH_BITS) - 1).unwrap_or(0)
}

/// What is told of a number.
enum Told {
    New,
    Again(i64),
}

/// How often numbers came.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// Each, and its parts of the whole: two for each time but one.
    known: Vec<(i64, u64)>,
    parts: u64,
}

impl Seen {
    /// A new one has as many parts as there are different ones.
    fn new_parts(&self) -> u64 {
        (self.known.len() as u64).max(1)
    }

    /// The parts of a number, and of all; and whether it is new.
    fn parts_of(&self, number: i64) -> ((u64, u64), u64, bool) {
        let (mut start, all) = (self.new_parts(), self.parts + self.new_parts());
        for (known, parts) in &self.known {
            if *known == number {
                return ((start, *parts), all, false);
            }
            start += parts;
        }
        ((0, self.new_parts()), all, true)
    }

    /// What is told of the next one.
    fn next(&self, input: &mut Decoder<'_>) -> Option<Told> {
        let all = self.parts + self.new_parts();
        let at = input.part(all)?;
        if at < self.new_parts() {
            input.take((0, self.new_parts()), all)?;
            return Some(Told::New);
        }
        let mut start = self.new_parts();
        for (known, parts) in &self.known {
            if at < start + parts {
                input.take((start, *parts), all)?;
                return Some(Told::Again(*known));
            }
            start += parts;
        }
        None
    }

    fn note(&mut self, number: i64) {
        // Who reads very many must not run out of parts.
        if self.parts + self.new_parts() > PARTS_MAX / 4 {
            return;
        }
        if let Some((_, parts)) = self.known.iter_mut().find(|(known, _)| *known == number) {
            *parts += 2;
            self.parts += 2;
        } else if self.known.len() < SEEN_MAX {
            self.known.push((number, 1));
            self.parts += 1;
        }
    }

    /// The bits of all; `None`: too many are different. `new`: those of so many new ones.
    fn bits(numbers: &[i64], new: impl Fn(usize) -> f64) -> Option<f64> {
        let (mut seen, mut bits) = (Self::default(), 0.0);
        for number in numbers {
            let ((_, size), all, is_new) = seen.parts_of(*number);
            if is_new && seen.known.len() == SEEN_MAX {
                return None;
            }
            bits += log2(all - 1) - log2(size - 1);
            seen.note(*number);
        }
        Some(bits + new(seen.known.len()))
    }
}

/// The bits of one of those up to a most.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
pub(super) fn log2(most: u64) -> f64 {
    (most as f64 + 1.0).log2()
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn float(count: usize) -> f64 {
    count as f64
}

fn bits_of_signed(number: i64) -> f64 {
    f64::from(6 + u64::BITS - number.unsigned_abs().leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(numbers: &[i64]) -> usize {
        let mut out = Encoder::new();
        let mut model = Model::of(numbers);
        model.put(&mut out);
        for number in numbers {
            model.put_next(*number, &mut out);
        }
        let bytes = out.finish();
        let mut input = Decoder::new(&bytes);
        let mut read = Model::read(&mut input).unwrap();
        for number in numbers {
            assert_eq!(read.next(&mut input), Some(*number), "{numbers:?}");
        }
        assert!(input.is_over(), "{numbers:?}");
        bytes.len()
    }

    #[test]
    fn numbers_come_back_and_take_what_they_are_like() {
        let drawn =
            |at: i64| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed()) >> 20).abs();
        let of = |number: fn(i64, i64) -> i64| {
            (0..200).map(|at| number(at, drawn(at))).collect::<Vec<_>>()
        };
        for (what, numbers, most) in [
            ("none", Vec::new(), 2),
            ("one", vec![5], 2),
            ("the same", of(|_, _| -7), 2),
            ("steps", of(|at, _| 1_700_000_000 + at * 1_000), 10),
            ("digits", of(|_, it| it % 1_000), 253),
            ("a bit each", of(|_, it| it % 2), 30),
            ("one but for some", of(|at, it| if at % 20 == 9 { 20 + it % 8 } else { 15 }), 20),
            ("the ends", vec![i64::MIN, i64::MAX, 0, i64::MIN, -1], 60),
        ] {
            let found = bytes(&numbers);
            assert!(found <= most, "{what}: {found} bytes");
        }
        for most in [1, 5, 63, 64, 65, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 62] {
            bytes(&of(|_, it| it).iter().map(|it| it % most).collect::<Vec<_>>());
            bytes(&[0, most, -most, most - 1]);
        }
    }

    #[test]
    fn a_rough_number_is_not_less_and_comes_back() {
        for most in (0..2_000).chain([u64::MAX, u64::MAX / 2, 1 << 63, (1 << 40) + 1]) {
            let rough = rough(most);
            assert!(rough >= most && rough - most <= most >> (ROUGH_BITS - 1), "{most} {rough}");
            let (length, first) = rough_parts(rough);
            assert_eq!(of_rough_parts(length, first), rough, "{most}");
        }
    }
}
