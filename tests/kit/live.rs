//! Live results through all that happens to an app: edits, syncs, denials, purges, other rules, crashes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;

use tidegate::replica::{
    Differences, QueryError, RowQuery, RowWatch, ViewQuery, ViewRow, ViewWatch,
};
use tidegate::{Direction, RecordId, Replica, Row};

use crate::rich::{SCHEMA, kit, rename};

const MORE: &str = r#"
[[view]]
id = "newest"
table = "visit"
columns = ["status", "customer.name as customer", "cost", "owner"]
filter = "status like 'step%' or status = 'new'"
order = "photos desc, status"
"#;

/// With indexes that serve some of what is watched.
fn schema(indexed: bool) -> String {
    let declared = r#"indexes = [["status"], ["customer"], ["photos", "status"]]
columns = [
  { id = "customer""#;
    let schema = if indexed {
        SCHEMA.replace("columns = [\n  { id = \"customer\"", declared)
    } else {
        SCHEMA.to_owned()
    };
    assert_eq!(indexed, schema.contains("indexes"));
    schema + MORE
}

type Error = Box<dyn std::error::Error>;

/// A live result, and what its differences add up to.
struct Followed<Q, W, R> {
    query: Q,
    watch: W,
    rows: BTreeMap<RecordId, R>,
}

fn apply<R: Clone + PartialEq + Debug>(
    rows: &mut BTreeMap<RecordId, R>,
    differences: Differences<R>,
    id: impl Fn(&R) -> RecordId,
) -> Result<(), Error> {
    for record in differences.removed {
        rows.remove(&record).ok_or("a row is removed that was not there")?;
    }
    for row in differences.added {
        let before = rows.insert(id(&row), row);
        before.map_or(Ok(()), |row| Err(format!("{row:?} is added, and was there")))?;
    }
    for row in differences.changed {
        rows.insert(id(&row), row).ok_or("a row is changed that was not there")?;
    }
    Ok(())
}

fn assert_equal<'r, R: Clone + PartialEq + Debug + 'r>(
    fresh: &[R],
    live: impl Iterator<Item = &'r R>,
    added_up: &BTreeMap<RecordId, R>,
    id: impl Fn(&R) -> RecordId,
) -> Result<(), Error> {
    let live: Vec<_> = live.cloned().collect();
    if live != fresh {
        return Err(format!("the live result is {live:?}, and asked afresh {fresh:?}").into());
    }
    let fresh: BTreeMap<_, _> = fresh.iter().map(|row| (id(row), row.clone())).collect();
    if *added_up != fresh {
        return Err(format!("the differences make {added_up:?}, and not {fresh:?}").into());
    }
    Ok(())
}

impl Followed<RowQuery, RowWatch, Row> {
    fn of(query: RowQuery) -> Result<Self, QueryError> {
        let watch = query.watch()?;
        let rows = watch.rows().map(|row| (row.id, row.clone())).collect();
        Ok(Self { query, watch, rows })
    }

    fn check(&mut self) -> Result<(), Error> {
        apply(&mut self.rows, self.watch.poll()?, |row| row.id)?;
        assert_equal(&self.query.rows()?, self.watch.rows(), &self.rows, |row| row.id)
    }
}

impl Followed<ViewQuery, ViewWatch, ViewRow> {
    fn of_view(query: ViewQuery) -> Result<Self, QueryError> {
        let watch = query.watch()?;
        let rows = watch.rows().map(|row| (row.id, row.clone())).collect();
        Ok(Self { query, watch, rows })
    }

    fn check_view(&mut self) -> Result<(), Error> {
        apply(&mut self.rows, self.watch.poll()?, |row| row.id)?;
        assert_equal(&self.query.rows()?, self.watch.rows(), &self.rows, |row| row.id)
    }
}

/// All that is watched of one replica.
struct Screen {
    app: Replica,
    rows: Vec<Followed<RowQuery, RowWatch, Row>>,
    views: Vec<Followed<ViewQuery, ViewWatch, ViewRow>>,
}

impl Screen {
    fn of(app: &Replica) -> Result<Self, Error> {
        let visits = || app.query(&"visit".parse().unwrap());
        let rows = [
            visits(),
            visits().filter("status = 'new'"),
            visits().filter("photos >= 2").order_by("photos", Direction::Desc).limit(2),
            visits().order_by("status", Direction::Asc).limit(3),
            visits().filter("customer.name = 'acme'"),
            visits().order_by("customer.name", Direction::Asc).limit(3),
            visits().filter("cost < 50 or cost is null"),
            visits().filter("owner = me()"),
            app.query(&"customer".parse().unwrap()).order_by("name", Direction::Asc),
        ];
        let views = [app.view("newest")?, app.view("newest")?.limit(2)];
        Ok(Self {
            app: app.clone(),
            rows: rows.into_iter().map(Followed::of).collect::<Result<_, _>>()?,
            views: views.into_iter().map(Followed::of_view).collect::<Result<_, _>>()?,
        })
    }

    fn check(&mut self) -> Result<(), Error> {
        self.rows.iter_mut().try_for_each(Followed::check)?;
        self.views.iter_mut().try_for_each(Followed::check_view)
    }
}

/// Replicas that are not used any more are forgotten when there are more than so many.
const SCREENS_MAX: usize = 8;

thread_local! {
    static SCREENS: RefCell<Vec<Screen>> = const { RefCell::new(Vec::new()) };
}

fn screens_hold(app: &Replica) -> Result<(), Error> {
    SCREENS.with_borrow_mut(|screens| {
        let at = screens.iter().position(|screen| screen.app.is_same(app));
        let mut screen = match at {
            Some(at) => screens.remove(at),
            None => Screen::of(app)?,
        };
        screen.check()?;
        screens.push(screen);
        if screens.len() > SCREENS_MAX {
            screens.remove(0);
        }
        Ok(())
    })
}

#[test]
fn a_live_result_is_the_query_asked_afresh_and_its_differences_add_up() {
    for indexed in [false, true] {
        let kit = kit(&schema(indexed))
            .action("rename", 3, rename)
            .always("live results hold", screens_hold);
        let report = kit.run(100..116).unwrap();
        assert!(report.admitted > 50 && report.denied > 0, "{report}");
        assert!(report.changes > 0 && report.restarts > 0, "{report}");
    }
}
