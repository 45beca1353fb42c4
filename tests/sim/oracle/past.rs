//! No message brings what a record held before its reader could first read that.

use std::collections::BTreeMap;

use tidegate::codec::ToServer;
use tidegate::model::{Change, ChangeRef, Edit, RecordId, Section, Sequence, UserId};

use crate::disk::Deed;
use crate::people::{People, may_be_secured};
use crate::privileges::Facts;
use crate::world::{Check, World};

impl World {
    /// Of each section that a whole record has, at most one change is older than the right to read it:
    /// what the section held then. Of concurrent changes more than one may count.
    pub(crate) fn check_past(&self, user: &UserId, record: &Edit) -> Check {
        let deeds: Vec<_> = self.deeds_of(record.record).collect();
        let mut sections: BTreeMap<&Section, Vec<&Change>> = BTreeMap::new();
        for change in record.changes.iter().filter(|change| change.section != Section::Header) {
            sections.entry(&change.section).or_default().push(change);
        }
        for (section, changes) in sections {
            let follows = |pair: &[&Change]| pair[1].deps == [pair[0].id];
            if !changes.windows(2).all(follows) {
                continue;
            }
            let place = |id: ChangeRef| {
                let made = |edit: &Edit| edit.change(section).is_some_and(|it| it.id == id);
                deeds.iter().find(|deed| made(&deed.edit)).map(|deed| deed.sequence)
            };
            // What may not be read at all is looked for elsewhere.
            let Some(from) = self.readable_from(user, record.record, section) else { continue };
            let old = changes.iter().filter(|change| place(change.id).is_some_and(|it| it < from));
            if old.count() > 1 {
                let what = format!("{section:?} of {} {}", record.table, record.record);
                return Err(format!("{user} is sent the past of {what}, readable from {from} on"));
            }
        }
        Ok(())
    }

    /// Nor is anything told that was done before its reader could read it; but for what was done while
    /// the device was away, if its reader could read such a record when it left.
    pub(crate) fn check_news(
        &self,
        user: &UserId,
        left: Sequence,
        sequence: Sequence,
        edit: &Edit,
    ) -> Check {
        let sections = edit.changes.iter().map(|change| &change.section);
        for section in sections.filter(|section| **section != Section::Header) {
            let from = self.readable_from(user, edit.record, section);
            if let Some(from) = from.filter(|from| sequence < *from)
                && !self.could_read(user, left, sequence, section)
            {
                let what = format!("{section:?} of {} {}", edit.table, edit.record);
                return Err(format!(
                    "{user} is told at {sequence} of {what}, readable from {from} on"
                ));
            }
        }
        Ok(())
    }

    /// Up to where the device had been told of the log when it connected.
    pub(crate) fn left_at(&self, link: u64) -> Sequence {
        let first = self.links.get(&link).and_then(|link| link.said.first());
        match first.map(|bytes| tidegate::codec::decode_message::<ToServer>(bytes)) {
            Some(Ok(ToServer::Hello(resume))) => resume.watermark,
            _ => Sequence::default(),
        }
    }

    /// Whether the user could read what an entry of the log did by the rules under which a device left
    /// that was told of the log up to `left`. It is not told that they were others in between.
    fn could_read(
        &self,
        user: &UserId,
        left: Sequence,
        sequence: Sequence,
        section: &Section,
    ) -> bool {
        let history = &self.disk.file.history;
        let first = history.iter().rev().find(|entry| entry.sequence <= left);
        let last = history.iter().find(|entry| entry.sequence > left);
        let first = first.map_or(0, |entry| entry.epoch.0);
        let Some(last) = last else { return false };
        let Some(deed) = self.disk.file.deeds.iter().find(|deed| deed.sequence == sequence) else {
            return false;
        };
        let under = self.truths.range(first..=last.epoch.0);
        under.into_iter().any(|(_, truth)| truth_reads(truth, user, deed, section))
    }

    /// The first entry of the log that the user might read of a section when it was made, or that came
    /// when the user might already.
    fn readable_from(
        &self,
        user: &UserId,
        record: RecordId,
        section: &Section,
    ) -> Option<Sequence> {
        let reads = |epoch: u64, deed: &Deed| {
            let truth = self.truths.get(&epoch);
            truth.is_some_and(|truth| truth_reads(truth, user, deed, section))
        };
        let by_deed = self.deeds_of(record).find(|deed| reads(deed.epoch.0, deed));
        let by_rules = self.truths.keys().filter_map(|epoch| {
            let before = self.disk.file.history.iter().rev().find(|it| it.epoch.0 < *epoch);
            let start = before.map(|entry| entry.sequence).unwrap_or_default();
            let last = self.deeds_of(record).take_while(|deed| deed.sequence <= start).last()?;
            reads(*epoch, last).then_some(Sequence(start.0 + 1))
        });
        by_deed.map(|deed| deed.sequence).into_iter().chain(by_rules).min()
    }

    fn deeds_of(&self, record: RecordId) -> impl Iterator<Item = &Deed> {
        self.disk.file.deeds.iter().filter(move |deed| deed.edit.record == record)
    }
}

/// Whether the user may read a section of a record as it was after an entry of the log.
fn truth_reads(truth: &People, user: &UserId, deed: &Deed, section: &Section) -> bool {
    let (table, facts) = (deed.edit.table.as_str(), Facts::from(&deed.after));
    truth.reads(user, table, &facts)
        && match section {
            Section::Secured(column) => {
                !may_be_secured(column.as_str())
                    || truth.reads_column(user, table, column.as_str(), &facts)
            }
            _ => true,
        }
}
