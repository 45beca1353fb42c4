//! What the file of a server holds. A change of a key or value takes a new name.

use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadTransaction, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::codec::{Digest, PublicKey};
use crate::gate::{Confirmed, Versions};
use crate::model::{
    Bucket, Columns, Denial, DeviceNumber, Edit, EditId, Header, OrganizationRow, Policy,
    PolicyEpoch, PublishedProfiles, RecordId, RecordState, Schema, Sequence, Size, SizeByState,
    TableName, Timestamp, UserId,
};
use crate::store::edit_bytes;
use crate::store::table::Table;
use crate::sync::{
    DeviceRow, EntryKind, Erased, LogEntry, Move, RefusedEdit, ServerMeta, StoreError, Strand,
};

/// What the server knows of itself: [`META_KEY`] -> it.
pub(super) static META: Table<String, ServerMeta> = Table::new("meta-4");
/// The log: sequence -> entry.
pub(super) static LOG: Table<Sequence, Logged> = Table::new("log-3");
/// The log by strands: (strand, sequence) -> nothing.
pub(super) static STRAND: Table<(Strand, Sequence), ()> = Table::new("strand-2");
/// Records: record id -> all changes.
pub(super) static RECORD: Table<RecordId, Kept> = Table::new("record-2");
/// Records in the order of a scan: (table, record id) -> by what else it is found.
pub(super) static PLACE: Table<(TableName, RecordId), Place> = Table::new("place-5");
/// The records of a bucket in the order of a scan: (bucket, (table, record id)) -> nothing.
pub(super) static BUCKET: Table<(Bucket, (TableName, RecordId)), ()> = Table::new("bucket-2");
/// How many records of a table are there: table -> number.
pub(super) static COUNT: Table<TableName, u64> = Table::new("count-1");
/// How much of a table is in a bucket, and in all: (table; bucket as text, or nothing) -> size.
pub(super) static SIZE: Table<(TableName, String), SizeByState> = Table::new("size-3");
/// Where an admitted edit is in the log: edit id -> sequence.
pub(super) static ADMITTED: Table<EditId, Sequence> = Table::new("admitted-1");
/// Admitted edits whose entries in the log were dropped: (device, part), first counter -> last.
pub(super) static RUN: Table<RunKey, u64> = Table::new("admitted-run-1");
/// Who wrote a record, of the entries that were dropped: (record id, device) -> nothing.
pub(super) static AUTHOR: Table<(RecordId, DeviceNumber), ()> = Table::new("author-1");
/// Refused edits in their order: own counter -> edit.
pub(super) static REFUSED: Table<u64, Refused> = Table::new("refused-2");
/// The same by their ids: (edit id, own counter) -> nothing.
pub(super) static REFUSED_EDIT: Table<(EditId, u64), ()> = Table::new("refused-edit-1");
/// Devices: number -> device.
pub(super) static DEVICE: Table<DeviceNumber, DeviceRow> = Table::new("device-2");
/// Devices by key: key -> number.
pub(super) static DEVICE_KEY: Table<PublicKey, DeviceNumber> = Table::new("device-key-1");
/// Used enrolment codes: nonce -> the device's key.
pub(super) static CODE: Table<[u8; 8], PublicKey> = Table::new("code-1");
/// Standings under which devices receive rows: (device, digest) -> standing.
pub(super) static STANDING: Table<(DeviceNumber, Digest), Vec<u8>> = Table::new("standing-1");
/// Standings that other rules ended: (device, last entry of the log meanwhile) -> standing.
pub(super) static PAST_STANDING: Table<(DeviceNumber, Sequence), Vec<u8>> =
    Table::new("past-standing-1");
/// Erased records: record id -> what is known of it still.
pub(super) static ERASED: Table<RecordId, Erased> = Table::new("erased-1");
/// Whether bytes of what was erased may be left in the file: [`PURGE_KEY`] -> it.
pub(super) static PURGE: Table<String, bool> = Table::new("purge-1");
/// The schema in force: [`SCHEMA_KEY`] -> it.
pub(super) static SCHEMA: Table<String, Schema> = Table::new("schema-1");
/// The policy in force: [`POLICY_KEY`] -> it.
pub(super) static POLICY: Table<String, Policy> = Table::new("policy-1");
/// The organization: kind and id -> row.
pub(super) static ORGANIZATION: Table<String, OrganizationRow> = Table::new("organization-1");
/// The offline profiles: [`PROFILES_KEY`] -> them.
pub(super) static PROFILES: Table<String, PublishedProfiles> = Table::new("profiles-1");

