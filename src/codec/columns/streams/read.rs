//! Columns out of a stream.

use super::coder::Decoder;
use super::letters::Letters;
use super::model::Model;
use super::{NEW, SHARED_BITS, USUAL, USUAL_PARTS, is_of_ids};
use crate::codec::columns::input::{Input, ends, malformed};
use crate::codec::columns::kind::Holds;
use crate::codec::columns::weight::VALUES_TIMES;
use crate::codec::columns::{fixed, ids};
use crate::codec::{DecodeError, Stem};
use crate::model::RecordId;

/// Both streams.
#[derive(Debug)]
pub(in crate::codec::columns) struct Streams<'a> {
    ids: Decoder<'a>,
    rest: Decoder<'a>,
    letters: Option<Letters>,
}

/// A column that is asked for what it holds.
#[derive(Debug)]
pub(in crate::codec::columns) enum Column {
    New(Holds),
    Numbers(Model),
    Texts(Texts),
    Ids(Box<Ids>),
}

impl<'a> Streams<'a> {
    pub(in crate::codec::columns) fn read(input: &mut Input<'a>) -> Result<Self, DecodeError> {
        let ids = input.size()?;
        let ids = input.take(ids)?;
        let rest = input.take_rest();
        let decoder = Decoder::new;
        Ok(Self { ids: decoder(ids), rest: decoder(rest), letters: None })
    }

    /// How many things there are.
    pub(in crate::codec::columns) fn size(&mut self) -> Result<usize, DecodeError> {
        let size = self.rest.number().ok_or_else(ends)?;
        Ok(usize::try_from(size).unwrap_or(usize::MAX))
    }

    fn of(&mut self, at: usize) -> &mut Decoder<'a> {
        if is_of_ids(at) { &mut self.ids } else { &mut self.rest }
    }

    /// The next number of a column.
    #[inline]
    pub(in crate::codec::columns) fn number(
        &mut self,
        at: usize,
        column: &mut Column,
    ) -> Result<i64, DecodeError> {
        if let Column::New(Holds::Numbers) = column {
            *column = Column::Numbers(self.model(at).ok_or_else(ends)?);
        }
        let Column::Numbers(model) = column else { return Err(malformed("a column")) };
        model.next(self.of(at)).ok_or_else(ends)
    }

    fn model(&mut self, at: usize) -> Option<Model> {
        let input = self.of(at);
        if at < fixed::COUNT {
            if input.part(USUAL_PARTS)? < USUAL {
                input.take((0, USUAL), USUAL_PARTS)?;
                return Some(Model::one(fixed::usual_number(at)));
            }
            input.take((USUAL, USUAL_PARTS - USUAL), USUAL_PARTS)?;
        }
        Model::read(input)
    }

    /// The next text of a column.
    pub(in crate::codec::columns) fn text<'c>(
        &mut self,
        column: &'c mut Column,
        input: &mut Input<'_>,
    ) -> Result<&'c str, DecodeError> {
        if let Column::New(Holds::Texts) = column {
            *column = Column::Texts(Texts::default());
        }
        let Column::Texts(texts) = column else { return Err(malformed("a column")) };
        let place = next(&mut texts.places, &mut self.rest)?;
        if place == NEW {
            let length = next(&mut texts.lengths, &mut self.rest)?;
            let length = usize::try_from(length).map_err(|_| malformed("the length of a text"))?;
            input.charge(length)?;
            texts.told.push(self.new_text(length)?);
        }
        let place = match usize::try_from(place) {
            Ok(0) => texts.told.len().checked_sub(1),
            Ok(place) => place.checked_sub(1),
            Err(_) => None,
        };
        let text = place.and_then(|place| texts.told.get(place));
        text.map(AsRef::as_ref).ok_or_else(|| malformed("which text it is"))
    }

    fn new_text(&mut self, length: usize) -> Result<Box<str>, DecodeError> {
        let letters = match &mut self.letters {
            Some(letters) => letters,
            none => none.insert(Letters::read(&mut self.rest).ok_or_else(ends)?),
        };
        let mut bytes = Vec::with_capacity(length);
        for _ in 0..length {
            bytes.push(letters.next(&mut self.rest).ok_or_else(ends)?);
        }
        let text = String::from_utf8(bytes).map_err(|_| malformed("a text"))?;
        Ok(text.into())
    }

    /// The next id or stem, and its number, where these are known.
    pub(in crate::codec::columns) fn id(
        &mut self,
        at: usize,
        column: &mut Column,
        input: &mut Input<'_>,
        known: &mut Vec<Stem>,
    ) -> Result<(Stem, u32), DecodeError> {
        if let Column::New(Holds::Ids) = column {
            *column = Column::Ids(Box::default());
        }
        let Column::Ids(all) = column else { return Err(malformed("a column")) };
        all.next(self.of(at), input, known)
    }

    /// All bytes of a column.
    pub(in crate::codec::columns) fn bytes(
        &mut self,
        at: usize,
        holds: Holds,
        input: &mut Input<'_>,
    ) -> Result<Vec<u8>, DecodeError> {
        let stream = self.of(at);
        let length = stream.number().and_then(|it| usize::try_from(it).ok()).ok_or_else(ends)?;
        input.charge(length)?;
        input.charge_each(length, if holds == Holds::Values { VALUES_TIMES } else { 1 })?;
        let mut bytes = Vec::with_capacity(length);
        for _ in 0..length {
            let byte = stream.bits(8).and_then(|byte| u8::try_from(byte).ok());
            bytes.push(byte.ok_or_else(ends)?);
        }
        Ok(bytes)
    }

    /// All must have been read.
    pub(in crate::codec::columns) fn finish(&self) -> Result<(), DecodeError> {
        if self.ids.is_over() && self.rest.is_over() {
            return Ok(());
        }
        Err(malformed("the end of a stream"))
    }
}

