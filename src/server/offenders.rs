//! Devices that broke the protocol, and until when they are turned away. No device that runs Tidegate
//! breaks it; one that does costs nothing more than its handshake until its time is over.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::codec::PublicKey;
use crate::limits::{OFFENCE_MAX, OFFENCE_MIN, OFFENDERS_KEPT_MAX};

/// Offenders by the key that they proved to hold. Times are those of one clock that only goes on.
#[derive(Debug, Default)]
pub(super) struct Offenders(BTreeMap<PublicKey, Offence>);

#[derive(Debug, Clone, Copy)]
struct Offence {
    lasts: Duration,
    until: Duration,
}

impl Offence {
    /// Who behaved for as long again starts anew.
    fn is_forgotten(&self, now: Duration) -> bool {
        self.until + self.lasts <= now
    }
}

impl Offenders {
    /// Notes an offence; says for how long the device is turned away.
    pub(super) fn note(&mut self, key: PublicKey, now: Duration) -> Duration {
        let before = self.0.get(&key).filter(|it| !it.is_forgotten(now));
        let lasts = before.map_or(OFFENCE_MIN, |it| (it.lasts * 2).min(OFFENCE_MAX));
        if !self.0.contains_key(&key) && self.0.len() >= OFFENDERS_KEPT_MAX {
            self.0.retain(|_, it| !it.is_forgotten(now));
            if self.0.len() >= OFFENDERS_KEPT_MAX {
                let first = self.0.iter().min_by_key(|(_, it)| it.until).map(|(key, _)| *key);
                first.map(|key| self.0.remove(&key));
            }
        }
        self.0.insert(key, Offence { lasts, until: now + lasts });
        lasts
    }

    /// For how long the device is turned away yet.
    pub(super) fn waits(&self, key: &PublicKey, now: Duration) -> Option<Duration> {
        let waits = self.0.get(key)?.until.checked_sub(now)?;
        (!waits.is_zero()).then_some(waits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> PublicKey {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        PublicKey(bytes)
    }

    #[test]
    fn who_offends_again_waits_longer_and_others_do_not_wait() {
        let mut offenders = Offenders::default();
        let mut now = Duration::from_secs(100);
        let mut waits = Vec::new();
        for _ in 0..10 {
            let lasts = offenders.note(key(1), now);
            assert_eq!(offenders.waits(&key(1), now), Some(lasts));
            assert_eq!(offenders.waits(&key(2), now), None);
            now += lasts;
            assert_eq!(offenders.waits(&key(1), now), None);
            waits.push(lasts.as_secs());
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]);
        now += OFFENCE_MAX;
        assert_eq!(offenders.note(key(1), now), OFFENCE_MIN);
    }

    #[test]
    fn only_so_many_are_remembered_and_who_waits_longest_stays() {
        let mut offenders = Offenders::default();
        let now = Duration::from_secs(100);
        offenders.note(key(0), now);
        offenders.note(key(0), now);
        for number in 1..=u32::try_from(OFFENDERS_KEPT_MAX).unwrap() + 100 {
            offenders.note(key(number), now);
            assert!(offenders.0.len() <= OFFENDERS_KEPT_MAX);
        }
        assert!(offenders.waits(&key(0), now).is_some());
    }
}
