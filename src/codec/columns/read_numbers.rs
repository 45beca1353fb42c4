//! Columns of whole numbers, read one after the other.

use super::digits::{Digits, bytes_of};
use super::input::{Input, ends, malformed};
use super::numbers::{
    DIGITS, DIGITS_OF_STEPS, LIST, LISTED_BYTES, MOSTLY, MOSTLY_STEPS, ONE, PLANES,
    PLANES_OF_STEPS, SMALL_ONE,
};
use super::packed;
use crate::codec::DecodeError;

/// A column of whole numbers.
#[derive(Debug)]
pub(super) struct Numbers<'a>(Way<'a>);

#[derive(Debug)]
enum Way<'a> {
    One(i64),
    Offsets(Offsets<'a>),
    List(Vec<i64>, Offsets<'a>),
    Mostly(Box<Mostly<'a>>),
}

/// One number, but for some.
#[derive(Debug)]
struct Mostly<'a> {
    common: i64,
    /// The number before, where these are steps.
    before: Option<i64>,
    /// So many come before the next other one; `None`: there are no more others.
    until: Option<u64>,
    /// Others behind that.
    left: usize,
    gaps: Numbers<'a>,
    others: Numbers<'a>,
}

/// Numbers from a least one on, or steps.
#[derive(Debug)]
struct Offsets<'a> {
    least: i64,
    /// The number before, where these are steps.
    before: Option<i64>,
    of: Of<'a>,
}

#[derive(Debug)]
enum Of<'a> {
    Digits(Digits<'a>),
    /// Bytes of number after number.
    Planes {
        bytes: Vec<u8>,
        width: usize,
        at: usize,
    },
}

impl<'a> Numbers<'a> {
    pub(super) fn read(input: &mut Input<'a>) -> Result<Self, DecodeError> {
        let way = input.byte()?;
        match way {
            LIST => {}
            MOSTLY => return Ok(Self(Way::Mostly(Box::new(Mostly::read(input, None)?)))),
            MOSTLY_STEPS => {
                let before = Some(input.signed()?);
                return Ok(Self(Way::Mostly(Box::new(Mostly::read(input, before)?))));
            }
            _ => return Self::read_plain(input, way),
        }
        let count = input.size()?;
        input.charge_each(count, LISTED_BYTES)?;
        let way = input.byte()?;
        let mut distinct = Self::read_plain(input, way)?;
        let numbers = (0..count).map(|_| distinct.next()).collect::<Result<_, _>>()?;
        distinct.finish()?;
        let way = input.byte()?;
        Ok(match Self::read_plain(input, way)?.0 {
            Way::Offsets(places) => Self(Way::List(numbers, places)),
            _ => return Err(malformed("a list of numbers")),
        })
    }

    fn read_plain(input: &mut Input<'a>, way: u8) -> Result<Self, DecodeError> {
        if let Some(small) = way.checked_sub(SMALL_ONE) {
            return Ok(Self(Way::One(small.into())));
        }
        if way == ONE {
            return Ok(Self(Way::One(input.signed()?)));
        }
        if !matches!(way, DIGITS | DIGITS_OF_STEPS | PLANES | PLANES_OF_STEPS) {
            return Err(malformed("a column of numbers"));
        }
        let (least, most) = (input.signed()?, input.varint()?);
        let is_steps = matches!(way, DIGITS_OF_STEPS | PLANES_OF_STEPS);
        let before = if is_steps { Some(input.signed()?) } else { None };
        let of = if matches!(way, DIGITS | DIGITS_OF_STEPS) {
            Of::Digits(Digits::new(most, packed::read(input)?))
        } else {
            let count = input.size()?;
            Of::read_planes(input, bytes_of(most), count)?
        };
        Ok(Self(Way::Offsets(Offsets { least, before, of })))
    }

