//! One table before all others, because the user asked for it: what a scan has left to bring of it, out of
//! turn. The scan itself stays where it is, and passes the table when it comes to it in this session.

use super::bounds::PageBounds;
use super::connection::Device;
use super::filling::{Filling, Next};
use super::past::Pasts;
use super::reading::Reading;
use super::state::State;
use super::{ConnectionId, ServerMachine};
use crate::codec::ToDevice;
use crate::model::{RecordId, TableName};
use crate::sync::{ServerStore, StoreError};

/// A table that a device asked for, and the last record of it that was looked at.
#[derive(Debug, Clone)]
pub(super) struct First {
    table: TableName,
    looked: Option<RecordId>,
}

impl First {
    pub(super) fn new(table: TableName) -> Self {
        Self { table, looked: None }
    }

    /// From its beginning, for it is looked at with other eyes.
    pub(super) fn anew(self) -> Self {
        Self::new(self.table)
    }
}

impl ServerMachine {
    pub(super) fn first<S: ServerStore>(
        &mut self,
        store: &S,
        id: ConnectionId,
        table: TableName,
    ) -> Result<(), StoreError> {
        if let Some(device) = self.device_mut(id) {
            device.first = Some(First::new(table));
        }
        self.pump(store, id)
    }

    /// Says that all is told that there is of the table. The device is told of all of the log.
    pub(super) fn answer_first(&mut self, id: ConnectionId, is_all: bool) {
        let Some(device) = self.device_mut(id) else { return };
        let is_all = is_all || !device.is_turning();
        let is_told = |first: &First| is_all || device.brought.contains(&first.table);
        if device.first.as_ref().is_some_and(is_told)
            && let Some(First { table, .. }) = device.first.take()
        {
            self.send(id, ToDevice::First { table });
        }
    }
}

impl Device {
    /// Whether a table was asked for that the scan has not brought.
    pub(super) fn asks_first(&self) -> bool {
        self.first.as_ref().is_some_and(|first| !self.brought.contains(&first.table))
    }

    /// What the next records of that table are to this device.
    pub(super) fn first_page<S: ServerStore>(
        &mut self,
        reading: &Reading<'_, S>,
        bounds: PageBounds,
    ) -> Result<Next, StoreError> {
        let state = State::now(reading);
        let mut page = Filling::default();
        let Some(First { table, mut looked }) = self.first.take() else {
            return Ok(Next::Look);
        };
        let reach = self.reach().remove(&table).unwrap_or_default();
        let mut pasts = Pasts::default();
        let mut is_all = false;
        'page: for _ in 0..bounds.rounds {
            let records = reading.store.scan_within(&table, &reach, looked, bounds.looks)?;
            for confirmed in &records {
                let record = confirmed.record().id();
                if !self.has_pinned(&table, record) {
                    let news = self.scanned(reading, &state, confirmed)?;
                    pasts = news.pasts;
                    if !pasts.is_empty() {
                        break 'page;
                    }
                    page.extend(news.entries);
                }
                looked = Some(record);
                if page.is_full(bounds) {
                    break 'page;
                }
            }
            is_all = records.len() < bounds.looks;
            if is_all {
                break;
            }
        }
        if is_all {
            self.brought.insert(table.clone());
        }
        self.first = Some(First { table, looked });
        Ok(page.or(pasts))
    }
}
