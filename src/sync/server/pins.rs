//! Records that a device keeps whatever its profile takes. It names them when it greets; the server keeps
//! no list of them. To who has a record pinned it is as one that is taken, before and after whatever
//! happens; so only other terms make a difference, and those are looked at before a scan begins.

use super::bounds::PageBounds;
use super::connection::Device;
use super::filling::{Filling, Next};
use super::past::Pasts;
use super::reading::Reading;
use super::state::State;
use super::{ConnectionId, ServerMachine};
use crate::codec::Refusal;
use crate::limits::PINS_MAX;
use crate::model::{RecordId, TableName};
use crate::sync::{ServerStore, StoreError};

impl ServerMachine {
    /// A device says whether a record is pinned from now on. Returns whether it may go on.
    pub(super) fn pin(
        &mut self,
        id: ConnectionId,
        place: &(TableName, RecordId),
        pinned: bool,
    ) -> bool {
        let Some(device) = self.device_mut(id) else { return true };
        if let Some(comparing) = &mut device.comparing {
            comparing.begin_anew();
        }
        if !pinned {
            device.pins.remove(place);
            device.due.remove(place);
        } else if device.pins.len() < PINS_MAX {
            device.pins.insert(place.clone());
        } else if !device.pins.contains(place) {
            self.refuse(id, Refusal::Protocol(format!("more than {PINS_MAX} pinned records")));
            return false;
        }
        true
    }
}

impl Device {
    pub(super) fn has_pinned(&self, table: &TableName, record: RecordId) -> bool {
        !self.pins.is_empty() && self.pins.contains(&(table.clone(), record))
    }

    /// What other terms make of the pinned records at which the scan has not looked yet. It passes them
    /// where it meets them.
    pub(super) fn pins_page<S: ServerStore>(
        &mut self,
        reading: &Reading<'_, S>,
        bounds: PageBounds,
    ) -> Result<Next, StoreError> {
        let state = State::now(reading);
        let mut page = Filling::default();
        while let Some((table, record)) = self.due.first().cloned() {
            if page.is_full(bounds) {
                break;
            }
            let found = reading.record(record)?.filter(|it| *it.record().table() == table);
            if let Some(confirmed) = found {
                let news = self.scanned(reading, &state, &confirmed)?;
                if !news.pasts.is_empty() {
                    return Ok(page.or(news.pasts));
                }
                page.extend(news.entries);
            }
            self.due.pop_first();
        }
        Ok(page.or(Pasts::default()))
    }
}
