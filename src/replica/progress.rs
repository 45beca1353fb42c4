//! How fast rows arrive, and for how long still.

use std::time::Duration;

use super::Replica;
use crate::model::Timestamp;
use crate::sync::replica::{Arrival, Event};

/// How far a scan is: the first sync, or what other privileges bring.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// What is here, and what there will be.
    pub arrival: Arrival,
    /// Records that came in a second, in this session so far; 0: not known yet.
    pub rate: f64,
    /// How long the rest takes at that rate.
    pub left: Option<Duration>,
}

/// When a session began to bring rows, and how many were here then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    begun: Timestamp,
    before: u64,
    last: Arrival,
    at: Timestamp,
}

impl Pace {
    /// With what is told at this time.
    pub(super) fn note(pace: Option<Self>, event: &Event, now: Timestamp) -> Option<Self> {
        match event {
            Event::Arriving(last) => {
                let before = pace.map_or(last.here.records, |pace| pace.before);
                let begun = pace.map_or(now, |pace| pace.begun);
                Some(Self { begun, before, last: *last, at: now })
            }
            // Another session counts anew.
            Event::Open | Event::UpToDate => None,
            _ => pace,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "for people")]
    fn progress(self) -> Progress {
        let Self { begun, before, last: arrival, at } = self;
        let millis = at.as_millis().saturating_sub(begun.as_millis());
        let came = arrival.here.records.saturating_sub(before);
        let is_known = millis > 0 && came > 0;
        let rate = if is_known { came as f64 * 1e3 / millis as f64 } else { 0.0 };
        let rest = arrival.total.records.saturating_sub(arrival.here.records) as f64;
        let left = is_known.then(|| Duration::try_from_secs_f64(rest / rate).ok()).flatten();
        Progress { arrival, rate, left }
    }
}

impl Replica {
    /// How far the first sync is, or another scan; `None` while there is none. Ask again after each
    /// [`Event::Arriving`].
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        let pace = self.shared.pace.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        pace.map(Pace::progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Size;

    fn arriving(records: u64) -> Event {
        let size = |records| Size { records, bytes: records * 100 };
        Event::Arriving(Arrival { here: size(records), total: size(1_000) })
    }

    #[test]
    fn rate_and_time_left_follow_from_what_came_in_this_session() {
        let at = |millis: i64| Timestamp::from_millis(1_767_225_600_000 + millis).unwrap();
        let mut pace = Pace::note(None, &arriving(200), at(0));
        let first = pace.unwrap().progress();
        assert_eq!(first.left, None, "nothing came yet");
        pace = Pace::note(pace, &arriving(400), at(2_000));
        let later = pace.unwrap().progress();
        assert_eq!(later.left, Some(Duration::from_secs(6)));
        assert!((later.rate - 100.0).abs() < 1e-9, "{}", later.rate);
        assert!(Pace::note(pace, &Event::UpToDate, at(3_000)).is_none());
        let again = Pace::note(pace, &Event::Open, at(9_000));
        let again = Pace::note(again, &arriving(600), at(9_500)).unwrap();
        assert_eq!(again.progress().left, None, "another session counts anew");
    }
}
