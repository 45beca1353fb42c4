//! Rows of system tables: what the server writes of the organization, for everyone to read who may.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ruling::Admissible;
use crate::crdt::Record;
use crate::model::{
    ActorId, Change, ChangeRef, ColumnName, Columns, Edit, EditId, Header, Op, Organization, Owner,
    Principal, RecordId, RecordState, Right, Rights, SYSTEM_KEY, Section, SystemTable, Table,
    TeamKind, Timestamp, Value,
};

/// A row of a system table, as the organization has it.
#[derive(Debug, Clone, PartialEq)]
pub struct SystemRow {
    record: RecordId,
    header: Header,
    columns: Columns,
}

/// Who writes an edit of the server's, and what names it.
#[derive(Debug, Clone, Copy)]
pub struct Pen {
    /// The edit.
    pub id: EditId,
    /// Who writes this edit and nothing else.
    pub actor: ActorId,
    /// When, by the server's clock.
    pub at: Timestamp,
}

fn text(name: &(impl ToString + ?Sized)) -> Value {
    Value::Text(name.to_string().into())
}

fn value_of<'a>(columns: &'a Columns, id: &ColumnName) -> &'a Value {
    columns.get(id).unwrap_or(&Value::Null)
}

impl SystemRow {
    /// The row of a user, a team or a business unit; `None`: the organization has none of this id.
    ///
    /// A user's row belongs to the user, an owner team's to the team, a unit's to nobody in that unit.
    /// An access team has no unit and can own nothing: its row is in the topmost, and shared with the
    /// team.
    #[must_use]
    pub fn find(organization: &Organization, table: SystemTable, id: &str) -> Option<Self> {
        let mut header = Header::default();
        let mut columns = Columns::new();
        let mut set = |column, value| columns.insert(ColumnName::known(column), value);
        let called = match table {
            SystemTable::User => {
                let (id, user) = organization.users.get_key_value(id)?;
                header.owner = Some((Owner::User(id.clone()), user.business_unit.clone()));
                let manager = user.manager.as_ref();
                let manager = manager.map(|manager| Value::Lookup(table.record(manager.as_str())));
                set("manager", manager.unwrap_or_default());
                set("position", user.position.as_ref().map(text).unwrap_or_default());
                set("disabled", Value::Boolean(user.disabled));
                &user.name
            }
            SystemTable::Team => {
                let (id, team) = organization.teams.get_key_value(id)?;
                let (kind, unit) = match &team.kind {
                    TeamKind::Owner { business_unit, .. } => ("owner", business_unit),
                    TeamKind::Access => {
                        let read = Rights::from_iter([Right::Read]);
                        header.shares.insert(Principal::Team(id.clone()), read);
                        ("access", organization.root()?)
                    }
                };
                header.owner = Some((Owner::Team(id.clone()), unit.clone()));
                set("kind", Value::Choice(kind.into()));
                &team.name
            }
            SystemTable::BusinessUnit => {
                let (id, unit) = organization.business_units.get_key_value(id)?;
                header.owner = Some((Owner::Team(SystemTable::owner_of_units()), id.clone()));
                let parent = unit.parent.as_ref();
                let parent = parent.map(|parent| Value::Lookup(table.record(parent.as_str())));
                set("parent", parent.unwrap_or_default());
                &unit.name
            }
        };
        set("name", called.as_ref().map_or_else(|| text(id), text));
        set(SYSTEM_KEY, text(id));
        Some(Self { record: table.record(id), header, columns })
    }

