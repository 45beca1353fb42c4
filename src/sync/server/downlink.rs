//! What a device is told: one stream of pages in the order of the log, its own admitted edits among
//! them as short notices. While its privileges turn, a scan through all records goes beside.

use super::answered::became;
use super::bounds::{Extent, PageBounds};
use super::budget::Room;
use super::connection::{Device, LogPlace};
use super::filling::Next;
use super::past::Fetch;
use super::reading::Reading;
use super::state::State;
use super::{ConnectionId, Output, ServerMachine};
use crate::codec::{Entry, Inquiry, Page, ToDevice};
use crate::gate::Confirmed;
use crate::limits::{SCAN_ENTRIES_AHEAD_MAX, SCAN_PAGES_AHEAD_MAX};
use crate::model::{DeviceNumber, RecordId, Section, Sequence, TableName, UserId, Verdict};
use crate::sync::{Erased, ServerStore, StoreError};

impl ServerMachine {
    /// Sends the device what is next, if there is room.
    pub(super) fn pump<S: ServerStore>(
        &mut self,
        store: &S,
        id: ConnectionId,
    ) -> Result<(), StoreError> {
        self.reading(store, |machine, reading| machine.tell(reading, id))
    }

    /// As [`Self::pump`], for one of many devices.
    pub(super) fn tell<S: ServerStore>(
        &mut self,
        reading: &Reading<'_, S>,
        id: ConnectionId,
    ) -> Result<(), StoreError> {
        let store = reading.store;
        if self.waiting.has(id) {
            return Ok(());
        }
        let waits = self.queue.iter().any(|(from, _)| *from == id);
        let (head, bounds) = (self.meta.head, self.next_bounds(id));
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let Some(device) = &mut connection.device else { return Ok(()) };
        if !connection.writable {
            return Ok(());
        }
        if device.seen < LogPlace::behind(head) {
            match device.log_page(reading, bounds, head)? {
                Next::Page(entries) if entries.is_empty() => {}
                Next::Page(entries) => {
                    connection.writable = false;
                    self.send_page(reading, id, entries)?;
                    if !waits {
                        self.answer_at_once(id, head);
                    }
                    return Ok(());
                }
                Next::Look => {
                    connection.writable = false;
                    self.outputs.push_back(Output::LookOn(id));
                    return Ok(());
                }
                Next::Pasts(pasts) => {
                    self.waiting.for_page(id, pasts);
                    return Ok(());
                }
            }
        }
        if let Some(next) = device.next.take() {
            device.turn(next, reading.rules.shared_schema(), store)?;
        }
        if device.is_turning() && !self.tell_turning(reading, id, waits)? {
            return Ok(());
        }
        if !waits {
            self.answer_first(id, true);
        }
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let Some(device) = &mut connection.device else { return Ok(()) };
        if device.comparing.is_some() && !device.is_turning() {
            if !device.compare(reading, bounds)? {
                connection.writable = false;
                self.outputs.push_back(Output::LookOn(id));
                return Ok(());
            }
            self.tell_compared(id, true);
        }
        // What was queued after the question is answered by the next one.
        if !waits {
            let watermark = self.device_mut(id).map(|device| device.seen.sequence);
            self.answer_flush(id, watermark);
        }
        Ok(())
    }

    /// Where the page before was all that there is to tell, says so beside it, in the same packet.
    fn answer_at_once(&mut self, id: ConnectionId, head: Sequence) {
        let Some(device) = self.device_mut(id) else { return };
        let has_more = device.seen < LogPlace::behind(head)
            || device.next.is_some()
            || device.is_turning()
            || device.first.is_some()
            || device.comparing.is_some();
        if !has_more {
            self.answer_flush(id, None);
        }
    }

