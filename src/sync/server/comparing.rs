//! What a device should hold, as digests: of what its user may read and its terms take, as the records
//! are. An answer is of what the device holds when it arrives: all that it is told comes in one stream, and
//! what is compared is told before the next page.

use std::collections::VecDeque;

use super::bounds::PageBounds;
use super::connection::Device;
use super::reading::Reading;
use super::state::State;
use super::{ConnectionId, ServerMachine};
use crate::codec::{Entry, RangeDigest, RangeSum, ScanPlace, Stretch, ToDevice, record_digest};
use crate::gate::Confirmed;
use crate::limits::{
    COMPARED_FAN_OUT, COMPARED_GRAIN_MAX, COMPARED_RANGES_MAX, COMPARED_RECORDS_MAX,
};
use crate::sync::{ServerStore, StoreError};

/// What a device asks to be compared, and how far that is.
#[derive(Debug, Clone)]
pub(super) struct Comparing {
    number: u32,
    grain: usize,
    asked: Vec<Stretch>,
    /// What is left of them: the first one begins with the range under way.
    stretches: VecDeque<Stretch>,
    /// Ranges that are complete, and how many records are in them.
    done: Vec<RangeDigest>,
    records: usize,
    /// The range under way, and up to where was looked for its records.
    sum: RangeSum,
    looked: Option<ScanPlace>,
}

impl Comparing {
    pub(super) fn new(number: u32, grain: u32, stretches: Vec<Stretch>) -> Self {
        let grain = usize::try_from(grain).unwrap_or(usize::MAX).clamp(1, COMPARED_GRAIN_MAX);
        let (done, records, sum, looked) = Default::default();
        let (asked, stretches) = (stretches.clone(), stretches.into());
        Self { number, grain, asked, stretches, done, records, sum, looked }
    }

    /// Forgets what was compared: the device is to hold something else, and may not hear of it any more.
    pub(super) fn begin_anew(&mut self) {
        self.stretches = self.asked.clone().into();
        self.done.clear();
        self.records = 0;
        self.begin_range();
    }

    /// Looks for the records of the range under way from its beginning.
    fn begin_range(&mut self) {
        (self.sum, self.looked) = (RangeSum::default(), None);
    }

    /// The device is told this: where something of it is in the range under way, that begins anew.
    pub(super) fn note(&mut self, entries: &[Entry]) {
        let Some(looked) = &self.looked else { return };
        let after = self.stretches.front().and_then(|stretch| stretch.after.as_ref());
        let is_in = |table, record| {
            let place = ScanPlace { table, record };
            Some(&place) > after && place <= *looked
        };
        let touches = entries.iter().any(|entry| match entry {
            Entry::Moved { legs, .. } => legs
                .iter()
                .any(|leg| leg.records.iter().any(|record| is_in(leg.table.clone(), *record))),
            other => other.place().is_some_and(|(table, record)| is_in(table, record)),
        });
        if touches {
            self.begin_range();
        }
    }

    /// Whether there is an answer. When that is so depends on what the device holds alone.
    fn is_done(&self) -> bool {
        self.stretches.is_empty()
            || self.done.len() >= COMPARED_RANGES_MAX
            || self.records >= COMPARED_RECORDS_MAX
    }

    /// Adds a record that the device is to hold. Returns whether its stretch ends with it.
    fn add(&mut self, place: &ScanPlace, whole: &crate::model::Edit) -> Result<bool, StoreError> {
        let digest =
            record_digest(whole).map_err(|error| StoreError::Damaged(error.to_string()))?;
        self.sum.add(place, digest);
        if self.sum.records() < self.grain {
            return Ok(false);
        }
        self.complete(Some(place.clone()));
        let Some(first) = self.stretches.front_mut() else { return Ok(true) };
        first.after = Some(place.clone());
        let ends = first.end == first.after;
        if ends {
            self.stretches.pop_front();
        }
        Ok(ends)
    }

    /// There is nothing more in the first stretch.
    fn end_stretch(&mut self) {
        self.complete(None);
        self.stretches.pop_front();
    }

    fn complete(&mut self, end: Option<ScanPlace>) {
        self.records += self.sum.records();
        self.done.push(RangeDigest { end, digest: self.sum.digest() });
        self.begin_range();
    }
}

