//! How much the server looks at and sends at a time.

use super::connection::Device;
use crate::codec::Entry;
use crate::limits::{
    PAGE_BYTES_FIRST, PAGE_BYTES_TARGET, PAGE_ENTRIES_MAX, PAGE_GROWTH, PAGE_LOOKS_MAX,
    PAGE_ROUNDS_MAX,
};

/// How much the server looks at and sends at a time.
///
/// Edits that travel together take fewer bytes each, and a large page holds up everybody else, and comes
/// again as a whole where the network fails. So the first page of a session is small, and each may be some
/// times what came before it; and several devices share what one would have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageBounds {
    /// Entries of the log, or records of a scan, that are looked at in one go, and entries of the first page
    /// of a session; at least one.
    pub looks: usize,
    /// How often so many are looked at without filling a page before others have their turn; at least
    /// once.
    pub rounds: usize,
    /// Entries of a page, at most, where one device is connected: each of several has its share of them, or
    /// `looks`.
    pub entries: usize,
    /// Bytes of edits as rows that a page aims at, in the same way; one more edit may exceed it.
    pub bytes: u64,
}

impl Default for PageBounds {
    fn default() -> Self {
        Self {
            looks: PAGE_LOOKS_MAX,
            rounds: PAGE_ROUNDS_MAX,
            entries: PAGE_ENTRIES_MAX,
            bytes: PAGE_BYTES_TARGET,
        }
    }
}

impl PageBounds {
    /// All pages have so many entries at most.
    #[must_use]
    pub fn of(looks: usize) -> Self {
        Self { looks, entries: looks, ..Self::default() }
    }

    /// What holds for the next page of one of so many devices.
    pub(super) fn next(self, device: &Device, devices: usize) -> Self {
        // A scan ends with the page that spends what an offline profile may take.
        let has_budget =
            device.reader.profile().is_some_and(|it| it.checked().profile().budget.is_some());
        let sent = if has_budget { Extent::default() } else { device.sent };
        let devices = devices.max(1);
        let grown = sent.entries.saturating_mul(PAGE_GROWTH);
        let entries = grown.min(self.entries / devices).max(self.looks);
        let grown = sent.bytes.saturating_mul(PAGE_GROWTH as u64);
        let bytes = grown.min(self.bytes / devices as u64).max(self.bytes.min(PAGE_BYTES_FIRST));
        Self { entries, bytes, ..self }
    }
}

/// How much is in a page, or in several.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extent {
    pub(super) entries: usize,
    /// Of edits, as rows.
    pub(super) bytes: u64,
}

impl Extent {
    pub(super) fn of(entries: &[Entry]) -> Self {
        Self { entries: entries.len(), bytes: entries.iter().map(Entry::row_bytes).sum() }
    }

    pub(super) fn and(self, other: Self) -> Self {
        let entries = self.entries.saturating_add(other.entries);
        Self { entries, bytes: self.bytes.saturating_add(other.bytes) }
    }
}
