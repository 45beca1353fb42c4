//! The messages of a session between a device and the server. `docs/protocol.md` tells how they
//! follow each other.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::at_most::at_most;
use super::{
    AdminAnswer, AdminRequest, DecodeError, IdsDigest, RangeDigest, SignedChangeSet,
    SignedPurgeReceipt, Stretch, encode_rows,
};
use crate::crdt::Record;
use crate::limits::{
    ANSWERS_MAX, COLUMNS_MAX, COMPARED_RANGES_MAX, COMPARED_STRETCHES_MAX, FRAME_BYTES_MAX,
    PAGE_EDITS_MAX, PINS_MAX,
};
use crate::model::{
    ActorId, AppName, BusinessUnitId, ColumnName, Denial, DeviceNumber, Edit, EditId, Intake,
    LogEpoch, Op, Owner, PageBytes, PolicyEpoch, RecordId, Schema, Sequence, TableName, Timestamp,
    UserId, Verdict,
};

/// The version of the messages. Both sides send it first in each message.
pub const PROTOCOL_VERSION: u8 = 5;

/// A short digest (BLAKE3, 16 bytes) by which both sides name something large.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(pub [u8; 16]);

impl Digest {
    /// The digest of `bytes`, as one kind of thing.
    #[must_use]
    pub fn of(kind: &str, bytes: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("tidegate 2026 digest");
        hasher.update(&[u8::try_from(kind.len()).unwrap_or(u8::MAX)]);
        hasher.update(kind.as_bytes());
        hasher.update(bytes);
        let mut digest = [0; 16];
        digest.copy_from_slice(hasher.finalize().as_bytes().split_at(16).0);
        Self(digest)
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(self.0.split_at(4).0))
    }
}

/// A place in the order of records by which a scan goes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct ScanPlace {
    /// The table of the last record passed.
    pub table: TableName,
    /// The last record passed.
    pub record: RecordId,
}

impl ScanPlace {
    /// Where a record is in that order.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        Self { table: record.table().clone(), record: record.id() }
    }
}

/// The terms under which rows are sent: what the user may read, and what of that a profile takes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Terms {
    /// The standing.
    pub standing: Digest,
    /// The profile, and what it depends on; `None`: all is taken that may be read.
    pub profile: Option<Digest>,
}

impl Terms {
    /// Names both.
    #[must_use]
    pub fn digest(&self) -> Digest {
        match &self.profile {
            None => self.standing,
            Some(profile) => Digest::of("terms", &[self.standing.0, profile.0].concat()),
        }
    }
}

/// What a device's rows answer to: the terms under which they were sent.
///
/// A scan goes through the records that one of them reaches, and sends what the target may read and
/// those held may not, and the other way round.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Scope {
    /// The terms under which the device may hold rows; none: it holds nothing.
    pub held: Vec<Terms>,
    /// Whether one of them is held, and the device holds all rows of it. What a scan that
    /// was given up sent is a part only.
    pub complete: bool,
    /// The terms that a scan under way goes towards, and how far it is.
    pub target: Option<(Terms, Option<ScanPlace>)>,
}

impl Scope {
    /// Turns to other terms: nothing to do where the rows answer to it already, or a scan
    /// towards it is under way; otherwise a scan starts.
    pub fn turn_to(&mut self, terms: Terms) {
        match &self.target {
            Some((target, _)) if *target == terms => {}
            None if self.held == [terms] => {}
            _ => {
                if let Some((target, _)) = self.target.take() {
                    self.complete = false;
                    if !self.held.contains(&target) {
                        self.held.push(target);
                    }
                }
                self.target = Some((terms, None));
            }
        }
    }

    /// Notes how far the scan is.
    pub fn advance(&mut self, place: ScanPlace) {
        if let Some((_, at)) = &mut self.target {
            *at = Some(place);
        }
    }

