//! When a device that does not stay connected is to sync again.

use std::time::Duration;

use super::ReplicaMachine;
use crate::model::Timestamp;

const MINUTE_MILLIS: u64 = 60_000;

impl ReplicaMachine {
    /// How long until some table is as old as its offline profile lets it get; `None`: of one of them, or
    /// without a profile of all, what is new is to be here at once, and the device stays connected.
    #[must_use]
    pub fn due_in(&self, now: Timestamp) -> Option<Duration> {
        let minutes = self.meta.intake.as_ref()?.interval()?;
        let Some(synced) = self.synced else { return Some(Duration::ZERO) };
        let interval = u64::from(minutes) * MINUTE_MILLIS;
        let age = now.as_millis().checked_sub(synced.as_millis());
        // A clock that was set back says nothing.
        let age = age.and_then(|age| u64::try_from(age).ok()).unwrap_or(interval);
        Some(Duration::from_millis(interval.saturating_sub(age)))
    }
}