/// The only key of [`SCHEMA`].
pub(super) const SCHEMA_KEY: &str = "schema";
/// The only key of [`POLICY`].
pub(super) const POLICY_KEY: &str = "policy";
/// The only key of [`PROFILES`].
pub(super) const PROFILES_KEY: &str = "profiles";
/// The only key of [`META`].
pub(super) const META_KEY: &str = "server";

/// Makes all tables, so that a reader finds each.
pub(super) fn make(tx: &WriteTransaction) -> Result<(), StoreError> {
    META.write(tx)?;
    LOG.write(tx)?;
    STRAND.write(tx)?;
    RECORD.write(tx)?;
    PLACE.write(tx)?;
    BUCKET.write(tx)?;
    COUNT.write(tx)?;
    SIZE.write(tx)?;
    ADMITTED.write(tx)?;
    RUN.write(tx)?;
    AUTHOR.write(tx)?;
    REFUSED.write(tx)?;
    REFUSED_EDIT.write(tx)?;
    DEVICE.write(tx)?;
    DEVICE_KEY.write(tx)?;
    CODE.write(tx)?;
    STANDING.write(tx)?;
    PAST_STANDING.write(tx)?;
    ERASED.write(tx)?;
    set_purge_due(tx, false)?;
    SCHEMA.write(tx)?;
    POLICY.write(tx)?;
    ORGANIZATION.write(tx)?;
    PROFILES.write(tx)?;
    Ok(())
}

/// Of what device and part a run of edits is, and at which counter it begins.
pub(super) type RunKey = ((DeviceNumber, u32), u64);

const PURGE_KEY: &str = "due";

/// Whether bytes of what was erased may be left in the file.
pub(super) fn is_purge_due(tx: &ReadTransaction) -> Result<bool, StoreError> {
    Ok(PURGE.read(tx)?.get(&PURGE_KEY.to_owned())? == Some(true))
}

/// Notes whether bytes of what was erased may be left in the file.
pub(super) fn set_purge_due(tx: &WriteTransaction, is_due: bool) -> Result<(), StoreError> {
    PURGE.write(tx)?.set(&PURGE_KEY.to_owned(), &is_due)?;
    Ok(())
}

/// Copies all tables into another file, in which there is nothing that was deleted.
pub(super) fn copy(from: &ReadTransaction, to: &WriteTransaction) -> Result<(), StoreError> {
    META.copy(from, to)?;
    LOG.copy(from, to)?;
    STRAND.copy(from, to)?;
    RECORD.copy(from, to)?;
    PLACE.copy(from, to)?;
    BUCKET.copy(from, to)?;
    COUNT.copy(from, to)?;
    SIZE.copy(from, to)?;
    ADMITTED.copy(from, to)?;
    RUN.copy(from, to)?;
    AUTHOR.copy(from, to)?;
    REFUSED.copy(from, to)?;
    REFUSED_EDIT.copy(from, to)?;
    DEVICE.copy(from, to)?;
    DEVICE_KEY.copy(from, to)?;
    CODE.copy(from, to)?;
    STANDING.copy(from, to)?;
    PAST_STANDING.copy(from, to)?;
    ERASED.copy(from, to)?;
    set_purge_due(to, false)?;
    SCHEMA.copy(from, to)?;
    POLICY.copy(from, to)?;
    ORGANIZATION.copy(from, to)?;
    PROFILES.copy(from, to)?;
    Ok(())
}

/// By what a record is found, beside its table and id.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Place {
    /// Whether it is there, not deleted.
    pub(super) is_active: bool,
    /// How much it is.
    pub(super) size: Size,
    /// The buckets that it is in.
    pub(super) buckets: BTreeSet<Bucket>,
}

impl Place {
    pub(super) fn of(confirmed: &Confirmed) -> Self {
        let record = confirmed.record();
        let buckets = Bucket::of_record(record.header(), record.columns());
        Self { is_active: record.is_active(), size: confirmed.size(), buckets }
    }

    /// How much it is, and in which state.
    pub(super) fn size_by_state(&self) -> SizeByState {
        let state = if self.is_active { RecordState::Active } else { RecordState::Deleted };
        SizeByState::of(state, self.size)
    }

