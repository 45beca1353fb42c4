//! The entries of a page as bytes. What they are, and their places in the log, are columns; records and
//! edits stand together; what the others tell comes by kind, in the order of the entries.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use super::at_most::at_most;
use super::columns::{decode_numbers, encode_numbers};
use super::edits::{Stemmed, decode_stemmed_records, encode_for};
use super::message::{Admitted, Entry, MovedLeg};
use super::{DecodeError, Lexicon, Stem};
use crate::limits::{COLUMNS_MAX, PAGE_EDITS_MAX};
use crate::model::{
    ActorId, Denial, DeviceNumber, Edit, EditId, PolicyEpoch, RecordId, Sequence, TableName,
    Timestamp,
};

/// What an entry is, in the first column.
mod kind {
    pub(super) const EDIT: i64 = 0;
    pub(super) const WHOLE: i64 = 1;
    pub(super) const OWN: i64 = 2;
    pub(super) const SPLIT: i64 = 3;
    pub(super) const GONE: i64 = 4;
    pub(super) const ERASED: i64 = 5;
    pub(super) const MOVED: i64 = 6;
    /// An own edit that was admitted as it was sent.
    pub(super) const OWN_AS_SENT: i64 = 7;
    /// An edit whose record is named by a stem of those of one owner.
    pub(super) const EDIT_OF_OWNER: i64 = 8;
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Own(EditId, Admitted);

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Split(
    EditId,
    TableName,
    RecordId,
    #[serde(deserialize_with = "at_most::<_, _, COLUMNS_MAX>")] Vec<Denial>,
    PolicyEpoch,
);

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Moved(
    ActorId,
    Timestamp,
    #[serde(deserialize_with = "at_most::<_, _, PAGE_EDITS_MAX>")] pub(super) Vec<MovedLeg>,
);

#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    entries: u16,
    /// Kinds and places.
    #[serde(borrow)]
    columns: Cow<'a, [u8]>,
    /// Devices, counters and parts of own edits that were admitted as they were sent.
    #[serde(borrow)]
    sent: Cow<'a, [u8]>,
    /// Nothing where there are none.
    #[serde(borrow)]
    edits: Cow<'a, [u8]>,
    rare: Option<Rare>,
}

/// Of what comes seldom.
#[derive(Default, PartialEq, Serialize, Deserialize)]
struct Rare {
    #[serde(deserialize_with = "at_most::<_, _, PAGE_EDITS_MAX>")]
    owns: Vec<Own>,
    #[serde(deserialize_with = "at_most::<_, _, PAGE_EDITS_MAX>")]
    splits: Vec<Split>,
    /// Of records that are gone or erased.
    #[serde(deserialize_with = "at_most::<_, _, PAGE_EDITS_MAX>")]
    places: Vec<(TableName, RecordId)>,
    #[serde(deserialize_with = "at_most::<_, _, PAGE_EDITS_MAX>")]
    moves: Vec<Moved>,
}

/// What entries tell, apart.
#[derive(Default)]
struct Apart {
    kinds: Vec<i64>,
    sequences: Vec<i64>,
    sent: Vec<EditId>,
    edits: Vec<Edit>,
    /// How much is told of the ids of their records.
    bits: Vec<u8>,
    rare: Rare,
}

impl Apart {
    fn add(&mut self, entry: &Entry) {
        let (kind, sequence) = match entry {
            Entry::Edit { sequence, edit, bits, of_owner } => {
                self.edits.push(edit.clone());
                self.bits.push(*bits);
                (if *of_owner { kind::EDIT_OF_OWNER } else { kind::EDIT }, *sequence)
            }
            Entry::Whole { version, record } => {
                self.edits.push(record.clone());
                self.bits.push(Stem::WHOLE);
                (kind::WHOLE, *version)
            }
            Entry::Own { sequence, id, admitted: None } => {
                self.sent.push(*id);
                (kind::OWN_AS_SENT, *sequence)
            }
            Entry::Own { sequence, id, admitted: Some(admitted) } => {
                self.rare.owns.push(Own(*id, admitted.clone()));
                (kind::OWN, *sequence)
            }
            Entry::Split { id, table, record, columns, epoch } => {
                self.rare.splits.push(Split(*id, table.clone(), *record, columns.clone(), *epoch));
                // It has no place: that of the entry before is the shortest to tell.
                let before = self.sequences.last().map_or(0, |it| it.cast_unsigned());
                (kind::SPLIT, Sequence(before))
            }
            Entry::Gone { sequence, table, record } => {
                self.rare.places.push((table.clone(), *record));
                (kind::GONE, *sequence)
            }
            Entry::Erased { sequence, table, record } => {
                self.rare.places.push((table.clone(), *record));
                (kind::ERASED, *sequence)
            }
            Entry::Moved { sequence, actor, at, legs } => {
                self.rare.moves.push(Moved(*actor, *at, legs.clone()));
                (kind::MOVED, *sequence)
            }
        };
        self.kinds.push(kind);
        self.sequences.push(sequence.0.cast_signed());
    }
}

