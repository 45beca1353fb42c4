//! How many bytes records are in a page of a scan, as rows, told from what they hold.
//!
//! The form is the codec's (`docs/format.md`); as columns they are fewer, by how much depends on all that
//! is in the page. Small numbers are short there, names and actors are written
//! once a page, and times are differences. So what a record is depends on those before it: [`PageBytes`]
//! knows them, and [`Edit::sent_bytes`] takes it that they said all names already, at the same time.
//! `tests/profiles/sent.rs` holds both beside the codec.

use std::collections::BTreeSet;

use super::{ActorId, Change, Edit, Op, Section, TableName, Value};

/// What a record is beside its changes: its kind, its place in the log, id and table, and of an edit's
/// numbers those that it has none of.
const RECORD: u64 = 1 + 8 + 16 + 1 + 4;
/// A number that stands for a name, an actor or a kind.
const SMALL: u64 = 1;
/// An id behind its length.
const ID: u64 = 17;

/// The bytes of a number, seven bits in each.
fn number(number: u128) -> u64 {
    u64::from((128 - number.leading_zeros()).div_ceil(7).max(1))
}

/// Of one with a sign, which is its lowest bit.
fn signed(signed: i128) -> u64 {
    number((signed.unsigned_abs() << 1).saturating_sub(u128::from(signed < 0)))
}

/// So many bytes behind their number.
fn sized(length: usize) -> u64 {
    number(length as u128).saturating_add(length as u64)
}

fn all<T>(items: impl ExactSizeIterator<Item = T>, bytes: impl Fn(T) -> u64) -> u64 {
    let count = number(items.len() as u128);
    items.map(bytes).fold(count, u64::saturating_add)
}

impl Value {
    fn sent_bytes(&self) -> u64 {
        SMALL
            + match self {
                Self::Null => 0,
                Self::Text(text) | Self::Choice(text) => sized(text.len()),
                Self::RichText(text) => sized(text.len()),
                Self::Bytes(bytes) => sized(bytes.len()),
                Self::Integer(it) | Self::Counter(it) => signed((*it).into()),
                Self::Decimal(it) => signed(it.mantissa()) + SMALL,
                Self::Float(_) => 8,
                Self::Boolean(_) => 1,
                Self::Timestamp(it) => signed(it.as_millis().into()),
                Self::Date(it) => signed(it.as_days().into()),
                Self::Lookup(_) => ID,
                Self::List(items) => all(items.iter(), Self::sent_bytes),
                Self::Map(entries) => {
                    all(entries.iter(), |(key, value)| sized(key.len()) + value.sent_bytes())
                }
                Self::Json(json) => {
                    all(json.leaves().iter(), |(path, leaf)| sized(path.len()) + sized(leaf.len()))
                }
            }
    }
}

impl Op {
    fn sent_bytes(&self) -> u64 {
        SMALL
            + match self {
                Self::State(_) => SMALL,
                Self::Own { .. } | Self::Share { .. } => 2 * SMALL,
                Self::ShareColumn { .. } => 3 * SMALL,
                Self::Put { value, .. } => SMALL + value.sent_bytes(),
                // Places are differences from where the one before ended: mostly none.
                Self::Splice { delete, insert, .. } => {
                    2 * SMALL + number((*delete).into()) + sized(insert.len())
                }
                Self::Increment { by, .. } => SMALL + signed((*by).into()),
                Self::ListInsert { values, .. } => {
                    2 * SMALL + all(values.iter(), Value::sent_bytes)
                }
                Self::ListSet { value, .. } => 2 * SMALL + value.sent_bytes(),
                Self::ListRemove { count, .. } => 2 * SMALL + number((*count).into()),
                Self::MapPut { key, value, .. } => SMALL + sized(key.len()) + value.sent_bytes(),
                Self::MapRemove { key, .. } => SMALL + sized(key.len()),
                Self::JsonPut { path, leaf, .. } => SMALL + sized(path.len()) + sized(leaf.len()),
                Self::JsonRemove { path, .. } => SMALL + sized(path.len()),
            }
    }
}

