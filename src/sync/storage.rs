//! What the machines ask of storage. They call it directly: a device's store and a server's
//! embedded one are local, and a simulated one answers from memory (`docs/adr/0008`).

use serde::{Deserialize, Serialize};

use std::collections::BTreeSet;

use crate::codec::{Digest, PublicKey, ScanPlace, SignedPurgeReceipt};
use crate::gate::{Applied, Confirmed, Reach};
use crate::model::{
    Asked, Bucket, Columns, Denial, DeviceNumber, Edit, EditId, EditKind, Header, LogEpoch, Op,
    Organization, OrganizationRow, Owner, Policy, PolicyEpoch, PublishedProfiles, RecordId, Schema,
    Sequence, SizeByState, TableName, Timestamp, UserId,
};
use crate::sync::{LogEntry, ReplicaMeta, Strand};

/// Why a store could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file holds something that Tidegate did not write so: a flipped bit, a foreign hand.
    #[error("the file is damaged: {0}")]
    Damaged(String),
    /// The operating system refused to read or write.
    #[error("the file cannot be read or written: {0}")]
    Io(String),
    /// Another server wrote in the meantime: judge again on what is there now.
    #[error("another writer was faster")]
    Conflict,
    /// The store cannot say whether it committed: ask again by edit id.
    #[error("it is not known whether the last write was made: {0}")]
    Ambiguous(String),
}

/// A record as the app reads it: confirmed state and what is pending on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredRow {
    /// Owner, state and shares.
    pub header: Header,
    /// The values.
    pub columns: Columns,
    /// Whether something on it is pending.
    pub pending: bool,
    /// The place in the log of its last confirmed edit; 0: none yet.
    pub version: Sequence,
}

/// In which order a device's pending edits were made, or made again: a retried edit comes after
/// those that it may build on now, while its edit id stays.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Turn {
    /// Counts the device's commits.
    pub counter: u64,
    /// Which edit of the commit.
    pub part: u32,
}

impl Turn {
    /// The turn in which an edit of this number is made first.
    #[must_use]
    pub fn first(edit: EditId) -> Self {
        Self { counter: edit.counter, part: edit.part }
    }
}

/// An edit that the server has not ruled on.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// Its place among the pending ones.
    pub turn: Turn,
    /// The edit.
    pub edit: Edit,
}

/// What a device holds of a record.
#[derive(Debug, Clone)]
pub struct Held {
    /// The confirmed state.
    pub confirmed: Option<Confirmed>,
    /// The edits pending on it, in the order in which they were made.
    pub pending: Vec<Pending>,
}

/// A refused edit, or part of one, kept with its values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quarantined {
    /// The edit.
    pub edit: EditId,
    /// The table of its record.
    pub table: TableName,
    /// The record.
    pub record: RecordId,
    /// What was refused of it: the edit, or a change of the columns that were taken out of it.
    pub kind: EditKind,
    /// Of how many parts its commit consists that count together; 0: it counts for itself.
    pub atomic: u32,
    /// What was refused.
    pub ops: Vec<Op>,
    /// Why.
    pub denial: Denial,
    /// The policy it was judged by; of a refusal of this device, that of its grant.
    pub epoch: PolicyEpoch,
    /// Whether a record that it needs was not here: the one that it changes, or one that it looks up.
    pub lacking: bool,
    /// Whether this device alone gave it up, which could not write it anew, and no server had refused it.
    /// What was sent of it may have been copied, and counts if somebody brings that: so it is tried again
    /// under its own id.
    pub parked: bool,
    /// When the refusal arrived, by this device's clock.
    pub at: Timestamp,
}

/// An own edit that counts, and that no backup of the server is known to hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Its place in the log, or one behind it: of entries that were dropped the server knows no more
    /// than that.
    pub sequence: Sequence,
    /// The edit as it was pending.
    pub pending: Pending,
}

impl Kept {
    /// Where it is kept.
    #[must_use]
    pub fn place(&self) -> KeptPlace {
        KeptPlace { sequence: self.sequence, turn: self.pending.turn }
    }
}

/// The order of kept edits: that of the log, and where that is not known, in which they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct KeptPlace {
    /// Its place in the log, or one behind it.
    pub sequence: Sequence,
    /// When it was made.
    pub turn: Turn,
}

