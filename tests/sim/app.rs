//! What apps do: edits of every kind on what their device shows, and what users make of refusals.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use tidegate::model::{
    ColumnName, ColumnPermissions, ColumnType, Columns, Edit, EditId, EditKind, Op, Owner,
    Principal, RecordId, RecordState, Right, Rights, Section, SystemTable, TableName, Value,
};
use tidegate::sync::replica::{Draft, EditError, Intent};
use tidegate::sync::{Quarantined, StoreError};

use crate::device::{Made, Once};
use crate::disk::Key;
use crate::fault::FORMS_SINCE;
use crate::merge::Naive;
use crate::people::{ADDED, SECURED, SYSTEM, TABLES, TEAMS, USERS, name};
use crate::world::{Check, World};

const CODES: [&str; 4] = ["k0", "k1", "k2", "k3"];

impl World {
    pub(crate) fn app_edits(&mut self, at: usize) -> Check {
        let machine = self.devices[at].machine.as_ref();
        if machine.is_none_or(|machine| machine.meta().schema.tables.is_empty())
            || !self.devices[at].rotten.is_empty()
        {
            return Ok(());
        }
        // Whatever is drawn of people is refused: now and then that must do.
        let writes_people = self.rng.chance(3);
        let count = if self.rng.chance(25) { 2 + self.rng.below(2) } else { 1 };
        let mut drafts = Vec::new();
        for _ in 0..count {
            drafts.extend(self.draft(at, &drafts, writes_people));
        }
        if drafts.is_empty() {
            return Ok(());
        }
        self.note(|| format!("device {at} edits {drafts:?}"));
        let atomic = self.rng.chance(40);
        self.app_commits(at, drafts, atomic)
    }

    pub(crate) fn app_commits(&mut self, at: usize, drafts: Vec<Draft>, atomic: bool) -> Check {
        let time = self.device_time(at);
        let people = drafts.iter().any(|draft| is_system(&draft.table));
        let is_form = |draft: &&Draft| matches!(draft.intent, Intent::OpsOn(..));
        let forms: Vec<_> = drafts.iter().filter(is_form).map(|draft| draft.record).collect();
        self.formed.extend(&forms);
        let device = &mut self.devices[at];
        let result =
            device.machine.as_mut().unwrap().commit(&mut device.disk, time, drafts, atomic);
        let ids = match result {
            Ok(ids) if people => return Err(format!("device {at} writes people: {ids:?}")),
            Ok(ids) => ids,
            Err(error) => return self.edit_refused(at, &error),
        };
        self.note(|| format!("made {ids:?}"));
        self.figures.forms += forms.len() as u64;
        self.check_actors(at)?;
        let made = self.adopt_new(at);
        if made != ids {
            return Err(format!("device {at} made {made:?} and says {ids:?}"));
        }
        self.drain_device(at)
    }

    /// Takes edits that are pending and were not known to be made.
    pub(crate) fn adopt_new(&mut self, at: usize) -> Vec<EditId> {
        let device = &mut self.devices[at];
        let mut new = Vec::new();
        for edit in device.disk.file.pending.values() {
            if let Entry::Vacant(entry) = device.made.entry(edit.id) {
                let ops = edit.ops().cloned().collect();
                let (record, dealt_with) = (edit.record, Vec::new());
                let (creates, once) = (creates(edit), Once::Exactly);
                entry.insert(Made { ops, creates, record, dealt_with, once });
                new.push(edit.id);
            }
        }
        self.figures.edits += new.len() as u64;
        new
    }

