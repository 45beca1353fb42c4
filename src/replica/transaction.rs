//! Several edits in one durable step.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::table::column_name;
use super::{Draft, EditBuilder, EditError, Intent, Receipt, Replica, TypedTable};
use crate::model::{ColumnPermissions, Owner, Principal, RecordId, Rights};

/// Collects the edits of one step. See [`Replica::transaction`].
#[derive(Debug, Default)]
pub struct Transaction {
    drafts: Vec<Draft>,
}

impl Transaction {
    /// Makes a new record, and returns its id, so that others of the step can look it up.
    ///
    /// # Errors
    /// The row does not fit the table.
    pub fn insert<T: Serialize + DeserializeOwned>(
        &mut self,
        table: &TypedTable<T>,
        row: &T,
    ) -> Result<RecordId, EditError> {
        self.add(table.insert_draft(row, None)?)
    }

    /// Makes a new record that belongs to someone else.
    ///
    /// # Errors
    /// The row does not fit the table.
    pub fn insert_for<T: Serialize + DeserializeOwned>(
        &mut self,
        table: &TypedTable<T>,
        row: &T,
        owner: Owner,
    ) -> Result<RecordId, EditError> {
        self.add(table.insert_draft(row, Some(owner))?)
    }

    /// Adds an edit that was put together with [`TypedTable::edit`].
    ///
    /// # Errors
    /// A value of it does not fit its column.
    pub fn edit(&mut self, edit: EditBuilder) -> Result<RecordId, EditError> {
        self.add(edit.draft()?)
    }

    /// Deletes a record.
    ///
    /// # Errors
    /// None now; the same as other edits when the step is made.
    pub fn delete<T: Serialize + DeserializeOwned>(
        &mut self,
        table: &TypedTable<T>,
        record: RecordId,
    ) -> Result<RecordId, EditError> {
        self.add(Draft { table: table.name().clone(), record, intent: Intent::Delete })
    }

    /// Shares a record: says what a principal may do with it, in place of what it could; none ends
    /// the share.
    ///
    /// # Errors
    /// None now; the same as other edits when the step is made.
    pub fn share<T: Serialize + DeserializeOwned>(
        &mut self,
        table: &TypedTable<T>,
        record: RecordId,
        to: Principal,
        rights: Rights,
    ) -> Result<RecordId, EditError> {
        let intent = Intent::Share { to, rights };
        self.add(Draft { table: table.name().clone(), record, intent })
    }

    /// Ends the share of a record with a principal.
    ///
    /// # Errors
    /// None now; the same as other edits when the step is made.
    pub fn unshare<T: Serialize + DeserializeOwned>(
        &mut self,
        table: &TypedTable<T>,
        record: RecordId,
        to: Principal,
    ) -> Result<RecordId, EditError> {
        self.share(table, record, to, Rights::NONE)
    }

    /// Shares a secured column of a record; no permissions end it.
    ///
    /// # Errors
    /// `column` is no name; the same as other edits when the step is made.
    pub fn share_column<T: Serialize + DeserializeOwned>(
        &mut self,
        table: &TypedTable<T>,
        record: RecordId,
        column: &str,
        to: Principal,
        permissions: ColumnPermissions,
    ) -> Result<RecordId, EditError> {
        let intent = Intent::ShareColumn { column: column_name(column)?, to, permissions };
        self.add(Draft { table: table.name().clone(), record, intent })
    }

    /// Adds an edit of the dynamic core.
    ///
    /// # Errors
    /// None now; the same as other edits when the step is made.
    pub fn add(&mut self, draft: Draft) -> Result<RecordId, EditError> {
        let record = draft.record;
        self.drafts.push(draft);
        Ok(record)
    }
}

/// A transaction that was put together: await it to make it.
#[derive(Debug)]
#[must_use = "a transaction is made when it is awaited"]
pub struct PreparedTransaction {
    atomic: bool,
    replica: Replica,
    drafts: Result<Vec<Draft>, EditError>,
}

impl Replica {
    /// Puts several edits together, across tables; awaiting what it returns makes them in one
    /// durable step: all of them, or none where one is refused here.
    ///
    /// The server rules on each record's edit, unless the transaction is
    /// [`atomic`](PreparedTransaction::atomic).
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("field.redb");
    /// # let schema = tidegate::read_schema(
    /// #     r#"
    /// #     [[table]]
    /// #     id = "account"
    /// #     ownership = "user_owned"
    /// #     columns = [{ id = "balance", type = "counter" }]
    /// #     "#,
    /// #     "schema.toml",
    /// # )?;
    /// # let app = tidegate::Replica::builder(path).schema(schema).open()?;
    /// let accounts = app.table::<serde_json::Value>("account")?;
    /// let cash = accounts.insert(&serde_json::json!({ "balance": 10 })).await?.id();
    /// let bank = accounts.insert(&serde_json::json!({ "balance": 0 })).await?.id();
    /// let transfer = app.transaction(|tx| {
    ///     tx.edit(accounts.edit(cash).increment("balance", -4))?;
    ///     tx.edit(accounts.edit(bank).increment("balance", 4))?;
    ///     Ok(())
    /// });
    /// transfer.atomic().await?;
    /// assert_eq!(accounts.get(bank)?, Some(serde_json::json!({ "balance": 4 })));
    /// # Ok(())
    /// # }
    /// ```
    pub fn transaction(
        &self,
        collect: impl FnOnce(&mut Transaction) -> Result<(), EditError>,
    ) -> PreparedTransaction {
        let mut transaction = Transaction::default();
        let drafts = collect(&mut transaction).map(|()| transaction.drafts);
        PreparedTransaction { atomic: false, replica: self.clone(), drafts }
    }
}

impl PreparedTransaction {
    /// The server, too, takes all of the edits or none; no replica ever sees half of them.
    pub fn atomic(self) -> Self {
        Self { atomic: true, ..self }
    }
}

impl IntoFuture for PreparedTransaction {
    type Output = Result<Receipt, EditError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.replica.make(self.drafts?, self.atomic).await })
    }
}