impl ServerMachine {
    /// A device asks for digests of what it should hold.
    pub(super) fn compare<S: ServerStore>(
        &mut self,
        store: &S,
        id: ConnectionId,
        comparing: Comparing,
    ) -> Result<(), StoreError> {
        let device = self.connections.get_mut(&id).and_then(|it| it.device.as_mut());
        if let Some(device) = device {
            device.comparing = Some(comparing);
            // It lets go what turns out to be wrong.
            device.whole_ids = true;
        }
        self.pump(store, id)
    }

    /// Tells a device the ranges that are complete, if it is all that it asked for, or there are any.
    pub(super) fn tell_compared(&mut self, id: ConnectionId, is_all: bool) {
        let device = self.connections.get_mut(&id).and_then(|it| it.device.as_mut());
        let Some(device) = device else { return };
        let is_told = |it: &mut Comparing| is_all || !it.done.is_empty();
        let Some(comparing) = device.comparing.take_if(is_told) else { return };
        let (number, watermark) = (comparing.number, device.seen.sequence);
        let ranges = comparing.done;
        self.send(id, ToDevice::Compared { number, watermark, ranges });
    }
}

impl Device {
    /// Goes on comparing, where the device was told all. Returns whether there is an answer.
    pub(super) fn compare<S: ServerStore>(
        &mut self,
        reading: &Reading<'_, S>,
        bounds: PageBounds,
    ) -> Result<bool, StoreError> {
        let Some(mut comparing) = self.comparing.take() else { return Ok(true) };
        let state = State::now(reading);
        let mut looks = bounds.looks.saturating_mul(bounds.rounds);
        while looks > 0 && !comparing.is_done() {
            let looked = self.compare_some(reading, &state, bounds, &mut comparing)?;
            looks = looks.saturating_sub(looked.max(1));
        }
        let is_done = comparing.is_done();
        self.comparing = Some(comparing);
        Ok(is_done)
    }

    /// Looks at the next records of the first stretch. Returns how many there were.
    fn compare_some<S: ServerStore>(
        &self,
        reading: &Reading<'_, S>,
        state: &State<'_, '_, S>,
        bounds: PageBounds,
        comparing: &mut Comparing,
    ) -> Result<usize, StoreError> {
        let Some(stretch) = comparing.stretches.front() else { return Ok(0) };
        let from = comparing.looked.clone().or_else(|| stretch.after.clone());
        let end = stretch.end.clone();
        // Of a small range not many are read in vain.
        let limit = bounds.looks.min(comparing.grain.saturating_mul(COMPARED_FAN_OUT));
        let records = self.records_between(reading.store, from.as_ref(), end.as_ref(), limit)?;
        let is_last = records.len() < limit;
        for confirmed in &records {
            let record = confirmed.record();
            let (table, header, place) = (record.table(), record.header(), ScanPlace::of(record));
            comparing.looked = Some(place.clone());
            let is_taken = self.reader.reads(table, header)
                && (self.has_pinned(table, record.id())
                    || self.reader.takes(table, record.id(), state)?);
            let part =
                if is_taken { self.reader.part_of(header, &confirmed.to_edit()) } else { None };
            if let Some(part) = part
                && (comparing.add(&place, &part)? || comparing.is_done())
            {
                return Ok(records.len());
            }
        }
        if is_last {
            comparing.end_stretch();
        }
        Ok(records.len())
    }

    /// Records within reach, in the order of their places.
    fn records_between<S: ServerStore>(
        &self,
        store: &S,
        after: Option<&ScanPlace>,
        end: Option<&ScanPlace>,
        limit: usize,
    ) -> Result<Vec<Confirmed>, StoreError> {
        let mut records: Vec<Confirmed> = Vec::new();
        let mut tables: Vec<_> = self.reader.reach().collect();
        tables.sort_by_key(|(table, _)| *table);
        for (table, reach) in tables {
            if after.is_some_and(|after| *table < after.table)
                || end.is_some_and(|end| *table > end.table)
            {
                continue;
            }
            // A pinned record may be anywhere.
            let has_pins = self.pins.iter().any(|(of, _)| of == table);
            let reach = if has_pins { reach } else { self.reader.narrow(table, reach) };
            let from = after.filter(|after| after.table == *table).map(|after| after.record);
            let to = end.filter(|end| end.table == *table).map(|end| end.record);
            let found = store.scan_within(table, &reach, from, limit - records.len())?;
            let is_in = |it: &Confirmed| to.is_none_or(|to| it.record().id() <= to);
            records.extend(found.into_iter().take_while(is_in));
            if records.len() == limit {
                break;
            }
        }
        Ok(records)
    }
}
