//! Sync that goes on by itself, with retry and backoff.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::task::JoinHandle;

use super::session::Until;
use super::{Replica, Shared, SyncError};
use crate::limits::{BACKOFF_MAX, BACKOFF_MIN};
use crate::sync::replica::Purpose;

/// How sync goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncOptions {
    /// The first wait after a lost connection; each further one is about twice as long, with
    /// chance in it, so that many devices do not come back at once.
    pub backoff_min: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
    /// Whether the connection ends where the user's offline profile lets all tables get older.
    pub rests: bool,
}

impl SyncOptions {
    /// Stays connected: edits go out and arrive as they are made.
    #[must_use]
    pub fn live() -> Self {
        Self { backoff_min: BACKOFF_MIN, backoff_max: BACKOFF_MAX, rests: false }
    }

    /// Connects as often as the user's offline profile asks: where all of its tables have an `interval`, when
    /// the first of them is due and when something was edited; else as [`Self::live`].
    #[must_use]
    pub fn background() -> Self {
        Self { rests: true, ..Self::live() }
    }
}

/// Sync runs as long as this is held.
#[derive(Debug)]
#[must_use = "sync stops when the guard is dropped"]
pub struct SyncGuard(JoinHandle<SyncError>);

impl SyncGuard {
    /// Waits until sync ends for a reason that waiting does not mend: the device was revoked, or
    /// the server is another organization's. Cancel-safe.
    pub async fn ended(&mut self) -> SyncError {
        (&mut self.0).await.unwrap_or(SyncError::Closed)
    }
}

impl Drop for SyncGuard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Replica {
    /// Keeps in sync from now on, with retry and backoff, until the guard is dropped. Needs a
    /// tokio runtime.
    pub fn start_sync(&self, options: SyncOptions) -> SyncGuard {
        let replica = self.clone();
        SyncGuard(tokio::spawn(async move { replica.stay_in_sync(options).await }))
    }

    async fn stay_in_sync(&self, options: SyncOptions) -> SyncError {
        let until = if options.rests { Until::Resting } else { Until::Stopped };
        let waits = ExponentialBuilder::new()
            .with_min_delay(options.backoff_min)
            .with_max_delay(options.backoff_max)
            .with_factor(2.0)
            .with_jitter()
            .without_max_times();
        let mut next = waits.build();
        let mut one = None;
        loop {
            if one.is_none() {
                self.shared.rest(options).await;
                one = Some(self.shared.session.lock().await);
            }
            let addresses = match self.shared.addresses() {
                Ok(addresses) => addresses,
                Err(error) => return error.into(),
            };
            let opened = self.shared.totals().opened;
            let session = self.shared.session(Purpose::Sync, &addresses, until.clone());
            let Err(error) = session.await else {
                // Whoever syncs by hand meanwhile need not wait.
                (one, next) = (None, waits.build());
                continue;
            };
            if !error.is_passing() {
                return error;
            }
            // A session that was open proves that the way is free: waiting starts over.
            if self.shared.totals().opened != opened {
                next = waits.build();
            }
            let wait = next.next().unwrap_or(options.backoff_max);
            let wait = wait.max(error.asks_to_wait().unwrap_or_default());
            tracing::debug!(%error, ?wait, "sync is interrupted");
            tokio::time::sleep(wait).await;
        }
    }
}

impl Shared {
    /// For how long nothing needs to be fetched; `None`: the device is to be connected.
    pub(super) fn rests_for(&self) -> Option<Duration> {
        self.core().machine.due_in(self.outside.now()).filter(|due| !due.is_zero())
    }

    /// Waits until some table is due, or something was edited.
    async fn rest(&self, options: SyncOptions) {
        while let Some(due) = self.rests_for().filter(|_| options.rests) {
            tokio::select! {
                () = tokio::time::sleep(due) => {}
                () = self.edited.notified() => return,
            }
        }
    }
}
