//! Judges the log after the fact: was each edit allowed at its place, under the policy then in
//! force? And did edits of one device on one record keep their order?

use std::collections::{BTreeMap, BTreeSet};

use tidegate::model::{
    ColumnName, Columns, DeviceNumber, Edit, EditId, Op, Organization, RecordId, RecordState,
    Section, Sequence, UserId, Value,
};

use crate::app::{is_system, put};
use crate::merge::{Naive, add_part};
use crate::people::{People, reads_in};
use crate::world::Check;

#[derive(Default)]
pub(crate) struct Judge {
    pub(crate) records: BTreeMap<RecordId, Naive>,
    /// As they were when they were erased.
    erased: BTreeMap<RecordId, Naive>,
    pub(crate) places: BTreeMap<EditId, Sequence>,
    pub(crate) edits: Vec<Edit>,
}

impl Judge {
    pub(crate) fn record(&self, id: RecordId) -> Option<&Naive> {
        self.records.get(&id)
    }

    pub(crate) fn is_erased(&self, id: RecordId) -> bool {
        self.erased.contains_key(&id)
    }

    pub(crate) fn place(&self, edit: EditId) -> Option<Sequence> {
        self.places.get(&edit).copied()
    }

    /// Takes the next edit of the log.
    pub(crate) fn admit(
        &mut self,
        people: &People,
        user: &UserId,
        sequence: Sequence,
        edit: &Edit,
    ) -> Check {
        if self.places.insert(edit.id, sequence).is_some() {
            return Err("it is in the log already".into());
        }
        if self.erased.contains_key(&edit.record) {
            return Err("its record was erased".into());
        }
        let old = self.records.get(&edit.record).cloned();
        let mut new = old.clone().unwrap_or_else(|| Naive::new(edit.table.clone()));
        if new.table != edit.table || !new.fits(edit) {
            return Err("it does not fit the record".into());
        }
        new.add(edit);
        if is_system(&edit.table) || edit.record.is_system() {
            return Err("people are written by someone".into());
        }
        fits_schema(people, edit)?;
        match &old {
            None => self.created(people, user, edit, &new)?,
            Some(old) => self.changed(people, user, edit, old)?,
        }
        self.records.insert(edit.record, new);
        self.edits.push(edit.clone());
        Ok(())
    }

    /// What the server does by itself: a record follows its owner, a section is written anew, or people
    /// are written as they are.
    pub(crate) fn of_server(&mut self, people: &People, sequence: Sequence, edit: &Edit) -> Check {
        if is_system(&edit.table) && !self.says_the_same(edit) {
            return self.write_people(people, sequence, edit);
        }
        if edit.changes.iter().any(|change| change.section == Section::Header) {
            self.follow(people, sequence, edit)
        } else {
            self.renew(sequence, edit)
        }
    }

    /// A new generation says all that was there, and nothing else.
    fn renew(&mut self, sequence: Sequence, edit: &Edit) -> Check {
        if self.places.insert(edit.id, sequence).is_some() {
            return Err("it is in the log already".into());
        }
        let record =
            self.records.get_mut(&edit.record).ok_or("it is renewed before it is there")?;
        let before = record.columns();
        if !edit.changes.iter().all(|change| change.begins_generation()) {
            return Err("the server does what is nobody's to do".into());
        }
        record.add(edit);
        if record.columns() != before {
            return Err("a new generation has other values".into());
        }
        self.edits.push(edit.clone());
        Ok(())
    }

    /// A record follows its owner, who moved to another business unit, and does nothing else.
    fn follow(&mut self, people: &People, sequence: Sequence, edit: &Edit) -> Check {
        if self.places.insert(edit.id, sequence).is_some() {
            return Err("it is in the log already".into());
        }
        let record = self.records.get_mut(&edit.record).ok_or("it follows before it is there")?;
        let ops: Vec<_> = edit.ops().collect();
        let [Op::Own { owner, business_unit }] = ops.as_slice() else {
            return Err("the server does what is nobody's to do".into());
        };
        let there = people.organization.business_unit_of(owner);
        let held = record.facts().owned.ok_or("a record of nobody follows")?;
        if !record.fits(edit) || held.0 != *owner || there != Some(business_unit) {
            return Err("it does not follow its owner".into());
        }
        record.add(edit);
        self.edits.push(edit.clone());
        Ok(())
    }

