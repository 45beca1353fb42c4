//! What the shells take from the system and hand to the pure rooms: the time, and randomness.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::model::Timestamp;

/// The system's clock. It is metadata wherever it goes: no order depends on it.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the shells' one place that reads the clock")]
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since.ok().and_then(|since| i64::try_from(since.as_millis()).ok());
    millis.and_then(Timestamp::from_millis).unwrap_or_default()
}

/// How long this process runs, roughly: a clock that nobody sets. For waits, and never for order.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the shells' one place that reads the clock")]
pub fn uptime() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

/// Secret randomness of the system.
///
/// # Errors
/// The system has none to give.
pub fn seed() -> std::io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(seed)
}
