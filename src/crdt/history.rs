use super::{CrdtError, Document};
use crate::model::{ActorId, Change, ChangeRef, Columns, Header, Op, Section};

/// A section as it is stored and sent: its changes by meaning, each after those it builds on.
///
/// A change that builds on all that is there needs no document: its values simply replace the
/// present ones. Only a merge of concurrent changes rebuilds the document.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    changes: Vec<Change>,
    heads: Vec<ChangeRef>,
}

impl History {
    /// The changes, each after those it builds on.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The changes that no other builds on yet, sorted: what the next one builds on.
    #[must_use]
    pub fn heads(&self) -> &[ChangeRef] {
        &self.heads
    }

    /// Whether there is no change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether the change is in it.
    #[must_use]
    pub fn holds(&self, change: ChangeRef) -> bool {
        self.changes.iter().any(|held| held.id == change)
    }

    /// The number of the actor's last change; 0 if it has none.
    #[must_use]
    pub fn last_seq(&self, actor: ActorId) -> u64 {
        let own = self.changes.iter().filter(|change| change.id.actor == actor);
        own.map(|change| change.id.seq).max().unwrap_or(0)
    }

    /// Whether `change` builds on all that is there.
    #[must_use]
    pub fn is_next(&self, change: &Change) -> bool {
        change.deps == self.heads && change.id.seq == 1 + self.last_seq(change.id.actor)
    }

    /// Adds a change. It must be next ([`Self::is_next`]), or have been applied to the section's
    /// document, which checks it.
    pub fn push(&mut self, change: Change) {
        self.heads.retain(|head| !change.deps.contains(head));
        if let Err(at) = self.heads.binary_search(&change.id) {
            self.heads.insert(at, change.id);
        }
        self.changes.push(change);
    }

    /// Rebuilds the document.
    ///
    /// # Errors
    /// The changes are not ones that Tidegate wrote.
    pub fn document(&self, section: Section) -> Result<Document, CrdtError> {
        Document::replay(section, &self.changes)
    }

    /// Adds a change to the section of columns whose values are `columns`, and brings these up to
    /// date.
    ///
    /// # Errors
    /// The change does not fit; nothing is changed then.
    pub fn merge_columns(
        &mut self,
        section: &Section,
        change: Change,
        columns: &mut Columns,
    ) -> Result<(), CrdtError> {
        if self.is_next(&change) {
            for op in &change.ops {
                let Op::Put { column, value } = op else {
                    return Err(CrdtError::ForeignOp { section: section.clone(), op: "header" });
                };
                columns.insert(column.clone(), value.clone());
            }
        } else {
            let mut document = self.document(section.clone())?;
            document.apply(&change)?;
            columns.extend(document.columns()?);
        }
        self.push(change);
        Ok(())
    }

    /// Adds a change to the header section, and brings `header` up to date.
    ///
    /// # Errors
    /// The change does not fit; nothing is changed then.
    pub fn merge_header(&mut self, change: Change, header: &mut Header) -> Result<(), CrdtError> {
        if self.is_next(&change) {
            let mut next = header.clone();
            for op in &change.ops {
                next.apply(op)
                    .map_err(|op| CrdtError::ForeignOp { section: Section::Header, op })?;
            }
            *header = next;
        } else {
            let mut document = self.document(Section::Header)?;
            document.apply(&change)?;
            *header = document.header()?;
        }
        self.push(change);
        Ok(())
    }
}
