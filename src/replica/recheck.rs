//! Rechecking what is held against the server.

use super::session::Until;
use super::{Replica, Shared, SyncError};
use crate::sync::replica::{Purpose, RecheckReport, SessionError};

impl Replica {
    /// Compares all that is confirmed here with what the server says that this device should hold, by
    /// digests, and has it mended: records that are missing or other come anew, those that should not be
    /// here leave (what is pending on them goes to quarantine), and rows are written again that do not show
    /// what they should. Nothing else comes again. Opens a session; where [`Self::start_sync`] runs, goes
    /// through its session, and waits for one while that is not connected. What is pending is sent after it.
    ///
    /// [`super::Event::Rechecking`] tells how far it is. Not cancel-safe, in that it goes on without the
    /// future; where a session ends before it is done, the next one begins it anew.
    ///
    /// # Errors
    /// The device is not enrolled, the server cannot be reached, or the session ends before it is done: so
    /// it does where the budget of the user's offline profile is spent before all is here.
    pub async fn recheck(&self) -> Result<RecheckReport, SyncError> {
        let addresses = self.shared.addresses()?;
        if let Ok(_one) = self.shared.session.try_lock() {
            let number = self.shared.begin_recheck().await?;
            self.shared.session(Purpose::Sync, &addresses, Until::UpToDate).await?;
            return self.shared.rechecked(number).ok_or(SyncError::Ended);
        }
        let mut changed = self.shared.changed.subscribe();
        let number = self.shared.begin_recheck().await?;
        loop {
            if let Some(report) = self.shared.rechecked(number) {
                return Ok(report);
            }
            if self.shared.session.try_lock().is_ok() || self.shared.is_up_to_date() {
                return Err(SyncError::Ended);
            }
            changed.changed().await.map_err(|_| SyncError::Closed)?;
        }
    }
}

impl Shared {
    async fn begin_recheck(self: &std::sync::Arc<Self>) -> Result<u32, SyncError> {
        let now = self.outside.now();
        let begun = self.with_core(move |core| {
            Ok::<_, SessionError>(core.machine.recheck(&mut core.store, now))
        });
        let number = begun.await?;
        self.edited.notify_one();
        Ok(number)
    }

    fn rechecked(&self, number: u32) -> Option<RecheckReport> {
        self.core().machine.rechecked(number)
    }
}
