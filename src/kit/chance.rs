//! Chance from a seed: the same seed, the same choices.

use crate::sync::Entropy;

/// What an action chooses by, so that a seed replays. Each step of a run has chances of its own: what
/// is left out of a run does not change what the rest chooses.
#[derive(Debug, Clone)]
pub struct Chance(Entropy);

impl Chance {
    /// All that follows is determined by `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes.split_at_mut(8).0.copy_from_slice(&seed.to_le_bytes());
        Self(Entropy::new(bytes))
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`; 0 where there is none.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.number() % bound).unwrap_or_default()
    }

    /// True in so many cases of a hundred.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of these; `None` where there are none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }

    /// The place of one of these, as often as it weighs.
    pub(super) fn weighted(&mut self, weights: impl Iterator<Item = u32> + Clone) -> usize {
        let total: u64 = weights.clone().map(u64::from).sum();
        let mut left = self.number() % total.max(1);
        for (at, weight) in weights.enumerate() {
            if left < u64::from(weight) {
                return at;
            }
            left -= u64::from(weight);
        }
        0
    }

    pub(super) fn seed(&mut self) -> [u8; 32] {
        self.0.bytes()
    }
}