    /// The parts of its table that it counts in, as keys of [`SIZE`] have them.
    pub(super) fn parts(&self) -> impl Iterator<Item = String> {
        // Of what looks up one record nobody is told the size.
        let told = self.buckets.iter().filter(|it| !matches!(it, Bucket::LookingUp(..)));
        std::iter::once(part(None)).chain(told.map(|bucket| part(Some(bucket))))
    }
}

/// A bucket, or all of a table, as keys of [`SIZE`] have it.
pub(super) fn part(bucket: Option<&Bucket>) -> String {
    bucket.map(ToString::to_string).unwrap_or_default()
}

/// What is to be added to sizes, and taken from them.
#[derive(Default)]
pub(super) struct Sizes(BTreeMap<(TableName, String), (SizeByState, SizeByState)>);

impl Sizes {
    /// Notes that a record of a table is found otherwise than before.
    pub(super) fn note(&mut self, table: &TableName, before: &Place, after: &Place) {
        for part in after.parts() {
            let (more, _) = self.0.entry((table.clone(), part)).or_default();
            *more = more.plus(after.size_by_state());
        }
        for part in before.parts() {
            let (_, less) = self.0.entry((table.clone(), part)).or_default();
            *less = less.plus(before.size_by_state());
        }
    }

    pub(super) fn write(self, tx: &WriteTransaction) -> Result<(), StoreError> {
        let mut sizes = SIZE.write(tx)?;
        for (key, (more, less)) in self.0.into_iter().filter(|(_, (more, less))| more != less) {
            let size = sizes.get(&key)?.unwrap_or_default().plus(more).minus(less);
            if size == SizeByState::default() {
                sizes.delete(&key)?;
            } else {
                sizes.set(&key, &size)?;
            }
        }
        Ok(())
    }
}

/// A record as it is kept.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) versions: Versions,
    #[serde(with = "edit_bytes")]
    pub(super) changes: Edit,
}

/// An entry of the log as it is kept.
#[derive(Serialize, Deserialize)]
pub(super) struct Logged {
    kind: LoggedKind,
    at: Timestamp,
    epoch: PolicyEpoch,
}

#[derive(Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "as of EntryKind")]
enum LoggedKind {
    Edit {
        #[serde(with = "edit_bytes")]
        edit: Edit,
        #[expect(clippy::option_option, reason = "as in EntryKind: unchanged, or none before")]
        before: Option<Option<Header>>,
        after: Header,
        asked: Option<Columns>,
    },
    Move(Move),
}

impl Logged {
    /// The place and what is kept there.
    pub(super) fn of(entry: LogEntry) -> (Sequence, Self) {
        let LogEntry { sequence, kind, at, epoch } = entry;
        let kind = match kind {
            EntryKind::Edit { edit, before, after, asked } => {
                LoggedKind::Edit { edit, before, after, asked }
            }
            EntryKind::Move(moved) => LoggedKind::Move(moved),
        };
        (sequence, Self { kind, at, epoch })
    }

    pub(super) fn at(self, sequence: Sequence) -> LogEntry {
        let Self { kind, at, epoch } = self;
        let kind = match kind {
            LoggedKind::Edit { edit, before, after, asked } => {
                EntryKind::Edit { edit, before, after, asked }
            }
            LoggedKind::Move(moved) => EntryKind::Move(moved),
        };
        LogEntry { sequence, kind, at, epoch }
    }
}

/// A refused edit as it is kept.
#[derive(Serialize, Deserialize)]
pub(super) struct Refused {
    #[serde(with = "edit_bytes")]
    pub(super) edit: Edit,
    is_part: bool,
    user: UserId,
    denial: Denial,
    epoch: PolicyEpoch,
    pub(super) at: Timestamp,
}

impl From<RefusedEdit> for Refused {
    fn from(refused: RefusedEdit) -> Self {
        let RefusedEdit { edit, is_part, user, denial, epoch, at } = refused;
        Self { edit, is_part, user, denial, epoch, at }
    }
}

impl From<Refused> for RefusedEdit {
    fn from(refused: Refused) -> Self {
        let Refused { edit, is_part, user, denial, epoch, at } = refused;
        Self { edit, is_part, user, denial, epoch, at }
    }
}
