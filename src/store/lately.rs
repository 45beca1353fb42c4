//! Long records that were read or written lately, beside the bytes that they are kept as.
//!
//! To read a record its history is carried out from the beginning, and people who write in a long text
//! change it often. What is kept as the very same bytes is the very same record, whoever wrote these:
//! so nobody must say here that a record changed, and what a snapshot of before reads is right too.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::gate::Confirmed;
use crate::limits::{LATELY_BYTES_MAX, LATELY_BYTES_MIN};

/// Of each key the value that was read or written last, for values from [`LATELY_BYTES_MIN`] on.
#[derive(Default)]
pub(super) struct Lately(Mutex<Vec<Known>>);

struct Known {
    key: Vec<u8>,
    value: Vec<u8>,
    confirmed: Confirmed,
}

impl fmt::Debug for Lately {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lately").finish_non_exhaustive()
    }
}

impl Lately {
    fn known(&self) -> MutexGuard<'_, Vec<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept under this key as this value.
    pub(super) fn find(&self, key: &[u8], value: &[u8]) -> Option<Confirmed> {
        if value.len() < LATELY_BYTES_MIN {
            return None;
        }
        let mut known = self.known();
        let at = known.iter().position(|it| it.key == key && it.value == value)?;
        // Last used last.
        let found = known.remove(at);
        let confirmed = found.confirmed.clone();
        known.push(found);
        Some(confirmed)
    }

    /// Keeps what a value was read as, or was written for. Those that were not used for longest go when
    /// all become too much; one alone may be as long as it likes.
    pub(super) fn keep(&self, key: Vec<u8>, value: Vec<u8>, confirmed: Confirmed) {
        let mut known = self.known();
        known.retain(|it| it.key != key);
        if value.len() < LATELY_BYTES_MIN {
            return;
        }
        let mut bytes: usize = known.iter().map(|it| it.value.len()).sum();
        while bytes + value.len() > LATELY_BYTES_MAX && !known.is_empty() {
            bytes -= known.remove(0).value.len();
        }
        known.push(Known { key, value, confirmed });
    }

    /// Keeps nothing of what was deleted.
    pub(super) fn clear(&self) {
        self.known().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DeviceNumber, Edit, EditId, RecordId, Sequence};

    fn confirmed(version: u64) -> Confirmed {
        let id = EditId { device: DeviceNumber(0), counter: 0, part: 0 };
        let table = "note".parse().unwrap();
        let record = RecordId::from_bytes([1; 16]);
        let nothing = Edit { id, table, record, atomic: 0, changes: Vec::new() };
        Confirmed::from_stored(Sequence(version), &nothing).unwrap()
    }

    #[test]
    fn what_is_kept_as_other_bytes_is_another_record() {
        let lately = Lately::default();
        let [old, new] = [1, 2].map(|byte| vec![byte; LATELY_BYTES_MIN]);
        lately.keep(vec![1], old.clone(), confirmed(1));
        assert_eq!(lately.find(&[1], &old), Some(confirmed(1)));
        assert_eq!(lately.find(&[1], &new), None);
        assert_eq!(lately.find(&[2], &old), None);
        lately.keep(vec![1], new.clone(), confirmed(2));
        assert_eq!(lately.find(&[1], &old), None);
        assert_eq!(lately.find(&[1], &new), Some(confirmed(2)));
        lately.clear();
        assert_eq!(lately.find(&[1], &new), None);
    }

    #[test]
    fn short_values_are_not_kept_and_the_longest_unused_goes_first() {
        let lately = Lately::default();
        let short = vec![0; LATELY_BYTES_MIN - 1];
        lately.keep(vec![0], short.clone(), confirmed(1));
        assert_eq!(lately.find(&[0], &short), None);
        let half = vec![0; LATELY_BYTES_MAX / 2];
        for key in 1..=2 {
            lately.keep(vec![key], half.clone(), confirmed(1));
        }
        assert!(lately.find(&[1], &half).is_some());
        lately.keep(vec![3], half.clone(), confirmed(1));
        let kept = [1, 2, 3].map(|key| lately.find(&[key], &half).is_some());
        assert_eq!(kept, [true, false, true]);
        // One that is longer than all may be is kept alone.
        let long = vec![0; LATELY_BYTES_MAX + 1];
        lately.keep(vec![4], long.clone(), confirmed(1));
        assert!(lately.find(&[3], &half).is_none() && lately.find(&[4], &long).is_some());
    }
}
