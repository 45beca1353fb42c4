//! A server and its devices, and what each of their sessions puts on the wire.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tempfile::TempDir;

use super::source::{Source, TABLE};
use crate::cli::CliError;
use crate::limits::ENROLL_CODE_LASTS_MILLIS;
use crate::model::{RecordId, TableName, Timestamp, Value};
use crate::replica::{Draft, Import, ImportSource, Intent, Replica, Traffic};
use crate::server::{Home, InitOptions, Server};

/// Tries to find a field that can be edited.
const TRIES_MAX: usize = 1_000;

/// What is edited.
pub(super) struct Edits {
    pub(super) count: usize,
    pub(super) authors: u32,
    pub(super) seed: u64,
}

/// What was measured.
pub(super) struct Measured {
    pub(super) edits: u64,
    authors: u32,
    import: Traffic,
    first_sync: Traffic,
    push: Traffic,
    catch_up: Traffic,
    idle: Traffic,
}

/// A part of it.
pub(super) struct Phase {
    pub(super) name: &'static str,
    pub(super) told: String,
    pub(super) traffic: Traffic,
    /// Bytes of each row or edit in the direction that matters.
    pub(super) each: Option<(f64, &'static str)>,
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn each(bytes: u64, idle: u64, count: u64) -> f64 {
    bytes.saturating_sub(idle) as f64 / count as f64
}

impl Measured {
    /// In the order in which they happened.
    pub(super) fn phases(&self, source: &Source) -> Vec<Phase> {
        let (rows, Self { edits, authors, idle, .. }) = (source.rows.len() as u64, self);
        let row = |bytes, idle| Some((each(bytes, idle, rows), "row"));
        let edit = |bytes, idle| Some((each(bytes, idle, *edits), "edit"));
        let phase =
            |name, told: &str, traffic, each| Phase { name, told: told.to_owned(), traffic, each };
        let all_idle = idle.sent_bytes * u64::from(*authors);
        vec![
            phase(
                "import",
                "import, sent to the server",
                self.import,
                row(self.import.sent_bytes, idle.sent_bytes),
            ),
            phase(
                "first_sync",
                "first sync of another device",
                self.first_sync,
                row(self.first_sync.received_bytes, idle.received_bytes),
            ),
            phase(
                "push",
                &format!("{authors} authors send their edits"),
                self.push,
                edit(self.push.sent_bytes, all_idle),
            ),
            phase(
                "catch_up",
                "the other device catches up",
                self.catch_up,
                edit(self.catch_up.received_bytes, idle.received_bytes),
            ),
            phase("idle", "a session with nothing to say", self.idle, None),
        ]
    }
}

struct Office {
    dir: TempDir,
    home: Home,
    server: Server,
    table: TableName,
}

/// Does it all once.
pub(super) async fn measure(source: &Source, edits: &Edits) -> Result<Measured, CliError> {
    let mut dice = Dice(edits.seed);
    let (ids, csv) = rows(source, &mut dice)?;
    let office = Office::start(source, edits.authors)?;
    let (importer, _) = office.enroll("importer").await?;
    let import =
        Import { table: office.table.clone(), rename: BTreeMap::new(), ignore: Vec::new() };
    let rows = ImportSource::Csv(csv.as_slice());
    let report = importer.import(&import, rows, |_| {}).await.map_err(CliError::input)?;
    if let Some(bad) = report.bad_lines.first() {
        return Err(CliError::Input(format!("line {}: {}", bad.line, bad.error)));
    }
    let import = sync(&importer).await?;
    let (reader, first_sync) = office.enroll("reader").await?;
    let mut authors = Vec::new();
    for author in 0..edits.authors {
        authors.push(office.enroll(&format!("author-{author}")).await?.0);
    }
    let idle = sync(&reader).await?;
    let drafts = drafts(source, &office.table, &ids, edits.count, &mut dice)?;
    for (draft, author) in drafts.iter().zip(authors.iter().cycle()) {
        author.commit(vec![draft.clone()]).await.map_err(CliError::run)?;
    }
    let mut push = Traffic::default();
    for author in &authors {
        push = sum(push, sync(author).await?);
    }
    let catch_up = sync(&reader).await?;
    check(&reader, &drafts)?;
    office.server.stop().await;
    let (edits, authors) = (drafts.len() as u64, edits.authors);
    Ok(Measured { edits, authors, import, first_sync, push, catch_up, idle })
}

async fn sync(replica: &Replica) -> Result<Traffic, CliError> {
    Ok(replica.sync().await.map_err(CliError::run)?.traffic)
}

const fn sum(one: Traffic, other: Traffic) -> Traffic {
    Traffic {
        sent_bytes: one.sent_bytes + other.sent_bytes,
        received_bytes: one.received_bytes + other.received_bytes,
        sent_packets: one.sent_packets + other.sent_packets,
        received_packets: one.received_packets + other.received_packets,
    }
}

/// What arrived is what was written.
fn check(reader: &Replica, drafts: &[Draft]) -> Result<(), CliError> {
    for Draft { table, record, intent } in drafts {
        let row = reader.get_confirmed(table, *record).map_err(CliError::run)?;
        let Intent::Set(columns) = intent else { continue };
        let has_all = |row: crate::replica::Row| {
            columns.iter().all(|(column, value)| row.get(column.as_str()) == value)
        };
        if !row.is_some_and(has_all) {
            return Err(CliError::Run(format!("record {record} did not arrive as it was edited")));
        }
    }
    Ok(())
}

impl Office {
    fn start(source: &Source, authors: u32) -> Result<Self, CliError> {
        let dir = tempfile::tempdir().map_err(CliError::run)?;
        let write = |name: &str, text: &str| -> Result<PathBuf, CliError> {
            let path = dir.path().join(name);
            std::fs::write(&path, text).map_err(CliError::run)?;
            Ok(path)
        };
        let authors = (0..authors).map(|author| format!("author-{author}"));
        let people = ["importer".to_owned(), "reader".to_owned()].into_iter().chain(authors);
        let user = |name: String| {
            format!(
                "[[user]]\nid = \"{name}\"\nbusiness_unit = \"root\"\nroles = [\"system_administrator\"]\n"
            )
        };
        let policy =
            format!("[[business_unit]]\nid = \"root\"\n{}", people.map(user).collect::<String>());
        let options = InitOptions {
            listen: Some(std::net::SocketAddr::from(([127, 0, 0, 1], 0))),
            schema: Some(write("schema.json", &source.schema_text)?),
            policy: Some(write("policy.toml", &policy)?),
            ..InitOptions::default()
        };
        let home = Home::init(&dir.path().join("server"), &options).map_err(CliError::run)?;
        let server = home.serve(home.rules().map_err(CliError::run)?).map_err(CliError::run)?;
        let table = TABLE.parse().map_err(CliError::run)?;
        Ok(Self { dir, home, server, table })
    }

    /// A new device of this user, and what it cost to bring it up to date.
    async fn enroll(&self, user: &str) -> Result<(Replica, Traffic), CliError> {
        let address = self.server.local_addr().map_err(CliError::run)?.to_string();
        let name = user.parse().map_err(CliError::run)?;
        let code = self.home.enroll_code_at(vec![address], &name, ENROLL_CODE_LASTS_MILLIS);
        let code = code.map_err(CliError::run)?;
        let path = self.dir.path().join(format!("{user}.redb"));
        let replica = Replica::builder(&path).open().map_err(CliError::run)?;
        let report = replica.enroll(&code, user).await.map_err(CliError::run)?;
        Ok((replica, report.traffic))
    }
}

/// A small generator (splitmix64): the same numbers from the same seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below this number.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound.max(1) as u64)).unwrap_or_default()
    }
}

