//! Records that a profile may take, and what they look up.

use std::borrow::Cow;
use std::rc::Rc;

use super::BoundProfile;
use crate::gate::{RecordFacts, can_read, can_read_column};
use crate::model::{Columns, Header, Owner, RecordId, RecordState, SystemTable, TableName, Value};
use crate::query::{Cell, Field, Reference, Row, Source};

/// A record that a profile may take: header, and columns as the schema of now reads them (see
/// [`crate::model::Lens`]), hidden ones too.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its id.
    pub id: RecordId,
    /// What its header says.
    pub header: Header,
    /// What its columns hold.
    pub columns: Columns,
}

/// The records that there are, whoever may read them.
pub trait Records {
    /// Why records cannot be read.
    type Error;

    /// A record of a table, if there is one of this id.
    ///
    /// # Errors
    /// It cannot be read.
    fn find(&self, table: &TableName, id: RecordId) -> Result<Option<Rc<Candidate>>, Self::Error>;

    /// The ids of all records of a table.
    ///
    /// # Errors
    /// They cannot be read.
    fn ids(&self, table: &TableName) -> Result<Vec<RecordId>, Self::Error>;

    /// Shows all records of a table, or of those at least that [`BoundProfile::reach`] takes.
    ///
    /// # Errors
    /// They cannot be read, or the error that `see` ends it with.
    fn each(
        &self,
        table: &TableName,
        see: &mut dyn FnMut(&Candidate) -> Result<(), Self::Error>,
    ) -> Result<(), Self::Error> {
        for id in self.ids(table)? {
            if let Some(candidate) = self.find(table, id)? {
                see(&candidate)?;
            }
        }
        Ok(())
    }
}

/// Records that are also found by what they look up.
pub trait Linked: Records {
    /// The ids of the records of `table` that look up `record` by `by`.
    ///
    /// # Errors
    /// They cannot be read.
    fn looking_up(
        &self,
        table: &TableName,
        by: &Field,
        record: RecordId,
    ) -> Result<Vec<RecordId>, Self::Error>;
}

impl Candidate {
    /// Whether it looks up this record, of whatever table: ids are of one.
    #[must_use]
    pub fn looks_up(&self, by: &Field, record: RecordId) -> bool {
        // Where a lookup of a column leads is only passed on.
        self.lookup(by, &SystemTable::User.name()).is_some_and(|(_, id)| id == record)
    }

    /// The record that it looks up, there or not, and its table: of a column it is `target`, of an owner
    /// users or teams.
    #[must_use]
    pub fn lookup(&self, by: &Field, target: &TableName) -> Option<(TableName, RecordId)> {
        let of = |system: SystemTable, id: &str| Some((system.name(), system.record(id)));
        match by {
            Field::Id => None,
            Field::Owner => match self.header.owner.as_ref()? {
                (Owner::User(user), _) => of(SystemTable::User, user.as_str()),
                (Owner::Team(team), _) => of(SystemTable::Team, team.as_str()),
            },
            Field::BusinessUnit => {
                let (_, unit) = self.header.owner.as_ref()?;
                of(SystemTable::BusinessUnit, unit.as_str())
            }
            Field::Column(column) => match self.columns.get(column) {
                Some(Value::Lookup(id)) => Some((target.clone(), *id)),
                _ => None,
            },
        }
    }
}

/// A candidate with what it looks up, as the user sees it.
pub(super) struct Seen<'a, R> {
    pub(super) profile: &'a BoundProfile,
    pub(super) records: &'a R,
    pub(super) table: &'a TableName,
    pub(super) candidate: &'a Candidate,
    pub(super) sources: &'a [Source],
}

/// What a lookup leads to.
enum Reached {
    Row(TableName, Rc<Candidate>),
    /// The lookup is null.
    Nothing,
    /// There is no such record for the user, or the lookup itself is of one.
    Unknown,
}

impl<R: Records> Seen<'_, R> {
    fn reach(&self, source: usize) -> Result<Reached, R::Error> {
        let Some(Source { table: target, from: Some((from, by)) }) = self.sources.get(source)
        else {
            return Ok(Reached::Unknown);
        };
        let looked_up = if *from == 0 {
            self.candidate.lookup(by, target)
        } else {
            match self.reach(*from)? {
                Reached::Row(_, candidate) => candidate.lookup(by, target),
                other => return Ok(other),
            }
        };
        let Some((table, id)) = looked_up else { return Ok(Reached::Nothing) };
        let found = self.records.find(&table, id)?;
        let found = found.filter(|found| self.profile.reads(&table, found));
        Ok(found.map_or(Reached::Unknown, |found| Reached::Row(table, found)))
    }

    /// The record that a source is, if it is there for the user.
    pub(super) fn reached(&self, source: usize) -> Result<Option<(TableName, RecordId)>, R::Error> {
        Ok(match self.reach(source)? {
            Reached::Row(table, found) => Some((table, found.id)),
            Reached::Nothing | Reached::Unknown => None,
        })
    }

    fn cell<'r>(&self, table: &TableName, candidate: &'r Candidate, field: &Field) -> Cell<'r> {
        match field {
            Field::Column(column)
                if self.profile.is_secured(table, column)
                    && !can_read_column(
                        self.profile.standing(),
                        table,
                        column,
                        &RecordFacts::of_header(&candidate.header),
                    ) =>
            {
                Cell::Hidden
            }
            _ => field.of(candidate.id, &candidate.header, &candidate.columns),
        }
    }
}

impl<R: Records> Row for Seen<'_, R> {
    type Error = R::Error;

    fn cell(&mut self, reference: &Reference) -> Result<Cell<'_>, R::Error> {
        if reference.source == 0 {
            return Ok(Self::cell(self, self.table, self.candidate, &reference.field));
        }
        Ok(match self.reach(reference.source)? {
            Reached::Row(table, found) => {
                Self::cell(self, &table, &found, &reference.field).into_owned()
            }
            Reached::Nothing => Cell::Known(Cow::Owned(Value::Null)),
            Reached::Unknown => Cell::Hidden,
        })
    }
}

impl BoundProfile {
    /// Whether the user may read the record at all.
    #[must_use]
    pub fn reads(&self, table: &TableName, candidate: &Candidate) -> bool {
        candidate.header.state == RecordState::Active
            && can_read(self.standing(), table, &RecordFacts::of_header(&candidate.header))
    }
}