pub(super) fn serialize<S: Serializer>(entries: &[Entry], to: S) -> Result<S::Ok, S::Error> {
    let mut apart = Apart::default();
    for entry in entries {
        apart.add(entry);
    }
    let Apart { kinds, sequences, sent, edits, bits, rare } = apart;
    let bytes = if edits.is_empty() {
        Vec::new()
    } else {
        encode_for(&edits, &bits, &Lexicon::default()).map_err(ser::Error::custom)?
    };
    let wire = Wire {
        entries: u16::try_from(entries.len()).map_err(ser::Error::custom)?,
        columns: encode_numbers(&[&kinds, &sequences]).into(),
        sent: encode_sent(&sent).into(),
        edits: bytes.into(),
        rare: (rare != Rare::default()).then_some(rare),
    };
    wire.serialize(to)
}

fn encode_sent(sent: &[EditId]) -> Vec<u8> {
    if sent.is_empty() {
        return Vec::new();
    }
    let column = |of: fn(&EditId) -> i64| sent.iter().map(of).collect::<Vec<_>>();
    let counters = column(|it| it.counter.cast_signed());
    encode_numbers(&[&column(|it| it.device.0.into()), &counters, &column(|it| it.part.into())])
}

fn decode_sent(bytes: &[u8], count: usize) -> Result<Vec<EditId>, DecodeError> {
    if count == 0 && bytes.is_empty() {
        return Ok(Vec::new());
    }
    let [devices, counters, parts] = decode_numbers(bytes, count)?;
    let narrow = |number: i64| {
        u32::try_from(number).map_err(|_| DecodeError::Value(format!("{number} is in no edit id")))
    };
    let id = |((device, counter), part): ((i64, i64), i64)| {
        let device = DeviceNumber(narrow(device)?);
        Ok(EditId { device, counter: counter.cast_unsigned(), part: narrow(part)? })
    };
    devices.into_iter().zip(counters).zip(parts).map(id).collect()
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Entry>, D::Error> {
    read(Wire::deserialize(from)?).map_err(de::Error::custom)
}

fn read(wire: Wire<'_>) -> Result<Vec<Entry>, DecodeError> {
    let count = wire.entries.into();
    DecodeError::bound("entries in a page", count, PAGE_EDITS_MAX)?;
    let [kinds, sequences] = decode_numbers(&wire.columns, count)?;
    // A whole record holds the changes of all its edits.
    let Stemmed { edits, bits } = match &*wire.edits {
        [] => Stemmed::default(),
        bytes => decode_stemmed_records(bytes, PAGE_EDITS_MAX)?,
    };
    let Rare { owns, splits, places, moves } = wire.rare.unwrap_or_default();
    let mut edits = edits.into_iter().zip(bits);
    let sent = kinds.iter().filter(|kind| **kind == kind::OWN_AS_SENT).count();
    let mut sent = decode_sent(&wire.sent, sent)?.into_iter();
    let (mut owns, mut splits) = (owns.into_iter(), splits.into_iter());
    let (mut places, mut moves) = (places.into_iter(), moves.into_iter());
    let mut entry = |kind, sequence| {
        Some(match kind {
            kind::EDIT | kind::EDIT_OF_OWNER => {
                let (edit, bits) = edits.next()?;
                Entry::Edit { sequence, edit, bits, of_owner: kind == kind::EDIT_OF_OWNER }
            }
            kind::WHOLE => {
                let (record, _) = edits.next().filter(|(_, bits)| *bits == Stem::WHOLE)?;
                Entry::Whole { version: sequence, record }
            }
            kind::OWN_AS_SENT => Entry::Own { sequence, id: sent.next()?, admitted: None },
            kind::OWN => {
                let Own(id, admitted) = owns.next()?;
                Entry::Own { sequence, id, admitted: Some(admitted) }
            }
            kind::SPLIT => {
                let Split(id, table, record, columns, epoch) = splits.next()?;
                Entry::Split { id, table, record, columns, epoch }
            }
            kind::GONE => {
                let (table, record) = places.next()?;
                Entry::Gone { sequence, table, record }
            }
            kind::ERASED => {
                let (table, record) = places.next()?;
                Entry::Erased { sequence, table, record }
            }
            kind::MOVED => {
                let Moved(actor, at, legs) = moves.next()?;
                Entry::Moved { sequence, actor, at, legs }
            }
            _ => return None,
        })
    };
    let read = kinds.into_iter().zip(sequences).map(|(kind, sequence)| {
        entry(kind, Sequence(sequence.cast_unsigned())).ok_or_else(|| {
            DecodeError::Value("an entry of a page is missing, or of no kind".into())
        })
    });
    let read = read.collect::<Result<Vec<_>, _>>()?;
    let left = edits.len() + owns.len() + splits.len() + places.len() + moves.len();
    if left > 0 {
        return Err(DecodeError::Value(format!("{left} things of a page belong to no entry")));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Check, Digest, Page, ToDevice, decode_message, encode_message};

    fn edit() -> Edit {
        let id = EditId { device: DeviceNumber(0), counter: 0, part: 0 };
        let (table, record) = ("note".parse().unwrap(), RecordId::from_bytes([7; 16]));
        Edit { id, table, record, atomic: 0, changes: Vec::new() }
    }

    /// One of each, with places that go up and down.
    fn entries() -> Vec<Entry> {
        let Edit { id, table, record, .. } = edit();
        let check = Check { readable: Digest([3; 16]), columns: [1, 2, 3, 4] };
        let columns = vec![Denial::malformed("it is so")];
        let epoch = PolicyEpoch(4);
        let actor = ActorId { device: DeviceNumber(2), incarnation: u64::MAX };
        let (at, legs) = (Timestamp::default(), Vec::new());
        let place = || (table.clone(), record);
        let ((of_split, _), (of_own, _), (of_gone, _)) = (place(), place(), place());
        let admitted = Some(Admitted { table: of_own, record, check });
        vec![
            Entry::Edit { sequence: Sequence(9), edit: edit(), bits: Stem::WHOLE, of_owner: false },
            Entry::Edit { sequence: Sequence(9), edit: edit(), bits: Stem::WHOLE, of_owner: true },
            Entry::Split { id, table: of_split, record, columns, epoch },
            Entry::Own { sequence: Sequence(u64::MAX), id, admitted },
            Entry::Own { sequence: Sequence(10), id, admitted: None },
            Entry::Gone { sequence: Sequence(3), table: of_gone, record },
            Entry::Whole { version: Sequence(0), record: edit() },
            Entry::Moved { sequence: Sequence(12), actor, at, legs },
            Entry::Erased { sequence: Sequence(13), table, record },
        ]
    }

    #[test]
    fn entries_of_all_kinds_come_back_in_their_order() {
        let mut all = entries();
        for _ in 0..2 {
            let page = ToDevice::Page(Page { entries: all.clone(), ..Page::default() });
            let bytes = encode_message(&page).unwrap();
            assert_eq!(decode_message::<ToDevice>(&bytes).unwrap(), page);
            all.reverse();
        }
    }

    #[test]
    fn places_of_a_full_page_are_read_however_little_they_take() {
        let gone = |number: u64| {
            let Edit { table, record, .. } = edit();
            Entry::Gone { sequence: Sequence(number / 16_000 * u64::MAX / 3), table, record }
        };
        let entries: Vec<_> = (0..PAGE_EDITS_MAX as u64).map(gone).collect();
        let page = ToDevice::Page(Page { entries, ..Page::default() });
        let bytes = encode_message(&page).unwrap();
        assert_eq!(decode_message::<ToDevice>(&bytes).unwrap(), page);
    }

    #[test]
    fn what_is_missing_or_left_over_is_refused() {
        let wire = |entries: usize, kind: i64, places: usize| {
            let (kinds, sequences) = (vec![kind; entries], vec![5; entries]);
            let Edit { table, record, .. } = edit();
            Wire {
                entries: u16::try_from(entries).unwrap(),
                columns: encode_numbers(&[&kinds, &sequences]).into(),
                sent: Cow::default(),
                edits: Cow::default(),
                rare: Some(Rare { places: vec![(table, record); places], ..Rare::default() }),
            }
        };
        assert_eq!(read(wire(2, kind::GONE, 2)).unwrap().len(), 2);
        let refused = [
            (wire(2, kind::GONE, 1), "missing"),
            (wire(1, kind::OWN, 0), "missing"),
            (wire(1, kind::EDIT_OF_OWNER + 1, 0), "of no kind"),
            (wire(1, kind::OWN_AS_SENT, 0), "end of buffer"),
            (wire(1, kind::GONE, 3), "2 things"),
            (wire(PAGE_EDITS_MAX + 1, kind::GONE, 0), "entries in a page"),
        ];
        for (wire, why) in refused {
            let error = read(wire).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
