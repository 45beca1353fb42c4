//! Columns that are being filled.

use std::borrow::Cow;

use super::ids::{Ids, Known};
use super::input::put_varint;
use super::kind::Holds;
use super::packed::Packer;
use super::weight::{PART, VALUES_TIMES};
use super::{fixed, numbers, streams, texts};
use crate::model::RecordId;

/// A column, with what it holds so far.
#[derive(Debug)]
pub(super) enum Part<'a> {
    Numbers(Vec<i64>),
    Texts(Vec<Cow<'a, str>>),
    Ids(Ids),
    Bytes(Vec<u8>),
    Plain(Vec<u8>),
    Values(Vec<u8>),
}

impl Part<'_> {
    fn new(holds: Holds) -> Self {
        match holds {
            Holds::Numbers => Self::Numbers(Vec::new()),
            Holds::Texts => Self::Texts(Vec::new()),
            Holds::Ids => Self::Ids(Ids::default()),
            Holds::Bytes => Self::Bytes(Vec::new()),
            Holds::Plain => Self::Plain(Vec::new()),
            Holds::Values => Self::Values(Vec::new()),
        }
    }

    fn write(&self, out: &mut Vec<u8>, pool: &mut Vec<u8>, packer: &mut Packer) {
        packer.charge_each(1, PART);
        match self {
            Self::Numbers(numbers) => numbers::write(out, numbers, packer),
            Self::Texts(all) => {
                let all: Vec<&str> = all.iter().map(AsRef::as_ref).collect();
                // Once as they come, and once as what they become.
                packer.charge_each(all.iter().map(|text| text.len()).sum(), 1);
                texts::write(out, &all, pool, packer);
            }
            Self::Ids(ids) => ids.write(out, packer),
            Self::Bytes(bytes) => {
                packer.charge_each(bytes.len(), 1);
                packer.write(out, bytes);
            }
            Self::Plain(bytes) => {
                packer.charge_each(bytes.len(), 1);
                packer.write_plain(out, bytes);
            }
            Self::Values(bytes) => {
                packer.charge_each(bytes.len(), VALUES_TIMES);
                packer.write(out, bytes);
            }
        }
    }
}

/// All columns, in the order in which they are opened.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    all: Vec<Part<'a>>,
    order: streams::Order,
}

impl<'a> Parts<'a> {
    /// The fixed ones.
    pub(super) fn new() -> Self {
        let all = (0..fixed::COUNT).map(|at| Part::new(fixed::holds(at))).collect();
        Self { all, order: streams::Order::default() }
    }

    /// More columns; the place of the first.
    pub(super) fn open(&mut self, holds: &[Holds]) -> usize {
        let first = self.all.len();
        self.all.extend(holds.iter().map(|holds| Part::new(*holds)));
        first
    }

    #[inline]
    pub(super) fn number(&mut self, at: usize, number: impl Into<i64>) {
        self.order.note(at);
        if let Some(Part::Numbers(numbers)) = self.all.get_mut(at) {
            numbers.push(number.into());
        }
    }

    /// A number of 64 bits, whatever they mean.
    pub(super) fn bits(&mut self, at: usize, number: u64) {
        self.number(at, number.cast_signed());
    }

    pub(super) fn text(&mut self, at: usize, text: impl Into<Cow<'a, str>>) {
        self.order.note(at);
        if let Some(Part::Texts(texts)) = self.all.get_mut(at) {
            texts.push(text.into());
        }
    }

    /// An id, of which so many bits are enough; returns its number.
    pub(super) fn id(&mut self, at: usize, (id, bits): (RecordId, u8), known: &mut Known) -> u32 {
        self.order.note(at);
        match self.all.get_mut(at) {
            Some(Part::Ids(ids)) => ids.add(id, bits, known),
            _ => 0,
        }
    }

    /// Puts other numbers in place of the ones in a column.
    pub(super) fn renumber(&mut self, at: usize, number: impl Fn(i64) -> i64) {
        if let Some(Part::Numbers(numbers)) = self.all.get_mut(at) {
            for it in numbers {
                *it = number(*it);
            }
        }
    }

    /// Bytes, or a value in postcard.
    pub(super) fn bytes(&mut self, at: usize, bytes: &[u8]) {
        self.order.note(at);
        if let Some(Part::Bytes(all) | Part::Plain(all) | Part::Values(all)) = self.all.get_mut(at)
        {
            all.extend_from_slice(bytes);
        }
    }

    /// The same as streams, behind these counts; `None`: there is too much in them.
    pub(super) fn write_streams(&self, counts: &[usize], packer: &mut Packer) -> Option<Vec<u8>> {
        streams::write(&self.all, &self.order, counts, packer)
    }

    /// Appends the pool, the counts and all columns.
    pub(super) fn write(&self, out: &mut Vec<u8>, counts: &[usize], packer: &mut Packer) {
        let (mut columns, mut pool) = (Vec::new(), Vec::new());
        let mut usual = [0_u8; fixed::USUAL_BYTES];
        for (at, part) in self.all.iter().enumerate() {
            let start = columns.len();
            part.write(&mut columns, &mut pool, packer);
            if at < fixed::COUNT
                && columns.get(start..) == Some(fixed::usual(at))
                && let Some(bits) = usual.get_mut(at / 8)
            {
                *bits |= 1 << (at % 8);
                columns.truncate(start);
            }
        }
        packer.write(out, &pool);
        for count in counts {
            put_varint(out, *count as u64);
        }
        out.extend(usual);
        out.append(&mut columns);
    }
}
