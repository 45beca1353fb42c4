//! `replay`: an edit history, played by real devices and a real server.

mod ending;
mod entropy;
mod plan;
mod play;
mod report;
mod text;
mod trace;
mod world;

use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use self::ending::{State, compare, expected, gather};
use self::plan::Plan;
use self::play::Player;
use self::report::Report;
use self::trace::{Lengths, Trace};
use self::world::{OnWire, World};
use super::{CliError, wait};

/// Replay an edit history, and measure it.
///
/// Each author has a device, which syncs with a server over real QUIC on loopback, in a temporary folder.
/// Each commit is made as of what it says that its author had seen, so what was concurrent once is
/// concurrent again. In the end all replicas must be equal. Every number printed is measured in this run.
#[derive(Debug, Args)]
pub(super) struct ReplayCommand {
    /// The history: JSON lines, one commit each, after its parents; or a trace of keystrokes, packed with
    /// gzip or not.
    trace: PathBuf,
    /// What the records must be in the end: a JSON object, by their names.
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
    /// So many leaves may be other than expected; more are exit code 1.
    #[arg(long, value_name = "LEAVES", default_value_t = 0, requires = "expect")]
    tolerance: usize,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// Whether it is told how long the trace is as a file.
    #[arg(skip)]
    with_lengths: bool,
}

impl ReplayCommand {
    /// A trace that is played for its bytes, beside those of the file.
    pub(super) const fn bench(trace: PathBuf, json: bool) -> Self {
        Self { trace, expect: None, tolerance: 0, json, with_lengths: true }
    }

    pub(super) fn run(&self) -> Result<(), CliError> {
        let trace = Trace::open(&self.trace)?;
        let told = |error: String| CliError::Input(format!("{}{error}", self.trace.display()));
        let plan = Plan::of(&trace).map_err(told)?;
        let lengths = self.with_lengths.then(|| Lengths::of(&self.trace)).transpose()?;
        // What cannot be read is told before all the work.
        let expected = self.expect.as_deref().map(expected).transpose()?;
        let expected = expected.or_else(|| State::of_text(&trace));
        let bar = Progress::new(self.json)?;
        let played = wait(played(&trace, &plan, &bar));
        bar.0.finish_and_clear();
        let played = played?;
        let comparison =
            expected.map(|expected| compare(&trace, &plan.conflicts, &expected, &played.state));
        let conflicts = &plan.conflicts;
        let report = Report { trace: &trace, lengths, conflicts, played, comparison };
        report.print(self.json);
        report.verdict(self.tolerance)
    }
}

/// What came of playing a trace.
struct Played {
    /// What the first replica holds.
    state: State,
    /// Replicas that hold something else.
    different: usize,
    /// How many sessions the commits took.
    sessions: u64,
    /// What was on the wire when all devices were enrolled, when the last commit was played, and when
    /// all devices were up to date.
    on_wire: [OnWire; 3],
}

async fn played(trace: &Trace, plan: &Plan, bar: &Progress) -> Result<Played, CliError> {
    let mut world = World::start(trace.authors)?;
    bar.begin("devices", trace.authors);
    for author in 0..trace.authors {
        world.enroll(author).await?;
        bar.at(author + 1);
    }
    let (enrolled, before) = (world.on_wire, world.sessions);
    let mut player = Player::new(trace, plan, world)?;
    bar.begin("commits", trace.commits.len());
    player.play(|done| bar.at(done)).await?;
    let mut world = player.into_world();
    let (edited, sessions) = (world.on_wire, world.sessions - before);
    bar.begin("replicas", trace.authors);
    let (state, different) = gather(&mut world, trace.authors, |done| bar.at(done)).await?;
    let on_wire = [enrolled, edited, world.on_wire];
    world.stop().await;
    Ok(Played { state, different, sessions, on_wire })
}

/// A bar on standard error, where somebody may look at it.
struct Progress(ProgressBar);

impl Progress {
    fn new(json: bool) -> Result<Self, CliError> {
        let bar = if json { ProgressBar::hidden() } else { ProgressBar::new(0) };
        let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} {msg} {eta}");
        bar.set_style(style.map_err(CliError::run)?);
        Ok(Self(bar))
    }

    fn begin(&self, what: &'static str, all: usize) {
        self.0.reset();
        self.0.set_length(all as u64);
        self.0.set_message(what);
    }

    fn at(&self, done: usize) {
        self.0.set_position(done as u64);
    }
}
