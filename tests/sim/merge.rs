//! A naive model of what changes make of a record, written from Automerge's rules for maps: a
//! change overwrites what it saw, of concurrent values the one with the highest operation number
//! wins, then the highest actor; nothing of `tidegate::crdt` is used.

use std::collections::{BTreeMap, BTreeSet};

use tidegate::model::{
    BusinessUnitId, Change, ChangeRef, ColumnName, ColumnPermissions, Columns, Edit, Op, Owner,
    Principal, RecordState, Rights, Section, TableName, Value,
};

use crate::privileges::Facts;

/// A record by its changes.
#[derive(Debug, Clone)]
pub(crate) struct Naive {
    pub(crate) table: TableName,
    sections: BTreeMap<Section, Vec<Change>>,
    /// What the sections say, once asked.
    header: Option<(Facts, RecordState)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Value(Value),
    Own(Owner, BusinessUnitId),
    State(RecordState),
    Share(Principal, Rights),
    ShareColumn(ColumnName, Principal, ColumnPermissions),
}

#[derive(Debug)]
struct Done {
    /// All changes that it builds on, itself too.
    past: BTreeSet<ChangeRef>,
    /// The number of its last operation, or of the last before it.
    last: u64,
    /// Operations: key, number, value (none: it only overwrites), and what they overwrite.
    ops: Vec<(String, u64, Option<Cell>, Vec<OpId>)>,
}

type OpId = (u64, ChangeRef);

impl Naive {
    pub(crate) fn new(table: TableName) -> Self {
        Self { table, sections: BTreeMap::new(), header: None }
    }

    pub(crate) fn of(edit: &Edit) -> Self {
        let mut record = Self::new(edit.table.clone());
        record.add(edit);
        record
    }

    /// Adds the changes that are not there yet.
    pub(crate) fn add(&mut self, edit: &Edit) {
        for change in &edit.changes {
            let section = self.sections.entry(change.section.clone()).or_default();
            if !section.iter().any(|held| held.id == change.id) {
                if change.begins_generation() {
                    section.clear();
                }
                if change.begins_generation() && change.ops.is_empty() {
                    continue;
                }
                section.push(change.as_ref().clone());
            }
        }
        self.header = None;
        let cells = self.cells(&Section::Header).unwrap_or_default();
        let (mut facts, mut state) = (Facts::default(), RecordState::Active);
        for cell in cells.into_values() {
            match cell {
                Cell::Value(_) => {}
                Cell::Own(owner, unit) => facts.owned = Some((owner, unit)),
                Cell::State(held) => state = held,
                Cell::Share(to, rights) => {
                    facts.shares.extend((!rights.is_empty()).then_some((to, rights)));
                }
                Cell::ShareColumn(column, to, given) => {
                    let given = (!given.is_empty()).then_some(((column, to), given));
                    facts.column_shares.extend(given);
                }
            }
        }
        self.header = Some((facts, state));
    }

    /// Whether everything that the edit builds on is here.
    pub(crate) fn fits(&self, edit: &Edit) -> bool {
        edit.changes.iter().all(|change| {
            let held = self.sections.get(&change.section).map_or(&[][..], Vec::as_slice);
            let is_there = |id: &ChangeRef| held.iter().any(|change| change.id == *id);
            let last = held.iter().filter(|it| it.id.actor == change.id.actor);
            let next = 1 + last.map(|it| it.id.seq).max().unwrap_or(0);
            is_there(&change.id) || (change.deps.iter().all(is_there) && change.id.seq == next)
        })
    }

    /// Whether a change is there: an older generation's is not.
    pub(crate) fn holds(&self, section: &Section, id: ChangeRef) -> bool {
        self.sections.get(section).is_some_and(|held| held.iter().any(|change| change.id == id))
    }

