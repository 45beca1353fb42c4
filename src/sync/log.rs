//! The log: what the server admitted, in its order.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::crdt::Record;
use crate::gate::Follow;
use crate::model::{
    ActorId, Asked, Bucket, BusinessUnitId, Columns, DeviceNumber, Edit, Header, Owner,
    PolicyEpoch, RecordId, SYSTEM_KEY, Section, Sequence, SystemTable, TableName, Timestamp, Value,
};

/// One entry of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEntry {
    /// Its place.
    pub sequence: Sequence,
    /// What it did.
    pub kind: EntryKind,
    /// When, by the server's clock.
    pub at: Timestamp,
    /// The policy it was admitted under.
    pub epoch: PolicyEpoch,
}

/// The entries of the log that concern one thing. Who looks for what concerns a reader goes along some
/// of them, and not through all the log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strand {
    /// Records of a bucket, or such as were in it before.
    Bucket(Bucket),
    /// Records of a table.
    Table(TableName),
    /// What a device made, and that what it wrote is erased.
    Author(DeviceNumber),
    /// What changed of a record that offline profiles ask of it.
    Record(RecordId),
}

/// What an entry of the log did.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all entries are of the large kind")]
pub enum EntryKind {
    /// An edit of one record.
    Edit {
        /// The edit.
        edit: Edit,
        /// The record's header before, where the edit changed it; `None` where it did not.
        /// A record that the edit created had none: `Some(None)`.
        before: Option<Option<Header>>,
        /// The record's header after.
        after: Header,
        /// What offline profiles ask of the record, as it was before, where the edit changed it or the
        /// header; `None`: it did not, or they ask nothing of its table.
        asked: Option<Columns>,
    },
    /// Owners moved to other business units, and their records followed.
    Move(Move),
}

/// Owners who moved to other business units, and the records that followed them. Each replica carries
/// it out on those that it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// Who writes the change by which a record follows: nobody else, and nowhere else.
    pub actor: ActorId,
    /// What followed whom from where to where.
    pub legs: Vec<Leg>,
}

/// The records of one table that followed one owner out of one business unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// Who moved.
    pub owner: Owner,
    /// Out of here.
    pub from: BusinessUnitId,
    /// Here.
    pub to: BusinessUnitId,
    /// The table of the records.
    pub table: TableName,
    /// The records.
    pub followers: Vec<Follower>,
}

/// A record that followed its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follower {
    /// Which.
    pub record: RecordId,
    /// Its header, but for the owner, whom the leg names.
    header: Header,
}

impl EntryKind {
    /// That an edit made this of a record. `asked` is what profiles ask.
    #[must_use]
    pub fn edit(edit: Edit, before: Option<&Record>, after: &Record, asked: &Asked) -> Self {
        let is_header = edit.change(&Section::Header).is_some();
        let nothing = Columns::default();
        let columns = before.map_or(&nothing, Record::columns);
        let was = asked.of(&edit.table, columns);
        let asked = was.filter(|was| {
            is_header || asked.of(&edit.table, after.columns()).as_ref() != Some(was)
        });
        let before = is_header.then(|| before.map(|record| record.header().clone()));
        Self::Edit { edit, before, after: after.header().clone(), asked }
    }
}

impl LogEntry {
    /// Takes out what the edit did, as its record is erased. What the record looked up stays, and by what it was
    /// looked up: those who hold something for its sake have to be told.
    pub fn empty(&mut self) {
        if let EntryKind::Edit { edit, asked, .. } = &mut self.kind {
            edit.changes.clear();
            if let Some(asked) = asked {
                let is_system = SystemTable::of(&edit.table).is_some();
                asked.retain(|column, value| {
                    matches!(value, Value::Lookup(_))
                        || (is_system && column.as_str() == SYSTEM_KEY)
                });
            }
        }
    }

    /// The edit; `None`: it is a move.
    #[must_use]
    pub fn edit(&self) -> Option<&Edit> {
        match &self.kind {
            EntryKind::Edit { edit, .. } => Some(edit),
            EntryKind::Move(_) => None,
        }
    }

    /// The strands that it is in. (That what they wrote was erased is in those of its authors, too.)
    #[must_use]
    pub fn strands(&self) -> BTreeSet<Strand> {
        let mut strands = BTreeSet::new();
        let in_scope = |table: &TableName, headers: [Option<&Header>; 2]| {
            let buckets = headers.into_iter().flatten().flat_map(Bucket::of);
            let buckets = buckets.map(Strand::Bucket).collect::<Vec<_>>();
            buckets.into_iter().chain([Strand::Table(table.clone())])
        };
        match &self.kind {
            EntryKind::Edit { edit, before, after, asked } => {
                let before = before.as_ref().and_then(Option::as_ref);
                strands.extend(in_scope(&edit.table, [before, Some(after)]));
                strands.insert(Strand::Author(edit.id.device));
                if let Some(asked) = asked {
                    strands.insert(Strand::Record(edit.record));
                    strands.extend(Bucket::of_lookups(asked).map(Strand::Bucket));
                }
            }
            EntryKind::Move(moved) => {
                for (leg, follower) in moved.followers() {
                    let (before, after) = (leg.before(follower), leg.after(follower));
                    strands.extend(in_scope(&leg.table, [Some(&before), Some(&after)]));
                    strands.insert(Strand::Record(follower.record));
                }
            }
        }
        strands
    }

    /// Whether both are parts of one atomic commit.
    #[must_use]
    pub fn is_bound_to(&self, other: &Self) -> bool {
        self.edit().zip(other.edit()).is_some_and(|(edit, other)| edit.is_bound_to(other))
    }

    /// How many records it may concern.
    #[must_use]
    pub fn breadth(&self) -> usize {
        match &self.kind {
            EntryKind::Edit { .. } => 1,
            EntryKind::Move(moved) => moved.len(),
        }
    }
}

impl Move {
    /// How many records followed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.legs.iter().map(|leg| leg.followers.len()).sum()
    }

    /// Whether none did.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The records, in their order.
    pub fn followers(&self) -> impl Iterator<Item = (&Leg, &Follower)> {
        self.legs.iter().flat_map(|leg| leg.followers.iter().map(move |follower| (leg, follower)))
    }

    /// The record in this place, from 0.
    #[must_use]
    pub fn follower(&self, mut place: usize) -> Option<(&Leg, &Follower)> {
        for leg in &self.legs {
            match leg.followers.get(place) {
                Some(follower) => return Some((leg, follower)),
                None => place -= leg.followers.len(),
            }
        }
        None
    }

    /// How the records of one of the legs follow, where the entry was made at this time.
    #[must_use]
    pub fn follow(&self, leg: &Leg, at: Timestamp) -> Follow {
        let (owner, business_unit) = (leg.owner.clone(), leg.to.clone());
        Follow { owner, business_unit, actor: self.actor, at }
    }
}

impl Leg {
    /// The header of one of the records before.
    #[must_use]
    pub fn before(&self, follower: &Follower) -> Header {
        let owner = Some((self.owner.clone(), self.from.clone()));
        Header { owner, ..follower.header.clone() }
    }

    /// The header of one of the records after.
    #[must_use]
    pub fn after(&self, follower: &Follower) -> Header {
        let owner = Some((self.owner.clone(), self.to.clone()));
        Header { owner, ..follower.header.clone() }
    }
}

impl Follower {
    /// A record that had this header.
    #[must_use]
    pub fn new(record: RecordId, before: &Header) -> Self {
        Self { record, header: Header { owner: None, ..before.clone() } }
    }
}
