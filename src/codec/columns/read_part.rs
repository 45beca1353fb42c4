//! Columns that are read.

use std::borrow::Cow;

use serde::Deserialize;

use super::ids::ReadIds;
use super::input::{Input, ends, malformed};
use super::kind::Holds;
use super::read_numbers::Numbers;
use super::streams::{Column, Streams};
use super::texts::{Pool, Texts};
use super::weight::{PART, VALUES_TIMES};
use super::{fixed, packed};
use crate::codec::{DecodeError, Stem};

/// A column, and how far it was read.
#[derive(Debug)]
enum Part<'a> {
    Numbers(Numbers<'a>),
    Texts(Texts<'a>),
    Ids(Box<ReadIds<'a>>),
    Bytes(Bytes<'a>),
    Streamed(Column),
}

#[derive(Debug)]
struct Bytes<'a> {
    bytes: Cow<'a, [u8]>,
    at: usize,
}

impl<'a> Part<'a> {
    fn read(input: &mut Input<'a>, pool: &mut Pool<'a>, holds: Holds) -> Result<Self, DecodeError> {
        input.charge(PART)?;
        Ok(match holds {
            Holds::Numbers => Self::Numbers(Numbers::read(input)?),
            Holds::Texts => Self::Texts(Texts::read(input, pool)?),
            Holds::Ids => Self::Ids(Box::new(ReadIds::read(input)?)),
            Holds::Bytes | Holds::Plain | Holds::Values => {
                let bytes = packed::read(input)?;
                let times = if holds == Holds::Values { VALUES_TIMES } else { 1 };
                input.charge_each(bytes.len(), times)?;
                Self::Bytes(Bytes { bytes, at: 0 })
            }
        })
    }

    /// Its next number.
    #[inline]
    fn number(&mut self, at: usize, streams: &mut Option<Streams<'a>>) -> Result<i64, DecodeError> {
        match (self, streams) {
            (Self::Numbers(numbers), _) => numbers.next(),
            (Self::Streamed(column), Some(streams)) => streams.number(at, column),
            _ => Err(missing()),
        }
    }

    fn finish(&self) -> Result<(), DecodeError> {
        match self {
            Self::Numbers(numbers) => numbers.finish(),
            Self::Texts(texts) => texts.finish(),
            Self::Ids(ids) => ids.finish(),
            Self::Bytes(all) => match all.bytes.len() - all.at {
                0 => Ok(()),
                left => Err(DecodeError::TrailingBytes(left)),
            },
            // Whether streams were read to their end is seen of them as a whole.
            Self::Streamed(_) => Ok(()),
        }
    }
}

impl Bytes<'_> {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}

/// The columns that were opened.
pub(super) struct Parts<'a> {
    pub(super) input: Input<'a>,
    pool: Pool<'a>,
    /// What columns hold where they are streams.
    streams: Option<Streams<'a>>,
    opened: Vec<Part<'a>>,
}

impl<'a> Parts<'a> {
    pub(super) fn new(input: Input<'a>, pool: Pool<'a>) -> Self {
        Self { input, pool, streams: None, opened: Vec::with_capacity(fixed::COUNT) }
    }

    pub(super) fn of_streams(input: Input<'a>, streams: Streams<'a>) -> Self {
        Self { streams: Some(streams), ..Self::new(input, "") }
    }

    /// Opens those that are always there.
    pub(super) fn open_fixed(&mut self) -> Result<(), DecodeError> {
        let mut usual = [0; fixed::USUAL_BYTES];
        if self.streams.is_none() {
            usual.copy_from_slice(self.input.take(fixed::USUAL_BYTES)?);
        }
        for at in 0..fixed::COUNT {
            if usual.get(at / 8).is_some_and(|bits| bits >> (at % 8) & 1 == 1) {
                let behind = self.input.turn_to(fixed::usual(at));
                self.open(&[fixed::holds(at)])?;
                self.input.turn_to(behind);
            } else {
                self.open(&[fixed::holds(at)])?;
            }
        }
        Ok(())
    }

    /// Opens the next columns; the place of the first.
    pub(super) fn open(&mut self, holds: &[Holds]) -> Result<usize, DecodeError> {
        let first = self.opened.len();
        for holds in holds {
            self.opened.push(if self.streams.is_some() {
                self.input.charge(PART)?;
                Part::Streamed(Column::New(*holds))
            } else {
                Part::read(&mut self.input, &mut self.pool, *holds)?
            });
        }
        Ok(first)
    }

    #[inline]
    pub(super) fn number(&mut self, at: usize) -> Result<i64, DecodeError> {
        self.opened.get_mut(at).ok_or_else(missing)?.number(at, &mut self.streams)
    }

    /// A number of a narrower kind.
    #[inline]
    pub(super) fn number_as<T: TryFrom<i64>>(&mut self, at: usize) -> Result<T, DecodeError> {
        let number = self.number(at)?;
        T::try_from(number).map_err(|_| DecodeError::Value(format!("{number} is too large here")))
    }

    /// A number of 64 bits, whatever they mean.
    #[inline]
    pub(super) fn bits(&mut self, at: usize) -> Result<u64, DecodeError> {
        Ok(self.number(at)?.cast_unsigned())
    }

    /// A length, or how many things there are.
    #[inline]
    pub(super) fn size(&mut self, at: usize) -> Result<usize, DecodeError> {
        self.number_as(at)
    }

    pub(super) fn text(&mut self, at: usize) -> Result<&str, DecodeError> {
        let text = match (self.opened.get_mut(at), &mut self.streams) {
            (Some(Part::Texts(texts)), _) => texts.next()?,
            (Some(Part::Streamed(column)), Some(streams)) => {
                streams.text(column, &mut self.input)?
            }
            _ => return Err(missing()),
        };
        self.input.charge(text.len())?;
        Ok(text)
    }

    pub(super) fn id(
        &mut self,
        at: usize,
        known: &mut Vec<Stem>,
    ) -> Result<(Stem, u32), DecodeError> {
        match (self.opened.get_mut(at), &mut self.streams) {
            (Some(Part::Ids(ids)), _) => ids.next(&mut self.input, known),
            (Some(Part::Streamed(column)), Some(streams)) => {
                streams.id(at, column, &mut self.input, known)
            }
            _ => Err(missing()),
        }
    }

    /// A column of bytes, which are all there once the first are asked for.
    fn all_bytes(&mut self, at: usize) -> Result<&mut Bytes<'a>, DecodeError> {
        let part = self.opened.get_mut(at).ok_or_else(missing)?;
        if let (Part::Streamed(Column::New(holds)), Some(streams)) = (&*part, &mut self.streams) {
            if !matches!(holds, Holds::Bytes | Holds::Plain | Holds::Values) {
                return Err(missing());
            }
            let bytes = Cow::Owned(streams.bytes(at, *holds, &mut self.input)?);
            *part = Part::Bytes(Bytes { bytes, at: 0 });
        }
        if let Part::Bytes(all) = part { Ok(all) } else { Err(missing()) }
    }

    pub(super) fn bytes(&mut self, at: usize, length: usize) -> Result<Vec<u8>, DecodeError> {
        let all = self.all_bytes(at)?;
        let bytes = all.rest().get(..length).ok_or_else(ends)?.to_vec();
        all.at += length;
        Ok(bytes)
    }

    /// Eight bytes that are a number.
    pub(super) fn eight_bytes(&mut self, at: usize) -> Result<u64, DecodeError> {
        let all = self.all_bytes(at)?;
        let bytes = all.rest().first_chunk().ok_or_else(ends)?;
        let number = u64::from_le_bytes(*bytes);
        all.at += 8;
        Ok(number)
    }

    /// Something in postcard.
    pub(super) fn postcard<T: for<'b> Deserialize<'b>>(
        &mut self,
        at: usize,
    ) -> Result<T, DecodeError> {
        let all = self.all_bytes(at)?;
        let (value, rest) = postcard::take_from_bytes(all.rest())?;
        all.at = all.bytes.len() - rest.len();
        Ok(value)
    }

    /// How many bytes of postcard are left.
    pub(super) fn left(&self, at: usize) -> usize {
        match self.opened.get(at) {
            Some(Part::Bytes(all)) => all.rest().len(),
            _ => 0,
        }
    }

    /// All must have been read.
    pub(super) fn finish(self) -> Result<(), DecodeError> {
        self.opened.iter().try_for_each(Part::finish)?;
        if let Some(streams) = &self.streams {
            streams.finish()?;
        }
        match self.pool.len() {
            0 => self.input.finish(),
            left => Err(DecodeError::TrailingBytes(left)),
        }
    }
}

fn missing() -> DecodeError {
    malformed("a column")
}