    /// The next number.
    #[inline]
    pub(super) fn next(&mut self) -> Result<i64, DecodeError> {
        match &mut self.0 {
            Way::One(number) => Ok(*number),
            Way::Offsets(offsets) => offsets.next().ok_or_else(ends),
            Way::List(numbers, places) => {
                let place = usize::try_from(places.next().ok_or_else(ends)?).ok();
                let number = place.and_then(|place| numbers.get(place));
                number.copied().ok_or_else(|| malformed("a list of numbers"))
            }
            Way::Mostly(mostly) => mostly.next(),
        }
    }

    /// The next number, of a narrower kind.
    #[inline]
    pub(super) fn next_as<T: TryFrom<i64>>(&mut self) -> Result<T, DecodeError> {
        let number = self.next()?;
        T::try_from(number).map_err(|_| DecodeError::Value(format!("{number} is too large here")))
    }

    /// All must have been read.
    pub(super) fn finish(&self) -> Result<(), DecodeError> {
        let is_over = match &self.0 {
            Way::One(_) => true,
            Way::Offsets(offsets) | Way::List(_, offsets) => offsets.of.is_over(),
            Way::Mostly(mostly) => {
                mostly.gaps.finish()?;
                mostly.others.finish()?;
                mostly.until.is_none()
            }
        };
        if is_over { Ok(()) } else { Err(malformed("the end of a column of numbers")) }
    }
}

impl Offsets<'_> {
    #[inline]
    fn next(&mut self) -> Option<i64> {
        let offset = match &mut self.of {
            Of::Digits(digits) => digits.next()?,
            Of::Planes { bytes, width, at } => {
                let number = bytes.get(*at..*at + *width)?;
                *at += *width;
                number.iter().rev().fold(0, |offset, byte| (offset << 8) | u64::from(*byte))
            }
        };
        let number = self.least.wrapping_add_unsigned(offset);
        Some(match &mut self.before {
            None => number,
            Some(before) => {
                *before = before.wrapping_add(number);
                *before
            }
        })
    }
}

impl<'a> Mostly<'a> {
    fn read(input: &mut Input<'a>, before: Option<i64>) -> Result<Self, DecodeError> {
        let (common, others) = (input.signed()?, input.size()?);
        let way = input.byte()?;
        let gaps = Numbers::read_plain(input, way)?;
        let way = input.byte()?;
        let others_are = Numbers::read_plain(input, way)?;
        let (until, left) = (None, others);
        let mut mostly = Self { common, before, until, left, gaps, others: others_are };
        mostly.look_ahead()?;
        Ok(mostly)
    }

    /// Reads where the next other one is.
    fn look_ahead(&mut self) -> Result<(), DecodeError> {
        self.until = None;
        if let Some(left) = self.left.checked_sub(1) {
            (self.left, self.until) = (left, Some(self.gaps.next_as()?));
        }
        Ok(())
    }

    fn next(&mut self) -> Result<i64, DecodeError> {
        let number = match &mut self.until {
            Some(0) => {
                let other = self.others.next()?;
                self.look_ahead()?;
                other
            }
            until => {
                *until = until.map(|until| until - 1);
                self.common
            }
        };
        Ok(match &mut self.before {
            None => number,
            Some(before) => {
                *before = before.wrapping_add(number);
                *before
            }
        })
    }
}

impl Of<'_> {
    fn is_over(&self) -> bool {
        match self {
            Self::Digits(digits) => digits.is_over(),
            Self::Planes { bytes, at, .. } => *at == bytes.len(),
        }
    }

    fn read_planes(input: &mut Input<'_>, width: usize, count: usize) -> Result<Self, DecodeError> {
        let length = count.saturating_mul(width);
        input.charge(length)?;
        let mut bytes = vec![0; length];
        for plane in 0..width {
            let read = packed::read(input)?;
            if read.len() != count {
                return Err(malformed("a plane of numbers"));
            }
            let places = bytes.iter_mut().skip(plane).step_by(width);
            places.zip(read.iter()).for_each(|(to, from)| *to = *from);
        }
        Ok(Self::Planes { bytes, width, at: 0 })
    }
}
