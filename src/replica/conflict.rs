//! Values that were written side by side, and who wrote them.

use super::{EditError, Replica};
use crate::crdt;
use crate::model::{ColumnName, DeviceNumber, RecordId, TableName, Timestamp, UserId, Value};

/// One of several values that a column holds at once, because people wrote it side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// The value.
    pub value: Value,
    /// The device that wrote it.
    pub device: DeviceNumber,
    /// That device's user; `None`: the server has not named it yet.
    pub author: Option<UserId>,
    /// When, by the author's clock.
    pub time: Timestamp,
}

impl Replica {
    /// The values that a column of a record holds at once, because they were written side by side
    /// and none has replaced the others. The one that reads show comes first; none where there is
    /// nothing to choose. An edit that [sets](super::EditBuilder::set) one of them, or another
    /// value, settles it for everybody.
    ///
    /// Edits of rich text, lists and maps, and increments of counters, merge and never conflict.
    ///
    /// # Errors
    /// The table, column or record is not there, or the file cannot be read.
    pub fn conflicts(
        &self,
        table: &TableName,
        record: RecordId,
        column: &ColumnName,
    ) -> Result<Vec<Conflict>, EditError> {
        let core = self.shared.core();
        let meta = core.machine.meta();
        let author = |device: DeviceNumber| {
            let own = meta.enrolment.as_ref().filter(|own| own.device == device);
            own.map(|own| own.user.clone()).or_else(|| meta.authors.get(&device).cloned())
        };
        let found = core.machine.conflicts(&core.store, table, record, column)?;
        let conflict = |crdt::Conflict { value, change, time }| {
            let device = change.actor.device;
            Conflict { value, device, author: author(device), time }
        };
        Ok(found.into_iter().map(conflict).collect())
    }
}