    /// What was made before enrolment is an edit of the user's now, under the device's number.
    pub(crate) fn follow_enrolment(&mut self, at: usize) -> Check {
        let device = &mut self.devices[at];
        let file = &device.disk.file;
        let Some(number) = file.meta.enrolment.as_ref().map(|it| it.device) else { return Ok(()) };
        if file.meta.grant.is_none() || file.pending.values().any(is_local) {
            return Ok(());
        }
        let local: Vec<_> = device.made.keys().filter(|id| id.device.0 == 0).copied().collect();
        for id in local {
            let mut made = device.made.remove(&id).unwrap();
            let own = EditId { device: number, ..id };
            let pending = file.pending.values().find(|edit| edit.id == own);
            let mut ops = quarantined_ops(&file.quarantine, own);
            ops.extend(pending.into_iter().flat_map(|edit| edit.ops().cloned()));
            // Another owner is all that may have changed.
            let puts = |ops: &[Op]| ops.iter().filter(|op| put(op).is_some()).count();
            if ops.len() != made.ops.len() || puts(&ops) != puts(&made.ops) {
                return Err(format!("device {at}: {id} was {:?} and became {ops:?}", made.ops));
            }
            made.ops = ops;
            device.made.insert(own, made);
        }
        Ok(())
    }

    fn edit_refused(&mut self, at: usize, error: &EditError) -> Check {
        self.note(|| format!("not made: {error}"));
        if self.devices[at].disk.faults.is_off.get() {
            // It may have been written, and nobody was told.
            self.adopt_new(at);
            return self.lost_power(at).map(drop);
        }
        match error {
            EditError::Store(StoreError::Damaged(_)) | EditError::Damaged(_) => {
                Err(format!("device {at} cannot edit: {error}"))
            }
            EditError::Store(StoreError::Ambiguous(_)) => {
                self.adopt_new(at);
                self.after_store_error(at)
            }
            EditError::Store(_) => {
                self.nothing_made(at)?;
                self.after_store_error(at)
            }
            _ => {
                self.figures.refused_here += 1;
                self.nothing_made(at)?;
                self.drain_device(at)
            }
        }
    }

    fn nothing_made(&mut self, at: usize) -> Check {
        let made = self.adopt_new(at);
        let problem = || format!("device {at} did not make an edit and keeps {made:?}");
        if made.is_empty() { Ok(()) } else { Err(problem()) }
    }

    /// An app may open its file again, or just go on.
    pub(crate) fn after_store_error(&mut self, at: usize) -> Check {
        if self.rng.chance(50) { self.crash_device(at) } else { self.drain_device(at) }
    }

    fn draft(&mut self, at: usize, before: &[Draft], writes_people: bool) -> Option<Draft> {
        let mut rows: Vec<Key> = self.devices[at].disk.file.rows.keys().cloned().collect();
        rows.retain(|(table, _)| writes_people || !is_system(table));
        // Several edits of one record in one transaction come from drawing it again.
        let again = before.last().map(|draft| (draft.table.clone(), draft.record));
        let row = match again.filter(|_| self.rng.chance(40)) {
            Some(key) => Some(key),
            None => self.rng.pick(&rows).cloned(),
        };
        let draft = |(table, record): Key, intent| Some(Draft { table, record, intent });
        match self.rng.weighted(&[22, 14, 45, 8, 5, 8, 14, 24, 8, 30]) {
            0 => {
                let intent = Intent::Create { owner: self.some_owner(), columns: self.order(at) };
                draft((name("order"), self.random_id()), intent)
            }
            1 => {
                let (key, columns) = self.keyed();
                let owner = self.some_owner().filter(|_| key.0.as_str() == "customer");
                let intent = if self.rng.chance(60) {
                    Intent::Put { owner, columns }
                } else {
                    Intent::Create { owner, columns }
                };
                draft(key, intent)
            }
            2 => {
                let key = row?;
                let columns = match key.0.as_str() {
                    "order" => self.order(at),
                    "sheet" => {
                        let intent = self.sheet(at, &key);
                        return draft(key, intent);
                    }
                    "customer" if self.rng.chance(30) => self.added(at, "customer"),
                    _ => Columns::from([(name("note"), self.value())]),
                };
                draft(key, Intent::Set(columns))
            }
            3 => draft(row?, Intent::Delete),
            4 => draft(self.deleted(at)?, Intent::Undelete),
            5 => {
                let owner = self.owner();
                draft(row?, Intent::Assign(owner))
            }
            6 => {
                let key = row?;
                let intent = self.share(at, &key);
                draft(key, intent)
            }
            7 => {
                let orders: Vec<_> =
                    rows.into_iter().filter(|(table, _)| table.as_str() == "order").collect();
                let key = self.rng.pick(&orders).cloned()?;
                let intent = self.share_column(at, &key);
                draft(key, intent)
            }
            8 => {
                let intent = Intent::Create { owner: self.some_owner(), columns: Columns::new() };
                draft((name("sheet"), self.random_id()), intent)
            }
            _ => {
                let sheets: Vec<_> =
                    rows.into_iter().filter(|(table, _)| table.as_str() == "sheet").collect();
                let key = self.rng.pick(&sheets).cloned()?;
                let intent = self.sheet(at, &key);
                draft(key, intent)
            }
        }
    }

