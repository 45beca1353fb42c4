//! A record as it was seen, for edits that mean what their user saw.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{CrdtError, History, Record};
use crate::model::{ChangeRef, ColumnName, Op, Section, Seen};

impl Record {
    /// What is seen of it now.
    #[must_use]
    pub fn seen(&self) -> Seen {
        let heads = self.sections().map(|(section, history)| (section, history.heads()));
        Seen::of_heads(self.table().clone(), self.id(), heads)
    }

    /// The record as it was seen, for an edit to be made on: its columns as they were then, and its
    /// header as it is now. `None` where it does not hold all that was seen, or another record was.
    ///
    /// # Errors
    /// A history is not one that Tidegate wrote.
    pub fn as_seen(&self, seen: &Seen) -> Result<Option<Cow<'_, Self>>, CrdtError> {
        let is_held = |(section, heads): (&Section, &[ChangeRef])| {
            heads.iter().all(|head| self.holds(section, *head))
        };
        let is_of_this = (seen.table(), seen.record()) == (self.table(), self.id());
        if !is_of_this || !seen.sections().all(is_held) {
            return Ok(None);
        }
        let columns = self.sections().map(|(section, _)| section);
        let older: Vec<_> = columns
            .filter(|section| {
                **section != Section::Header && seen.heads(section) != self.heads(section)
            })
            .cloned()
            .collect();
        let mut record = Cow::Borrowed(self);
        for section in older {
            record.to_mut().go_back(&section, seen.heads(&section))?;
        }
        Ok(Some(record))
    }

    /// Takes out of a section all that is not among these changes, and what they build on.
    fn go_back(&mut self, section: &Section, heads: &[ChangeRef]) -> Result<(), CrdtError> {
        let Some(history) = self.sections.remove(section) else { return Ok(()) };
        let written = columns_of(&history);
        for column in &written {
            self.columns.remove(*column);
        }
        if heads.is_empty() {
            return Ok(());
        }
        // What else writes a column of this section is in the values that it remembers.
        let is_alone = self.sections.values().all(|it| columns_of(it).is_disjoint(&written));
        let (earlier, mut columns) = history.as_of(section, heads, is_alone)?;
        columns.retain(|column, _| written.contains(column));
        self.sections.insert(section.clone(), earlier);
        self.columns.extend(columns);
        Ok(())
    }
}

fn columns_of(history: &History) -> BTreeSet<&ColumnName> {
    history.changes().iter().flat_map(|change| &change.ops).filter_map(Op::column).collect()
}