    /// Ends the scan: the rows answer to its target alone.
    pub fn finish(&mut self) {
        if let Some((target, _)) = self.target.take() {
            self.held = vec![target];
            self.complete = true;
        }
    }
}

/// What a device has already.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Resume {
    /// Which life of the log the rest belongs to.
    pub epoch: LogEpoch,
    /// All entries up to here, of what its rows answer to.
    pub watermark: Sequence,
    /// What its rows answer to.
    pub scope: Scope,
    /// The schema that it has.
    pub schema: Option<Digest>,
    /// The grant that it has.
    pub grant: Option<Digest>,
    /// How many bytes it holds, as budgets count them.
    pub bytes: u64,
    /// Which app it is; profiles may be for one.
    pub app: Option<AppName>,
    /// Records that its rows answer to beside what is taken: it has those that may be read.
    #[serde(deserialize_with = "at_most::<_, _, PINS_MAX>")]
    pub pins: Vec<(TableName, RecordId)>,
    /// Whether records are to be named whole: what it holds may be wrong.
    pub whole_ids: bool,
}

/// From a device to the server.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum ToServer {
    /// The session begins, for an enrolled device.
    Hello(Box<Resume>),
    /// The session begins, for a device that shows its enrolment code.
    Enroll {
        /// The code's bytes.
        code: Vec<u8>,
        /// What people call the device.
        name: String,
        /// Which app it is.
        app: Option<AppName>,
    },
    /// Edits to be judged.
    Push(SignedChangeSet),
    /// One record, whole, if it may be read and is taken, or pinned.
    Fetch {
        /// Its table.
        table: TableName,
        /// Its id.
        record: RecordId,
        /// Whether it is pinned from now on, or is not.
        pinned: bool,
    },
    /// Asks for [`ToDevice::Flushed`] once all before was answered and the device is up to date.
    Flush {
        /// Comes back in the answer.
        number: u32,
    },
    /// Which of these edits of this device are admitted as they are here, and of which is the record
    /// erased? [`ToDevice::Verdicts`] names them. Asked about edits that cannot be sent again because
    /// their record is out of reach, and about those in quarantine.
    Ask(#[serde(deserialize_with = "at_most::<_, _, ANSWERS_MAX>")] Vec<Inquiry>),
    /// What an administrator wants; [`ToDevice::Admin`] answers.
    Admin {
        /// Comes back in the answer.
        number: u32,
        /// What.
        request: AdminRequest,
    },
    /// The device has purged what its user may not read any more. What comes after it is answered
    /// when the server has stored that.
    Purged(SignedPurgeReceipt),
    /// Of this table what there is first; [`ToDevice::First`] answers.
    First {
        /// The table.
        table: TableName,
    },
    /// A page is written that came while a scan is under way, and need not come again.
    Stored {
        /// How many bytes the device holds now, as budgets count them.
        bytes: u64,
    },
    /// Asks for digests of what the device should hold; [`ToDevice::Compared`] answers, of as much as fits.
    Compare {
        /// Comes back in the answer.
        number: u32,
        /// So many records are in a range at the most.
        grain: u32,
        /// Of these, in this order.
        #[serde(deserialize_with = "at_most::<_, _, COMPARED_STRETCHES_MAX>")]
        stretches: Vec<Stretch>,
    },
}

impl ToServer {
    /// Whether it may be taken before the device has proved that it is there now, and that nobody sends again
    /// what it said: it changes no record.
    #[must_use]
    pub const fn may_be_early(&self) -> bool {
        matches!(self, Self::Hello(_) | Self::Flush { .. })
    }
}

/// What a device asks about an edit of its own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Inquiry {
    /// The edit.
    pub edit: EditId,
    /// Its record.
    pub record: RecordId,
    /// The columns that it says something of, where no server has judged it for all that the device knows: if
    /// what counts says nothing of one of them, the answer does not name the edit.
    #[serde(deserialize_with = "at_most::<_, _, COLUMNS_MAX>")]
    pub columns: Vec<ColumnName>,
}