    /// An edit of a sheet as it is, or as its user saw it when they opened it some time ago.
    fn sheet(&mut self, at: usize, key: &Key) -> Intent {
        if self.seed >= FORMS_SINCE && self.rng.chance(40) {
            if let Some((seen, shown)) = self.devices[at].forms.remove(key) {
                return Intent::OpsOn(seen, self.parts(&shown));
            }
            let form = self.devices[at].disk.file.see(key);
            self.devices[at].forms.insert(key.clone(), form);
        }
        let row = self.devices[at].disk.file.rows.get(key);
        let shown = row.map(|row| row.columns.clone()).unwrap_or_default();
        Intent::Ops(self.parts(&shown))
    }

    /// A share, or the end of one that the row shows.
    fn share(&mut self, at: usize, key: &Key) -> Intent {
        let row = self.devices[at].disk.file.rows.get(key);
        let shared = row.map(|row| row.header.shares.keys().cloned().collect::<Vec<_>>());
        let shared = shared.unwrap_or_default();
        let ends = self.rng.chance(50);
        if let Some(to) = self.rng.pick(&shared).filter(|_| ends) {
            return Intent::Share { to: to.clone(), rights: Rights::NONE };
        }
        let to = self.principal();
        let all: Vec<_> = Right::ALL.into_iter().filter(|it| *it != Right::Create).collect();
        let rights: Rights = all.into_iter().filter(|_| self.rng.chance(25)).collect();
        let rights = if self.rng.chance(80) { rights.with(Right::Read) } else { rights };
        Intent::Share { to, rights }
    }

    /// A column share, or the end of one that the row shows.
    fn share_column(&mut self, at: usize, key: &Key) -> Intent {
        let row = self.devices[at].disk.file.rows.get(key);
        let shared = row.map(|row| row.header.column_shares.keys().cloned().collect::<Vec<_>>());
        let shared = shared.unwrap_or_default();
        let permissions = ColumnPermissions::NONE;
        let ends = self.rng.chance(50);
        if let Some((column, to)) = self.rng.pick(&shared).filter(|_| ends) {
            return Intent::ShareColumn { column: column.clone(), to: to.clone(), permissions };
        }
        let (read, update) = (self.rng.chance(80), self.rng.chance(40));
        let permissions = ColumnPermissions { read, update, create: false };
        let column = name(self.rng.pick(&SECURED).unwrap());
        Intent::ShareColumn { column, to: self.principal(), permissions }
    }

    /// Now and then someone who is not there.
    fn principal(&mut self) -> Principal {
        match self.rng.below(20) {
            0 => Principal::User(name("zoe")),
            1..=3 => Principal::Organization,
            _ => self.owner().into(),
        }
    }

    pub(crate) fn random_id(&mut self) -> RecordId {
        let mut random = [0; 10];
        random.copy_from_slice(&self.rng.seed()[..10]);
        RecordId::new(self.time(), random)
    }

    fn keyed(&mut self) -> (Key, Columns) {
        let table: TableName = name(if self.rng.chance(60) { TABLES[0] } else { TABLES[2] });
        let code = Value::Text((*self.rng.pick(&CODES).unwrap()).into());
        let id = RecordId::from_key(&table, std::slice::from_ref(&code));
        let mut columns = Columns::from([(name("code"), code)]);
        if self.rng.chance(60) {
            columns.insert(name("note"), self.value());
        }
        ((table, id), columns)
    }

