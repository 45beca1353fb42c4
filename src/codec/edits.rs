//! Edits as they are signed and sent: rows, columns, or streams where they are few; whichever is shortest.
//!
//! The first byte tells which. What is kept in files and what goes into digests is rows without it:
//! [`encode_rows`]. `docs/format.md` draws all of it.

use super::columns::{self, Encoded};
use super::rows::encode_rows_for;
use super::{DecodeError, Lexicon, Stem, decode_rows, decode_rows_up_to};
use crate::limits::CHANGE_SET_EDITS_MAX;
use crate::model::Edit;

pub(super) const ROWS: u8 = 0;
pub(super) const COLUMNS: u8 = 1;
pub(super) const STREAMS: u8 = 2;

/// In which form edits are written. A writer takes the shortest; a reader takes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// One after the other.
    Rows,
    /// What many say of one thing stands together.
    Columns,
    /// As columns, each thing at the cost of its choice.
    Streams,
}

/// With more changes, nobody looks whether rows are.
const ROWS_TO_CHANGES: usize = 256;

/// Edits that were read.
#[derive(Debug, Default)]
pub(super) struct Stemmed {
    /// The edits; what was not told of the id of a record is zero.
    pub(super) edits: Vec<Edit>,
    /// How many bits were told of the id of each one's record.
    pub(super) bits: Vec<u8>,
}

/// Writes edits as bytes, for others to read.
///
/// # Errors
/// None in practice: the serializer can only fail on kinds of data that edits do not hold.
pub fn encode_edits(edits: &[Edit]) -> Result<Vec<u8>, DecodeError> {
    encode_for(edits, &[], &Lexicon::default())
}

/// As [`encode_edits`], in this form, to compare them; `None`: a reader would refuse it, or they are too many for it.
///
/// # Errors
/// As [`encode_edits`].
pub fn encode_edits_in(form: Form, edits: &[Edit]) -> Result<Option<Vec<u8>>, DecodeError> {
    let lexicon = Lexicon::default();
    let encoded = || columns::encode(edits, &[], &lexicon);
    let (form, bytes) = match form {
        Form::Rows => (ROWS, Some(encode_rows_for(edits, &lexicon)?)),
        Form::Columns => (COLUMNS, encoded().columns),
        Form::Streams => (STREAMS, encoded().streams),
    };
    Ok(bytes.map(|bytes| [&[form][..], &bytes].concat()))
}

/// As [`encode_edits`], for a reader who has these names, and for whom so many bits of the id of each one's record
/// are enough: as columns, if a reader takes these; as rows all of it is told.
pub(super) fn encode_for(
    edits: &[Edit],
    bits: &[u8],
    lexicon: &Lexicon,
) -> Result<Vec<u8>, DecodeError> {
    let changes: usize = edits.iter().map(|edit| edit.changes.len()).sum();
    let has_stems = bits.iter().any(|bits| *bits < Stem::WHOLE);
    let Encoded { columns, streams } = columns::encode(edits, bits, lexicon);
    let is_known = columns.is_some() || streams.is_some();
    // Rows tell ids whole.
    let are_rows_longer = is_known && (changes > ROWS_TO_CHANGES || has_stems);
    let rows = if are_rows_longer { None } else { Some(encode_rows_for(edits, lexicon)?) };
    let forms = [(ROWS, rows), (COLUMNS, columns), (STREAMS, streams)];
    let forms = forms.into_iter().filter_map(|(form, bytes)| Some((form, bytes?)));
    let (form, bytes) = forms.min_by_key(|(_, bytes)| bytes.len()).unwrap_or_default();
    Ok([&[form][..], &bytes].concat())
}

/// Reads edits from bytes that may come from anywhere.
///
/// # Errors
/// The bytes are no such edits, or break a bound, which the error names.
pub fn decode_edits(bytes: &[u8]) -> Result<Vec<Edit>, DecodeError> {
    decode_edits_up_to(bytes, CHANGE_SET_EDITS_MAX)
}

/// As [`decode_edits`], with another bound for the number of edits.
///
/// # Errors
/// As [`decode_edits`].
pub fn decode_edits_up_to(bytes: &[u8], edits_max: usize) -> Result<Vec<Edit>, DecodeError> {
    whole(decode_for(bytes, edits_max, &Lexicon::default())?)
}

/// As [`decode_edits`], of edits that may name their records by stems, and were written for who has these names.
pub(super) fn decode_for(
    bytes: &[u8],
    edits_max: usize,
    lexicon: &Lexicon,
) -> Result<Stemmed, DecodeError> {
    match form(bytes)? {
        (ROWS, rows) => Ok(all_told(decode_rows(rows, edits_max, lexicon)?)),
        (COLUMNS, columns) => columns::decode(columns, edits_max, true, lexicon),
        (STREAMS, streams) => columns::decode_streams(streams, edits_max, true, lexicon),
        (found, _) => Err(unknown(found)),
    }
}

/// Reads whole records, whose changes are all those ever made, from bytes that may come from
/// anywhere: what bounds them is the length of `bytes`, and for columns besides
/// [`crate::limits::COLUMNS_DECODED_BYTES_MAX`].
///
/// # Errors
/// The bytes are no such edits, or hold more than `edits_max`.
pub fn decode_records_up_to(bytes: &[u8], edits_max: usize) -> Result<Vec<Edit>, DecodeError> {
    whole(decode_stemmed_records(bytes, edits_max)?)
}

/// As [`decode_records_up_to`], of edits that may name their records by stems.
pub(super) fn decode_stemmed_records(
    bytes: &[u8],
    edits_max: usize,
) -> Result<Stemmed, DecodeError> {
    match form(bytes)? {
        (ROWS, rows) => Ok(all_told(decode_rows_up_to(rows, edits_max)?)),
        (COLUMNS, columns) => columns::decode(columns, edits_max, false, &Lexicon::default()),
        (STREAMS, streams) => {
            columns::decode_streams(streams, edits_max, false, &Lexicon::default())
        }
        (found, _) => Err(unknown(found)),
    }
}

fn all_told(edits: Vec<Edit>) -> Stemmed {
    let bits = vec![Stem::WHOLE; edits.len()];
    Stemmed { edits, bits }
}

fn whole(Stemmed { edits, bits }: Stemmed) -> Result<Vec<Edit>, DecodeError> {
    if bits.iter().all(|bits| *bits == Stem::WHOLE) {
        return Ok(edits);
    }
    Err(DecodeError::Value("part of a record's id is told where nobody knows the rest".into()))
}

fn form(bytes: &[u8]) -> Result<(u8, &[u8]), DecodeError> {
    let (form, rest) = bytes.split_first().ok_or_else(|| DecodeError::Value("no edits".into()))?;
    Ok((*form, rest))
}

fn unknown(form: u8) -> DecodeError {
    DecodeError::Value(format!("{form} is no form of edits"))
}
