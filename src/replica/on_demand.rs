//! Single records on demand: fetched whatever the profile takes, and kept until they are released.

use std::collections::BTreeSet;

use super::session::Until;
use super::{PinError, Replica, Row, Shared, SyncError, SyncReport};
use crate::model::{RecordId, TableName};
use crate::sync::StoreError;
use crate::sync::replica::Purpose;

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
        let Ok(_one) = self.shared.session.try_lock() else {
            self.shared.edited.notify_one();
            self.shared.until(Shared::is_first_here).await;
            return Ok(SyncReport::default());
        };
        let addresses = self.shared.addresses()?;
        self.shared.session(Purpose::Sync, &addresses, Until::First).await
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
        let found = match self.told_of(&place).await {
            Ok(()) => self.get(table, record)?,
            Err(error) => {
                self.unless(was_pinned, table, record).await?;
                return Err(error.into());
            }
        };
        match found {
            Some(row) => Ok(row),
            None => {
                self.unless(was_pinned, table, record).await?;
                Err(FetchError::NotThere { table: table.clone(), record })
            }
        }
    }

    async fn unless(
        &self,
        was_pinned: bool,
        table: &TableName,
        record: RecordId,
    ) -> Result<(), StoreError> {
        if !was_pinned {
            self.release(table, record).await?;
        }
        Ok(())
    }

    async fn told_of(&self, place: &(TableName, RecordId)) -> Result<(), SyncError> {
        let Ok(_one) = self.shared.session.try_lock() else {
            self.shared.until(|shared| shared.is_answered(place)).await;
            return Ok(());
        };
        let addresses = self.shared.addresses()?;
        let until = Until::Told(place.clone());
        self.shared.session(Purpose::Sync, &addresses, until).await?;
        Ok(())
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
        Ok(released)
    }

    /// The records that are kept until they are released, there or not.
    #[must_use]
    pub fn fetched(&self) -> BTreeSet<(TableName, RecordId)> {
        self.shared.core().machine.meta().pins.clone()
    }
}

impl Shared {
    pub(super) fn is_first_here(&self) -> bool {
        self.core().machine.is_first_here()
    }

    pub(super) fn is_answered(&self, (table, record): &(TableName, RecordId)) -> bool {
        self.core().machine.is_answered(table, *record)
    }
}