/// What the page says already.
#[derive(Debug, Default)]
pub struct PageBytes {
    names: BTreeSet<String>,
    actors: BTreeSet<ActorId>,
    time: i64,
}

impl PageBytes {
    /// What a record with these changes adds to the page.
    pub fn add<'c>(&mut self, table: &TableName, changes: impl Iterator<Item = &'c Change>) -> u64 {
        let mut record = Sent { page: Some(self), bytes: RECORD, time: None };
        record.name(table.as_str());
        record.changes(changes)
    }
}

/// A record that is counted.
struct Sent<'p> {
    /// `None`: the page has said all.
    page: Option<&'p mut PageBytes>,
    bytes: u64,
    time: Option<i64>,
}

impl Sent<'_> {
    fn add(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// A name, of which the number is counted where it stands.
    fn name(&mut self, name: &str) {
        let Some(page) = &mut self.page else { return };
        if !page.names.contains(name) {
            page.names.insert(name.to_owned());
            self.add(sized(name.len()));
        }
    }

    fn actor(&mut self, actor: ActorId) {
        if self.page.as_mut().is_some_and(|page| page.actors.insert(actor)) {
            self.add(number(actor.device.0.into()) + 8);
        }
    }

    fn time(&mut self, time: i64) {
        let before = self.time.or(self.page.as_ref().map(|page| page.time)).unwrap_or(time);
        self.add(signed(time.wrapping_sub(before).into()));
        self.time = Some(time);
        if let Some(page) = &mut self.page {
            page.time = time;
        }
    }

    fn changes<'c>(mut self, changes: impl Iterator<Item = &'c Change>) -> u64 {
        let mut count = 0_u128;
        for change in changes {
            self.change(change);
            count += 1;
        }
        self.add(number(count));
        self.bytes
    }

    fn change(&mut self, change: &Change) {
        let name = match &change.section {
            Section::Header | Section::Main => None,
            Section::Secured(column) => Some(column.as_str()),
            Section::Group(group) => Some(group.as_str()),
        };
        self.add(SMALL + if name.is_some() { SMALL } else { 0 });
        if let Some(name) = name {
            self.name(name);
        }
        self.actor(change.id.actor);
        self.add(SMALL + number(change.id.seq.into()));
        self.time(change.time.as_millis());
        for dep in &change.deps {
            self.actor(dep.actor);
        }
        self.add(all(change.deps.iter(), |dep| SMALL + number(dep.seq.into())));
        self.add(all(change.ops.iter(), Op::sent_bytes));
        if self.page.is_some() {
            change.ops.iter().for_each(|op| self.names_of(op));
        }
    }

    fn names_of(&mut self, op: &Op) {
        match op {
            Op::State(_) => {}
            Op::Own { owner, business_unit } => {
                self.name(&owner.to_string());
                self.name(business_unit.as_str());
            }
            Op::Share { to, .. } => self.name(&to.to_string()),
            Op::ShareColumn { column, to, .. } => {
                self.name(column.as_str());
                self.name(&to.to_string());
            }
            Op::Put { column, .. }
            | Op::Splice { column, .. }
            | Op::Increment { column, .. }
            | Op::ListInsert { column, .. }
            | Op::ListSet { column, .. }
            | Op::ListRemove { column, .. }
            | Op::MapPut { column, .. }
            | Op::MapRemove { column, .. }
            | Op::JsonPut { column, .. }
            | Op::JsonRemove { column, .. } => self.name(column.as_str()),
        }
    }
}

impl Edit {
    /// What it is in a page, if it is a whole record, behind one that was made by the same people at the
    /// same time.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        sent_bytes(self.changes.iter().map(AsRef::as_ref))
    }
}

/// What a record with these changes is in a page: see [`Edit::sent_bytes`].
#[must_use]
pub(crate) fn sent_bytes<'c>(changes: impl Iterator<Item = &'c Change>) -> u64 {
    Sent { page: None, bytes: RECORD, time: None }.changes(changes)
}
