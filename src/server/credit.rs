//! What a device may use up: time of the engine, and edits that are refused and kept.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::codec::PublicKey;
use crate::limits::{
    CREDITS_KEPT_MAX, REFUSED_CREDIT, REFUSED_CREDIT_PER_SECOND, WORK_CREDIT, WORK_CREDIT_PART,
};

/// Which device used up how much, by its key: a new connection changes nothing. Times are those of one
/// clock that only goes on.
#[derive(Debug, Default)]
pub(super) struct Credits(BTreeMap<PublicKey, Used>);

/// Until when what was used is given back.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    work: Duration,
    refused: Duration,
}

impl Credits {
    /// Notes time that the engine worked for a device.
    pub(super) fn work(&mut self, key: PublicKey, now: Duration, time: Duration) {
        let used = self.used(key, now);
        used.work = used.work.max(now) + time * WORK_CREDIT_PART;
    }

    /// Notes edits of a device that were refused.
    pub(super) fn refused(&mut self, key: PublicKey, now: Duration, edits: usize) {
        let each = Duration::from_secs(1) / REFUSED_CREDIT_PER_SECOND;
        let used = self.used(key, now);
        let edits = u32::try_from(edits).unwrap_or(u32::MAX);
        used.refused = used.refused.max(now) + each.saturating_mul(edits);
    }

    /// Whether the device has used up its time, so that others go first.
    pub(super) fn is_late(&self, key: &PublicKey, now: Duration) -> bool {
        self.0.get(key).is_some_and(|it| it.work > now + WORK_CREDIT * WORK_CREDIT_PART)
    }

    /// How long the device waits yet, because so much of it was refused.
    pub(super) fn waits(&self, key: &PublicKey, now: Duration) -> Option<Duration> {
        let all = Duration::from_secs(1) * REFUSED_CREDIT / REFUSED_CREDIT_PER_SECOND;
        let waits = self.0.get(key)?.refused.checked_sub(now + all)?;
        (!waits.is_zero()).then_some(waits)
    }

    fn used(&mut self, key: PublicKey, now: Duration) -> &mut Used {
        if !self.0.contains_key(&key) && self.0.len() >= CREDITS_KEPT_MAX {
            self.0.retain(|_, it| it.work.max(it.refused) > now);
            if self.0.len() >= CREDITS_KEPT_MAX {
                let least = self.0.iter().min_by_key(|(_, it)| it.work.max(it.refused));
                least.map(|(key, _)| *key).map(|key| self.0.remove(&key));
            }
        }
        self.0.entry(key).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);

    fn key(number: u32) -> PublicKey {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        PublicKey(bytes)
    }

    #[test]
    fn who_uses_up_its_time_is_late_until_it_is_given_back() {
        let mut credits = Credits::default();
        credits.work(key(1), NOW, WORK_CREDIT);
        assert!(!credits.is_late(&key(1), NOW));
        credits.work(key(1), NOW, Duration::from_millis(1));
        assert!(credits.is_late(&key(1), NOW));
        assert!(!credits.is_late(&key(2), NOW));
        let given_back = NOW + Duration::from_millis(1) * WORK_CREDIT_PART;
        assert!(!credits.is_late(&key(1), given_back));
    }

    #[test]
    fn what_is_refused_is_bounded_over_time() {
        let mut credits = Credits::default();
        credits.refused(key(1), NOW, REFUSED_CREDIT as usize);
        assert_eq!(credits.waits(&key(1), NOW), None);
        credits.refused(key(1), NOW, REFUSED_CREDIT_PER_SECOND as usize);
        assert_eq!(credits.waits(&key(1), NOW), Some(Duration::from_secs(1)));
        assert_eq!(credits.waits(&key(1), NOW + Duration::from_secs(1)), None);
        assert_eq!(credits.waits(&key(2), NOW), None);
    }

    #[test]
    fn only_so_many_devices_are_remembered_and_the_greediest_stay() {
        let mut credits = Credits::default();
        credits.work(key(0), NOW, WORK_CREDIT * 2);
        for number in 1..=u32::try_from(CREDITS_KEPT_MAX).unwrap() + 100 {
            credits.work(key(number), NOW, Duration::from_millis(1));
            assert!(credits.0.len() <= CREDITS_KEPT_MAX);
        }
        assert!(credits.is_late(&key(0), NOW));
    }
}