    fn answer_flush(&mut self, id: ConnectionId, watermark: Option<Sequence>) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if let Some(number) = connection.flush.take() {
            self.send(id, ToDevice::Flushed { number, watermark });
        }
    }

    /// Sends the device what is next of a scan. Returns whether all is told that there is room for.
    fn tell_turning<S: ServerStore>(
        &mut self,
        reading: &Reading<'_, S>,
        id: ConnectionId,
        waits: bool,
    ) -> Result<bool, StoreError> {
        let bounds = self.next_bounds(id);
        let Some(device) = self.device_mut(id) else { return Ok(true) };
        let room = device.room();
        let is_full = room == Room::None && device.is_swept;
        if !waits {
            self.answer_first(id, is_full);
        }
        let Some(device) = self.device_mut(id) else { return Ok(true) };
        let next = if !device.due.is_empty() {
            device.pins_page(reading, bounds)?
        } else if is_full {
            return Ok(true);
        } else if device.is_far_ahead() || room == Room::Unknown {
            return Ok(false);
        } else if room == Room::None {
            device.sweep_page(reading, bounds)?
        } else if device.asks_first() {
            device.first_page(reading, bounds)?
        } else {
            device.scan_page(reading, bounds)?
        };
        match next {
            // Who turned away and back, and was told nothing in between, is where it was.
            Next::Page(entries) if !entries.is_empty() || device.ends_elsewhere() => {
                let page = device.page(reading, entries)?;
                self.send(id, ToDevice::Page(page));
            }
            // No message says that there was nothing for the device in all that was looked at: it
            // would tell that there was something.
            Next::Page(_) | Next::Look => self.outputs.push_back(Output::LookOn(id)),
            Next::Pasts(pasts) => {
                self.waiting.for_page(id, pasts);
                return Ok(false);
            }
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.writable = false;
        }
        Ok(false)
    }

    fn next_bounds(&self, id: ConnectionId) -> PageBounds {
        let device = self.connections.get(&id).and_then(|it| it.device.as_ref());
        device.map_or(self.page_bounds, |it| self.page_bounds.next(it, self.connections.len()))
    }

    pub(super) fn device_mut(&mut self, id: ConnectionId) -> Option<&mut Device> {
        self.connections.get_mut(&id)?.device.as_mut()
    }

    /// The device has written a page that came while a scan is under way.
    pub(super) fn stored<S: ServerStore>(
        &mut self,
        store: &S,
        id: ConnectionId,
        bytes: u64,
    ) -> Result<(), StoreError> {
        if let Some(device) = self.device_mut(id) {
            device.ahead.pop_front();
            device.bytes = bytes;
        }
        self.pump(store, id)
    }

    pub(super) fn fetch<S: ServerStore>(
        &mut self,
        store: &S,
        id: ConnectionId,
        place: (TableName, RecordId),
        pinned: bool,
    ) -> Result<(), StoreError> {
        if !self.pin(id, &place, pinned) {
            return Ok(());
        }
        let (table, record) = place;
        self.reading(store, |machine, reading| {
            machine.fetch_from(reading, Fetch { id, table, record })
        })
    }

    pub(super) fn fetch_from<S: ServerStore>(
        &mut self,
        reading: &Reading<'_, S>,
        fetch: Fetch,
    ) -> Result<(), StoreError> {
        let Fetch { id, ref table, record } = fetch;
        let (head, store) = (self.meta.head, reading.store);
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let Some(device) = &mut connection.device else { return Ok(()) };
        let found = store.record(record)?.filter(|found| found.record().table() == table);
        let is_taken = device.reader.takes(table, record, &State::now(reading))?;
        let is_its = is_taken || device.has_pinned(table, record);
        if let Some(found) = found.as_ref().filter(|_| is_its) {
            // What it was not told of yet it may have to wait for. That it has what it pinned is its word.
            let is_there = is_taken && device.seen >= LogPlace::behind(head);
            let before = is_there.then(|| found.record().header());
            let pasts = device.new_pasts(reading, found, before)?;
            if !pasts.is_empty() {
                self.waiting.for_record(fetch, pasts);
                return Ok(());
            }
        }
        let erased = if found.is_none() { store.erased(record)? } else { None };
        // Who wrote it has more of it than what is shown.
        let erased = erased.filter(|erased| erased.authors.contains(&device.number));
        let entry = found.filter(|_| is_its).and_then(|found| device.whole(&found));
        let entry = entry.or_else(|| erased.map(Erased::into_entry));
        let gone = || Entry::Gone { sequence: head, table: table.clone(), record };
        self.send_page(reading, id, vec![entry.unwrap_or_else(gone)])
    }

    /// Sends a page, and before it what was compared so far: that is of what the device holds until then.
    fn send_page<S: ServerStore>(
        &mut self,
        reading: &Reading<'_, S>,
        id: ConnectionId,
        entries: Vec<Entry>,
    ) -> Result<(), StoreError> {
        self.tell_compared(id, false);
        let device = self.connections.get_mut(&id).and_then(|it| it.device.as_mut());
        let Some(device) = device else { return Ok(()) };
        let page = device.page(reading, entries)?;
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
        inquiries: Vec<Inquiry>,
    ) -> Result<(), StoreError> {
        let device = self.connections.get(&id).and_then(|it| it.device.as_ref());
        let Some(number) = device.map(|device| device.number) else { return Ok(()) };
        let mut verdicts = Vec::new();
        for inquiry in inquiries {
            let edit = inquiry.edit;
            if store.erased(inquiry.record)?.is_some() {
                verdicts.push((edit, Verdict::Erased));
            } else if edit.device == number {
                verdicts.extend(became(store, &inquiry)?.map(|verdict| (edit, verdict)));
            }
        }
        if !verdicts.is_empty() {
            self.send(id, ToDevice::Verdicts(verdicts));
        }
        Ok(())
    }
}

