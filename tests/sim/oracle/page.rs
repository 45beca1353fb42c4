//! What devices are told: nothing that their users may not read.

use std::collections::BTreeSet;

use tidegate::codec::{Entry, MovedLeg, Page, RangeDigest};
use tidegate::model::{DeviceNumber, Edit, RecordId, Section, Sequence, TableName, UserId};

use crate::app::is_system;
use crate::links::End;
use crate::merge::Naive;
use crate::planted::Planted;
use crate::privileges::Facts;
use crate::world::{Check, World};

impl World {
    /// No message holds what its reader may not read at this moment.
    pub(crate) fn check_page(&mut self, end: End, page: &Page) -> Check {
        self.follow_log()?;
        let (people, reader) = (&self.people, self.reader(end));
        let user = &reader.user;
        // Where all may do all on purpose, what is looked for is more than that they read of people.
        let is_looked_for =
            |table: &TableName| self.planted != Some(Planted::SkipsTheGate) || !is_system(table);
        let place =
            page.scope.iter().flat_map(|it| &it.target).find_map(|(_, place)| place.as_ref());
        let place = place.filter(|place| is_looked_for(&place.table));
        if place.is_some_and(|place| !self.could_ever_read(&reader, place.record)) {
            return Err(format!("{user} is told that a scan is at {place:?}"));
        }
        for entry in &page.entries {
            let (edit, after) = match entry {
                Entry::Edit { edit, .. } if edit.id.counter != 0 || edit.atomic != 0 => {
                    return Err(format!("{user} is told of which commit {} is", edit.id));
                }
                Entry::Edit { sequence, edit, .. } => {
                    self.check_news(user, *sequence, edit)?;
                    (edit, self.header_at(*sequence, edit.record))
                }
                Entry::Moved { sequence, legs, .. } => {
                    self.check_moved(user, *sequence, legs)?;
                    continue;
                }
                Entry::Whole { record, version } => {
                    self.check_version(user, record, (*version, page.watermark))?;
                    self.check_past(user, record)?;
                    (record, Some(Naive::of(record)))
                }
                Entry::Own { .. } | Entry::Split { .. } => continue,
                Entry::Erased { table, record, .. } => {
                    let authors = &self.disk.file.erased[record].authors;
                    let wrote = authors.contains(&reader.number);
                    if !wrote && !self.could_ever_read(&reader, *record) {
                        return Err(format!("{user} is told of {table} {record}"));
                    }
                    continue;
                }
                Entry::Gone { table, record, .. } => {
                    if !self.could_ever_read(&reader, *record) {
                        return Err(format!("{user} is told of {table} {record}"));
                    }
                    continue;
                }
            };
            let after = after.ok_or("a page of an entry that is not in the log")?;
            if !is_looked_for(&edit.table) {
                continue;
            }
            let (table, facts) = (edit.table.as_str(), after.facts());
            if !people.reads(user, table, &facts) {
                return Err(format!("{user} is sent {table} {}", edit.record));
            }
            // An edit of a while ago must not bring what was taken back since.
            let now = self
                .header_at(self.head_of(edit.record), edit.record)
                .ok_or("a record of no log")?;
            let reads = |column: &str| {
                people.reads_column(user, table, column, &facts)
                    && people.reads_column(user, table, column, &now.facts())
            };
            for change in &edit.changes {
                if let Section::Secured(column) = &change.section
                    && !reads(column.as_str())
                {
                    return Err(format!("{user} is sent {column} of {table} {}", edit.record));
                }
            }
        }
        Ok(())
    }

    /// Records of which a move is told are told to who may read them after it.
    fn check_moved(&self, user: &UserId, sequence: Sequence, legs: &[MovedLeg]) -> Check {
        for leg in legs {
            for record in &leg.records {
                let after = self.header_at(sequence, *record).map(|record| record.facts());
                let after = after.ok_or("a page of a move that is not in the log")?;
                let owned = (leg.owner.clone(), leg.business_unit.clone());
                let reads = self.people.reads(user, leg.table.as_str(), &after);
                if !reads || after.owned != Some(owned) {
                    return Err(format!("{user} is told that {} {record} moved", leg.table));
                }
            }
        }
        Ok(())
    }

