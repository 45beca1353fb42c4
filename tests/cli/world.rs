//! A folder with servers and replicas in it, and what one does with them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::ports::free_port;
use crate::process::{Outcome, Running, run, run_with};

pub(crate) struct World {
    dir: TempDir,
}

/// Rows by id.
pub(crate) type Rows = BTreeMap<String, Value>;

impl World {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Changes one place of a text file.
    #[track_caller]
    pub(crate) fn replace(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no {from:?}:\n{text}");
        self.write(name, text.replacen(from, to, 1));
    }

    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        run(self.dir.path(), args)
    }

    /// As [`Self::run`], with a variable of the environment.
    pub(crate) fn run_with(&self, args: &[&str], variable: (&str, &str)) -> Outcome {
        run_with(self.dir.path(), args, &[variable])
    }

    pub(crate) fn start(&self, args: &[&str]) -> Running {
        Running::start(self.dir.path(), args)
    }

    /// As [`Self::start`], with a variable of the environment.
    pub(crate) fn start_with(&self, args: &[&str], variable: (&str, &str)) -> Running {
        Running::start_with(self.dir.path(), args, &[variable])
    }

    /// All files below the folder, with their contents.
    pub(crate) fn files(&self, below: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let (mut found, mut open) = (BTreeMap::new(), vec![self.path(below)]);
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            } else if let Ok(bytes) = fs::read(&path) {
                found.insert(path, bytes);
            }
        }
        found
    }

    // ---- servers

    /// Makes a server in the folder `name`; `more` are arguments of `init`.
    #[track_caller]
    pub(crate) fn init(&self, name: &str, more: &[&str]) -> Value {
        let listen = format!("127.0.0.1:{}", free_port());
        let args = [&["init", name, "--json", "--listen", &listen], more].concat();
        self.run(&args).json()
    }

    /// Starts it and waits until it listens. A port that is taken is waited for: a server that was
    /// killed a moment ago may still be going.
    #[track_caller]
    pub(crate) fn serve(&self, name: &str) -> Running {
        self.serve_with(name, &[])
    }

    /// As [`Self::serve`], with more arguments.
    #[track_caller]
    pub(crate) fn serve_with(&self, name: &str, more: &[&str]) -> Running {
        for _ in 0..50 {
            let mut server = self.start(&[&["serve", name, "--json"], more].concat());
            if let Some(line) = server.next_line() {
                let line: Value = serde_json::from_str(&line).unwrap();
                assert!(line["listening"].is_string(), "{line}");
                return server;
            }
            let stderr = server.stderr();
            let passing = stderr.contains("is in use") || stderr.contains("another process");
            assert!(passing, "{stderr}");
        }
        panic!("the server of {name} does not start")
    }

    #[track_caller]
    pub(crate) fn code(&self, server: &str, user: &str) -> String {
        let answer = self.run(&["enroll-code", "--dir", server, "--user", user, "--json"]).json();
        assert_eq!(answer["user"], user);
        answer["code"].as_str().unwrap().to_owned()
    }

    // ---- devices

    /// Enrols `{name}.redb` as a device of `user`.
    #[track_caller]
    pub(crate) fn enroll(&self, server: &str, user: &str, name: &str) -> Value {
        let code = self.code(server, user);
        let answer = self.device(name, &["enroll", &code, "--json"]).json();
        assert_eq!(answer["user"], user);
        answer
    }

    /// Runs a command of a device.
    pub(crate) fn device(&self, name: &str, args: &[&str]) -> Outcome {
        let file = format!("{name}.redb");
        self.run(&[args, &["--replica", &file]].concat())
    }

    pub(crate) fn start_device(&self, name: &str, args: &[&str]) -> Running {
        let file = format!("{name}.redb");
        self.start(&[args, &["--replica", &file]].concat())
    }

    #[track_caller]
    pub(crate) fn sync(&self, name: &str) -> Value {
        self.device(name, &["sync", "--json"]).json()
    }

    #[track_caller]
    pub(crate) fn status(&self, name: &str) -> Value {
        self.device(name, &["status", "--json"]).json()
    }

    /// All rows of a table on a device, but for the places up to which it has them, which say how they came.
    #[track_caller]
    pub(crate) fn rows(&self, name: &str, table: &str) -> Rows {
        let rows =
            self.device(name, &["query", table, "--json", "--limit", "1000000"]).json_lines();
        let id = |row: &Value| row["id"].as_str().unwrap().to_owned();
        let count = rows.len();
        let mut rows: Rows = rows.into_iter().map(|row| (id(&row), row)).collect();
        for row in rows.values_mut() {
            assert!(row.as_object_mut().unwrap().remove("version").is_some());
        }
        assert_eq!(rows.len(), count, "an id twice");
        rows
    }

    /// Edits, and returns the record and the edit.
    #[track_caller]
    pub(crate) fn edit(&self, name: &str, table: &str, id: &str, set: &[&str]) -> (String, String) {
        let args = [&["edit", table, id, "--json"], set].concat();
        let answer = self.device(name, &args).json();
        let edit = answer["edits"][0].as_str().unwrap().to_owned();
        (answer["record"].as_str().unwrap().to_owned(), edit)
    }
}
