//! How much a device may hold by its user's offline profile. A scan stops at the page with which that is
//! spent; what it takes away is told all the same, for nobody keeps what they may not read because there is
//! no room.

use super::bounds::PageBounds;
use super::connection::Device;
use super::filling::{Filling, Next};
use super::past::Pasts;
use super::reading::Reading;
use super::state::State;
use crate::codec::{Entry, ScanPlace};
use crate::sync::{ServerStore, StoreError};

/// Whether there is room on a device for what a scan brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// There is.
    Some,
    /// Nobody knows before it has written what is on its way.
    Unknown,
    /// There is none.
    None,
}

impl Device {
    pub(super) fn room(&self) -> Room {
        let profile = self.reader.profile().map(|it| it.checked().profile());
        let Some(budget) = profile.and_then(|profile| profile.budget) else { return Room::Some };
        let coming: u64 = self.ahead.iter().map(|page| page.bytes).sum();
        if self.bytes.saturating_add(coming) < budget {
            Room::Some
        } else if self.ahead.is_empty() {
            Room::None
        } else {
            Room::Unknown
        }
    }

    /// What the rest of the scan takes away. The scan stays where it is.
    pub(super) fn sweep_page<S: ServerStore>(
        &mut self,
        reading: &Reading<'_, S>,
        bounds: PageBounds,
    ) -> Result<Next, StoreError> {
        let state = State::now(reading);
        let mut page = Filling::default();
        for _ in 0..bounds.rounds {
            let from = self.swept.as_ref().or(self.looked.as_ref());
            let records = self.next_records(reading.store, from, bounds.looks)?;
            let is_last = records.len() < bounds.looks;
            for confirmed in &records {
                let place = ScanPlace::of(confirmed.record());
                let is_told = self.brought.contains(&place.table)
                    || self.has_pinned(&place.table, place.record);
                if !is_told {
                    let news = self.scanned(reading, &state, confirmed)?;
                    let leaves = |entry: &Entry| matches!(entry, Entry::Gone { .. });
                    page.extend(news.entries.into_iter().filter(leaves));
                }
                self.swept = Some(place);
                if page.is_full(bounds) {
                    return Ok(page.or(Pasts::default()));
                }
            }
            if is_last {
                self.is_swept = true;
                break;
            }
        }
        Ok(page.or(Pasts::default()))
    }
}
