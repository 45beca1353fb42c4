//! What a live result costs over 100,000 rows, a third of which it holds: at an edit of a row that it
//! holds, at one of a row that it does not, and at a sync that brings 1,000 rows; beside the same without
//! it. What is timed ends when the differences are there.

use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use tidegate::replica::{Draft, Intent};
use tidegate::server::{Home, InitOptions, Server};
use tidegate::{Direction, Replica, TableName};
use tidegate_benches::{Line, ROWS, median};
use tokio::runtime::Runtime;

use super::{Outcome, SCHEMA, columns, expect, fill, order_id, runtime, text};

const EDITS: u32 = 41;
const SYNCS: u32 = 7;
/// Rows that a sync brings.
const BROUGHT: u32 = 1_000;

const POLICY: &str = r#"
[[business_unit]]
id = "root"
[[user]]
id = "ann"
business_unit = "root"
roles = ["clerk"]
[[role]]
id = "clerk"
[role.rights.work_order]
create = "organization"
read = "organization"
write = "organization"
append = "organization"
[role.rights.customer]
create = "organization"
read = "organization"
append_to = "organization"
"#;

/// A server, a device that watches, and one that edits the same rows.
struct Office {
    runtime: Runtime,
    orders: TableName,
    watching: Replica,
    other: Replica,
    _server: Server,
}

impl Office {
    fn open(dir: &Path) -> Outcome<Self> {
        let write = |name: &str, text: &str| {
            let path = dir.join(name);
            std::fs::write(&path, text).map(|()| Some(path))
        };
        let options = InitOptions {
            listen: Some("127.0.0.1:0".parse()?),
            schema: write("schema.toml", SCHEMA)?,
            policy: write("policy.toml", POLICY)?,
            ..InitOptions::default()
        };
        let (home, runtime) = (Home::init(&dir.join("server"), &options)?, runtime()?);
        let inside = runtime.enter();
        let server = home.serve(home.rules()?)?;
        let device = |name: &str| -> Outcome<Replica> {
            let replica = Replica::builder(dir.join(name)).open()?;
            let addresses = vec![server.local_addr()?.to_string()];
            let code = home.enroll_code_at(addresses, &"ann".parse()?, 60_000)?;
            runtime.block_on(replica.enroll(&code, name))?;
            Ok(replica)
        };
        let (watching, other) = (device("watching")?, device("other")?);
        fill(&watching, &runtime)?;
        runtime.block_on(async {
            watching.sync().await?;
            other.sync().await
        })?;
        drop(inside);
        Ok(Self { runtime, orders: "work_order".parse()?, watching, other, _server: server })
    }

    /// Gives orders other titles.
    fn edit(&self, replica: &Replica, numbers: Range<u32>, title: &str) -> Outcome<()> {
        let draft = |n| {
            let columns = columns([("title", text(title))])?;
            let intent = Intent::Set(columns);
            Ok(Draft { table: self.orders.clone(), record: order_id(n), intent })
        };
        let drafts = numbers.map(draft).collect::<Outcome<_>>()?;
        Ok(self.runtime.block_on(replica.commit(drafts)).map(drop)?)
    }

    /// Does something without a live result and with one, in turns; `changes`: how many of its rows are
    /// others then.
    fn race(
        &self,
        what: &str,
        turns: u32,
        changes: usize,
        prepare: impl Fn(u32) -> Outcome<()>,
        work: impl Fn(u32) -> Outcome<()>,
    ) -> Outcome<Line> {
        let (mut alone, mut watched, mut differences) = (Vec::new(), Vec::new(), Vec::new());
        for turn in 0..turns {
            prepare(2 * turn)?;
            alone.push(timed(|| work(2 * turn))?);
            let open = self.watching.query(&self.orders).filter("status = 'open'");
            let mut live = open.order_by("number", Direction::Asc).watch()?;
            prepare(2 * turn + 1)?;
            let worked = timed(|| work(2 * turn + 1))?;
            let looked = timed(|| expect(live.poll()?.changed.len(), changes))?;
            watched.push(worked + looked);
            differences.push(looked);
        }
        let times = [("watched", watched), ("not", alone), ("differences", differences)];
        let times_us = times.into_iter().map(|(who, times)| (who, median(times))).collect();
        Ok(Line { what: what.to_owned(), times_us, bound: None })
    }
}

/// How long it takes, in microseconds.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn timed(work: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64() * 1e6)
}

pub(super) fn lines() -> Outcome<Vec<Line>> {
    let dir = tempfile::tempdir()?;
    let office = Office::open(dir.path())?;
    // Each third order is open, and the ones between are not.
    let place = |turn: u32| (turn * 3_001) % (ROWS / 3) * 3;
    let edit = |n, turn| office.edit(&office.watching, n..n + 1, &format!("edit {turn} of {n}"));
    let nothing = |_| Ok(());
    let brought = |turn: u32| {
        let from = place(turn).min((ROWS - BROUGHT) / 3 * 3);
        office.edit(&office.other, from..from + BROUGHT, &format!("brought {turn}"))?;
        office.runtime.block_on(office.other.sync())?;
        Ok(())
    };
    let sync = |_| Ok(office.runtime.block_on(office.watching.sync()).map(drop)?);
    let lines = vec![
        office.race("edit of a row it holds", EDITS, 1, nothing, |turn| edit(place(turn), turn))?,
        office
            .race("edit of another row", EDITS, 0, nothing, |turn| edit(place(turn) + 1, turn))?,
    ];
    // So that each sync has the same to do.
    sync(0)?;
    let held = BROUGHT.div_ceil(3) as usize;
    let third = office.race("sync of 1,000 rows", SYNCS, held, brought, sync)?;
    Ok(lines.into_iter().chain([third]).collect())
}
