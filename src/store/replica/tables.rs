//! What the file of a replica holds. A change of a key or value takes a new name.

use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadTransaction, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::index;
use super::mark::FileMark;
use crate::codec::{Digest, Scope};
use crate::gate::Versions;
use crate::model::{
    AppName, BusinessUnitId, DeviceNumber, Edit, EditId, Flat, Intake, Ledger, LogEpoch, Owner,
    RecordId, Schema, Sequence, Size, TableName, Timestamp, UserId,
};
use crate::store::edit_bytes;
use crate::store::table::Table;
use crate::sync::{
    Enrolment, KeptSize, Purge, Quarantined, ReplicaMeta, StemMore, StoreError, StoredRow, Turn,
};

/// Where a record is: its table, and its id.
pub(super) type Place = (TableName, RecordId);

/// What the device knows of itself, in parts, so that a commit writes only what it changes:
/// name of the part -> [`Part`].
pub(super) static META: Table<String, Part> = Table::new("meta-4");
/// Rows as the app reads them: (table, record id) -> row.
pub(super) static ROW: Table<Place, StoredRow> = Table::new("row-1");
/// How many rows a table has: table -> number.
pub(super) static ROW_COUNT: Table<TableName, u64> = Table::new("row-count-1");
/// Confirmed records: (table, record id) -> all changes.
pub(super) static HISTORY: Table<Place, History> = Table::new("history-3");
/// Pending edits in their order: turn -> edit.
pub(super) static PENDING: Table<Turn, PendingEdit> = Table::new("pending-2");
/// Where a pending edit is that has another turn than its number's: edit id -> turn.
pub(super) static MOVED: Table<EditId, Turn> = Table::new("pending-moved-1");
/// What is pending on a record: (record id, turn) -> nothing.
pub(super) static PENDING_RECORD: Table<(RecordId, Turn), ()> = Table::new("pending-record-1");
/// Refused edits in the order of their arrival: own counter -> entry.
pub(super) static QUARANTINE: Table<u64, Quarantined> = Table::new("quarantine-2");
/// Where a refused edit is: (edit id, counter of [`QUARANTINE`]) -> nothing.
pub(super) static QUARANTINE_EDIT: Table<(EditId, u64), ()> = Table::new("quarantine-edit-1");
/// What is refused of a record: (record id, counter of [`QUARANTINE`]) -> nothing.
pub(super) static QUARANTINE_RECORD: Table<(RecordId, u64), ()> = Table::new("quarantine-record-1");

/// Own edits that count, and that no backup of the server is known to hold: place -> edit.
pub(super) static KEPT: Table<(Sequence, Turn), KeptEdit> = Table::new("kept-2");

/// Makes all tables, so that a reader finds each.
pub(super) fn make(tx: &WriteTransaction) -> Result<(), StoreError> {
    META.write(tx)?;
    ROW.write(tx)?;
    ROW_COUNT.write(tx)?;
    HISTORY.write(tx)?;
    PENDING.write(tx)?;
    MOVED.write(tx)?;
    PENDING_RECORD.write(tx)?;
    QUARANTINE.write(tx)?;
    QUARANTINE_EDIT.write(tx)?;
    QUARANTINE_RECORD.write(tx)?;
    KEPT.write(tx)?;
    index::make(tx)
}

/// Where [`META`] says how it stands with a purge.
const PURGE_KEY: &str = "purge";
const FILE_KEY: &str = "file";
/// Where [`META`] says how much is confirmed.
pub(super) const SIZES_KEY: &str = "sizes";

/// How it stands with a purge.
pub(super) fn purge(tx: &ReadTransaction) -> Result<Purge, StoreError> {
    Ok(match META.read(tx)?.get(&PURGE_KEY.to_owned())? {
        Some(Part::Purge(purge)) => purge,
        _ => Purge::Nothing,
    })
}

