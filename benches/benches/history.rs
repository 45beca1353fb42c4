//! One record edited a hundred thousand times: what files, reads and further edits cost on the way,
//! with new generations and without. Two devices and a server over QUIC, on real files.
//!
//! `cargo bench --bench history -- --edits N` takes another number of edits.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tidegate::RecordId;
use tidegate::codec::EnrollCode;
use tidegate::model::{ColumnName, Op, TableName, Value};
use tidegate::replica::Replica;
use tidegate::server::{Home, InitOptions, Limits, Server, ServerOptions};
use tidegate::sync::replica::{Draft, Intent};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const EDITS: usize = 100_000;
/// Without generations each edit costs more than the one before.
const EDITS_WITHOUT: usize = 10_000;
/// Edits between two sessions.
const ROUND: usize = 500;
/// Edits between two backups of the server: devices keep what they made since the last one.
const BACKUP: usize = 5_000;
/// The text stays so long.
const LETTERS: usize = 200;

const SCHEMA: &str = r#"
[[table]]
id = "sheet"
ownership = "user_owned"
columns = [
  { id = "title", type = "text", required = true },
  { id = "text", type = "rich_text" },
  { id = "count", type = "counter" },
]
"#;

const POLICY: &str = r#"
[[business_unit]]
id = "root"
[[user]]
id = "ann"
business_unit = "root"
roles = ["system_administrator"]
"#;

struct World {
    dir: tempfile::TempDir,
    home: Home,
    server: Server,
    address: SocketAddr,
}

