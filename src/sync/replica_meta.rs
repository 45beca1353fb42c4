//! What a device knows of itself, beside its records.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::codec::{Digest, PublicKey, Scope};
use crate::limits::{STEM_BITS_MORE, STEM_BITS_MORE_MAX, STEM_BITS_STEP};
use crate::model::{
    AppName, BusinessUnitId, DeviceNumber, Intake, Ledger, LogEpoch, Owner, RecordId, Schema,
    Sequence, Size, TableName, Timestamp, UserId,
};

/// What a device knows of itself and of where it stands.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ReplicaMeta {
    /// What it is enrolled in.
    pub enrolment: Option<Enrolment>,
    /// Counts its commits; the next edit takes the next number.
    pub counter: u64,
    /// The life of the log that the rest belongs to.
    pub epoch: LogEpoch,
    /// All entries of the log up to here are in.
    pub watermark: Sequence,
    /// What its rows answer to.
    pub scope: Scope,
    /// The schema.
    pub schema: Schema,
    /// Digest of the schema that the server sent.
    pub schema_digest: Option<Digest>,
    /// Tables and views as they were last when they were there for the user: apps that know them find no
    /// rows, and no error.
    pub former: Schema,
    /// The grant: bytes and signature, as the server sent them.
    pub grant: Option<Vec<u8>>,
    /// Names the grant's content.
    pub grant_digest: Option<Digest>,
    /// Records of which something is missing here: asked for whole until they arrive.
    pub wanted: Vec<(TableName, RecordId)>,
    /// Owners that this user may assign to, with their business units.
    pub owners: Vec<(Owner, BusinessUnitId)>,
    /// Whose devices wrote what is here.
    pub authors: BTreeMap<DeviceNumber, UserId>,
    /// Whether this is a copy that was not written to yet: the original, or another copy, may have
    /// given the next edit ids already.
    pub copied: bool,
    /// Own edits that are kept until a backup of the server holds them.
    pub kept: KeptSize,
    /// Edits up to this counter were made before the server was restored: what they build on may
    /// come back with what other devices send again.
    pub restored: u64,
    /// The highest serial of a server certificate seen: one with a lower serial is of keys that
    /// were replaced.
    pub serial: u64,
    /// What is to be done about what left.
    pub purge: Purge,
    /// Which app it is.
    pub app: Option<AppName>,
    /// How much is confirmed here of each table, in all columns.
    pub sizes: BTreeMap<TableName, Size>,
    /// What it goes by of its user's profile; `None`: all is taken.
    pub intake: Option<Intake>,
    /// Records that are kept whatever the profile takes, until they are released.
    pub pins: BTreeSet<(TableName, RecordId)>,
    /// Records that were pinned or released, and of which the server has not told all yet.
    pub pinning: BTreeSet<(TableName, RecordId)>,
    /// When the server had told all of each table, last, as far as there was room for it.
    pub synced: BTreeMap<TableName, Timestamp>,
    /// What the bytes of all its sessions were for.
    pub ledger: Ledger,
    /// By how many bits more records are named to the server than tell them apart here.
    pub stem_more: StemMore,
}

impl ReplicaMeta {
    /// How much is confirmed here, of all tables.
    #[must_use]
    pub fn size(&self) -> Size {
        self.sizes.values().fold(Size::NOTHING, |all, size| all.plus(*size))
    }

    /// The budget of the user's offline profile, where it is spent.
    #[must_use]
    pub fn spent_budget(&self) -> Option<u64> {
        let budget = self.intake.as_ref()?.budget?;
        (self.size().bytes >= budget).then_some(budget)
    }

    /// Forgets how far in the log the device is and what its rows answer to: all that is confirmed
    /// is fetched anew.
    pub fn forget_confirmed(&mut self) {
        self.watermark = Sequence(0);
        self.scope = Scope::default();
        self.wanted.clear();
        self.sizes.clear();
        self.synced.clear();
    }
}

/// Where a device belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// The organization's key.
    pub organization: PublicKey,
    /// Where its server is.
    pub addresses: Vec<String>,
    /// This device's number.
    pub device: DeviceNumber,
    /// Its user.
    pub user: UserId,
}

/// How many edits are kept, and how many bytes they are, roughly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeptSize {
    /// How many.
    pub edits: u64,
    /// Their bytes, roughly.
    pub bytes: u64,
}

/// How it stands with the bytes of what a device may not hold any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Purge {
    /// There are none, and nobody waits to hear so.
    #[default]
    Nothing,
    /// Something left, and its bytes may still be where it was: the store is to be rewritten.
    Due,
    /// The bytes are gone; the server is to be told.
    Done,
}

impl Purge {
    /// What is left to do once the store was written anew.
    #[must_use]
    pub fn rewritten(self) -> Self {
        match self {
            Self::Nothing => Self::Nothing,
            Self::Due | Self::Done => Self::Done,
        }
    }
}

/// By how many bits more a device names records to the server than tell them apart here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StemMore(pub u8);

impl Default for StemMore {
    fn default() -> Self {
        Self(STEM_BITS_MORE)
    }
}

impl StemMore {
    /// The server did not find a record: it has many more than are here.
    pub fn grow(&mut self) {
        self.0 = self.0.saturating_add(STEM_BITS_STEP).min(STEM_BITS_MORE_MAX);
    }
}
