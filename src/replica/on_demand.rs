//! Single records on demand: fetched whatever the profile takes, and kept until they are released.

use std::collections::BTreeSet;

use super::session::Until;
use super::{PinError, Replica, Row, SyncError, SyncReport};
use crate::model::{RecordId, TableName};
use crate::sync::StoreError;

/// Why a record was not fetched. Nothing is kept then that was not kept before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// There is no such record, or the user may not read it: which of the two is not told.
    #[error("there is no record {record} in table `{table}` that this user may read")]
    NotThere {
        /// The table.
        table: TableName,
        /// The record.
        record: RecordId,
    },
    /// It cannot be kept.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// The server cannot be reached, or refuses.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// The file cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Replica {
    /// Syncs one table: sends what is pending and fetches what changed, and of all that a scan has left to
    /// bring, as a first sync, this table before all others. Ends when that is here; the rest comes with the
    /// next sync. What is pending goes up in the order in which it was made, whatever its table: an edit may
    /// need those before it.
    ///
    /// # Errors
    /// As [`Self::sync`].
    pub async fn sync_table(&self, table: &TableName) -> Result<SyncReport, SyncError> {
        self.shared.core().machine.ask_first(table.clone());
        self.shared.edited.notify_one();
        self.reached(Until::First).await
    }

    /// Fetches one record as it is now, also one that the user's offline profile does not take, and keeps
    /// it: it is kept up to date as all others, over restarts and other profiles, until it is
    /// [released](Self::release), as far as the user may read it. It comes before all that a scan has left
    /// to bring.
    ///
    /// Where a live session is running, that one fetches it, as soon as it is connected. Dropping the future
    /// takes nothing back: the record is kept when it is there.
    ///
    /// ```no_run
    /// # async fn look(app: tidegate::Replica, id: tidegate::RecordId) -> Result<(), Box<dyn std::error::Error>> {
    /// let orders = "order".parse()?;
    /// let order = app.fetch(&orders, id).await?;
    /// println!("{}", order.get("title"));
    /// // On the way home.
    /// app.release(&orders, id).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// There is no such record that the user may read; as many are kept as can be; or the server cannot be
    /// reached.
    pub async fn fetch(&self, table: &TableName, record: RecordId) -> Result<Row, FetchError> {
        let place = (table.clone(), record);
        let was_pinned = self.shared.core().machine.meta().pins.contains(&place);
        let pin = place.clone();
        let pinned =
            self.shared.with_core(move |core| core.machine.pin(&mut core.store, &pin.0, pin.1));
        pinned.await?;
        self.shared.edited.notify_one();
        let error = match self.reached(Until::Told(place)).await {
            Err(error) => error.into(),
            Ok(_) => match self.get(table, record)? {
                Some(row) => return Ok(row),
                None => FetchError::NotThere { table: table.clone(), record },
            },
        };
        if !was_pinned {
            self.release(table, record).await?;
        }
        Err(error)
    }

    /// Keeps a record that was [fetched](Self::fetch) no longer than the user's offline profile takes it: if
    /// that does not, it leaves this device with the next sync, with every byte. Needs no connection.
    /// Returns whether it was kept.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn release(&self, table: &TableName, record: RecordId) -> Result<bool, StoreError> {
        let table = table.clone();
        let released = self
            .shared
            .with_core(move |core| core.machine.release(&mut core.store, &table, record))
            .await?;
        self.shared.edited.notify_one();
        Ok(released)
    }

    /// The records that are kept until they are released, there or not.
    #[must_use]
    pub fn fetched(&self) -> BTreeSet<(TableName, RecordId)> {
        self.shared.core().machine.meta().pins.clone()
    }
}
