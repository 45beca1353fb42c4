//! Rights that were taken and given back while a device was away. It hears only of what holds now,
//! and what was done in between was not its user's to see: such records come whole, begun anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ServerMachine;
use super::connection::Device;
use super::reader::Reader;
use crate::gate::{Roster, Standing};
use crate::model::{
    DeviceNumber, Edit, Header, Organization, Policy, Schema, Section, Sequence, TableName, UserId,
};
use crate::sync::grant::standing_digest;
use crate::sync::{DeviceRow, Operation, PastStanding, ServerStore, StoreError};

/// A standing that was in force while entries of the log were made.
#[derive(Debug, Clone)]
pub(super) struct Lapse {
    /// The last of them.
    until: Sequence,
    reader: Reader,
}

/// What ended behind a place in the log for a device's user.
pub(super) fn lapses<S: ServerStore>(
    store: &S,
    device: DeviceNumber,
    after: Sequence,
) -> Result<Vec<Lapse>, StoreError> {
    let past = store.past_standings(device, after)?;
    let lapse = |past: PastStanding| {
        Ok(Lapse { until: past.until, reader: Reader::of_standing(&past.standing)? })
    };
    past.into_iter().map(lapse).collect()
}

impl ServerMachine {
    /// Notes the standings that end with these rules.
    pub(super) fn ended_standings<S: ServerStore>(
        &self,
        store: &S,
        before: Option<&(Policy, Organization)>,
        schema: Option<&Schema>,
    ) -> Result<Vec<Operation>, StoreError> {
        let (Some((policy, organization)), Some(schema)) = (before, schema) else {
            return Ok(Vec::new());
        };
        let roster = Roster::new(Arc::new(policy.clone()), Arc::new(organization.clone()));
        let before = (&roster, schema);
        let (head, floor) = (self.meta.head, self.meta.floor);
        let mut ended = BTreeMap::new();
        let mut operations = Vec::new();
        for DeviceRow { number: device, user, .. } in store.devices()? {
            if !ended.contains_key(&user) {
                let standing = self.ended_standing(before, &user)?;
                ended.insert(user.clone(), standing);
            }
            let Some(standing) = ended.get(&user).cloned().flatten() else { continue };
            // Where nothing was done since the last one ended, this one was in force for nothing.
            let earlier = Sequence(head.0.saturating_sub(1));
            if head > floor && store.past_standings(device, earlier)?.is_empty() {
                let past = PastStanding { until: head, standing };
                operations.push(Operation::PutPastStanding { device, past, floor });
            }
        }
        Ok(operations)
    }

    /// A user's standing by the rules of before, if it is another one now.
    fn ended_standing(
        &self,
        before: (&Roster, &Schema),
        user: &UserId,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let bytes = |(roster, schema): (&Roster, &Schema)| {
            let standing = Standing::resolve(roster, user).map(|it| it.within(schema));
            let named = standing_digest(standing.as_ref().ok());
            named.map(|(_, bytes)| bytes).map_err(|error| StoreError::Damaged(error.to_string()))
        };
        let was = bytes(before)?;
        Ok((was != bytes((&self.rules.roster, self.rules.schema()))?).then_some(was))
    }
}

impl Device {
    /// Whether the user could read a section of a record with this header by all rules that were in
    /// force since the device was told of the log.
    pub(super) fn could_read_since(
        &self,
        table: &TableName,
        header: &Header,
        section: &Section,
    ) -> bool {
        let since = self.lapses.iter().filter(|lapse| lapse.until > self.seen.sequence);
        let mut readers = since.map(|lapse| &lapse.reader);
        readers.all(|it| it.reads(table, header) && it.reads_section(table, header, section))
    }

    /// Whether what an edit did, of what the user may read now, was hidden from the user then.
    pub(super) fn was_hidden(&self, sequence: Sequence, edit: &Edit, after: &Header) -> bool {
        let then = self.lapses.iter().find(|lapse| lapse.until >= sequence);
        let Some(Lapse { reader, .. }) = then else { return false };
        let sections = edit.changes.iter().map(|change| &change.section);
        let mut now =
            sections.filter(|section| self.reader.reads_section(&edit.table, after, section));
        !reader.reads(&edit.table, after)
            || now.any(|section| !reader.reads_section(&edit.table, after, section))
    }
}
