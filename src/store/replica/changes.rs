//! What a step changes of the rows that an app reads: the one place where it is known.

use super::tables::Place;
use crate::sync::StoredRow;

/// The rows that a step wrote or removed, before and after it.
pub(super) struct RowChanges<'b> {
    /// In the order in which they were written, until they are sorted.
    rows: Vec<(&'b Place, RowChange<'b>)>,
}

/// A row before and after a step; `None`: it was not there. It may be as it was.
pub(super) struct RowChange<'b> {
    pub(super) before: Option<StoredRow>,
    pub(super) after: Option<&'b StoredRow>,
}

impl<'b> RowChanges<'b> {
    pub(super) fn with_room(rows: usize) -> Self {
        Self { rows: Vec::with_capacity(rows) }
    }

    /// Notes what was written.
    pub(super) fn add(
        &mut self,
        place: &'b Place,
        before: Option<StoredRow>,
        after: Option<&'b StoredRow>,
    ) {
        self.rows.push((place, RowChange { before, after }));
    }

    /// One for each row, in their order: what it was before the step, and is after it.
    pub(super) fn sorted(mut self) -> Self {
        self.rows.sort_by_key(|(place, _)| *place);
        self.rows.dedup_by(|(later, now), (place, change)| {
            let is_same = later == place;
            if is_same {
                change.after = now.after;
            }
            is_same
        });
        self
    }

    /// All changes.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'b Place, &RowChange<'b>)> {
        self.rows.iter().map(|(place, change)| (*place, change))
    }

    /// The change of a row, where they are sorted.
    pub(super) fn get(&self, place: &Place) -> Option<&RowChange<'b>> {
        let at = self.rows.binary_search_by_key(&place, |(place, _)| *place).ok()?;
        self.rows.get(at).map(|(_, change)| change)
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