impl Inquiry {
    /// Whether its record was erased is all that is asked.
    #[must_use]
    pub const fn of_record(edit: EditId, record: RecordId) -> Self {
        Self { edit, record, columns: Vec::new() }
    }

    /// All about an edit that no server has judged.
    #[must_use]
    pub fn of(edit: &Edit) -> Self {
        let columns: BTreeSet<_> = edit.ops().filter_map(Op::column).collect();
        let columns = columns.into_iter().cloned().collect();
        Self { edit: edit.id, record: edit.record, columns }
    }
}

/// Why a server ends a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Nobody enrolled a device with this key.
    #[error("this device is not enrolled; ask an administrator for an enrolment code")]
    UnknownDevice,
    /// An administrator revoked the device.
    #[error("this device was revoked; ask an administrator")]
    RevokedDevice,
    /// The server never made this code.
    #[error(
        "this enrolment code is not one of this server, or was made before its keys were \
         replaced; ask for a new one"
    )]
    WrongCode,
    /// The code was used by another device.
    #[error("this enrolment code was used before; ask for a new one")]
    UsedCode,
    /// The code is too old.
    #[error("this enrolment code expired at {0}; ask for a new one")]
    ExpiredCode(Timestamp),
    /// The code's user is not there, or disabled.
    #[error("user `{0}` is not known here, or is disabled")]
    NoSuchUser(UserId),
    /// A message came where it makes no sense, or is not in the form of one.
    #[error("protocol error: {0}")]
    Protocol(String),
    /// The server cannot go on, but may be able to later.
    #[error("the server has a problem: {0}")]
    Trouble(String),
    /// The device broke the protocol lately.
    #[error("this device broke the protocol; it may come again in {seconds} s")]
    Later {
        /// After so many seconds.
        seconds: u32,
    },
}

/// What happened to one record, in the order of the log.
#[derive(Clone, PartialEq, Debug)]
pub enum Entry {
    /// An edit of someone else.
    Edit {
        /// Its place in the log.
        sequence: Sequence,
        /// What of the edit the device's user may read. It does not say which edit it is of what
        /// commit: its numbers would tell of others.
        edit: Edit,
        /// How many bits of its record's id are told: those of a [`Stem`](super::Stem) where the device has the record.
        /// When it has been sent, the others are zero.
        bits: u8,
        /// Whether they tell it from those alone whose owner is that of the record that was named by a stem
        /// last before it in the page.
        of_owner: bool,
    },
    /// An edit of this device became confirmed.
    Own {
        /// Its place in the log.
        sequence: Sequence,
        /// Which edit.
        id: EditId,
        /// What was admitted, as the device's own may have changed since; `None`: all that it sent of it
        /// in this session, and may read.
        admitted: Option<Admitted>,
    },
    /// Of the edit whose [`Entry::Own`] is next these columns were refused before the rest counted. The
    /// device that was told so at the time has taken them out of it; a copy of its file has not.
    Split {
        /// Which edit.
        id: EditId,
        /// The record's table.
        table: TableName,
        /// The record.
        record: RecordId,
        /// Each refused column with the reason.
        columns: Vec<Denial>,
        /// The policy by which they were judged.
        epoch: PolicyEpoch,
    },
    /// A whole record, as of its last entry.
    Whole {
        /// The place in the log of the record's last entry, of those that changed anything that the
        /// device's user may read.
        version: Sequence,
        /// All its changes, as if one edit had made them.
        record: Edit,
    },
    /// Owners moved to other business units: the device carries it out on these records, all of which
    /// its user could read before and can read after.
    Moved {
        /// Its place in the log.
        sequence: Sequence,
        /// Who writes the change by which a record follows.
        actor: ActorId,
        /// When, by the server's clock.
        at: Timestamp,
        /// The records.
        legs: Vec<MovedLeg>,
    },
    /// The record is out of reach.
    Gone {
        /// Entries of the record up to here are settled by this.
        sequence: Sequence,
        /// The record's table.
        table: TableName,
        /// The record.
        record: RecordId,
    },
    /// An administrator erased the record: nothing of it is to stay.
    Erased {
        /// Its place in the log.
        sequence: Sequence,
        /// The record's table.
        table: TableName,
        /// The record.
        record: RecordId,
    },
}

