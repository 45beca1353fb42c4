//! Columns of record ids. An id that came before, in whichever column, is a number; of one that the reader
//! has, only a [stem](crate::codec::Stem) is told.

use std::collections::BTreeMap;

use super::bits::{PutBits, TakeBits};
use super::input::{Input, malformed};
use super::numbers;
use super::packed::{self, Packer};
use super::read_numbers::Numbers;
use super::weight::ID;
use crate::codec::{DecodeError, Stem};
use crate::model::RecordId;

/// How many bits of an id are in each of its numbers, from the front: the time of a UUIDv7; version
/// and what is behind it; variant and what is behind it; the rest. So the ids of records that are
/// sent in their order are steps, and bits that are the same in all take no room.
pub(super) const PARTS: [u32; 4] = [48, 16, 16, 48];
/// Stands for an id that was not there before,
pub(super) const FRESH: i64 = 0;
/// and for a stem that was not.
pub(super) const FRESH_STEM: i64 = -1;

/// Numbers of ids, from 1 in the order in which they come.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// With how many bits were told of it. A stem of other bits is another: they may tell it from others.
    ids: BTreeMap<RecordId, (u32, u8)>,
    count: u32,
}

/// A column that is written.
#[derive(Debug, Default)]
pub(super) struct Ids {
    pub(super) numbers: Vec<i64>,
    pub(super) fresh: Vec<RecordId>,
    /// Stems: what they begin with, and how many bits they are.
    pub(super) stems: Vec<(u128, u8)>,
}

impl Ids {
    /// Adds an id, of which so many bits are enough, and returns its number.
    pub(super) fn add(&mut self, id: RecordId, bits: u8, known: &mut Known) -> u32 {
        let bits = bits.min(Stem::WHOLE);
        if let Some((number, told)) = known.ids.get(&id)
            && (*told == Stem::WHOLE || *told == bits)
        {
            self.numbers.push((*number).into());
            return *number;
        }
        known.count = known.count.saturating_add(1);
        known.ids.insert(id, (known.count, bits));
        if bits == Stem::WHOLE {
            self.numbers.push(FRESH);
            self.fresh.push(id);
        } else {
            self.numbers.push(FRESH_STEM);
            self.stems.push((u128::from_be_bytes(*id.as_bytes()), bits));
        }
        known.count
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, packer: &mut Packer) {
        packer.charge_each(self.fresh.len() + self.stems.len(), ID);
        numbers::write(out, &self.numbers, packer);
        for part in self.parts() {
            numbers::write(out, &part, packer);
        }
        self.write_stems(out, packer);
    }

    /// The parts of those that are told whole.
    pub(super) fn parts(&self) -> [Vec<i64>; PARTS.len()] {
        let mut shift = u128::BITS;
        PARTS.map(|bits| {
            shift -= bits;
            let part = |id: &RecordId| {
                let above = u128::from_be_bytes(*id.as_bytes()) >> shift;
                i64::try_from(above & ((1 << bits) - 1)).unwrap_or_default()
            };
            self.fresh.iter().map(part).collect()
        })
    }

    /// How many bits all stems begin with.
    pub(super) fn shared(&self) -> u8 {
        let (first, _) = self.stems.first().copied().unwrap_or_default();
        let shared = |(id, bits): &(u128, u8)| (id ^ first).leading_zeros().min((*bits).into());
        let shared = self.stems.iter().map(shared).min().unwrap_or(0);
        u8::try_from(shared).unwrap_or(Stem::WHOLE)
    }

    /// How many bits all begin with, and how many more each is; then those bits, and of each the others.
    fn write_stems(&self, out: &mut Vec<u8>, packer: &mut Packer) {
        let first = self.stems.first().copied().unwrap_or_default();
        let shared = self.shared();
        let more = |bits: u8| bits.saturating_sub(shared);
        let lengths: Vec<_> = self.stems.iter().map(|(_, bits)| more(*bits).into()).collect();
        out.push(shared);
        numbers::write(out, &lengths, packer);
        let mut all = PutBits::default();
        all.put(first.0, shared);
        for (id, bits) in &self.stems {
            all.put(id.checked_shl(shared.into()).unwrap_or(0), more(*bits));
        }
        packer.write_plain(out, &all.bytes);
    }
}

