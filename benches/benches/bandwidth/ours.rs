//! Tidegate itself: a server over QUIC on loopback, and replicas with files on the disk. Bytes are those of
//! UDP packets without their headers, both ways.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tidegate::model::{ColumnName, Op, TableName, Value};
use tidegate::replica::{Import, ImportSource, Settled};
use tidegate::server::{Home, InitOptions, Limits, Server, ServerOptions};
use tidegate::sync::replica::{Draft, Event, Intent};
use tidegate::{RecordId, Replica, SyncGuard, SyncOptions};

use crate::Outcome;
use crate::relay::Relay;
use crate::work::{Edit, Records, Work, schema_columns};

/// Authors who have a part of the records each.
pub(crate) const AUTHORS: usize = 50;
/// So many sessions with nothing to say are counted.
const IDLE_SESSIONS: usize = 5;
/// Rows of one durable step, as an import has them.
const STEP_ROWS: usize = 1_000;

/// A server in a folder.
pub(crate) struct Place {
    dir: PathBuf,
    home: Home,
    server: Server,
}

/// A replica, and what passes between it and the server.
pub(crate) struct Device {
    pub(crate) replica: Replica,
    relay: Relay,
}

/// What a case cost: catching up, sending with all verdicts, and a session with nothing to say.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) downlink: u64,
    pub(crate) uplink: u64,
    /// None where the connection was there already.
    pub(crate) handshake: Option<u64>,
}

impl Place {
    pub(crate) fn start(dir: &Path, schema: &str, policy: &str) -> Outcome<Self> {
        std::fs::create_dir_all(dir)?;
        let write = |name: &str, text: &str| -> Outcome<PathBuf> {
            let path = dir.join(name);
            std::fs::write(&path, text)?;
            Ok(path)
        };
        let options = InitOptions {
            schema: Some(write("schema.toml", schema)?),
            policy: Some(write("policy.toml", policy)?),
            ..InitOptions::default()
        };
        let home = Home::init(&dir.join("server"), &options)?;
        let options = ServerOptions {
            goes_on: false,
            listen: "127.0.0.1:0".parse()?,
            file: &home.data_file(),
            identity: home.identity(),
            tls_key: home.tls_key().clone(),
            rules: home.rules()?,
        };
        // All devices of the bench come from one address.
        let limits = Limits { handshakes_per_address: 1_000_000, ..Limits::default() };
        let server = Server::start_within(options, limits)?;
        Ok(Self { dir: dir.to_owned(), home, server })
    }

    /// A new device of this user, which takes along what there is.
    pub(crate) async fn enroll(&self, user: &str) -> Outcome<Device> {
        let relay = Relay::before(self.server.local_addr()?).await?;
        let at = vec![relay.address.to_string()];
        let code = self.home.enroll_code_at(at, &user.parse()?, 3_600_000)?;
        let replica = Replica::builder(self.dir.join(format!("{user}.redb"))).open()?;
        replica.enroll(&code, user).await?;
        Ok(Device { replica, relay })
    }

    pub(crate) async fn stop(self) {
        self.server.stop().await;
    }
}

impl Device {
    /// A session to its end: its bytes.
    pub(crate) async fn session(&self) -> Outcome<u64> {
        let traffic = self.replica.sync().await?.traffic;
        Ok(traffic.sent_bytes + traffic.received_bytes)
    }

