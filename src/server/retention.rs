//! What the server does not keep for good.

use std::time::Duration;

use tokio::sync::oneshot;

use super::config::Retention;
use super::engine::Event;
use super::inbox::Inbox;
use super::{Server, ServerError};
use crate::model::Timestamp;
use crate::net::system;
use crate::sync::StoreError;
use crate::sync::server::LogBounds;

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;
/// How often the running server looks for what is not to be kept.
const EVERY: Duration = Duration::from_secs(60);

impl Server {
    /// Removes refused edits that were refused before this time, in small steps between which
    /// devices are served. Their authors keep what is in their quarantine.
    ///
    /// Cancel-safe: what is removed is removed.
    ///
    /// # Errors
    /// The server has stopped, or its file cannot be read or written.
    pub async fn forget_refused(&self, before: Timestamp) -> Result<(), ServerError> {
        repeat(&self.inbox, |done| Event::ForgetRefused { before, done }).await
    }

    /// Drops the first entries of the log, as far as these bounds say and connected
    /// devices have been told; in small steps between which devices are served. A device
    /// that was away before what is left starts anew.
    ///
    /// Cancel-safe: what is dropped is dropped.
    ///
    /// # Errors
    /// The server has stopped, or its file cannot be read or written.
    pub async fn trim_log(&self, bounds: LogBounds) -> Result<(), ServerError> {
        repeat(&self.inbox, |done| Event::TrimLog { bounds, done }).await
    }

    /// From now on removes what is not to be kept any longer. Needs a tokio runtime.
    pub fn keep_for(&mut self, retention: Retention) {
        if let Some(before) = self.tidying.take() {
            before.abort();
        }
        let inbox = self.inbox.clone();
        self.tidying = Some(tokio::spawn(async move {
            let mut times = tokio::time::interval(EVERY);
            times.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                times.tick().await;
                match tidy(&inbox, retention).await {
                    Ok(()) => {}
                    Err(ServerError::Stopped) => return,
                    Err(error) => tracing::error!(%error, "what is too old is not removed"),
                }
            }
        }));
    }
}

async fn tidy(inbox: &Inbox, retention: Retention) -> Result<(), ServerError> {
    // 0 days: for good.
    let before = |days: u32| match days {
        0 => Timestamp::MIN,
        days => system::now().plus_millis(-i64::from(days) * DAY_MILLIS),
    };
    let Retention { refused_days, log_days, log_entries } = retention;
    let before_that = before(refused_days);
    repeat(inbox, |done| Event::ForgetRefused { before: before_that, done }).await?;
    let bounds = LogBounds { before: before(log_days), entries: log_entries.into() };
    repeat(inbox, |done| Event::TrimLog { bounds, done }).await
}

/// Has the engine take a step as long as there is more to do.
async fn repeat(
    inbox: &Inbox,
    event: impl Fn(oneshot::Sender<Result<bool, StoreError>>) -> Event,
) -> Result<(), ServerError> {
    loop {
        let (done, result) = oneshot::channel();
        inbox.wish(event(done)).map_err(|_| ServerError::Stopped)?;
        if !result.await.map_err(|_| ServerError::Stopped)?? {
            return Ok(());
        }
    }
}