/// A column that is read.
#[derive(Debug)]
pub(super) struct ReadIds<'a> {
    numbers: Numbers<'a>,
    parts: [Numbers<'a>; 4],
    /// What all stems begin with, and how many bits that is.
    shared: (u128, u8),
    lengths: Numbers<'a>,
    stems: TakeBits<'a>,
}

impl<'a> ReadIds<'a> {
    pub(super) fn read(input: &mut Input<'a>) -> Result<Self, DecodeError> {
        let mut numbers = || Numbers::read(input);
        let (numbers, parts) = (numbers()?, [numbers()?, numbers()?, numbers()?, numbers()?]);
        let bits = input.byte()?;
        let lengths = Numbers::read(input)?;
        let mut stems = TakeBits::new(packed::read(input)?);
        let first = stems.take(bits).ok_or_else(|| malformed("what stems begin with"))?;
        Ok(Self { numbers, parts, shared: (first, bits), lengths, stems })
    }

    /// The next id or stem, and its number, where these are known.
    pub(super) fn next(
        &mut self,
        input: &mut Input<'_>,
        known: &mut Vec<Stem>,
    ) -> Result<(Stem, u32), DecodeError> {
        let number = self.numbers.next()?;
        numbered(number, input, known, || match number {
            FRESH => whole(self.parts.iter_mut().map(Numbers::next)),
            _ => self.stem(),
        })
    }

    fn stem(&mut self) -> Result<Stem, DecodeError> {
        let (first, shared) = self.shared;
        let more: u8 = self.lengths.next_as()?;
        let bits = shared.checked_add(more).filter(|bits| *bits < Stem::WHOLE);
        let rest = bits.and_then(|_| self.stems.take(more));
        let (bits, rest) = bits.zip(rest).ok_or_else(|| malformed("a stem of an id"))?;
        let whole = first | rest.checked_shr(shared.into()).unwrap_or(0);
        Ok(Stem::of(RecordId::from_bytes(whole.to_be_bytes()), bits))
    }

    /// All must have been read.
    pub(super) fn finish(&self) -> Result<(), DecodeError> {
        self.numbers.finish()?;
        self.parts.iter().try_for_each(Numbers::finish)?;
        self.lengths.finish()?;
        if self.stems.is_over() { Ok(()) } else { Err(malformed("stems of ids")) }
    }
}

/// The id or stem of a number, and its place among those that are known: one of them, or one that is `told`.
pub(super) fn numbered(
    number: i64,
    input: &mut Input<'_>,
    known: &mut Vec<Stem>,
    told: impl FnOnce() -> Result<Stem, DecodeError>,
) -> Result<(Stem, u32), DecodeError> {
    if number != FRESH && number != FRESH_STEM {
        let number: u32 = number.try_into().map_err(|_| malformed("the number of an id"))?;
        let found = known.get((number as usize).wrapping_sub(1));
        let missing = DecodeError::Reference { what: "record id", number };
        return Ok((*found.ok_or(missing)?, number));
    }
    input.charge(ID)?;
    known.push(told()?);
    let stem = known.last().copied().ok_or_else(|| malformed("an id"))?;
    Ok((stem, u32::try_from(known.len()).unwrap_or(u32::MAX)))
}

/// An id of its parts.
pub(super) fn whole(
    parts: impl Iterator<Item = Result<i64, DecodeError>>,
) -> Result<Stem, DecodeError> {
    let mut whole = 0_u128;
    for (bits, part) in PARTS.into_iter().zip(parts) {
        let part = u128::try_from(part?).map_err(|_| malformed("an id"))?;
        if part >> bits != 0 {
            return Err(malformed("an id"));
        }
        whole = (whole << bits) | part;
    }
    Ok(Stem::of(RecordId::from_bytes(whole.to_be_bytes()), Stem::WHOLE))
}