/// Ids of the rows, such as a device would give them, and the rows with them as CSV.
fn rows(source: &Source, dice: &mut Dice) -> Result<(Vec<RecordId>, Vec<u8>), CliError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let names = source.columns.iter().map(|column| column.id.as_str());
    writer.write_record(std::iter::once("id").chain(names)).map_err(CliError::run)?;
    // As if all were made in one moment of 2026.
    let now = Timestamp::from_millis(1_790_000_000_000).unwrap_or(Timestamp::MIN);
    let mut ids = Vec::new();
    for row in &source.rows {
        let mut random = [0; 10];
        let bytes = dice.next().to_be_bytes().into_iter().chain(dice.next().to_be_bytes());
        random.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        let id = RecordId::new(now, random);
        let text = id.to_string();
        writer.write_record(std::iter::once(text.as_str()).chain(row)).map_err(CliError::run)?;
        ids.push(id);
    }
    Ok((ids, writer.into_inner().map_err(CliError::run)?))
}

/// Edits of one field each, of so many different records: a field gets what another row has there.
fn drafts(
    source: &Source,
    table: &TableName,
    ids: &[RecordId],
    count: usize,
    dice: &mut Dice,
) -> Result<Vec<Draft>, CliError> {
    let declared = source.schema.table(TABLE).map_or(&[][..], |table| table.columns.as_slice());
    let mut left: Vec<usize> = (0..ids.len()).collect();
    let mut drafts = Vec::new();
    while drafts.len() < count && !left.is_empty() {
        let at = left.swap_remove(dice.below(left.len()));
        let cell = |row: usize, column: usize| source.rows.get(row).and_then(|row| row.get(column));
        let value = (0..TRIES_MAX).find_map(|_| {
            let (column, from) = (dice.below(declared.len()), dice.below(ids.len()));
            let (old, new) = (cell(at, column)?, cell(from, column)?);
            let column = declared.get(column).filter(|_| old != new)?;
            Some((column.id.clone(), column.parse(&source.schema, new).unwrap_or(Value::Null)))
        });
        let (Some(value), Some(record)) = (value, ids.get(at)) else {
            return Err(CliError::Input(
                "there is nothing to edit: rows hold hardly anything that another row has not"
                    .into(),
            ));
        };
        let intent = Intent::Set([value].into_iter().collect());
        drafts.push(Draft { table: table.clone(), record: *record, intent });
    }
    Ok(drafts)
}
