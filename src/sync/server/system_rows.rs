//! The rows of system tables follow the organization.

use std::collections::BTreeSet;

use super::following::{damaged, only_here, written};
use super::{ServerMachine, server_edit};
use crate::codec::ScanPlace;
use crate::gate::{Confirmed, Pen, SystemRow, apply, keep_row};
use crate::limits::PAGE_LOOKS_MAX;
use crate::model::{
    Asked, Organization, OrganizationRow, PolicyEpoch, RecordId, SYSTEM_KEY, Sequence, SystemTable,
    TeamKind, Timestamp, Value,
};
use crate::sync::{EntryKind, LogEntry, Operation, ServerStore, StoreError};

/// What rows have to follow.
pub(super) struct Keeping<'a> {
    /// The organization before; that of now is the machine's.
    pub(super) before: &'a Organization,
    /// The schema is another one: it may have got a system table, or other sections.
    pub(super) all: bool,
    pub(super) now: Timestamp,
    pub(super) epoch: PolicyEpoch,
    /// What profiles ask.
    pub(super) asked: &'a Asked,
}

impl Keeping<'_> {
    /// The entries of the log behind `head` by which the rows of system tables come to say what the
    /// organization says. `done` are those of the same step before them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) fn entries<S: ServerStore>(
        &self,
        machine: &ServerMachine,
        store: &S,
        head: Sequence,
        done: &[Operation],
    ) -> Result<Vec<Operation>, StoreError> {
        let mut operations = Vec::new();
        let written = written(done);
        for (system, id) in self.due(machine, store)? {
            let sequence = Sequence(head.0 + operations.len() as u64 + 1);
            let record = system.record(&id);
            let confirmed = match written.get(&record) {
                Some(confirmed) => Some((*confirmed).clone()),
                None => store.record(record)?,
            };
            if confirmed.is_none() && store.erased(record)?.is_some() {
                // It is never there again.
                continue;
            }
            operations.extend(self.entry(machine, (system, &id), confirmed, sequence)?);
        }
        Ok(operations)
    }

    /// The entry at this place of the log by which one row follows; `None`: it says what it should.
    fn entry(
        &self,
        machine: &ServerMachine,
        (system, id): (SystemTable, &str),
        confirmed: Option<Confirmed>,
        sequence: Sequence,
    ) -> Result<Option<Operation>, StoreError> {
        let (rules, organization) = (&machine.rules, machine.rules.roster().organization());
        let Some(table) = rules.schema().table(system.as_str()) else { return Ok(None) };
        let epoch = machine.meta.epoch;
        let (actor, edit) = (only_here(epoch, sequence), server_edit(epoch, sequence));
        let pen = Pen { id: edit, actor, at: self.now };
        let record = confirmed.as_ref().map(Confirmed::record);
        let edit = match SystemRow::find(organization, system, id) {
            Some(row) => row.edit(table, record, pen),
            None => record.and_then(|record| pen.removal(table, record)),
        };
        let admissible = edit.and_then(|edit| keep_row(organization, table, record, &edit));
        let Some(admissible) = admissible else { return Ok(None) };
        let before = record.cloned();
        let admitted = admissible.at(sequence);
        let applied = apply(confirmed, &admitted).map_err(damaged)?;
        let (edit, after) = (admitted.edit().clone(), applied.confirmed().record());
        let kind = EntryKind::edit(edit, before.as_ref(), after, self.asked);
        let entry = Box::new(LogEntry { sequence, kind, at: self.now, epoch: self.epoch });
        Ok(Some(Operation::Append { entry, records: vec![applied] }))
    }

    /// The rows that may have to change, by their tables and the ids of the organization.
    fn due<S: ServerStore>(
        &self,
        machine: &ServerMachine,
        store: &S,
    ) -> Result<BTreeSet<(SystemTable, String)>, StoreError> {
        let (schema, now) = (machine.rules.schema(), machine.rules.roster().organization());
        let is_there = |system: &SystemTable| schema.table(system.as_str()).is_some();
        let mut due = BTreeSet::new();
        let nobody = Organization::default();
        let before = if self.all { &nobody } else { self.before };
        due.extend(before.rows_to(now).into_iter().filter_map(|row| match row {
            OrganizationRow::User(id, _) => Some((SystemTable::User, id.to_string())),
            OrganizationRow::Team(id, _) => Some((SystemTable::Team, id.to_string())),
            OrganizationRow::BusinessUnit(id, _) => {
                Some((SystemTable::BusinessUnit, id.to_string()))
            }
            OrganizationRow::Position(..) => None,
        }));
        if before.root() != now.root() {
            // Access teams are there.
            let access = now.teams.iter().filter(|(_, team)| team.kind == TeamKind::Access);
            due.extend(access.map(|(id, _)| (SystemTable::Team, id.to_string())));
        }
        if self.all {
            for system in SystemTable::ALL.into_iter().filter(is_there) {
                due.extend(held(store, system)?.into_iter().map(|id| (system, id)));
            }
        }
        due.retain(|(system, _)| is_there(system));
        Ok(due)
    }
}

/// The ids of the users, teams or units of which there are rows.
fn held<S: ServerStore>(store: &S, system: SystemTable) -> Result<Vec<String>, StoreError> {
    let mut ids = Vec::new();
    let nil = RecordId::from_bytes([0; 16]);
    let mut place = ScanPlace { table: system.name(), record: nil };
    loop {
        let records = store.scan(Some(&place), PAGE_LOOKS_MAX)?;
        let Some(last) = records.last() else { return Ok(ids) };
        place.record = last.record().id();
        for confirmed in records {
            let record = confirmed.record();
            if *record.table() != place.table {
                return Ok(ids);
            }
            if let Some(Value::Text(id)) = record.columns().get(SYSTEM_KEY) {
                ids.push(id.to_string());
            }
        }
    }
}
