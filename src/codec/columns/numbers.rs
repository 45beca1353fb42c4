//! A column of whole numbers, written in the way that takes least room.

use super::digits::{Groups, bytes_of};
use super::input::{put_signed, put_varint};
use super::packed::Packer;

/// Offsets from a least number, as [digits](super::digits).
pub(super) const DIGITS: u8 = 0;
/// The same of the differences from the number before.
pub(super) const DIGITS_OF_STEPS: u8 = 1;
/// Offsets from a least number, byte by byte: all first bytes, all second ones, each packed.
pub(super) const PLANES: u8 = 2;
/// The same of differences.
pub(super) const PLANES_OF_STEPS: u8 = 3;
/// The distinct numbers, and which of them each is.
pub(super) const LIST: u8 = 4;
/// One number, as often as it is asked.
pub(super) const ONE: u8 = 5;
/// One number, but for some: which, and what they are.
pub(super) const MOSTLY: u8 = 6;
/// The same of differences.
pub(super) const MOSTLY_STEPS: u8 = 7;
/// And such ones of which the number is written into the same byte.
pub(super) const SMALL_ONE: u8 = 8;

/// Of fewer numbers nobody looks how often each byte comes.
const PLANES_FROM: usize = 48;
/// Nor which of them are the same.
const LIST_FROM: usize = 16;
/// Where each comes so often on average.
const LISTED_TIMES: usize = 3;
/// Of fewer numbers nobody looks whether all are the same but for one in so many.
const MOSTLY_FROM: usize = 32;
const MOSTLY_TIMES: usize = 8;
/// What a reader is charged for a number of a list.
pub(super) const LISTED_BYTES: usize = 8;

/// Numbers from a least one on.
struct Offsets {
    least: i64,
    most: u64,
    of: Vec<u64>,
}

impl Offsets {
    fn new(numbers: impl Iterator<Item = i64> + Clone) -> Self {
        let bounds = |(least, most): (i64, i64), it: i64| (least.min(it), most.max(it));
        let (least, most) = numbers.clone().fold((i64::MAX, i64::MIN), bounds);
        let offset = |number: i64| number.wrapping_sub(least).cast_unsigned();
        Self { least, most: offset(most), of: numbers.map(offset).collect() }
    }

    /// Bytes as digits.
    fn digits(&self) -> usize {
        Groups::of(self.most).cost(self.of.len())
    }

    /// Bytes as planes, roughly.
    fn planes(&self) -> usize {
        if self.of.len() < PLANES_FROM {
            return usize::MAX;
        }
        (0..bytes_of(self.most)).map(|plane| self.plane_bytes(plane)).sum()
    }

    fn plane(&self, plane: usize) -> impl Iterator<Item = u8> {
        self.of.iter().map(move |offset| offset.to_le_bytes().get(plane).copied().unwrap_or(0))
    }

    /// What a plane takes where often bytes are short, but none shorter than a bit: its entropy, and what
    /// tells which are.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate, of counts far below 2^52"
    )]
    fn plane_bytes(&self, plane: usize) -> usize {
        let mut counts = [0_u32; 256];
        for byte in self.plane(plane) {
            if let Some(count) = counts.get_mut(usize::from(byte)) {
                *count += 1;
            }
        }
        let all = self.of.len() as f64;
        let of =
            |count: u32| if count == 0 { 0.0 } else { f64::from(count) * f64::from(count).log2() };
        let bits = all * all.log2() - counts.iter().map(|count| of(*count)).sum::<f64>();
        let distinct = counts.iter().filter(|count| **count > 0).count();
        let packed = (bits.max(all) / 8.0 * 1.01) as usize + 12 + distinct / 2;
        packed.min(self.of.len() + 3)
    }
}

/// Appends the numbers.
pub(super) fn write(out: &mut Vec<u8>, numbers: &[i64], packer: &mut Packer) {
    write_as(out, numbers, packer, true);
}

/// `is_whole`: it is no part of another column, which could be a list or have exceptions.
fn write_as(out: &mut Vec<u8>, numbers: &[i64], packer: &mut Packer, is_whole: bool) {
    let Some((first, rest)) = numbers.split_first() else { return write_one(out, 0) };
    if rest.iter().all(|number| number == first) {
        return write_one(out, *first);
    }
    let plain = Offsets::new(numbers.iter().copied());
    let pairs = numbers.iter().zip(rest);
    let mut steps = Offsets::new(pairs.map(|(before, number)| number.wrapping_sub(*before)));
    // The first number is the least step behind the start.
    steps.of.insert(0, 0);
    let start = first.wrapping_sub(steps.least);
    let ways = [
        (plain.digits(), DIGITS),
        (steps.digits(), DIGITS_OF_STEPS),
        (plain.planes(), PLANES),
        (steps.planes(), PLANES_OF_STEPS),
    ];
    let (cost, way) = ways.into_iter().min_by_key(|(cost, _)| *cost).unwrap_or_default();
    if is_whole && write_mostly(out, numbers, packer, cost) {
        return;
    }
    if is_whole && cost > numbers.len() / 16 && write_list(out, numbers, packer, cost) {
        return;
    }
    let (offsets, is_steps) = match way {
        DIGITS | PLANES => (plain, false),
        _ => (steps, true),
    };
    out.push(way);
    put_signed(out, offsets.least);
    put_varint(out, offsets.most);
    if is_steps {
        put_signed(out, start);
    }
    if matches!(way, DIGITS | DIGITS_OF_STEPS) {
        let groups = Groups::of(offsets.most);
        let mut digits = Vec::with_capacity(groups.cost(offsets.of.len()));
        groups.write(&mut digits, &offsets.of);
        packer.write(out, &digits);
    } else {
        put_varint(out, offsets.of.len() as u64);
        // The planes, and the numbers that a reader makes of them.
        packer.charge_each(offsets.of.len(), bytes_of(offsets.most));
        for plane in 0..bytes_of(offsets.most) {
            packer.write(out, &offsets.plane(plane).collect::<Vec<_>>());
        }
    }
}