    /// A record is erased. It may be that only refused edits of it were there.
    pub(crate) fn erase(&mut self, sequence: Sequence, edit: &Edit) -> Check {
        let place = self.places.insert(edit.id, sequence);
        let record = self.records.remove(&edit.record);
        let new = || Naive::new(edit.table.clone());
        self.erased.entry(edit.record).or_insert_with(|| record.unwrap_or_else(new));
        if place.is_some() || edit.id.device != DeviceNumber(0) {
            return Err(format!("{} is erased by a device, or twice in one place", edit.record));
        }
        Ok(())
    }

    /// What texts, lists and counters hold is what the edits of people put into them, each once.
    pub(crate) fn check_parts(&self) -> Check {
        let mut all: BTreeMap<RecordId, Columns> = BTreeMap::new();
        for edit in self.edits.iter().filter(|edit| edit.id.device != DeviceNumber::SERVER) {
            let columns = all.entry(edit.record).or_default();
            edit.ops().for_each(|op| add_part(columns, op));
        }
        for (id, record) in self.records.iter().filter(|it| it.1.table.as_str() == "sheet") {
            let (held, put) = (record.columns(), all.remove(id).unwrap_or_default());
            if held != put {
                return Err(format!("{id} holds {held:?}, and what was put in is {put:?}"));
            }
        }
        Ok(())
    }

    /// Where each record's owner is, so is the record.
    pub(crate) fn check_units(&self, organization: &Organization) -> Check {
        for (id, record) in &self.records {
            let Some((owner, unit)) = record.facts().owned else { continue };
            let there = organization.business_unit_of(&owner);
            if there.is_some_and(|there| *there != unit) {
                return Err(format!("{id} is in {unit}, and {owner} in {there:?}"));
            }
        }
        Ok(())
    }

    fn created(&self, people: &People, user: &UserId, edit: &Edit, new: &Naive) -> Check {
        if !new.is_active() || (new.table.as_str() == "place") != new.facts().owned.is_none() {
            return Err("no way for a record to begin".into());
        }
        let is_code = |op| put(op).is_some_and(|(column, _)| column.as_str() == "code");
        if edit.table.as_str() == "customer" && !edit.ops().any(is_code) {
            return Err("a required column is missing".into());
        }
        for column in &people.schema.tables[&edit.table].columns {
            let is_set = edit.ops().any(|op| op.column() == Some(&column.id));
            if column.required && column.default.is_none() && !is_set {
                return Err(format!("required column {} is missing", column.id));
            }
        }
        let looked_up: Vec<_> = edit
            .ops()
            .filter_map(put)
            .filter(|(_, value)| matches!(value, Value::Lookup(_)))
            .map(|(column, value)| self.target(column, value))
            .collect();
        people.may_create(user, new, &secured(people, edit), &looked_up)
    }

    fn changed(&self, people: &People, user: &UserId, edit: &Edit, old: &Naive) -> Check {
        let header: Vec<&Op> = edit.ops().filter(|op| op.column().is_none()).collect();
        let is_deleted = old.state() == RecordState::Deleted;
        match header.as_slice() {
            [Op::State(RecordState::Active)] if is_deleted => people.may_undelete(user, old),
            _ if is_deleted => Err("the record is deleted".into()),
            [] => {
                let columns = old.columns();
                let changed = edit.ops().filter_map(put).filter(|(column, value)| {
                    is_lookup(edit, column.as_str())
                        && columns.get(*column).unwrap_or(&Value::Null) != *value
                });
                let changed: Vec<_> = changed.collect();
                let looked_up: Vec<_> = changed
                    .iter()
                    .flat_map(|(column, value)| {
                        let both = [columns.get(*column), Some(*value)];
                        both.into_iter().flatten().map(move |value| (*column, value))
                    })
                    .filter(|(_, value)| matches!(value, Value::Lookup(_)))
                    .map(|(column, value)| self.target(column, value))
                    .collect();
                people.may_write(user, old, &secured(people, edit), !changed.is_empty(), &looked_up)
            }
            [Op::State(RecordState::Deleted)] => people.may_delete(user, old),
            [Op::Own { owner, business_unit }] => {
                people.may_assign(user, old, owner, business_unit)
            }
            [Op::Share { to, rights }] => people.may_share(user, old, to, *rights),
            [Op::ShareColumn { column, to, permissions }] => {
                people.may_share_column(user, old, (column, to), *permissions)
            }
            other => Err(format!("no such edit of a header: {other:?}")),
        }
    }

