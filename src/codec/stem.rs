//! Stems: the first bits of a record's id, by which whoever has the record knows which one is meant.
//!
//! An id is 128 bits, nearly all of them chance; among a hundred thousand records some twenty tell one
//! from all others. The sender sees to it that no other record begins so that the receiver can take for it,
//! and adds a digest of the whole ids, by which the receiver knows that it found the right ones.

use serde::{Deserialize, Serialize};

use crate::model::RecordId;

/// The first bits of a record's id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stem {
    first: RecordId,
    bits: u8,
}

impl Stem {
    /// The bits of a whole id.
    pub const WHOLE: u8 = 128;

    /// The first `bits` of an id; all of them where that is more than there are.
    #[must_use]
    pub fn of(id: RecordId, bits: u8) -> Self {
        let bits = bits.min(Self::WHOLE);
        let rest = u128::MAX.checked_shr(bits.into()).unwrap_or(0);
        let first = u128::from_be_bytes(*id.as_bytes()) & !rest;
        Self { first: RecordId::from_bytes(first.to_be_bytes()), bits }
    }

    /// The least id that begins so.
    #[must_use]
    pub fn first(&self) -> RecordId {
        self.first
    }

    /// How many bits they are.
    #[must_use]
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// Whether an id begins so.
    #[must_use]
    pub fn is_of(&self, id: RecordId) -> bool {
        Self::of(id, self.bits) == *self
    }
}

/// How many bits tell an id from the ones before and behind it in their order, and so from all.
#[must_use]
pub fn telling_bits(id: RecordId, others: impl IntoIterator<Item = RecordId>) -> u8 {
    let number = |id: RecordId| u128::from_be_bytes(*id.as_bytes());
    let shared = |other: RecordId| (number(id) ^ number(other)).leading_zeros();
    let most = others.into_iter().map(shared).max().map_or(0, |shared| shared + 1);
    u8::try_from(most).unwrap_or(Stem::WHOLE).min(Stem::WHOLE)
}

/// A digest (BLAKE3, 4 bytes) of the ids that are told by their stems, one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IdsDigest(pub [u8; 4]);

impl IdsDigest {
    /// Of these ids; `None`: there are none.
    pub fn of(ids: impl IntoIterator<Item = RecordId>) -> Option<Self> {
        let mut ids = ids.into_iter().peekable();
        ids.peek()?;
        let mut hasher = blake3::Hasher::new_derive_key("tidegate 2026 digest of record ids");
        for id in ids {
            hasher.update(id.as_bytes());
        }
        let [a, b, c, d, ..] = *hasher.finalize().as_bytes();
        Some(Self([a, b, c, d]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> RecordId {
        RecordId::from_bytes(number.to_be_bytes())
    }

    #[test]
    fn a_stem_is_of_all_ids_that_begin_so_and_no_others() {
        let all = id(u128::MAX);
        for bits in 0..=Stem::WHOLE {
            let stem = Stem::of(all, bits);
            assert_eq!(
                (stem.bits(), stem.is_of(all), stem.is_of(stem.first())),
                (bits, true, true)
            );
            let other = u128::MAX ^ 1_u128.checked_shl(127 - u32::from(bits.min(127))).unwrap();
            // It differs in the first bit behind; of a whole id there is none.
            assert_eq!(stem.is_of(id(other)), bits < Stem::WHOLE, "{bits}");
            if bits > 0 {
                assert!(!stem.is_of(id(u128::MAX ^ (1 << (128 - u32::from(bits))))), "{bits}");
            }
        }
        assert_eq!(Stem::of(all, 200), Stem::of(all, Stem::WHOLE));
    }

    #[test]
    fn so_many_bits_tell_an_id_from_others_and_one_less_does_not() {
        let ids = [0, 1, 7, 1 << 64, (1 << 64) + 5, 3 << 126, u128::MAX].map(id);
        for (at, one) in ids.into_iter().enumerate() {
            let others = || ids.into_iter().filter(move |other| *other != one);
            let bits = telling_bits(one, others());
            assert!(others().all(|other| !Stem::of(one, bits).is_of(other)), "{at}");
            assert!(others().any(|other| Stem::of(one, bits - 1).is_of(other)), "{at}");
            // The one before and the one behind are enough.
            let beside = [at.checked_sub(1), Some(at + 1)].into_iter().flatten();
            assert_eq!(telling_bits(one, beside.filter_map(|at| ids.get(at).copied())), bits);
        }
        assert_eq!(telling_bits(id(5), []), 0);
        assert_eq!(telling_bits(id(5), [id(5)]), Stem::WHOLE);
    }

    #[test]
    fn a_digest_is_of_all_ids_and_of_their_order() {
        assert_eq!(IdsDigest::of([]), None);
        let digests = [vec![1], vec![2], vec![1, 2], vec![2, 1]];
        let digests = digests.map(|ids| IdsDigest::of(ids.into_iter().map(id)).unwrap());
        for (at, one) in digests.iter().enumerate() {
            assert!(digests[at + 1..].iter().all(|other| other != one));
        }
    }
}
