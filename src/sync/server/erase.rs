//! Erasing a record: everything that it held goes, here and on every device, and its id is never
//! used again.

use crate::codec::{Entry, ToDevice};
use crate::crdt::Documents;
use crate::gate::Confirmed;
use crate::limits::PAGE_LOOKS_MAX;
use crate::model::{DeviceNumber, Edit, RecordId, Sequence, TableName, Timestamp};
use crate::sync::{EntryKind, Erased, LogEntry, Operation, ServerMeta, ServerStore, StoreError};

use super::{ConnectionId, ServerMachine, server_edit};

impl ServerMachine {
    /// Erases a record: the record itself, what its entries in the log did, and the refused edits
    /// of it. The entries' places stay. Devices that may hold it, or wrote it, are told and erase it
    /// too; connected ones at once. Whether there was, or ever had been, anything of it.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn erase<S: ServerStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        table: &TableName,
        record: RecordId,
    ) -> Result<bool, StoreError> {
        let mut found = false;
        self.until_certain(store, |machine, store| {
            machine.note_rules(store, now)?;
            if let Some(before) = store.erased(record)? {
                found = before.table == *table;
                return Ok(());
            }
            let held = store.record(record)?;
            let is_it = |edit: &Edit| edit.record == record && edit.table == *table;
            found = match &held {
                Some(held) => held.record().table() == table,
                None => store.refused(usize::MAX)?.iter().any(|refused| is_it(&refused.edit)),
            };
            if !found {
                return Ok(());
            }
            let header = held.as_ref().map(|held| held.record().header().clone());
            let sequence = Sequence(machine.meta.head.0 + 1);
            let edit = Edit {
                id: server_edit(machine.meta.epoch, sequence),
                table: table.clone(),
                record,
                atomic: 0,
                changes: Vec::new(),
            };
            let after = header.clone().unwrap_or_default();
            let (before, at, epoch) = (Some(header), now, machine.epoch()?);
            let record = held.as_ref().map(Confirmed::record);
            let asked = record.and_then(|it| machine.meta.asked.of(table, it.columns()));
            let kind = EntryKind::Edit { edit, before, after, asked };
            let mut entry = LogEntry { sequence, kind, at, epoch };
            entry.empty();
            let meta = ServerMeta { head: sequence, ..machine.meta.clone() };
            machine.commit(store, meta, vec![Operation::Erase(Box::new(entry))])
        })?;
        if found {
            self.documents = Documents::default();
            for id in self.connections.keys().copied().collect::<Vec<_>>() {
                self.pump(store, id)?;
            }
        }
        Ok(found)
    }

    /// A device that starts anew passes no entries of the log: what it wrote of erased records is
    /// named to it at once, before the page after which it need not start anew again.
    pub(super) fn tell_erased<S: ServerStore>(
        &mut self,
        store: &S,
        id: ConnectionId,
        number: DeviceNumber,
    ) -> Result<(), StoreError> {
        let own = store.all_erased()?.into_iter().filter(|it| it.authors.contains(&number));
        let entries: Vec<_> = own.map(Erased::into_entry).collect();
        let mut left = entries.len();
        for entries in entries.chunks(PAGE_LOOKS_MAX) {
            let page = self.reading(store, |machine, reading| {
                let device = machine.device_mut(id);
                device.map(|device| device.page(reading, entries.to_vec())).transpose()
            });
            let Some(mut page) = page? else { break };
            left -= entries.len();
            if left > 0 {
                page.watermark = Sequence(0);
            }
            self.send(id, ToDevice::Page(page));
        }
        Ok(())
    }
}

impl Erased {
    /// What a device is told.
    pub(super) fn into_entry(self) -> Entry {
        let Self { table, record, sequence, .. } = self;
        Entry::Erased { sequence, table, record }
    }
}