impl World {
    fn start(limits: Limits) -> Outcome<Self> {
        let dir = tempfile::tempdir()?;
        let write = |name: &str, text: &str| -> Outcome<PathBuf> {
            let path = dir.path().join(name);
            std::fs::write(&path, text)?;
            Ok(path)
        };
        let options = InitOptions {
            schema: Some(write("schema.toml", SCHEMA)?),
            policy: Some(write("policy.toml", POLICY)?),
            ..InitOptions::default()
        };
        let home = Home::init(&dir.path().join("server"), &options)?;
        let options = ServerOptions {
            goes_on: false,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            file: &home.data_file(),
            identity: home.identity(),
            tls_key: home.tls_key().clone(),
            rules: home.rules()?,
        };
        let server = Server::start_within(options, limits)?;
        let address = server.local_addr()?;
        Ok(Self { dir, home, server, address })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn enroll(&self, name: &str) -> Outcome<Replica> {
        let replica = Replica::builder(self.path(name)).open()?;
        let at = vec![self.address.to_string()];
        let code: EnrollCode = self.home.enroll_code_at(at, &"ann".parse()?, 3_600_000)?;
        replica.enroll(&code, name).await?;
        Ok(replica)
    }
}

fn sheet() -> Outcome<TableName> {
    Ok("sheet".parse()?)
}

fn column(name: &str) -> Outcome<ColumnName> {
    Ok(name.parse()?)
}

/// The edit of this number: a title, some letters in the middle of the text, or one more.
fn draft(number: usize, record: RecordId) -> Outcome<Draft> {
    let op = match number % 3 {
        0 => Op::Put {
            column: column("title")?,
            value: Value::Text(format!("title {number}").into()),
        },
        1 => {
            // As much goes as comes.
            let at = u32::try_from(number % (LETTERS - 10))?;
            Op::Splice {
                column: column("text")?,
                at,
                delete: 5,
                insert: format!("{number:05.5}").chars().take(5).collect(),
            }
        }
        _ => Op::Increment { column: column("count")?, by: 1 },
    };
    Ok(Draft { table: sheet()?, record, intent: Intent::Ops(vec![op]) })
}

fn bytes(path: &Path) -> Outcome<u64> {
    Ok(std::fs::metadata(path)?.len())
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn now() -> Instant {
    Instant::now()
}

/// Prints a line at each of these numbers of edits.
fn marks(edits: usize) -> Vec<usize> {
    [500, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000]
        .into_iter()
        .filter(|mark| *mark < edits)
        .chain([edits])
        .collect()
}

async fn run(edits: usize, limits: Limits) -> Outcome<()> {
    println!(
        "{:>9}  {:>12}  {:>12}  {:>12}  {:>10}  {:>14}",
        "edits", "device file", "its record", "server file", "open+read", "an edit, synced"
    );
    let world = World::start(limits)?;
    let (writer, away) = (world.enroll("writer.redb").await?, world.enroll("away.redb").await?);
    let columns = [
        (column("title")?, Value::Text("title".into())),
        (column("text")?, Value::RichText("a".repeat(LETTERS))),
    ];
    let (record, _) = writer.insert(&sheet()?, columns.into_iter().collect()).await?;
    writer.sync().await?;
    away.sync().await?;
    // It writes, and is not heard of until the end.
    for number in 0..10 {
        let splice = Op::Splice { column: column("text")?, at: 0, delete: 0, insert: "x".into() };
        let count = Op::Increment { column: column("count")?, by: 1_000_000 };
        let op = if number % 2 == 0 { splice } else { count };
        let intent = Intent::Ops(vec![op]);
        away.commit(vec![Draft { table: sheet()?, record, intent }]).await?;
    }
    let mut done = 0;
    for mark in marks(edits) {
        let mut seconds = 0.0;
        let from = done;
        while done < mark {
            let until = (done + ROUND).min(mark);
            let drafts = (done..until).map(|number| draft(number, record));
            let drafts = drafts.collect::<Outcome<Vec<_>>>()?;
            let start = now();
            writer.commit(drafts).await?;
            writer.sync().await?;
            seconds += start.elapsed().as_secs_f64();
            done = until;
            if done % BACKUP == 0 {
                let copy = world.path("backup.redb");
                let _ = std::fs::remove_file(&copy);
                world.server.backup(&copy).await?;
            }
        }
        line(&world, &writer, record, done, seconds / f64::from(u32::try_from(done - from)?))?;
    }
    away.sync().await?;
    writer.sync().await?;
    let (ours, theirs) = (writer.get(&sheet()?, record)?, away.get(&sheet()?, record)?);
    let (Some(ours), Some(theirs)) = (ours, theirs) else { return Err("the row is gone".into()) };
    let count = i64::try_from(edits / 3 + usize::from(edits % 3 > 2))?;
    assert_eq!(ours.get("count"), theirs.get("count"));
    assert_eq!(ours.get("count"), &Value::Counter(5_000_000 + count), "each increment counts once");
    let Value::RichText(text) = ours.get("text") else { return Err("no text".into()) };
    assert!(text.contains("xxxxx"), "what was written while away stands together");
    assert_eq!(ours.get("text"), theirs.get("text"));
    println!("a device that was away all the time: its 10 edits count, both devices agree\n");
    world.server.stop().await;
    Ok(())
}

fn line(world: &World, writer: &Replica, record: RecordId, done: usize, each: f64) -> Outcome<()> {
    let copy = world.path("copy.redb");
    let _ = std::fs::remove_file(&copy);
    writer.backup(&copy)?;
    std::fs::copy(world.path("writer.redb.key"), world.path("copy.redb.key"))?;
    let start = now();
    let opened = Replica::builder(&copy).open()?;
    let row = opened.get(&sheet()?, record)?;
    let read = start.elapsed().as_secs_f64();
    assert!(row.is_some(), "the row is gone");
    drop(opened);
    let kib = |bytes: u64| format!("{} KiB", bytes / 1_024);
    println!(
        "{done:>9}  {:>12}  {:>12}  {:>12}  {:>7.2} ms  {:>11.0} us",
        kib(bytes(&world.path("writer.redb"))?),
        kib(bytes(&copy)?),
        kib(bytes(&world.home.data_file())?),
        read * 1e3,
        each * 1e6
    );
    Ok(())
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip_while(|it| it != "--edits").skip(1);
    let edits = arguments.next().map_or(Ok(EDITS), |it| it.parse())?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    println!("one record edited {edits} times, with new generations");
    runtime.block_on(run(edits, Limits::default()))?;
    let fewer = edits.min(EDITS_WITHOUT);
    println!("one record edited {fewer} times, without");
    let limits = Limits { history_changes: 100_000, history_days: 0, ..Limits::default() };
    runtime.block_on(run(fewer, limits))
}