    /// A whole record is numbered by the last edit of something in it, or by what is told by then of the log.
    fn check_version(
        &self,
        user: &UserId,
        record: &Edit,
        (version, watermark): (Sequence, Sequence),
    ) -> Check {
        let log = self.disk.file.deeds.iter().rev();
        let is_in_it = |edit: &Edit| {
            // What moved to a secured column is gone from where it was, which is seen.
            edit.changes.iter().any(|change| match &change.section {
                Section::Secured(_) => record.change(&change.section).is_some(),
                _ => true,
            })
        };
        let last = log
            .filter(|entry| entry.edit.record == record.record)
            .find(|entry| is_in_it(&entry.edit))
            .map(|entry| entry.sequence);
        if last.is_some_and(|last| (last..=last.max(watermark)).contains(&version)) {
            return Ok(());
        }
        Err(format!("{user} is sent {} as of {version}, not {last:?}", record.record))
    }

    fn head_of(&self, record: RecordId) -> Sequence {
        let mut own = self.disk.file.deeds.iter().filter(|it| it.edit.record == record);
        own.next_back().map(|entry| entry.sequence).unwrap_or_default()
    }

    /// A record as the log has it after this place, which is about it.
    fn header_at(&self, sequence: Sequence, record: RecordId) -> Option<Naive> {
        let own = self.disk.file.deeds.iter().filter(|it| it.edit.record == record);
        let own: Vec<_> = own.take_while(|deed| deed.sequence <= sequence).collect();
        let last = own.last().filter(|last| last.sequence == sequence)?;
        let mut made = Naive::new(last.edit.table.clone());
        for deed in own {
            made.add(&deed.edit);
        }
        Some(made)
    }

    /// No range that a device is told of ends with a record that its user may not read, or could not until a
    /// page that is on its way.
    pub(super) fn check_compared(&self, end: End, ranges: &[RangeDigest]) -> Check {
        // What it holds it may hold by mistake.
        let reader = Reader { asked: BTreeSet::new(), ..self.reader(end) };
        for place in ranges.iter().filter_map(|range| range.end.as_ref()) {
            let record = self.disk.file.confirmed().find(|it| it.record().id() == place.record);
            let reads = record.is_some_and(|it| {
                let facts = Facts::from(it.record().header());
                self.people.reads(&reader.user, place.table.as_str(), &facts)
            });
            // A server with a planted bug may have other rules on purpose.
            if !reads && !self.could_ever_read(&reader, place.record) && self.planted.is_none() {
                let user = &reader.user;
                return Err(format!("{user} is told that a range ends with {place:?}"));
            }
        }
        Ok(())
    }

    /// Whether the device asked for the record itself, or its user could read it once, as the
    /// record was at any time and by any policy there was.
    fn could_ever_read(&self, reader: &Reader, record: RecordId) -> bool {
        let log = || self.ever.log.iter().filter(|it| it.edit.record == record);
        let wrote = log().any(|entry| entry.edit.id.device == reader.number);
        let truths = || self.ever.truths.iter().chain([&self.people]);
        let read = log().any(|entry| {
            let table = entry.edit.table.as_str();
            truths().any(|it| it.reads(&reader.user, table, &Facts::from(&entry.after)))
        });
        reader.asked.contains(&record) || wrote || read
    }

    fn reader(&self, end: End) -> Reader {
        match (end, &self.byzantine) {
            (End::Device(at) | End::Echo(at), _) => {
                let device = &self.devices[at];
                let file = &device.disk.file;
                let held = file.confirmed.keys().map(|(_, id)| *id);
                let wanted = file.meta.wanted.iter().map(|(_, id)| *id);
                let asked = held.chain(wanted).chain(device.fetched.iter().copied()).collect();
                let number = file.meta.enrolment.as_ref().map(|it| it.device).unwrap_or_default();
                Reader { user: device.user.clone(), number, asked }
            }
            (End::Byzantine, Some(byzantine)) => Reader {
                user: byzantine.user.clone(),
                number: byzantine.number,
                asked: byzantine.asked.clone(),
            },
            (End::Byzantine, None) => unreachable!("it has a connection"),
        }
    }
}

/// To whom something is sent.
struct Reader {
    user: UserId,
    number: DeviceNumber,
    /// Records of which it knows.
    asked: BTreeSet<RecordId>,
}