impl KeptPlace {
    /// Behind all others.
    pub const LAST: Self =
        Self { sequence: Sequence(u64::MAX), turn: Turn { counter: u64::MAX, part: u32::MAX } };
}

/// One durable step of a replica: all of it happens, or nothing.
#[derive(Debug, Clone, Default)]
pub struct ReplicaBatch {
    /// The new state of the device itself.
    pub meta: Option<ReplicaMeta>,
    /// Confirmed records.
    pub confirmed: Vec<Applied>,
    /// Rows as the app reads them; `None` removes.
    pub rows: Vec<(TableName, RecordId, Option<StoredRow>)>,
    /// Confirmed records that are out of reach from now on.
    pub gone: Vec<(TableName, RecordId)>,
    /// Pending edits, new or written anew.
    pub pending: Vec<Pending>,
    /// Edits that are pending no longer.
    pub settled: Vec<EditId>,
    /// Refused edits.
    pub quarantine: Vec<Quarantined>,
    /// Refused edits that the user dealt with.
    pub released: Vec<EditId>,
    /// Own edits that count, to be kept.
    pub kept: Vec<Kept>,
    /// Records of which nothing is kept from before this step: not what is refused, not what is kept
    /// until a backup holds it.
    pub erased: Vec<RecordId>,
    /// Kept edits up to here, of those that were there before, are kept no longer.
    pub forgotten: Option<KeptPlace>,
}

impl ReplicaBatch {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.meta.is_none()
            && self.confirmed.is_empty()
            && self.rows.is_empty()
            && self.gone.is_empty()
            && self.pending.is_empty()
            && self.settled.is_empty()
            && self.quarantine.is_empty()
            && self.released.is_empty()
            && self.kept.is_empty()
            && self.erased.is_empty()
            && self.forgotten.is_none()
    }
}

/// What a replica keeps.
pub trait ReplicaStore {
    /// The device itself.
    ///
    /// # Errors
    /// The store cannot be read.
    fn meta(&self) -> Result<ReplicaMeta, StoreError>;

    /// A row as the app reads it.
    ///
    /// # Errors
    /// The store cannot be read.
    fn row(&self, table: &TableName, record: RecordId) -> Result<Option<StoredRow>, StoreError>;

    /// The confirmed state of a record.
    ///
    /// # Errors
    /// The store cannot be read.
    fn confirmed(
        &self,
        table: &TableName,
        record: RecordId,
    ) -> Result<Option<Confirmed>, StoreError>;

    /// The edits pending on a record, in the order in which they were made.
    ///
    /// # Errors
    /// The store cannot be read.
    fn pending_on(&self, record: RecordId) -> Result<Vec<Pending>, StoreError>;

    /// What is held of each of these records: [`Self::confirmed`] and [`Self::pending_on`] of many,
    /// which a store may read at once.
    ///
    /// # Errors
    /// The store cannot be read.
    fn held(&self, places: &[(TableName, RecordId)]) -> Result<Vec<Held>, StoreError> {
        let held = |(table, record): &(TableName, RecordId)| {
            let confirmed = self.confirmed(table, *record)?;
            Ok(Held { confirmed, pending: self.pending_on(*record)? })
        };
        places.iter().map(held).collect()
    }

    /// Up to `limit` pending edits after `after`, in the order in which they were made.
    ///
    /// # Errors
    /// The store cannot be read.
    fn pending_after(&self, after: Turn, limit: usize) -> Result<Vec<Pending>, StoreError>;

    /// A pending edit.
    ///
    /// # Errors
    /// The store cannot be read.
    fn pending(&self, edit: EditId) -> Result<Option<Pending>, StoreError>;

    /// All tables and ids of confirmed records.
    ///
    /// # Errors
    /// The store cannot be read.
    fn confirmed_ids(&self) -> Result<Vec<(TableName, RecordId)>, StoreError>;

    /// Up to `limit` places behind `after`, in their order, of which a confirmed record or a row is held.
    ///
    /// # Errors
    /// The store cannot be read.
    fn places_after(
        &self,
        after: Option<&ScanPlace>,
        limit: usize,
    ) -> Result<Vec<(TableName, RecordId)>, StoreError>;

    /// How many confirmed records there are. A store knows it without looking at them.
    ///
    /// # Errors
    /// The store cannot be read.
    fn confirmed_count(&self) -> Result<u64, StoreError>;

