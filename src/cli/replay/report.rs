//! What a replay came to, for people and scripts.

use serde_json::{Value as Json, json};

use super::Played;
use super::ending::{Comparison, Difference};
use super::entropy::{self, float};
use super::plan::Conflicts;
use super::trace::{Lengths, Trace};
use super::world::OnWire;
use crate::cli::CliError;
use crate::cli::output::{counted, print_ledger};

/// So many conflicts are shown to people; scripts get all.
const CONFLICTS_SHOWN: usize = 10;
/// So much is shown to people of a leaf that is not as expected.
const SHOWN_CHARS: usize = 80;

pub(super) struct Report<'a> {
    pub(super) trace: &'a Trace,
    pub(super) lengths: Option<Lengths>,
    pub(super) conflicts: &'a Conflicts,
    pub(super) played: Played,
    pub(super) comparison: Option<Comparison>,
}

impl Report<'_> {
    fn edits(&self) -> u64 {
        self.trace.commits.iter().map(|commit| commit.edits).sum()
    }

    fn by_edit(&self, bytes: f64) -> f64 {
        (bytes / float(self.edits().max(1)) * 100.0).round() / 100.0
    }

    /// What was on the wire: until all were enrolled, while commits were played, and at the end.
    fn on_wire(&self) -> [OnWire; 3] {
        let [enrolled, edited, all] = self.played.on_wire;
        [enrolled, edited.since(enrolled), all.since(edited)]
    }

    pub(super) fn print(&self, as_json: bool) {
        if as_json { println!("{}", self.as_json()) } else { self.tell() }
    }

    /// Whether all is as it should be.
    pub(super) fn verdict(&self, tolerance: usize) -> Result<(), CliError> {
        if self.played.different > 0 {
            return Err(CliError::Run(format!(
                "{} of {} replicas differ from the first",
                self.played.different, self.trace.authors
            )));
        }
        let differing = self.comparison.as_ref().map_or(0, |it| it.differences.len());
        if differing > tolerance {
            return Err(CliError::Run(format!(
                "not as expected: {}, at most {tolerance} may be other",
                counted(differing as u64, "difference")
            )));
        }
        Ok(())
    }

    fn tell(&self) {
        let (trace, edits) = (self.trace, self.edits());
        println!(
            "{} by {}: {} of {}",
            counted(trace.commits.len() as u64, "commit"),
            counted(trace.authors as u64, "author"),
            counted(edits, "edit"),
            counted(trace.records.len() as u64, "record"),
        );
        if let Some(Lengths { bytes, packed_bytes }) = self.lengths {
            println!(
                "as JSON {bytes} bytes, with zstd -19 {packed_bytes}: {:.2} and {:.2} an edit",
                self.by_edit(float(bytes)),
                self.by_edit(float(packed_bytes)),
            );
        }
        println!("{}", counted(self.played.sessions, "session"));
        println!("conflicts: {}", self.conflicts.len());
        for ((record, path), commits) in self.conflicts.iter().take(CONFLICTS_SHOWN) {
            let commits = self.ids(commits.iter().copied());
            println!("  {}{path}: commits {}", self.name(*record), listed(&commits));
        }
        if self.conflicts.len() > CONFLICTS_SHOWN {
            println!("  and {} more (all with --json)", self.conflicts.len() - CONFLICTS_SHOWN);
        }
        let [enrolled, edited, last] = self.on_wire();
        let (up, down) = (edited.sent_bytes, edited.received_bytes);
        println!("bytes (UDP payload) of the commits: {up} up, {down} down; by purpose:");
        print_ledger(&edited.ledger, ["up", "down"]);
        println!(
            "bytes an edit: {:.2} up, {:.2} down; all edits said once are about {:.2} (entropy)",
            self.by_edit(float(up)),
            self.by_edit(float(down)),
            self.by_edit(entropy::bytes(trace)),
        );
        for (what, OnWire { sent_bytes, received_bytes, .. }) in
            [("enrolling all devices before", enrolled), ("bringing all up to date after", last)]
        {
            println!("bytes of {what}: {sent_bytes} up, {received_bytes} down");
        }
        match self.played.different {
            0 => println!("replicas: {}, all equal", trace.authors),
            different => println!("replicas: {}, {different} DIFFERENT", trace.authors),
        }
        if let Some(comparison) = &self.comparison {
            let differing = comparison.differences.len();
            println!("expected: {} leaves, {differing} not as expected", comparison.leaves);
            let is_text = self.trace.ending.is_some() && self.trace.authors > 1;
            comparison.differences.iter().for_each(|it| tell_difference(it, is_text));
        }
    }

    fn name(&self, record: usize) -> &str {
        self.trace.records.get(record).map_or("", String::as_str)
    }

    fn ids(&self, commits: impl Iterator<Item = usize>) -> Vec<u64> {
        commits.filter_map(|commit| self.trace.commits.get(commit)).map(|it| it.id).collect()
    }

    fn as_json(&self) -> Json {
        let conflicts = self.conflicts.iter().map(|((record, path), commits)| {
            json!({
                "record": self.name(*record),
                "path": path,
                "commits": self.ids(commits.iter().copied()),
            })
        });
        let comparison = self.comparison.as_ref().map(|it| {
            json!({
                "leaves": it.leaves,
                "differences": it.differences.iter().map(difference_json).collect::<Json>(),
            })
        });
        let [enrolled, edited, last] = self.on_wire();
        json!({
            "commits": self.trace.commits.len(),
            "authors": self.trace.authors,
            "records": self.trace.records.len(),
            "edits": self.edits(),
            "json_bytes": self.lengths.map(|it| it.bytes),
            "json_zstd_bytes": self.lengths.map(|it| it.packed_bytes),
            "sessions": self.played.sessions,
            "sent_bytes": edited.sent_bytes,
            "received_bytes": edited.received_bytes,
            "ledger": edited.ledger,
            "sent_bytes_by_edit": self.by_edit(float(edited.sent_bytes)),
            "received_bytes_by_edit": self.by_edit(float(edited.received_bytes)),
            "entropy_bytes_by_edit": self.by_edit(entropy::bytes(self.trace)),
            "enrolment": on_wire_json(&enrolled),
            "catching_up": on_wire_json(&last),
            "replicas_equal": self.played.different == 0,
            "conflicts": conflicts.collect::<Json>(),
            "comparison": comparison,
        })
    }
}