/// The next number, after what its column is like where it is the first.
fn next(model: &mut Option<Model>, stream: &mut Decoder<'_>) -> Result<i64, DecodeError> {
    let model = match model {
        Some(model) => model,
        none => none.insert(Model::read(stream).ok_or_else(ends)?),
    };
    model.next(stream).ok_or_else(ends)
}

#[derive(Debug, Default)]
pub(in crate::codec::columns) struct Texts {
    places: Option<Model>,
    lengths: Option<Model>,
    told: Vec<Box<str>>,
}

#[derive(Debug, Default)]
pub(in crate::codec::columns) struct Ids {
    numbers: Option<Model>,
    parts: [Option<Model>; ids::PARTS.len()],
    /// What all stems begin with, and how many bits that is.
    shared: Option<(u128, u8)>,
    lengths: Option<Model>,
}

impl Ids {
    fn next(
        &mut self,
        stream: &mut Decoder<'_>,
        input: &mut Input<'_>,
        known: &mut Vec<Stem>,
    ) -> Result<(Stem, u32), DecodeError> {
        let number = next(&mut self.numbers, stream)?;
        ids::numbered(number, input, known, || match number {
            ids::FRESH => ids::whole(self.parts.iter_mut().map(|part| next(part, stream))),
            _ => self.stem(stream).ok_or_else(|| malformed("a stem of an id")),
        })
    }

    fn stem(&mut self, stream: &mut Decoder<'_>) -> Option<Stem> {
        let (first, shared) = if let Some(shared) = self.shared {
            shared
        } else {
            let bits = u8::try_from(stream.bits(SHARED_BITS)?).ok()?;
            let first = front(stream.bits(bits)?, bits);
            *self.shared.insert((first, bits))
        };
        let more: u8 = next(&mut self.lengths, stream).ok()?.try_into().ok()?;
        let bits = shared.checked_add(more).filter(|bits| *bits < Stem::WHOLE)?;
        let rest = front(stream.bits(more)?, more);
        let whole = first | rest.checked_shr(shared.into()).unwrap_or(0);
        Some(Stem::of(RecordId::from_bytes(whole.to_be_bytes()), bits))
    }
}

/// So many bits as the first ones.
fn front(number: u128, bits: u8) -> u128 {
    number.checked_shl(u128::BITS - u32::from(bits)).unwrap_or(0)
}
