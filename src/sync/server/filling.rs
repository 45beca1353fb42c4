//! A page while it is filled.

use super::PageBounds;
use crate::codec::{Entry, MovedLeg};
use crate::model::Op;

/// The entries of a page, and how full it is.
#[derive(Debug, Default)]
pub(super) struct Filling {
    entries: Vec<Entry>,
    told: usize,
    bytes: usize,
}

impl Filling {
    /// Adds an entry. Records that one entry of the log moves become one of the page.
    pub(super) fn push(&mut self, entry: Entry) {
        self.told += 1;
        self.bytes += entry_bytes(&entry);
        match (self.entries.last_mut(), entry) {
            (
                Some(Entry::Moved { sequence: last, legs, .. }),
                Entry::Moved { sequence, legs: new, .. },
            ) if *last == sequence => new.into_iter().for_each(|leg| add(legs, leg)),
            (_, entry) => self.entries.push(entry),
        }
    }

    pub(super) fn extend(&mut self, entries: impl IntoIterator<Item = Entry>) {
        entries.into_iter().for_each(|entry| self.push(entry));
    }

    /// How much was told.
    pub(super) fn told(&self) -> usize {
        self.told
    }

    pub(super) fn is_full(&self, bounds: PageBounds) -> bool {
        self.bytes > bounds.bytes || self.told >= bounds.looks
    }

    pub(super) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }
}

fn add(legs: &mut Vec<MovedLeg>, new: MovedLeg) {
    let names = |leg: &MovedLeg| (leg.owner.clone(), leg.business_unit.clone(), leg.table.clone());
    match legs.last_mut().filter(|last| names(last) == names(&new)) {
        Some(last) => last.records.extend(new.records),
        None => legs.push(new),
    }
}

/// What an entry takes in a page, roughly.
fn entry_bytes(entry: &Entry) -> usize {
    match entry {
        Entry::Edit { edit, .. } | Entry::Whole { record: edit, .. } => {
            32 + 16 * edit.changes.len() + edit.ops().map(Op::size).sum::<usize>()
        }
        Entry::Own { .. } | Entry::Gone { .. } | Entry::Erased { .. } | Entry::Moved { .. } => 64,
    }
}
