//! What a step changed is looked at, and nothing else: each such row is asked whether it is meant, and
//! where it stands. Only where that is not enough is the query run afresh.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Differences;
use super::kept::{Kept, Place, Shown, with_spare};
use super::stirred::Stirred;
use crate::limits::WATCH_CLOCK;
use crate::model::{RecordId, TableName};
use crate::query::{Bookmark, BoundQuery, CheckedView, SortKey};
use crate::replica::looked_up::{JoinedRow, LookedUp};
use crate::replica::run_query::Run;
use crate::replica::sight::Sight;
use crate::replica::{QueryError, Replica, Row, RowQuery, Subscription, ViewQuery, ViewRow};
use crate::sync::StoreError;

/// A query that has a live result.
pub(super) trait Question {
    /// What it shows of a row.
    type Item: Clone + PartialEq;
    /// What it shows of rows.
    type Shows;

    fn rows(&self) -> &RowQuery;

    fn asked(&self, sight: &Sight) -> Result<(Self::Shows, BoundQuery), QueryError>;

    fn show(
        shows: &Self::Shows,
        row: Row,
        looked_up: &mut LookedUp<'_>,
    ) -> Result<Self::Item, StoreError>;
}

impl Question for RowQuery {
    type Item = Row;
    type Shows = ();

    fn rows(&self) -> &RowQuery {
        self
    }

    fn asked(&self, sight: &Sight) -> Result<((), BoundQuery), QueryError> {
        Ok(((), self.bound(sight)?))
    }

    fn show((): &(), row: Row, _: &mut LookedUp<'_>) -> Result<Row, StoreError> {
        Ok(row)
    }
}

impl Question for ViewQuery {
    type Item = ViewRow;
    type Shows = CheckedView;

    fn rows(&self) -> &RowQuery {
        self.row_query()
    }

    fn asked(&self, sight: &Sight) -> Result<(CheckedView, BoundQuery), QueryError> {
        self.bound(sight)
    }

    fn show(
        view: &CheckedView,
        row: Row,
        looked_up: &mut LookedUp<'_>,
    ) -> Result<ViewRow, StoreError> {
        ViewRow::of(view, row, looked_up)
    }
}

/// A live result.
pub(super) struct Live<Q: Question> {
    question: Q,
    replica: Replica,
    stirred: Arc<Stirred>,
    _subscription: Subscription,
    /// What was asked last; `None`: it is to be asked afresh.
    asked: Option<Asked<Q>>,
    kept: Kept<Q::Item>,
}

/// A question, by the schema and the privileges of a moment.
struct Asked<Q: Question> {
    sight: Arc<Sight>,
    query: Arc<BoundQuery>,
    shows: Q::Shows,
}

impl<Q: Question> std::fmt::Debug for Live<Q> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}

impl<Q: Question> Live<Q> {
    pub(super) fn new(question: Q) -> Result<Self, QueryError> {
        let replica = question.rows().replica.clone();
        let stirred = Arc::new(Stirred::default());
        let noting = Arc::clone(&stirred);
        let subscription = replica.subscribe(Box::new(move |event| noting.note(event)));
        let kept = Kept::new(question.rows().limit_of());
        let mut live =
            Self { question, replica, stirred, _subscription: subscription, asked: None, kept };
        live.look()?;
        Ok(live)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &Q::Item> {
        self.kept.shown()
    }

    pub(super) async fn next(&mut self) -> Result<Differences<Q::Item>, QueryError> {
        loop {
            let differences = self.look()?;
            if !differences.is_empty() {
                return Ok(differences);
            }
            let follows_clock = self.question.rows().follows_clock();
            if follows_clock && self.asked.as_ref().is_some_and(|it| it.query.asks_time()) {
                // Rows come and go as time passes.
                let waited = tokio::time::timeout(WATCH_CLOCK, self.stirred.wait()).await;
                self.asked = self.asked.take().filter(|_| waited.is_ok());
            } else {
                self.stirred.wait().await;
            }
        }
    }

    /// What became of the result since the last look.
    pub(super) fn look(&mut self) -> Result<Differences<Q::Item>, QueryError> {
        // An error on the way leaves nothing asked, and the next look begins afresh.
        if let Some(asked) = self.asked.take()
            && let Some(records) = self.stirred.take()
            && let Some(differences) = self.follow(&asked, &records)?
        {
            self.asked = Some(asked);
            return Ok(differences);
        }
        self.ask()
    }

    /// Looks at what changed; `None`: that is not enough.
    fn follow(
        &mut self,
        asked: &Asked<Q>,
        records: &BTreeMap<RecordId, TableName>,
    ) -> Result<Option<Differences<Q::Item>>, QueryError> {
        let mut touched = BTreeSet::new();
        for (record, table) in records {
            if table == asked.query.table() {
                touched.insert(*record);
            }
            if asked.query.looks_up(table) {
                if asked.query.is_decided_by_looked_up() {
                    // Others may be meant now.
                    return Ok(None);
                }
                touched.extend(self.kept.leaning_on(*record));
            }
        }
        let after = self.question.rows().after_of();
        let snapshot = self.replica.shared.reader.snapshot()?;
        let mut run = Run::new(&asked.query, &snapshot, &asked.sight)?;
        let mut now = Vec::with_capacity(touched.len());
        for record in touched {
            let found = run.ask(record)?.filter(|(key, _)| {
                after.is_none_or(|after| asked.query.compare(key, after.key()).is_gt())
            });
            let shown =
                found.map(|(key, row)| asked.show(key, row, run.looked_up())).transpose()?;
            now.push((record, shown));
        }
        Ok(self.kept.follow(now))
    }

    /// Asks the whole question.
    fn ask(&mut self) -> Result<Differences<Q::Item>, QueryError> {
        self.stirred.begin();
        let sight = self.replica.shared.sight();
        let (shows, query) = self.question.asked(&sight)?;
        self.stirred.follow(query.tables());
        let asked = Asked { sight, query: Arc::new(query), shows };
        let rows = self.question.rows();
        if let Some(after) = rows.after_of() {
            asked.query.accept(after)?;
        }
        let limit = rows.limit_of().map_or(usize::MAX, with_spare);
        let snapshot = self.replica.shared.reader.snapshot()?;
        let mut run = Run::new(&asked.query, &snapshot, &asked.sight)?;
        let after = rows.after_of().map(Bookmark::key);
        let (all, last) = run.read(after, limit, &mut |mut row, looked_up| {
            let joined = &mut JoinedRow { row: &mut row, looked_up };
            let key = asked.query.sort_key(joined.row.id, joined)?;
            asked.show(key, row, looked_up)
        })?;
        let differences = self.kept.replace(all, last.is_none());
        self.asked = Some(asked);
        Ok(differences)
    }
}

impl<Q: Question> Asked<Q> {
    fn show(
        &self,
        key: SortKey,
        mut row: Row,
        looked_up: &mut LookedUp<'_>,
    ) -> Result<(Place, Shown<Q::Item>), StoreError> {
        let leads_to = JoinedRow { row: &mut row, looked_up }.leads_to()?;
        let item = Q::show(&self.shows, row, looked_up)?;
        let place = Place { key: Arc::new(key), query: Arc::clone(&self.query) };
        Ok((place, Shown { item, leads_to }))
    }
}
