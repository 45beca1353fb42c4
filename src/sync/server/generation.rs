//! The server begins new generations of sections that were changed often or long ago, and of what
//! others may read from now on: they get what it holds, and not what was there before.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::following::{append, renewal};
use super::ingress::Session;
use crate::crdt::{CrdtError, Record};
use crate::limits::{CONFLICTS_KEPT_TIMES, GENERATION_CHANGES, GENERATION_DAYS, GENERATION_HEADS};
use crate::model::{Edit, LogEpoch, Op, RecordId, Right, Section, Sequence, Table, Timestamp};
use crate::sync::{ServerStore, StoreError};

/// How much history a section keeps. Who edits it when it has more begins a new generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryBounds {
    /// So many changes.
    pub changes: usize,
    /// For so long, by the clocks of those who wrote.
    pub age: Duration,
    /// So many of them that were written side by side, and nothing yet on all of them.
    pub heads: usize,
}

impl Default for HistoryBounds {
    fn default() -> Self {
        let age = Duration::from_secs(u64::from(GENERATION_DAYS) * 24 * 60 * 60);
        Self { changes: GENERATION_CHANGES, age, heads: GENERATION_HEADS }
    }
}

/// What a round of judging did to a record.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// Sections that may have new readers.
    opened: BTreeSet<Section>,
    /// Sections that were written. Of others nothing begins anew, lest what happens to one that is
    /// hidden shows in one that is not.
    written: BTreeSet<Section>,
}

impl<S: ServerStore> Session<'_, S> {
    /// Notes what may have to begin a new generation, now that an edit is admitted.
    pub(super) fn note_changed(&mut self, edit: &Edit) {
        let changed = self.changed.entry(edit.record).or_default();
        changed.written.extend(edit.changes.iter().map(|change| change.section.clone()));
        if let Some(Some(record)) = self.records.get(&edit.record) {
            changed.opened.extend(opened_by(edit, record.record()));
        }
    }

    /// Notes sections that are to begin anew, for there are new readers.
    pub(super) fn open(
        &mut self,
        record: RecordId,
        sections: &BTreeSet<Section>,
    ) -> Result<(), StoreError> {
        if let Some(confirmed) = self.record(record)? {
            let mut opened = confirmed.record().with_past();
            opened.retain(|section| sections.contains(section));
            self.changed.entry(record).or_default().opened.extend(opened);
        }
        Ok(())
    }

    /// Begins new generations where that is due, of the records that this round of judging touched.
    pub(super) fn renew(
        &mut self,
        epoch: LogEpoch,
        bounds: HistoryBounds,
    ) -> Result<(), StoreError> {
        for (id, changed) in std::mem::take(&mut self.changed) {
            self.renew_record(id, changed, epoch, bounds)?;
        }
        Ok(())
    }

    fn renew_record(
        &mut self,
        id: RecordId,
        changed: Changed,
        epoch: LogEpoch,
        bounds: HistoryBounds,
    ) -> Result<(), StoreError> {
        let rules = Arc::clone(&self.rules);
        let Some(Some(confirmed)) = self.records.get(&id) else { return Ok(()) };
        let record = confirmed.record();
        let Some(table) = rules.schema().table(record.table().as_str()) else { return Ok(()) };
        let sections = due(record, table, changed, bounds, self.now);
        let sections = sections.map_err(|error| StoreError::Damaged(error.to_string()))?;
        let mut confirmed = confirmed.clone();
        // Each by itself: whether one can be written anew does not depend on another.
        for section in sections {
            let sequence = Sequence(self.head.0 + 1);
            let (record, only) = (confirmed.record(), BTreeSet::from([section]));
            let renewal = renewal(record, table, &only, (epoch, sequence), self.now);
            let Some(renewal) = renewal else { continue };
            let (operation, after) =
                append(confirmed, &renewal, sequence, self.now, self.epoch, &self.asked)?;
            self.head = sequence;
            self.operations.push(operation);
            confirmed = after;
        }
        self.records.insert(id, Some(confirmed));
        Ok(())
    }
}

/// The sections that an edit may have brought new readers: what they could not read before, they
/// shall not find in a history.
fn opened_by(edit: &Edit, after: &Record) -> BTreeSet<Section> {
    let Some(header) = edit.change(&Section::Header) else { return BTreeSet::new() };
    let is_opened = |section: &Section| {
        header.ops.iter().any(|op| match op {
            Op::Own { .. } => true,
            Op::Share { rights, .. } => rights.contains(Right::Read),
            Op::ShareColumn { column, permissions, .. } => {
                permissions.read && matches!(section, Section::Secured(it) if it == column)
            }
            _ => false,
        })
    };
    after.with_past().into_iter().filter(is_opened).collect()
}

/// The sections of which a new generation begins. Values side by side are what a section holds, and
/// not its past: it keeps them until one is chosen, or its history is too long by far, or so many
/// wrote side by side that soon nobody could build on all of it.
fn due(
    record: &Record,
    table: &Table,
    Changed { opened, written }: Changed,
    bounds: HistoryBounds,
    now: Timestamp,
) -> Result<BTreeSet<Section>, CrdtError> {
    let age = i64::try_from(bounds.age.as_millis()).unwrap_or(i64::MAX);
    let mut sections = record.grown(table, bounds.changes);
    sections.extend(record.with_past_before(now.plus_millis(age.saturating_neg())));
    sections.retain(|section| written.contains(section));
    sections.extend(opened);
    let mut due = record.spread(bounds.heads);
    due.retain(|section| written.contains(section));
    for section in sections {
        if !keeps_conflicts(record, table, &section, bounds)? {
            due.insert(section);
        }
    }
    Ok(due)
}

fn keeps_conflicts(
    record: &Record,
    table: &Table,
    section: &Section,
    bounds: HistoryBounds,
) -> Result<bool, CrdtError> {
    let far = bounds.changes.saturating_mul(CONFLICTS_KEPT_TIMES);
    Ok(record.holds_conflicts(table, section)? && !record.grown(table, far).contains(section))
}

/// Whether a new generation of the section can begin, wherever in the log that is.
pub(super) fn can_begin_anew(
    record: &Record,
    table: &Table,
    section: &Section,
    bounds: HistoryBounds,
) -> Result<bool, CrdtError> {
    let only = BTreeSet::from([section.clone()]);
    let (anywhere, any_time) = ((LogEpoch(0), Sequence(0)), Timestamp::default());
    Ok(!keeps_conflicts(record, table, section, bounds)?
        && renewal(record, table, &only, anywhere, any_time).is_some())
}
