//! Columns of record ids. An id that came before, in whichever column, is a number.

use std::collections::BTreeMap;

use super::input::{Input, malformed};
use super::numbers;
use super::packed::Packer;
use super::read_numbers::Numbers;
use super::weight::ID;
use crate::codec::DecodeError;
use crate::model::RecordId;

/// How many bits of an id are in each of its numbers, from the front: the time of a UUIDv7; version
/// and what is behind it; variant and what is behind it; the rest. So the ids of records that are
/// sent in their order are steps, and bits that are the same in all take no room.
const PARTS: [u32; 4] = [48, 16, 16, 48];
/// Stands for an id that was not there before.
const FRESH: i64 = 0;

/// Numbers of ids, from 1 in the order in which they come.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<RecordId, u32>);

/// A column that is written.
#[derive(Debug, Default)]
pub(super) struct Ids {
    numbers: Vec<i64>,
    fresh: Vec<RecordId>,
}

impl Ids {
    /// Adds an id, and returns its number.
    pub(super) fn add(&mut self, id: RecordId, known: &mut Known) -> u32 {
        let next = u32::try_from(known.0.len()).unwrap_or(u32::MAX).saturating_add(1);
        let number = *known.0.entry(id).or_insert(next);
        if number == next {
            self.fresh.push(id);
        }
        self.numbers.push(if number == next { FRESH } else { number.into() });
        number
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, packer: &mut Packer) {
        packer.charge_each(self.fresh.len(), ID);
        numbers::write(out, &self.numbers, packer);
        let mut shift = u128::BITS;
        for bits in PARTS {
            shift -= bits;
            let part = |id: &RecordId| {
                let above = u128::from_be_bytes(*id.as_bytes()) >> shift;
                i64::try_from(above & ((1 << bits) - 1)).unwrap_or_default()
            };
            numbers::write(out, &self.fresh.iter().map(part).collect::<Vec<_>>(), packer);
        }
    }
}

/// A column that is read.
#[derive(Debug)]
pub(super) struct ReadIds<'a> {
    numbers: Numbers<'a>,
    parts: [Numbers<'a>; 4],
}

impl<'a> ReadIds<'a> {
    pub(super) fn read(input: &mut Input<'a>) -> Result<Self, DecodeError> {
        let mut numbers = || Numbers::read(input);
        Ok(Self { numbers: numbers()?, parts: [numbers()?, numbers()?, numbers()?, numbers()?] })
    }

    /// The next id and its number, where these are known.
    pub(super) fn next(
        &mut self,
        input: &mut Input<'_>,
        known: &mut Vec<RecordId>,
    ) -> Result<(RecordId, u32), DecodeError> {
        let number = self.numbers.next()?;
        if number != FRESH {
            let number: u32 = number.try_into().map_err(|_| malformed("the number of an id"))?;
            let found = known.get((number as usize).wrapping_sub(1));
            let missing = DecodeError::Reference { what: "record id", number };
            return Ok((*found.ok_or(missing)?, number));
        }
        input.charge(ID)?;
        let mut whole = 0_u128;
        for (bits, numbers) in PARTS.into_iter().zip(&mut self.parts) {
            let part = u128::try_from(numbers.next()?).map_err(|_| malformed("an id"))?;
            if part >> bits != 0 {
                return Err(malformed("an id"));
            }
            whole = (whole << bits) | part;
        }
        let id = RecordId::from_bytes(whole.to_be_bytes());
        known.push(id);
        Ok((id, u32::try_from(known.len()).unwrap_or(u32::MAX)))
    }

    /// All must have been read.
    pub(super) fn finish(&self) -> Result<(), DecodeError> {
        self.numbers.finish()?;
        self.parts.iter().try_for_each(Numbers::finish)
    }
}
