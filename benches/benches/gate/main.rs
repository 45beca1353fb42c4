//! What the gate and the server's way in cost: judgments alone, one change by stage, and many small
//! change sets until they are durable. There is no rival beside it: read the figures with what
//! limits them, in `docs/testing.md`.

mod ingest;
mod judgments;
mod stages;
mod world;

use std::time::Instant;

/// Whatever goes wrong ends the bench.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Runs the work and says how many seconds it took.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub(crate) fn timed<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<(f64, T)> {
    let start = Instant::now();
    let done = work()?;
    Ok((start.elapsed().as_secs_f64(), done))
}

fn main() -> Outcome<()> {
    judgments::run()?;
    stages::run()?;
    ingest::run()
}