impl Entry {
    /// What it takes in a page as rows, roughly.
    #[must_use]
    pub fn row_bytes(&self) -> u64 {
        match self {
            Self::Edit { edit, .. } | Self::Whole { record: edit, .. } => edit.sent_bytes(),
            Self::Split { columns, .. } => 64 + 64 * columns.len() as u64,
            Self::Own { .. } | Self::Gone { .. } | Self::Erased { .. } | Self::Moved { .. } => 64,
        }
    }

    /// What it is of the bytes that were told to come.
    #[must_use]
    pub fn record_bytes(&self) -> u64 {
        match self {
            Self::Edit { edit, .. } | Self::Whole { record: edit, .. } => edit.sent_bytes(),
            _ => 0,
        }
    }

    /// The record of an edit, or the whole one, that it tells.
    #[must_use]
    pub fn edited(&self) -> Option<RecordId> {
        match self {
            Self::Edit { edit, .. } | Self::Whole { record: edit, .. } => Some(edit.record),
            _ => None,
        }
    }

    /// The record that it is about, where it is about one.
    #[must_use]
    pub fn place(&self) -> Option<(TableName, RecordId)> {
        match self {
            Self::Edit { edit, .. } | Self::Whole { record: edit, .. } => {
                Some((edit.table.clone(), edit.record))
            }
            Self::Own { admitted, .. } => admitted.as_ref().map(|it| (it.table.clone(), it.record)),
            Self::Split { table, record, .. }
            | Self::Gone { table, record, .. }
            | Self::Erased { table, record, .. } => Some((table.clone(), *record)),
            Self::Moved { .. } => None,
        }
    }
}

/// Records of one table that follow one owner.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MovedLeg {
    /// Who moved.
    pub owner: Owner,
    /// Where to.
    pub business_unit: BusinessUnitId,
    /// The table of the records.
    pub table: TableName,
    /// The records.
    #[serde(deserialize_with = "at_most::<_, _, PAGE_EDITS_MAX>")]
    pub records: Vec<RecordId>,
}

/// An admitted edit, for the device that made it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Admitted {
    /// The record's table.
    pub table: TableName,
    /// The record.
    pub record: RecordId,
    /// By what the device compares it with its own.
    pub check: Check,
}

/// By what a device compares an admitted edit with its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Check {
    /// Digest of what of the edit its author may read, by meaning.
    pub readable: Digest,
    /// Digest of the columns that the edit says something of, be they readable or not. Where it is
    /// another, the device has something that does not count.
    pub columns: [u8; 4],
}

impl Check {
    /// Of an edit, and what of it its author may read.
    ///
    /// # Errors
    /// As [`encode_rows`].
    pub fn of(edit: &Edit, readable: &Edit) -> Result<Self, DecodeError> {
        let readable = Digest::of("edit", &encode_rows(std::slice::from_ref(readable))?);
        let columns: BTreeSet<_> = edit.ops().filter_map(Op::column).collect();
        // No name of a column has a line break in it.
        let columns: Vec<_> = columns.into_iter().map(ColumnName::as_str).collect();
        let Digest([a, b, c, d, ..]) = Digest::of("columns", columns.join("\n").as_bytes());
        Ok(Self { readable, columns: [a, b, c, d] })
    }
}