/// Which file this was when it was opened last.
pub(super) fn file_mark(tx: &ReadTransaction) -> Result<Option<FileMark>, StoreError> {
    match META.read(tx)?.get(&FILE_KEY.to_owned())? {
        Some(Part::File(mark)) => Ok(Some(mark)),
        _ => Ok(None),
    }
}

/// Notes which file this is, and whether it is a copy.
pub(super) fn set_file_mark(
    tx: &WriteTransaction,
    mark: FileMark,
    is_copy: bool,
) -> Result<(), StoreError> {
    let mut meta = META.write(tx)?;
    let copied = is_copy.then_some(Part::Copied(true));
    for part in copied.into_iter().chain([Part::File(mark)]) {
        meta.set(&part.name().to_owned(), &part)?;
    }
    Ok(())
}

/// Notes how it stands with a purge.
pub(super) fn set_purge(tx: &WriteTransaction, purge: Purge) -> Result<(), StoreError> {
    META.write(tx)?.set(&PURGE_KEY.to_owned(), &Part::Purge(purge))?;
    Ok(())
}

/// Copies all tables into another file, in which there is nothing that was deleted.
pub(super) fn copy(from: &ReadTransaction, to: &WriteTransaction) -> Result<(), StoreError> {
    META.copy(from, to)?;
    ROW.copy(from, to)?;
    ROW_COUNT.copy(from, to)?;
    HISTORY.copy(from, to)?;
    PENDING.copy(from, to)?;
    MOVED.copy(from, to)?;
    PENDING_RECORD.copy(from, to)?;
    QUARANTINE.copy(from, to)?;
    QUARANTINE_EDIT.copy(from, to)?;
    QUARANTINE_RECORD.copy(from, to)?;
    KEPT.copy(from, to)?;
    index::copy(from, to)?;
    set_purge(to, purge(from)?.rewritten())
}

/// A confirmed record as it is kept.
#[derive(Serialize, Deserialize)]
pub(super) struct History {
    pub(super) versions: Versions,
    pub(super) changes: Changes,
}

/// The changes of a confirmed record.
#[derive(Serialize, Deserialize)]
pub(super) enum Changes {
    Whole(#[serde(with = "edit_bytes")] Edit),
    /// They say what its row says.
    Flat(Flat),
}

/// A pending edit as it is kept.
#[derive(Serialize, Deserialize)]
pub(super) enum PendingEdit {
    Whole(#[serde(with = "edit_bytes")] Edit),
    /// It made a record, and says what the record's row says. The rest of its id is its turn.
    Flat {
        device: DeviceNumber,
        table: TableName,
        record: RecordId,
        atomic: u32,
        changes: Flat,
    },
}

/// A kept edit.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptEdit(#[serde(with = "edit_bytes")] pub(super) Edit);

/// A part of a [`ReplicaMeta`].
#[derive(Serialize, Deserialize)]
pub(super) enum Part {
    /// Changes with most commits.
    Place {
        counter: u64,
        epoch: LogEpoch,
        watermark: Sequence,
        scope: Scope,
    },
    Enrolment(Option<Enrolment>),
    Schema(Schema, Option<Digest>, Schema),
    Grant(Option<Vec<u8>>, Option<Digest>),
    Wanted(Vec<(TableName, RecordId)>),
    Owners(Vec<(Owner, BusinessUnitId)>),
    Authors(BTreeMap<DeviceNumber, UserId>),
    /// Whether this file is a copy that was not written to yet.
    Copied(bool),
    /// How many edits are kept, and which were made before the server was restored.
    Kept(KeptSize, u64),
    /// The highest serial of a server certificate seen.
    Serial(u64),
    /// What is to be done about what left.
    Purge(Purge),
    /// Which app it is, and what it goes by of its user's profile.
    Intake(Option<AppName>, Option<Intake>),
    /// How much is confirmed of each table.
    Sizes(BTreeMap<TableName, Size>),
    /// Records that are kept until they are released, and those that are pinning.
    Pins(BTreeSet<Place>, BTreeSet<Place>),
    /// Which file this is: not of the [`ReplicaMeta`], but of the file alone.
    File(FileMark),
    /// When all of each table was here, last.
    Synced(BTreeMap<TableName, Timestamp>),
    /// What sessions took on the wire.
    Ledger(Ledger),
    /// How records are named to the server.
    Stems(StemMore),
}

impl Part {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Place { .. } => "place",
            Self::Enrolment(_) => "enrolment",
            Self::Schema(..) => "schema",
            Self::Grant(..) => "grant",
            Self::Wanted(_) => "wanted",
            Self::Owners(_) => "owners",
            Self::Authors(_) => "authors",
            Self::Copied(_) => "copied",
            Self::Kept(..) => "kept",
            Self::Serial(_) => "serial",
            Self::Purge(_) => PURGE_KEY,
            Self::Intake(..) => "intake",
            Self::Sizes(_) => SIZES_KEY,
            Self::Pins(..) => "pins",
            Self::File(_) => FILE_KEY,
            Self::Synced(_) => "synced",
            Self::Ledger(_) => "ledger",
            Self::Stems(_) => "stems",
        }
    }

