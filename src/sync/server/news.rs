//! What the entries of the log are to a device.

use super::answered::refused_of;
use super::bounds::PageBounds;
use super::connection::{Begun, Device, LogPlace};
use super::filling::{Filling, Next, Telling};
use super::membership::Concerned;
use super::past::Pasts;
use super::reading::Reading;
use crate::codec::{Admitted, Check, Entry, MovedLeg, Stem};
use crate::gate::{Confirmed, Follow};
use crate::model::{DeviceNumber, Edit, EditId, Header, RecordId, Sequence, TableName};
use crate::scope::Membership;
use crate::sync::{EntryKind, Follower, Leg, LogEntry, ServerStore, StoreError};

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
    /// How it is with the record by the profile.
    taken: Membership,
}

impl Device {
    /// What the next entries of the log are to this device. What it is not told counts for nothing:
    /// neither where a page ends, nor whether there is one, depends on it.
    pub(super) fn log_page<S: ServerStore>(
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
                EntryKind::Edit { edit, before, after, asked } => {
                    let is_asked = asked.is_some();
                    let place = (sequence, is_asked);
                    self.edit(reading, place, edit, (before.as_ref(), after), &mut page)?;
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
        (sequence, is_asked): (Sequence, bool),
        edit: &Edit,
        (before, after): (Option<&Option<Header>>, &Header),
        page: &mut Telling,
    ) -> Result<(), StoreError> {
        let (table, record) = (&edit.table, edit.record);
        let is_own = edit.id.device == self.number;
        if is_own {
            let readable = self.reader.readable(after, edit);
            let admitted = if self.as_sent.contains_key(&sequence) && readable == *edit {
                None
            } else {
                let check = Check::of(edit, &readable);
                let check = check.map_err(|e| StoreError::Damaged(e.to_string()))?;
                Some(Admitted { table: table.clone(), record, check })
            };
            if let Some((columns, epoch)) = refused_of(reading.store, edit.id)? {
                let (id, table) = (edit.id, table.clone());
                page.push(Entry::Split { id, table, record, columns, epoch });
            }
            page.push(Entry::Own { sequence, id: edit.id, admitted });
        }
        let before = before.map(Option::as_ref);
        let was_hidden = !is_own && self.was_hidden(sequence, edit, after);
        let taken = self.taken(reading, Concerned { sequence, table, record, is_asked })?;
        let own = taken.own;
        let news = News { sequence, table, record, before, after, is_own, was_hidden, taken: own };
        self.news(reading, &news, page, |current| {
            // What was taken back meanwhile is not sent any more.
            let part = self.reader.part_of(after, edit).filter(|_| !is_own)?;
            let part = self.reader.part_of(current.record().header(), &part)?;
            Some(Entry::Edit {
                sequence,
                edit: unnumbered(part),
                bits: Stem::WHOLE,
                of_owner: false,
            })
        })?;
        self.tell_others(reading, taken, page)
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
        let is_asked = true;
        let taken = self.taken(reading, Concerned { sequence, table, record, is_asked })?;
        let own = taken.own;
        self.tell_others(reading, taken, page)?;
        if !self.is_turning()
            && !self.reader.reads(table, &before)
            && !self.reader.reads(table, &after)
        {
            // A move may concern very many records of which the device knows nothing.
            return Ok(());
        }
        let before = Some(Some(&before));
        let (is_own, was_hidden) = (false, false);
        let news =
            News { sequence, table, record, before, after: &after, is_own, was_hidden, taken: own };
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
        let News { sequence, table, record, before, after, is_own, was_hidden, taken } = *news;
        let could_hold = match before {
            None => self.may_hold(table, after),
            Some(before) => before.is_some_and(|it| self.may_hold(table, it)),
        };
        let held_before = could_hold && taken.before;
        let reads = |header: &Header| taken.after && self.reader.reads(table, header);
        let seen = || held_before || is_own || reads(after);
        // Where a profile decides, the device may hold it as a later entry left it.
        let settled = if self.reader.takes_everything() { sequence } else { reading.head };
        let gone = || Entry::Gone { sequence: settled, table: table.clone(), record };
        let has_changed = before.is_some() || taken.before != taken.after;
        let Some(current) = reading.record(record)? else {
            // It was erased, here or later.
            let Some(erased) = reading.store.erased(record)? else { return Ok(()) };
            if erased.sequence == sequence {
                let told = seen() || erased.authors.contains(&self.number);
                page.extend(told.then(|| erased.into_entry()));
            } else if seen() && (has_changed || self.is_turning()) {
                page.push(gone());
            }
            return Ok(());
        };
        let is_new = matches!(before, Some(None));
        // Whether it is there the headers say only where all is taken that may be read.
        let is_told = !was_hidden && (held_before || self.reader.takes_everything());
        let held_with = if is_told { before.unwrap_or(Some(after)) } else { None };
        let header = current.record().header();
        // What was taken for the sake of an erased record is not known to have been: what may not be read
        // any more leaves, taken or not.
        let is_lost = could_hold && before.is_some() && !self.reader.reads(table, header);
        if !reads(header) {
            if is_lost || seen() && (has_changed || is_own || self.is_turning()) {
                page.push(gone());
            }
        } else if self.is_turning() {
            // An own change of the header may have changed what the device may see of the record.
            if !is_own || before.is_some() {
                self.tell_whole(reading, &current, held_with, page)?;
            }
        } else if !reads(after) {
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
    pub(super) fn tell_whole<S: ServerStore>(
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
}

/// An edit without what it is called: the gaps between such names tell of edits that the reader must
/// know nothing of.
fn unnumbered(edit: Edit) -> Edit {
    let id = EditId { device: DeviceNumber(0), counter: 0, part: 0 };
    Edit { id, atomic: 0, ..edit }
}
