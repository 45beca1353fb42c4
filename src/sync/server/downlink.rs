//! What a device is told: one stream of pages in the order of the log, its own admitted edits among
//! them as short notices. While its privileges turn, a scan through all records goes beside.

use super::connection::{Begun, Device};
use super::reading::Reading;
use super::{ConnectionId, Output, PageBounds, ServerMachine};
use crate::codec::{Entry, Page, ScanPlace, ToDevice, edit_digest};
use crate::gate::Confirmed;
use crate::model::{
    DeviceNumber, Edit, EditId, Header, Op, RecordId, Schema, Section, Sequence, TableName, UserId,
    Verdict,
};
use crate::sync::{Erased, LogEntry, ServerStore, StoreError};

impl ServerMachine {
    /// Sends the device what is next, if there is room.
    pub(super) fn pump<S: ServerStore>(
        &mut self,
        store: &S,
        id: ConnectionId,
    ) -> Result<(), StoreError> {
        let reading = Reading::new(store, std::mem::take(&mut self.recent));
        let result = self.tell(&reading, id);
        self.recent = reading.into_recent();
        result
    }

    /// As [`Self::pump`], for one of many devices.
    pub(super) fn tell<S: ServerStore>(
        &mut self,
        reading: &Reading<'_, S>,
        id: ConnectionId,
    ) -> Result<(), StoreError> {
        let store = reading.store;
        let waits = self.queue.iter().any(|(from, _)| *from == id);
        let (head, bounds) = (self.meta.head, self.page_bounds);
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let Some(device) = &mut connection.device else { return Ok(()) };
        if !connection.writable {
            return Ok(());
        }
        if device.seen < head {
            let entries = device.log_page(reading, bounds, head)?;
            if entries.as_ref().is_none_or(|entries| !entries.is_empty()) {
                connection.writable = false;
                let page = entries.map(|entries| device.page(store, entries)).transpose()?;
                self.send_page(id, page);
                return Ok(());
            }
        }
        if device.is_turning() {
            connection.writable = false;
            let entries = device.scan_page(store, self.rules.schema(), bounds)?;
            let is_news = !entries.is_empty() || !device.is_turning();
            let page = if is_news { Some(device.page(store, entries)?) } else { None };
            self.send_page(id, page);
            return Ok(());
        }
        // What was queued after the question is answered by the next one.
        if let Some(number) = connection.flush.filter(|_| !waits) {
            connection.flush = None;
            let watermark = device.seen;
            self.send(id, ToDevice::Flushed { number, watermark });
        }
        Ok(())
    }

    /// Sends a page. Where there was nothing for the device in all that was looked at, no message
    /// says so: it would tell that there was something.
    fn send_page(&mut self, id: ConnectionId, page: Option<Page>) {
        match page {
            Some(page) => self.send(id, ToDevice::Page(page)),
            None => self.outputs.push_back(Output::LookOn(id)),
        }
    }

    pub(super) fn fetch<S: ServerStore>(
        &mut self,
        store: &S,
        id: ConnectionId,
        table: &TableName,
        record: RecordId,
    ) -> Result<(), StoreError> {
        let head = self.meta.head;
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let Some(device) = &mut connection.device else { return Ok(()) };
        let found = store.record(record)?.filter(|found| found.record().table() == table);
        let erased = if found.is_none() { store.erased(record)? } else { None };
        // Who wrote it has more of it than what is shown.
        let erased = erased.filter(|erased| erased.authors.contains(&device.number));
        let entry = found.and_then(|found| device.whole(&found));
        let entry = entry.or_else(|| erased.map(Erased::into_entry));
        let gone = || Entry::Gone { sequence: head, table: table.clone(), record };
        let page = device.page(store, vec![entry.unwrap_or_else(gone)])?;
        self.send(id, ToDevice::Page(page));
        Ok(())
    }
}

impl ServerMachine {
    /// Says which of the device's own edits are admitted, and which are of erased records.
    pub(super) fn ask<S: ServerStore>(
        &mut self,
        store: &S,
        id: ConnectionId,
        edits: Vec<(EditId, RecordId)>,
    ) -> Result<(), StoreError> {
        let device = self.connections.get(&id).and_then(|it| it.device.as_ref());
        let Some(number) = device.map(|device| device.number) else { return Ok(()) };
        let mut verdicts = Vec::new();
        for (edit, record) in edits {
            if store.erased(record)?.is_some() {
                verdicts.push((edit, Verdict::Erased));
            } else if edit.device == number {
                let admitted = store.admitted(edit)?;
                verdicts.extend(admitted.map(|sequence| (edit, Verdict::Admitted(sequence))));
            }
        }
        if !verdicts.is_empty() {
            self.send(id, ToDevice::Verdicts(verdicts));
        }
        Ok(())
    }
}

