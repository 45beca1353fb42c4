//! Columns into a stream, in the order in which a reader asks for what they hold.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::coder::Encoder;
use super::letters::Letters;
use super::model::Model;
use super::{NEW, SHARED_BITS, USUAL, USUAL_PARTS, is_of_ids};
use crate::codec::columns::fixed;
use crate::codec::columns::ids::{self, Ids};
use crate::codec::columns::input::put_varint;
use crate::codec::columns::packed::Packer;
use crate::codec::columns::part::Part;
use crate::codec::columns::weight::{ID, PART, VALUES_TIMES};

/// The order in which columns are asked for what they hold next.
#[derive(Debug, Default)]
pub(in crate::codec::columns) struct Order {
    /// Names, actors, shapes: what is read before all edits.
    head: [Vec<u32>; 3],
    edits: Vec<u32>,
    is_long: bool,
}

/// Of longer ones nobody looks whether they are shorter as a stream,
const LONG: usize = 1 << 15;
/// nor of so many bytes of texts and values: zstd finds in these what comes again.
const LONG_BYTES: usize = 1 << 16;

impl Order {
    /// Notes that a column is asked.
    pub(in crate::codec::columns) fn note(&mut self, at: usize) {
        if self.is_long {
            return;
        }
        let [names, actors, shapes] = &mut self.head;
        let asked = match at {
            fixed::NAMES => names,
            fixed::ACTOR_DEVICE | fixed::ACTOR_INCARNATION => actors,
            fixed::SECTION..=fixed::OPS => shapes,
            _ => &mut self.edits,
        };
        asked.push(u32::try_from(at).unwrap_or(u32::MAX));
        self.is_long = asked.len() > LONG;
    }
}

/// The streams of these columns, behind these counts; `None`: they are too long.
pub(in crate::codec::columns) fn write(
    parts: &[Part<'_>],
    order: &Order,
    counts: &[usize],
    packer: &mut Packer,
) -> Option<Vec<u8>> {
    if order.is_long || parts.iter().map(bytes_of).sum::<usize>() > LONG_BYTES {
        return None;
    }
    let mut columns: Vec<_> = parts.iter().map(Column::new).collect();
    charge(parts, packer);
    let (mut ids, mut rest) = (Encoder::new(), Encoder::new());
    for count in counts {
        rest.put_number(*count as u64);
    }
    let mut letters = LazyLetters { parts, letters: None };
    for at in order.head.iter().flatten().chain(&order.edits) {
        let at = usize::try_from(*at).ok()?;
        let out = if is_of_ids(at) { &mut ids } else { &mut rest };
        columns.get_mut(at)?.put_next(at, out, &mut letters)?;
    }
    let (ids, rest) = (ids.finish(), rest.finish());
    let mut bytes = Vec::with_capacity(ids.len() + rest.len() + 2);
    put_varint(&mut bytes, ids.len() as u64);
    bytes.extend(ids);
    bytes.extend(rest);
    Some(bytes)
}

/// The letters of all texts, which are told when the first text is.
struct LazyLetters<'p> {
    parts: &'p [Part<'p>],
    letters: Option<Letters>,
}

impl LazyLetters<'_> {
    fn get(&mut self, out: &mut Encoder) -> &mut Letters {
        self.letters.get_or_insert_with(|| {
            let letters = Letters::of(columns_of_texts(self.parts));
            letters.put(out);
            letters
        })
    }
}

