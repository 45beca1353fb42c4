//! What the server does not keep for good.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::engine::Event;
use super::{Server, ServerError};
use crate::model::Timestamp;
use crate::net::system;

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;
/// How often the running server looks for what is too old.
const EVERY: Duration = Duration::from_secs(60 * 60);

impl Server {
    /// Removes refused edits that were refused before this time, in small steps between which
    /// devices are served. Their authors keep what is in their quarantine.
    ///
    /// Cancel-safe: what is removed is removed.
    ///
    /// # Errors
    /// The server has stopped, or its file cannot be read or written.
    pub async fn forget_refused(&self, before: Timestamp) -> Result<(), ServerError> {
        forget_refused(&self.events, before).await
    }

    /// From now on removes refused edits once they are so many days old; 0: never. Needs a tokio
    /// runtime.
    pub fn keep_refused_for(&mut self, days: u32) {
        if let Some(before) = self.tidying.take() {
            before.abort();
        }
        if days == 0 {
            return;
        }
        let events = self.events.clone();
        self.tidying = Some(tokio::spawn(async move {
            let mut times = tokio::time::interval(EVERY);
            times.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                times.tick().await;
                let before = system::now().plus_millis(-i64::from(days) * DAY_MILLIS);
                match forget_refused(&events, before).await {
                    Ok(()) => {}
                    Err(ServerError::Stopped) => return,
                    Err(error) => tracing::error!(%error, "old refused edits are not removed"),
                }
            }
        }));
    }
}

async fn forget_refused(
    events: &mpsc::Sender<Event>,
    before: Timestamp,
) -> Result<(), ServerError> {
    loop {
        let (done, result) = oneshot::channel();
        let event = Event::ForgetRefused { before, done };
        events.send(event).await.map_err(|_| ServerError::Stopped)?;
        if !result.await.map_err(|_| ServerError::Stopped)?? {
            return Ok(());
        }
    }
}