impl Device {
    pub(super) fn page<S: ServerStore>(
        &mut self,
        store: &S,
        entries: Vec<Entry>,
    ) -> Result<Page, StoreError> {
        let authors = self.authors(store, &entries)?;
        Ok(Page { entries, watermark: self.seen, scope: self.scope.clone(), authors })
    }

    /// Whose devices wrote the entries, where the session has not said so yet.
    fn authors<S: ServerStore>(
        &mut self,
        store: &S,
        entries: &[Entry],
    ) -> Result<Vec<(DeviceNumber, UserId)>, StoreError> {
        let edits = entries.iter().filter_map(|entry| match entry {
            Entry::Edit { edit, .. } | Entry::Whole { record: edit, .. } => Some(edit),
            Entry::Own { .. } | Entry::Gone { .. } | Entry::Erased { .. } => None,
        });
        let mut authors = Vec::new();
        for change in edits.flat_map(|edit| &edit.changes) {
            let device = change.id.actor.device;
            if self.named.insert(device)
                && let Some(row) = store.device(device)?
            {
                authors.push((device, row.user));
            }
        }
        Ok(authors)
    }

    /// A record as the device may see it; `None`: not at all.
    fn whole(&self, confirmed: &Confirmed) -> Option<Entry> {
        let record = confirmed.record();
        let (table, header) = (record.table(), record.header());
        if !self.reader.reads(table, header) {
            return None;
        }
        let version = confirmed.versions().for_reader(|column| {
            self.reader.reads_section(table, header, &Section::Secured(column.clone()))
        });
        let record = self.reader.part_of(header, &confirmed.to_edit())?;
        Some(Entry::Whole { version, record })
    }

    /// What the next entries of the log are to this device. What it is not told counts for nothing:
    /// neither where a page ends, nor whether there is one, depends on it. `None`: so much was looked
    /// at that it is the turn of others, and the page is not full yet.
    fn log_page<S: ServerStore>(
        &mut self,
        reading: &Reading<'_, S>,
        bounds: PageBounds,
        head: Sequence,
    ) -> Result<Option<Vec<Entry>>, StoreError> {
        let begun = self.begun.take();
        let Begun { mut far, mut told } =
            begun.unwrap_or(Begun { far: self.seen, told: Vec::new() });
        let mut page = Vec::new();
        // Anew, for something of it may have been taken back meanwhile.
        for first in &told {
            let before = Sequence(first.0.saturating_sub(1));
            for entry in reading.log_groups(before, 1)?.iter() {
                self.entry(reading, entry, &mut page)?;
            }
        }
        let mut bytes = page.iter().map(entry_bytes).sum::<usize>();
        for _ in 0..bounds.rounds {
            let entries = reading.log_groups(far, bounds.looks)?;
            for group in entries.chunk_by(|a, b| a.edit.is_bound_to(&b.edit)) {
                if bytes > bounds.bytes || page.len() >= bounds.looks {
                    self.seen = far;
                    return Ok(Some(page));
                }
                let before = page.len();
                for entry in group {
                    far = entry.sequence;
                    self.entry(reading, entry, &mut page)?;
                }
                let new = page.get(before..).unwrap_or_default();
                bytes += new.iter().map(entry_bytes).sum::<usize>();
                told.extend(group.first().filter(|_| !new.is_empty()).map(|it| it.sequence));
            }
            if entries.is_empty() || far >= head {
                self.seen = far;
                return Ok(Some(page));
            }
        }
        self.begun = Some(Begun { far, told });
        Ok(None)
    }

