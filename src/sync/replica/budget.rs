//! How much of each table is here, which an offline profile may bound.

use super::{Event, ReplicaMachine};
use crate::model::{Size, TableName};

impl ReplicaMachine {
    /// Notes how much was confirmed of records, and is.
    pub(super) fn note_sizes(&mut self, sizes: Vec<(TableName, Size, Size)>) {
        for (table, before, after) in sizes {
            let size = self.meta.sizes.get(&table).copied().unwrap_or_default();
            match size.plus(after).minus(before) {
                Size::NOTHING => drop(self.meta.sizes.remove(&table)),
                size => drop(self.meta.sizes.insert(table, size)),
            }
        }
    }

    /// Tells the app, once in a session, that there is no room for more.
    pub(super) fn tell_if_spent(&mut self) {
        let spent = self.meta.spent_budget();
        let bytes = self.meta.size().bytes;
        let Some(session) = &mut self.session else { return };
        let was_spent = std::mem::replace(&mut session.is_spent, spent.is_some());
        if let Some(budget) = spent.filter(|_| !was_spent) {
            self.tell(Event::BudgetSpent { bytes, budget });
        }
    }
}
