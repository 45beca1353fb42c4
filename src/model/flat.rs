//! Flattened changes: a record of which nothing was ever written over is its values, and they say
//! what its changes say. What the values do not say of the changes is kept beside them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    ActorId, Change, ChangeRef, ColumnName, ColumnType, Columns, DeviceNumber, Header, Op,
    RecordState, Section, Timestamp, Value,
};

/// In which order, and as which operations, values become changes again. What was flattened by one
/// layout is made again by it, for as long as files hold such: `tests/merge/flat.rs` has what each
/// gives, bit for bit.
const LAYOUT: u8 = 1;

/// What it takes, beside a record's values, to have its changes again: of each section one change
/// from nothing that says all that the section holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flat {
    layout: u8,
    changes: Vec<FlatChange>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct FlatChange {
    section: Section,
    /// The columns of a group. The others are known: a secured column has a section for itself,
    /// and what no other section has is in the main one.
    columns: Vec<ColumnName>,
    /// Who wrote it, and when; `None`: as the change before.
    written: Option<Written>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Written {
    actor: ActorId,
    seq: u64,
    time: Timestamp,
}

impl Written {
    fn of(change: &Change) -> Self {
        Self { actor: change.id.actor, seq: change.id.seq, time: change.time }
    }
}

impl Flat {
    /// What is to be kept of these changes beside the values of the record that they make. `None`:
    /// they do not follow from the values, as where something was written over.
    #[must_use]
    pub fn of(changes: &[Arc<Change>], header: &Header, columns: &Columns) -> Option<Self> {
        let mut flat = Self { layout: LAYOUT, changes: Vec::with_capacity(changes.len()) };
        let mut before = None;
        for change in changes {
            let written = Some(Written::of(change));
            flat.changes.push(FlatChange {
                section: change.section.clone(),
                columns: match change.section {
                    Section::Group(_) => columns_of(change),
                    Section::Header | Section::Main | Section::Secured(_) => Vec::new(),
                },
                written: written.filter(|_| written != before),
            });
            before = written;
        }
        let follows = |(flattened, change): (&FlatChange, &Arc<Change>)| {
            change.deps.is_empty()
                && match change.section {
                    Section::Header => {
                        header_from_nothing(header).is_some_and(|op| change.ops == [op])
                    }
                    _ => says(change, flat.held(flattened, columns)),
                }
        };
        let all_follow = !changes.is_empty() && flat.changes.iter().zip(changes).all(follows);
        all_follow.then_some(flat)
    }

    /// The changes, made of the values beside which they were flattened. `None`: by a layout that
    /// this version does not know, or of other values.
    #[must_use]
    pub fn changes(&self, header: &Header, columns: &Columns) -> Option<Vec<Arc<Change>>> {
        if self.layout != LAYOUT {
            return None;
        }
        let mut before = None;
        let mut changes = Vec::with_capacity(self.changes.len());
        for flattened in &self.changes {
            before = flattened.written.or(before);
            let Written { actor, seq, time } = before?;
            let ops = match flattened.section {
                Section::Header => vec![header_from_nothing(header)?],
                _ => self
                    .held(flattened, columns)
                    .flat_map(|(column, value)| from_values(actor, column, value))
                    .collect(),
            };
            let (section, id) = (flattened.section.clone(), ChangeRef { actor, seq });
            changes.push(Arc::new(Change { section, id, time, deps: Vec::new(), ops }));
        }
        Some(changes)
    }

    /// The columns of a section, with what they hold.
    fn held<'a>(
        &'a self,
        flattened: &'a FlatChange,
        columns: &'a Columns,
    ) -> impl Iterator<Item = (&'a ColumnName, &'a Value)> {
        columns.iter().filter(move |(column, _)| match &flattened.section {
            Section::Header => false,
            Section::Main => !self.changes.iter().any(|other| other.names(column)),
            Section::Secured(_) | Section::Group(_) => flattened.names(column),
        })
    }
}

impl FlatChange {
    /// Whether the column is in this section, which is not the main one.
    fn names(&self, column: &ColumnName) -> bool {
        match &self.section {
            Section::Header | Section::Main => false,
            Section::Secured(own) => own == column,
            Section::Group(_) => self.columns.contains(column),
        }
    }
}

fn columns_of(change: &Change) -> Vec<ColumnName> {
    let mut columns: Vec<_> = change.ops.iter().filter_map(Op::column).cloned().collect();
    columns.dedup();
    columns
}

/// The operation that makes this header where there is none; `None`: it takes several.
fn header_from_nothing(header: &Header) -> Option<Op> {
    let is_plain = header.state == RecordState::Active
        && header.shares.is_empty()
        && header.column_shares.is_empty();
    is_plain.then(|| match &header.owner {
        Some((owner, unit)) => Op::Own { owner: owner.clone(), business_unit: unit.clone() },
        None => Op::State(RecordState::Active),
    })
}

/// Whether the change says these values, as this layout would, and nothing else.
fn says<'a>(change: &Change, held: impl Iterator<Item = (&'a ColumnName, &'a Value)>) -> bool {
    let mut rest = change.ops.as_slice();
    for (column, value) in held {
        if !is_one_way(value) {
            return false;
        }
        let said = match rest.split_first() {
            // Mostly.
            Some((Op::Put { column: same, value: put }, behind))
                if same == column && put == value && !merges(value) =>
            {
                Some(behind)
            }
            _ => rest.strip_prefix(from_values(change.id.actor, column, value).as_slice()),
        };
        let Some(behind) = said else { return false };
        rest = behind;
    }
    rest.is_empty()
}

fn merges(value: &Value) -> bool {
    value.column_type().is_some_and(ColumnType::merges)
}

/// Whether what equals the value is the same to the bit: 0 equals -0.
fn is_one_way(value: &Value) -> bool {
    match value {
        Value::Float(number) => *number != 0.0,
        Value::List(items) => items.iter().all(is_one_way),
        Value::Map(entries) => entries.values().all(is_one_way),
        _ => true,
    }
}

/// The operations by which a column comes to hold this: who makes a record puts a counter, and a
/// new generation adds to it.
fn from_values(actor: ActorId, column: &ColumnName, value: &Value) -> Vec<Op> {
    if matches!(value, Value::Counter(_)) && actor.device != DeviceNumber::SERVER {
        return vec![Op::Put { column: column.clone(), value: value.clone() }];
    }
    Op::from_nothing(column, value)
}
