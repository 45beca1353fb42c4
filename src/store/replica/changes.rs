//! What a step changes of the rows that an app reads: the one place where it is known.

use std::collections::BTreeMap;

use super::tables::Place;
use crate::sync::StoredRow;

/// The rows that a step wrote or removed, before and after it.
pub(super) struct RowChanges<'b> {
    /// One for each row that the step names, also where it is as it was.
    rows: BTreeMap<&'b Place, RowChange<'b>>,
}

/// A row before and after a step; `None`: it was not there.
pub(super) struct RowChange<'b> {
    pub(super) before: Option<StoredRow>,
    pub(super) after: Option<&'b StoredRow>,
}

impl<'b> RowChanges<'b> {
    pub(super) fn new() -> Self {
        Self { rows: BTreeMap::new() }
    }

    /// Notes what was written in the order in which it was.
    pub(super) fn add(
        &mut self,
        place: &'b Place,
        before: Option<StoredRow>,
        after: Option<&'b StoredRow>,
    ) {
        let change = self.rows.entry(place).or_insert(RowChange { before, after });
        change.after = after;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'b Place, &RowChange<'b>)> {
        self.rows.iter().map(|(place, change)| (*place, change))
    }

    pub(super) fn get(&self, place: &Place) -> Option<&RowChange<'b>> {
        self.rows.get(place)
    }

    /// The rows that were there and held other values.
    pub(super) fn into_replaced(self) -> Vec<(Place, StoredRow)> {
        let replaced = |(place, change): (&Place, RowChange<'_>)| {
            let was = change.before?;
            let is_same = change
                .after
                .is_some_and(|row| row.header == was.header && row.columns == was.columns);
            (!is_same).then(|| (place.clone(), was))
        };
        self.rows.into_iter().filter_map(replaced).collect()
    }
}