    /// Something put somewhere into what a sheet shows: letters and items that are nowhere else.
    fn parts(&mut self, shown: &Columns) -> Vec<Op> {
        let mut ops = Vec::new();
        if self.rng.chance(50) {
            let length = match shown.get("body") {
                Some(Value::RichText(text)) => text.chars().count(),
                _ => 0,
            };
            let at = u32::try_from(self.rng.below(length + 1)).unwrap();
            let insert = (0..=self.rng.below(3)).map(|_| self.letter()).collect();
            ops.push(Op::Splice { column: name("body"), at, delete: 0, insert });
        }
        if self.rng.chance(40) {
            let length = match shown.get("tags") {
                Some(Value::List(items)) => items.len(),
                _ => 0,
            };
            let at = u32::try_from(self.rng.below(length + 1)).unwrap();
            let values = vec![Value::Text(self.letter().to_string().into())];
            ops.push(Op::ListInsert { column: name("tags"), at, values });
        }
        if ops.is_empty() || self.rng.chance(40) {
            let by = i64::try_from(1 + self.rng.below(1_000)).unwrap();
            ops.push(Op::Increment { column: name("count"), by });
        }
        ops
    }

    /// One that nobody wrote before.
    fn letter(&mut self) -> char {
        self.values += 1;
        char::from_u32(0xe000 + u32::try_from(self.values).unwrap()).unwrap()
    }

    /// Some columns of an order.
    fn order(&mut self, at: usize) -> Columns {
        let mut columns = Columns::new();
        for (column, percent) in [("title", 50), ("note", 40), ("cost", 30), ("margin", 20)] {
            if self.rng.chance(percent) {
                columns.insert(name(column), self.value());
            }
        }
        if self.rng.chance(50) {
            columns.extend(self.added(at, "order"));
        }
        if self.rng.chance(25) {
            let rows = self.devices[at].disk.file.rows.keys();
            let customers: Vec<_> =
                rows.filter(|(table, _)| table.as_str() == "customer").map(|(_, id)| *id).collect();
            let found = self.rng.pick(&customers).copied().map_or(Value::Null, Value::Lookup);
            columns.insert(name("customer"), found);
        }
        if self.rng.chance(15) {
            // Whether this device shows that person or not.
            let clerk = SystemTable::User.record(self.rng.pick(&USERS).unwrap());
            let clerk = if self.rng.chance(20) { Value::Null } else { Value::Lookup(clerk) };
            columns.insert(name("clerk"), clerk);
        }
        columns
    }

    /// A column that came with a later schema, where the device has that.
    fn added(&mut self, at: usize, table: &str) -> Columns {
        let schema = &self.devices[at].disk.file.meta.schema;
        let known: Vec<_> = ADDED
            .into_iter()
            .filter(|id| schema.table(table).is_some_and(|table| table.column(id).is_some()))
            .collect();
        let Some(id) = self.rng.pick(&known).copied() else { return Columns::new() };
        let declared = schema.table(table).and_then(|table| table.column(id));
        let column_type = declared.map(|declared| declared.column_type);
        let (number, half) = (self.rng.below(50), self.rng.chance(50));
        let said = if half { format!("{number}.5") } else { number.to_string() };
        let value = match column_type {
            _ if self.rng.chance(10) => Value::Null,
            Some(ColumnType::Integer) => Value::Integer(i64::try_from(number).unwrap()),
            Some(ColumnType::Decimal) => Value::Decimal(said.parse().unwrap()),
            Some(ColumnType::Float) => Value::Float(said.parse().unwrap()),
            _ if self.rng.chance(50) => Value::Text(said.into()),
            _ => self.value(),
        };
        [(name(id), value)].into_iter().collect()
    }

    /// Mostly one that nobody wrote before.
    pub(crate) fn value(&mut self) -> Value {
        match self.rng.below(10) {
            0 => Value::Null,
            1 => Value::Text("same".into()),
            _ => {
                self.values += 1;
                Value::Text(format!("v{}", self.values).into())
            }
        }
    }

