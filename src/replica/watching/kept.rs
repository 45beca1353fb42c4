//! The rows of a live result, in its order, and a few behind them.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Differences;
use crate::limits::WATCH_SPARE_ROWS_MAX;
use crate::model::RecordId;
use crate::query::{BoundQuery, SortKey};

/// Where a row stands.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) key: Arc<SortKey>,
    pub(super) query: Arc<BoundQuery>,
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        self.query.compare(&self.key, &other.key)
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Place {}

/// A row as it is shown.
#[derive(Debug)]
pub(super) struct Shown<I> {
    pub(super) item: I,
    /// The records that it looks up, there or not.
    pub(super) leads_to: Vec<RecordId>,
}

/// What became of a row; `None`: it is not meant, or not there.
pub(super) type Now<I> = (RecordId, Option<(Place, Shown<I>)>);

type Rows<I> = BTreeMap<RecordId, (Place, Arc<Shown<I>>)>;

/// The rows that are known.
#[derive(Debug)]
pub(super) struct Kept<I> {
    /// So many are shown.
    limit: Option<usize>,
    rows: BTreeMap<Place, Arc<Shown<I>>>,
    places: BTreeMap<RecordId, Place>,
    /// Which rows look up a record.
    leaning: BTreeMap<RecordId, BTreeSet<RecordId>>,
    /// There are rows behind this place that are not known.
    edge: Option<Place>,
    /// What was shown, where that is not to be seen from the rows any more.
    told: Option<Rows<I>>,
}

impl<I: Clone + PartialEq> Kept<I> {
    pub(super) fn new(limit: Option<usize>) -> Self {
        Self {
            limit,
            rows: BTreeMap::new(),
            places: BTreeMap::new(),
            leaning: BTreeMap::new(),
            edge: None,
            told: None,
        }
    }

    /// What is shown, in its order.
    pub(super) fn shown(&self) -> impl Iterator<Item = &I> {
        self.rows.values().take(self.limit.unwrap_or(usize::MAX)).map(|shown| &shown.item)
    }

    /// The rows that look up a record.
    pub(super) fn leaning_on(&self, record: RecordId) -> impl Iterator<Item = RecordId> {
        self.leaning.get(&record).into_iter().flatten().copied()
    }

    /// All rows anew; `is_all`: there are none behind the last.
    pub(super) fn replace(&mut self, all: Vec<(Place, Shown<I>)>, is_all: bool) -> Differences<I> {
        let before = self.told.take().unwrap_or_else(|| self.all_shown());
        *self = Self::new(self.limit);
        for (place, shown) in all {
            self.insert(place, shown);
        }
        self.edge = self.rows.keys().next_back().filter(|_| !is_all).cloned();
        differences(before, self.all_shown())
    }

    /// These rows are so now, or not meant any more; `None`: which others are shown then is not known,
    /// and [`Self::replace`] is to follow.
    pub(super) fn follow(&mut self, now: Vec<Now<I>>) -> Option<Differences<I>> {
        let ids: Vec<_> = now.iter().map(|(id, _)| *id).collect();
        let before = self.shown_of(&ids);
        for (id, shown) in now {
            self.remove(id);
            if let Some((place, shown)) = shown
                && self.edge.as_ref().is_none_or(|edge| place <= *edge)
            {
                self.insert(place, shown);
            }
        }
        if let Some(limit) = self.limit {
            if self.rows.len() < limit && self.edge.is_some() {
                self.told = Some(before);
                return None;
            }
            self.trim(limit);
        }
        Some(differences(before, self.shown_of(&ids)))
    }

    /// Of what is shown, all that these rows may change.
    fn shown_of(&self, ids: &[RecordId]) -> Rows<I> {
        if self.limit.is_some() {
            // Each may make another one come or go at the end.
            return self.all_shown();
        }
        let places = ids.iter().filter_map(|id| Some((*id, self.places.get(id)?)));
        places.filter_map(|(id, at)| Some((id, (at.clone(), self.rows.get(at)?.clone())))).collect()
    }

    fn all_shown(&self) -> Rows<I> {
        let shown = self.rows.iter().take(self.limit.unwrap_or(usize::MAX));
        shown.map(|(place, shown)| (place.key.id(), (place.clone(), Arc::clone(shown)))).collect()
    }

    fn insert(&mut self, place: Place, shown: Shown<I>) {
        let id = place.key.id();
        for record in &shown.leads_to {
            self.leaning.entry(*record).or_default().insert(id);
        }
        self.places.insert(id, place.clone());
        self.rows.insert(place, Arc::new(shown));
    }

    fn remove(&mut self, id: RecordId) {
        let Some(shown) = self.places.remove(&id).and_then(|place| self.rows.remove(&place)) else {
            return;
        };
        for record in &shown.leads_to {
            if let Some(rows) = self.leaning.get_mut(record) {
                rows.remove(&id);
                if rows.is_empty() {
                    self.leaning.remove(record);
                }
            }
        }
    }

    /// Not more rows than are shown, and some to follow.
    fn trim(&mut self, limit: usize) {
        if self.rows.len() <= with_spare(limit).saturating_mul(2) {
            return;
        }
        while self.rows.len() > with_spare(limit)
            && let Some((place, _)) = self.rows.last_key_value()
        {
            let id = place.key.id();
            self.remove(id);
        }
        self.edge = self.rows.keys().next_back().cloned();
    }
}

/// So many rows are kept where so many are shown: when one of these goes, another one follows.
pub(super) fn with_spare(limit: usize) -> usize {
    limit.saturating_add((limit / 2 + 1).min(WATCH_SPARE_ROWS_MAX))
}

fn differences<I: Clone + PartialEq>(mut before: Rows<I>, after: Rows<I>) -> Differences<I> {
    let (mut added, mut changed) = (Vec::new(), Vec::new());
    for (id, (place, shown)) in after {
        match before.remove(&id) {
            None => added.push((place, shown)),
            Some((was, said)) if was.key != place.key || said.item != shown.item => {
                changed.push((place, shown));
            }
            Some(_) => {}
        }
    }
    let in_order = |mut rows: Vec<(Place, Arc<Shown<I>>)>| {
        rows.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        rows.into_iter().map(|(_, shown)| shown.item.clone()).collect()
    };
    let removed = before.into_keys().collect();
    Differences { added: in_order(added), changed: in_order(changed), removed }
}
