//! What an administrator's device asks of a server, and what it is answered.

use serde::{Deserialize, Serialize};

use super::{ProfilesInfo, ProfilesRequest};
use crate::limits::ESTIMATE_USERS_MAX;
use crate::model::{
    Audience, Denial, DeviceNumber, DocumentText, EditId, Estimate, LogEpoch, Organization,
    OrganizationRow, Policy, PolicyEpoch, PublishError, RecordId, Schema, Sequence, TableName,
    Timestamp, UserId,
};

/// What an administrator wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum AdminRequest {
    /// The schema, the policy and the organization in force.
    Rules,
    /// Other rules, checked as a whole and put in force as a whole.
    Change {
        /// The policy epoch that the change was made for: another one by now refuses it, so that
        /// two administrators do not overwrite each other.
        expected: PolicyEpoch,
        /// The schema, where it changes.
        schema: Option<Box<DocumentText>>,
        /// The policy, where it changes.
        policy: Option<Box<Policy>>,
        /// Rows of the organization that change.
        organization: Vec<OrganizationRow>,
        /// Only say whether it could be put in force: all is checked, records too.
        trial: bool,
    },
    /// The devices.
    Devices,
    /// Never lets a device in again, and ends its session.
    Revoke(DeviceNumber),
    /// Erases a record, here and on every device: its values, its edits, and the refused ones.
    Erase {
        /// Its table.
        table: TableName,
        /// Which.
        record: RecordId,
    },
    /// The refused edits that the server keeps, oldest first.
    Denials {
        /// At most so many.
        limit: u32,
    },
    /// Something with offline profiles.
    Profiles(ProfilesRequest),
}

/// A device as an administrator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// Its number.
    pub number: DeviceNumber,
    /// Its user.
    pub user: UserId,
    /// What people call it.
    pub name: String,
    /// Whether it was revoked.
    pub revoked: bool,
    /// Whether it is connected at the moment.
    pub connected: bool,
    /// What it stated last of what it purged; `None`: it never had to purge anything, or did not say
    /// so yet.
    pub purged: Option<PurgeInfo>,
}

/// What a device stated, signed with its key, of what it purged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeInfo {
    /// The life of the log.
    pub epoch: LogEpoch,
    /// What it was told up to here was carried out before.
    pub sequence: Sequence,
    /// When, by its clock.
    pub at: Timestamp,
    /// Whether its rows answered to what its user may do at this moment: it holds nothing else.
    pub covers_present: bool,
}

/// A refused edit as an administrator sees it: not its values, which its author may not have been
/// allowed to write, and the administrator reads where they count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DenialInfo {
    /// The edit.
    pub edit: EditId,
    /// Who made it.
    pub user: UserId,
    /// The record's table.
    pub table: TableName,
    /// The record.
    pub record: RecordId,
    /// Why it was refused.
    pub denial: Denial,
    /// The policy it was judged by.
    pub epoch: PolicyEpoch,
    /// When, by the server's clock.
    pub at: Timestamp,
}

/// What the server answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum AdminAnswer {
    /// To [`AdminRequest::Rules`].
    Rules {
        /// What the policy and organization are counted as.
        epoch: PolicyEpoch,
        /// The schema.
        schema: Box<Schema>,
        /// The policy.
        policy: Box<Policy>,
        /// The organization.
        organization: Box<Organization>,
    },
    /// The change is in force.
    Changed {
        /// From which policy epoch on.
        epoch: PolicyEpoch,
    },
    /// The change could be put in force, and was not: it was only tried.
    Fits,
    /// To [`AdminRequest::Devices`].
    Devices(Vec<DeviceInfo>),
    /// The device is revoked.
    Revoked,
    /// The record is erased.
    Erased,
    /// To [`AdminRequest::Denials`].
    Denials(Vec<DenialInfo>),
    /// To [`AdminRequest::Profiles`]: how it stands with them then.
    Profiles {
        /// The versions.
        info: Box<ProfilesInfo>,
        /// When a version was published or promoted: for how many users it was not looked whether it is
        /// over its budget, since that would have been too much for a running server.
        unchecked: u32,
    },
    /// To [`ProfilesRequest::Estimate`].
    Estimates(Vec<Estimate>),
    /// To [`ProfilesRequest::Show`].
    Document(Box<DocumentText>),
    /// It was not done, and nothing changed.
    Refused(AdminRefusal),
}

/// Why a server does not do what an administrator wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum AdminRefusal {
    /// The device's user is not one.
    #[error("`{0}` is not a system_administrator")]
    NotAdministrator(UserId),
    /// Somebody else changed the rules meanwhile.
    #[error("the rules changed meanwhile (policy epoch {0}): look at them, and try again")]
    Outdated(PolicyEpoch),
    /// The rules would not make sense; what is in force stays.
    #[error("{0}")]
    Mistake(String),
    /// Nobody could undo it.
    #[error("nobody would be a system_administrator any more")]
    NobodyLeft,
    /// There is no such device.
    #[error("there is no device {0}")]
    NoSuchDevice(DeviceNumber),
    /// The server has no such record, and no edit of one.
    #[error("there is no record {1} in table `{0}`, and no refused edit of it")]
    NoSuchRecord(TableName, RecordId),
    /// Offline profiles cannot be published, promoted or rolled back.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Nobody is in a pilot group through this.
    #[error("there is no `{0}` who could try offline profiles")]
    NoSuchPilot(Audience),
    /// There is no such version of the offline profiles, or it is not kept any more.
    #[error("there is no version {0} of the offline profiles")]
    NoSuchVersion(u32),
    /// There is no such user.
    #[error("there is no user `{0}`")]
    NoSuchUser(UserId),
    /// A profile takes more than it allows itself.
    #[error("{0}")]
    OverBudget(Box<Estimate>),
    /// An estimate for too many users.
    #[error("{0} users, at most {ESTIMATE_USERS_MAX} are allowed")]
    TooManyUsers(usize),
    /// An estimate would keep the server from its devices for long.
    #[error(
        "{records} records have to be looked at, and {most} at most while the server runs \
         (`limits.estimate_records`): name fewer users, or look into a backup with `tidegate profile \
         estimate`"
    )]
    TooMuch {
        /// How many, at least.
        records: u64,
        /// How many a running server looks at.
        most: u64,
    },
}
