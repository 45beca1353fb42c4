use std::collections::BTreeSet;
use std::sync::Arc;

use litemap::LiteMap;

use super::weave::{Base, Weave, is_line, is_woven};
use super::{CrdtError, Document};
use crate::model::{
    ActorId, Change, ChangeRef, ColumnEdit, Columns, Header, MisfitOpError, Op, Section,
};

/// More that was written side by side is merged by a document: a weave looks at all of it with each
/// operation.
const WOVEN_OPS_MAX: usize = 8_192;

/// Places at which values are remembered.
const NOTES_MAX: usize = 8;

/// A section as it is stored and sent: its changes by meaning, each after those it builds on.
///
/// A change that builds on all that is there needs no document: its operations are carried out on
/// the plain values. Concurrent changes are woven into what was written since their last common state.
/// Only those of lists and counters rebuild the document.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    changes: Vec<Arc<Change>>,
    heads: Vec<ChangeRef>,
    /// The last change of each actor; its earlier ones are there too.
    last: LiteMap<ActorId, u64>,
    noted: Noted,
}

/// The values that so many of the changes made, at places where all was one line: where the next
/// weave can begin. They follow from the changes.
#[derive(Debug, Clone, Default)]
struct Noted(Vec<Arc<(usize, Columns)>>);

impl Noted {
    /// Keeps the first place, on which what is still to come builds for sure, and the last ones.
    fn add(&mut self, place: usize, columns: Columns) {
        let at = self.0.partition_point(|note| note.0 < place);
        self.0.insert(at, Arc::new((place, columns)));
        if self.0.len() > NOTES_MAX {
            self.0.remove(1);
        }
    }
}

impl PartialEq for Noted {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl History {
    /// The changes, each after those it builds on.
    #[must_use]
    pub fn changes(&self) -> &[Arc<Change>] {
        &self.changes
    }

    /// The changes that no other builds on yet, sorted: what the next one builds on.
    #[must_use]
    pub fn heads(&self) -> &[ChangeRef] {
        &self.heads
    }

    /// Whether changes were ever written side by side.
    #[must_use]
    pub fn is_branched(&self) -> bool {
        !is_line(&self.changes)
    }

    /// Whether there is no change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether the change is in it.
    #[must_use]
    pub fn holds(&self, change: ChangeRef) -> bool {
        (1..=self.last_seq(change.actor)).contains(&change.seq)
    }

    /// The number of the actor's last change; 0 if it has none.
    #[must_use]
    pub fn last_seq(&self, actor: ActorId) -> u64 {
        self.last.get(&actor).copied().unwrap_or(0)
    }

    /// These changes and all that they build on, each after those it builds on.
    #[must_use]
    pub(super) fn leading_to(&self, heads: &[ChangeRef]) -> Vec<Arc<Change>> {
        let mut wanted: BTreeSet<ChangeRef> = heads.iter().copied().collect();
        let mut found = Vec::new();
        for change in self.changes.iter().rev() {
            if wanted.remove(&change.id) {
                wanted.extend(&change.deps);
                found.push(Arc::clone(change));
            }
        }
        found.reverse();
        found
    }

    /// As it was when these were its heads, and the values that it had then: from the last place that led
    /// to all of them on, where values are remembered and may be used.
    ///
    /// # Errors
    /// The changes are not ones that Tidegate wrote.
    pub(super) fn as_of(
        &self,
        section: &Section,
        heads: &[ChangeRef],
        from_remembered: bool,
    ) -> Result<(Self, Columns), CrdtError> {
        let found = self.leading_to(heads);
        let last = |changes: &[Arc<Change>], count: usize| {
            changes.get(count.checked_sub(1)?).map(|change| change.id)
        };
        // Where the change at a place is the same, so are all before it: what was found is a part of what is here.
        let leads = |place: usize| {
            let change = last(&found, place);
            change.is_some() && change == last(&self.changes, place)
        };
        let noted = self.noted.0.iter().filter(|_| from_remembered);
        let begin = noted.rev().find(|note| leads(note.0));
        let (mut earlier, mut columns) = (Self::default(), Columns::new());
        let mut rest = found.as_slice();
        if let Some((place, values)) = begin.map(AsRef::as_ref) {
            let (before, since) = found.split_at(*place);
            for change in before {
                earlier.push(change);
            }
            let remembered = self.noted.0.iter().filter(|note| note.0 <= *place).cloned();
            earlier.noted = Noted(remembered.collect());
            (columns, rest) = (values.clone(), since);
        }
        earlier.merge_columns(section, rest, &mut columns)?;
        Ok((earlier, columns))
    }

