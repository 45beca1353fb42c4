//! How much records are in the pages of a scan.

use super::estimate::Taking;
use crate::gate::{Confirmed, RecordFacts, can_read_column};
use crate::limits::{PAGE_BYTES_TARGET, PAGE_ENTRIES_MAX};
use crate::model::{PageBytes, Section, Size, sent_bytes};

/// Counts records in the order of a scan, page by page.
pub(super) struct Pages<'t> {
    taking: &'t Taking,
    page: PageBytes,
    records: usize,
    /// As a scan measures how full a page is.
    filled: u64,
}

impl<'t> Pages<'t> {
    pub(super) fn new(taking: &'t Taking) -> Self {
        Self { taking, page: PageBytes::default(), records: 0, filled: 0 }
    }

    /// How much the next record is: the sections of the profile that the user may read.
    pub(super) fn add(&mut self, confirmed: &Confirmed) -> Size {
        if self.records >= PAGE_ENTRIES_MAX || self.filled > PAGE_BYTES_TARGET {
            *self = Self::new(self.taking);
        }
        let Taking { standing, bound, .. } = self.taking;
        let record = confirmed.record();
        let (table, facts) = (record.table(), RecordFacts::of_header(record.header()));
        let is_taken = |section: &Section| {
            let reads = match section {
                Section::Secured(column) => standing
                    .as_ref()
                    .is_some_and(|standing| can_read_column(standing, table, column, &facts)),
                _ => true,
            };
            let bound = bound.as_ref();
            reads && bound.is_none_or(|bound| bound.checked().takes_section(table, section))
        };
        self.records += 1;
        self.filled += sent_bytes(confirmed.changes(is_taken));
        Size { records: 1, bytes: self.page.add(table, confirmed.changes(is_taken)) }
    }
}
