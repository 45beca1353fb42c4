//! No message brings what a record held before its reader could first read that.

use std::collections::BTreeMap;

use tidegate::model::{Change, Edit, Section, Sequence, UserId};

use crate::disk::Deed;
use crate::people::{People, may_be_secured};
use crate::privileges::Facts;
use crate::world::{Check, World};

impl World {
    /// Of each section that a whole record has, only the first change may be one that its reader could
    /// not read when it was made: what the section held when that became readable. Of concurrent
    /// changes more than one may count.
    pub(crate) fn check_past(&self, user: &UserId, record: &Edit) -> Check {
        let mut sections: BTreeMap<&Section, Vec<&Change>> = BTreeMap::new();
        for change in record.changes.iter().filter(|change| change.section != Section::Header) {
            sections.entry(&change.section).or_default().push(change);
        }
        for (section, changes) in sections {
            let follows = |pair: &[&Change]| pair[1].deps == [pair[0].id];
            if !changes.windows(2).all(follows) {
                continue;
            }
            for change in changes.iter().skip(1) {
                let is_it = |deed: &&Deed| {
                    let same = deed.edit.record == record.record;
                    same && deed.edit.change(section).is_some_and(|it| it.id == change.id)
                };
                let deed = self.disk.file.deeds.iter().find(is_it);
                if let Some(deed) = deed.filter(|deed| !self.could_read(user, deed, section)) {
                    let what = format!("{section:?} of {} {}", record.table, record.record);
                    return Err(format!("{user} is sent the past of {what}, at {}", deed.sequence));
                }
            }
        }
        Ok(())
    }

    /// Nor is anything told that was done while its reader could not read it.
    pub(crate) fn check_news(&self, user: &UserId, sequence: Sequence, edit: &Edit) -> Check {
        let deeds = &self.disk.file.deeds;
        let Some(deed) =
            deeds.iter().find(|deed| deed.sequence == sequence && deed.edit.record == edit.record)
        else {
            return Ok(());
        };
        let sections = edit.changes.iter().map(|change| &change.section);
        for section in sections.filter(|section| **section != Section::Header) {
            if !self.could_read(user, deed, section) {
                let what = format!("{section:?} of {} {}", edit.table, edit.record);
                return Err(format!(
                    "{user} is told of {what}, hidden when it was done at {sequence}"
                ));
            }
        }
        Ok(())
    }

    /// Whether the user could read what was done when it was done.
    fn could_read(&self, user: &UserId, deed: &Deed, section: &Section) -> bool {
        let truth = self.truths.get(&deed.epoch.0);
        truth.is_none_or(|truth| truth_reads(truth, user, deed, section))
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
