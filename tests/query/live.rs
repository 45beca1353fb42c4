//! Live results of random queries: asked afresh they are the same, and their differences add up.

use std::collections::BTreeMap;

use tidegate::Row;
use tidegate::model::RecordId;
use tidegate::replica::{Differences, RowQuery, RowWatch};

use super::rng::Rng;
use super::sqlite::Pair;

const SCHEMAS: u64 = 8;
const QUERIES: usize = 25;
const CHANGES: usize = 20;

struct Live {
    query: RowQuery,
    watch: RowWatch,
    rows: BTreeMap<RecordId, Row>,
}

impl Live {
    /// Whole, the first rows, or the first behind a bookmark.
    fn new(rng: &mut Rng, pair: &Pair) -> Self {
        let (mut query, _) = pair.query(rng);
        if rng.chance(70) {
            query = query.limit(1 + rng.below(6));
            let next = query.read().unwrap().next;
            if let Some(next) = next.filter(|_| rng.chance(30)) {
                query = query.after(&next);
            }
        }
        let watch = query.watch().unwrap();
        let rows = watch.rows().map(|row| (row.id, row.clone())).collect();
        Self { query, watch, rows }
    }

    /// How many differences there were.
    fn check(&mut self) -> usize {
        let Differences { added, changed, removed } = self.watch.poll().unwrap();
        let count = added.len() + changed.len() + removed.len();
        for id in removed {
            assert!(self.rows.remove(&id).is_some(), "{id} was not there: {:?}", self.query);
        }
        for row in added {
            let was = self.rows.insert(row.id, row);
            assert_eq!(was, None, "it was there: {:?}", self.query);
        }
        for row in changed {
            assert_ne!(self.rows.get(&row.id), None, "it was not there: {:?}", self.query);
            self.rows.insert(row.id, row);
        }
        let fresh = self.query.rows().unwrap();
        assert!(self.watch.rows().eq(&fresh), "{:?}", self.query);
        let fresh: BTreeMap<_, _> = fresh.into_iter().map(|row| (row.id, row)).collect();
        assert_eq!(self.rows, fresh, "{:?}", self.query);
        assert!(self.watch.poll().unwrap().is_empty());
        count
    }
}

#[tokio::test]
async fn a_live_result_is_the_query_asked_afresh_and_its_differences_add_up() {
    let mut differences = 0;
    for seed in 0..SCHEMAS {
        println!("seed {seed}");
        let mut rng = Rng::new(seed);
        let mut pair = Pair::new(&mut rng).await;
        let mut all: Vec<_> = (0..QUERIES).map(|_| Live::new(&mut rng, &pair)).collect();
        for _ in 0..CHANGES {
            let rows = 1 + rng.below(30);
            pair.change(&mut rng, rows).await;
            differences += all.iter_mut().map(Live::check).sum::<usize>();
        }
    }
    println!("{differences} differences");
    assert!(differences > 1_000, "{differences}");
}
