//! A page while it is filled.

use super::bounds::PageBounds;
use super::past::Pasts;
use crate::codec::{Entry, MovedLeg};

/// What is next for a device.
#[derive(Debug)]
pub(super) enum Next {
    /// A page; of nothing, where all was looked at.
    Page(Vec<Entry>),
    /// So much was looked at that it is the turn of others, and the page is not full yet.
    Look,
    /// These must begin anew before it.
    Pasts(Pasts),
}

/// What a device is told at a place: the entries, or nothing before something has begun anew.
#[derive(Debug, Default)]
pub(super) struct Telling {
    pub(super) entries: Vec<Entry>,
    pub(super) pasts: Pasts,
}

impl Telling {
    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    pub(super) fn extend(&mut self, entries: impl IntoIterator<Item = Entry>) {
        self.entries.extend(entries);
    }
}

/// The entries of a page, and how full it is.
#[derive(Debug, Default)]
pub(super) struct Filling {
    entries: Vec<Entry>,
    told: usize,
    bytes: u64,
}

impl Filling {
    /// Adds an entry. Records that one entry of the log moves become one of the page.
    pub(super) fn push(&mut self, entry: Entry) {
        self.told += 1;
        self.bytes = self.bytes.saturating_add(entry.row_bytes());
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

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn is_full(&self, bounds: PageBounds) -> bool {
        self.bytes > bounds.bytes || self.told >= bounds.entries
    }

    /// The page, which ends before what has such a past; or where it is empty, that.
    pub(super) fn or(self, pasts: Pasts) -> Next {
        if pasts.is_empty() || !self.is_empty() {
            Next::Page(self.entries)
        } else {
            Next::Pasts(pasts)
        }
    }
}

fn add(legs: &mut Vec<MovedLeg>, new: MovedLeg) {
    let names = |leg: &MovedLeg| (leg.owner.clone(), leg.business_unit.clone(), leg.table.clone());
    match legs.last_mut().filter(|last| names(last) == names(&new)) {
        Some(last) => last.records.extend(new.records),
        None => legs.push(new),
    }
}
