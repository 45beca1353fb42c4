//! Commands that are waited for, and processes that go on. None outlives its test.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// How long a process may say nothing before the test gives up; machines under load are slow, and
/// with all real records a command is busy for minutes.
fn patience() -> Duration {
    let all_rows = std::env::var_os("TIDEGATE_ALL_ROWS").is_some();
    Duration::from_secs(if all_rows { 1_200 } else { 120 })
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// `None`: it was killed by a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// What it printed, after checking that it succeeded.
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.stdout
    }

    /// The one JSON value that it printed.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let text = self.done();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The JSON values that it printed, one a line.
    #[track_caller]
    pub(crate) fn json_lines(self) -> Vec<Value> {
        let text = self.done();
        let read =
            |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        text.lines().map(read).collect()
    }
}

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(args).current_dir(dir).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("TIDEGATE_REPLICA").env_remove("TIDEGATE_LOG");
    command
}

/// Runs a command to its end.
pub(crate) fn run(dir: &Path, args: &[&str]) -> Outcome {
    run_with(dir, args, &[])
}

/// As [`run`], with these variables of the environment.
pub(crate) fn run_with(dir: &Path, args: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let mut running = Running::start_with(dir, args, variables);
    let stdout: Vec<_> = std::iter::from_fn(|| running.next_line()).collect();
    let code = running.wait();
    Outcome { code, stdout: stdout.join("\n"), stderr: running.stderr() }
}

/// A process that goes on beside the test; killed when this is dropped.
pub(crate) struct Running {
    child: Child,
    what: String,
    lines: Receiver<String>,
    errors: Option<thread::JoinHandle<String>>,
}

impl Running {
    pub(crate) fn start(dir: &Path, args: &[&str]) -> Self {
        Self::start_with(dir, args, &[])
    }

    pub(crate) fn start_with(dir: &Path, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = command(dir, args).envs(variables.iter().copied()).spawn().unwrap();
        let (sender, lines) = channel();
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let errors = thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        Self { child, what: args.join(" "), lines, errors: Some(errors) }
    }

    /// The next line that it prints; `None`: it has ended.
    #[track_caller]
    pub(crate) fn next_line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(patience()) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                let _ = self.child.kill();
                let said = self.stderr();
                panic!("`{}` says nothing for {:?}: {said}", self.what, patience())
            }
        }
    }

    /// Reads lines of JSON up to one of this event.
    #[track_caller]
    pub(crate) fn until_event(&mut self, event: &str) -> Value {
        loop {
            let Some(line) = self.next_line() else {
                let said = self.stderr();
                panic!("`{}` ended before `{event}`: {said}", self.what)
            };
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["event"] == event {
                return line;
            }
        }
    }

    /// Lines that it has printed and nobody has read, to the end if it was killed.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.lines.recv_timeout(Duration::from_secs(5)).ok()).collect()
    }

    /// As a power cut ends it, but for what the system still writes.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// As Ctrl-C ends it.
    #[cfg(unix)]
    pub(crate) fn interrupt(&mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        self.wait()
    }

    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub(crate) fn stderr(&mut self) -> String {
        self.errors.take().map(|it| it.join().unwrap()).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
