//! The log is not kept for good. What lies so far back that whoever lacks it does better to start anew
//! is dropped, from its beginning up to the *floor*.

use super::ServerMachine;
use crate::limits::{DROPPED_AT_ONCE_MAX, LOG_ENTRIES_PER_RECORD};
use crate::model::{Sequence, Timestamp};
use crate::sync::{LogEntry, Operation, ServerMeta, ServerStore, StoreError};

/// How much of the log is kept, besides what a connected device was not told yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogBounds {
    /// Entries that were made before this are dropped.
    pub before: Timestamp,
    /// So many entries are kept at least, of those that are not too old; more where there are many
    /// records.
    pub entries: u64,
}

impl ServerMachine {
    /// Drops some of the first entries of the log, if they are more than are to be kept. Whether
    /// there may be more such: call it again, when others were served.
    ///
    /// They go in the order of the log: one that was made later, by a clock that was wrong, keeps
    /// those behind it until its time has come.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn trim_log<S: ServerStore>(
        &mut self,
        store: &mut S,
        bounds: LogBounds,
    ) -> Result<bool, StoreError> {
        if self.next_floor(store, bounds)? == self.meta.floor {
            return Ok(false);
        }
        self.until_certain(store, |machine, store| {
            let floor = machine.next_floor(store, bounds)?;
            if floor == machine.meta.floor {
                return Ok(());
            }
            let meta = ServerMeta { floor, ..machine.meta.clone() };
            machine.commit(store, meta, vec![Operation::Trim { up_to: floor }])
        })?;
        tracing::debug!(floor = self.meta.floor.0, "the log was trimmed");
        Ok(self.next_floor(store, bounds)? > self.meta.floor)
    }

    /// Where the log may begin after one more step.
    fn next_floor<S: ServerStore>(
        &self,
        store: &S,
        bounds: LogBounds,
    ) -> Result<Sequence, StoreError> {
        let ServerMeta { floor, head, .. } = self.meta;
        let by_records = store.record_count()?.saturating_mul(LOG_ENTRIES_PER_RECORD);
        let kept = bounds.entries.max(by_records);
        let by_number = Sequence(head.0.saturating_sub(kept));
        let far = Sequence(floor.0.saturating_add(DROPPED_AT_ONCE_MAX as u64));
        let goal = if by_number >= far {
            far
        } else {
            by_number.max(last_before(store, floor, bounds.before)?)
        };
        // Nobody who is here starts anew.
        let devices = self.connections.values().filter_map(|it| it.device.as_ref());
        let told = devices.map(|device| device.seen.sequence).min().unwrap_or(head);
        Ok(goal.min(told).max(floor))
    }
}

/// The last of the next entries, as many as go in one step, that were made before this time.
fn last_before<S: ServerStore>(
    store: &S,
    floor: Sequence,
    before: Timestamp,
) -> Result<Sequence, StoreError> {
    let is_old = |entries: &[LogEntry]| entries.first().is_some_and(|it| it.at < before);
    if !is_old(&store.log_after(floor, 1)?) {
        return Ok(floor);
    }
    let entries = store.log_after(floor, DROPPED_AT_ONCE_MAX)?;
    let old = entries.iter().take_while(|entry| entry.at < before);
    Ok(old.last().map_or(floor, |entry| entry.sequence))
}