/// A run of the log, or of a scan.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Page {
    /// What happened.
    #[serde(with = "super::entries")]
    pub entries: Vec<Entry>,
    /// Everything in the log up to here is in this page and those before.
    pub watermark: Sequence,
    /// What the device's rows answer to after this page; `None`: to the same as before.
    pub scope: Option<Scope>,
    /// Whose devices wrote what is in it, of those that the session has not named yet.
    pub authors: Vec<(DeviceNumber, UserId)>,
    /// Of the records of all edits and whole records, where some are named by stems.
    pub ids: Option<IdsDigest>,
}

impl Page {
    /// What its records and edits are as rows: what is estimated, told to come and held against
    /// budgets. As columns they are fewer bytes, by how much depends on all that is in the page.
    #[must_use]
    pub fn row_bytes(&self) -> u64 {
        let mut bytes = PageBytes::default();
        let edit = |entry: &Entry| match entry {
            Entry::Edit { edit, .. } | Entry::Whole { record: edit, .. } => {
                bytes.add(&edit.table, edit.changes.iter().map(AsRef::as_ref))
            }
            _ => 0,
        };
        self.entries.iter().map(edit).sum()
    }
}

/// From the server to a device.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum ToDevice {
    /// The first message: who the server is. The device says nothing before it has checked it.
    Greeting {
        /// The certificate's bytes.
        certificate: Vec<u8>,
    },
    /// The session is open.
    Welcome {
        /// The device's number.
        device: DeviceNumber,
        /// Its user.
        user: UserId,
        /// The life of the log.
        epoch: LogEpoch,
        /// Whether the session goes on from where the device is; otherwise it starts anew.
        resumed: bool,
        /// The server's clock, for reporting skew.
        time: Timestamp,
        /// Up to where a backup holds the log; `None`: no backups are made.
        backed_up: Option<Sequence>,
        /// Up to where the log is the one that the device knows: less than it has seen where the
        /// server was restored.
        common: Sequence,
    },
    /// The schema, because the device has another.
    Schema(Box<Schema>),
    /// The user's privileges as the server states them, because the device has others.
    Grant(Vec<u8>),
    /// To [`ToServer::First`]: all was told that there is of the table, and what was pushed before is
    /// answered.
    First {
        /// The table.
        table: TableName,
    },
    /// What the device goes by of its user's profile; `None`: there is none, all is taken.
    Intake(Option<Intake>),
    /// Owners that this user may assign to, with their business units.
    Owners(
        #[serde(deserialize_with = "at_most::<_, _, ANSWERS_MAX>")] Vec<(Owner, BusinessUnitId)>,
    ),
    /// Answers to edits that were not admitted; an admitted one comes as [`Entry::Own`].
    Verdicts(#[serde(deserialize_with = "at_most::<_, _, ANSWERS_MAX>")] Vec<(EditId, Verdict)>),
    /// What happened.
    Page(Page),
    /// All that came before [`ToServer::Flush`] is answered, and the device is up to date.
    Flushed {
        /// As in the question.
        number: u32,
        /// Everything in the log up to here was told; `None`: as the page before says.
        watermark: Option<Sequence>,
    },
    /// A change set names records by [`Stem`](super::Stem)s by which the server finds none, or several: nothing of it was
    /// judged. The device sends it again and names them whole.
    NameWhole,
    /// The session ends.
    Refused(Refusal),
    /// Up to where a backup holds the log now; `None`: no backups are made.
    BackedUp(Option<Sequence>),
    /// To [`ToServer::Admin`].
    Admin {
        /// The number of the request.
        number: u32,
        /// What came of it.
        answer: AdminAnswer,
    },
    /// A scan is under way: about so much its user may read, where all of it has come.
    Coming {
        /// Records.
        records: u64,
        /// Their bytes, as [`Page::row_bytes`] counts them.
        bytes: u64,
    },
    /// To [`ToServer::Compare`]: what the device holds behind all that was sent before, if it is right.
    Compared {
        /// The number of the question.
        number: u32,
        /// Up to where in the log that is.
        watermark: Sequence,
        /// Of the stretches, one after the other; those behind the last range are to be asked again.
        #[serde(deserialize_with = "at_most::<_, _, COMPARED_RANGES_MAX>")]
        ranges: Vec<RangeDigest>,
    },
}