fn columns_of_texts<'t>(parts: &'t [Part<'_>]) -> impl Iterator<Item = &'t [u8]> {
    let texts = parts.iter().filter_map(|part| match part {
        Part::Texts(texts) => Some(texts),
        _ => None,
    });
    texts.flat_map(|texts| new_texts(texts).1).map(str::as_bytes)
}

/// Which text each is, from 1, or 0 for one that was not there before; and those.
fn new_texts<'t>(texts: &'t [Cow<'_, str>]) -> (Vec<i64>, Vec<&'t str>) {
    let (mut numbers, mut new) = (BTreeMap::new(), Vec::new());
    let mut places = Vec::with_capacity(texts.len());
    for text in texts {
        let place = numbers.get(text.as_ref()).copied();
        places.push(place.unwrap_or(0));
        if place.is_none() {
            new.push(text.as_ref());
            numbers.insert(text.as_ref(), i64::try_from(new.len()).unwrap_or(i64::MAX));
        }
    }
    (places, new)
}

fn bytes_of(part: &Part<'_>) -> usize {
    match part {
        Part::Numbers(_) | Part::Ids(_) => 0,
        Part::Texts(texts) => texts.iter().map(|text| text.len()).sum(),
        Part::Bytes(bytes) | Part::Plain(bytes) | Part::Values(bytes) => bytes.len(),
    }
}

/// What the reader is charged.
fn charge(parts: &[Part<'_>], packer: &mut Packer) {
    packer.charge_each(parts.len(), PART);
    for part in parts {
        match part {
            Part::Numbers(_) => {}
            Part::Texts(texts) => {
                packer.charge_each(bytes_of(part), 1);
                packer.charge_each(new_texts(texts).1.iter().map(|text| text.len()).sum(), 1);
            }
            Part::Ids(ids) => packer.charge_each(ids.fresh.len() + ids.stems.len(), ID),
            Part::Bytes(bytes) | Part::Plain(bytes) => packer.charge_each(bytes.len(), 2),
            Part::Values(bytes) => packer.charge_each(bytes.len(), 1 + VALUES_TIMES),
        }
    }
}

/// A column, and how far it was written.
enum Column<'p> {
    Numbers(Numbers),
    Texts(Texts<'p>),
    Ids(Box<IdColumn<'p>>),
    /// All of them come when the first is asked for.
    Bytes(Option<&'p [u8]>),
}

impl<'p> Column<'p> {
    fn new(part: &'p Part<'_>) -> Self {
        match part {
            Part::Numbers(numbers) => Self::Numbers(Numbers::new(numbers.clone())),
            Part::Texts(texts) => Self::Texts(Texts::new(texts)),
            Part::Ids(ids) => Self::Ids(Box::new(IdColumn::new(ids))),
            Part::Bytes(bytes) | Part::Plain(bytes) | Part::Values(bytes) => {
                Self::Bytes(Some(bytes))
            }
        }
    }

    fn put_next(
        &mut self,
        at: usize,
        out: &mut Encoder,
        letters: &mut LazyLetters<'_>,
    ) -> Option<()> {
        match self {
            Self::Numbers(numbers) => {
                if numbers.is_new() && at < fixed::COUNT && numbers.put_usual(at, out) {
                    return Some(());
                }
                numbers.put_next(out)
            }
            Self::Texts(texts) => texts.put_next(out, letters),
            Self::Ids(ids) => ids.put_next(out),
            Self::Bytes(bytes) => {
                if let Some(bytes) = bytes.take() {
                    out.put_number(bytes.len() as u64);
                    for byte in bytes {
                        out.put_bits((*byte).into(), 8);
                    }
                }
                Some(())
            }
        }
    }
}

/// Numbers, the next of which is at the end.
struct Numbers {
    left: Vec<i64>,
    model: Option<Model>,
}

impl Numbers {
    fn new(mut numbers: Vec<i64>) -> Self {
        numbers.reverse();
        Self { left: numbers, model: None }
    }

    fn is_new(&self) -> bool {
        self.model.is_none()
    }

    /// Says whether a column that is always there is as it mostly is.
    fn put_usual(&mut self, at: usize, out: &mut Encoder) -> bool {
        let usual = fixed::usual_number(at);
        let is_usual = self.left.iter().all(|number| *number == usual);
        let part = if is_usual { (0, USUAL) } else { (USUAL, USUAL_PARTS - USUAL) };
        out.put(part, USUAL_PARTS);
        if is_usual {
            self.model = Some(Model::one(usual));
        }
        is_usual
    }

    fn put_next(&mut self, out: &mut Encoder) -> Option<()> {
        if self.model.is_none() {
            let numbers: Vec<_> = self.left.iter().rev().copied().collect();
            let model = Model::of(&numbers);
            model.put(out);
            self.model = Some(model);
        }
        let number = self.left.pop()?;
        self.model.as_mut()?.put_next(number, out);
        Some(())
    }
}

struct Texts<'p> {
    /// Which each is.
    places: Numbers,
    lengths: Numbers,
    new: std::vec::IntoIter<&'p str>,
}

impl<'p> Texts<'p> {
    fn new(texts: &'p [Cow<'_, str>]) -> Self {
        let (places, new) = new_texts(texts);
        let length = |text: &&str| i64::try_from(text.len()).unwrap_or(i64::MAX);
        let lengths = new.iter().map(length).collect();
        Self { places: Numbers::new(places), lengths: Numbers::new(lengths), new: new.into_iter() }
    }

    fn put_next(&mut self, out: &mut Encoder, letters: &mut LazyLetters<'_>) -> Option<()> {
        let is_new = self.places.left.last() == Some(&NEW);
        self.places.put_next(out)?;
        if is_new {
            self.lengths.put_next(out)?;
            let letters = letters.get(out);
            for byte in self.new.next()?.bytes() {
                letters.put_next(byte, out);
            }
        }
        Some(())
    }
}

struct IdColumn<'p> {
    numbers: Numbers,
    /// Of those that are told whole.
    parts: [Numbers; ids::PARTS.len()],
    shared: u8,
    lengths: Numbers,
    stems: std::slice::Iter<'p, (u128, u8)>,
}

impl<'p> IdColumn<'p> {
    fn new(ids: &'p Ids) -> Self {
        let shared = ids.shared();
        let more = |(_, bits): &(u128, u8)| i64::from(bits.saturating_sub(shared));
        Self {
            numbers: Numbers::new(ids.numbers.clone()),
            parts: ids.parts().map(Numbers::new),
            shared,
            lengths: Numbers::new(ids.stems.iter().map(more).collect()),
            stems: ids.stems.iter(),
        }
    }

    fn put_next(&mut self, out: &mut Encoder) -> Option<()> {
        let number = self.numbers.left.last().copied()?;
        self.numbers.put_next(out)?;
        match number {
            ids::FRESH => self.parts.iter_mut().try_for_each(|part| part.put_next(out)),
            ids::FRESH_STEM => self.put_stem(out),
            _ => Some(()),
        }
    }

    fn put_stem(&mut self, out: &mut Encoder) -> Option<()> {
        let (id, bits) = self.stems.next()?;
        let first = |bits: u8| id.checked_shr(u128::BITS - u32::from(bits)).unwrap_or(0);
        if self.lengths.is_new() {
            out.put_bits(self.shared.into(), SHARED_BITS);
            out.put_bits(first(self.shared), self.shared);
        }
        self.lengths.put_next(out)?;
        out.put_bits(first(*bits), bits.saturating_sub(self.shared));
        Some(())
    }
}
