//! The same rows, replicated by PouchDB from a PouchDB server: programs of npm, which are installed
//! beside what is built. Where there is no npm, or it cannot reach its registry, it is left out.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::{Map, Value};
use tidegate_benches::Outcome;
use tidegate_benches::adventure_works::{Source, TABLES};

use crate::rivals::run;

/// PouchDB's server is for this version of express.
const PACKAGES: [&str; 3] = ["pouchdb@9.0.0", "express-pouchdb@4.2.0", "express@4"];

/// What a replication took.
#[derive(Deserialize)]
pub(crate) struct Replicated {
    ok: bool,
    pub(crate) seconds: f64,
    pub(crate) rows: u64,
    /// Of HTTP, both ways.
    pub(crate) bytes: u64,
}

/// Replicates all rows from one database to another. `None`: there is no npm, or no packages for it.
pub(crate) fn replicate(source: &Source, scratch: &Path) -> Outcome<Option<Replicated>> {
    let Some(home) = installed()? else { return Ok(None) };
    let program = home.join("pouch.cjs");
    std::fs::write(&program, include_str!("pouch.cjs"))?;
    let (program, scratch) = (program.to_str(), scratch.to_str());
    let args = [program.ok_or("a path")?, scratch.ok_or("a path")?];
    let Some(said) = run("node", &args, documents(source)?.as_bytes())? else { return Ok(None) };
    let replicated: Replicated = serde_json::from_slice(&said)?;
    if replicated.ok { Ok(Some(replicated)) } else { Err("PouchDB did not replicate".into()) }
}

/// The folder with the packages.
fn installed() -> Outcome<Option<PathBuf>> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pouchdb");
    if home.join("node_modules/express-pouchdb").exists() {
        return Ok(Some(home));
    }
    std::fs::create_dir_all(&home)?;
    std::fs::write(home.join("package.json"), "{}")?;
    let mut command = Command::new("npm");
    command.args(["install", "--silent", "--no-audit", "--no-fund"]).args(PACKAGES);
    match command.current_dir(&home).stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(Some(home)),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A document for each row, as an app of PouchDB would name it: by table and id.
fn documents(source: &Source) -> Outcome<String> {
    let mut documents = String::new();
    for table in TABLES {
        let (names, rows) = source.table(table)?;
        for row in rows {
            let mut document = Map::new();
            for (name, value) in names.iter().zip(row.iter()) {
                let (name, value) = match name.as_str() {
                    "id" => ("_id", format!("{table}:{value}")),
                    name => (name, value.to_owned()),
                };
                document.insert(name.to_owned(), Value::String(value));
            }
            writeln!(documents, "{}", Value::Object(document))?;
        }
    }
    Ok(documents)
}
