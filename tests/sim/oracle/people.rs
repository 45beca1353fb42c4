//! Rows of people: what the server writes of them is what is true of them, written from the
//! documents and sharing no code with the gate.

use std::collections::BTreeMap;

use tidegate::model::{
    BusinessUnitId, Columns, Edit, Op, Owner, Principal, RecordId, Right, Rights, Sequence,
    TableName, TeamKind, Value,
};

use crate::judge::Judge;
use crate::merge::Naive;
use crate::people::{People, SYSTEM, name};
use crate::privileges::Facts;
use crate::world::Check;

/// The id of a row is that of a record with this key.
fn id_of(table: &str, id: &str) -> RecordId {
    RecordId::from_key(&name::<TableName>(table), &[text(id)])
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn owned(owner: Owner, unit: &BusinessUnitId) -> Facts {
    Facts { owned: Some((owner, unit.clone())), ..Facts::default() }
}

impl People {
    /// All rows that there should be, with what they should say.
    fn rows(&self) -> BTreeMap<RecordId, (&'static str, Facts, Columns)> {
        let mut rows = BTreeMap::new();
        let mut add = |table: &'static str, id: &str, called: Option<String>, facts, own| {
            let called = called.unwrap_or_else(|| id.to_owned());
            let mut columns =
                Columns::from([(name("key"), text(id)), (name("name"), text(&called))]);
            let own: Vec<(&str, Option<Value>)> = own;
            for (column, value) in own {
                columns.extend(value.map(|value| (name(column), value)));
            }
            rows.insert(id_of(table, id), (table, facts, columns));
        };
        for (id, user) in &self.organization.users {
            let manager = user.manager.as_ref();
            let manager = manager.map(|it| Value::Lookup(id_of("user", it.as_str())));
            let own = vec![("manager", manager), ("disabled", Some(Value::Boolean(user.disabled)))];
            let facts = owned(Owner::User(id.clone()), &user.business_unit);
            let called = user.name.as_ref().map(ToString::to_string);
            add("user", id.as_str(), called, facts, own);
        }
        for (id, team) in &self.organization.teams {
            let owner = Owner::Team(id.clone());
            let (facts, kind) = match &team.kind {
                TeamKind::Owner { business_unit, .. } => (owned(owner, business_unit), "owner"),
                TeamKind::Access => {
                    let mut facts = owned(owner, &name("root"));
                    let read = Rights::from_iter([Right::Read]);
                    facts.shares.insert(Principal::Team(id.clone()), read);
                    (facts, "access")
                }
            };
            let own = vec![("kind", Some(Value::Choice(kind.into())))];
            let called = team.name.as_ref().map(ToString::to_string);
            add("team", id.as_str(), called, facts, own);
        }
        for (id, unit) in &self.organization.business_units {
            let parent = unit.parent.as_ref();
            let parent = parent.map(|it| Value::Lookup(id_of("business_unit", it.as_str())));
            let facts = owned(Owner::Team(name("business_unit")), id);
            let called = unit.name.as_ref().map(ToString::to_string);
            add("business_unit", id.as_str(), called, facts, vec![("parent", parent)]);
        }
        rows
    }
}

impl Judge {
    /// Whether the server's edit of a record changes nothing of what that says.
    pub(crate) fn says_the_same(&self, edit: &Edit) -> bool {
        let Some(record) = self.records.get(&edit.record) else { return false };
        let mut after = record.clone();
        after.add(edit);
        let has_header = edit.ops().any(|op: &Op| op.column().is_none());
        !has_header && after.columns() == record.columns()
    }

    /// The server writes a row as it is true, or takes away one of somebody who is no more.
    pub(crate) fn write_people(
        &mut self,
        people: &People,
        sequence: Sequence,
        edit: &Edit,
    ) -> Check {
        if self.places.insert(edit.id, sequence).is_some() {
            return Err("it is in the log already".into());
        }
        let new = || Naive::new(edit.table.clone());
        let record = self.records.entry(edit.record).or_insert_with(new);
        if record.table != edit.table || !record.fits(edit) {
            return Err("people: it does not fit the record".into());
        }
        record.add(edit);
        self.edits.push(edit.clone());
        let record = &self.records[&edit.record];
        same_row(edit.record, record, &people.rows())
    }

    /// All rows are there that should be, and no others; but for those that were erased.
    pub(crate) fn check_people(&self, people: &People) -> Check {
        let rows = people.rows();
        for (id, record) in &self.records {
            if SYSTEM.contains(&record.table.as_str()) {
                same_row(*id, record, &rows)?;
            }
        }
        let is_known = |id: &RecordId| self.records.contains_key(id) || self.is_erased(*id);
        match rows.iter().find(|(id, _)| !is_known(id)) {
            Some((id, row)) => Err(format!("people: there is no row {id} of {row:?}")),
            None => Ok(()),
        }
    }
}

fn same_row(
    id: RecordId,
    record: &Naive,
    rows: &BTreeMap<RecordId, (&'static str, Facts, Columns)>,
) -> Check {
    let is_same = match rows.get(&id) {
        Some((table, facts, columns)) => {
            record.is_active()
                && record.table.as_str() == *table
                && record.facts() == *facts
                && record.columns() == *columns
        }
        None => !record.is_active(),
    };
    if is_same {
        return Ok(());
    }
    let (facts, columns) = (record.facts(), record.columns());
    Err(format!("people: {id} is {facts:?} {columns:?}, not {:?}", rows.get(&id)))
}