    fn some_owner(&mut self) -> Option<Owner> {
        if self.rng.chance(25) { Some(self.owner()) } else { None }
    }

    fn owner(&mut self) -> Owner {
        if self.rng.chance(60) {
            Owner::User(name(self.rng.pick(&USERS).unwrap()))
        } else {
            Owner::Team(name(self.rng.pick(&TEAMS).unwrap()))
        }
    }

    fn deleted(&mut self, at: usize) -> Option<Key> {
        let confirmed = self.devices[at].disk.file.confirmed.iter();
        let deleted =
            confirmed.filter(|(_, (_, edit))| Naive::of(edit).state() == RecordState::Deleted);
        let deleted: Vec<_> = deleted.map(|(key, _)| key.clone()).collect();
        self.rng.pick(&deleted).cloned()
    }

    /// The user tries a refused edit again, or throws it away.
    pub(crate) fn app_deals_with_quarantine(&mut self, at: usize) -> Check {
        let device = &self.devices[at];
        let refused: Vec<EditId> =
            device.disk.file.quarantine.iter().map(|entry| entry.edit).collect();
        let Some(id) = self.rng.pick(&refused).copied() else { return Ok(()) };
        if device.machine.is_none() || !device.rotten.is_empty() {
            return Ok(());
        }
        let retries = self.rng.chance(60);
        let time = self.device_time(at);
        let device = &mut self.devices[at];
        let before = device.disk.file.quarantine.clone();
        let machine = device.machine.as_mut().unwrap();
        let result = if retries {
            machine.retry(&mut device.disk, time, id).map(|_| ())
        } else {
            machine.discard(&mut device.disk, id).map_err(EditError::from)
        };
        self.note(|| format!("device {at} retries ({retries}) {id}: {result:?}"));
        // Whatever was answered: what counts is what is there still.
        let device = &mut self.devices[at];
        let after = &device.disk.file.quarantine;
        let pending = &device.disk.file.pending;
        let mut again = 0;
        for entry in before.into_iter().filter(|entry| !after.contains(entry)) {
            let made = device.made.get_mut(&entry.edit).ok_or("a stranger's edit in quarantine")?;
            if let Some(edit) = goes_on(&entry, pending.values()) {
                self.tried_again.insert(entry.edit);
                made.dealt_with.extend(left_out(entry.ops, edit));
                again += 1;
                continue;
            }
            if entry.parked {
                // Thrown away here; who has a copy of what was sent may bring it.
                made.once = made.once.max(Once::AtLeast);
            }
            made.dealt_with.extend(entry.ops);
        }
        let is_there = after.iter().any(|entry| entry.edit == id);
        let new = self.adopt_new(at);
        match result {
            Ok(()) if is_there => Err(format!("{id} is in quarantine still")),
            Ok(()) if retries => {
                self.figures.retried += 1;
                if new.is_empty() && again == 0 {
                    Err("a retry vanished".into())
                } else {
                    self.drain_device(at)
                }
            }
            Ok(()) => self.drain_device(at),
            Err(error) if is_there || matches!(error, EditError::Store(_)) => match error {
                EditError::Store(StoreError::Damaged(_)) | EditError::Damaged(_) => {
                    Err(format!("device {at} cannot retry: {error}"))
                }
                EditError::Store(_) => self.after_store_error(at),
                _ => self.drain_device(at),
            },
            Err(error) => Err(format!("{id} left quarantine, and: {error}")),
        }
    }
}

