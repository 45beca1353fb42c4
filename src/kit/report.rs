//! What runs that did not fail went through.

use std::fmt;

/// What happened in runs that did not fail, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Runs: one a seed.
    pub runs: u64,
    /// Things that the app did.
    pub actions: u64,
    /// Of these, ended in the middle with the app's process.
    pub interrupted: u64,
    /// Times that the app did something because a sync brought news.
    pub reactions: u64,
    /// Times that the app was told that its user may not, or that a record is not there.
    pub refused: u64,
    /// Of these, edits that made no sense: since something is not there any more, or for a mistake of
    /// the app's.
    pub malformed: u64,
    /// Edits that the server admitted.
    pub admitted: u64,
    /// Edits, or parts of edits, that the server denied.
    pub denied: u64,
    /// Messages that arrived.
    pub messages: u64,
    /// Connections that were cut.
    pub cuts: u64,
    /// Processes that ended and began anew.
    pub restarts: u64,
    /// Changes of the rules.
    pub changes: u64,
    /// Invariants that were looked at.
    pub checks: u64,
    /// Virtual time, of all runs together.
    pub millis: u64,
}

impl Report {
    pub(super) fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.actions += other.actions;
        self.interrupted += other.interrupted;
        self.reactions += other.reactions;
        self.refused += other.refused;
        self.malformed += other.malformed;
        self.admitted += other.admitted;
        self.denied += other.denied;
        self.messages += other.messages;
        self.cuts += other.cuts;
        self.restarts += other.restarts;
        self.changes += other.changes;
        self.checks += other.checks;
        self.millis += other.millis;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} runs of {} hours: {} actions ({} interrupted), {} reactions; edits: {} refused at \
             once ({} malformed), {} admitted, {} denied; {} messages, {} cuts, {} restarts, {} changes of rules; \
             {} checks",
            self.runs,
            self.millis / 3_600_000,
            self.actions,
            self.interrupted,
            self.reactions,
            self.refused,
            self.malformed,
            self.admitted,
            self.denied,
            self.messages,
            self.cuts,
            self.restarts,
            self.changes,
            self.checks,
        )
    }
}
