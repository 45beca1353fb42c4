//! What a device is told: one stream of pages in the order of the log, its own admitted edits among
//! them as short notices. While its privileges turn, a scan through all records goes beside.

use std::cmp::Ordering;

use super::answered::{became, refused_of};
use super::connection::{Begun, Device, LogPlace};
use super::filling::{Filling, Next, Telling};
use super::past::{Fetch, Pasts};
use super::reading::Reading;
use super::{ConnectionId, Output, PageBounds, ServerMachine};
use crate::codec::{Entry, MovedLeg, Page, ScanPlace, ToDevice, edit_digest};
use crate::gate::{Confirmed, Follow};
use crate::limits::SCAN_PAGES_AHEAD_MAX;
use crate::model::{
    DeviceNumber, Edit, EditId, Header, RecordId, Section, Sequence, TableName, UserId, Verdict,
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
    /// Whether it was hidden from the user when it was done.
    was_hidden: bool,
}

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
        let (head, bounds) = (self.meta.head, self.page_bounds);
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
                    let page = device.page(store, entries)?;
                    self.send(id, ToDevice::Page(page));
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
        if device.is_turning() {
            if device.ahead >= SCAN_PAGES_AHEAD_MAX {
                return Ok(());
            }
            match device.scan_page(reading, bounds)? {
                // Who turned away and back, and was told nothing in between, is where it was.
                Next::Page(entries) if !entries.is_empty() || device.ends_elsewhere() => {
                    connection.writable = false;
                    device.ahead += 1;
                    let page = device.page(store, entries)?;
                    self.send(id, ToDevice::Page(page));
                }
                // No message says that there was nothing for the device in all that was looked at: it
                // would tell that there was something.
                Next::Page(_) | Next::Look => {
                    connection.writable = false;
                    self.outputs.push_back(Output::LookOn(id));
                }
                Next::Pasts(pasts) => self.waiting.for_page(id, pasts),
            }
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

    /// The device has written a page of a scan.
    pub(super) fn stored<S: ServerStore>(
        &mut self,
        store: &S,
        id: ConnectionId,
    ) -> Result<(), StoreError> {
        let device = self.connections.get_mut(&id).and_then(|it| it.device.as_mut());
        if let Some(device) = device {
            device.ahead = device.ahead.saturating_sub(1);
        }
        self.pump(store, id)
    }

    pub(super) fn fetch<S: ServerStore>(
        &mut self,
        store: &S,
        id: ConnectionId,
        table: &TableName,
        record: RecordId,
    ) -> Result<(), StoreError> {
        self.reading(store, |machine, reading| {
            machine.fetch_from(reading, Fetch { id, table: table.clone(), record })
        })
    }

    fn fetch_from<S: ServerStore>(
        &mut self,
        reading: &Reading<'_, S>,
        fetch: Fetch,
    ) -> Result<(), StoreError> {
        let Fetch { id, ref table, record } = fetch;
        let (head, store) = (self.meta.head, reading.store);
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let Some(device) = &mut connection.device else { return Ok(()) };
        let found = store.record(record)?.filter(|found| found.record().table() == table);
        if let Some(found) = &found {
            // What it was not told of yet it may have to wait for.
            let is_there = device.seen >= LogPlace::behind(head);
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
                verdicts.extend(became(store, edit)?.map(|verdict| (edit, verdict)));
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
    /// neither where a page ends, nor whether there is one, depends on it.
    fn log_page<S: ServerStore>(
        &mut self,
        reading: &Reading<'_, S>,
        bounds: PageBounds,
        head: Sequence,
    ) -> Result<Next, StoreError> {
        let begun = self.begun.take();
        let Begun { mut far, mut told } =
            begun.unwrap_or(Begun { far: self.seen, told: Vec::new() });
        let mut page = Filling::default();
        // Anew, for something of it may have been taken back meanwhile.
        for place in &told {
            let groups = reading.log_groups(place.sequence, 1)?;
            let (news, _) = self.step(reading, &groups, *place)?;
            if !news.pasts.is_empty() {
                self.seen = *place;
                return Ok(page.or(news.pasts));
            }
            page.extend(news.entries);
        }
        let mut pasts = Pasts::default();
        for _ in 0..bounds.rounds {
            let (entries, all_up_to) =
                reading.next_groups(|| self.strands(), far.sequence, bounds.looks, head)?;
            let mut looks = 0;
            for group in entries.chunk_by(LogEntry::is_bound_to) {
                let start = group.first().map_or(far, LogPlace::before);
                let end = group.last().map_or(far, |last| LogPlace::behind(last.sequence));
                while far < end && looks < bounds.looks {
                    far = far.max(start);
                    if page.is_full(bounds) {
                        self.seen = far;
                        return Ok(page.or(pasts));
                    }
                    let (news, next) = self.step(reading, group, far)?;
                    if !news.pasts.is_empty() && pasts.is_empty() {
                        self.seen = far;
                        if !page.is_empty() {
                            return Ok(page.or(pasts));
                        }
                    }
                    pasts.extend(news.pasts);
                    if pasts.is_full(bounds) {
                        return Ok(page.or(pasts));
                    }
                    // Behind such a place only others of the kind are looked for.
                    if pasts.is_empty() {
                        told.extend((!news.entries.is_empty()).then_some(far));
                        page.extend(news.entries);
                    }
                    far = next;
                    looks += 1;
                }
            }
            if !pasts.is_empty() {
                return Ok(page.or(pasts));
            }
            if looks < bounds.looks {
                far = far.max(LogPlace::behind(all_up_to));
            }
            if far >= LogPlace::behind(head) {
                self.seen = far;
                return Ok(page.or(pasts));
            }
        }
        self.begun = Some(Begun { far, told });
        Ok(Next::Look)
    }

    /// Tells what is next behind a place, at the beginning of these entries: edits that count
    /// together, or one record that is moved. Returns the place behind that, too.
    fn step<S: ServerStore>(
        &self,
        reading: &Reading<'_, S>,
        group: &[LogEntry],
        from: LogPlace,
    ) -> Result<(Telling, LogPlace), StoreError> {
        let mut place = from;
        let mut page = Telling::default();
        for entry in group {
            let sequence = entry.sequence;
            match &entry.kind {
                EntryKind::Edit { edit, before, after } => {
                    self.edit(reading, sequence, edit, (before.as_ref(), after), &mut page)?;
                }
                EntryKind::Move(moved) => {
                    if let Some((leg, follower)) = moved.follower(from.followers) {
                        let follow = moved.follow(leg, entry.at);
                        self.follower(reading, sequence, follow, (leg, follower), &mut page)?;
                    }
                    let followers = from.followers + 1;
                    if followers < moved.len() {
                        return Ok((page, LogPlace { followers, ..from }));
                    }
                }
            }
            place = LogPlace::behind(sequence);
        }
        Ok((page, place))
    }

    fn edit<S: ServerStore>(
        &self,
        reading: &Reading<'_, S>,
        sequence: Sequence,
        edit: &Edit,
        (before, after): (Option<&Option<Header>>, &Header),
        page: &mut Telling,
    ) -> Result<(), StoreError> {
        let (table, record) = (&edit.table, edit.record);
        let is_own = edit.id.device == self.number;
        if is_own {
            let readable = self.reader.readable(after, edit);
            let check = edit_digest(&readable).map_err(|e| StoreError::Damaged(e.to_string()))?;
            if let Some((columns, epoch)) = refused_of(reading.store, edit.id)? {
                let (id, table) = (edit.id, table.clone());
                page.push(Entry::Split { id, table, record, columns, epoch });
            }
            page.push(Entry::Own { sequence, id: edit.id, table: table.clone(), record, check });
        }
        let before = before.map(Option::as_ref);
        let was_hidden = !is_own && self.was_hidden(sequence, edit, after);
        let news = News { sequence, table, record, before, after, is_own, was_hidden };
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
        page: &mut Telling,
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
        let (is_own, was_hidden) = (false, false);
        let news = News { sequence, table, record, before, after: &after, is_own, was_hidden };
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
        page: &mut Telling,
        as_news: impl FnOnce(&Confirmed) -> Option<Entry>,
    ) -> Result<(), StoreError> {
        let News { sequence, table, record, before, after, is_own, was_hidden } = *news;
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
        let held_with = if was_hidden { None } else { before.unwrap_or(Some(after)) };
        if !self.reader.reads(table, current.record().header()) {
            if seen() && (before.is_some() || is_own || self.is_turning()) {
                page.push(gone());
            }
        } else if self.is_turning() {
            // An own change of the header may have changed what the device may see of the record.
            if !is_own || before.is_some() {
                self.tell_whole(reading, &current, held_with, page)?;
            }
        } else if !self.reader.reads(table, after) {
            if held_before {
                page.push(gone());
            }
        } else if was_hidden || (held_before && self.has_turned(table, before.flatten(), after)) {
            self.tell_whole(reading, &current, held_with, page)?;
        } else if held_before || is_new {
            page.extend(as_news(&current));
        } else {
            self.tell_whole(reading, &current, held_with, page)?;
        }
        Ok(())
    }

    /// Sends a record whole, once nothing of it has a past that the device could not read with this
    /// header.
    fn tell_whole<S: ServerStore>(
        &self,
        reading: &Reading<'_, S>,
        current: &Confirmed,
        before: Option<&Header>,
        page: &mut Telling,
    ) -> Result<(), StoreError> {
        let pasts = self.new_pasts(reading, current, before)?;
        if pasts.is_empty() {
            page.extend(self.whole(current));
        }
        page.pasts.extend(pasts);
        Ok(())
    }

    /// Whether a change of the header changed which columns of the record the device may see.
    fn has_turned(&self, table: &TableName, before: Option<&Header>, after: &Header) -> bool {
        before.is_some_and(|before| self.reader.sees_others(table, before, after))
    }

    /// What the next records of the scan are to this device.
    fn scan_page<S: ServerStore>(
        &mut self,
        reading: &Reading<'_, S>,
        bounds: PageBounds,
    ) -> Result<Next, StoreError> {
        let mut page = Filling::default();
        let mut pasts = Pasts::default();
        for _ in 0..bounds.rounds {
            let records = self.next_records(reading.store, bounds.looks)?;
            let is_last = records.len() < bounds.looks;
            for confirmed in &records {
                let place = ScanPlace::of(confirmed.record());
                let news = self.scanned(reading, confirmed)?;
                pasts.extend(news.pasts);
                // Behind such a place only others of the kind are looked for.
                if !pasts.is_empty() {
                    if !page.is_empty() || pasts.is_full(bounds) {
                        return Ok(page.or(pasts));
                    }
                    continue;
                }
                self.looked = Some(place.clone());
                if news.entries.is_empty() {
                    continue;
                }
                page.extend(news.entries);
                // The device hears of no place but of one that it may know.
                self.scope.advance(place);
                if page.is_full(bounds) {
                    return Ok(page.or(pasts));
                }
            }
            if !pasts.is_empty() {
                break;
            }
            if is_last {
                self.scope.finish();
                self.looked = None;
                break;
            }
        }
        Ok(page.or(pasts))
    }

    /// The next records that the device may read, or may hold.
    fn next_records<S: ServerStore>(
        &self,
        store: &S,
        limit: usize,
    ) -> Result<Vec<Confirmed>, StoreError> {
        let mut records: Vec<Confirmed> = Vec::new();
        for (table, reach) in self.reach() {
            let from = self.looked.as_ref().map(|at| (at.table.cmp(&table), at.record));
            let after = match from {
                Some((Ordering::Greater, _)) => continue,
                Some((Ordering::Equal, record)) => Some(record),
                Some((Ordering::Less, _)) | None => None,
            };
            records.extend(store.scan_within(&table, &reach, after, limit - records.len())?);
            if records.len() == limit {
                break;
            }
        }
        Ok(records)
    }

    fn scanned<S: ServerStore>(
        &self,
        reading: &Reading<'_, S>,
        confirmed: &Confirmed,
    ) -> Result<Telling, StoreError> {
        let mut page = Telling::default();
        let (table, header) = (confirmed.record().table(), confirmed.record().header());
        let had = self.held.iter().filter(|held| held.reads(table, header));
        if self.reader.reads(table, header) {
            let same =
                |held: &super::connection::Reader| held.sees_as(&self.reader, confirmed.record());
            // Of several standings held it is not known which one a row came under, or whether a
            // scan came so far.
            let is_there = self.scope.complete && had.clone().any(same);
            if !is_there {
                self.tell_whole(reading, confirmed, Some(header), &mut page)?;
            }
        } else if had.clone().next().is_some() {
            let (sequence, record) =
                (self.seen.sequence.max(confirmed.version()), confirmed.record().id());
            page.push(Entry::Gone { sequence, table: table.clone(), record });
        }
        Ok(page)
    }
}

/// An edit without what it is called: the gaps between such names tell of edits that the reader must
/// know nothing of.
fn unnumbered(edit: Edit) -> Edit {
    let id = EditId { device: DeviceNumber(0), counter: 0, part: 0 };
    Edit { id, atomic: 0, ..edit }
}
