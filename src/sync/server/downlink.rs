//! What a device is told: one stream of pages in the order of the log, its own admitted edits among
//! them as short notices. While its privileges turn, a scan through all records goes beside.

use super::connection::{Begun, Device, LogPlace};
use super::filling::Filling;
use super::reading::Reading;
use super::{ConnectionId, Output, PageBounds, ServerMachine};
use crate::codec::{Entry, MovedLeg, Page, ScanPlace, ToDevice, edit_digest};
use crate::gate::{Confirmed, Follow};
use crate::model::{
    DeviceNumber, Edit, EditId, Header, RecordId, Schema, Section, Sequence, TableName, UserId,
    Verdict,
};
use crate::sync::{EntryKind, Erased, Follower, Leg, LogEntry, ServerStore, StoreError};

/// What an entry of the log did to one record.
#[derive(Clone, Copy)]
struct News<'a> {
    sequence: Sequence,
    table: &'a TableName,
    record: RecordId,
    /// The header before, where it changed; `Some(None)`: there was none.
    #[expect(clippy::option_option, reason = "as in EntryKind: unchanged, or none before")]
    before: Option<Option<&'a Header>>,
    after: &'a Header,
    /// Whether the device did it itself.
    is_own: bool,
}

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
        if device.seen < LogPlace::behind(head) {
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
            // Who turned away and back, and was told nothing in between, is where it was.
            let is_news = !entries.is_empty() || device.ends_elsewhere();
            let page = if is_news { Some(device.page(store, entries)?) } else { None };
            self.send_page(id, page);
            return Ok(());
        }
        // What was queued after the question is answered by the next one.
        if let Some(number) = connection.flush.filter(|_| !waits) {
            connection.flush = None;
            let watermark = device.seen.sequence;
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
        let watermark = self.seen.sequence;
        self.told.clone_from(&self.scope);
        Ok(Page { entries, watermark, scope: self.scope.clone(), authors })
    }

    /// Whose devices wrote the entries, where the session has not said so yet.
    fn authors<S: ServerStore>(
        &mut self,
        store: &S,
        entries: &[Entry],
    ) -> Result<Vec<(DeviceNumber, UserId)>, StoreError> {
        let edits = entries.iter().filter_map(|entry| match entry {
            Entry::Edit { edit, .. } | Entry::Whole { record: edit, .. } => Some(edit),
            Entry::Own { .. } | Entry::Gone { .. } | Entry::Erased { .. } | Entry::Moved { .. } => {
                None
            }
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
        let mut page = Filling::default();
        // Anew, for something of it may have been taken back meanwhile.
        for place in &told {
            self.step(reading, &reading.log_groups(place.sequence, 1)?, *place, &mut page)?;
        }
        for _ in 0..bounds.rounds {
            let entries = reading.log_groups(far.sequence, bounds.looks)?;
            let mut looks = 0;
            for group in entries.chunk_by(LogEntry::is_bound_to) {
                let end = group.last().map_or(far, |last| LogPlace::behind(last.sequence));
                while far < end && looks < bounds.looks {
                    if page.is_full(bounds) {
                        self.seen = far;
                        return Ok(Some(page.into_entries()));
                    }
                    let before = page.told();
                    let next = self.step(reading, group, far, &mut page)?;
                    told.extend((page.told() > before).then_some(far));
                    far = next;
                    looks += 1;
                }
            }
            if entries.is_empty() || far >= LogPlace::behind(head) {
                self.seen = far;
                return Ok(Some(page.into_entries()));
            }
        }
        self.begun = Some(Begun { far, told });
        Ok(None)
    }

    /// Tells what is next behind a place, at the beginning of these entries: edits that count
    /// together, or one record that is moved. Returns the place behind that.
    fn step<S: ServerStore>(
        &self,
        reading: &Reading<'_, S>,
        group: &[LogEntry],
        from: LogPlace,
        page: &mut Filling,
    ) -> Result<LogPlace, StoreError> {
        let mut place = from;
        for entry in group {
            let sequence = entry.sequence;
            match &entry.kind {
                EntryKind::Edit { edit, before, after } => {
                    self.edit(reading, sequence, edit, (before.as_ref(), after), page)?;
                }
                EntryKind::Move(moved) => {
                    if let Some((leg, follower)) = moved.follower(from.followers) {
                        let follow = moved.follow(leg, entry.at);
                        self.follower(reading, sequence, follow, (leg, follower), page)?;
                    }
                    let followers = from.followers + 1;
                    if followers < moved.len() {
                        return Ok(LogPlace { followers, ..from });
                    }
                }
            }
            place = LogPlace::behind(sequence);
        }
        Ok(place)
    }

    fn edit<S: ServerStore>(
        &self,
        reading: &Reading<'_, S>,
        sequence: Sequence,
        edit: &Edit,
        (before, after): (Option<&Option<Header>>, &Header),
        page: &mut Filling,
    ) -> Result<(), StoreError> {
        let (table, record) = (&edit.table, edit.record);
        let is_own = edit.id.device == self.number;
        if is_own {
            let readable = self.reader.readable(after, edit);
            let check = edit_digest(&readable).map_err(|e| StoreError::Damaged(e.to_string()))?;
            page.push(Entry::Own { sequence, id: edit.id, table: table.clone(), record, check });
        }
        let before = before.map(Option::as_ref);
        let news = News { sequence, table, record, before, after, is_own };
        self.news(reading, &news, page, |current| {
            // What was taken back meanwhile is not sent any more.
            let part = self.reader.part_of(after, edit).filter(|_| !is_own)?;
            let part = self.reader.part_of(current.record().header(), &part)?;
            Some(Entry::Edit { sequence, edit: unnumbered(part) })
        })
    }

    fn follower<S: ServerStore>(
        &self,
        reading: &Reading<'_, S>,
        sequence: Sequence,
        follow: Follow,
        (leg, follower): (&Leg, &Follower),
        page: &mut Filling,
    ) -> Result<(), StoreError> {
        let (table, record) = (&leg.table, follower.record);
        let (before, after) = (leg.before(follower), leg.after(follower));
        if !self.is_turning()
            && !self.reader.reads(table, &before)
            && !self.reader.reads(table, &after)
        {
            // A move may concern very many records of which the device knows nothing.
            return Ok(());
        }
        let before = Some(Some(&before));
        let news = News { sequence, table, record, before, after: &after, is_own: false };
        self.news(reading, &news, page, |_| {
            let Follow { owner, business_unit, actor, at } = follow;
            let (table, records) = (table.clone(), vec![record]);
            let legs = vec![MovedLeg { owner, business_unit, table, records }];
            Some(Entry::Moved { sequence, actor, at, legs })
        })
    }

    /// What the device is told of a record that an entry of the log changed. `as_news` says it to who
    /// had the record before, and has it still.
    fn news<S: ServerStore>(
        &self,
        reading: &Reading<'_, S>,
        news: &News<'_>,
        page: &mut Filling,
        as_news: impl FnOnce(&Confirmed) -> Option<Entry>,
    ) -> Result<(), StoreError> {
        let News { sequence, table, record, before, after, is_own } = *news;
        let held_before = match before {
            None => self.may_hold(table, after),
            Some(before) => before.is_some_and(|it| self.may_hold(table, it)),
        };
        let seen = || held_before || is_own || self.reader.reads(table, after);
        let gone = || Entry::Gone { sequence, table: table.clone(), record };
        let Some(current) = reading.record(record)? else {
            // It was erased, here or later.
            let Some(erased) = reading.store.erased(record)? else { return Ok(()) };
            if erased.sequence == sequence {
                let told = seen() || erased.authors.contains(&self.number);
                page.extend(told.then(|| erased.into_entry()));
            } else if seen() && (before.is_some() || self.is_turning()) {
                page.push(gone());
            }
            return Ok(());
        };
        let is_new = matches!(before, Some(None));
        if !self.reader.reads(table, current.record().header()) {
            if seen() && (before.is_some() || is_own || self.is_turning()) {
                page.push(gone());
            }
        } else if self.is_turning() {
            // An own change of the header may have changed what the device may see of the record.
            page.extend(self.whole(&current).filter(|_| !is_own || before.is_some()));
        } else if !self.reader.reads(table, after) {
            if held_before {
                page.push(gone());
            }
        } else if held_before && self.has_turned(table, before.flatten(), after) {
            page.extend(self.whole(&current));
        } else if held_before || is_new {
            page.extend(as_news(&current));
        } else {
            page.extend(self.whole(&current));
        }
        Ok(())
    }

    /// Whether a change of the header changed which columns of the record the device may see.
    fn has_turned(&self, table: &TableName, before: Option<&Header>, after: &Header) -> bool {
        before.is_some_and(|before| self.reader.sees_others(table, before, after))
    }

    /// What the next records of the scan are to this device.
    fn scan_page<S: ServerStore>(
        &mut self,
        store: &S,
        schema: &Schema,
        bounds: PageBounds,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut page = Filling::default();
        for _ in 0..bounds.rounds {
            let records = store.scan(self.looked.as_ref(), bounds.looks)?;
            let is_last = records.len() < bounds.looks;
            for confirmed in &records {
                let (table, record) = (confirmed.record().table().clone(), confirmed.record().id());
                let place = ScanPlace { table, record };
                self.looked = Some(place.clone());
                let Some(entry) = self.scanned(schema, confirmed) else { continue };
                page.push(entry);
                // The device hears of no place but of one that it may know.
                self.scope.advance(place);
                if page.is_full(bounds) {
                    return Ok(page.into_entries());
                }
            }
            if is_last {
                self.scope.finish();
                self.looked = None;
                break;
            }
        }
        Ok(page.into_entries())
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
        let (sequence, record) =
            (self.seen.sequence.max(confirmed.version()), confirmed.record().id());
        Some(Entry::Gone { sequence, table: table.clone(), record })
    }
}

/// An edit without what it is called: the gaps between such names tell of edits that the reader must
/// know nothing of.
fn unnumbered(edit: Edit) -> Edit {
    let id = EditId { device: DeviceNumber(0), counter: 0, part: 0 };
    Edit { id, atomic: 0, ..edit }
}