    /// Whether `later` knows `earlier`, where both change one section.
    pub(crate) fn knows(&self, section: &Section, later: ChangeRef, earlier: ChangeRef) -> bool {
        let changes = self.sections.get(section).map_or(&[][..], Vec::as_slice);
        let mut open = vec![later];
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            if id == earlier {
                return true;
            }
            if seen.insert(id) {
                let found = changes.iter().find(|change| change.id == id);
                open.extend(found.into_iter().flat_map(|change| change.deps.iter().copied()));
            }
        }
        false
    }

    pub(crate) fn exists(&self) -> bool {
        self.sections.contains_key(&Section::Header)
    }

    pub(crate) fn facts(&self) -> Facts {
        self.header.as_ref().map(|(facts, _)| facts.clone()).unwrap_or_default()
    }

    pub(crate) fn state(&self) -> RecordState {
        self.header.as_ref().map_or(RecordState::Active, |(_, state)| *state)
    }

    pub(crate) fn is_active(&self) -> bool {
        self.exists() && self.state() == RecordState::Active
    }

    pub(crate) fn columns(&self) -> Columns {
        let mut columns = Columns::new();
        let parts = self.sections.iter().filter(|(section, _)| **section != Section::Header);
        for op in parts.flat_map(|(_, changes)| changes).flat_map(|change| &change.ops) {
            add_part(&mut columns, op);
        }
        for section in self.sections.keys().filter(|section| **section != Section::Header) {
            for (key, cell) in self.cells(section).unwrap_or_default() {
                if let Cell::Value(value) = cell {
                    columns.insert(key.parse().unwrap(), value);
                }
            }
        }
        columns
    }

    /// Columns of which more than one section says something.
    pub(crate) fn in_two_sections(&self) -> BTreeSet<ColumnName> {
        let (mut once, mut twice) = (BTreeSet::new(), BTreeSet::new());
        for changes in self.sections.values() {
            let ops = changes.iter().flat_map(|change| &change.ops);
            let columns: BTreeSet<_> = ops.filter_map(Op::column).collect();
            for column in columns {
                if !once.insert(column.clone()) {
                    twice.insert(column.clone());
                }
            }
        }
        twice
    }

    fn cells(&self, section: &Section) -> Option<BTreeMap<String, Cell>> {
        let changes = self.sections.get(section)?;
        let mut done: BTreeMap<ChangeRef, Done> = BTreeMap::new();
        for change in changes {
            let mut past = BTreeSet::from([change.id]);
            let mut last = 0;
            for dep in &change.deps {
                let dep = done.get(dep)?;
                past.extend(dep.past.iter().copied());
                last = last.max(dep.last);
            }
            let mut ops = Vec::new();
            for op in change.ops.iter().filter(|op| op.merging_type().is_none()) {
                let (key, cell) = key_and_cell(op);
                let mut seen = live(&done, &past, &key);
                let winner = seen.last_entry().filter(|held| *held.get() == cell);
                // Writing what is there already is no operation; where other values are there
                // beside it, it overwrites those.
                let cell = if let Some(winner) = winner {
                    winner.remove();
                    None
                } else {
                    Some(cell)
                };
                if cell.is_some() || !seen.is_empty() {
                    last += 1;
                    ops.push((key, last, cell, seen.into_keys().collect()));
                }
            }
            done.insert(change.id, Done { past, last, ops });
        }
        let all: BTreeSet<_> = done.keys().copied().collect();
        let keys: BTreeSet<_> =
            done.values().flat_map(|done| done.ops.iter().map(|(key, ..)| key.clone())).collect();
        let winner = |key: String| {
            let cell = live(&done, &all, &key).into_iter().next_back()?.1;
            Some((key, cell))
        };
        keys.into_iter().map(winner).collect()
    }
}

/// Adds what an operation puts into a text or list, or onto a counter. Nothing is ever taken out in
/// these worlds, and no letter or item is put in twice.
pub(crate) fn add_part(columns: &mut Columns, op: &Op) {
    let Some(column) = op.column() else { return };
    let held = columns.get(column.as_str()).cloned();
    let sum = match (op, held) {
        (Op::Increment { by, .. }, None) => Value::Counter(*by),
        (Op::Increment { by, .. }, Some(Value::Counter(held))) => Value::Counter(held + by),
        (Op::Splice { insert, .. }, None) => Value::RichText(insert.clone()),
        (Op::Splice { insert, .. }, Some(Value::RichText(held))) => Value::RichText(held + insert),
        (Op::ListInsert { values, .. }, None) => Value::List(values.clone()),
        (Op::ListInsert { values, .. }, Some(Value::List(held))) => {
            Value::List([held, values.clone()].concat())
        }
        _ => return,
    };
    columns.insert(column.clone(), in_any_order(&sum));
}

/// The same letters or items, wherever they stand.
pub(crate) fn in_any_order(value: &Value) -> Value {
    match value {
        Value::RichText(text) => {
            let mut letters: Vec<char> = text.chars().collect();
            letters.sort_unstable();
            Value::RichText(letters.into_iter().collect())
        }
        Value::List(items) => {
            let mut items = items.clone();
            items.sort_by_key(|item| format!("{item:?}"));
            Value::List(items)
        }
        other => other.clone(),
    }
}

/// What columns hold, in any order.
pub(crate) fn parts(columns: &Columns) -> Columns {
    columns.iter().map(|(column, value)| (column.clone(), in_any_order(value))).collect()
}

/// The values of a key that nothing among `past` overwrote; the last one wins.
fn live(
    done: &BTreeMap<ChangeRef, Done>,
    past: &BTreeSet<ChangeRef>,
    wanted: &str,
) -> BTreeMap<OpId, Cell> {
    let mut values = BTreeMap::new();
    let mut overwritten = BTreeSet::new();
    for (id, change) in done.iter().filter(|(id, _)| past.contains(id)) {
        for (_, number, cell, over) in change.ops.iter().filter(|(key, ..)| key == wanted) {
            values.extend(cell.clone().map(|cell| ((*number, *id), cell)));
            overwritten.extend(over.iter().copied());
        }
    }
    values.retain(|id, _| !overwritten.contains(id));
    values
}

fn key_and_cell(op: &Op) -> (String, Cell) {
    match op {
        Op::Put { column, value } => (column.to_string(), Cell::Value(value.clone())),
        Op::Own { owner, business_unit } => {
            ("owner".into(), Cell::Own(owner.clone(), business_unit.clone()))
        }
        Op::State(state) => ("state".into(), Cell::State(*state)),
        Op::Share { to, rights } => (format!("share {to}"), Cell::Share(to.clone(), *rights)),
        Op::ShareColumn { column, to, permissions } => {
            let cell = Cell::ShareColumn(column.clone(), to.clone(), *permissions);
            (format!("share {column} {to}"), cell)
        }
        merging => unreachable!("{} has no cell", merging.name()),
    }
}