    fn entry<S: ServerStore>(
        &self,
        reading: &Reading<'_, S>,
        entry: &LogEntry,
        page: &mut Vec<Entry>,
    ) -> Result<(), StoreError> {
        let LogEntry { sequence, edit, before, after, .. } = entry;
        let (sequence, table, record) = (*sequence, edit.table.clone(), edit.record);
        let is_own = edit.id.device == self.number;
        if is_own {
            let readable = self.reader.readable(after, edit);
            let check = edit_digest(&readable).map_err(|e| StoreError::Damaged(e.to_string()))?;
            page.push(Entry::Own { sequence, id: edit.id, table: table.clone(), record, check });
        }
        let held_before = match before {
            None => self.may_hold(&table, after),
            Some(before) => before.as_ref().is_some_and(|it| self.may_hold(&table, it)),
        };
        let Some(current) = reading.record(record)? else {
            // It was erased, here or later.
            let Some(erased) = reading.store.erased(record)? else { return Ok(()) };
            let seen = held_before || is_own || self.reader.reads(&table, after);
            if erased.sequence == sequence {
                let told = seen || erased.authors.contains(&self.number);
                page.extend(told.then(|| erased.into_entry()));
            } else if seen && (before.is_some() || self.is_turning()) {
                page.push(Entry::Gone { sequence, table, record });
            }
            return Ok(());
        };
        let is_new = matches!(before, Some(None));
        if !self.reader.reads(&table, current.record().header()) {
            let seen = held_before || is_own || self.reader.reads(&table, after);
            if seen && (before.is_some() || is_own || self.is_turning()) {
                page.push(Entry::Gone { sequence, table, record });
            }
        } else if self.is_turning() {
            // An own change of the header may have changed what the device may see of the record.
            page.extend(self.whole(&current).filter(|_| !is_own || before.is_some()));
        } else if !self.reader.reads(&table, after) {
            if held_before {
                page.push(Entry::Gone { sequence, table, record });
            }
        } else if held_before && self.has_turned(&table, before.as_ref(), after) {
            page.extend(self.whole(&current));
        } else if held_before || is_new {
            // What was taken back meanwhile is not sent any more.
            let part = self.reader.part_of(after, edit).filter(|_| !is_own);
            let part = part.and_then(|part| self.reader.part_of(current.record().header(), &part));
            page.extend(part.map(|edit| Entry::Edit { sequence, edit: unnumbered(edit) }));
        } else {
            page.extend(self.whole(&current));
        }
        Ok(())
    }

    /// Whether a change of the header changed which columns of the record the device may see.
    fn has_turned(
        &self,
        table: &TableName,
        before: Option<&Option<Header>>,
        after: &Header,
    ) -> bool {
        let before = before.and_then(Option::as_ref);
        before.is_some_and(|before| self.reader.sees_others(table, before, after))
    }

    /// What the next records of the scan are to this device.
    fn scan_page<S: ServerStore>(
        &mut self,
        store: &S,
        schema: &Schema,
        bounds: PageBounds,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut page = Vec::new();
        let mut bytes = 0;
        for _ in 0..bounds.rounds {
            let records = store.scan(self.looked.as_ref(), bounds.looks)?;
            let is_last = records.len() < bounds.looks;
            for confirmed in &records {
                let (table, record) = (confirmed.record().table().clone(), confirmed.record().id());
                let place = ScanPlace { table, record };
                self.looked = Some(place.clone());
                let Some(entry) = self.scanned(schema, confirmed) else { continue };
                bytes += entry_bytes(&entry);
                page.push(entry);
                // The device hears of no place but of one that it may know.
                self.scope.advance(place);
                if bytes > bounds.bytes || page.len() >= bounds.looks {
                    return Ok(page);
                }
            }
            if is_last {
                self.scope.finish();
                self.looked = None;
                return Ok(page);
            }
        }
        Ok(page)
    }

    fn scanned(&self, schema: &Schema, confirmed: &Confirmed) -> Option<Entry> {
        let (table, header) = (confirmed.record().table(), confirmed.record().header());
        let had = self.held.iter().filter(|held| held.reads(table, header));
        if self.reader.reads(table, header) {
            let same = |held: &super::connection::Reader| {
                held.same_columns(&self.reader, schema, table, header)
            };
            // Of several standings held it is not known which one a row came under, or whether a
            // scan came so far.
            let is_there = self.scope.complete && had.clone().any(same);
            return if is_there { None } else { self.whole(confirmed) };
        }
        had.clone().next()?;
        let (sequence, record) = (self.seen.max(confirmed.version()), confirmed.record().id());
        Some(Entry::Gone { sequence, table: table.clone(), record })
    }
}

/// What an entry takes in a page, roughly.
fn entry_bytes(entry: &Entry) -> usize {
    match entry {
        Entry::Edit { edit, .. } | Entry::Whole { record: edit, .. } => {
            32 + 16 * edit.changes.len() + edit.ops().map(Op::size).sum::<usize>()
        }
        Entry::Own { .. } | Entry::Gone { .. } | Entry::Erased { .. } => 64,
    }
}

/// An edit without what it is called: the gaps between such names tell of edits that the reader must
/// know nothing of.
fn unnumbered(edit: Edit) -> Edit {
    let id = EditId { device: DeviceNumber(0), counter: 0, part: 0 };
    Edit { id, atomic: 0, ..edit }
}