    /// Whether `change` builds on all that is there.
    #[must_use]
    pub fn is_next(&self, change: &Change) -> bool {
        change.deps == self.heads && change.id.seq == 1 + self.last_seq(change.id.actor)
    }

    /// Adds a change. It is next ([`Self::is_next`]), or was applied to the section's document,
    /// which checks it.
    fn push(&mut self, change: &Arc<Change>) {
        self.heads.retain(|head| !change.deps.contains(head));
        if let Err(at) = self.heads.binary_search(&change.id) {
            self.heads.insert(at, change.id);
        }
        self.last.insert(change.id.actor, change.id.seq);
        self.changes.push(Arc::clone(change));
    }

    /// Rebuilds the document.
    ///
    /// # Errors
    /// The changes are not ones that Tidegate wrote.
    pub fn document(&self, section: Section) -> Result<Document, CrdtError> {
        Document::replay(section, self.changes.iter().map(AsRef::as_ref))
    }

    /// Adds changes to the section of columns whose values are `columns`, and brings these up to
    /// date.
    ///
    /// # Errors
    /// A change does not fit; history and values are then of no use any more.
    pub fn merge_columns(
        &mut self,
        section: &Section,
        changes: &[Arc<Change>],
        columns: &mut Columns,
    ) -> Result<(), CrdtError> {
        let mut rest = changes;
        while !rest.is_empty() {
            let next = self.carry_out_next(section, rest, columns)?;
            rest = rest.get(next..).unwrap_or_default();
            let woven = if rest.is_empty() { 0 } else { self.weave(section, rest, columns) };
            if woven == 0 && !rest.is_empty() {
                let document = self.merge_into_document(section, rest.iter())?;
                columns.extend(document.columns()?);
                self.note(columns);
                return Ok(());
            }
            rest = rest.get(woven..).unwrap_or_default();
        }
        Ok(())
    }

    /// Carries changes out on plain values as long as each builds on all that is there. Returns how
    /// many.
    fn carry_out_next(
        &mut self,
        section: &Section,
        changes: &[Arc<Change>],
        columns: &mut Columns,
    ) -> Result<usize, CrdtError> {
        let mut done = 0;
        let mut edit = ColumnEdit::new(columns);
        for change in changes {
            if !self.is_next(change) || !carry_out(section, change, &mut edit)? {
                break;
            }
            self.push(change);
            done += 1;
            // What was written side by side is one text again: the next such place begins here.
            if change.deps.len() > 1 {
                break;
            }
        }
        let joins = done > 0 && changes.get(done - 1).is_some_and(|last| last.deps.len() > 1);
        let values = edit.finish();
        if columns.is_empty() {
            *columns = values;
        } else {
            columns.extend(values);
        }
        if joins {
            self.note(columns);
        }
        Ok(done)
    }

    /// Remembers the values here, where nothing is side by side.
    fn note(&mut self, columns: &Columns) {
        if self.heads.len() == 1 {
            self.noted.add(self.changes.len(), columns.clone());
        }
    }

    /// Merges changes that were written side by side with others, up to where all is one
    /// line again, from the last place where it was. Returns how many; 0, with nothing changed,
    /// where it takes the document to merge them.
    fn weave(
        &mut self,
        section: &Section,
        changes: &[Arc<Change>],
        columns: &mut Columns,
    ) -> usize {
        let fits = |change: &Arc<Change>| {
            let is_own = |op: &Op| match section {
                Section::Secured(own) => op.column() == Some(own),
                _ => true,
            };
            !self.holds(change.id) && change.ops.iter().all(|op| is_woven(op) && is_own(op))
        };
        let mut heads = self.heads.clone();
        let mut count = 0;
        for change in changes {
            if !fits(change) {
                return 0;
            }
            heads.retain(|head| !change.deps.contains(head));
            heads.push(change.id);
            count += 1;
            if heads.len() == 1 {
                break;
            }
        }
        let new = changes.get(..count).unwrap_or_default();
        let Some((from, base)) = self.place_before(new, &heads, columns) else { return 0 };
        let later = self.changes.get(from..).unwrap_or_default();
        let before = self.changes.get(..from).unwrap_or_default();
        let mut woven = Weave::new(Base { changes: before, columns: &base });
        for change in later.iter().chain(new) {
            if woven.write(change, |dep| self.holds(dep)).is_none() {
                return 0;
            }
        }
        columns.extend(woven.finish());
        self.noted.0.retain(|note| note.0 > from);
        self.noted.add(from, base);
        for change in new {
            self.push(change);
        }
        self.note(columns);
        count
    }