fn write_one(out: &mut Vec<u8>, number: i64) {
    match u8::try_from(number) {
        Ok(small) if small <= u8::MAX - SMALL_ONE => out.push(SMALL_ONE + small),
        _ => {
            out.push(ONE);
            put_signed(out, number);
        }
    }
}

/// Appends a list of the distinct numbers and which of them each is, where that is shorter.
fn write_list(out: &mut Vec<u8>, numbers: &[i64], packer: &mut Packer, cost: usize) -> bool {
    if numbers.len() < LIST_FROM {
        return false;
    }
    let mut distinct = numbers.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() * LISTED_TIMES > numbers.len() {
        return false;
    }
    let place = |number: &i64| {
        let place = distinct.binary_search(number).unwrap_or_default();
        i64::try_from(place).unwrap_or(i64::MAX)
    };
    let places: Vec<_> = numbers.iter().map(place).collect();
    shorter(out, packer, cost, |out, packer| {
        out.push(LIST);
        put_varint(out, distinct.len() as u64);
        packer.charge_each(distinct.len(), LISTED_BYTES);
        write_as(out, &distinct, packer, false);
        write_as(out, &places, packer, false);
    })
}

/// Appends one number and the exceptions from it, where that is shorter: of the numbers, or of their steps.
fn write_mostly(out: &mut Vec<u8>, numbers: &[i64], packer: &mut Packer, cost: usize) -> bool {
    if numbers.len() < MOSTLY_FROM {
        return false;
    }
    if let Some(common) = common(numbers) {
        return shorter(out, packer, cost, |out, packer| {
            out.push(MOSTLY);
            write_exceptions(out, numbers, common, packer);
        });
    }
    let pairs = numbers.iter().zip(numbers.iter().skip(1));
    let mut steps: Vec<_> = pairs.map(|(before, number)| number.wrapping_sub(*before)).collect();
    let (Some(common), Some(first)) = (common(&steps), numbers.first()) else { return false };
    // The first number is the common step behind the start.
    steps.insert(0, common);
    shorter(out, packer, cost, |out, packer| {
        out.push(MOSTLY_STEPS);
        put_signed(out, first.wrapping_sub(common));
        write_exceptions(out, &steps, common, packer);
    })
}

/// The number that all are, but for a few.
fn common(numbers: &[i64]) -> Option<i64> {
    // Whoever has the majority is left when pairs of different ones go.
    let vote = |(candidate, votes): (i64, usize), number: &i64| match votes {
        0 => (*number, 1),
        _ if *number == candidate => (candidate, votes + 1),
        _ => (candidate, votes - 1),
    };
    let (candidate, _) = numbers.iter().fold((0, 0), vote);
    let others = numbers.iter().filter(|number| **number != candidate).count();
    (others * MOSTLY_TIMES <= numbers.len()).then_some(candidate)
}

/// The common number, how many others there are, how many common ones come before each of them, and what they
/// are.
fn write_exceptions(out: &mut Vec<u8>, numbers: &[i64], common: i64, packer: &mut Packer) {
    let (mut gaps, mut others, mut gap) = (Vec::new(), Vec::new(), 0_i64);
    for number in numbers {
        if *number == common {
            gap += 1;
        } else {
            gaps.push(std::mem::take(&mut gap));
            others.push(*number);
        }
    }
    put_signed(out, common);
    put_varint(out, others.len() as u64);
    write_as(out, &gaps, packer, false);
    write_as(out, &others, packer, false);
}

/// Keeps what is written where it is shorter than that.
fn shorter(
    out: &mut Vec<u8>,
    packer: &mut Packer,
    cost: usize,
    write: impl FnOnce(&mut Vec<u8>, &mut Packer),
) -> bool {
    let (length, charged) = (out.len(), packer.charged);
    write(out, packer);
    let is_shorter = out.len() - length < cost;
    if !is_shorter {
        out.truncate(length);
        packer.charged = charged;
    }
    is_shorter
}