impl World {
    /// What left quarantine by itself is pending again with all its operations, as new edits, and
    /// nothing else is.
    pub(crate) fn follow_reconsidered(&mut self, at: usize, before: Vec<Quarantined>) -> Check {
        // Some may have been there for a moment only.
        let passed = std::mem::take(&mut self.devices[at].passed);
        let mut before: Vec<_> = before.into_iter().chain(passed).collect();
        // Where the power went nobody was told of them.
        for entry in std::mem::take(&mut self.devices[at].disk.refused) {
            if !before.contains(&entry) {
                before.push(entry);
            }
        }
        let file = &self.devices[at].disk.file;
        let mut after = file.quarantine.clone();
        let mut left = Vec::new();
        for entry in before {
            match after.iter().position(|it| *it == entry) {
                Some(at) => drop(after.remove(at)),
                None => left.push(entry),
            }
        }
        let mut new = self.adopt_new(at);
        let device = &mut self.devices[at];
        let mut went: BTreeMap<RecordId, Vec<Op>> = BTreeMap::new();
        let mut created = BTreeSet::new();
        for entry in left {
            let is_tried = goes_on(&entry, device.disk.file.pending.values()).is_some();
            // What no server had judged, and somebody else brought, counts.
            let mut deeds = self.disk.file.deeds.iter();
            if entry.parked && !is_tried && deeds.any(|deed| deed.edit.id == entry.edit) {
                continue;
            }
            // Or was tried, and is there again.
            let is_same = |it: &Quarantined| (it.edit, &it.ops) == (entry.edit, &entry.ops);
            if let Some(at) = after.iter().position(is_same).filter(|_| entry.parked) {
                after.remove(at);
                continue;
            }
            let made = device.made.get_mut(&entry.edit).ok_or("a stranger's edit in quarantine")?;
            if let Some(edit) = goes_on(&entry, device.disk.file.pending.values()) {
                self.tried_again.insert(entry.edit);
                new.push(entry.edit);
                made.dealt_with.extend(left_out(entry.ops.clone(), edit));
            } else {
                made.dealt_with.extend(entry.ops.clone());
            }
            went.entry(entry.record).or_default().extend(entry.ops.iter().map(without_unit));
            if entry.kind == EditKind::Create {
                created.insert(entry.record);
            }
        }
        self.figures.reconsidered += new.len() as u64;
        for edit in device.disk.file.pending.values().filter(|edit| new.contains(&edit.id)) {
            let went = went.get_mut(&edit.record).ok_or("an edit that nobody made")?;
            for op in edit.ops().map(without_unit) {
                let at = went.iter().position(|it| *it == op);
                went.remove(at.ok_or_else(|| format!("{}: {op:?} was not refused", edit.id))?);
            }
        }
        // What was erased is gone from quarantine too.
        went.retain(|record, _| !self.ever.erased.contains(record));
        // Of a create of a record that is there by now only values count, where they are others.
        went.retain(|record, ops| !ops.is_empty() && !created.contains(record));
        if went.is_empty() { Ok(()) } else { Err(format!("device {at}: {went:?} left quarantine")) }
    }
}

/// What became pending again of an entry under its own id.
fn goes_on<'a>(
    entry: &Quarantined,
    mut pending: impl Iterator<Item = &'a Edit>,
) -> Option<&'a Edit> {
    pending.find(|edit| entry.parked && edit.id == entry.edit)
}

/// What of a create is not in it when it is tried again: the record is there by now, as it would be.
fn left_out(ops: Vec<Op>, again: &Edit) -> Vec<Op> {
    let is_in = |op: &Op| again.ops().any(|it| without_unit(it) == without_unit(op));
    ops.into_iter().filter(|op| !is_in(op)).collect()
}

/// An owner brings its business unit of now.
pub(crate) fn without_unit(op: &Op) -> Op {
    match op {
        Op::Own { owner, .. } => Op::Own { owner: owner.clone(), business_unit: name("any") },
        other => other.clone(),
    }
}

pub(crate) fn quarantined_ops(quarantine: &[Quarantined], id: EditId) -> Vec<Op> {
    quarantine.iter().filter(|entry| entry.edit == id).flat_map(|it| it.ops.clone()).collect()
}

pub(crate) fn is_system(table: &TableName) -> bool {
    SYSTEM.contains(&table.as_str())
}

fn is_local(edit: &Edit) -> bool {
    edit.id.device.0 == 0
}

fn creates(edit: &Edit) -> bool {
    edit.change(&Section::Header).is_some_and(|change| change.deps.is_empty())
}

/// The value that an operation sets, by its column.
pub(crate) fn put(op: &Op) -> Option<(&ColumnName, &Value)> {
    match op {
        Op::Put { column, value } => Some((column, value)),
        _ => None,
    }
}