    /// What sessions cost beyond one with nothing to say; and that.
    pub(crate) async fn beyond_idle(&self) -> Outcome<Beyond<'_>> {
        // Up to date first: others may have edited what it reads.
        self.session().await?;
        // Under load something is sent twice now and then: the least of some is what it takes.
        let mut idle = u64::MAX;
        for _ in 0..IDLE_SESSIONS {
            idle = idle.min(self.session().await?);
        }
        Ok(Beyond { device: self, idle })
    }

    /// Stays connected from now on, and is up to date.
    pub(crate) async fn live(&self) -> Outcome<SyncGuard> {
        let mut events = self.replica.events();
        let guard = self.replica.start_sync(SyncOptions::live());
        while events.recv().await? != Event::Open {}
        self.replica.sync().await?;
        Ok(guard)
    }

    /// What passed so far on all connections, once the line is quiet.
    pub(crate) async fn passed(&self) -> u64 {
        self.relay.bytes().await
    }

    /// Makes an edit in a step of its own.
    pub(crate) async fn commit(&self, draft: Draft) -> Outcome<()> {
        self.replica.commit(vec![draft]).await?;
        Ok(())
    }

    /// Makes an edit and waits until it counts.
    pub(crate) async fn settle(&self, draft: Draft) -> Outcome<()> {
        let settled = self.replica.commit(vec![draft]).await?.settled().await?;
        match settled.as_slice() {
            [(_, Settled::Admitted)] => Ok(()),
            other => Err(format!("an edit does not count: {other:?}").into()),
        }
    }
}

/// A device whose idle session is known.
pub(crate) struct Beyond<'a> {
    device: &'a Device,
    pub(crate) idle: u64,
}

impl Beyond<'_> {
    /// A session in which something is said.
    pub(crate) async fn session(&self) -> Outcome<u64> {
        Ok(self.device.session().await?.saturating_sub(self.idle))
    }
}

/// Records that all know: a dispatcher who may edit all, authors who may edit their own, and one who reads.
pub(crate) struct Office {
    place: Place,
    pub(crate) dispatcher: Device,
    pub(crate) authors: Vec<Device>,
    pub(crate) reader: Device,
    table: TableName,
}

impl Office {
    pub(crate) async fn start(dir: &Path, records: &Records) -> Outcome<Self> {
        let schema = format!(
            "[[table]]\nid = \"order\"\nownership = \"user_owned\"\ncolumns = [\n{}]\n",
            schema_columns()
        );
        let names: Vec<_> = (0..AUTHORS).map(|author| format!("a{author:02}")).collect();
        let user = |name: &str, role: &str| {
            format!("[[user]]\nid = \"{name}\"\nbusiness_unit = \"root\"\nroles = [\"{role}\"]\n")
        };
        let mut policy = "[[business_unit]]\nid = \"root\"\n".to_owned();
        policy += &user("dispatcher", "system_administrator");
        policy += &user("reader", "reader");
        policy.extend(names.iter().map(|name| user(name, "author")));
        policy += "[[role]]\nid = \"reader\"\n[role.rights.order]\nread = \"organization\"\n";
        policy +=
            "[[role]]\nid = \"author\"\n[role.rights.order]\nread = \"user\"\nwrite = \"user\"\n";
        let place = Place::start(dir, &schema, &policy)?;
        let dispatcher = place.enroll("dispatcher").await?;
        let table: TableName = "order".parse()?;
        let import = Import { table: table.clone(), rename: BTreeMap::new(), ignore: Vec::new() };
        let csv = records.csv(|record| format!("a{:02}", Records::owner(record, AUTHORS)));
        let source = ImportSource::Csv(csv.as_slice());
        let report = dispatcher.replica.import(&import, source, |_| {}).await?;
        if let Some(bad) = report.bad_lines.first() {
            return Err(format!("line {}: {}", bad.line, bad.error).into());
        }
        dispatcher.session().await?;
        let reader = place.enroll("reader").await?;
        let mut authors = Vec::new();
        for name in &names {
            authors.push(place.enroll(name).await?);
        }
        Ok(Self { place, dispatcher, authors, reader, table })
    }

    pub(crate) async fn stop(self) {
        self.place.stop().await;
    }

    fn drafts(&self, work: &Work) -> Outcome<Vec<(usize, Draft)>> {
        work.edits.iter().map(|edit| Ok((edit.author, self.draft(work, edit)?))).collect()
    }

