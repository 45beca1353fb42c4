//! What a device could not read before goes to it without its past: the sections begin anew first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::ConnectionId;
use super::bounds::PageBounds;
use super::connection::Device;
use super::generation::can_begin_anew;
use super::reader::Reader;
use super::reading::Reading;
use super::state::State;
use crate::crdt::Record;
use crate::gate::Confirmed;
use crate::limits::{BEGUN_AT_ONCE_MAX, PAGE_BYTES_FIRST};
use crate::model::{Header, RecordId, Section, TableName};
use crate::sync::{ServerStore, StoreError};

/// Sections that say more than they hold, and are to begin anew.
#[derive(Debug, Default, Clone)]
pub(super) struct Pasts {
    records: BTreeMap<RecordId, BTreeSet<Section>>,
    /// What is to be written, roughly.
    bytes: u64,
}

impl Pasts {
    fn note(&mut self, record: &Record, sections: BTreeSet<Section>) {
        self.bytes += record.columns().values().map(|value| value.size() as u64).sum::<u64>();
        self.records.entry(record.id()).or_default().extend(sections);
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.bytes += other.bytes;
        for (record, sections) in other.records {
            self.records.entry(record).or_default().extend(sections);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether it is enough for one durable step.
    pub(super) fn is_full(&self, bounds: PageBounds) -> bool {
        self.records.len() >= BEGUN_AT_ONCE_MAX || self.bytes > bounds.bytes.min(PAGE_BYTES_FIRST)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (RecordId, &BTreeSet<Section>)> {
        self.records.iter().map(|(record, sections)| (*record, sections))
    }
}

/// A record that a device asked for.
#[derive(Debug, Clone)]
pub(super) struct Fetch {
    pub(super) id: ConnectionId,
    pub(super) table: TableName,
    pub(super) record: RecordId,
}

/// Who waits for sections to begin anew. Nothing is sent to them meanwhile.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting {
    /// For the next page. All of what one waits for is done at once: where its pages end does not
    /// depend on what others wait for.
    pages: VecDeque<(ConnectionId, Pasts)>,
    /// For a record.
    fetches: Vec<(Fetch, Pasts)>,
    /// All of these.
    ids: BTreeSet<ConnectionId>,
}

impl Waiting {
    pub(super) fn has(&self, id: ConnectionId) -> bool {
        self.ids.contains(&id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub(super) fn for_page(&mut self, id: ConnectionId, pasts: Pasts) {
        self.pages.push_back((id, pasts));
        self.ids.insert(id);
    }

    pub(super) fn for_record(&mut self, fetch: Fetch, pasts: Pasts) {
        self.ids.insert(fetch.id);
        self.fetches.push((fetch, pasts));
    }

    fn note_ids(&mut self) {
        let pages = self.pages.iter().map(|(id, _)| *id);
        self.ids = pages.chain(self.fetches.iter().map(|(fetch, _)| fetch.id)).collect();
    }

    /// What begins anew in the next step, and the records that are sent after it.
    pub(super) fn take(&mut self) -> (Pasts, Vec<Fetch>) {
        let mut all = Pasts::default();
        let mut fetches = Vec::new();
        for (fetch, pasts) in self.fetches.drain(..) {
            all.extend(pasts);
            fetches.push(fetch);
        }
        while let Some((_, pasts)) = self.pages.front() {
            // Many may wait for the same.
            let is_more = pasts.records.keys().any(|record| !all.records.contains_key(record));
            if is_more && all.records.len() >= BEGUN_AT_ONCE_MAX {
                break;
            }
            all.extend(self.pages.pop_front().map(|(_, pasts)| pasts).unwrap_or_default());
        }
        self.note_ids();
        (all, fetches)
    }

    /// Whose turn is next.
    pub(super) fn next(&self) -> Option<ConnectionId> {
        self.pages.front().map(|(id, _)| *id)
    }

    /// Its next page is another one.
    pub(super) fn turn(&mut self, id: ConnectionId) {
        self.pages.retain(|(it, _)| *it != id);
        self.note_ids();
    }

    pub(super) fn forget(&mut self, id: ConnectionId) {
        self.fetches.retain(|(fetch, _)| fetch.id != id);
        self.turn(id);
    }
}

impl Device {
    /// What of a record would go to the device with a past that it could not read so far, and can
    /// begin anew. `before`: the record's header when the device was told of it last, if it may have
    /// been.
    pub(super) fn new_pasts<S: ServerStore>(
        &self,
        reading: &Reading<'_, S>,
        confirmed: &Confirmed,
        before: Option<&Header>,
    ) -> Result<Pasts, StoreError> {
        let record = confirmed.record();
        let (name, header) = (record.table(), record.header());
        let mut pasts = Pasts::default();
        let Some(table) = reading.rules.schema().table(name.as_str()) else { return Ok(pasts) };
        let mut sections = BTreeSet::new();
        for section in record.with_past() {
            let has = match before {
                Some(before) => self.has(reading, (name, record.id()), before, &section)?,
                None => false,
            };
            if !has
                && self.reader.reads(name, header)
                && self.reader.reads_section(name, header, &section)
                && can_begin_anew(record, table, &section, reading.history)
                    .map_err(|error| StoreError::Damaged(error.to_string()))?
            {
                sections.insert(section);
            }
        }
        if !sections.is_empty() {
            pasts.note(record, sections);
        }
        Ok(pasts)
    }

    /// Whether the device was sent this section of a record, which had this header then, and all that was
    /// done there since: what a scan did not pass it has by the standing held, and of what came since the
    /// scan began it was told what its user may read now. Of several standings held it is not known which one
    /// a row came under, or whether a scan came so far; nor what a profile took that cannot be evaluated any
    /// more.
    fn has<S: ServerStore>(
        &self,
        reading: &Reading<'_, S>,
        (table, record): (&TableName, RecordId),
        header: &Header,
        section: &Section,
    ) -> Result<bool, StoreError> {
        let reads = |reader: &Reader| {
            reader.reads(table, header) && reader.reads_section(table, header, section)
        };
        if !self.could_read_since(table, header, section) {
            return Ok(false);
        }
        let rank = |table| (self.reader.priority(table), table);
        let passed = self.looked.as_ref();
        let passed = passed.is_some_and(|at| (rank(table), record) <= (rank(&at.table), at.record))
            || self.brought.contains(table);
        if !reads(&self.reader) {
            return Ok(false);
        }
        if !self.is_turning() || passed {
            return Ok(true);
        }
        let (state, is_pinned) = (State::now(reading), self.has_pinned(table, record));
        for held in self.held.iter().filter(|held| self.scope.complete && reads(held)) {
            if is_pinned || (held.is_known() && held.takes(table, record, &state)?) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
