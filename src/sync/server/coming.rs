//! How much a scan is about, which a device is told before it comes.

use super::connection::Device;
use crate::codec::ToDevice;
use crate::gate::Reach;
use crate::model::{Schema, Size, SizeByState};
use crate::sync::{ServerStore, StoreError};

impl Device {
    /// What a device is told of a scan that is under way. Only records that its user may read count,
    /// and of these what every reader is sent: nothing is told of the rest.
    pub(super) fn coming<S: ServerStore>(
        &self,
        store: &S,
        schema: &Schema,
    ) -> Result<Option<ToDevice>, StoreError> {
        let Some(standing) = self.reader.standing().filter(|_| self.is_turning()) else {
            return Ok(None);
        };
        let mut all = SizeByState::default();
        for table in schema.tables.keys().filter(|table| standing.knows(table)) {
            match self.reader.narrow(table, standing.whole_reach(table)) {
                Reach::Nothing => {}
                Reach::All => all = all.plus(store.size(table, None)?),
                Reach::Buckets(buckets) => {
                    for bucket in buckets {
                        all = all.plus(store.size(table, Some(&bucket))?);
                    }
                }
            }
        }
        // A profile takes nothing that is deleted.
        let taken = if self.reader.takes_everything() { all.all() } else { all.active };
        let Size { records, bytes } = taken;
        Ok(Some(ToDevice::Coming { records, bytes }))
    }
}
