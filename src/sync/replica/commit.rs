use std::borrow::Cow;

use super::ReplicaMachine;
use super::column_ops;
use super::desk::{Desk, Made};
use super::directory::DeviceDirectory;
use super::seen::{unseen, written_on};
use crate::crdt::{Conflict, CrdtError, Record};
use crate::gate::{Court, Directory, Knowledge, LookedUp, Ruling, check, rule};
use crate::limits::ATOMIC_PARTS_MAX;
use crate::model::{
    ActorId, BusinessUnitId, ColumnName, ColumnPermissions, Columns, Denial, Edit, EditId, Op,
    Owner, Principal, RecordId, RecordState, Rights, Rule, Seen, Table, TableName, Timestamp,
};
use crate::sync::{Pending, ReplicaStore, StoreError, Turn};

/// What an app wants done to one record.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The record's table.
    pub table: TableName,
    /// The record.
    pub record: RecordId,
    /// What to do.
    pub intent: Intent,
}

/// What an app wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Intent {
    /// Create the record; an error where it exists.
    Create {
        /// To whom it shall belong; `None`: to the device's user.
        owner: Option<Owner>,
        /// Its values.
        columns: Columns,
    },
    /// Create the record, or change the one that is there.
    Put {
        /// To whom a new record shall belong; `None`: to the device's user.
        owner: Option<Owner>,
        /// Its values.
        columns: Columns,
    },
    /// Change columns: they shall hold these values.
    Set(Columns),
    /// Carry out these operations on columns, one after another. A put of a value that merges part
    /// by part becomes the operations that lead there.
    Ops(Vec<Op>),
    /// As [`Self::Ops`], on the columns as they were seen: what came since is side by side with it.
    OpsOn(Seen, Vec<Op>),
    /// Delete the record.
    Delete,
    /// Bring a deleted record back.
    Undelete,
    /// Give it another owner.
    Assign(Owner),
    /// Say what a principal may do with it, in place of what it could; none ends the share.
    Share {
        /// To whom.
        to: Principal,
        /// All that it may do.
        rights: Rights,
    },
    /// Say what a principal may do with a secured column of it, in place of what it could; none
    /// ends the share.
    ShareColumn {
        /// Which column.
        column: ColumnName,
        /// To whom.
        to: Principal,
        /// All that it may do; `create` cannot be given.
        permissions: ColumnPermissions,
    },
}

/// Why an edit was not made. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The gate refuses it.
    #[error("denied: {0}")]
    Denied(Denial),
    /// The device belongs to nobody yet, and has no tables of its own.
    #[error("this device is not enrolled: enrol it, or give it a schema to start with")]
    NotEnrolled,
    /// The schema has no such table, or the user may do nothing on it.
    #[error("there is no table `{0}` for this user")]
    NoSuchTable(TableName),
    /// The record is not on this device.
    #[error("there is no record {1} in table `{0}` on this device")]
    NoSuchRecord(TableName, RecordId),
    /// What was seen of the record is not here (any more), or another record was.
    #[error(
        "record {1} of table `{0}` is not here as it was when this edit was begun: read the record \
         again, and edit what it is now"
    )]
    SeenElsewhere(TableName, RecordId),
    /// A record of this id is there.
    #[error("record {1} is in table `{0}` already")]
    Exists(TableName, RecordId),
    /// The device does not know where this owner belongs.
    #[error(
        "`{0}` is not an owner that this user can assign to, as far as this device knows; sync first"
    )]
    UnknownOwner(Owner),
    /// An atomic commit has too many parts.
    #[error("an atomic commit has at most {ATOMIC_PARTS_MAX} parts, this one has {0}")]
    TooManyParts(usize),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The record on this device does not read back.
    #[error("the record is damaged: {0}")]
    Damaged(#[from] CrdtError),
}

