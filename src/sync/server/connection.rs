use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::bounds::Extent;
use super::comparing::Comparing;
use super::first::First;
use super::lapse::Lapse;
use super::reader::Reader;
use crate::codec::{Digest, PublicKey, ScanPlace, Scope, Terms};
use crate::gate::Reach;
use crate::model::{AppName, DeviceNumber, Header, Intake, RecordId, Sequence, TableName, UserId};
use crate::sync::{LogEntry, Strand};

/// One device that is connected.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    /// The key that it proved to hold.
    pub(super) key: PublicKey,
    /// Who it is, once it greeted.
    pub(super) device: Option<Device>,
    /// A [`crate::codec::ToServer::Flush`] that is not answered yet.
    pub(super) flush: Option<u32>,
    /// Whether another page may be sent.
    pub(super) writable: bool,
}

/// An enrolled device in an open session.
#[derive(Debug, Clone)]
pub(super) struct Device {
    pub(super) number: DeviceNumber,
    pub(super) user: UserId,
    /// The device is told of all of the log up to here.
    pub(super) seen: LogPlace,
    /// The page after that, where it is the turn of others before it is full.
    pub(super) begun: Option<Begun>,
    /// The record at which a scan under way is: the scope names the last one that was told.
    pub(super) looked: Option<ScanPlace>,
    /// Pages that it was sent while a scan is under way and has not said to have written, with what of
    /// their bytes was told to come.
    pub(super) ahead: VecDeque<Extent>,
    /// How much came in all pages of this session.
    pub(super) sent: Extent,
    /// How many bytes it holds, as it said last.
    pub(super) bytes: u64,
    /// A table that it wants before all others,
    pub(super) first: Option<First>,
    /// and those that it was told of so while a scan is under way.
    pub(super) brought: BTreeSet<TableName>,
    /// How far it was looked behind the scan for what leaves, where there is no room for more,
    pub(super) swept: Option<ScanPlace>,
    /// and whether that is all.
    pub(super) is_swept: bool,
    /// What it asks to be compared with what it holds.
    pub(super) comparing: Option<Comparing>,
    /// What its rows answer to.
    pub(super) scope: Scope,
    /// The same as the device was told last.
    pub(super) told: Scope,
    /// The standings that the scope says it holds rows under.
    pub(super) held: Vec<Reader>,
    /// What it may read now.
    pub(super) reader: Reader,
    /// What it turns to once it was told of all of the log.
    pub(super) next: Option<(Terms, Reader)>,
    /// Which app it is.
    pub(super) app: Option<AppName>,
    /// What it was told last of its user's profile, if anything.
    #[expect(clippy::option_option, reason = "told that there is none, or not told")]
    pub(super) intake: Option<Option<Intake>>,
    /// Records that it keeps whatever is taken.
    pub(super) pins: BTreeSet<(TableName, RecordId)>,
    /// Those of them at which a scan that is under way has not looked.
    pub(super) due: BTreeSet<(TableName, RecordId)>,
    /// What it might read since it was told of the log, and not always.
    pub(super) lapses: Vec<Lapse>,
    /// The schema and the grant that it has.
    pub(super) schema: Option<Digest>,
    pub(super) grant: Option<Digest>,
    /// The devices whose users this session has named.
    pub(super) named: BTreeSet<DeviceNumber>,
    /// Its own edits that were admitted as it sent them in this session, and of which it was not told yet:
    /// their places in the log, and records.
    pub(super) as_sent: BTreeMap<Sequence, RecordId>,
    /// What it was sent pages of ends here.
    pub(super) paged: Sequence,
    /// Whether records are named to it whole: it may not have what it should.
    pub(super) whole_ids: bool,
}

/// A place in the log between two things of which devices are told one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LogPlace {
    /// Behind this entry.
    pub(super) sequence: Sequence,
    /// And behind so many of the records that the next one moves.
    pub(super) followers: usize,
}

impl LogPlace {
    pub(super) fn behind(sequence: Sequence) -> Self {
        Self { sequence, followers: 0 }
    }

    pub(super) fn before(entry: &LogEntry) -> Self {
        Self::behind(Sequence(entry.sequence.0.saturating_sub(1)))
    }
}

/// A page of the log that is not full yet.
#[derive(Debug, Clone)]
pub(super) struct Begun {
    /// All up to here was looked at.
    pub(super) far: LogPlace,
    /// Behind these places is what the device is to be told of.
    pub(super) told: Vec<LogPlace>,
}

impl Connection {
    pub(super) fn new(key: PublicKey) -> Self {
        Self { key, device: None, flush: None, writable: true }
    }
}

impl Device {
    /// Whether a scan is under way: the device has not all that it may read, or more.
    pub(super) fn is_turning(&self) -> bool {
        self.scope.target.is_some()
    }

    /// Where the records are that it is to have, or may hold.
    pub(super) fn reach(&self) -> BTreeMap<TableName, Reach> {
        self.reach_of(Reader::narrow)
    }

    /// The same of all that its user could or can read.
    fn whole_reach(&self) -> BTreeMap<TableName, Reach> {
        self.reach_of(|_, _, reach| reach)
    }

    fn reach_of(
        &self,
        part: impl Fn(&Reader, &TableName, Reach) -> Reach,
    ) -> BTreeMap<TableName, Reach> {
        let mut all: BTreeMap<TableName, Reach> = BTreeMap::new();
        for reader in self.held.iter().chain([&self.reader]) {
            for (table, reach) in reader.reach() {
                let reach = part(reader, table, reach);
                let known = all.entry(table.clone()).or_default();
                *known = std::mem::take(known).and(reach);
            }
        }
        all
    }

    /// Along these the log says all that it has to be told of.
    pub(super) fn strands(&self) -> BTreeSet<Strand> {
        let mut strands = BTreeSet::from([Strand::Author(self.number)]);
        // Also what is not taken decides what is: by a filter, or as a step.
        for (table, reach) in self.whole_reach() {
            match reach {
                Reach::Nothing => {}
                Reach::Buckets(buckets) => strands.extend(buckets.into_iter().map(Strand::Bucket)),
                Reach::All => drop(strands.insert(Strand::Table(table))),
            }
        }
        strands
    }

    /// Whether a scan has ended, and with another scope than the device knows of.
    pub(super) fn ends_elsewhere(&self) -> bool {
        !self.is_turning() && self.scope != self.told
    }

    /// Whether the device may hold a record with this header. While a scan is under way, what it
    /// passed was sent under the present standing, and the rest is held under earlier ones.
    pub(super) fn may_hold(&self, table: &TableName, header: &Header) -> bool {
        self.reader.reads(table, header)
            || (self.is_turning() && self.held.iter().any(|held| held.reads(table, header)))
    }
}