    /// The edit by which its record (`None`: there is none yet) comes to say what the row says; `None`:
    /// it does. Sections of columns are written anew, so that nothing is left in them of before.
    #[must_use]
    pub fn edit(&self, table: &Table, record: Option<&Record>, pen: Pen) -> Option<Edit> {
        let new = Record::new(table.id.clone(), self.record);
        let record = record.unwrap_or(&new);
        let mut sections: BTreeMap<Section, (Vec<Op>, bool)> = BTreeMap::new();
        for column in &table.columns {
            let value = value_of(&self.columns, &column.id);
            let (ops, differs) = sections.entry(column.section()).or_default();
            *differs |= value_of(record.columns(), &column.id) != value;
            if !value.is_null() {
                ops.push(Op::Put { column: column.id.clone(), value: value.clone() });
            }
        }
        let columns = sections.into_iter().filter(|(_, (_, differs))| *differs);
        let mut changes: Vec<_> =
            columns.map(|(section, (ops, _))| pen.change(section, Vec::new(), ops)).collect();
        let header = self.header_ops(record);
        if !header.is_empty() {
            let deps = record.heads(&Section::Header).to_vec();
            changes.insert(0, pen.change(Section::Header, deps, header));
        }
        (!changes.is_empty()).then(|| pen.edit(table, self.record, changes))
    }

    fn header_ops(&self, record: &Record) -> Vec<Op> {
        let (held, wanted) = (record.header(), &self.header);
        let mut ops = Vec::new();
        if record.exists() && !record.is_active() {
            ops.push(Op::State(RecordState::Active));
        }
        if let Some((owner, business_unit)) =
            wanted.owner.clone().filter(|_| held.owner != wanted.owner)
        {
            ops.push(Op::Own { owner, business_unit });
        }
        let share = |to: &Principal, rights| Op::Share { to: to.clone(), rights };
        let ended = held.shares.keys().filter(|to| !wanted.shares.contains_key(*to));
        ops.extend(ended.map(|to| share(to, Rights::NONE)));
        let given = wanted.shares.iter().filter(|(to, rights)| held.shares.get(to) != Some(rights));
        ops.extend(given.map(|(to, rights)| share(to, *rights)));
        ops
    }

    /// Whether a record says what the row says, as far as its table has columns for it.
    fn is_said_by(&self, table: &Table, record: &Record) -> bool {
        let is_same =
            |id: &ColumnName| value_of(record.columns(), id) == value_of(&self.columns, id);
        record.id() == self.record
            && record.is_active()
            && *record.header() == self.header
            && table.columns.iter().all(|column| is_same(&column.id))
    }
}

impl Pen {
    fn change(&self, section: Section, deps: Vec<ChangeRef>, ops: Vec<Op>) -> Arc<Change> {
        let id = ChangeRef { actor: self.actor, seq: 1 };
        Arc::new(Change { section, id, time: self.at, deps, ops })
    }

    fn edit(&self, table: &Table, record: RecordId, changes: Vec<Arc<Change>>) -> Edit {
        Edit { id: self.id, table: table.id.clone(), record, atomic: 0, changes }
    }

    /// The edit by which the record of a row goes, whose user, team or unit is no more; `None`: it is
    /// gone.
    #[must_use]
    pub fn removal(&self, table: &Table, record: &Record) -> Option<Edit> {
        let deps = record.heads(&Section::Header).to_vec();
        let gone = || self.change(Section::Header, deps, vec![Op::State(RecordState::Deleted)]);
        record.is_active().then(|| self.edit(table, record.id(), vec![gone()]))
    }
}

/// Admits that the server writes a row of a system table: nobody's edit, and so nobody's privileges
/// are asked. `None`: the record would not say after it what the organization says.
#[must_use]
pub fn keep_row(
    organization: &Organization,
    table: &Table,
    record: Option<&Record>,
    edit: &Edit,
) -> Option<Admissible> {
    let system = SystemTable::of(&table.id).filter(|_| edit.table == table.id)?;
    let mut after = record.cloned().unwrap_or_else(|| Record::new(table.id.clone(), edit.record));
    after.merge(edit).ok()?;
    let Some(Value::Text(id)) = after.columns().get(SYSTEM_KEY) else { return None };
    let fits = match SystemRow::find(organization, system, id) {
        Some(row) => row.is_said_by(table, &after),
        None => !after.is_active() && record.is_some_and(|it| it.columns() == after.columns()),
    };
    let is_it = after.id() == edit.record && *after.table() == edit.table;
    (fits && is_it).then(|| Admissible::certain(edit.clone()))
}