impl ReplicaMachine {
    /// Makes edits, all in one durable step: afterwards they are pending, and visible. Returns
    /// the ids of those that change something. Atomic ones are admitted by the server as a whole,
    /// or not at all; others one by one.
    ///
    /// # Errors
    /// One of them is refused or makes no sense; then none is made.
    pub fn commit<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        drafts: Vec<Draft>,
        atomic: bool,
    ) -> Result<Vec<EditId>, EditError> {
        self.recover(store)?;
        let device = self.meta.enrolment.as_ref().map(|it| it.device).unwrap_or_default();
        if self.meta.enrolment.is_none() && self.meta.schema.tables.is_empty() {
            return Err(EditError::NotEnrolled);
        }
        let counter = self.meta.counter + 1;
        let mut desk = Desk::new(&*store);
        desk.fetch(drafts.iter().map(|draft| (draft.table.clone(), draft.record)))?;
        let mut ids = Vec::new();
        for draft in drafts {
            let part = u32::try_from(ids.len()).unwrap_or(u32::MAX);
            let id = EditId { device, counter, part };
            if self.draft(&mut desk, &*store, now, id, draft)? {
                ids.push(id);
            }
        }
        if ids.is_empty() {
            return Ok(ids);
        }
        if atomic && ids.len() > ATOMIC_PARTS_MAX {
            return Err(EditError::TooManyParts(ids.len()));
        }
        // One part alone counts for itself.
        let parts = if atomic && ids.len() > 1 { ids.len() } else { 0 };
        let atomic = u32::try_from(parts).unwrap_or(u32::MAX);
        desk.made = Some(Made { counter, atomic });
        self.meta.counter = counter;
        let prepared = desk.finish(&self.meta.schema)?;
        let written = self.write(store, prepared);
        // The edits are made, whatever becomes of the session. So they may be where that is not known.
        self.push_or_end(store, now);
        written?;
        Ok(ids)
    }

    /// Makes one edit, if it changes something, and puts it into its record's folder.
    fn draft<S: ReplicaStore>(
        &mut self,
        desk: &mut Desk<'_, S>,
        store: &S,
        now: Timestamp,
        id: EditId,
        draft: Draft,
    ) -> Result<bool, EditError> {
        let Draft { table: name, record, intent } = draft;
        let Some(table) = self.meta.schema.table(name.as_str()) else {
            // It was there for the user; or the user holds nothing, and so has no tables.
            let is_enrolled = self.meta.enrolment.is_some();
            let was_there = self.meta.former.tables.contains_key(&name);
            return Err(if is_enrolled && (was_there || self.standing.is_none()) {
                EditError::Denied(Denial::of(Rule::NoPrivilege))
            } else {
                EditError::NoSuchTable(name)
            });
        };
        if table.is_system() {
            return Err(EditError::Denied(Denial::system_table(&name)));
        }
        let (shared, visible) = Self::visible(desk, &name, record)?;
        let base = written_on(visible, &intent)?;
        let ops = self.ops(table, &base, intent)?;
        if ops.is_empty() {
            return Ok(false);
        }
        column_ops::check_types(table, &ops).map_err(EditError::Denied)?;
        if let Cow::Owned(base) = &base {
            let unseen = unseen(&self.actors, table, visible, base, &ops);
            let device = self.device();
            let fresh = || ActorId { device, incarnation: self.entropy.next_u64() };
            self.actors.renew(unseen, fresh);
        }
        let edit = base.author_by(table, id, |it| self.actors.of(it), now.to_second(), ops);
        if matches!(base, Cow::Owned(_)) {
            // Judging goes by what is there now, where places mean others.
            check(&self.meta.schema, Some(&base), &edit).map_err(EditError::Denied)?;
        }
        self.preview(shared, store, visible, &edit)?;
        desk.folder(&name, record)?.add(Pending { turn: Turn::first(id), edit })?;
        Ok(true)
    }

    /// The record as the app sees it, to build an edit on. The desk is shared from then on: judging
    /// looks at other records of the step.
    pub(super) fn visible<'d, S: ReplicaStore>(
        desk: &'d mut Desk<'_, S>,
        table: &TableName,
        record: RecordId,
    ) -> Result<(&'d Desk<'d, S>, &'d Record), EditError> {
        let none = || EditError::NoSuchRecord(table.clone(), record);
        let folder = desk.folder(table, record)?;
        let is_pending = !folder.pending.is_empty();
        match folder.visible(table, record) {
            Ok(_) => {}
            // What is pending builds on something that is to come (again): until then the record
            // is not shown, or not as the user left it.
            Err(_) if is_pending => return Err(none()),
            Err(error) => return Err(error.into()),
        }
        let desk: &Desk<'_, S> = desk;
        Ok((desk, desk.shown(table, record).ok_or_else(none)?))
    }

    fn ops(&self, table: &Table, record: &Record, intent: Intent) -> Result<Vec<Op>, EditError> {
        let missing = || Err(EditError::NoSuchRecord(table.id.clone(), record.id()));
        let active = record.is_active();
        Ok(match intent {
            Intent::Create { .. } if record.exists() => {
                return Err(EditError::Exists(table.id.clone(), record.id()));
            }
            Intent::Create { owner, columns } => self.create(table, owner, columns)?,
            Intent::Put { owner, columns } if !record.exists() => {
                self.create(table, owner, columns)?
            }
            Intent::Put { columns, .. } => column_ops::set(table, record.columns(), columns),
            Intent::Set(columns) if active => {
                let put = |(column, value)| Op::Put { column, value };
                column_ops::carry_out(table, record, columns.into_iter().map(put).collect())?
            }
            Intent::Ops(ops) | Intent::OpsOn(_, ops) if active => {
                column_ops::carry_out(table, record, ops)?
            }
            Intent::Delete if active => vec![Op::State(RecordState::Deleted)],
            Intent::Undelete if record.exists() && !active => vec![Op::State(RecordState::Active)],
            Intent::Undelete if active => Vec::new(),
            Intent::Assign(owner) if active => {
                let business_unit = self.business_unit_of(&owner)?;
                let now = (owner, business_unit);
                if record.header().owner.as_ref() == Some(&now) {
                    return Ok(Vec::new());
                }
                vec![Op::Own { owner: now.0, business_unit: now.1 }]
            }
            Intent::Share { to, rights } if active => {
                let had = record.header().shares.get(&to).copied().unwrap_or_default();
                if had == rights { Vec::new() } else { vec![Op::Share { to, rights }] }
            }
            Intent::ShareColumn { column, to, permissions } if active => {
                let shared = (column.clone(), to.clone());
                let had = record.header().column_shares.get(&shared).copied().unwrap_or_default();
                let op = Op::ShareColumn { column, to, permissions };
                if had == permissions { Vec::new() } else { vec![op] }
            }
            Intent::Set(_)
            | Intent::Ops(_)
            | Intent::OpsOn(..)
            | Intent::Delete
            | Intent::Undelete
            | Intent::Assign(_)
            | Intent::Share { .. }
            | Intent::ShareColumn { .. } => {
                return missing();
            }
        })
    }

    fn create(
        &self,
        table: &Table,
        owner: Option<Owner>,
        columns: Columns,
    ) -> Result<Vec<Op>, EditError> {
        let header = if table.is_user_owned() {
            let owner = owner.or_else(|| self.default_owner()).ok_or(EditError::NotEnrolled)?;
            Op::Own { business_unit: self.business_unit_of(&owner)?, owner }
        } else {
            Op::State(RecordState::Active)
        };
        let mut ops = column_ops::set(table, &Columns::new(), columns);
        ops.insert(0, header);
        Ok(ops)
    }

    pub(super) fn business_unit_of(&self, owner: &Owner) -> Result<BusinessUnitId, EditError> {
        if let Some(unit) = self.unit_of_nobody(owner) {
            return Ok(unit);
        }
        let Some(standing) = &self.standing else {
            return Err(EditError::Denied(Denial::of(Rule::NoPrivilege)));
        };
        let directory = DeviceDirectory { standing, owners: &self.meta.owners };
        match directory.business_unit(owner) {
            Knowledge::Known(unit) => Ok(unit.clone()),
            Knowledge::Absent | Knowledge::Unknown => Err(EditError::UnknownOwner(owner.clone())),
        }
    }

    /// Judges an edit as the server will, with the newest grant: what is denied is not stored.
    /// Says whether this device knew all that it takes.
    pub(super) fn preview<S: ReplicaStore>(
        &self,
        desk: &Desk<'_, S>,
        store: &S,
        record: &Record,
        edit: &Edit,
    ) -> Result<bool, EditError> {
        // Before enrolment there is no policy; the server judges what is sent after it.
        if self.meta.enrolment.is_none() {
            let checked = check(&self.meta.schema, Some(record), edit);
            return checked.map(|()| false).map_err(EditError::Denied);
        }
        let nobody = Denial::of(Rule::NoPrivilege);
        let Some(standing) = &self.standing else { return Err(EditError::Denied(nobody)) };
        let directory = DeviceDirectory { standing, owners: &self.meta.owners };
        let find = |table: &TableName, id: RecordId| match desk.header(table, id) {
            Some(header) => LookedUp::Record(header),
            None => match store.row(table, id) {
                Ok(Some(row)) => LookedUp::Record(row.header),
                // The record may be there and out of this device's reach.
                Ok(None) | Err(_) => LookedUp::Unknown,
            },
        };
        let schema = &self.meta.schema;
        let court = Court { schema, standing: Ok(standing), directory: &directory, find: &find };
        match rule(&court, Some(record), edit) {
            Ruling::Admissible(admissible) => Ok(admissible.is_certain()),
            Ruling::Denied(denial) => Err(EditError::Denied(denial)),
            Ruling::Split(denials) => Err(EditError::Denied(
                denials.into_iter().next().unwrap_or_else(|| Denial::of(Rule::Malformed)),
            )),
            Ruling::Reauthor => Err(EditError::Store(StoreError::Damaged(
                "an edit made on this device's state does not fit it".into(),
            ))),
        }
    }

    /// The values that a column of a record holds at once, because they were written side by side;
    /// see [`Record::conflicts`].
    ///
    /// # Errors
    /// The table or record is not there, or the store cannot be read.
    pub fn conflicts<S: ReplicaStore>(
        &self,
        store: &S,
        name: &TableName,
        record: RecordId,
        column: &ColumnName,
    ) -> Result<Vec<Conflict>, EditError> {
        let Some(table) = self.meta.schema.table(name.as_str()) else {
            return Err(EditError::NoSuchTable(name.clone()));
        };
        let mut desk = Desk::new(store);
        let visible = desk.folder(name, record)?.visible(name, record)?;
        if !visible.is_active() {
            return Err(EditError::NoSuchRecord(name.clone(), record));
        }
        Ok(visible.conflicts(table, column)?)
    }
}