/// Writes a message as the payload of a frame.
///
/// # Errors
/// It is larger than a frame.
pub fn encode_message<T: Serialize>(message: &T) -> Result<Vec<u8>, DecodeError> {
    let bytes = postcard::to_extend(message, vec![PROTOCOL_VERSION])?;
    DecodeError::bound("bytes in a frame", bytes.len(), FRAME_BYTES_MAX)?;
    Ok(bytes)
}

/// Reads a message from the payload of a frame, which may come from anywhere.
///
/// # Errors
/// It is of another version, too long, or no message.
pub fn decode_message<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
    DecodeError::bound("bytes in a frame", bytes.len(), FRAME_BYTES_MAX)?;
    let Some((&found, payload)) = bytes.split_first() else {
        return Err(DecodeError::Value("the frame is empty".into()));
    };
    if found != PROTOCOL_VERSION {
        return Err(DecodeError::Version { what: "the protocol", found, known: PROTOCOL_VERSION });
    }
    let (message, rest) = postcard::take_from_bytes(payload)?;
    if rest.is_empty() { Ok(message) } else { Err(DecodeError::TrailingBytes(rest.len())) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::limits::EDIT_SECTIONS_MAX;
    use crate::model::{ActorId, Change, ChangeRef, Section};

    #[test]
    fn a_whole_record_may_hold_more_changes_than_an_edit() {
        let actor = ActorId { device: DeviceNumber(1), incarnation: 2 };
        let change = |seq| {
            let id = ChangeRef { actor, seq };
            let deps = (seq > 1).then_some(ChangeRef { actor, seq: seq - 1 }).into_iter().collect();
            let time = Timestamp::default();
            Arc::new(Change { section: Section::Main, id, time, deps, ops: Vec::new() })
        };
        let record = Edit {
            id: EditId { device: DeviceNumber(0), counter: 0, part: 0 },
            table: TableName::new("order").unwrap(),
            record: RecordId::from_bytes([1; 16]),
            atomic: 0,
            changes: (1..).map(change).take(EDIT_SECTIONS_MAX + 1).collect(),
        };
        let entries = vec![Entry::Whole { version: Sequence(9), record }];
        let authors = vec![(DeviceNumber(1), UserId::new("ann").unwrap())];
        let page = Page { entries, watermark: Sequence(9), authors, ..Page::default() };
        let bytes = encode_message(&ToDevice::Page(page.clone())).unwrap();
        assert_eq!(decode_message::<ToDevice>(&bytes), Ok(ToDevice::Page(page)));
    }

    #[test]
    fn a_page_moves_so_many_records_and_no_more() {
        let page = |count: usize| {
            let leg = MovedLeg {
                owner: "user:ann".parse().unwrap(),
                business_unit: "north".parse().unwrap(),
                table: TableName::new("order").unwrap(),
                records: vec![RecordId::from_bytes([1; 16]); count],
            };
            let actor = ActorId { device: DeviceNumber::SERVER, incarnation: 7 };
            let (sequence, at) = (Sequence(9), Timestamp::default());
            let entries = vec![Entry::Moved { sequence, actor, at, legs: vec![leg] }];
            ToDevice::Page(Page { entries, ..Page::default() })
        };
        let read = |count| {
            let bytes = encode_message(&page(count)).unwrap();
            decode_message::<ToDevice>(&bytes)
        };
        assert_eq!(read(PAGE_EDITS_MAX), Ok(page(PAGE_EDITS_MAX)));
        assert!(read(PAGE_EDITS_MAX + 1).is_err());
    }
}