fn on_wire_json(OnWire { sent_bytes, received_bytes, ledger }: &OnWire) -> Json {
    json!({ "sent_bytes": sent_bytes, "received_bytes": received_bytes, "ledger": ledger })
}

fn listed(commits: &[u64]) -> String {
    commits.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn tell_difference(difference: &Difference, is_text: bool) {
    let Difference { record, path, expected, found, commits } = difference;
    let commits: Vec<_> = commits.iter().copied().collect();
    let why = match commits.as_slice() {
        [] if difference.is_emptied() => "an object goes with its last entry".to_owned(),
        [] if is_text => {
            "what was typed side by side in one place has no order of its own".to_owned()
        }
        [] => "nobody wrote there side by side".to_owned(),
        some => format!("commits {} wrote there side by side", listed(some)),
    };
    let [found, expected] = [found, expected].map(|it| it.as_deref().unwrap_or("nothing"));
    let (found, expected) = (from_difference(found, expected), from_difference(expected, found));
    println!("  {record}{path}: {found} in place of {expected}; {why}");
}

/// A leaf, or of a long one what is where it begins to be another than `other`.
fn from_difference(leaf: &str, other: &str) -> String {
    let length = leaf.chars().count();
    if length <= SHOWN_CHARS {
        return leaf.to_owned();
    }
    let same = leaf.chars().zip(other.chars()).take_while(|(one, other)| one == other).count();
    let part: String = leaf.chars().skip(same).take(SHOWN_CHARS).collect();
    format!("{part:?} from character {same} on, of {length},")
}

fn difference_json(difference: &Difference) -> Json {
    let Difference { record, path, expected, found, commits } = difference;
    json!({
        "record": record,
        "path": path,
        "expected": expected,
        "found": found,
        "emptied": difference.is_emptied(),
        "commits": commits,
    })
}
