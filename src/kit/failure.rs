//! What a run that fails says.

use std::fmt;

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// An invariant does not hold.
    Broken {
        /// Which.
        invariant: String,
        /// What it says.
        why: String,
    },
    /// Something that the app does ended with an error that is no refusal.
    Failed {
        /// What the app does.
        action: String,
        /// The error.
        error: String,
    },
    /// Something that the app does waits for what does not happen meanwhile: a verdict, a session, a
    /// timer.
    Waits {
        /// What the app does.
        action: String,
    },
    /// Something that the app does makes edits without end.
    Endless {
        /// What the app does.
        action: String,
    },
    /// The app answers what others do with edits, which they answer in turn, without end.
    Restless,
    /// The library failed.
    Library(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken { invariant, why } => write!(f, "`{invariant}` does not hold: {why}"),
            Self::Failed { action, error } => write!(f, "`{action}` failed: {error}"),
            Self::Waits { action } => write!(
                f,
                "`{action}` waits for something that does not happen while it does: a verdict, a \
                 session or a timer"
            ),
            Self::Endless { action } => write!(f, "`{action}` makes edits without end"),
            Self::Restless => f.write_str(
                "what the app does after a sync comes to no rest: devices answer each other's edits \
                 with edits",
            ),
            Self::Library(error) => write!(f, "the library failed: {error}"),
        }
    }
}

/// A problem, and the device that it showed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) problem: Problem,
    pub(super) device: usize,
}

impl Trouble {
    pub(super) fn library(device: usize, error: impl fmt::Display) -> Self {
        Self { problem: Problem::Library(error.to_string()), device }
    }

    /// Whether another run failed in the same way, be it on another device and with other rows.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        use Problem::{Broken, Endless, Failed, Library, Restless, Waits};
        match (&self.problem, &other.problem) {
            (Broken { invariant: a, .. }, Broken { invariant: b, .. })
            | (Failed { action: a, .. }, Failed { action: b, .. })
            | (Waits { action: a }, Waits { action: b })
            | (Endless { action: a }, Endless { action: b }) => a == b,
            (Restless, Restless) | (Library(_), Library(_)) => true,
            _ => false,
        }
    }
}

/// A run that failed, with as few steps as were found. Records have short names in it, such as
/// `line#2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The seed that it is of: [`Kit::run`](super::Kit::run) from it to the next one says the same
    /// again.
    pub seed: u64,
    /// What is wrong.
    pub problem: Problem,
    /// The number of the device on which it is.
    pub device: usize,
    /// That device's user.
    pub user: String,
    /// How many steps the run had when it was drawn.
    pub drawn: usize,
    /// What happens, one step each.
    pub steps: Vec<String>,
    /// What the app reads on the device in the end.
    pub rows: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, problem, device, user, drawn, steps, rows } = self;
        writeln!(f, "seed {seed}, device {device} ({user}): {problem}")?;
        writeln!(f, "{} of {drawn} steps are enough:", steps.len())?;
        for (at, step) in steps.iter().enumerate() {
            writeln!(f, "{:>3}. {step}", at + 1)?;
        }
        writeln!(f, "What device {device} ({user}) shows then:")?;
        rows.iter().try_for_each(|row| writeln!(f, "  {row}"))
    }
}

impl std::error::Error for Failure {}

/// Why a kit does not say that all is well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KitError {
    /// There is nothing to run: the kit lacks something, or what it was given does not fit together.
    #[error("the kit cannot run: {0}")]
    Setup(String),
    /// A run failed.
    #[error("{0}")]
    Failed(Box<Failure>),
}

impl KitError {
    /// The run that failed.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            Self::Setup(_) => None,
        }
    }
}