impl Device {
    /// Whether it is to write some of what it was sent of a scan before more comes.
    fn is_far_ahead(&self) -> bool {
        let entries: usize = self.ahead.iter().map(|page| page.entries).sum();
        self.ahead.len() >= SCAN_PAGES_AHEAD_MAX || entries >= SCAN_ENTRIES_AHEAD_MAX
    }

    pub(super) fn page<S: ServerStore>(
        &mut self,
        reading: &Reading<'_, S>,
        mut entries: Vec<Entry>,
    ) -> Result<Page, StoreError> {
        let authors = self.authors(reading.store, &entries)?;
        let ids = self.name_by_stems(reading, &mut entries)?;
        if let Some(comparing) = &mut self.comparing {
            comparing.note(&entries);
        }
        let extent = Extent::of(&entries);
        self.sent = self.sent.and(extent);
        let watermark = self.seen.sequence;
        // As the device does.
        if self.told != self.scope || self.is_turning() {
            let bytes = entries.iter().map(Entry::record_bytes).sum();
            self.ahead.push_back(Extent { bytes, ..extent });
        }
        self.paged = watermark;
        self.as_sent = self.as_sent.split_off(&Sequence(watermark.0.saturating_add(1)));
        let scope = (self.told != self.scope).then(|| self.scope.clone());
        self.told.clone_from(&self.scope);
        Ok(Page { entries, watermark, scope, authors, ids })
    }

    /// Whose devices wrote the entries, where the session has not said so yet.
    fn authors<S: ServerStore>(
        &mut self,
        store: &S,
        entries: &[Entry],
    ) -> Result<Vec<(DeviceNumber, UserId)>, StoreError> {
        let edits = entries.iter().filter_map(|entry| match entry {
            Entry::Edit { edit, .. } | Entry::Whole { record: edit, .. } => Some(edit),
            Entry::Own { .. }
            | Entry::Split { .. }
            | Entry::Gone { .. }
            | Entry::Erased { .. }
            | Entry::Moved { .. } => None,
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
    pub(super) fn whole(&self, confirmed: &Confirmed) -> Option<Entry> {
        let record = confirmed.record();
        let (table, header) = (record.table(), record.header());
        if !self.reader.reads(table, header) {
            return None;
        }
        let version = confirmed.versions().for_reader(|column| {
            self.reader.reads_section(table, header, &Section::Secured(column.clone()))
        });
        // All is in it that the device was told of: so those of a scan have one version, which takes no room.
        let version = version.max(self.seen.sequence);
        let record = self.reader.part_of(header, &confirmed.to_edit())?;
        Some(Entry::Whole { version, record })
    }
}
