//! Columns of texts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::input::{Input, ends, malformed, put_varint};
use super::numbers;
use super::packed::{self, Packer};
use super::read_numbers::Numbers;
use crate::codec::DecodeError;

/// Each distinct text once, and which of them each is.
pub(super) const LISTED: u8 = 1;
/// The texts themselves are in the pool.
pub(super) const POOLED: u8 = 2;
/// With fewer bytes they are: zstd makes more of many short columns together.
const POOLED_BELOW_BYTES: usize = 2_048;
/// With fewer texts nobody looks which are the same.
const LIST_FROM: usize = 8;
/// After so many it is known whether it is worth to go on looking.
const LOOKED_AT: usize = 256;
/// What a reader is charged for a text of a list.
const LISTED_BYTES: usize = 16;

/// Appends the texts.
pub(super) fn write(out: &mut Vec<u8>, texts: &[&str], pool: &mut Vec<u8>, packer: &mut Packer) {
    match listed(texts) {
        Some((distinct, places)) => {
            write_all(out, &distinct, LISTED, pool, packer);
            packer.charge_each(distinct.len(), LISTED_BYTES);
            numbers::write(out, &places, packer);
        }
        None => write_all(out, texts, 0, pool, packer),
    }
}

/// The distinct texts in the order in which they come, and which of them each is; `None`: too few
/// come again.
fn listed<'t>(texts: &[&'t str]) -> Option<(Vec<&'t str>, Vec<i64>)> {
    if texts.len() < LIST_FROM {
        return None;
    }
    let (mut numbers, mut distinct) = (BTreeMap::new(), Vec::new());
    let mut places = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        if at >= LOOKED_AT && distinct.len() * 3 > at * 2 {
            return None;
        }
        let number = *numbers.entry(*text).or_insert_with(|| {
            distinct.push(*text);
            distinct.len() - 1
        });
        places.push(as_number(number));
    }
    (distinct.len() * 3 <= texts.len() * 2).then_some((distinct, places))
}

fn write_all(
    out: &mut Vec<u8>,
    texts: &[&str],
    listed: u8,
    pool: &mut Vec<u8>,
    packer: &mut Packer,
) {
    let bytes = texts.concat();
    let pooled = if bytes.len() < POOLED_BELOW_BYTES { POOLED } else { 0 };
    out.push(listed | pooled);
    if listed != 0 {
        put_varint(out, texts.len() as u64);
    }
    if pooled == 0 {
        packer.write(out, bytes.as_bytes());
    } else {
        put_varint(out, bytes.len() as u64);
        pool.extend_from_slice(bytes.as_bytes());
    }
    let lengths: Vec<_> = texts.iter().map(|text| as_number(text.len())).collect();
    numbers::write(out, &lengths, packer);
}

fn as_number(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// What of the pool was not taken yet.
pub(super) type Pool<'a> = &'a str;

/// A column of texts, read one after the other.
#[derive(Debug)]
pub(super) struct Texts<'a> {
    bytes: Cow<'a, str>,
    at: usize,
    lengths: Numbers<'a>,
    list: Option<List<'a>>,
}

#[derive(Debug)]
struct List<'a> {
    ranges: Vec<std::ops::Range<usize>>,
    places: Numbers<'a>,
}

impl<'a> Texts<'a> {
    pub(super) fn read(input: &mut Input<'a>, pool: &mut Pool<'a>) -> Result<Self, DecodeError> {
        let header = input.byte()?;
        if header & !(LISTED | POOLED) != 0 {
            return Err(malformed("a column of texts"));
        }
        let listed = if header & LISTED == 0 { None } else { Some(input.size()?) };
        let bytes = if header & POOLED == 0 {
            text(packed::read(input)?)?
        } else {
            let length = input.size()?;
            let (taken, rest) = pool.split_at_checked(length).ok_or_else(ends)?;
            *pool = rest;
            Cow::Borrowed(taken)
        };
        let lengths = Numbers::read(input)?;
        let mut texts = Self { bytes, at: 0, lengths, list: None };
        if let Some(count) = listed {
            input.charge_each(count, LISTED_BYTES)?;
            let ranges = (0..count).map(|_| texts.next_range()).collect::<Result<_, _>>()?;
            texts.list = Some(List { ranges, places: Numbers::read(input)? });
        }
        Ok(texts)
    }

    fn next_range(&mut self) -> Result<std::ops::Range<usize>, DecodeError> {
        let length: usize = self.lengths.next_as()?;
        let end = self.at.checked_add(length).ok_or_else(ends)?;
        let range = std::mem::replace(&mut self.at, end)..end;
        if self.bytes.get(range.clone()).is_none() {
            return Err(malformed("a column of texts"));
        }
        Ok(range)
    }

    /// The next text.
    pub(super) fn next(&mut self) -> Result<&str, DecodeError> {
        let range = match &mut self.list {
            None => self.next_range()?,
            Some(List { ranges, places }) => {
                let place: usize = places.next_as()?;
                ranges.get(place).cloned().ok_or_else(|| malformed("a list of texts"))?
            }
        };
        self.bytes.get(range).ok_or_else(ends)
    }

    /// All must have been read.
    pub(super) fn finish(&self) -> Result<(), DecodeError> {
        self.lengths.finish()?;
        if let Some(list) = &self.list {
            list.places.finish()?;
        }
        match self.bytes.len() - self.at {
            0 => Ok(()),
            left => Err(DecodeError::TrailingBytes(left)),
        }
    }
}

/// Bytes that are a text.
pub(super) fn text(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, str>, DecodeError> {
    let wrong = || malformed("a text");
    Ok(match bytes {
        Cow::Borrowed(bytes) => Cow::Borrowed(std::str::from_utf8(bytes).map_err(|_| wrong())?),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8(bytes).map_err(|_| wrong())?),
    })
}
