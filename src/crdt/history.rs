use std::collections::BTreeMap;
use std::sync::Arc;

use super::{CrdtError, Document};
use crate::model::{
    ActorId, Change, ChangeRef, ColumnEdit, Columns, Header, MisfitOpError, Section,
};

/// A section as it is stored and sent: its changes by meaning, each after those it builds on.
///
/// A change that builds on all that is there needs no document: its operations are carried out on
/// the plain values. Only a merge of concurrent changes rebuilds the document.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    /// Shared, since a record is copied with every step, and its changes never change.
    changes: Vec<Arc<Change>>,
    heads: Vec<ChangeRef>,
    /// The last change of each actor; its earlier ones are there too.
    last: BTreeMap<ActorId, u64>,
}

impl History {
    /// The changes, each after those it builds on.
    pub fn changes(&self) -> impl ExactSizeIterator<Item = &Change> {
        self.changes.iter().map(AsRef::as_ref)
    }

    /// The changes that no other builds on yet, sorted: what the next one builds on.
    #[must_use]
    pub fn heads(&self) -> &[ChangeRef] {
        &self.heads
    }

    /// Whether changes were ever written side by side.
    #[must_use]
    pub fn is_branched(&self) -> bool {
        let lines = self.changes.iter().zip(self.changes.iter().skip(1));
        let is_line = lines.into_iter().all(|(before, after)| after.deps == [before.id]);
        !is_line || self.changes.first().is_some_and(|first| !first.deps.is_empty())
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

    /// Whether `change` builds on all that is there.
    #[must_use]
    pub fn is_next(&self, change: &Change) -> bool {
        change.deps == self.heads && change.id.seq == 1 + self.last_seq(change.id.actor)
    }

    /// Adds a change. It is next ([`Self::is_next`]), or was applied to the section's document,
    /// which checks it.
    fn push(&mut self, change: &Change) {
        self.heads.retain(|head| !change.deps.contains(head));
        if let Err(at) = self.heads.binary_search(&change.id) {
            self.heads.insert(at, change.id);
        }
        self.last.insert(change.id.actor, change.id.seq);
        self.changes.push(Arc::new(change.clone()));
    }

    /// Rebuilds the document.
    ///
    /// # Errors
    /// The changes are not ones that Tidegate wrote.
    pub fn document(&self, section: Section) -> Result<Document, CrdtError> {
        Document::replay(section, self.changes())
    }

    /// Adds changes to the section of columns whose values are `columns`, and brings these up to
    /// date.
    ///
    /// # Errors
    /// A change does not fit; what was merged before it stays.
    pub fn merge_columns(
        &mut self,
        section: &Section,
        changes: &[Change],
        columns: &mut Columns,
    ) -> Result<(), CrdtError> {
        let mut changes = changes.iter();
        for change in changes.by_ref() {
            if !self.is_next(change) || !carry_out(section, change, columns)? {
                let rest = std::iter::once(change).chain(changes);
                let document = self.merge_into_document(section, rest)?;
                columns.extend(document.columns()?);
                return Ok(());
            }
            self.push(change);
        }
        Ok(())
    }

    /// Adds changes to the header section, and brings `header` up to date.
    ///
    /// # Errors
    /// A change does not fit; what was merged before it stays.
    pub fn merge_header(
        &mut self,
        changes: &[Change],
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
        changes: impl Iterator<Item = &'a Change>,
    ) -> Result<Document, CrdtError> {
        let mut document = self.document(section.clone())?;
        for change in changes {
            document.apply(change)?;
            self.push(change);
        }
        Ok(document)
    }
}

/// Carries a change out on plain values. False, with nothing changed, where a column holds values
/// of several kinds (its type was another once), which only the document can tell apart.
fn carry_out(section: &Section, change: &Change, columns: &mut Columns) -> Result<bool, CrdtError> {
    let mut edit = ColumnEdit::new(columns);
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
    let changed = edit.finish();
    columns.extend(changed);
    Ok(true)
}