    /// The parts with their names.
    pub(super) fn of(meta: ReplicaMeta) -> [(&'static str, Self); 17] {
        let ReplicaMeta { counter, epoch, watermark, scope, .. } = meta;
        [
            Self::Place { counter, epoch, watermark, scope },
            Self::Enrolment(meta.enrolment),
            Self::Schema(meta.schema, meta.schema_digest, meta.former),
            Self::Grant(meta.grant, meta.grant_digest),
            Self::Wanted(meta.wanted),
            Self::Owners(meta.owners),
            Self::Authors(meta.authors),
            Self::Copied(meta.copied),
            Self::Kept(meta.kept, meta.restored),
            Self::Serial(meta.serial),
            Self::Purge(meta.purge),
            Self::Intake(meta.app, meta.intake),
            Self::Sizes(meta.sizes),
            Self::Pins(meta.pins, meta.pinning),
            Self::Synced(meta.synced),
            Self::Ledger(meta.ledger),
            Self::Stems(meta.stem_more),
        ]
        .map(|part| (part.name(), part))
    }

    /// Puts the part where it belongs.
    pub(super) fn fill(self, meta: &mut ReplicaMeta) {
        match self {
            Self::Place { counter, epoch, watermark, scope } => {
                meta.counter = counter;
                meta.epoch = epoch;
                meta.watermark = watermark;
                meta.scope = scope;
            }
            Self::Enrolment(enrolment) => meta.enrolment = enrolment,
            Self::Schema(schema, digest, former) => {
                meta.former = former;
                meta.schema = schema;
                meta.schema_digest = digest;
            }
            Self::Grant(grant, digest) => {
                meta.grant = grant;
                meta.grant_digest = digest;
            }
            Self::Wanted(wanted) => meta.wanted = wanted,
            Self::Owners(owners) => meta.owners = owners,
            Self::Authors(authors) => meta.authors = authors,
            Self::Copied(copied) => meta.copied = copied,
            Self::Kept(kept, restored) => {
                meta.kept = kept;
                meta.restored = restored;
            }
            Self::Serial(serial) => meta.serial = serial,
            Self::Purge(purge) => meta.purge = purge,
            Self::Intake(app, intake) => {
                meta.app = app;
                meta.intake = intake;
            }
            Self::Sizes(sizes) => meta.sizes = sizes,
            Self::Pins(pins, pinning) => {
                meta.pins = pins;
                meta.pinning = pinning;
            }
            Self::Synced(synced) => meta.synced = synced,
            Self::Ledger(ledger) => meta.ledger = ledger,
            Self::Stems(more) => meta.stem_more = more,
            Self::File(_) => {}
        }
    }
}