    fn target(&self, column: &ColumnName, value: &Value) -> Option<Naive> {
        let Value::Lookup(id) = value else { return None };
        let table = if column.as_str() == "clerk" { "user" } else { "customer" };
        // One that is deleted is as good as none.
        let found = self.records.get(id).filter(|record| record.table.as_str() == table);
        found.filter(|record| table == "customer" || record.is_active()).cloned()
    }

    /// Of two edits of one device on one section of a record, the later knows the earlier: what
    /// someone writes over their own value is never undone by it. (Not so for secured columns,
    /// which may be written without being read.) Devices that were copied, or mean harm, are not
    /// held to it; nor are edits that somebody else brought, groups that a profile may leave out, and
    /// records that were edited as they were seen some time before.
    pub(crate) fn check_order(
        &self,
        careless: &BTreeSet<DeviceNumber>,
        carried: &BTreeSet<EditId>,
        tried_again: &BTreeSet<EditId>,
        formed: &BTreeSet<RecordId>,
        leaves_groups_out: bool,
    ) -> Check {
        let mut last: BTreeMap<(DeviceNumber, RecordId, Section), &Edit> = BTreeMap::new();
        let is_careful = |id: EditId| !careless.contains(&id.device) && !carried.contains(&id);
        for edit in self.edits.iter().filter(|edit| is_careful(edit.id)) {
            let is_read = |section: &Section| match section {
                Section::Secured(_) => false,
                Section::Group(_) => !leaves_groups_out,
                _ => true,
            };
            for change in edit.changes.iter().filter(|it| is_read(&it.section)) {
                let key = (edit.id.device, edit.record, change.section.clone());
                let Some(earlier) = last.insert(key, edit) else { continue };
                let record = self.records.get(&edit.record);
                let record = record.unwrap_or_else(|| &self.erased[&edit.record]);
                let before = earlier.change(&change.section).unwrap().id;
                let is_there = record.holds(&change.section, before);
                let may_not_know = formed.contains(&edit.record);
                if is_there && !may_not_know && !record.knows(&change.section, change.id, before) {
                    return Err(format!(
                        "{} does not know {}: {edit:?}, {earlier:?}",
                        edit.id, earlier.id
                    ));
                }
                // Numbers follow the order in which edits were made, and made again.
                if earlier.id > edit.id && !tried_again.contains(&edit.id) {
                    return Err(format!("{} is ordered before {}", earlier.id, edit.id));
                }
            }
        }
        Ok(())
    }
}

/// What an edit sets reads under the schema of its place.
fn fits_schema(people: &People, edit: &Edit) -> Check {
    let table = people.schema.tables.get(&edit.table).ok_or("its table is not there")?;
    for column in edit.ops().filter_map(Op::column) {
        let puts = edit.ops().filter_map(put).filter(|(it, _)| *it == column);
        // A share of a column that is not secured is judged elsewhere.
        let declared = table.column(column.as_str());
        let declared = declared.ok_or_else(|| format!("{column} is not there"))?;
        if let Some((_, value)) = puts.into_iter().find(|(_, value)| !reads_in(declared, value)) {
            return Err(format!("{column} of {:?} holds {value:?}", declared.column_type));
        }
    }
    Ok(())
}

fn is_lookup(edit: &Edit, column: &str) -> bool {
    edit.table.as_str() == "order" && ["customer", "clerk"].contains(&column)
}

fn secured(people: &People, edit: &Edit) -> Vec<String> {
    let columns = edit.ops().filter_map(put).map(|(column, _)| column.to_string());
    columns.filter(|column| people.is_secured(edit.table.as_str(), column)).collect()
}
