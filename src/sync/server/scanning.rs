//! The scan through all records that a device may read, or may hold, while what it is sent under turns.

use std::cmp::Ordering;

use super::bounds::PageBounds;
use super::connection::Device;
use super::filling::{Filling, Next, Telling};
use super::past::Pasts;
use super::reader::Reader;
use super::reading::Reading;
use super::state::State;
use crate::codec::{Entry, ScanPlace};
use crate::gate::Confirmed;
use crate::model::TableName;
use crate::sync::{ServerStore, StoreError};

impl Device {
    /// What the next records of the scan are to this device.
    pub(super) fn scan_page<S: ServerStore>(
        &mut self,
        reading: &Reading<'_, S>,
        bounds: PageBounds,
    ) -> Result<Next, StoreError> {
        let mut page = Filling::default();
        let state = State::now(reading);
        let mut pasts = Pasts::default();
        for _ in 0..bounds.rounds {
            let records = self.next_records(reading.store, self.looked.as_ref(), bounds.looks)?;
            let is_last = records.len() < bounds.looks;
            for confirmed in &records {
                let place = ScanPlace::of(confirmed.record());
                let is_told = self.brought.contains(&place.table)
                    || self.has_pinned(&place.table, place.record);
                let news = if is_told {
                    Telling::default()
                } else {
                    self.scanned(reading, &state, confirmed)?
                };
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

    /// The next records behind a place that the device may read, or may hold: of the tables that come first first, and
    /// of one table by their ids.
    pub(super) fn next_records<S: ServerStore>(
        &self,
        store: &S,
        place: Option<&ScanPlace>,
        limit: usize,
    ) -> Result<Vec<Confirmed>, StoreError> {
        let mut records: Vec<Confirmed> = Vec::new();
        let mut tables: Vec<_> = self.reach().into_iter().collect();
        tables.sort_by_key(|(table, _)| self.reader.priority(table));
        let rank = |table: &TableName| (self.reader.priority(table), table.clone());
        for (table, reach) in tables {
            let from = place.map(|at| (rank(&at.table).cmp(&rank(&table)), at.record));
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

    /// What other terms make of a record.
    pub(super) fn scanned<S: ServerStore>(
        &self,
        reading: &Reading<'_, S>,
        state: &State<'_, '_, S>,
        confirmed: &Confirmed,
    ) -> Result<Telling, StoreError> {
        let mut page = Telling::default();
        let (table, header) = (confirmed.record().table(), confirmed.record().header());
        let record = confirmed.record().id();
        let is_pinned = self.has_pinned(table, record);
        let mut had = Vec::new();
        for held in self.held.iter().filter(|held| held.reads(table, header)) {
            if is_pinned || held.takes(table, record, state)? {
                had.push(held);
            }
        }
        let reads = self.reader.reads(table, header);
        if reads && (is_pinned || self.reader.takes(table, record, state)?) {
            // Of several held it is not known under which one a row came, or whether a scan came so far;
            // nor of what a profile took that cannot be evaluated any more.
            let is_there =
                |held: &&Reader| held.is_known() && held.sees_as(&self.reader, confirmed.record());
            if !self.scope.complete || !had.iter().any(is_there) {
                let before = Some(header).filter(|_| !had.is_empty());
                self.tell_whole(reading, confirmed, before, &mut page)?;
            }
        } else if !had.is_empty() {
            let (sequence, record) =
                (self.seen.sequence.max(confirmed.version()), confirmed.record().id());
            page.push(Entry::Gone { sequence, table: table.clone(), record });
        }
        Ok(page)
    }
}
