//! Tidegate: a server over QUIC on loopback, and a device in a process of its own that comes for
//! the first time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use tidegate::Replica;
use tidegate::replica::{Import, ImportSource};
use tidegate::server::{Home, InitOptions, OrganizationFiles, Server};

use super::{LOOKED_UP, Source, TABLES};
use crate::Outcome;

/// As the command line's demo has it: what the files of AdventureWorks mean.
const SCHEMA: &str = include_str!("../../../src/cli/demo/adventureworks.toml");

/// Who reads the four tables, and nothing else.
const READER: &str = "reader";

/// A server that holds the rows.
#[derive(Debug)]
pub struct Served {
    dir: PathBuf,
    home: Home,
    server: Server,
    devices: u32,
}

/// What a first sync took.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// From enrolling until all is here.
    pub seconds: f64,
    /// UDP payload, both ways.
    pub bytes: u64,
    /// Rows that the device has then.
    pub rows: u64,
    /// The most memory that the device's process held.
    pub peak_kib: u64,
    /// What it held before.
    pub before_kib: u64,
    /// What the device's file has.
    pub file_bytes: u64,
}

impl Served {
    /// Starts it in `dir` and loads the rows from a device of its own.
    ///
    /// # Errors
    /// A file cannot be read or written, or the server refuses a row.
    pub async fn start(source: &Source, dir: &Path) -> Outcome<Self> {
        let write = |name: &str, text: String| -> Outcome<PathBuf> {
            let path = dir.join(name);
            fs::write(&path, text)?;
            Ok(path)
        };
        let mut policy = fs::read_to_string(source.dir.join("policy.toml"))?;
        policy.push_str("\n[[role]]\nid = \"reader\"\n");
        for table in TABLES {
            writeln!(policy, "[role.rights.{table}]\nread = \"organization\"")?;
        }
        let users = fs::read_to_string(source.dir.join("user.csv"))?;
        let units = fs::read_to_string(source.dir.join("business_unit.csv"))?;
        let root = units.lines().nth(1).and_then(|line| line.split(',').next());
        let root = root.ok_or("no business unit")?;
        let users = format!("{}\n{READER},0,Reader,{root},,2009-01-14,reader\n", users.trim_end());
        let options = InitOptions {
            listen: Some("127.0.0.1:0".parse()?),
            schema: Some(write("schema.toml", SCHEMA.to_owned())?),
            policy: Some(write("policy.toml", policy)?),
            organization: Some(OrganizationFiles {
                business_units: source.dir.join("business_unit.csv"),
                users: write("user.csv", users)?,
            }),
            administrator: Some("importer".parse()?),
            ..InitOptions::default()
        };
        let home = Home::init(&dir.join("server"), &options)?;
        let server = home.serve(home.rules()?)?;
        let filled = Self { dir: dir.to_owned(), home, server, devices: 0 };
        filled.fill(source).await?;
        Ok(filled)
    }

    fn code(&self, user: &str) -> Outcome<String> {
        let at = vec![self.server.local_addr()?.to_string()];
        Ok(self.home.enroll_code_at(at, &user.parse()?, 3_600_000)?.to_string())
    }

    async fn fill(&self, source: &Source) -> Outcome<()> {
        let office = Replica::builder(self.dir.join("office.redb")).open()?;
        office.enroll(&self.code("importer")?.parse()?, "office").await?;
        for table in LOOKED_UP.into_iter().chain(TABLES) {
            let rename = match table {
                "territory" => [("id".to_owned(), "number".to_owned())].into(),
                _ => BTreeMap::default(),
            };
            let import = Import { table: table.parse()?, rename, ignore: Vec::new() };
            let rows = ImportSource::Csv(BufReader::new(fs::File::open(source.csv(table))?));
            let report = office.import(&import, rows, |_| {}).await?;
            if let Some(bad) = report.bad_lines.first() {
                return Err(format!("{table}, line {}: {}", bad.line, bad.error).into());
            }
        }
        office.sync().await?;
        Ok(())
    }

    /// A new device comes, syncs once, and goes. It is this program again, called with `--device`.
    ///
    /// # Errors
    /// The process fails.
    pub fn first_sync(&mut self) -> Outcome<Measured> {
        self.devices += 1;
        let file = self.dir.join(format!("device-{}.redb", self.devices));
        let mut command = Command::new(std::env::current_exe()?);
        let output = command.arg("--device").arg(&file).arg(self.code(READER)?).output()?;
        let told = String::from_utf8(output.stdout)?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        let mut figures = told.split_whitespace();
        let mut next = || figures.next().ok_or("a figure is missing");
        Ok(Measured {
            seconds: next()?.parse()?,
            bytes: next()?.parse()?,
            rows: next()?.parse()?,
            peak_kib: next()?.parse()?,
            before_kib: next()?.parse()?,
            file_bytes: fs::metadata(&file)?.len(),
        })
    }

    /// Stops the server.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

/// What the system says of this process's memory.
fn memory_kib(name: &str) -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|it| it.strip_prefix(name)).ok_or("no such line")?;
    Ok(line.trim_matches([':', '\t', ' ']).trim_end_matches(" kB").parse()?)
}

/// The device, in a process of its own: prints what its first sync took.
///
/// # Errors
/// It does not succeed.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub async fn device(file: &str, code: &str) -> Outcome<()> {
    let replica = Replica::builder(file).open()?;
    let code = code.parse()?;
    let before = memory_kib("VmRSS")?;
    let start = Instant::now();
    let report = replica.enroll(&code, "new").await?;
    let seconds = start.elapsed().as_secs_f64();
    let bytes = report.traffic.sent_bytes + report.traffic.received_bytes;
    let rows: u64 = replica.status()?.rows.values().sum();
    println!("{seconds} {bytes} {rows} {} {before}", memory_kib("VmHWM")?);
    Ok(())
}
