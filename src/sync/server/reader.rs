//! Under what rows are sent to a device: what its user may read, and what of that a profile takes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Resolved;
use super::state::State;
use crate::codec::{Digest, Terms};
use crate::crdt::Record;
use crate::gate::{Reach, RecordFacts, Standing, can_read, can_read_column};
use crate::model::{
    Column, Edit, Header, Profile, ProfileTable, RecordId, Schema, Section, TableName, Timestamp,
};
use crate::scope::{BoundProfile, CheckedProfile, minute_of};
use crate::sync::{ServerStore, StoreError};

/// What a device's rows answer to, as it is kept under its digest.
#[derive(Serialize, Deserialize)]
struct Stated {
    standing: Option<Standing>,
    profile: Option<Asking>,
}

/// A profile, and what else decides what it takes.
#[derive(Serialize, Deserialize)]
struct Asking {
    profile: Profile,
    /// What the columns were that it asks: their values read otherwise where they are others.
    columns: Vec<(TableName, Column)>,
    /// The minute in which it was evaluated, where it asks the time.
    minute: Option<Timestamp>,
}

/// What of the records that may be read is taken.
#[derive(Debug, Clone)]
pub(super) enum Taking {
    /// All: there is no profile.
    Everything,
    /// What a profile takes.
    Profile(Arc<BoundProfile>),
    /// What a profile took that cannot be evaluated any more, for the schema is another one: some.
    Something,
}

/// Under what rows are sent, or were sent.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    privileges: Privileges,
    pub(super) taking: Taking,
}

#[derive(Debug, Clone)]
enum Privileges {
    Present(Arc<Resolved>),
    Past(Arc<Option<Standing>>),
}

fn damaged(error: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged(error.to_string())
}

/// The columns that a profile asks, as a schema has them.
fn asked_columns(profile: &CheckedProfile, schema: &Schema) -> Vec<(TableName, Column)> {
    let asks = profile.asks();
    let tables = schema.tables.values();
    let columns = tables.flat_map(|table| table.columns.iter().map(move |it| (&table.id, it)));
    let asked = columns.filter(|(table, column)| asks.asks(table, &column.id));
    let what = |column: &Column| Column { name: None, ..column.clone() };
    asked.map(|(table, column)| (table.clone(), what(column))).collect()
}

impl Reader {
    /// What a user reads now, with what it is called and is kept as.
    pub(super) fn present(
        resolved: &Arc<Resolved>,
        now: Timestamp,
    ) -> Result<(Self, Terms, Vec<u8>), StoreError> {
        let standing = resolved.standing.as_ref().ok();
        let mut stated = Stated { standing: standing.cloned(), profile: None };
        let mut taking = Taking::Everything;
        if let (Some(standing), Some(in_force)) = (standing, &resolved.profile) {
            let checked = &in_force.profile;
            let bound = checked.bind(&Arc::new(standing.clone()), now).map_err(damaged)?;
            stated.profile = Some(Asking {
                profile: checked.profile().taking(),
                columns: asked_columns(checked, checked.schema()),
                minute: bound.asks_time().then(|| minute_of(now)),
            });
            taking = Taking::Profile(Arc::new(bound));
        }
        let profile = stated.profile.as_ref().map(|asking| {
            let bytes = postcard::to_stdvec(asking).map_err(damaged)?;
            Ok::<_, StoreError>(Digest::of("profile", &bytes))
        });
        let terms = Terms { standing: resolved.digest, profile: profile.transpose()? };
        let bytes = postcard::to_stdvec(&stated).map_err(damaged)?;
        let privileges = Privileges::Present(Arc::clone(resolved));
        Ok((Self { privileges, taking }, terms, bytes))
    }

    /// What a user read once, as it was kept.
    pub(super) fn past(bytes: &[u8], schema: &Arc<Schema>) -> Result<Self, StoreError> {
        let Stated { standing, profile } = postcard::from_bytes(bytes).map_err(damaged)?;
        let taking = match (&standing, profile) {
            (None, _) | (_, None) => Taking::Everything,
            (Some(standing), Some(asking)) => asking.taking(standing, schema),
        };
        Ok(Self { privileges: Privileges::Past(Arc::new(standing)), taking })
    }

    /// As a standing was written.
    pub(super) fn of_standing(bytes: &[u8]) -> Result<Self, StoreError> {
        let standing = postcard::from_bytes(bytes).map_err(damaged)?;
        let privileges = Privileges::Past(Arc::new(standing));
        Ok(Self { privileges, taking: Taking::Everything })
    }

    pub(super) fn standing(&self) -> Option<&Standing> {
        match &self.privileges {
            Privileges::Present(resolved) => resolved.standing.as_ref().ok(),
            Privileges::Past(standing) => standing.as_ref().as_ref(),
        }
    }

    /// The profile that it goes by.
    pub(super) fn profile(&self) -> Option<&BoundProfile> {
        match &self.taking {
            Taking::Profile(profile) => Some(profile),
            Taking::Everything | Taking::Something => None,
        }
    }

    /// Whether all that may be read is taken.
    pub(super) fn takes_everything(&self) -> bool {
        matches!(self.taking, Taking::Everything)
    }

    /// When a table comes, where all is new: those with lower numbers first, and by their names.
    pub(super) fn priority(&self, table: &TableName) -> u32 {
        let entry = self.profile().and_then(|it| it.checked().profile().table(table));
        entry.map_or(ProfileTable::PRIORITY, |entry| entry.priority)
    }

    /// Whether it can be said what it takes.
    pub(super) fn is_known(&self) -> bool {
        !matches!(self.taking, Taking::Something)
    }

    /// Whether a record is taken, if it may be read. Of what is not known any more, it may be.
    pub(super) fn takes<S: ServerStore>(
        &self,
        table: &TableName,
        record: RecordId,
        state: &State<'_, '_, S>,
    ) -> Result<bool, StoreError> {
        match self.profile() {
            Some(profile) => Ok(profile.round(table, record, state)?.is_some()),
            None => Ok(true),
        }
    }

    /// Where the records are that may be read, of each table of which there can be some.
    pub(super) fn reach(&self) -> impl Iterator<Item = (&TableName, Reach)> {
        let standing = self.standing().into_iter();
        let tables = standing.flat_map(|it| it.tables().map(|table| (table, it.reach(table))));
        tables.filter(|(_, reach)| *reach != Reach::Nothing)
    }

    /// Where of these the records are that are taken: they can be fewer.
    pub(super) fn narrow(&self, table: &TableName, reach: Reach) -> Reach {
        match self.profile() {
            Some(profile) => profile.narrow(table, reach),
            None => reach,
        }
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
        if self.profile().is_some_and(|it| !it.checked().takes_section(table, section)) {
            return false;
        }
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

impl Asking {
    /// What it took, as it would take it now: where that can still be said.
    fn taking(self, standing: &Standing, schema: &Arc<Schema>) -> Taking {
        let checked = CheckedProfile::new(schema, &self.profile).ok().map(Arc::new);
        let checked = checked.filter(|it| asked_columns(it, schema) == self.columns);
        let minute = self.minute.unwrap_or_default();
        let bound = checked.and_then(|it| it.bind(&Arc::new(standing.clone()), minute).ok());
        bound.map_or(Taking::Something, |bound| Taking::Profile(Arc::new(bound)))
    }
}