    fn draft(&self, work: &Work, edit: &Edit) -> Outcome<Draft> {
        let ops = edit.puts.iter().map(|put| {
            let (column, value) = self.value(work, put.column, put.value.as_ref())?;
            Outcome::Ok(Op::Put { column, value })
        });
        let intent = Intent::Ops(ops.collect::<Outcome<_>>()?);
        let record = RecordId::from_bytes(work.id(edit.record));
        Ok(Draft { table: self.table.clone(), record, intent })
    }

    fn value(
        &self,
        work: &Work,
        column: usize,
        value: Option<&serde_json::Value>,
    ) -> Outcome<(ColumnName, Value)> {
        let schema = self.dispatcher.replica.known_schema();
        let table = schema.table(self.table.as_str()).ok_or("the table is there")?;
        let column = table.column(work.column(column)).ok_or("the column is there")?;
        let value = column.parse_json(&schema, value.unwrap_or(&serde_json::Value::Null))?;
        Ok((column.id.clone(), value))
    }

    /// Each edit alone, on connections that are open; the mean of them.
    pub(crate) async fn live(&self, work: &Work) -> Outcome<Cost> {
        let guards = (self.dispatcher.live().await?, self.reader.live().await?);
        let drafts = self.drafts(work)?;
        let count = drafts.len() as u64;
        let (up, down) = (self.dispatcher.passed().await, self.reader.passed().await);
        for (_, draft) in drafts {
            self.dispatcher.settle(draft).await?;
            self.dispatcher.passed().await;
            self.reader.passed().await;
        }
        let uplink = (self.dispatcher.passed().await - up) / count;
        let downlink = (self.reader.passed().await - down) / count;
        self.check(work)?;
        drop(guards);
        Ok(Cost { downlink, uplink, handshake: None })
    }

    /// Edits made apart, each in a step of its own (or many in one), then pushed by each author; then the reader catches up.
    pub(crate) async fn catch_up(&self, work: &Work, who: Who) -> Outcome<Cost> {
        let authors: Vec<_> = match who {
            Who::Dispatcher | Who::InBulk => vec![&self.dispatcher],
            Who::Authors => self.authors.iter().collect(),
        };
        let mut of_authors: BTreeMap<usize, Vec<Draft>> = BTreeMap::new();
        for (author, draft) in self.drafts(work)? {
            of_authors.entry(author).or_default().push(draft);
        }
        let reader = self.reader.beyond_idle().await?;
        let mut uplink = 0;
        for (author, mut drafts) in of_authors {
            let device = authors.get(author).ok_or("there is such an author")?;
            let beyond = device.beyond_idle().await?;
            let at_once = if who == Who::InBulk { STEP_ROWS } else { 1 };
            while !drafts.is_empty() {
                let rest = drafts.split_off(at_once.min(drafts.len()));
                device.replica.commit(std::mem::replace(&mut drafts, rest)).await?;
            }
            uplink += beyond.session().await?;
        }
        let downlink = reader.session().await?;
        self.check(work)?;
        Ok(Cost { downlink, uplink, handshake: Some(reader.idle) })
    }

    /// The reader has what was done.
    fn check(&self, work: &Work) -> Outcome<()> {
        for edit in &work.edits {
            let record = RecordId::from_bytes(work.id(edit.record));
            let row = self.reader.replica.get_confirmed(&self.table, record)?;
            let row = row.ok_or_else(|| format!("the reader lacks {record}"))?;
            for put in &edit.puts {
                let (column, value) = self.value(work, put.column, put.value.as_ref())?;
                if *row.get(column.as_str()) != value {
                    return Err(format!("the reader has another {column} of {record}").into());
                }
            }
        }
        Ok(())
    }
}

/// Who edits in a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Dispatcher,
    /// The dispatcher, a thousand rows in a step.
    InBulk,
    Authors,
}