    /// The refused edits, oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    fn quarantine(&self) -> Result<Vec<Quarantined>, StoreError>;

    /// Up to `limit` kept edits after `after`, in the order of the log.
    ///
    /// # Errors
    /// The store cannot be read.
    fn kept_after(&self, after: KeptPlace, limit: usize) -> Result<Vec<Kept>, StoreError>;

    /// Writes a batch, durably and as a whole.
    ///
    /// # Errors
    /// Nothing of the batch was written, or (as the variant says) that is not known.
    fn commit(&mut self, batch: ReplicaBatch) -> Result<(), StoreError>;

    /// Writes all that it holds anew, so that not a byte of what was deleted is left, and turns
    /// [`ReplicaMeta::purge`] to [`Purge::rewritten`](crate::sync::Purge::rewritten); durably, and as a whole.
    ///
    /// # Errors
    /// Nothing was done, or it was not made durable: it is tried again.
    fn rewrite(&mut self) -> Result<(), StoreError>;
}

/// A device that enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRow {
    /// Its number.
    pub number: DeviceNumber,
    /// Its key.
    pub key: PublicKey,
    /// Its user.
    pub user: UserId,
    /// What people call it.
    pub name: String,
    /// Whether an administrator revoked it.
    pub revoked: bool,
    /// What it stated last of what it purged.
    pub purged: Option<SignedPurgeReceipt>,
}

/// A refused edit as the server keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct RefusedEdit {
    /// The edit, or the refused part of it.
    pub edit: Edit,
    /// Whether it is a part of an edit, of which the rest may count.
    pub is_part: bool,
    /// The user who made it.
    pub user: UserId,
    /// Why it was refused.
    pub denial: Denial,
    /// The policy it was judged by.
    pub epoch: PolicyEpoch,
    /// When, by the server's clock.
    pub at: Timestamp,
}

/// A record that an administrator erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// The table that it was in.
    pub table: TableName,
    /// Which: its id is never used again.
    pub record: RecordId,
    /// Where the log says so.
    pub sequence: Sequence,
    /// The devices that wrote it, or tried to: they may hold more of it than what they may read.
    pub authors: Vec<DeviceNumber>,
}

impl Erased {
    /// The strands that the entry of the log is in for those.
    pub fn strands(&self) -> impl Iterator<Item = Strand> {
        self.authors.iter().copied().map(Strand::Author)
    }
}

/// What a server knows of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServerMeta {
    /// Which life of the log this is.
    pub epoch: LogEpoch,
    /// The last entry of the log.
    pub head: Sequence,
    /// The log begins behind this: the entries up to here were dropped.
    pub floor: Sequence,
    /// The last device number given.
    pub devices: u32,
    /// Counts the versions of policy and organization.
    pub policy_epoch: PolicyEpoch,
    /// Digest of the policy, organization and schema that this epoch stands for.
    pub rules: Option<Digest>,
    /// Digest of the offline profiles; `None`: there never were any.
    pub profiles: Option<Digest>,
    /// What offline profiles ask of records, or asked before.
    pub asked: Asked,
    /// Behind this the log says what all that was before an edit.
    pub asked_since: Sequence,
    /// Up to where a backup holds the log: devices keep their own edits behind it. `None`: no
    /// backups are made, and devices need not keep anything.
    pub backed_up: Option<Sequence>,
    /// Earlier lives of the log, oldest first, and up to where each is in this one.
    pub ended: Vec<(LogEpoch, Sequence)>,
}

impl ServerMeta {
    /// Ends this life of the log: it goes on as another one, from a copy that ends here.
    pub fn end_life(&mut self) {
        self.ended.push((self.epoch, self.head));
        self.epoch = LogEpoch::default();
        self.backed_up = self.backed_up.map(|_| self.head);
    }

    /// Up to where the log of another life is the same as this one, as far as is known.
    #[must_use]
    pub fn common_with(&self, epoch: LogEpoch) -> Sequence {
        if epoch == self.epoch {
            return self.head;
        }
        let since = self.ended.iter().skip_while(|(ended, _)| *ended != epoch);
        since.map(|(_, end)| *end).min().unwrap_or_default()
    }
}

