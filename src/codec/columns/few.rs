//! Columns of whole numbers on their own, beside edits.

use super::input::Input;
use super::numbers;
use super::packed::Packer;
use super::read_numbers::Numbers;
use super::weight::allowance;
use crate::codec::DecodeError;

/// Bytes that a reader is charged at most for a number: where it is listed, in planes, and made of them.
const NUMBER: usize = 24;

/// Writes columns of as many numbers each.
pub(in crate::codec) fn encode_numbers(columns: &[&[i64]]) -> Vec<u8> {
    let (mut out, mut packer) = (Vec::new(), Packer::new());
    for column in columns {
        numbers::write(&mut out, column, &mut packer);
    }
    out
}

/// Reads columns of `count` numbers each. The caller has bounded `count`, and with it what they take.
///
/// # Errors
/// The bytes are no such columns, or become more than so few may.
pub(in crate::codec) fn decode_numbers<const COLUMNS: usize>(
    bytes: &[u8],
    count: usize,
) -> Result<[Vec<i64>; COLUMNS], DecodeError> {
    // Whoever writes them looks at no bound: what they become is bounded by their number.
    let bounded = count.saturating_mul(COLUMNS * NUMBER);
    let mut input = Input::allowing(bytes, allowance(bytes.len()).saturating_add(bounded));
    let mut columns = [const { Vec::new() }; COLUMNS];
    for column in &mut columns {
        let mut numbers = Numbers::read(&mut input)?;
        *column = (0..count).map(|_| numbers.next()).collect::<Result<_, _>>()?;
        numbers.finish()?;
    }
    input.finish()?;
    Ok(columns)
}