    /// How many of the changes came before all that `new` is side by side with (every later one, and
    /// each of `new`, builds on all of these), and the values there.
    fn place_before(
        &self,
        new: &[Arc<Change>],
        heads: &[ChangeRef],
        now: &Columns,
    ) -> Option<(usize, Columns)> {
        let mut later: BTreeSet<ChangeRef> = new.iter().map(|change| change.id).collect();
        let mut open: BTreeSet<ChangeRef> = new.iter().flat_map(|it| it.deps.clone()).collect();
        open.retain(|dep| !later.contains(dep));
        let mut ops: usize = new.iter().map(|change| change.ops.len()).sum();
        let mut from_nothing = new.iter().any(|change| change.deps.is_empty());
        for (place, change) in self.changes.iter().enumerate().rev() {
            let is_whole = open.len() == 1 && open.contains(&change.id) && !from_nothing;
            if is_whole
                && heads.iter().all(|head| later.contains(head))
                && let Some(values) = self.values_at(place + 1, now)
            {
                return Some((place + 1, values));
            }
            ops += change.ops.len();
            if ops > WOVEN_OPS_MAX || !change.ops.iter().all(is_woven) {
                return None;
            }
            open.remove(&change.id);
            later.insert(change.id);
            open.extend(change.deps.iter().filter(|dep| !later.contains(dep)));
            from_nothing |= change.deps.is_empty();
        }
        open.is_empty().then(|| (0, Columns::new()))
    }

    /// The values as so many changes made them, where that is a short way from a place at
    /// which they are known.
    fn values_at(&self, count: usize, now: &Columns) -> Option<Columns> {
        if count == self.changes.len() {
            return Some(now.clone());
        }
        let nothing = (0, Columns::new());
        let noted = self.noted.0.iter().rev().map(AsRef::as_ref).find(|(at, _)| *at <= count);
        let (noted, columns) = noted.unwrap_or(&nothing);
        let line = self.changes.get(*noted..count)?;
        if line.iter().zip(line.iter().skip(1)).any(|(before, after)| after.deps != [before.id]) {
            return None;
        }
        let mut columns = columns.clone();
        let mut edit = ColumnEdit::new(&columns);
        for op in line.iter().flat_map(|change| &change.ops) {
            edit.apply(op).ok()?;
        }
        let changed = edit.finish();
        columns.extend(changed);
        Some(columns)
    }

    /// Adds changes to the header section, and brings `header` up to date.
    ///
    /// # Errors
    /// A change does not fit; what was merged before it stays.
    pub fn merge_header(
        &mut self,
        changes: &[Arc<Change>],
        header: &mut Header,
    ) -> Result<(), CrdtError> {
        let mut changes = changes.iter();
        for change in changes.by_ref() {
            if !self.is_next(change) {
                let rest = std::iter::once(change).chain(changes);
                *header = self.merge_into_document(&Section::Header, rest)?.header()?;
                return Ok(());
            }
            let mut next = header.clone();
            for op in &change.ops {
                next.apply(op)
                    .map_err(|op| CrdtError::ForeignOp { section: Section::Header, op })?;
            }
            *header = next;
            self.push(change);
        }
        Ok(())
    }

    fn merge_into_document<'a>(
        &mut self,
        section: &Section,
        changes: impl Iterator<Item = &'a Arc<Change>>,
    ) -> Result<Document, CrdtError> {
        let mut document = self.document(section.clone())?;
        for change in changes {
            document.apply(change)?;
            self.push(change);
        }
        Ok(document)
    }
}

/// Carries a change out on plain values. False where a column holds values of several kinds (its type
/// was another once), which only the document can tell apart.
fn carry_out(
    section: &Section,
    change: &Change,
    edit: &mut ColumnEdit<'_>,
) -> Result<bool, CrdtError> {
    for op in &change.ops {
        let outside = match (section, op.column()) {
            (Section::Secured(own), Some(column)) => own != column,
            (_, column) => column.is_none(),
        };
        if outside {
            return Err(CrdtError::ForeignOp { section: section.clone(), op: op.name() });
        }
        match edit.apply(op) {
            Ok(()) => {}
            Err(MisfitOpError::OtherKind { .. }) => return Ok(false),
            Err(misfit) => return Err(misfit.into()),
        }
    }
    Ok(true)
}