/// The standing of a device's user that other rules ended, which the device need not have heard of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastStanding {
    /// The last entry of the log that was made while it was in force.
    pub until: Sequence,
    /// The standing.
    pub standing: Vec<u8>,
}

/// One write of a commit.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Adds an entry to the log, and writes the records that it changed as they are after it.
    Append {
        /// The entry.
        entry: Box<LogEntry>,
        /// The records after it: one, but for a move.
        records: Vec<Applied>,
    },
    /// Adds an entry to the log that says that its record is erased; removes the record, what its
    /// earlier entries in the log did, and the refused edits of it, to the last byte as soon as the
    /// store can do that.
    Erase(Box<LogEntry>),
    /// Keeps a refused edit.
    Refuse(Box<RefusedEdit>),
    /// Writes a device.
    PutDevice(DeviceRow),
    /// Marks an enrolment code as used by a device.
    UseCode {
        /// The code's nonce.
        nonce: [u8; 8],
        /// The key of the device that used it.
        key: PublicKey,
    },
    /// Writes the schema.
    SetSchema(Box<Schema>),
    /// Writes the policy.
    SetPolicy(Box<Policy>),
    /// Writes or removes rows of the organization.
    SetOrganization(Vec<OrganizationRow>),
    /// Writes the offline profiles.
    SetProfiles(Box<PublishedProfiles>),
    /// Keeps the standing under which a device receives rows.
    PutStanding {
        /// The device.
        device: DeviceNumber,
        /// The standing's digest.
        digest: Digest,
        /// The standing.
        standing: Vec<u8>,
    },
    /// Keeps the standing that a device's user had until now, for entries of the log were made
    /// meanwhile. Those that ended at the floor or before are forgotten.
    PutPastStanding {
        /// The device.
        device: DeviceNumber,
        /// It, and the last of these entries.
        past: PastStanding,
        /// The floor of the log.
        floor: Sequence,
    },
    /// Drops the entries of the log up to a new floor. What is not forgotten is that their edits were
    /// admitted, and which devices wrote which record.
    Trim {
        /// The last one.
        up_to: Sequence,
    },
    /// Removes the oldest refused edits, up to the first that was not refused before this time.
    ForgetRefused {
        /// Those refused before this.
        before: Timestamp,
        /// So many at the most.
        limit: usize,
    },
}

/// One durable step of a server: all of it happens, or nothing.
#[derive(Debug, Clone)]
pub struct Commit {
    /// What the server knew of itself when it decided; another writer has been there where this
    /// is not so any more.
    pub expected: ServerMeta,
    /// The same afterwards.
    pub meta: ServerMeta,
    /// What is written.
    pub operations: Vec<Operation>,
}

/// What a server keeps. Reads give versions, the gate judges in memory, and one declarative
/// [`Commit`] checks that what was read still holds: no open transaction crosses this boundary, so
/// that a database beyond one machine fits behind it.
pub trait ServerStore {
    /// The server itself.
    ///
    /// # Errors
    /// The store cannot be read.
    fn meta(&self) -> Result<ServerMeta, StoreError>;

    /// A record.
    ///
    /// # Errors
    /// The store cannot be read.
    fn record(&self, record: RecordId) -> Result<Option<Confirmed>, StoreError>;

    /// A record that was erased.
    ///
    /// # Errors
    /// The store cannot be read.
    fn erased(&self, record: RecordId) -> Result<Option<Erased>, StoreError>;

    /// All records that were erased.
    ///
    /// # Errors
    /// The store cannot be read.
    fn all_erased(&self) -> Result<Vec<Erased>, StoreError>;

    /// The ids before and behind one, of all records that there are, or that were erased.
    ///
    /// # Errors
    /// The store cannot be read.
    fn beside(&self, record: RecordId) -> Result<[Option<RecordId>; 2], StoreError>;

    /// The same of the records of its table that this owner has.
    ///
    /// # Errors
    /// The store cannot be read.
    fn beside_of(
        &self,
        owner: &Owner,
        place: &ScanPlace,
    ) -> Result<[Option<RecordId>; 2], StoreError>;

    /// The place in the log of an admitted edit; where that was dropped, the floor.
    ///
    /// # Errors
    /// The store cannot be read.
    fn admitted(&self, edit: EditId) -> Result<Option<Sequence>, StoreError>;

