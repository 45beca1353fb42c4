//! New generations: a section written anew as one change that says all that it holds, in place of
//! its history. What was overwritten or taken out is in it no more.

use super::{CrdtError, Record};
use crate::limits::{CHANGE_OPS_MAX, COUNTER_STEP_MAX, EDIT_BYTES_MAX};
use crate::model::{
    ActorId, Change, ChangeRef, ColumnName, Columns, Op, Section, Timestamp, Value, check_extent,
};

/// So many bytes of values are sent again at the most for each change that is forgotten.
const BYTES_PER_CHANGE: usize = 64;

impl Record {
    /// Whether all that an earlier state held is still in the histories.
    #[must_use]
    pub fn goes_on_from(&self, earlier: &Self) -> bool {
        earlier
            .sections()
            .all(|(section, history)| history.heads().iter().all(|head| self.holds(section, *head)))
    }

    /// The sections of columns whose histories have more changes than `max`, and enough of them to
    /// be worth saying again what the section holds.
    #[must_use]
    pub fn grown(&self, max: usize) -> Vec<Section> {
        let is_grown = |section: &Section, changes: usize| {
            changes > max && changes * BYTES_PER_CHANGE >= self.bytes_in(section)
        };
        let grown = self.sections().filter(|(section, history)| {
            **section != Section::Header && is_grown(section, history.changes().len())
        });
        grown.map(|(section, _)| section.clone()).collect()
    }

    /// Of one section alone: nothing that happens to others may depend on it.
    fn bytes_in(&self, section: &Section) -> usize {
        let is_in = |column: &ColumnName| match section {
            Section::Secured(secured) => secured == column,
            _ => self.section(&Section::Secured(column.clone())).is_none(),
        };
        let columns = self.columns().iter().filter(|(column, _)| is_in(column));
        columns.map(|(_, value)| value.size()).sum()
    }

    /// The change with which `actor`, who writes nothing else, begins a new generation of a section;
    /// see [`Change::begins_generation`]. Of values side by side the one that counts stays. `None`:
    /// the section holds nothing, or more than one change may say.
    ///
    /// # Errors
    /// The history is not one that Tidegate wrote.
    pub fn new_generation(
        &self,
        section: &Section,
        actor: ActorId,
        time: Timestamp,
    ) -> Result<Option<Change>, CrdtError> {
        let columns = self.document(section)?.columns()?;
        let ops = from_nothing(&columns);
        let bytes: usize = ops.iter().map(Op::size).sum();
        let fits = ops.len() <= CHANGE_OPS_MAX && bytes <= EDIT_BYTES_MAX;
        if ops.is_empty() || !fits || check_extent(&ops).is_err() {
            return Ok(None);
        }
        let id = ChangeRef { actor, seq: 1 };
        Ok(Some(Change { section: section.clone(), id, time, deps: Vec::new(), ops }))
    }
}

/// The operations that make these values where there are none.
fn from_nothing(columns: &Columns) -> Vec<Op> {
    let make = |(column, value): (&ColumnName, &Value)| match value {
        // To put it would undo what others add to a column in which they saw nothing yet.
        Value::Counter(by) if by.unsigned_abs() <= COUNTER_STEP_MAX => {
            vec![Op::Increment { column: column.clone(), by: *by }]
        }
        Value::Null => vec![Op::Put { column: column.clone(), value: Value::Null }],
        value => Op::difference(column, &Value::Null, value),
    };
    columns.iter().flat_map(make).collect()
}
