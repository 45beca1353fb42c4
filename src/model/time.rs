//! Wall-clock time. It is metadata: no order and no decision depends on it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z, within the years -9999 to 9999.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, Debug,
)]
#[serde(try_from = "i64", into = "i64")]
pub struct Timestamp(i64);

/// A number that is no [`Timestamp`] or [`super::Date`]: outside the years -9999 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} lies outside the years -9999 to 9999")]
pub struct TimeRangeError(pub i64);

impl TryFrom<i64> for Timestamp {
    type Error = TimeRangeError;
    fn try_from(millis: i64) -> Result<Self, TimeRangeError> {
        Self::from_millis(millis).ok_or(TimeRangeError(millis))
    }
}

impl From<Timestamp> for i64 {
    fn from(time: Timestamp) -> i64 {
        time.0
    }
}

impl Timestamp {
    /// The earliest time that has a text form.
    pub const MIN: Self = Self(-377_705_023_201_000);
    /// The latest time that has a text form.
    pub const MAX: Self = Self(253_402_207_200_999);

    /// A time from milliseconds since 1970; `None` outside [`Self::MIN`] to [`Self::MAX`].
    #[must_use]
    pub fn from_millis(millis: i64) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0).contains(&millis).then_some(Self(millis))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// The second in which it is, as edits tell when they were made: a fraction of one would be a byte more in
    /// each, and clocks of devices agree less than that.
    #[must_use]
    pub fn to_second(self) -> Self {
        Self(self.0.div_euclid(1_000).saturating_mul(1_000)).plus_millis(0)
    }

    /// This time and `millis` more, held within the bounds.
    #[must_use]
    pub fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis).clamp(Self::MIN.0, Self::MAX.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => time.fmt(f),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}