    /// Up to `limit` entries of the log after `after`; a store may give fewer, but for none, where
    /// there are moves of many records among them.
    ///
    /// # Errors
    /// The store cannot be read.
    fn log_after(&self, after: Sequence, limit: usize) -> Result<Vec<LogEntry>, StoreError>;

    /// The same of the entries that are in any of these strands.
    ///
    /// # Errors
    /// The store cannot be read.
    fn log_along(
        &self,
        strands: &BTreeSet<Strand>,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<LogEntry>, StoreError>;

    /// How many records there are, deleted ones too.
    ///
    /// # Errors
    /// The store cannot be read.
    fn record_count(&self) -> Result<u64, StoreError>;

    /// How much a table holds, or what of it is in a bucket ([`Confirmed::size`]). A store knows it
    /// without looking at the records.
    ///
    /// # Errors
    /// The store cannot be read.
    fn size(&self, table: &TableName, bucket: Option<&Bucket>) -> Result<SizeByState, StoreError>;

    /// Up to `limit` records after `after`, in the order of [`ScanPlace`].
    ///
    /// # Errors
    /// The store cannot be read.
    fn scan(&self, after: Option<&ScanPlace>, limit: usize) -> Result<Vec<Confirmed>, StoreError>;

    /// Up to `limit` records of a bucket after `after`, in the order of [`ScanPlace`].
    ///
    /// # Errors
    /// The store cannot be read.
    fn scan_bucket(
        &self,
        bucket: &Bucket,
        after: Option<&ScanPlace>,
        limit: usize,
    ) -> Result<Vec<Confirmed>, StoreError>;

    /// Up to `limit` records of a table within reach, after `after`, in the order of their ids.
    ///
    /// # Errors
    /// The store cannot be read.
    fn scan_within(
        &self,
        table: &TableName,
        reach: &Reach,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<Confirmed>, StoreError>;

    /// A device by its number.
    ///
    /// # Errors
    /// The store cannot be read.
    fn device(&self, number: DeviceNumber) -> Result<Option<DeviceRow>, StoreError>;

    /// A device by its key.
    ///
    /// # Errors
    /// The store cannot be read.
    fn device_by_key(&self, key: &PublicKey) -> Result<Option<DeviceRow>, StoreError>;

    /// The key of the device that used an enrolment code.
    ///
    /// # Errors
    /// The store cannot be read.
    fn code_used_by(&self, nonce: [u8; 8]) -> Result<Option<PublicKey>, StoreError>;

    /// The schema in force; `None`: none was ever written.
    ///
    /// # Errors
    /// The store cannot be read.
    fn schema(&self) -> Result<Option<Schema>, StoreError>;

    /// The policy and the organization in force; `None`: none was ever written.
    ///
    /// # Errors
    /// The store cannot be read.
    fn rules(&self) -> Result<Option<(Policy, Organization)>, StoreError>;

    /// The offline profiles.
    ///
    /// # Errors
    /// The store cannot be read.
    fn profiles(&self) -> Result<PublishedProfiles, StoreError>;

    /// All devices, by number.
    ///
    /// # Errors
    /// The store cannot be read.
    fn devices(&self) -> Result<Vec<DeviceRow>, StoreError>;

    /// A standing under which a device received rows.
    ///
    /// # Errors
    /// The store cannot be read.
    fn standing(&self, device: DeviceNumber, digest: Digest)
    -> Result<Option<Vec<u8>>, StoreError>;

    /// The standings of a device's user that ended behind `after`, in their order.
    ///
    /// # Errors
    /// The store cannot be read.
    fn past_standings(
        &self,
        device: DeviceNumber,
        after: Sequence,
    ) -> Result<Vec<PastStanding>, StoreError>;

    /// The refused edits, oldest first, up to `limit`.
    ///
    /// # Errors
    /// The store cannot be read.
    fn refused(&self, limit: usize) -> Result<Vec<RefusedEdit>, StoreError>;

    /// What is kept of one edit, or of its parts, that was refused: oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    fn refusals(&self, edit: EditId) -> Result<Vec<RefusedEdit>, StoreError>;

    /// Writes a commit, durably and as a whole.
    ///
    /// # Errors
    /// Nothing was written, or (as the variant says) that is not known.
    fn commit(&mut self, commit: Commit) -> Result<(), StoreError>;
}
