use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Resolved;
use super::lapse::Lapse;
use crate::codec::{Digest, PublicKey, ScanPlace, Scope};
use crate::crdt::Record;
use crate::gate::{Reach, RecordFacts, Standing, can_read, can_read_column};
use crate::model::{DeviceNumber, Edit, Header, RecordId, Section, Sequence, TableName, UserId};
use crate::sync::{LogEntry, StoreError, Strand};

/// One device that is connected.
#[derive(Debug)]
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
#[derive(Debug)]
pub(super) struct Device {
    pub(super) number: DeviceNumber,
    pub(super) user: UserId,
    /// The device is told of all of the log up to here.
    pub(super) seen: LogPlace,
    /// The page after that, where it is the turn of others before it is full.
    pub(super) begun: Option<Begun>,
    /// The record at which a scan under way is: the scope names the last one that was told.
    pub(super) looked: Option<ScanPlace>,
    /// Pages of scans that it has not said to have written.
    pub(super) ahead: usize,
    /// What its rows answer to.
    pub(super) scope: Scope,
    /// The same as the device was told last.
    pub(super) told: Scope,
    /// The standings that the scope says it holds rows under.
    pub(super) held: Vec<Reader>,
    /// What it may read now.
    pub(super) reader: Reader,
    /// What it might read since it was told of the log, and not always.
    pub(super) lapses: Vec<Lapse>,
    /// The schema and the grant that it has.
    pub(super) schema: Option<Digest>,
    pub(super) grant: Option<Digest>,
    /// The devices whose users this session has named.
    pub(super) named: BTreeSet<DeviceNumber>,
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
#[derive(Debug)]
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

/// Someone's privileges, asked what they let them read.
#[derive(Debug, Clone)]
pub(super) enum Reader {
    Present(Arc<Resolved>),
    Past(Arc<Option<Standing>>),
}

impl Reader {
    /// As a standing was written.
    pub(super) fn of_bytes(standing: &[u8]) -> Result<Self, StoreError> {
        let standing = postcard::from_bytes(standing)
            .map_err(|error| StoreError::Damaged(error.to_string()))?;
        Ok(Self::Past(Arc::new(standing)))
    }

    pub(super) fn standing(&self) -> Option<&Standing> {
        match self {
            Self::Present(resolved) => resolved.standing.as_ref().ok(),
            Self::Past(standing) => standing.as_ref().as_ref(),
        }
    }

    /// Where the records are that may be read, of each table of which there can be some.
    fn reach(&self) -> impl Iterator<Item = (&TableName, Reach)> {
        let standing = self.standing().into_iter();
        let tables = standing.flat_map(|it| it.tables().map(|table| (table, it.reach(table))));
        tables.filter(|(_, reach)| *reach != Reach::Nothing)
    }

    pub(super) fn reads(&self, table: &TableName, header: &Header) -> bool {
        let facts = RecordFacts::of_header(header);
        let reads = |it: &Standing| it.knows(table) && can_read(it, table, &facts);
        self.standing().is_some_and(reads)
    }

    pub(super) fn reads_section(
        &self,
        table: &TableName,
        header: &Header,
        section: &Section,
    ) -> bool {
        let Section::Secured(column) = section else { return true };
        let facts = RecordFacts::of_header(header);
        self.standing().is_some_and(|standing| can_read_column(standing, table, column, &facts))
    }

    /// The part of an edit that may be read; `None`: nothing of it.
    pub(super) fn part_of(&self, header: &Header, edit: &Edit) -> Option<Edit> {
        Some(self.readable(header, edit)).filter(|part| !part.changes.is_empty())
    }

    /// What of an edit may be read, if anything.
    pub(super) fn readable(&self, header: &Header, edit: &Edit) -> Edit {
        let mut part = edit.clone();
        part.changes.retain(|it| self.reads_section(&edit.table, header, &it.section));
        part
    }

    /// Whether the reader sees other columns of a record now than before its header changed:
    /// column shares came or went.
    pub(super) fn sees_others(&self, table: &TableName, before: &Header, after: &Header) -> bool {
        let shared = before.column_shares.keys().chain(after.column_shares.keys());
        shared.map(|(column, _)| Section::Secured(column.clone())).any(|section| {
            self.reads_section(table, before, &section)
                != self.reads_section(table, after, &section)
        })
    }

    /// Whether two readers see the same of a record that both may read: also of columns that are not
    /// declared any more.
    pub(super) fn sees_as(&self, other: &Self, record: &Record) -> bool {
        let (table, header) = (record.table(), record.header());
        record.sections().all(|(section, _)| {
            self.reads_section(table, header, section)
                == other.reads_section(table, header, section)
        })
    }
}

impl Device {
    /// Whether a scan is under way: the device has not all that it may read, or more.
    pub(super) fn is_turning(&self) -> bool {
        self.scope.target.is_some()
    }

    /// Where the records are that it may read, or may hold.
    pub(super) fn reach(&self) -> BTreeMap<TableName, Reach> {
        let mut all: BTreeMap<TableName, Reach> = BTreeMap::new();
        for reader in self.held.iter().chain([&self.reader]) {
            for (table, reach) in reader.reach() {
                let known = all.entry(table.clone()).or_default();
                *known = std::mem::take(known).and(reach);
            }
        }
        all
    }

    /// Along these the log says all that it has to be told of.
    pub(super) fn strands(&self) -> BTreeSet<Strand> {
        let mut strands = BTreeSet::from([Strand::Author(self.number)]);
        for (table, reach) in self.reach() {
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

    /// Whether the device was sent this section of a record, which had this header then. Of several
    /// standings held it is not known which one a row came under, or whether a scan came so far.
    pub(super) fn has(
        &self,
        table: &TableName,
        record: RecordId,
        header: &Header,
        section: &Section,
    ) -> bool {
        let reads = |reader: &Reader| {
            reader.reads(table, header) && reader.reads_section(table, header, section)
        };
        if !self.could_read_since(table, header, section) {
            return false;
        }
        let passed =
            self.looked.as_ref().is_some_and(|at| (table, record) <= (&at.table, at.record));
        if self.is_turning() && !passed {
            self.scope.complete && self.held.iter().any(reads)
        } else {
            reads(&self.reader)
        }
    }

    /// Whether the device may hold a record with this header. While a scan is under way, what it
    /// passed was sent under the present standing, and the rest is held under earlier ones.
    pub(super) fn may_hold(&self, table: &TableName, header: &Header) -> bool {
        self.reader.reads(table, header)
            || (self.is_turning() && self.held.iter().any(|held| held.reads(table, header)))
    }
}
