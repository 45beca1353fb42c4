//! What was seen of a record, and edits as of that.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Core, Draft, EditBuilder, Intent, Replica, Row, TableError, TypedTable};
use crate::model::{EditId, RecordId, Seen, TableName};
use crate::sync::{ReplicaStore as _, StoreError, replica};

impl Replica {
    /// A row, and what was seen by that: an edit can be made [as of it](EditBuilder::as_seen)
    /// whenever its user is done. `None` where there is none, or it is deleted.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn see(&self, table: &TableName, id: RecordId) -> Result<Option<(Row, Seen)>, StoreError> {
        let snapshot = self.shared.reader.snapshot()?;
        let Some(row) = snapshot.row(table, id)? else { return Ok(None) };
        let row = Row::new(id, row, table, &self.shared.sight());
        let (confirmed, pending) = (snapshot.confirmed(table, id)?, snapshot.pending_on(id)?);
        Ok(Some((row, replica::seen(table, id, confirmed, pending))))
    }
}

impl<T: Serialize + DeserializeOwned> TypedTable<T> {
    /// The row of this id, and what was seen by that: an edit can be made [as of
    /// it](EditBuilder::as_seen) whenever its user is done. `None` where there is none.
    ///
    /// # Errors
    /// The file cannot be read, or the row does not read as the type.
    pub fn see(&self, id: RecordId) -> Result<Option<(T, Seen)>, TableError> {
        let Some((row, seen)) = self.replica.see(self.name(), id)? else { return Ok(None) };
        Ok(Some((self.read(&row)?, seen)))
    }
}

impl EditBuilder {
    /// Makes the edit as of what was seen, whatever came since: a form that is opened at ten and
    /// saved at five past means what it showed. What others did meanwhile, and this device, is side
    /// by side with the edit: places in texts and lists are those that were seen, and values set on
    /// both sides [conflict](Replica::conflicts).
    ///
    /// Where the record is deleted by now, the edit is refused as any other. Once the edit is made,
    /// [`Receipt::seen`](super::Receipt::seen) goes on from there.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("field.redb");
    /// # let schema = tidegate::read_schema(
    /// #     r#"
    /// #     [[table]]
    /// #     id = "note"
    /// #     ownership = "user_owned"
    /// #     columns = [{ id = "text", type = "rich_text" }]
    /// #     "#,
    /// #     "schema.toml",
    /// # )?;
    /// # let app = tidegate::Replica::builder(path).schema(schema).open()?;
    /// let notes = app.table::<serde_json::Value>("note")?;
    /// let note = notes.insert(&serde_json::json!({ "text": "pump leaks" })).await?.id();
    ///
    /// let (shown, seen) = notes.see(note)?.ok_or("it is there")?;
    /// // Meanwhile a sync brings an edit, or another window makes one.
    /// notes.edit(note).splice("text", 0..0, "The ").commit().await?;
    /// let end = shown["text"].as_str().ok_or("a text")?.chars().count();
    /// notes.edit(note).splice("text", end..end, " again").as_seen(&seen).commit().await?;
    ///
    /// assert_eq!(notes.get(note)?.ok_or("it is there")?["text"], "The pump leaks again");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// That of the commit is [`EditError::SeenElsewhere`](super::EditError::SeenElsewhere) where the record does not hold any more
    /// what was seen: its history was begun anew, what was pending was written anew or refused, or
    /// it left this device meanwhile. Then read it again, and edit what it is now.
    pub fn as_seen(mut self, seen: &Seen) -> Self {
        self.seen = Some(seen.clone());
        self
    }
}

/// What was seen of the records of a step, and goes on with what the step does.
#[derive(Debug, Default)]
pub(super) struct SeenAfter(BTreeMap<RecordId, Seen>);

impl SeenAfter {
    pub(super) fn of(drafts: &[Draft]) -> Self {
        let mut seen: BTreeMap<RecordId, Seen> = BTreeMap::new();
        for draft in drafts {
            if let Intent::OpsOn(new, _) = &draft.intent {
                let together = seen.remove(&draft.record).map(|it| it.together(new));
                seen.insert(draft.record, together.unwrap_or_else(|| new.clone()));
            }
        }
        Self(seen)
    }

    /// Adds what was done to these records.
    pub(super) fn follow(mut self, core: &Core, edits: &[EditId]) -> Result<Self, StoreError> {
        if self.0.is_empty() {
            return Ok(self);
        }
        for edit in edits {
            let Some(pending) = core.store.pending(*edit)? else { continue };
            if let Some(seen) = self.0.remove(&pending.edit.record) {
                self.0.insert(pending.edit.record, seen.with(&pending.edit));
            }
        }
        Ok(self)
    }

    pub(super) fn get(&self, record: RecordId) -> Option<&Seen> {
        self.0.get(&record)
    }
}
