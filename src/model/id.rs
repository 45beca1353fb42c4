//! Identifiers and the numbers that order things.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{SystemTable, TableName, Value};

/// A version of UUIDs that nobody gives.
const SYSTEM_VERSION: u8 = 0xF;

/// A record's identity: 128 bits, a UUIDv7 or one derived from the table's key columns.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordId(pub Uuid);

/// As their bytes are: so are numbers, and these are compared at once.
impl Ord for RecordId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.as_u128().cmp(&other.0.as_u128())
    }
}

impl PartialOrd for RecordId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl RecordId {
    /// A new identity: a UUIDv7 of this time and these random bytes.
    #[must_use]
    pub fn new(now: super::Timestamp, random: [u8; 10]) -> Self {
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// The identity of the record of `table` whose key columns hold `key`: the same key gives the
    /// same record on every device, so that importing again updates.
    #[must_use]
    pub fn from_key(table: &TableName, key: &[Value]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("tidegate 2026 record id from key columns");
        // Lengths keep ("a", "bc") and ("ab", "c") apart.
        let mut part = |bytes: &[u8]| {
            hasher.update(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
            hasher.update(bytes);
        };
        part(table.as_str().as_bytes());
        for value in key {
            part(value.to_string().as_bytes());
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(hasher.finalize().as_bytes().split_at(16).0);
        let mut bytes = uuid::Builder::from_custom_bytes(bytes).into_uuid().into_bytes();
        if SystemTable::of(table).is_some() {
            bytes[6] |= SYSTEM_VERSION << 4;
        }
        Self(Uuid::from_bytes(bytes))
    }

    /// Whether it is of the form that rows of system tables have, and no other record: whoever knows
    /// what somebody will be called cannot take the id of that row before the server does.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.0.get_version_num() == usize::from(SYSTEM_VERSION)
    }

    /// The 16 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The identity that these 16 bytes spell.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RecordId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $type:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $type(pub $inner);

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($type), self.0)
            }
        }
    };
}

number! {
    /// A device's number within its organization, given at enrolment. 0: not enrolled yet.
    DeviceNumber(u32)
}
/// A place in the server's log. The first admitted change has 1; 0 is before all of them.
///
/// It is written as eight bytes, whatever it is: a message is not longer because of what others did
/// that its reader knows nothing of. The entries of a page alone tell theirs as steps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(from = "[u8; 8]", into = "[u8; 8]")]
pub struct Sequence(pub u64);

impl From<[u8; 8]> for Sequence {
    fn from(bytes: [u8; 8]) -> Self {
        Self(u64::from_le_bytes(bytes))
    }
}

impl From<Sequence> for [u8; 8] {
    fn from(sequence: Sequence) -> Self {
        sequence.0.to_le_bytes()
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sequence({})", self.0)
    }
}
number! {
    /// Which life of the log a [`Sequence`] belongs to: a restored server starts a new one.
    LogEpoch(u64)
}
number! {
    /// Counts the versions of policy and organization on a server; verdicts name the one used.
    PolicyEpoch(u64)
}

impl DeviceNumber {
    /// What the server writes itself is of no device.
    pub const SERVER: Self = Self(0);
}

/// What one commit of the app did to one record, named for good: it survives re-authoring and
/// retry, and the server admits it once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EditId {
    /// The device that made the edit.
    pub device: DeviceNumber,
    /// Counts that device's commits, from 1.
    pub counter: u64,
    /// Which record of the commit, from 0.
    pub part: u32,
}

impl fmt::Display for EditId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.device, self.counter)?;
        if self.part > 0 { write!(f, ".{}", self.part) } else { Ok(()) }
    }
}

impl fmt::Debug for EditId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EditId({self})")
    }
}

/// Why a text is no [`EditId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an edit id: expected DEVICE-COUNTER or DEVICE-COUNTER.PART, such as 3-17")]
pub struct EditIdError(String);

impl FromStr for EditId {
    type Err = EditIdError;
    fn from_str(text: &str) -> Result<Self, EditIdError> {
        let parse = || {
            let (device, rest) = text.split_once('-')?;
            let (counter, part) = rest.split_once('.').unwrap_or((rest, "0"));
            Some(Self {
                device: DeviceNumber(device.parse().ok()?),
                counter: counter.parse().ok()?,
                part: part.parse().ok()?,
            })
        };
        parse().ok_or_else(|| EditIdError(text.to_owned()))
    }
}

/// Automerge's writer id: a device number and a random incarnation.
///
/// Never an identity (the signature tells who wrote), and fresh at each open, restore and rebase:
/// two changes with one (actor, seq) would be an equivocation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ActorId {
    /// The device that writes.
    pub device: DeviceNumber,
    /// Random: tells apart the lives of that device.
    #[serde(with = "eight_bytes")]
    pub incarnation: u64,
}

/// A number of which all bits are chance: as a varint it would be longer.
mod eight_bytes {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "so serde calls it")]
    pub(super) fn serialize<S: Serializer>(number: &u64, to: S) -> Result<S::Ok, S::Error> {
        number.to_le_bytes().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        <[u8; 8]>::deserialize(from).map(u64::from_le_bytes)
    }
}

impl ActorId {
    /// The 12 bytes that Automerge sees.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        let (device, incarnation) = bytes.split_at_mut(4);
        device.copy_from_slice(&self.device.0.to_be_bytes());
        incarnation.copy_from_slice(&self.incarnation.to_be_bytes());
        bytes
    }
}

impl fmt::Debug for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:016x}", self.device, self.incarnation)
    }
}
